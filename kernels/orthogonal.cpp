// Orthogonal matrices: blocked Householder QR (Golub and Van Loan, Matrix Computations, 5.2.3: the WY form of Schreiber
// and Van Loan 1989), on the transposed matrix so that columns lie contiguous.
//
// M ≥ N are the sides. At [N, M] holds the columns of the matrix, then the Householder vectors v in their place;
// a block of `kBlock` reflections is I − V·T·Vᵀ with T upper triangular.
#include "abi.h"
#include "simd.h"

namespace RONDO_NAMESPACE {
namespace {

constexpr Index kBlock = 32;

double dot(const float* a, const float* b, Index count) {
  double total = 0;
  for (Index from = 0; from < count; from += 512) {
    const Index end = count - from < 512 ? count : from + 512;
    vf sum[4] = {};
    Index i = from;
    for (; i + 4 * VL <= end; i += 4 * VL) {
      RONDO_UNROLL
      for (int32_t k = 0; k < 4; ++k) sum[k] = fma_(load(a + i + k * VL), load(b + i + k * VL), sum[k]);
    }
    const vf all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    for (int32_t k = 0; k < VL; ++k) total += double{all[k]};
    for (; i < end; ++i) total += double{a[i]} * b[i];
  }
  return total;
}

void addScaled(float* y, const float* x, float scale, Index count) {
  Index i = 0;
  for (; i + VL <= count; i += VL) store(y + i, fma_(broadcast(scale), load(x + i), load(y + i)));
  for (; i < count; ++i) y[i] += scale * x[i];
}

void transpose(const float* x, float* out, Index rows, Index cols) {
  constexpr Index tile = 16;
  for (Index r = 0; r < rows; r += tile) {
    for (Index c = 0; c < cols; c += tile) {
      const Index r1 = r + tile < rows ? r + tile : rows, c1 = c + tile < cols ? c + tile : cols;
      for (Index i = r; i < r1; ++i) {
        for (Index k = c; k < c1; ++k) out[k * rows + i] = x[i * cols + k];
      }
    }
  }
}

double squareRoot(double x) { return __builtin_sqrt(x); }

// Turns row j of At into its Householder vector (1 at j, zeros before). Returns τ; `sign` becomes the sign of R's
// diagonal element.
float reflection(float* row, Index j, Index M, float& sign) {
  const double alpha = row[j];
  const double tail = dot(row + j + 1, row + j + 1, M - j - 1);
  for (Index i = 0; i < j; ++i) row[i] = 0;
  row[j] = 1;
  sign = alpha < 0 ? -1.f : 1.f;
  if (tail == 0) return 0;  // the column is already reduced
  const double beta = alpha < 0 ? squareRoot(alpha * alpha + tail) : -squareRoot(alpha * alpha + tail);
  sign = -sign;
  const float scale = static_cast<float>(1 / (alpha - beta));
  for (Index i = j + 1; i < M; ++i) row[i] *= scale;
  return static_cast<float>((beta - alpha) / beta);
}

// Factors rows [j0, j0 + width) of At and writes −T (upper triangular, row stride kBlock).
void panel(float* At, Index M, Index j0, Index width, float* minusT, float* signs) {
  for (Index j = 0; j < width; ++j) {
    float* v = At + (j0 + j) * M;
    const float tau = reflection(v, j0 + j, M, signs[j0 + j]);
    for (Index k = j + 1; k < width; ++k) {
      float* row = At + (j0 + k) * M;
      const Index from = j0 + j;
      addScaled(row + from, v + from, -tau * static_cast<float>(dot(row + from, v + from, M - from)), M - from);
    }
    // Column j of T: τ on the diagonal, −τ·T·(Vᵀ·v) above it.
    float products[kBlock];
    for (Index i = 0; i < j; ++i) {
      products[i] = static_cast<float>(dot(At + (j0 + i) * M + j0 + j, v + j0 + j, M - j0 - j));
    }
    for (Index i = 0; i < kBlock; ++i) minusT[i * kBlock + j] = i == j ? -tau : 0.f;
    for (Index i = 0; i < j; ++i) {
      const float* row = minusT + i * kBlock;
      double sum = 0;
      for (Index k = i; k < j; ++k) sum += double{row[k]} * products[k];
      minusT[i * kBlock + j] = static_cast<float>(-tau * sum);
    }
  }
}

}  // namespace

Status execute(const Context& context, const op::orthogonal& o, Tail) {
  if (absent(o.x, o.out, o.work)) return context.fail(Status::missingOperand);
  const int32_t least = o.rows < o.cols ? o.rows : o.cols;
  if (least < 0) return context.fail(Status::wrongField, least, 0, INT32_MAX);
  if (least == 0) return Status::ok;
  const bool wide = o.rows < o.cols;
  const int32_t M = wide ? o.cols : o.rows, N = least;
  const int32_t panels = (N + kBlock - 1) / kBlock;

  // work: At [N, M]; −T of each panel [panels, kBlock, kBlock]; two products [N, kBlock]; the signs of
  // R's diagonal [N].
  const auto part = [&](int32_t offset) { return Ptr{o.work.buffer, o.work.offset + offset}; };
  const Ptr at = part(0);
  const Ptr minusT = part(N * M);
  const Ptr product = part(N * M + panels * kBlock * kBlock);
  const Ptr scaled = part(N * M + panels * kBlock * kBlock + N * kBlock);
  const Ptr signsAt = part(N * M + panels * kBlock * kBlock + 2 * N * kBlock);
  float* At = context.at<float>(at);
  float* signs = context.at<float>(signsAt);
  const auto offset = [](Ptr p, int32_t by) { return Ptr{p.buffer, p.offset + by}; };
  constexpr Ptr none{-1, 0};

  // X [rows, M] from its row stride M: X −= (X·V)·T·Vᵀ, or with T transposed. Columns before `j` are left alone.
  const auto apply = [&](Ptr x, int32_t rows, int32_t j, int32_t width, bool transposed) {
    const Ptr v = offset(at, j * M + j), t = offset(minusT, j / kBlock * kBlock * kBlock);
    const Ptr from = offset(x, j);
    const int32_t tRow = transposed ? 1 : kBlock, tCol = transposed ? kBlock : 1, columns = M - j;
    const auto multiply = [&](int32_t n, int32_t k, Ptr a, int32_t aRow, Ptr b, int32_t bRow, int32_t bCol, Ptr c,
                              int32_t cRow, int32_t add) {
      return execute(context,
                     op::matmul{rows, n, k, a, aRow, 1, b, bRow, bCol, none, c, cRow, add, none, 0}, Tail{nullptr, 0});
    };
    Status status = multiply(width, columns, from, M, v, 1, M, product, kBlock, 0);
    if (status == Status::ok) status = multiply(width, width, product, kBlock, t, tRow, tCol, scaled, kBlock, 0);
    if (status == Status::ok) status = multiply(columns, width, scaled, kBlock, v, M, 1, from, M, 1);
    return status;
  };

  transpose(context.at<float>(o.x), At, M, N);
  for (int32_t j = 0; j < N; j += kBlock) {
    const int32_t width = N - j < kBlock ? N - j : kBlock;
    panel(At, M, j, width, context.at<float>(minusT) + j * kBlock, signs);
    const int32_t rest = N - j - width;
    if (rest == 0) break;
    const Status status = apply(offset(at, (j + width) * M), rest, j, width, false);
    if (status != Status::ok) return status;
  }

  // Qᵀ [N, M] = the first N rows of the identity, reflected block by block from the last.
  const Ptr q = wide ? o.out : o.x;
  float* Q = context.at<float>(q);
  for (Index i = 0; i < Index{N} * M; ++i) Q[i] = 0;
  for (Index i = 0; i < N; ++i) Q[i * M + i] = 1;
  for (int32_t j = (panels - 1) * kBlock; j >= 0; j -= kBlock) {
    const int32_t width = N - j < kBlock ? N - j : kBlock;
    const Status status = apply(offset(q, j * M), N - j, j, width, true);
    if (status != Status::ok) return status;
  }
  for (Index i = 0; i < N; ++i) {
    for (Index k = 0; k < M; ++k) Q[i * M + k] *= signs[i] * o.gain;
  }
  if (!wide) transpose(Q, context.at<float>(o.out), N, M);
  return Status::ok;
}

}  // namespace RONDO_NAMESPACE
