// The virtual machine: walks the words of a program, checks their form and calls the kernels.
//
// It trusts sizes and offsets, which the planner derives from shapes, but no opcode, length, count or buffer index.
#include "abi.h"
#include "simd.h"

namespace RONDO_NAMESPACE {
namespace {

Status known(const Context& context, Ptr p) {
  if (p.buffer >= -1 && p.buffer < context.count) return Status::ok;
  return context.fail(Status::unknownBuffer, p.buffer, context.count);
}
Status known(const Context&, int32_t) { return Status::ok; }
Status known(const Context&, float) { return Status::ok; }

#define FIELD(kind, name)                                                                     \
  if (const Status status = known(context, o.name); status != Status::ok) return status;
#define RONDO_OP(code, name, fields)                            \
  Status operandsKnown(const Context& context, const op::name& o) { \
    fields return Status::ok;                                   \
  }
#include "abi.def"
#undef FIELD

template <class Op>
constexpr bool takesTail = false;
template <>
constexpr bool takesTail<op::map> = true;
template <>
constexpr bool takesTail<op::mapRows> = true;
template <>
constexpr bool takesTail<op::reduce> = true;
template <>
constexpr bool takesTail<op::matmul> = true;
template <>
constexpr bool takesTail<op::loop> = true;
template <>
constexpr bool takesTail<op::chain> = true;

// How many rows an instruction does that treats them apart, for chains to set.
template <class Op>
constexpr int32_t Op::*rowsOf = nullptr;
template <>
constexpr int32_t op::conv::*rowsOf<op::conv> = &op::conv::N;
template <>
constexpr int32_t op::pool::*rowsOf<op::pool> = &op::pool::N;

template <class Op>
Status step(const Context& context, const int32_t* words, int32_t length) {
  constexpr int32_t fields = sizeof(Op) / sizeof(int32_t);
  if (takesTail<Op> ? length < fields : length != fields) return context.fail(Status::wrongLength, length, fields);
  Op o;
  __builtin_memcpy(&o, words, sizeof o);
  if (const Status status = operandsKnown(context, o); status != Status::ok) return status;
  if (context.rows >= 0) {
    if constexpr (rowsOf<Op> == nullptr) {
      return context.fail(Status::unknownOpcode, words[-2]);
    } else {
      o.*rowsOf<Op> = context.rows;
    }
  }
  return execute(context, o, Tail{words + fields, length - fields});
}

Status dispatch(const Context& context, int32_t opcode, const int32_t* words, int32_t length) {
  switch (opcode) {
#define RONDO_OP(code, name, fields) \
  case code:                         \
    return step<op::name>(context, words, length);
#include "abi.def"
    default:
      return context.fail(Status::unknownOpcode, opcode);
  }
}

Status runWords(const Context& context, const int32_t* words, int32_t count) {
  for (int32_t at = 0; at < count;) {
    const int32_t left = count - at;
    const int32_t length = left < 2 ? 0 : words[at + 1];
    Status status = Status::ok;
    if (left < 2 || length < 0 || length > left - 2) {
      status = context.fail(Status::truncated, length, left);
    } else {
      status = dispatch(context, words[at], words + at + 2, length);
    }
    if (status != Status::ok) {
      if (context.error->word < 0) {  // not yet told by a loop's body
        context.error->opcode = words[at];
        context.error->word = static_cast<int32_t>(words + at - context.program);
      }
      return status;
    }
    at += 2 + length;
  }
  return Status::ok;
}

int32_t run(const int32_t* words, int32_t begin, int32_t end, void** buffers, int32_t count, Parallel* parallel,
            Error* error) {
  *error = Error{0, 0, -1, {0, 0, 0, 0}};
  const Context context{words, buffers, count, 0, -1, parallel, error};
  return static_cast<int32_t>(runWords(context, words + begin, end - begin));
}

// Whether a tail is so many pairs of a buffer and a number, and a body behind them.
Status checkBody(const Context& context, int32_t pairs, int32_t bodyWords, Tail tail) {
  if (pairs < 0 || pairs > tail.count / 2 || bodyWords != tail.count - 2 * pairs) {
    return context.fail(Status::wrongLength, tail.count, static_cast<int32_t>(2 * int64_t{pairs} + bodyWords));
  }
  for (int32_t i = 0; i < pairs; ++i) {
    const int32_t buffer = tail.words[2 * i];
    if (buffer < 0 || buffer >= context.count) return context.fail(Status::unknownBuffer, buffer, context.count);
  }
  return Status::ok;
}

constexpr int32_t kMostBuffers = 1024;  // of a program whose chains are shared among threads
constexpr int32_t kPartsPerThread = 8;

}  // namespace

Status execute(const Context& context, const op::loop& o, Tail tail) {
  const int32_t moves = o.advances;
  constexpr int32_t deepest = limit::loopDepth - 1;
  if (context.depth > deepest) return context.fail(Status::wrongField, context.depth, 0, deepest);
  if (o.count < 0) return context.fail(Status::wrongField, o.count, 0, INT32_MAX);
  if (const Status status = checkBody(context, moves, o.bodyWords, tail); status != Status::ok) return status;
  const auto advance = [&](Index times) {
    for (int32_t i = 0; i < moves; ++i) {
      void*& buffer = context.buffers[tail.words[2 * i]];
      buffer = static_cast<char*>(buffer) + times * tail.words[2 * i + 1];
    }
  };
  Context inner = context;
  ++inner.depth;
  Status status = Status::ok;
  int32_t passes = 0;
  for (; passes < o.count && status == Status::ok; ++passes) {
    status = runWords(inner, tail.words + 2 * moves, o.bodyWords);
    advance(1);
  }
  advance(-Index{passes});
  return status;
}

// Where there are rows enough, each thread takes some through the whole chain, in a place of its own for what lies between, and
// meets no other; else all threads take the same rows through one instruction after the other.
Status execute(const Context& context, const op::chain& o, Tail tail) {
  if (const Status status = checkBody(context, o.advances, o.bodyWords, tail); status != Status::ok) return status;
  if (o.rows < 0) return context.fail(Status::wrongField, o.rows, 0, INT32_MAX);
  if (o.together < 1) return context.fail(Status::wrongField, o.together, 1, INT32_MAX);
  if (o.places < 1) return context.fail(Status::wrongField, o.places, 1, INT32_MAX);
  if (o.inner < 0 || o.inner > o.advances) return context.fail(Status::wrongField, o.inner, 0, o.advances);
  // Rows from `row` on, with the place `place`, by a copy of the table or in the table itself.
  const auto pass = [&](Context& inner, Index row, Index place) {
    const auto move = [&](Index sign) {
      for (int32_t i = 0; i < o.advances; ++i) {
        const Index rows = i < o.inner ? place * o.together : row;
        void*& buffer = inner.buffers[tail.words[2 * i]];
        buffer = static_cast<char*>(buffer) + sign * rows * tail.words[2 * i + 1];
      }
    };
    inner.rows = static_cast<int32_t>(o.rows - row < o.together ? o.rows - row : o.together);
    move(1);
    const Status status = runWords(inner, tail.words + 2 * o.advances, o.bodyWords);
    move(-1);
    return status;
  };
  const int32_t passes = static_cast<int32_t>((int64_t{o.rows} + o.together - 1) / o.together);
  const int32_t threads = context.parallel->threads;
  if (threads == 1 || threads > o.places || passes < 2 * threads || context.count > kMostBuffers) {
    Context inner = context;
    Status status = Status::ok;
    for (int32_t i = 0; i < passes && status == Status::ok; ++i) status = pass(inner, Index{i} * o.together, 0);
    return status;
  }
  int32_t parts = passes < kPartsPerThread * threads ? passes : kPartsPerThread * threads;
  if (parts > o.places) parts = o.places;
  int32_t failed = 0;
  parallelFor(context.parallel, parts, [&](int32_t part) {
    void* buffers[kMostBuffers];
    __builtin_memcpy(buffers, context.buffers, sizeof(void*) * static_cast<size_t>(context.count));
    Parallel alone{1, nullptr};
    Error error = *context.error;
    Context inner{context.program, buffers, context.count, context.depth, -1, &alone, &error};
    for (Index i = share(passes, part, parts); i < share(passes, part + 1, parts); ++i) {
      if (pass(inner, i * o.together, part) == Status::ok) continue;
      if (__atomic_exchange_n(&failed, 1, __ATOMIC_RELAXED) == 0) *context.error = error;
      return;
    }
  });
  return failed == 0 ? Status::ok : static_cast<Status>(context.error->status);
}

extern const rondo::Kernels kernels;
const rondo::Kernels kernels = {RONDO_STRING(RONDO_ISA), VL, run};

}  // namespace RONDO_NAMESPACE
