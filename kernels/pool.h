// A pool of threads for parallel regions. It needs no library: the host lends it threads, which call work(), and the
// primitives in rondo::host.
#pragma once

#include <stdint.h>

#include "parallel.h"

namespace rondo {

namespace limit {
#define LIMIT(value, name) constexpr int32_t name = value;
#include "abi.def"
}  // namespace limit

namespace host {
// Sleeps while *word == value; may return early.
void wait(uint32_t* word, uint32_t value);
// Wakes all threads that sleep on `word`.
void wake(uint32_t* word);
// How long a thread looks for work before it sleeps: again() is false after some 200 µs, of which sleeping and waking
// up would take a good part.
struct Spin {
  Spin();
  bool again();
  int64_t began;
  int32_t turns;
};
// The core that the calling thread is on, -1 where nobody says; to another core than that one, if it may; a turn for
// other threads that wait for its core.
int32_t core();
void leaveCore(int32_t core);
void yield();
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
  // that look and this call is not missed. waiting() is called now and then meanwhile.
  template <class Waiting>
  void await(uint32_t seen, const Waiting& waiting) {
    for (host::Spin spin; spin.again();) {
      if (value() != seen) return;
      if (spin.turns % 16 == 0) waiting();
    }
    __atomic_fetch_add(&sleepers_, 1, __ATOMIC_SEQ_CST);
    host::wait(&value_, seen);
    __atomic_fetch_sub(&sleepers_, 1, __ATOMIC_SEQ_CST);
  }

 private:
  uint32_t value_ = 0;
  uint32_t sleepers_ = 0;
};

// One region at a time: its owner publishes the tasks, takes part, and returns when all are finished. Every thread has a
// share of the tasks, the same in every region with as many, and claims these one by one from the front; so a chunk of the
// batch stays in the caches of one core from region to region. Who is done takes tasks of others, from the back. The
// owner waits for claimed tasks only, never for a thread that has not woken up yet.
//
// Systems may put a thread that wakes up on the owner's core, where it waits for milliseconds although another core is
// idle. So the owner yields as long as somebody is missing, and who finds himself on the owner's core leaves it.
class Pool : public Parallel {
 public:
  // `count`: from 1 to limit::threads
  explicit Pool(int32_t count) : Parallel{count, &Pool::region} {}

  // The body of the count - 1 lent threads; returns after stop().
  void work() {
    const int32_t thread = __atomic_add_fetch(&lent_, 1, __ATOMIC_RELAXED);
    for (;;) {
      const uint32_t seen = published_.value();
      if (__atomic_load_n(&stopping_, __ATOMIC_ACQUIRE)) return;
      keepApart();
      __atomic_fetch_add(&present_, 1, __ATOMIC_RELAXED);
      drain(thread, [] {});
      __atomic_fetch_sub(&present_, 1, __ATOMIC_RELAXED);
      published_.await(seen, [this] { keepApart(); });
    }
  }

  void stop() {
    __atomic_store_n(&stopping_, true, __ATOMIC_RELEASE);
    published_.raise();
  }

 private:
  using Task = void (*)(void* argument, int32_t index);

  // A thread's tasks that nobody has claimed: [next, end) in the low and the high half of a word.
  struct alignas(64) Share {
    uint64_t unclaimed;
  };

  static void region(Parallel* self, int32_t tasks, Task task, void* argument) {
    static_cast<Pool*>(self)->runTasks(static_cast<uint32_t>(tasks), task, argument);
  }

  void runTasks(uint32_t tasks, Task task, void* argument) {
    task_ = task;
    argument_ = argument;
    tasks_ = tasks;
    __atomic_store_n(&finished_, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&ownersCore_, host::core(), __ATOMIC_RELAXED);
    for (int32_t i = 0; i < threads; ++i) {
      const uint64_t next = uint64_t(tasks) * i / threads, end = uint64_t(tasks) * (i + 1) / threads;
      __atomic_store_n(&shares_[i].unclaimed, end << 32 | next, __ATOMIC_RELEASE);
    }
    published_.raise();
    drain(0, [this] {
      if (__atomic_load_n(&present_, __ATOMIC_RELAXED) + 1 < threads) host::yield();
    });
    for (;;) {
      const uint32_t seen = completed_.value();
      if (__atomic_load_n(&finished_, __ATOMIC_ACQUIRE) == tasks) return;
      completed_.await(seen, [] {});
    }
  }

  void keepApart() const {
    const int32_t owners = __atomic_load_n(&ownersCore_, __ATOMIC_RELAXED);
    if (owners >= 0 && host::core() == owners) host::leaveCore(owners);
  }

  // Runs tasks while there are any to claim, and between() after each.
  template <class Between>
  void drain(int32_t thread, const Between& between) {
    for (int32_t i = 0; i < threads; ++i) {
      uint64_t& unclaimed = shares_[(thread + i) % threads].unclaimed;
      for (uint32_t task; claim(unclaimed, i > 0, task);) {
        const uint32_t tasks = tasks_;  // of this region, which ends no sooner than the claimed task
        task_(argument_, int32_t(task));
        if (__atomic_add_fetch(&finished_, 1, __ATOMIC_ACQ_REL) == tasks) completed_.raise();
        between();
      }
    }
  }

  // A claim that succeeds is always of the region that is open now, whose task_, argument_ and tasks_ stay until the
  // claimed task is finished: whatever a late thread has read, the exchange compares with what there is.
  static bool claim(uint64_t& unclaimed, bool last, uint32_t& task) {
    uint64_t word = __atomic_load_n(&unclaimed, __ATOMIC_ACQUIRE);
    for (;;) {
      const uint32_t next = uint32_t(word), end = uint32_t(word >> 32);
      if (next >= end) return false;
      const uint64_t rest = last ? uint64_t(end - 1) << 32 | next : word + 1;
      if (__atomic_compare_exchange_n(&unclaimed, &word, rest, true, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        task = last ? end - 1 : next;
        return true;
      }
    }
  }

  Share shares_[limit::threads] = {};
  Task task_ = nullptr;
  void* argument_ = nullptr;
  uint32_t tasks_ = 0;
  Signal published_;
  alignas(64) uint32_t finished_ = 0;
  Signal completed_;
  bool stopping_ = false;
  alignas(64) int32_t present_ = 0;  // lent threads at work
  int32_t ownersCore_ = -1;
  int32_t lent_ = 0;
};

}  // namespace rondo
