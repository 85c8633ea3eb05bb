// A pool of threads for parallel regions. It needs no library: the host lends it threads, which call work(), and the
// primitives in rondo::host.
#pragma once

#include <stdint.h>

#include "parallel.h"

namespace rondo {

namespace host {
// Sleeps while *word == value; may return early.
void wait(uint32_t* word, uint32_t value);
// Wakes all threads that sleep on `word`.
void wake(uint32_t* word);
// How long a thread looks for work before it sleeps: again() is false after some 200 µs: sleeping and
// waking again takes a good part of that.
struct Spin {
  Spin();
  bool again();
  int64_t began;
  int32_t turns;
};
}  // namespace host

// A counter whose change threads can wait for: they spin for a short while, then sleep.
class Signal {
 public:
  uint32_t value() const { return __atomic_load_n(&value_, __ATOMIC_ACQUIRE); }

  void raise() {
    __atomic_fetch_add(&value_, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&sleepers_, __ATOMIC_SEQ_CST) > 0) host::wake(&value_);
  }

  // Returns soon after value() differs from `seen`, which the caller reads before it looks for work: a raise() between
  // that look and this call is not missed.
  void await(uint32_t seen) {
    for (host::Spin spin; spin.again();) {
      if (value() != seen) return;
    }
    __atomic_fetch_add(&sleepers_, 1, __ATOMIC_SEQ_CST);
    host::wait(&value_, seen);
    __atomic_fetch_sub(&sleepers_, 1, __ATOMIC_SEQ_CST);
  }

 private:
  uint32_t value_ = 0;
  uint32_t sleepers_ = 0;
};

// One region at a time: its owner publishes the tasks, takes part, and returns when all are finished. Threads claim
// tasks one by one; the owner waits for claimed tasks only, never for a thread that has not woken up yet.
class Pool : public Parallel {
 public:
  explicit Pool(int32_t count) : Parallel{count, &Pool::region} {}

  // The body of the count - 1 lent threads; returns after stop().
  void work() {
    for (;;) {
      const uint32_t seen = published_.value();
      if (__atomic_load_n(&stopping_, __ATOMIC_ACQUIRE)) return;
      drain();
      published_.await(seen);
    }
  }

  void stop() {
    __atomic_store_n(&stopping_, true, __ATOMIC_RELEASE);
    published_.raise();
  }

 private:
  using Task = void (*)(void* argument, int32_t index);

  static void region(Parallel* self, int32_t tasks, Task task, void* argument) {
    static_cast<Pool*>(self)->runTasks(static_cast<uint32_t>(tasks), task, argument);
  }

  void runTasks(uint32_t tasks, Task task, void* argument) {
    task_ = task;
    argument_ = argument;
    __atomic_store_n(&finished_, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&claims_, uint64_t(tasks) << 32, __ATOMIC_RELEASE);
    published_.raise();
    drain();
    for (;;) {
      const uint32_t seen = completed_.value();
      if (__atomic_load_n(&finished_, __ATOMIC_ACQUIRE) == tasks) return;
      completed_.await(seen);
    }
  }

  // Runs tasks while there are any to claim. The word holds the number of tasks and the next one, so a successful claim
  // is always of the region that is open now, whose task_ and argument_ stay until the claimed task is finished.
  void drain() {
    uint64_t claims = __atomic_load_n(&claims_, __ATOMIC_ACQUIRE);
    for (;;) {
      const uint32_t tasks = uint32_t(claims >> 32), next = uint32_t(claims);
      if (next >= tasks) return;
      if (!__atomic_compare_exchange_n(&claims_, &claims, claims + 1, true, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        continue;
      }
      task_(argument_, int32_t(next));
      if (__atomic_add_fetch(&finished_, 1, __ATOMIC_ACQ_REL) == tasks) completed_.raise();
      claims = __atomic_load_n(&claims_, __ATOMIC_ACQUIRE);
    }
  }

  alignas(64) uint64_t claims_ = 0;
  Task task_ = nullptr;
  void* argument_ = nullptr;
  Signal published_;
  alignas(64) uint32_t finished_ = 0;
  Signal completed_;
  bool stopping_ = false;
};

}  // namespace rondo
