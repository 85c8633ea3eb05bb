// What each instruction set exports: the only header that a host needs besides parallel.h.
#pragma once

#include <stdint.h>

#include "parallel.h"

namespace rondo {

// Why a run stopped (codes and meaning of the details: STATUS in abi.def).
struct Error {
  int32_t status;
  int32_t opcode;
  int32_t word;  // index of the instruction's first word in the program
  int32_t detail[4];
};

struct Kernels {
  const char* name;
  int32_t vectorWidth;  // lanes of float32
  // Runs the instructions in words[begin, end) over `count` buffers. Returns 0, or a status, with *error filled in.
  // Loops move entries of `buffers`; they are as before when the call returns, with an error too.
  int32_t (*run)(const int32_t* words, int32_t begin, int32_t end, void** buffers, int32_t count, Parallel* parallel,
                 Error* error);
};

}  // namespace rondo
