// Rows of a table by integer ids.
#include "abi.h"

namespace RONDO_NAMESPACE {
namespace {

constexpr int64_t kParallelBytes = 1 << 18;  // below this, waking another thread costs more than it saves

Status idsInRange(const Context& context, const int32_t* ids, int32_t count, int32_t rows, int32_t perRow = 0) {
  for (int32_t i = 0; i < count; ++i) {
    if (static_cast<uint32_t>(ids[i]) >= static_cast<uint32_t>(rows)) {
      return context.fail(Status::indexOutOfRange, i, ids[i], rows, perRow);
    }
  }
  return Status::ok;
}

// Number of pieces for `bytes` of work over `units` that cannot be split.
int32_t pieces(const Context& context, int64_t bytes, Index units) {
  if (bytes < kParallelBytes || context.parallel->threads <= 1) return 1;
  const Index wanted = Index{4} * context.parallel->threads;
  return static_cast<int32_t>(wanted < units ? wanted : units);
}

}  // namespace

Status execute(const Context& context, const op::gather& o, Tail) {
  if (absent(o.table, o.ids, o.out)) return context.fail(Status::missingOperand);
  const int32_t least = o.outer < 0 ? o.outer : o.rows < 0 ? o.rows : o.count < 0 ? o.count : o.inner;
  if (least < 0) return context.fail(Status::wrongField, least, 0, INT32_MAX);
  if (o.bytes != 1 && o.bytes != 4) return context.fail(Status::wrongField, o.bytes, 1, 4);
  const int32_t* ids = context.at<int32_t>(o.ids);
  if (const Status status = idsInRange(context, ids, o.count, o.rows, o.perRow); status != Status::ok) return status;
  const auto base = [&](Ptr p) { return static_cast<char*>(context.buffers[p.buffer]) + Index{p.offset} * o.bytes; };
  const char* table = base(o.table);
  char* out = base(o.out);
  const Index row = Index{o.inner} * o.bytes;
  const Index lookups = Index{o.outer} * o.count;
  const int32_t tasks = pieces(context, int64_t{lookups} * (row + 32), lookups);
  parallelFor(context.parallel, tasks, [&](int32_t task) {
    const Index end = share(lookups, task + 1, tasks);
    for (Index at = share(lookups, task, tasks); at < end; ++at) {
      const Index outer = at / o.count;
      const char* from = table + (outer * o.rows + ids[at - outer * o.count]) * row;
      if (row == 4) {
        __builtin_memcpy(out + at * 4, from, 4);
      } else {
        __builtin_memcpy(out + at * row, from, static_cast<size_t>(row));
      }
    }
  });
  return Status::ok;
}

// Every piece owns columns (wide rows) or a range of rows (narrow ones) and goes through all ids in their order: each
// sum is added in the same order whatever the split.
Status execute(const Context& context, const op::scatterAdd& o, Tail) {
  if (absent(o.x, o.ids, o.out)) return context.fail(Status::missingOperand);
  const int32_t least = o.outer < 0 ? o.outer : o.rows < 0 ? o.rows : o.count < 0 ? o.count : o.inner;
  if (least < 0) return context.fail(Status::wrongField, least, 0, INT32_MAX);
  const int32_t* ids = context.at<int32_t>(o.ids);
  if (const Status status = idsInRange(context, ids, o.count, o.rows); status != Status::ok) return status;
  const float* x = context.at<float>(o.x);
  float* out = context.at<float>(o.out);
  const Index inner = o.inner;
  const bool byColumn = inner >= 128;
  const int64_t bytes = (int64_t{o.rows} + o.count) * inner * 4;
  const int32_t split = pieces(context, bytes * o.outer, byColumn ? inner / 32 : o.rows);
  parallelFor(context.parallel, o.outer * split, [&](int32_t task) {
    const Index outer = task / split;
    const int32_t piece = task % split;
    const Index row0 = byColumn ? 0 : share(o.rows, piece, split);
    const Index row1 = byColumn ? o.rows : share(o.rows, piece + 1, split);
    const Index column0 = byColumn ? share(inner, piece, split) : 0;
    const Index width = (byColumn ? share(inner, piece + 1, split) : inner) - column0;
    float* target = out + outer * o.rows * inner + column0;
    const float* source = x + outer * o.count * inner + column0;
    for (Index row = row0; row < row1; ++row) {
      for (Index n = 0; n < width; ++n) target[row * inner + n] = 0;
    }
    for (Index i = 0; i < o.count; ++i) {
      if (ids[i] < row0 || ids[i] >= row1) continue;
      float* sum = target + ids[i] * inner;
      for (Index n = 0; n < width; ++n) sum[n] += source[i * inner + n];
    }
  });
  return Status::ok;
}

Status execute(const Context& context, const op::groupRows& o, Tail) {
  if (absent(o.ids, o.rows, o.places, o.count, o.positions)) return context.fail(Status::missingOperand);
  if (o.n < 0 || o.size < 0) return context.fail(Status::wrongField, o.n < 0 ? o.n : o.size, 0, INT32_MAX);
  const int32_t* ids = context.at<int32_t>(o.ids);
  if (const Status status = idsInRange(context, ids, o.n, o.size); status != Status::ok) return status;
  int32_t* rows = context.at<int32_t>(o.rows);
  int32_t* places = context.at<int32_t>(o.places);
  int32_t* positions = context.at<int32_t>(o.positions);
  for (int32_t i = 0; i < o.size; ++i) positions[i] = -1;
  int32_t count = 0;
  for (int32_t i = 0; i < o.n; ++i) {
    int32_t& position = positions[ids[i]];
    if (position < 0) {
      rows[count] = ids[i];
      position = count++;
    }
    places[i] = position;
  }
  for (int32_t i = count; i < o.n; ++i) rows[i] = 0;
  *context.at<int32_t>(o.count) = count;
  return Status::ok;
}

// Every piece owns columns and goes through all places in their order: where a place is new, its first row is copied.
Status execute(const Context& context, const op::sumRows& o, Tail) {
  if (absent(o.x, o.places, o.count, o.out)) return context.fail(Status::missingOperand);
  if (o.n < 0 || o.inner < 0) return context.fail(Status::wrongField, o.n < 0 ? o.n : o.inner, 0, INT32_MAX);
  const int32_t* places = context.at<int32_t>(o.places);
  if (const Status status = idsInRange(context, places, o.n, o.n); status != Status::ok) return status;
  const float* x = context.at<float>(o.x);
  float* out = context.at<float>(o.out);
  const Index inner = o.inner;
  const int32_t split = pieces(context, int64_t{o.n} * inner * 8, (inner + 31) / 32);
  parallelFor(context.parallel, split, [&](int32_t task) {
    const Index begin = share(inner, task, split);
    const Index width = share(inner, task + 1, split) - begin;
    int32_t known = 0;
    for (Index i = 0; i < o.n; ++i) {
      const float* from = x + i * inner + begin;
      float* sum = out + places[i] * inner + begin;
      if (places[i] == known) {
        ++known;
        for (Index n = 0; n < width; ++n) sum[n] = from[n];
      } else {
        for (Index n = 0; n < width; ++n) sum[n] += from[n];
      }
    }
    for (Index i = known; i < o.n; ++i) {
      for (Index n = 0; n < width; ++n) out[i * inner + begin + n] = 0;
    }
  });
  return Status::ok;
}

}  // namespace RONDO_NAMESPACE
