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
// Pixels of a tile: where there are registers enough, more than rows of other products, so that what a tile begins with weighs less.
constexpr int pixelsOf(int vectors) { return RONDO_REGISTERS == 32 && vectors == 2 ? 8 : tileRows(vectors); }
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

// The taps of one axis that a class of pixels meets: `count` of them, every `step`-th of the kernel from `first` on. Pixel p of
// the class meets the first at p·stride + `at` of the input, and each further one `advance` behind the one before.
struct Taps {
  Index count, first, step, at, advance;
};
Taps tapsOf(Index rest, Index before, Index taps, Index dilation, Index apart) {
  Index first = 0, step = 1;
  while (first < taps && restOf(rest - before + first * dilation, apart) != 0) ++first;
  while (step * dilation % apart != 0) ++step;
  return {(taps - first + step - 1) / step, first, step, floorOf(rest - before + first * dilation, apart),
          step * dilation / apart};
}

// Indices [begin, begin + count).
struct Range {
  Index begin, count;
  bool has(Index i) const { return static_cast<size_t>(i - begin) < static_cast<size_t>(count); }
};
// The pixels whose taps, the last of which reaches over `width` pixels, all lie in the image.
Range insideOf(const Taps& taps, Index width, Index stride, Index size) {
  const Index begin = taps.at >= 0 ? 0 : (-taps.at + stride - 1) / stride;
  const Index last = size - width - taps.at - (taps.count - 1) * taps.advance;
  const Index end = last < 0 ? 0 : last / stride + 1;
  return {begin, end > begin ? end - begin : 0};
}

// Pixels of one image and class, and filters from `column` of one group on.
struct Job {
  const float *image, *pack, *bias;  // the group's channels; the panel
  float* out;
  Index across, lanes;    // pixels of the class in a row; filters that there are
  Taps rows, columns;
  Index taps, length;     // of a run: taps that it is of, numbers in it
  Range inRows, inColumns;
  Index next, line;       // from a pixel's numbers in x to the next's; from those behind a row of pixels to the next row's
  Index nextOut, lineOut; // the same of the output
};

// A pixel of a job: where its first tap meets x, and its output.
struct Pixel {
  Index y, x, at, out;
  bool rowInside;

  Pixel(const Forward& p, const Job& job, Index row)
      : y(row), x(0), at(((row * p.sH + job.rows.at) * p.W + job.columns.at) * p.C), out(row * p.uH * p.OW * p.F),
        rowInside(job.inRows.has(row)) {}

  bool inside(const Job& job) const { return rowInside && job.inColumns.has(x); }
  void next(const Job& job) {
    at += job.next;
    out += job.nextOut;
    if (++x < job.across) return;
    x = 0;
    ++y;
    at += job.line;
    out += job.lineOut;
    rowInside = job.inRows.has(y);
  }
};

// c += A·B: a[i] + at is row i of A; b is a panel [k, kBlock] in blocks `step` apart.
template <int R, int NV>
RONDO_INLINE void multiply(Index k, const float* const (&a)[R], Index at, const float* b, Index step, vf (&c)[R][NV]) {
  const Index end = at + k;
  RONDO_UNROLL_K
  for (Index p = at; p < end; ++p, b += kBlock) {
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

// What stands in the output for the sums of R pixels, at out + to[i].
template <int R, int NV>
RONDO_INLINE void finish(const Forward& p, const Job& job, const vf (&c)[R][NV], const Index (&to)[R]) {
  const bool simple = p.activation == Activation::linear || p.activation == Activation::relu;
  if (simple && job.lanes >= NV * VL) {
    const float least = p.activation == Activation::relu ? 0 : -__builtin_inff();
    RONDO_UNROLL
    for (int v = 0; v < NV; ++v) {
      const vf bias = job.bias == nullptr ? broadcast(0.f) : load(job.bias + v * VL);
      RONDO_UNROLL
      for (int i = 0; i < R; ++i) store(job.out + to[i] + v * VL, atLeast(c[i][v] + bias, least));
    }
    return;
  }
  vf sums[R][NV];  // c itself stays in registers
  RONDO_UNROLL
  for (int i = 0; i < R; ++i) {
    RONDO_UNROLL
    for (int v = 0; v < NV; ++v) sums[i][v] = c[i][v];
  }
  for (int v = 0; v < NV && v * VL < job.lanes; ++v) {
    const Index lanes = job.lanes - v * VL;
    const vf bias = job.bias == nullptr ? broadcast(0.f) : loadLanes(job.bias + v * VL, lanes);
    for (int i = 0; i < R; ++i) {
      const vf sum = sums[i][v] + bias;
      storeLanes(job.out + to[i] + v * VL, p.activation == Activation::relu ? atLeast(sum, 0.f) : activate(p.activation, sum),
                 lanes);
    }
  }
}

// A run of a patch: in x, zeros, or copied with zeros around it.
RONDO_INLINE const float* runAt(const Forward& p, const Job& job, Index row, Index column, float* copy) {
  const Index columns = job.taps;
  if (row < 0 || row >= p.H || column + columns <= 0 || column >= p.W) return nullptr;
  const float* at = job.image + (row * p.W + column) * p.C;
  if (column >= 0 && column + columns <= p.W) return at;
  const Index first = column < 0 ? -column : 0, end = p.W - column < columns ? p.W - column : columns;
  for (Index i = 0; i < first * p.C; ++i) copy[i] = 0;
  for (Index i = first * p.C; i < end * p.C; ++i) copy[i] = at[i];
  for (Index i = end * p.C; i < columns * p.C; ++i) copy[i] = 0;
  return copy;
}

// Where the weights of a run begin in the pack.
RONDO_INLINE Index weightsAt(const Forward& p, const Job& job, Index row, Index column) {
  return ((job.rows.first + row * job.rows.step) * p.KW + job.columns.first + column * job.columns.step) * p.channels * kBlock;
}

// R pixels, of which some patches reach beyond the border.
template <int R, int NV>
__attribute__((noinline)) void tileAtBorder(const Forward& p, const Job& job, Pixel pixel) {
  Index y[R], x[R], to[R];
  for (int i = 0; i < R; ++i, pixel.next(job)) y[i] = pixel.y * p.sH, x[i] = pixel.x * p.sW, to[i] = pixel.out;
  vf c[R][NV];
  clear(c);
  float copies[R][kPiece + 16];  // copies a power of two apart would evict each other
  for (Index row = 0; row < job.rows.count; ++row) {
    for (Index column = 0; column < job.columns.count; ++column) {
      const float* runs[R];
      bool any = false;
      RONDO_UNROLL
      for (int i = 0; i < R; ++i) {
        runs[i] = runAt(p, job, y[i] + job.rows.at + row * job.rows.advance,
                        x[i] + job.columns.at + column * job.columns.advance, copies[i]);
        any |= runs[i] != nullptr;
      }
      const float* weights = job.pack + weightsAt(p, job, row, column);
      for (Index from = 0; any && from < job.length; from += kPiece) {
        const float* a[R];
        RONDO_UNROLL
        for (int i = 0; i < R; ++i) a[i] = runs[i] == nullptr ? kZeros : runs[i] + from;
        multiply<R, NV>(job.length - from < kPiece ? job.length - from : kPiece, a, 0, weights + from * kBlock,
                        p.K * kBlock, c);
      }
    }
  }
  finish<R, NV>(p, job, c, to);
}

// R pixels from `pixel` on, which moves behind them.
template <int R, int NV>
__attribute__((noinline)) void tile(const Forward& p, const Job& job, Pixel& pixel) {
  const Pixel first = pixel;
  const float* a[R];
  Index to[R];
  bool inside = true;
  RONDO_UNROLL
  for (int i = 0; i < R; ++i) {
    a[i] = job.image + pixel.at;
    to[i] = pixel.out;
    inside &= pixel.inside(job);
    pixel.next(job);
  }
  if (!inside) return tileAtBorder<R, NV>(p, job, first);
  vf c[R][NV];
  clear(c);
  for (Index row = 0; row < job.rows.count; ++row) {
    for (Index column = 0; column < job.columns.count; ++column) {
      multiply<R, NV>(job.length, a, (row * job.rows.advance * p.W + column * job.columns.advance) * p.C,
                      job.pack + weightsAt(p, job, row, column), p.K * kBlock, c);
    }
  }
  finish<R, NV>(p, job, c, to);
}

template <int NV>
void panel(const Forward& p, const Job& job, Index firstRow, Index pixels) {
  Pixel pixel(p, job, firstRow);
  forTiles<NV, pixelsOf(NV)>(pixels, [&](auto rows, Index) { tile<decltype(rows)::count, NV>(p, job, pixel); });
}

// All filters of the class's pixels in its rows [begin, end).
void rowsOfClass(const Forward& p, Index image, Index restH, Index restW, Index begin, Index end) {
  Job job;
  job.across = (p.OW - restW + p.uW - 1) / p.uW;
  const Index pixels = (end - begin) * job.across;
  if (pixels <= 0) return;
  job.rows = tapsOf(restH, p.top, p.KH, p.dH, p.uH);
  job.columns = p.together ? Taps{1, 0, 1, -p.left, 0} : tapsOf(restW, p.left, p.KW, p.dW, p.uW);
  job.taps = p.together ? p.KW : 1;
  job.length = job.taps * p.channels;
  job.inRows = insideOf(job.rows, 1, p.sH, p.H);
  job.inColumns = insideOf(job.columns, job.taps, p.sW, p.W);
  job.next = p.sW * p.C;
  job.line = p.sH * p.W * p.C - job.across * job.next;
  job.nextOut = p.uW * p.F;
  job.lineOut = p.uH * p.OW * p.F - job.across * job.nextOut;
  for (Index group = 0; group < p.groups; ++group) {
    job.image = p.x + image * p.xN + group * p.channels;
    for (Index column = 0; column < p.filters;) {
      job.lanes = p.filters - column;
      job.pack = p.pack + (group * p.blocks + column / kBlock) * p.K * kBlock + column % kBlock;
      job.bias = p.bias == nullptr ? nullptr : p.bias + group * p.filters + column;
      job.out = p.out + ((image * p.OH + restH) * p.OW + restW) * p.F + group * p.filters + column;
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
