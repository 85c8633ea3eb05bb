// softmax and logSoftmax of rows, and the cross-entropy that follows them.
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

// body(row) for each row, by several threads where there is enough to do.
template <class Body>
void eachRow(const Context& context, int32_t rows, int32_t cols, const Body& body) {
  const bool several = int64_t{rows} * (cols + 16) >= kParallelWork;
  const int32_t most = several ? 8 * context.parallel->threads : 1;
  const int32_t tasks = rows < most ? rows : most;
  parallelFor(context.parallel, tasks, [&](int32_t task) {
    const Index end = share(rows, task + 1, tasks);
    for (Index row = share(rows, task, tasks); row < end; ++row) body(row);
  });
}

}  // namespace

// Subtracts the row's maximum first, so that nothing overflows. A row of −∞ alone, or with +∞ or NaN, gives NaN.
Status execute(const Context& context, const op::softmax& o, Tail) {
  if (absent(o.x, o.out)) return context.fail(Status::missingOperand);
  if (o.rows < 0 || o.cols < 0) return context.fail(Status::wrongField, o.rows < 0 ? o.rows : o.cols, 0, INT32_MAX);
  const float* x = context.at<float>(o.x);
  float* out = context.at<float>(o.out);
  eachRow(context, o.rows, o.cols,
          [&](Index row) { softmaxRow(x + row * o.xRow, out + row * o.outRow, o.cols, o.logarithm != 0); });
  return Status::ok;
}

Status execute(const Context& context, const op::crossEntropy& o, Tail) {
  if (absent(o.x, o.labels, o.loss, o.maximum, o.logSum)) return context.fail(Status::missingOperand);
  if (o.rows < 0 || o.cols < 0) return context.fail(Status::wrongField, o.rows < 0 ? o.rows : o.cols, 0, INT32_MAX);
  const float* x = context.at<float>(o.x);
  const int32_t* labels = context.at<int32_t>(o.labels);
  float* loss = context.at<float>(o.loss);
  float* maximum = context.at<float>(o.maximum);
  float* logSum = context.at<float>(o.logSum);
  eachRow(context, o.rows, o.cols, [&](Index row) {
    const float* logits = x + row * o.cols;
    const float most = static_cast<float>(foldWhole<Maximum>(logits, o.cols, [](vf v) { return v; }));
    const double sum = foldWhole<Sum>(logits, o.cols, [&](vf v) { return exp(v - broadcast(most)); });
    maximum[row] = most;
    logSum[row] = log(broadcast(static_cast<float>(sum)))[0];
    const bool known = labels[row] >= 0 && labels[row] < o.cols;
    loss[row] = known ? -((logits[labels[row]] - most) - logSum[row]) : 0;
  });
  return Status::ok;
}

Status execute(const Context& context, const op::crossEntropyGradient& o, Tail) {
  if (absent(o.x, o.labels, o.maximum, o.logSum, o.g, o.out)) return context.fail(Status::missingOperand);
  if (o.rows < 0 || o.cols < 0) return context.fail(Status::wrongField, o.rows < 0 ? o.rows : o.cols, 0, INT32_MAX);
  const float* x = context.at<float>(o.x);
  const int32_t* labels = context.at<int32_t>(o.labels);
  const float* maximum = context.at<float>(o.maximum);
  const float* logSum = context.at<float>(o.logSum);
  const float* g = context.at<float>(o.g);
  float* out = context.at<float>(o.out);
  eachRow(context, o.rows, o.cols, [&](Index row) {
    float* slopes = out + row * o.cols;
    if (labels[row] < 0 || labels[row] >= o.cols) {
      for (Index i = 0; i < o.cols; ++i) slopes[i] = 0;
      return;
    }
    const vf most = broadcast(maximum[row]), norm = broadcast(logSum[row]), scale = broadcast(g[row]);
    eachVector(x + row * o.cols, slopes, o.cols, [&](vf v) { return exp((v - most) - norm) * scale; });
    slopes[labels[row]] -= g[row];
  });
  return Status::ok;
}

}  // namespace RONDO_NAMESPACE
