// The threads that a host lends to the kernels: an interface only, so that the kernels need no thread library.
#pragma once

#include <stdint.h>

namespace rondo {

// Runs task(argument, i) for every i in [0, tasks), each once, in any order, on any of `threads` threads, the caller's
// among them; returns when all are done. A task must not start another run, and may use 128 KiB of stack. What a task
// computes must not depend on the thread it runs on, nor on `threads`: choose chunks by shape alone.
struct Parallel {
  int32_t threads;
  void (*run)(Parallel* self, int32_t tasks, void (*task)(void* argument, int32_t index), void* argument);
};

}  // namespace rondo
