// The parts of `map`: the plan of one instruction, and its steps; map.cpp runs them.
#pragma once

#include "abi.h"

namespace RONDO_NAMESPACE {

constexpr int32_t kMapStorage = 32 * 512;  // lanes of all registers together
constexpr int32_t kNever = -1;

struct Operand {
  char* base;
  Dtype dtype;
  int32_t reg;
  bool inPlace;  // may be read where it lies (inputs), may be written before the last step has run (outputs)
  bool flat;     // lies in memory in the order of the iteration
  Index stride[limit::rank];
  const int32_t* index;  // the operand's row at each row of the iteration; null: the same
};

// A decoded instruction and the cut of its iteration space into blocks.
struct Map {
  int32_t rank;
  Index dims[limit::rank];
  int32_t inputs, outputs, steps, registers;
  Operand input[limit::mapInputs];
  Operand output[limit::mapOutputs];
  const int32_t* step;                         // code, to, a, b, c
  int32_t writes[limit::mapRegisters];         // number of steps that write a register
  int32_t lastWrite[limit::mapRegisters];      // the last of them
  int32_t outputOf[limit::mapRegisters];       // the output that stores the register in place, or kNever
  Index rows, inner;                           // all dims but the last; the last
  Index lanes;                                 // of a register
  Index rowsPerBlock, segment, segments;       // a block is some whole rows, or a segment of one row
  Index blocks;
};

inline Index sizeOf(Dtype dtype) { return dtype == Dtype::float32_ || dtype == Dtype::int32_ ? 4 : 1; }

// Reads the instruction; checks everything but addresses and strides.
Status decodeMap(const Context& context, const op::map& o, Tail tail, Map& map);

// Prepares a decoded map without empty dims: merges dims, decides which operands need no copy, cuts blocks.
void planMap(Map& map);

// The same for a map of rank 2 whose operands may have an index; dims stay.
void planRows(Map& map);

// Number of registers that a step reads, or -1 when there is no such step.
inline int32_t arityOf(int32_t code) {
  switch (code) {
#define MAP_OP(code, name, arity) \
  case code:                      \
    return arity;
#include "abi.def"
    default:
      return -1;
  }
}

// Lanes of 32 bits: float, or int32 by the step's type. `count` is a multiple of the vector width; operands that the
// step's arity leaves out are ignored; `to` may be one of the operands. Not for constants.
void mapStep(MapOp step, float* to, const float* a, const float* b, const float* c, Index count);

}  // namespace RONDO_NAMESPACE
