// The C++ side of abi.def: a struct per instruction, the codes, and what every kernel is given.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels.h"

// Each instruction set has a namespace of its own (-DRONDO_ISA=avx2: rondo_avx2), and everything that is compiled into
// code lives in it: a function shared between them would be linked once, in the version of any of them.
#define RONDO_JOIN_(a, b) a##b
#define RONDO_JOIN(a, b) RONDO_JOIN_(a, b)
#define RONDO_NAMESPACE RONDO_JOIN(rondo_, RONDO_ISA)
#define RONDO_STRING_(a) #a
#define RONDO_STRING(a) RONDO_STRING_(a)

namespace RONDO_NAMESPACE {

using rondo::Error;
using rondo::Parallel;
using Index = ptrdiff_t;

enum class Opcode : int32_t {
#define RONDO_OP(code, name, fields) name = code,
#include "abi.def"
};

enum class MapOp : int32_t {
#define MAP_OP(code, name, arity) name##_ = code,
#include "abi.def"
};

enum class Dtype : int32_t {
#define DTYPE(code, name) name##_ = code,
#include "abi.def"
};

enum class Reduction : int32_t {
#define REDUCTION(code, name) name = code,
#include "abi.def"
};

enum class Distribution : int32_t {
#define DISTRIBUTION(code, name) name = code,
#include "abi.def"
};

enum class Cell : int32_t {
#define CELL(code, name) name = code,
#include "abi.def"
};

enum class Activation : int32_t {
#define ACTIVATION(code, name) name = code,
#include "abi.def"
};

enum class Status : int32_t {
#define STATUS(code, name) name = code,
#include "abi.def"
};

namespace limit {
#define LIMIT(value, name) constexpr int32_t name = value;
#include "abi.def"
}  // namespace limit

// An operand: buffer index (-1: absent) and offset in elements.
struct Ptr {
  int32_t buffer;
  int32_t offset;
};

// One struct per instruction, named as in abi.def: op::map, op::reduce …
namespace op {
using ptr = Ptr;
using i32 = int32_t;
using f32 = float;
#define FIELD(kind, name) kind name;
#define RONDO_OP(code, name, fields) \
  struct name {                      \
    fields                           \
  };
#include "abi.def"
#undef FIELD
}  // namespace op

// The words after an instruction's fields.
struct Tail {
  const int32_t* words;
  int32_t count;
};

// What a kernel works with.
struct Context {
  const int32_t* program;
  void** buffers;
  int32_t count;  // of buffers
  int32_t depth;  // of the loops around
  int32_t rows;   // that a chain has the instruction do; -1: all
  Parallel* parallel;
  Error* error;

  // The operand's address, or null when it is absent.
  template <class T>
  T* at(Ptr p) const {
    return p.buffer < 0 ? nullptr : static_cast<T*>(buffers[p.buffer]) + p.offset;
  }

  // Stops the run: `return context.fail(Status::wrongField, value, least, greatest);`
  Status fail(Status status, int32_t a = 0, int32_t b = 0, int32_t c = 0, int32_t d = 0) const {
    error->status = static_cast<int32_t>(status);
    error->detail[0] = a;
    error->detail[1] = b;
    error->detail[2] = c;
    error->detail[3] = d;
    return status;
  }
};

// Whether one of the operands is missing.
template <class... Pointers>
inline bool absent(Pointers... operands) {
  return (... || (operands.buffer < 0));
}

// Where part `part` of `parts` begins when `total` things are dealt out evenly.
inline Index share(Index total, int32_t part, int32_t parts) {
  return static_cast<Index>(int64_t{total} * part / parts);
}

// body(i) for every i in [0, tasks), spread over the threads; see parallel.h for the rules.
template <class Body>
inline void parallelFor(Parallel* parallel, int32_t tasks, const Body& body) {
  if (tasks <= 1 || parallel->threads <= 1) {
    for (int32_t i = 0; i < tasks; ++i) body(i);
    return;
  }
  parallel->run(
      parallel, tasks, [](void* argument, int32_t i) { (*static_cast<const Body*>(argument))(i); },
      const_cast<Body*>(&body));
}

// The kernels: one overload per instruction.
#define RONDO_OP(code, name, fields) Status execute(const Context&, const op::name&, Tail);
#include "abi.def"

}  // namespace RONDO_NAMESPACE
