// softmax and logSoftmax of rows.
#include "reduce.h"

namespace RONDO_NAMESPACE {
namespace {

constexpr int64_t kParallelWork = 1 << 14;

// out = f(x) for a whole row.
template <class F>
RONDO_INLINE void eachVector(const float* x, float* out, Index cols, const F& f) {
  Index i = 0;
  for (; i + VL <= cols; i += VL) store(out + i, f(load(x + i)));
  if (i < cols) storePart(out + i, f(loadPart(x + i, cols - i)), cols - i);
}

template <class Fold, class F>
RONDO_INLINE double foldWhole(const float* x, Index cols, const F& f) {
  double total = Fold::identity;
  for (Index i = 0; i < cols; i += kFoldBlock) {
    const Index count = cols - i < kFoldBlock ? cols - i : kFoldBlock;
    total = Fold::combine(total, foldBlock<Fold>(x + i, count, f));
  }
  return total;
}

void softmaxRow(const float* x, float* out, Index cols, bool logarithm) {
  const vf most = broadcast(static_cast<float>(foldWhole<Maximum>(x, cols, [](vf v) { return v; })));
  if (logarithm) {
    const double sum = foldWhole<Sum>(x, cols, [&](vf v) { return exp(v - most); });
    const vf logSum = log(broadcast(static_cast<float>(sum)));
    eachVector(x, out, cols, [&](vf v) { return (v - most) - logSum; });
  } else {
    eachVector(x, out, cols, [&](vf v) { return exp(v - most); });
    const vf sum = broadcast(static_cast<float>(foldWhole<Sum>(out, cols, [](vf v) { return v; })));
    eachVector(out, out, cols, [&](vf v) { return v / sum; });
  }
}

}  // namespace

// Subtracts the row's maximum first, so that nothing overflows. A row of −∞ alone, or with +∞ or NaN, gives NaN.
Status execute(const Context& context, const op::softmax& o, Tail) {
  if (absent(o.x, o.out)) return context.fail(Status::missingOperand);
  if (o.rows < 0 || o.cols < 0) return context.fail(Status::wrongField, o.rows < 0 ? o.rows : o.cols, 0, INT32_MAX);
  const float* x = context.at<float>(o.x);
  float* out = context.at<float>(o.out);
  const bool several = int64_t{o.rows} * (o.cols + 16) >= kParallelWork;
  const int32_t most = several ? 8 * context.parallel->threads : 1;
  const int32_t tasks = o.rows < most ? o.rows : most;
  parallelFor(context.parallel, tasks, [&](int32_t task) {
    const Index end = share(o.rows, task + 1, tasks);
    for (Index row = share(o.rows, task, tasks); row < end; ++row) {
      softmaxRow(x + row * o.xRow, out + row * o.outRow, o.cols, o.logarithm != 0);
    }
  });
  return Status::ok;
}

}  // namespace RONDO_NAMESPACE
