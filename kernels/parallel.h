// The threads that a host lends to the kernels: an interface only, so that the kernels need no thread library.
#pragma once

#include <stdint.h>

namespace rondo {

// Runs task(argument, i) for every i in [0, tasks), each once, in any order, on any of `threads` threads, the caller's
// among them; returns when all are done. A task must not start another run, and may use 128 KiB of stack. The bits
// of the results must not depend on `threads`: work is cut by it only where every number is computed the same either way.
struct Parallel {
  int32_t threads;
  void (*run)(Parallel* self, int32_t tasks, void (*task)(void* argument, int32_t index), void* argument);
};

}  // namespace rondo
