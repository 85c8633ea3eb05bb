// Work in phases, each of which needs all parts of the one before: a barrier that no thread waits at for work which
// nobody has begun.
#pragma once

#include "abi.h"

namespace RONDO_NAMESPACE {

constexpr int32_t kMostParts = 16;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// body(phase, part) for all phases in order, the parts of a phase side by side. A thread begins with a part of its own, so
// that a part's data stay in its cache, then takes what others have not begun; it waits for running parts only. So it
// does not matter how many threads come, nor when.
template <class Body>
inline void relay(Parallel* parallel, int32_t parts, int32_t phases, const Body& body) {
  if (parts == 1) {
    for (int32_t phase = 0; phase < phases; ++phase) body(phase, 0);
    return;
  }
  struct alignas(64) Counter {
    int32_t value;
  };
  Counter begun[kMostParts] = {}, finished{0};  // phases that a part has begun; parts finished, of all phases
  parallelFor(parallel, parts, [&](int32_t own) {
    for (int32_t phase = __atomic_load_n(&finished.value, __ATOMIC_ACQUIRE) / parts; phase < phases; ++phase) {
      for (int32_t i = 0; i < parts; ++i) {
        const int32_t part = (own + i) % parts;
        int32_t expected = phase;
        if (!__atomic_compare_exchange_n(&begun[part].value, &expected, phase + 1, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
          continue;
        }
        body(phase, part);
        __atomic_fetch_add(&finished.value, 1, __ATOMIC_RELEASE);
      }
      while (__atomic_load_n(&finished.value, __ATOMIC_ACQUIRE) < (phase + 1) * parts) pause();
    }
  });
}

}  // namespace RONDO_NAMESPACE
