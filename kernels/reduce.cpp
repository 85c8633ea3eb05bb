// reduce: sums, products, extremes and log-sum-exp over the trailing dims of a strided operand.
//
// Rows: one output at a time, its elements in blocks. Columns: where the outputs lie side by side and the reduced
// elements do not, whole tiles of outputs, some rows at a time. Long reductions of few outputs are cut into pieces,
// which depend on the shape alone and are combined in a fixed tree.
#include "reduce.h"

namespace RONDO_NAMESPACE {
namespace {

constexpr Index kTile = 512;        // columns
constexpr Index kGroup = 16;        // rows that are added in float
constexpr Index kMostPartials = 4096;  // doubles in `work`
constexpr int64_t kPiece = 1 << 15;    // elements that make a piece worth while
constexpr int64_t kParallelWork = 1 << 16;

struct Job {
  const char* x;
  Dtype dtype;
  float scale;
  int32_t kept, reduced;  // ranks
  Index dims[limit::rank], strides[limit::rank];
  Index outputs, length;  // how many results, of how many elements each

  Walk outer(Index output) const { return Walk(dims, strides, kept, output, 0); }
  Walk inner(Index start, Index base) const { return Walk(dims + kept, strides + kept, reduced, start, base); }
};

// Sorts dims so that the largest stride comes first: for reductions whose order does not matter.
void sortByStride(int32_t* dims, int32_t* strides, int32_t count) {
  const auto size = [](int32_t stride) { return stride < 0 ? -int64_t{stride} : int64_t{stride}; };
  for (int32_t i = 1; i < count; ++i) {
    for (int32_t k = i; k > 0 && size(strides[k]) > size(strides[k - 1]); --k) {
      const int32_t dim = dims[k], stride = strides[k];
      dims[k] = dims[k - 1];
      strides[k] = strides[k - 1];
      dims[k - 1] = dim;
      strides[k - 1] = stride;
    }
  }
}

// Drops dims of size 1 and merges neighbours; returns the new rank.
int32_t collapse(const int32_t* dims, const int32_t* strides, int32_t count, Index* outDims, Index* outStrides) {
  int32_t rank = 0;
  for (int32_t d = 0; d < count; ++d) {
    if (dims[d] == 1) continue;
    const bool merge = rank > 0 && outStrides[rank - 1] == Index{strides[d]} * dims[d];
    const int32_t to = merge ? rank - 1 : rank++;
    outDims[to] = merge ? outDims[to] * dims[d] : dims[d];
    outStrides[to] = strides[d];
  }
  return rank;
}

Index product(const Index* dims, int32_t count) {
  Index size = 1;
  for (int32_t d = 0; d < count; ++d) size *= dims[d];
  return size;
}

// The next `count` elements as floats: in place, or gathered into `buffer`.
const float* fetch(const Job& job, Walk& walk, Index count, float* buffer) {
  if (job.dtype == Dtype::float32_ && walk.stride() == 1 && walk.run() >= count) {
    const float* place = reinterpret_cast<const float*>(job.x) + walk.offset;
    walk.advance(count);
    return place;
  }
  for (Index done = 0; done < count;) {
    const Index run = walk.run() < count - done ? walk.run() : count - done;
    const Index stride = walk.stride();
    float* to = buffer + done;
    if (job.dtype == Dtype::float32_) {
      const float* from = reinterpret_cast<const float*>(job.x) + walk.offset;
      for (Index i = 0; i < run; ++i) to[i] = from[i * stride];
    } else {
      const uint8_t* from = reinterpret_cast<const uint8_t*>(job.x) + walk.offset;
      for (Index i = 0; i < run; ++i) to[i] = from[i * stride];
    }
    walk.advance(run);
    done += run;
  }
  return buffer;
}

// The fold of f over elements [begin, end) of one output.
template <class Fold, class F>
double foldRow(const Job& job, Index base, Index begin, Index end, const F& f) {
  alignas(64) float buffer[kFoldBlock];
  double total = Fold::identity;
  Walk walk = job.inner(begin, base);
  for (Index at = begin; at < end; at += kFoldBlock) {
    const Index count = end - at < kFoldBlock ? end - at : kFoldBlock;
    total = Fold::combine(total, foldBlock<Fold>(fetch(job, walk, count, buffer), count, f));
  }
  return total;
}

vf same(vf x) { return x; }

// What to subtract before exp: the maximum, or 0 where that is no number to subtract.
float shiftFor(double maximum) {
  const float m = static_cast<float>(maximum);
  return m - m == 0.f ? m : 0.f;
}
float logOf(double x) { return log(broadcast(static_cast<float>(x)))[0]; }

float logSumExpRow(const Job& job, Index base) {
  const float shift = shiftFor(foldRow<Maximum>(job, base, 0, job.length, same));
  const auto term = [shift](vf x) { return exp(x - broadcast(shift)); };
  return shift + logOf(foldRow<Sum>(job, base, 0, job.length, term));
}

// The first maximum; the first NaN, where there is one.
template <class T>
int32_t argMaxRow(const Job& job, Index base) {
  const T* x = reinterpret_cast<const T*>(job.x);
  Walk walk = job.inner(0, base);
  T best{};
  Index where = 0;
  for (Index at = 0; at < job.length; ++at, walk.advance(1)) {
    const T value = x[walk.offset];
    if (at == 0 || value > best || (value != value && best == best)) {
      best = value;
      where = at;
    }
  }
  return static_cast<int32_t>(where);
}

int32_t intRow(const Job& job, Reduction kind, Index base) {
  const int32_t* x = reinterpret_cast<const int32_t*>(job.x);
  Walk walk = job.inner(0, base);
  uint32_t sum = kind == Reduction::prod;  // wraps around
  int32_t extreme = kind == Reduction::max ? INT32_MIN : INT32_MAX;
  for (Index at = 0; at < job.length; ++at, walk.advance(1)) {
    const int32_t value = x[walk.offset];
    if (kind == Reduction::sum) sum += static_cast<uint32_t>(value);
    if (kind == Reduction::prod) sum *= static_cast<uint32_t>(value);
    if (kind == Reduction::max ? value > extreme : value < extreme) extreme = value;
  }
  if (kind == Reduction::max || kind == Reduction::min) return extreme;
  const int32_t total = static_cast<int32_t>(sum);
  return job.scale == 1 ? total : static_cast<int32_t>(double{job.scale} * total);
}

// The fold of f(x, column) over rows [begin, end) for `count` outputs that lie side by side.
template <class Fold, class F>
void foldColumns(const Job& job, Index base, Index begin, Index end, Index count, double* out, const F& f) {
  for (Index c = 0; c < count; ++c) out[c] = Fold::identity;
  Walk walk = job.inner(begin, base);
  for (Index at = begin; at < end; at += kGroup) {
    const float* row[kGroup];
    const Index rows = end - at < kGroup ? end - at : kGroup;
    for (Index r = 0; r < rows; ++r, walk.advance(1)) row[r] = reinterpret_cast<const float*>(job.x) + walk.offset;
    Index c = 0;
    for (; c + VL <= count; c += VL) {
      vf sum = f(load(row[0] + c), c);
      for (Index r = 1; r < rows; ++r) sum = Fold::combine(sum, f(load(row[r] + c), c));
      RONDO_UNROLL
      for (int32_t k = 0; k < VL; ++k) out[c + k] = Fold::combine(out[c + k], double{sum[k]});
    }
    if (c == count) continue;
    vf sum = f(loadPart(row[0] + c, count - c), c);
    for (Index r = 1; r < rows; ++r) sum = Fold::combine(sum, f(loadPart(row[r] + c, count - c), c));
    for (Index k = 0; k < count - c; ++k) out[c + k] = Fold::combine(out[c + k], double{sum[k]});
  }
}

void logSumExpColumns(const Job& job, Index base, Index count, double* out) {
  alignas(64) float shift[kTile];
  foldColumns<Maximum>(job, base, 0, job.length, count, out, [](vf x, Index) { return x; });
  for (Index c = 0; c < kTile; ++c) shift[c] = c < count ? shiftFor(out[c]) : 0.f;
  foldColumns<Sum>(job, base, 0, job.length, count, out, [&](vf x, Index c) { return exp(x - load(shift + c)); });
  for (Index c = 0; c < count; ++c) out[c] = double{shift[c]} + logOf(out[c]);
}

// Into how many pieces the reduced elements are cut: several only where the outputs alone are few.
int32_t piecesOf(const Job& job, Index width) {
  if (job.outputs / width >= 32) return 1;
  int64_t pieces = int64_t{job.outputs} * job.length / kPiece;
  const auto atMost = [&](int64_t most) { pieces = pieces < most ? pieces : most; };
  atMost(64);
  atMost(kMostPartials / job.outputs);
  atMost(job.length / kGroup);
  return pieces < 1 ? 1 : static_cast<int32_t>(pieces);
}

// All outputs, in tiles of `width` (1: by rows), cut into `pieces`; partial results in work[piece][output].
template <class Fold>
void foldAll(const Job& job, Index width, int32_t pieces, Parallel* parallel, double* work, float* out) {
  const Index line = width == 1 ? 1 : job.dims[job.kept - 1];  // a tile does not reach beyond the innermost kept dim
  const Index perLine = (line + width - 1) / width;
  const Index tiles = job.outputs / line * perLine;
  const bool several = int64_t{job.outputs} * job.length >= kParallelWork;
  const Index most = Index{8} * parallel->threads;
  const int32_t chunks = static_cast<int32_t>(several && parallel->threads > 1 ? (tiles < most ? tiles : most) : 1);
  parallelFor(parallel, chunks * pieces, [&](int32_t task) {
    const int32_t piece = task % pieces, chunk = task / pieces;
    const Index begin = share(job.length, piece, pieces), end = share(job.length, piece + 1, pieces);
    double results[kTile];
    for (Index tile = share(tiles, chunk, chunks); tile < share(tiles, chunk + 1, chunks); ++tile) {
      const Index first = tile / perLine * line + tile % perLine * width;
      const Index left = line - tile % perLine * width;
      const Index count = left < width ? left : width;
      const Index base = job.outer(first).offset;
      if (width == 1) {
        results[0] = foldRow<Fold>(job, base, begin, end, same);
      } else {
        foldColumns<Fold>(job, base, begin, end, count, results, [](vf x, Index) { return x; });
      }
      for (Index c = 0; c < count; ++c) {
        if (pieces > 1) {
          work[piece * job.outputs + first + c] = results[c];
        } else {
          out[first + c] = static_cast<float>(results[c] * job.scale);
        }
      }
    }
  });
  if (pieces == 1) return;
  for (int32_t step = 1; step < pieces; step *= 2) {
    for (int32_t p = 0; p + step < pieces; p += 2 * step) {
      double* into = work + p * job.outputs;
      for (Index k = 0; k < job.outputs; ++k) into[k] = Fold::combine(into[k], into[step * job.outputs + k]);
    }
  }
  for (Index k = 0; k < job.outputs; ++k) out[k] = static_cast<float>(work[k] * job.scale);
}

// body(first, count) for runs of outputs, in parallel where it pays.
template <class Body>
void eachOutput(const Job& job, Parallel* parallel, const Body& body) {
  const bool several = int64_t{job.outputs} * job.length >= kParallelWork / 4;
  const Index most = several ? Index{8} * parallel->threads : 1;
  const int32_t tasks = static_cast<int32_t>(job.outputs < most ? job.outputs : most);
  parallelFor(parallel, tasks, [&](int32_t task) {
    const Index end = share(job.outputs, task + 1, tasks);
    for (Index k = share(job.outputs, task, tasks); k < end; ++k) body(k);
  });
}

void logSumExpTiles(const Job& job, Parallel* parallel, float* out) {
  const Index line = job.dims[job.kept - 1];
  Job lines = job;
  lines.outputs = job.outputs / line;
  eachOutput(lines, parallel, [&](Index k) {
    double results[kTile];
    for (Index c = 0; c < line; c += kTile) {
      const Index count = line - c < kTile ? line - c : kTile;
      logSumExpColumns(job, job.outer(k * line + c).offset, count, results);
      for (Index i = 0; i < count; ++i) out[k * line + c + i] = static_cast<float>(results[i]);
    }
  });
}

}  // namespace

Status execute(const Context& context, const op::reduce& o, Tail tail) {
  if (absent(o.x, o.out)) return context.fail(Status::missingOperand);
  if (o.kept < 0 || o.kept > limit::rank) return context.fail(Status::wrongField, o.kept, 0, limit::rank);
  const int32_t rank = o.kept + o.reduced;
  if (o.reduced < 0 || rank > limit::rank) return context.fail(Status::wrongField, o.reduced, 0, limit::rank - o.kept);
  if (tail.count != 2 * rank) return context.fail(Status::wrongLength, tail.count, 2 * rank);
  if (o.kind < 0 || o.kind > 5) return context.fail(Status::wrongField, o.kind, 0, 5);
  if (o.dtype < 0 || o.dtype > 3) return context.fail(Status::wrongField, o.dtype, 0, 3);
  for (int32_t d = 0; d < rank; ++d) {
    if (tail.words[d] < 0) return context.fail(Status::wrongField, tail.words[d], 0, INT32_MAX);
  }
  const auto kind = static_cast<Reduction>(o.kind);
  const auto dtype = static_cast<Dtype>(o.dtype);
  const bool bytes = dtype == Dtype::uint8_ || dtype == Dtype::bool_;
  int32_t dims[limit::rank], strides[limit::rank];
  for (int32_t d = 0; d < rank; ++d) {
    dims[d] = tail.words[d];
    strides[d] = tail.words[rank + d];
  }
  if (kind != Reduction::argMax) sortByStride(dims + o.kept, strides + o.kept, o.reduced);
  Job job{};
  job.x = bytes ? context.at<char>(o.x) : reinterpret_cast<const char*>(context.at<float>(o.x));
  job.dtype = dtype;
  job.scale = kind == Reduction::sum ? o.scale : 1.f;
  job.kept = collapse(dims, strides, o.kept, job.dims, job.strides);
  job.reduced = collapse(dims + o.kept, strides + o.kept, o.reduced, job.dims + job.kept, job.strides + job.kept);
  job.outputs = product(job.dims, job.kept);
  job.length = product(job.dims + job.kept, job.reduced);
  if (job.outputs == 0) return Status::ok;
  if (job.length == 0) job.reduced = 0;

  if (kind == Reduction::argMax || dtype == Dtype::int32_) {
    if (kind == Reduction::logSumExp) return context.fail(Status::wrongField, o.dtype, 0, 0);
    int32_t* out = context.at<int32_t>(o.out);
    eachOutput(job, context.parallel, [&](Index k) {
      const Index base = job.outer(k).offset;
      if (kind != Reduction::argMax) {
        out[k] = intRow(job, kind, base);
      } else {
        out[k] = dtype == Dtype::float32_ ? argMaxRow<float>(job, base)
                 : bytes                  ? argMaxRow<uint8_t>(job, base)
                                          : argMaxRow<int32_t>(job, base);
      }
    });
    return Status::ok;
  }

  float* out = context.at<float>(o.out);
  const bool sideBySide = job.kept > 0 && job.strides[job.kept - 1] == 1;
  const bool contiguous = job.reduced == 0 || job.strides[job.kept + job.reduced - 1] == 1;
  const bool columns = dtype == Dtype::float32_ && sideBySide && !contiguous;
  if (kind == Reduction::logSumExp) {
    if (!columns) {
      eachOutput(job, context.parallel, [&](Index k) { out[k] = logSumExpRow(job, job.outer(k).offset); });
      return Status::ok;
    }
    logSumExpTiles(job, context.parallel, out);
    return Status::ok;
  }

  const Index width = columns ? kTile : 1;
  const int32_t pieces = piecesOf(job, width);
  if (pieces > 1 && absent(o.work)) return context.fail(Status::missingOperand);
  double* work = reinterpret_cast<double*>(context.at<float>(o.work));
  const auto run = [&](auto fold) { foldAll<decltype(fold)>(job, width, pieces, context.parallel, work, out); };
  switch (kind) {
    case Reduction::sum:
      run(Sum{});
      break;
    case Reduction::prod:
      run(Product{});
      break;
    case Reduction::max:
      run(Maximum{});
      break;
    default:
      run(Minimum{});
  }
  return Status::ok;
}

}  // namespace RONDO_NAMESPACE
