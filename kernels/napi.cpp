// The native host: a Node-API addon around the kernels. src/runtime/native.ts is its only caller and checks all arguments.
//
// A backend is an executor: one thread that takes jobs from a queue in order, and a pool of further threads that compute
// with it. Synchronous runs happen on the caller's thread, with scratch and caches of their own; whoever runs takes the
// pool, and a synchronous run that finds it taken computes alone (the result is the same, bit for bit).

#include <node_api.h>
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
#include <utility>
#include <vector>

#include "kernels.h"
#include "pool.h"

// The instruction sets of this processor family, best first (measured), with the test whether a machine has them.
#if defined(__x86_64__)
#define RONDO_SETS(SET)                                                                                                \
  SET(avx2, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))                                           \
  SET(avx512, __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&                               \
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma")) \
  SET(sse2, true)
#elif defined(__aarch64__)
#define RONDO_SETS(SET) SET(neon, true)
#endif

#define DECLARE(set, available) \
  namespace rondo_##set {       \
  extern const rondo::Kernels kernels; \
  }
RONDO_SETS(DECLARE)
#undef DECLARE

namespace rondo {

namespace host {

#if defined(__linux__)
void wait(uint32_t* word, uint32_t value) {
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}
void wake(uint32_t* word) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, nullptr, nullptr, 0); }
#else
static std::mutex sleepMutex;
static std::condition_variable sleepers;
void wait(uint32_t* word, uint32_t value) {
  std::unique_lock<std::mutex> lock(sleepMutex);
  if (__atomic_load_n(word, __ATOMIC_SEQ_CST) == value) sleepers.wait(lock);
}
void wake(uint32_t*) {
  std::lock_guard<std::mutex> lock(sleepMutex);
  sleepers.notify_all();
}
#endif

static int64_t now() { return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1); }

Spin::Spin() : began(now()), turns(0) {}

bool Spin::again() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
  if (++turns % 16 != 0) return true;
  const int64_t waited = now() - began;
  if (waited > 20'000) sched_yield();  // others may need this core more
  return waited < 50'000;
}

}  // namespace host

namespace {

constexpr int32_t outOfMemory = -1;  // a status of this host; detail: MiB
constexpr size_t hugePage = size_t(2) << 20;

size_t roundUp(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

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

 private:
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

// What asynchronous and synchronous runs have apart, so that they may overlap.
struct Lane {
  std::shared_ptr<Arena> scratch;
  std::unique_ptr<Block> cache;
  int64_t prepared = -1;  // the state's version that the cache was prepared from
  std::vector<void*> bases, buffers;
};

struct Program {
  std::vector<int32_t> words;
  std::vector<Slot> slots;
  std::unique_ptr<Block> constants;
  Range prepare;  // empty: none
  size_t scratchBytes, cacheBytes;
  Lane queued, synchronous;

  ~Program() {
    queued.scratch->leave(scratchBytes);
    synchronous.scratch->leave(scratchBytes);
  }
};

struct Call {
  std::shared_ptr<Program> program;
  std::shared_ptr<Block> state;
  Range range;
  int64_t version;  // of the state, before the run
  std::vector<void*> arrays;
};

int32_t noMemory(size_t bytes, Error* error) {
  *error = Error{outOfMemory, 0, 0, {int32_t(bytes >> 20), 0, 0, 0}};
  return outOfMemory;
}

int32_t perform(const Kernels& kernels, Parallel* parallel, const Call& call, Lane& lane, Error* error) {
  const Program& program = *call.program;
  Block* scratch = lane.scratch->fit(program.scratchBytes);
  if (scratch == nullptr) return noMemory(program.scratchBytes, error);
  if (lane.cache == nullptr) {
    auto cache = std::make_unique<Block>(program.cacheBytes);
    if (cache->failed()) return noMemory(program.cacheBytes, error);
    lane.cache = std::move(cache);
  }
  lane.bases = {scratch->data(), call.state->data(), lane.cache->data(), program.constants->data()};
  lane.bases.insert(lane.bases.end(), call.arrays.begin(), call.arrays.end());
  lane.buffers.resize(program.slots.size());
  for (size_t i = 0; i < program.slots.size(); ++i) {
    lane.buffers[i] = static_cast<char*>(lane.bases[program.slots[i].base]) + program.slots[i].offset;
  }
  const auto run = [&](Range range) {
    return kernels.run(program.words.data(), range.begin, range.end, lane.buffers.data(), int32_t(lane.buffers.size()),
                       parallel, error);
  };
  if (program.prepare.begin < program.prepare.end && lane.prepared != call.version) {
    lane.prepared = -1;
    const int32_t status = run(program.prepare);
    if (status != 0) return status;
    lane.prepared = call.version;
  }
  return run(call.range);
}

// A thread whose stack is large enough for the kernels' tasks whatever the C library's default.
class Thread {
 public:
  explicit Thread(std::function<void()> body) : body_(std::make_unique<std::function<void()>>(std::move(body))) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 1 << 20);
    const auto start = [](void* function) -> void* {
      (*static_cast<std::function<void()>*>(function))();
      return nullptr;
    };
    if (pthread_create(&thread_, &attributes, start, body_.get()) != 0) abort();
    pthread_attr_destroy(&attributes);
  }
  void join() { pthread_join(thread_, nullptr); }

 private:
  std::unique_ptr<std::function<void()>> body_;
  pthread_t thread_;
};

using Job = std::function<int32_t(Error*)>;

class Executor {
 public:
  Executor(const Kernels& kernels, int32_t threads, napi_env env, napi_threadsafe_function settled)
      : kernels(kernels), pool_(threads), env_(env), settled_(settled) {
    for (int32_t i = 1; i < threads; ++i) threads_.emplace_back([this] { pool_.work(); });
    threads_.emplace_back([this] { work(); });
    napi_unref_threadsafe_function(env_, settled_);
    napi_add_env_cleanup_hook(env_, stopHook, this);  // before the hook of `settled_`: hooks run last in, first out
  }
  ~Executor() { stop(); }

  const Kernels& kernels;
  const std::shared_ptr<Arena> queuedScratch = std::make_shared<Arena>();
  const std::shared_ptr<Arena> synchronousScratch = std::make_shared<Arena>();

  bool idle() const { return pending_ == 0; }

  void submit(Job job) {
    if (pending_++ == 0) napi_ref_threadsafe_function(env_, settled_);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      jobs_.push_back(std::move(job));
    }
    submitted_.raise();
  }

  // On the JavaScript thread, once per job, after it.
  void answered() {
    if (--pending_ == 0) napi_unref_threadsafe_function(env_, settled_);
  }

  int32_t runQueued(const Call& call, Error* error) {
    std::lock_guard<std::mutex> lock(poolOwner_);
    return perform(kernels, &pool_, call, call.program->queued, error);
  }

  int32_t runSynchronous(const Call& call, Error* error) {
    std::unique_lock<std::mutex> lock(poolOwner_, std::try_to_lock);
    Parallel alone{1, [](Parallel*, int32_t tasks, void (*task)(void*, int32_t), void* argument) {
                     for (int32_t i = 0; i < tasks; ++i) task(argument, i);
                   }};
    return perform(kernels, lock.owns_lock() ? static_cast<Parallel*>(&pool_) : &alone, call, call.program->synchronous, error);
  }

  // Lets the job under way finish and drops those that wait.
  void stop() {
    if (threads_.empty()) return;
    stopping_ = true;
    submitted_.raise();
    pool_.stop();
    for (Thread& thread : threads_) thread.join();
    threads_.clear();
    jobs_.clear();
    napi_remove_env_cleanup_hook(env_, stopHook, this);
    napi_release_threadsafe_function(settled_, napi_tsfn_release);
  }

 private:
  static void stopHook(void* executor) { static_cast<Executor*>(executor)->stop(); }

  void work() {
    while (!stopping_) {
      const uint32_t seen = submitted_.value();
      while (Job job = next()) {
        Error error{};
        const int32_t status = job(&error);
        job = nullptr;
        napi_call_threadsafe_function(settled_, status == 0 ? nullptr : new Error(error), napi_tsfn_nonblocking);
      }
      submitted_.await(seen);
    }
  }

  Job next() {
    std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_ || jobs_.empty()) return nullptr;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    return job;
  }

  Pool pool_;
  std::mutex poolOwner_;
  std::vector<Thread> threads_;
  std::mutex mutex_;
  std::deque<Job> jobs_;
  Signal submitted_;
  std::atomic<bool> stopping_{false};
  napi_env env_;
  napi_threadsafe_function settled_;
  int64_t pending_ = 0;  // jobs not yet answered; the JavaScript thread's own
};

// ---- Values from and to JavaScript.

template <class T>
void finalize(napi_env env, void* data, void* bytes) {
  delete static_cast<std::shared_ptr<T>*>(data);
  int64_t total;
  napi_adjust_external_memory(env, -int64_t(reinterpret_cast<intptr_t>(bytes)), &total);
}

// A handle that the garbage collector frees, knowing that `bytes` bytes hang on it.
template <class T>
napi_value handle(napi_env env, std::shared_ptr<T> owner, size_t bytes) {
  napi_value value = nullptr;
  napi_create_external(env, new std::shared_ptr<T>(std::move(owner)), finalize<T>, reinterpret_cast<void*>(bytes), &value);
  int64_t total;
  napi_adjust_external_memory(env, int64_t(bytes), &total);
  return value;
}

template <class T>
const std::shared_ptr<T>& owner(napi_env env, napi_value value) {
  void* data = nullptr;
  napi_get_value_external(env, value, &data);
  return *static_cast<std::shared_ptr<T>*>(data);
}

int64_t integer(napi_env env, napi_value value) {
  int64_t result = 0;
  napi_get_value_int64(env, value, &result);
  return result;
}

struct Bytes {
  char* data;
  size_t bytes;
};

Bytes bytesOf(napi_env env, napi_value array) {
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  napi_get_typedarray_info(env, array, &type, &length, &data, nullptr, nullptr);
  const size_t size = type == napi_uint8_array ? 1 : type == napi_float64_array ? 8 : 4;
  return {static_cast<char*>(data), length * size};
}

napi_value throwOutOfMemory(napi_env env) {
  napi_throw_error(env, "RONDO_OUT_OF_MEMORY", "out of memory");
  return nullptr;
}

// [status, opcode, word, details…]
napi_value faultValue(napi_env env, const Error& error) {
  const int32_t words[] = {error.status,    error.opcode,    error.word,     error.detail[0],
                           error.detail[1], error.detail[2], error.detail[3]};
  napi_value fault;
  napi_create_array(env, &fault);
  for (uint32_t i = 0; i < sizeof(words) / sizeof(*words); ++i) {
    napi_value word;
    napi_create_int32(env, words[i], &word);
    napi_set_element(env, fault, i, word);
  }
  return fault;
}

template <size_t count>
struct Arguments {
  napi_value values[count];
  Arguments(napi_env env, napi_callback_info info) {
    size_t given = count;
    napi_get_cb_info(env, info, &given, values, nullptr, nullptr);
  }
  napi_value operator[](size_t i) const { return values[i]; }
};

struct Set {
  const Kernels* kernels;
  bool available;
};

std::vector<Set> instructionSets() {
#define ENTRY(set, available) {&rondo_##set::kernels, bool(available)},
  return {RONDO_SETS(ENTRY)};
#undef ENTRY
}

// ---- The functions of the addon.

// instructionSets(): [name, vectorWidth][], those that this machine has, best first.
napi_value listInstructionSets(napi_env env, napi_callback_info) {
  napi_value list;
  napi_create_array(env, &list);
  uint32_t count = 0;
  for (const Set& set : instructionSets()) {
    if (!set.available) continue;
    napi_value pair, name, width;
    napi_create_array(env, &pair);
    napi_create_string_utf8(env, set.kernels->name, NAPI_AUTO_LENGTH, &name);
    napi_create_int32(env, set.kernels->vectorWidth, &width);
    napi_set_element(env, pair, 0, name);
    napi_set_element(env, pair, 1, width);
    napi_set_element(env, list, count++, pair);
  }
  return list;
}

// Calls settled(fault | undefined) for a job that is done.
void deliver(napi_env env, napi_value settled, void* context, void* data) {
  std::unique_ptr<Error> error(static_cast<Error*>(data));
  if (env == nullptr) return;
  (*static_cast<Executor**>(context))->answered();
  napi_value undefined, fault;
  napi_get_undefined(env, &undefined);
  fault = error == nullptr ? undefined : faultValue(env, *error);
  napi_call_function(env, undefined, settled, 1, &fault, nullptr);
}

// create(instructionSet, threads, settled): executor
napi_value create(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  char name[16] = "";
  size_t length;
  napi_get_value_string_utf8(env, arguments[0], name, sizeof(name), &length);
  const Kernels* kernels = nullptr;
  for (const Set& set : instructionSets()) {
    if (set.available && strcmp(set.kernels->name, name) == 0) kernels = set.kernels;
  }
  if (kernels == nullptr) {
    napi_throw_error(env, nullptr, "unknown instruction set");
    return nullptr;
  }
  napi_value label;
  napi_create_string_utf8(env, "rondo", NAPI_AUTO_LENGTH, &label);
  Executor** context = new Executor*(nullptr);
  napi_threadsafe_function settled;
  napi_create_threadsafe_function(
      env, arguments[2], nullptr, label, 0, 1, context,
      [](napi_env, void* finalized, void*) { delete static_cast<Executor**>(finalized); }, context, deliver, &settled);
  auto executor = std::make_shared<Executor>(*kernels, int32_t(integer(env, arguments[1])), env, settled);
  *context = executor.get();
  return handle(env, std::move(executor), 0);
}

// allocate(bytes): block
napi_value allocate(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const size_t bytes = size_t(integer(env, arguments[0]));
  auto block = std::make_shared<Block>(bytes);
  if (block->failed()) return throwOutOfMemory(env);
  return handle(env, std::move(block), bytes);
}

// load(executor, words, slots, constants, scratchBytes, cacheBytes, prepareBegin, prepareEnd): program
// slots: Float64Array of base and offset by turns.
napi_value load(napi_env env, napi_callback_info info) {
  const Arguments<8> arguments(env, info);
  const Executor& executor = *owner<Executor>(env, arguments[0]);
  const Bytes words = bytesOf(env, arguments[1]), slots = bytesOf(env, arguments[2]), constants = bytesOf(env, arguments[3]);
  auto block = std::make_unique<Block>(constants.bytes);
  if (block->failed()) return throwOutOfMemory(env);
  if (constants.bytes > 0) memcpy(block->data(), constants.data, constants.bytes);
  std::shared_ptr<Program> program(new Program{
      std::vector<int32_t>(words.bytes / sizeof(int32_t)),
      {},
      std::move(block),
      {int32_t(integer(env, arguments[6])), int32_t(integer(env, arguments[7]))},
      size_t(integer(env, arguments[4])),
      size_t(integer(env, arguments[5])),
      {},
      {},
  });
  if (words.bytes > 0) memcpy(program->words.data(), words.data, words.bytes);
  const double* numbers = reinterpret_cast<const double*>(slots.data);
  for (size_t i = 0; i + 1 < slots.bytes / sizeof(double); i += 2) {
    program->slots.push_back({int32_t(numbers[i]), int64_t(numbers[i + 1])});
  }
  program->queued.scratch = executor.queuedScratch;
  program->synchronous.scratch = executor.synchronousScratch;
  executor.queuedScratch->enter(program->scratchBytes);
  executor.synchronousScratch->enter(program->scratchBytes);
  return handle(env, program, words.bytes + constants.bytes + program->cacheBytes);
}

// run and runSync(executor, program, state, begin, end, version, arrays)
Call callOf(napi_env env, const Arguments<7>& arguments) {
  Call call{owner<Program>(env, arguments[1]),
            owner<Block>(env, arguments[2]),
            {int32_t(integer(env, arguments[3])), int32_t(integer(env, arguments[4]))},
            integer(env, arguments[5]),
            {}};
  uint32_t count = 0;
  napi_get_array_length(env, arguments[6], &count);
  call.arrays.resize(count);
  for (uint32_t i = 0; i < count; ++i) {
    napi_value array;
    napi_get_element(env, arguments[6], i, &array);
    call.arrays[i] = bytesOf(env, array).data;
  }
  return call;
}

napi_value run(napi_env env, napi_callback_info info) {
  const Arguments<7> arguments(env, info);
  Executor* executor = owner<Executor>(env, arguments[0]).get();
  executor->submit([executor, call = callOf(env, arguments)](Error* error) { return executor->runQueued(call, error); });
  return nullptr;
}

napi_value runSync(napi_env env, napi_callback_info info) {
  const Arguments<7> arguments(env, info);
  Error error{};
  const int32_t status = owner<Executor>(env, arguments[0])->runSynchronous(callOf(env, arguments), &error);
  return status == 0 ? nullptr : faultValue(env, error);
}

// read(executor, block, offset, into)
napi_value read(napi_env env, napi_callback_info info) {
  const Arguments<4> arguments(env, info);
  const Bytes into = bytesOf(env, arguments[3]);
  const size_t offset = size_t(integer(env, arguments[2]));
  owner<Executor>(env, arguments[0])->submit([block = owner<Block>(env, arguments[1]), into, offset](Error*) {
    if (into.bytes > 0) memcpy(into.data, block->data() + offset, into.bytes);
    return 0;
  });
  return nullptr;
}

// write(executor, block, offset, from): `from` may change as soon as the call returns.
napi_value write(napi_env env, napi_callback_info info) {
  const Arguments<4> arguments(env, info);
  Executor& executor = *owner<Executor>(env, arguments[0]);
  const std::shared_ptr<Block>& block = owner<Block>(env, arguments[1]);
  const size_t offset = size_t(integer(env, arguments[2]));
  const Bytes from = bytesOf(env, arguments[3]);
  if (executor.idle()) {
    if (from.bytes > 0) memcpy(block->data() + offset, from.data, from.bytes);
    executor.submit([](Error*) { return 0; });
    return nullptr;
  }
  std::vector<char> copy(from.data, from.data + from.bytes);
  executor.submit([block, offset, copy = std::move(copy)](Error*) {
    if (!copy.empty()) memcpy(block->data() + offset, copy.data(), copy.size());
    return 0;
  });
  return nullptr;
}

// stop(executor): ends its threads.
napi_value stop(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  owner<Executor>(env, arguments[0])->stop();
  return nullptr;
}

}  // namespace
}  // namespace rondo

NAPI_MODULE_INIT() {
  const std::pair<const char*, napi_callback> functions[] = {
      {"instructionSets", rondo::listInstructionSets},
      {"create", rondo::create},
      {"allocate", rondo::allocate},
      {"load", rondo::load},
      {"run", rondo::run},
      {"runSync", rondo::runSync},
      {"read", rondo::read},
      {"write", rondo::write},
      {"stop", rondo::stop},
  };
  for (const auto& [name, callback] : functions) {
    napi_value function;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function);
    napi_set_named_property(env, exports, name, function);
  }
  return exports;
}
