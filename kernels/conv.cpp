// conv: convolutions, and their gradients with respect to the input, as products over tiles of output pixels.
//
// A tile is some pixels times some filters, its sums in registers. The numbers that a pixel meets, its patch, are a few runs
// of x, read where they lie; at the border a run that lies partly outside is copied, zeros around it, and one that lies
// outside is zeros. Where input pixels lie u apart (gradients of strides), the output pixels with the same rest by u meet the
// same taps, so they are gone through class by class and no tap is multiplied that meets nothing. A pixel's sums are added up
// in the order of the taps, whatever tile it is in.
#include "conv.h"

namespace RONDO_NAMESPACE {
namespace {

constexpr int64_t kTaskWork = 1 << 20;  // multiplications that are worth a task
constexpr int32_t kMostTasks = 256;
alignas(64) constexpr float kZeros[kPiece] = {};

struct Forward : Conv {
  const float *pack, *bias;
  float* out;
  Activation activation;
  bool together;

  Forward(const Context& context, const op::conv& o)
      : Conv(context, o), pack(context.at<float>(o.pack)), bias(context.at<float>(o.bias)), out(context.at<float>(o.out)),
        activation(static_cast<Activation>(o.activation)), together(rowsTogether()) {}
};

// Pixels of one image and class, and filters from `column` of one group on.
struct Job {
  const float *image, *pack, *bias;  // the group's channels; the panel
  float* out;
  Index restH, restW;  // of the class
  Index across;        // pixels of the class in a row
  Index lanes;         // filters that there are
};

// The taps that a class meets: body(input row and column less the pixel's own, how many columns, where in the pack).
template <class Body>
RONDO_INLINE void forRuns(const Forward& p, const Job& job, const Body& body) {
  for (Index kh = 0; kh < p.KH; ++kh) {
    const Index y = job.restH - p.top + kh * p.dH;
    if (p.uH > 1 && restOf(y, p.uH) != 0) continue;
    const Index row = p.uH > 1 ? floorOf(y, p.uH) : y;
    if (p.together) {
      body(row, -p.left, p.KW, kh * p.KW * p.channels);
      continue;
    }
    for (Index kw = 0; kw < p.KW; ++kw) {
      const Index x = job.restW - p.left + kw * p.dW;
      if (p.uW > 1 && restOf(x, p.uW) != 0) continue;
      body(row, p.uW > 1 ? floorOf(x, p.uW) : x, Index{1}, (kh * p.KW + kw) * p.channels);
    }
  }
}

// c += A·B: a[i] is row i of A; b is a panel [k, kBlock] in blocks `step` apart.
template <int R, int NV>
RONDO_INLINE void multiply(Index k, const float* const (&a)[R], const float* b, Index step, vf (&c)[R][NV]) {
  RONDO_UNROLL_K
  for (Index p = 0; p < k; ++p, b += kBlock) {
    vf line[NV];
    RONDO_UNROLL
    for (int v = 0; v < NV; ++v) line[v] = load(b + v * VL / kBlock * step + v * VL % kBlock);
    RONDO_UNROLL
    for (int i = 0; i < R; ++i) {
      const vf s = broadcast(a[i][p]);
      RONDO_UNROLL
      for (int v = 0; v < NV; ++v) c[i][v] = fma_(s, line[v], c[i][v]);
    }
  }
}

// A run of a patch: in x, zeros, or copied with zeros around it.
RONDO_INLINE const float* runAt(const Forward& p, const Job& job, Index row, Index column, Index columns, float* copy) {
  if (row < 0 || row >= p.H || column + columns <= 0 || column >= p.W) return nullptr;
  const float* at = job.image + (row * p.W + column) * p.C;
  if (column >= 0 && column + columns <= p.W) return at;
  const Index first = column < 0 ? -column : 0, end = p.W - column < columns ? p.W - column : columns;
  for (Index i = 0; i < first * p.C; ++i) copy[i] = 0;
  for (Index i = first * p.C; i < end * p.C; ++i) copy[i] = at[i];
  for (Index i = end * p.C; i < columns * p.C; ++i) copy[i] = 0;
  return copy;
}

// The sums where some patches reach beyond the border.
template <int R, int NV>
RONDO_INLINE void sumAtBorder(const Forward& p, const Job& job, const Index (&row)[R], const Index (&column)[R], Index step,
                              vf (&c)[R][NV]) {
  float copies[R][kPiece];
  forRuns(p, job, [&](Index y, Index x, Index columns, Index at) {
    const float* runs[R];
    bool any = false;
    RONDO_UNROLL
    for (int i = 0; i < R; ++i) {
      runs[i] = runAt(p, job, row[i] + y, column[i] + x, columns, copies[i]);
      any |= runs[i] != nullptr;
    }
    const Index length = columns * p.channels;
    for (Index from = 0; any && from < length; from += kPiece) {
      const float* a[R];
      RONDO_UNROLL
      for (int i = 0; i < R; ++i) a[i] = runs[i] == nullptr ? kZeros : runs[i] + from;
      multiply<R, NV>(length - from < kPiece ? length - from : kPiece, a, job.pack + (at + from) * kBlock, step, c);
    }
  });
}

// R pixels of a class, from pixel `first` of the rows [rowBegin, …) on.
template <int R, int NV>
__attribute__((noinline)) void tile(const Forward& p, const Job& job, Index firstRow, Index first) {
  Index row[R], column[R];
  float* out[R];
  bool inside = p.uH == 1 && p.uW == 1;
  Index y = firstRow + first / job.across, x = first % job.across;
  RONDO_UNROLL
  for (int i = 0; i < R; ++i) {
    row[i] = y * p.sH;
    column[i] = x * p.sW;
    out[i] = job.out + ((job.restH + y * p.uH) * p.OW + job.restW + x * p.uW) * p.F;
    inside &= row[i] >= p.top && row[i] - p.top + (p.KH - 1) * p.dH < p.H && column[i] >= p.left &&
              column[i] - p.left + (p.KW - 1) * p.dW < p.W;
    if (++x == job.across) x = 0, ++y;
  }
  vf c[R][NV];
  clear(c);
  const Index step = p.K * kBlock;
  if (inside) {
    forRuns(p, job, [&](Index dy, Index dx, Index columns, Index at) {
      const float* a[R];
      RONDO_UNROLL
      for (int i = 0; i < R; ++i) a[i] = job.image + ((row[i] + dy) * p.W + column[i] + dx) * p.C;
      multiply<R, NV>(columns * p.channels, a, job.pack + at * kBlock, step, c);
    });
  } else {
    sumAtBorder<R, NV>(p, job, row, column, step, c);
  }
  RONDO_UNROLL
  for (int v = 0; v < NV; ++v) {
    const Index lanes = job.lanes - v * VL;
    const vf bias = job.bias == nullptr ? broadcast(0.f) : loadLanes(job.bias + v * VL, lanes);
    for (int i = 0; i < R; ++i) {
      const vf sum = c[i][v] + bias;
      const vf result = p.activation == Activation::linear ? sum
                        : p.activation == Activation::relu ? atLeast(sum, 0.f)
                                                           : activate(p.activation, sum);
      storeLanes(out[i] + v * VL, result, lanes);
    }
  }
}

template <int NV>
void panel(const Forward& p, const Job& job, Index firstRow, Index pixels) {
  forTiles<NV>(pixels, [&](auto rows, Index first) { tile<decltype(rows)::count, NV>(p, job, firstRow, first); });
}

// All filters of the class's pixels in its rows [begin, end).
void rowsOfClass(const Forward& p, Index image, Index restH, Index restW, Index begin, Index end) {
  Job job;
  job.restH = restH;
  job.restW = restW;
  job.across = (p.OW - restW + p.uW - 1) / p.uW;
  const Index pixels = (end - begin) * job.across;
  if (pixels <= 0) return;
  for (Index group = 0; group < p.groups; ++group) {
    job.image = p.x + image * p.xN + group * p.channels;
    for (Index column = 0; column < p.filters;) {
      job.lanes = p.filters - column;
      job.pack = p.pack + (group * p.blocks + column / kBlock) * p.K * kBlock + column % kBlock;
      job.bias = p.bias == nullptr ? nullptr : p.bias + group * p.filters + column;
      job.out = p.out + image * p.OH * p.OW * p.F + group * p.filters + column;
      const Index vectors = (job.lanes + VL - 1) / VL;
      if (vectors >= kWide) {
        panel<kWide>(p, job, begin, pixels);
        column += kWide * VL;
      } else if (vectors >= 2) {
        panel<2>(p, job, begin, pixels);
        column += 2 * VL;
      } else {
        panel<1>(p, job, begin, pixels);
        column += VL;
      }
    }
  }
}

}  // namespace

Status execute(const Context& context, const op::conv& o, Tail) {
  if (absent(o.x, o.pack, o.out)) return context.fail(Status::missingOperand);
  if (const Status status = checkConv(context, o); status != Status::ok) return status;
  const Forward p(context, o);
  const Index rows = p.N * p.OH;
  if (rows == 0 || p.OW == 0) return Status::ok;
  const int64_t work = int64_t{rows} * p.OW * p.K * p.filters * p.groups / kTaskWork;
  const int64_t most = rows < kMostTasks ? rows : kMostTasks;
  const int32_t tasks = static_cast<int32_t>(work < 1 ? 1 : work < most ? work : most);
  parallelFor(context.parallel, tasks, [&](int32_t task) {
    const Index end = share(rows, task + 1, tasks);
    for (Index at = share(rows, task, tasks); at < end;) {
      const Index image = at / p.OH, row = at % p.OH;
      const Index last = p.OH - row < end - at ? p.OH : row + end - at;
      for (Index restH = 0; restH < p.uH; ++restH) {
        for (Index restW = 0; restW < p.uW; ++restW) {
          // The first of the class's rows at or after a row of the image.
          const auto classRow = [&](Index r) { return r <= restH ? 0 : (r - restH + p.uH - 1) / p.uH; };
          rowsOfClass(p, image, restH, restW, classRow(row), classRow(last));
        }
      }
      at += last - row;
    }
  });
  return Status::ok;
}

}  // namespace RONDO_NAMESPACE
