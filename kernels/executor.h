// What runs programs natively: memory, the thread that takes jobs in order, and the pool that computes with it.
#pragma once

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#else
#include <condition_variable>
#endif

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <utility>
#include <vector>

#include "kernels.h"
#include "pool.h"

namespace rondo {

namespace host {

#if defined(__linux__)
inline void wait(uint32_t* word, uint32_t value) {
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}
inline void wake(uint32_t* word) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, nullptr, nullptr, 0); }
#else
inline std::mutex sleepMutex;
inline std::condition_variable sleepers;
inline void wait(uint32_t* word, uint32_t value) {
  std::unique_lock<std::mutex> lock(sleepMutex);
  if (__atomic_load_n(word, __ATOMIC_SEQ_CST) == value) sleepers.wait(lock);
}
inline void wake(uint32_t*) {
  std::lock_guard<std::mutex> lock(sleepMutex);
  sleepers.notify_all();
}
#endif

inline int64_t now() { return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1); }

#if defined(__linux__)
inline int32_t core() { return sched_getcpu(); }
inline void leaveCore(int32_t core) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return;  // more cores than such a set can name
  cpu_set_t others = allowed;
  CPU_CLR(core, &others);
  if (CPU_COUNT(&others) == 0) return;
  if (sched_setaffinity(0, sizeof(others), &others) == 0) sched_setaffinity(0, sizeof(allowed), &allowed);
}
#else
inline int32_t core() { return -1; }
inline void leaveCore(int32_t) {}
#endif
inline void yield() { sched_yield(); }

inline Spin::Spin() : began(now()), turns(0) {}

inline bool Spin::again() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
  if (++turns % 16 != 0) return true;
  sched_yield();  // others may need this core more: a third thread on two cores, above all the caller's
  return now() - began < 200'000;
}

}  // namespace host

inline constexpr int32_t outOfMemory = -1;  // a status of this host; detail: MiB
inline constexpr size_t hugePage = size_t(2) << 20;

inline size_t roundUp(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

// Zeroed memory, aligned to 64 bytes; large blocks to 2 MiB, on huge pages where the system has them.
class Block {
 public:
  explicit Block(size_t bytes) : bytes_(bytes) {
    if (bytes >= 2 * hugePage) {
      mapped_ = roundUp(bytes, 65536);
      void* mapping = mmap(nullptr, mapped_ + hugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
      if (mapping == MAP_FAILED) {
        mapped_ = 0;
        return;
      }
      const size_t start = reinterpret_cast<size_t>(mapping), before = roundUp(start, hugePage) - start;
      data_ = static_cast<char*>(mapping) + before;
      if (before > 0) munmap(mapping, before);
      if (before < hugePage) munmap(data_ + mapped_, hugePage - before);
#if defined(MADV_HUGEPAGE)
      madvise(data_, mapped_, MADV_HUGEPAGE);
#endif
    } else if (bytes > 0) {
      data_ = static_cast<char*>(aligned_alloc(64, roundUp(bytes, 64)));
      if (data_ != nullptr) memset(data_, 0, bytes);
    }
  }
  ~Block() {
    if (mapped_ > 0) {
      munmap(data_, mapped_);
    } else {
      free(data_);
    }
  }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  char* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  bool failed() const { return bytes_ > 0 && data_ == nullptr; }

  // Of a state's weights: no two states ever have the same, nor one state before and after a change.
  int64_t version() const { return version_; }
  void changed() { version_ = ++clock_; }

 private:
  static inline std::atomic<int64_t> clock_{0};
  std::atomic<int64_t> version_{++clock_};
  char* data_ = nullptr;
  size_t bytes_;
  size_t mapped_ = 0;
};

// Scratch for runs that never overlap: as large as the largest program that ran, given back when that program is gone.
class Arena {
 public:
  void enter(size_t bytes) {
    std::lock_guard<std::mutex> lock(mutex_);
    needs_.insert(bytes);
    largest_ = *needs_.rbegin();
  }
  void leave(size_t bytes) {
    std::lock_guard<std::mutex> lock(mutex_);
    needs_.erase(needs_.find(bytes));
    largest_ = needs_.empty() ? 0 : *needs_.rbegin();
  }
  // Null when there is no memory left. The contents are undefined.
  Block* fit(size_t bytes) {
    if (block_ == nullptr || block_->bytes() < bytes || block_->bytes() > largest_) {
      block_.reset();
      block_ = std::make_unique<Block>(bytes);
      if (block_->failed()) block_.reset();
    }
    return block_.get();
  }

 private:
  std::mutex mutex_;
  std::multiset<size_t> needs_;
  std::atomic<size_t> largest_{0};
  std::unique_ptr<Block> block_;
};

// Where a buffer starts: byte `offset` of base 0 scratch, 1 state, 2 cache, 3 constants, 4… the caller's arrays.
struct Slot {
  int32_t base;
  int64_t offset;
};

struct Range {
  int32_t begin, end;
};

// What programs have prepared from the weights of a state. Several may share it: runs hold it shared while they read it,
// and whoever prepares it holds it alone.
struct Cache {
  explicit Cache(size_t bytes) : bytes(bytes) {}
  const size_t bytes;
  std::shared_mutex use;
  std::unique_ptr<Block> block;
  int64_t prepared = -1;  // the state's version that it was prepared from
};

// What asynchronous and synchronous runs have apart, so that they may overlap.
struct Lane {
  std::shared_ptr<Arena> scratch;
  std::vector<void*> bases, buffers;
};

struct Program {
  std::vector<int32_t> words;
  std::vector<Slot> slots;
  std::unique_ptr<Block> constants;
  Range prepare;  // empty: none
  size_t scratchBytes;
  std::shared_ptr<Cache> cache;
  Lane queued, synchronous;

  ~Program() {
    queued.scratch->leave(scratchBytes);
    synchronous.scratch->leave(scratchBytes);
  }
};

// What a run or a write changes of a state, as src/plan/program.ts has it.
enum class Writes : int32_t { nothing, states, weights };

struct Call {
  std::shared_ptr<Program> program;
  std::shared_ptr<Block> state;
  Range range;
  Writes writes;
  std::vector<void*> arrays;
};

inline int32_t noMemory(size_t bytes, Error* error) {
  *error = Error{outOfMemory, 0, 0, {int32_t(bytes >> 20), 0, 0, 0}};
  return outOfMemory;
}

// Takes the cache's memory if it has none yet; nobody else may use it.
inline int32_t occupy(Cache& cache, Error* error) {
  if (cache.block != nullptr) return 0;
  auto block = std::make_unique<Block>(cache.bytes);
  if (block->failed()) return noMemory(cache.bytes, error);
  cache.block = std::move(block);
  return 0;
}

inline int32_t perform(const Kernels& kernels, Parallel* parallel, const Call& call, Lane& lane, Error* error) {
  const Program& program = *call.program;
  Cache& cache = *program.cache;
  Block* scratch = lane.scratch->fit(program.scratchBytes);
  if (scratch == nullptr) return noMemory(program.scratchBytes, error);
  std::shared_lock<std::shared_mutex> reading(cache.use);
  if (cache.block == nullptr) {
    reading.unlock();
    {
      std::lock_guard<std::shared_mutex> alone(cache.use);
      if (const int32_t status = occupy(cache, error); status != 0) return status;
    }
    reading.lock();
  }
  lane.bases = {scratch->data(), call.state->data(), cache.block->data(), program.constants->data()};
  lane.bases.insert(lane.bases.end(), call.arrays.begin(), call.arrays.end());
  lane.buffers.resize(program.slots.size());
  for (size_t i = 0; i < program.slots.size(); ++i) {
    lane.buffers[i] = static_cast<char*>(lane.bases[program.slots[i].base]) + program.slots[i].offset;
  }
  const auto run = [&](Range range) {
    return kernels.run(program.words.data(), range.begin, range.end, lane.buffers.data(), int32_t(lane.buffers.size()),
                       parallel, error);
  };
  while (program.prepare.begin < program.prepare.end && cache.prepared != call.state->version()) {
    reading.unlock();
    {
      std::lock_guard<std::shared_mutex> alone(cache.use);
      cache.prepared = -1;
      if (const int32_t status = run(program.prepare); status != 0) return status;
      cache.prepared = call.state->version();
    }
    reading.lock();  // in between another run may have prepared it from a state of its own
  }
  const int32_t status = run(call.range);
  if (call.writes == Writes::weights) call.state->changed();
  return status;
}

// A thread whose stack is large enough for the kernels' tasks whatever the C library's default.
class Thread {
 public:
  explicit Thread(std::function<void()> body) : body_(std::make_unique<std::function<void()>>(std::move(body))) {}

  // False where the system has no room for another thread.
  bool start() {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 1 << 20);
    const auto start = [](void* function) -> void* {
      (*static_cast<std::function<void()>*>(function))();
      return nullptr;
    };
    const int error = pthread_create(&thread_, &attributes, start, body_.get());
    pthread_attr_destroy(&attributes);
    return error == 0;
  }
  void join() { pthread_join(thread_, nullptr); }

 private:
  std::unique_ptr<std::function<void()>> body_;
  pthread_t thread_;
};

// The place of a job among those that wait, as src/runtime/backend.ts has it.
enum class Place : int32_t { inTurn, yielding, overtaking, overtakingOthers };

struct Job {
  std::function<int32_t(Error*)> work;
  int64_t number;
  std::shared_ptr<Block> state;  // what it uses; null: nothing that others change
  bool writes;
  Place place;
  int32_t overtaken = 0;

  bool overtakes() const { return place == Place::overtaking || place == Place::overtakingOthers; }
  bool mayPass(const Job& other) const {
    if (other.overtakes() || other.overtaken >= limit::overtakes) return false;
    if (other.state != state || !(writes || other.writes)) return true;
    return !writes && place == Place::overtaking && other.place == Place::yielding;
  }
};

// Runs jobs one after the other on a thread of its own, and synchronous calls on the caller's. Whoever runs takes the
// pool; a synchronous run that finds it taken computes alone, with the same result bit for bit.
class Executor {
 public:
  // Called on the executor's thread after every job, with its number and null when it went well.
  using Settled = std::function<void(int64_t, const Error*)>;

  Executor(const Kernels& kernels, int32_t threads, Settled settled)
      : kernels_(kernels), pool_(threads), settled_(std::move(settled)) {}
  ~Executor() { stop(); }

  // Before anything else; false, and no thread is left, where the system has no room for so many.
  bool start() {
    bool started = begin([this] { work(); });
    for (int32_t i = 1; started && i < pool_.threads; ++i) started = begin([this] { pool_.work(); });
    if (!started) stop();
    return started;
  }

  const std::shared_ptr<Arena> queuedScratch = std::make_shared<Arena>();
  const std::shared_ptr<Arena> synchronousScratch = std::make_shared<Arena>();

  void submit(Job job) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      auto at = jobs_.end();
      if (job.overtakes()) {
        while (at != jobs_.begin() && job.mayPass(*(at - 1))) (--at)->overtaken++;
      }
      jobs_.insert(at, std::move(job));
    }
    submitted_.raise();
  }

  // In a job.
  int32_t runQueued(const Call& call, Error* error) {
    std::lock_guard<std::mutex> lock(poolOwner_);
    return perform(kernels_, &pool_, call, call.program->queued, error);
  }

  // In a job: takes the memory that runs of a program need.
  int32_t reserveQueued(const Program& program, Error* error) {
    if (program.queued.scratch->fit(program.scratchBytes) == nullptr) return noMemory(program.scratchBytes, error);
    std::lock_guard<std::shared_mutex> alone(program.cache->use);
    return occupy(*program.cache, error);
  }

  int32_t runSynchronous(const Call& call, Error* error) {
    std::unique_lock<std::mutex> lock(poolOwner_, std::try_to_lock);
    Parallel alone{1, [](Parallel*, int32_t tasks, void (*task)(void*, int32_t), void* argument) {
                     for (int32_t i = 0; i < tasks; ++i) task(argument, i);
                   }};
    Parallel* parallel = lock.owns_lock() ? static_cast<Parallel*>(&pool_) : &alone;
    return perform(kernels_, parallel, call, call.program->synchronous, error);
  }

  // Lets the job under way finish and drops those that wait.
  void stop() {
    stopping_ = true;
    submitted_.raise();
    pool_.stop();
    for (Thread& thread : threads_) thread.join();
    threads_.clear();
    jobs_.clear();
  }

 private:
  bool begin(std::function<void()> body) {
    Thread thread(std::move(body));
    const bool started = thread.start();
    if (started) threads_.push_back(std::move(thread));
    return started;
  }

  void work() {
    while (!stopping_) {
      const uint32_t seen = submitted_.value();
      for (Job job; next(job);) {
        Error error{};
        const int32_t status = job.work(&error);
        const int64_t number = job.number;
        job = Job{};  // what it held is free before anyone learns that it is done
        settled_(number, status == 0 ? nullptr : &error);
      }
      submitted_.await(seen, [] {});
    }
  }

  bool next(Job& job) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_ || jobs_.empty()) return false;
    job = std::move(jobs_.front());
    jobs_.pop_front();
    return true;
  }

  const Kernels& kernels_;
  Pool pool_;
  std::mutex poolOwner_;
  std::vector<Thread> threads_;
  std::mutex mutex_;
  std::deque<Job> jobs_;
  Signal submitted_;
  std::atomic<bool> stopping_{false};
  Settled settled_;
};

}  // namespace rondo
