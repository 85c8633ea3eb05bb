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

template <class Op>
Status step(const Context& context, const int32_t* words, int32_t length) {
  constexpr int32_t fields = sizeof(Op) / sizeof(int32_t);
  if (takesTail<Op> ? length < fields : length != fields) return context.fail(Status::wrongLength, length, fields);
  Op o;
  __builtin_memcpy(&o, words, sizeof o);
  if (const Status status = operandsKnown(context, o); status != Status::ok) return status;
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
  const Context context{words, buffers, count, 0, parallel, error};
  return static_cast<int32_t>(runWords(context, words + begin, end - begin));
}

}  // namespace

Status execute(const Context& context, const op::loop& o, Tail tail) {
  const int32_t moves = o.advances;
  constexpr int32_t deepest = limit::loopDepth - 1;
  if (context.depth > deepest) return context.fail(Status::wrongField, context.depth, 0, deepest);
  if (o.count < 0) return context.fail(Status::wrongField, o.count, 0, INT32_MAX);
  if (moves < 0 || moves > tail.count / 2 || o.bodyWords != tail.count - 2 * moves) {
    return context.fail(Status::wrongLength, tail.count, static_cast<int32_t>(2 * int64_t{moves} + o.bodyWords));
  }
  for (int32_t i = 0; i < moves; ++i) {
    const int32_t buffer = tail.words[2 * i];
    if (buffer < 0 || buffer >= context.count) return context.fail(Status::unknownBuffer, buffer, context.count);
  }
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

extern const rondo::Kernels kernels;
const rondo::Kernels kernels = {RONDO_STRING(RONDO_ISA), VL, run};

}  // namespace RONDO_NAMESPACE
