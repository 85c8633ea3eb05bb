// The native host: a Node-API addon around the kernels. src/runtime/native.ts is its only caller and checks all arguments.

#include "executor.h"

#include <node_api.h>

// The instruction sets of this processor family, best first (measured), with the test whether a machine has them.
#if defined(__x86_64__)
#define RONDO_SETS(SET)                                                                                       \
  SET(avx512, __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&                      \
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&                 \
                  __builtin_cpu_supports("fma"))                                                              \
  SET(avx2, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))                                  \
  SET(sse2, true)
#elif defined(__aarch64__)
#define RONDO_SETS(SET) SET(neon, true)
#endif

#define DECLARE(set, available)          \
  namespace rondo_##set {                \
    extern const rondo::Kernels kernels; \
  }
RONDO_SETS(DECLARE)
#undef DECLARE

namespace rondo {
namespace {

// What became of a job.
struct Outcome {
  int64_t job;
  bool failed;
  Error error;
};

// An executor with its way back to JavaScript: a function that is called once per job, and that keeps the process alive
// while jobs are pending and not otherwise.
class Backend {
 public:
  Backend(const Kernels& kernels, int32_t threads, napi_env env, napi_value settled) : env_(env) {
    napi_value label;
    napi_create_string_utf8(env, "rondo", NAPI_AUTO_LENGTH, &label);
    napi_create_threadsafe_function(env, settled, nullptr, label, 0, 1, nullptr, nullptr, this, deliver, &settled_);
    napi_unref_threadsafe_function(env, settled_);
    // After the function's own hook was added: hooks run last in, first out, and the threads must end before it does.
    napi_add_env_cleanup_hook(env, stopHook, this);
    executor_ = std::make_unique<Executor>(kernels, threads, [function = settled_](int64_t job, const Error* error) {
      auto outcome = new Outcome{job, error != nullptr, error == nullptr ? Error{} : *error};
      napi_call_threadsafe_function(function, outcome, napi_tsfn_nonblocking);
    });
  }
  ~Backend() { stop(); }

  // False where the system has no room for its threads.
  bool start() { return executor_->start(); }

  Executor& executor() { return *executor_; }
  bool idle() const { return pending_ == 0; }

  void submit(Job job) {
    if (pending_++ == 0) napi_ref_threadsafe_function(env_, settled_);
    executor_->submit(std::move(job));
  }

  void stop() {
    if (stopped_) return;
    stopped_ = true;
    executor_->stop();
    napi_remove_env_cleanup_hook(env_, stopHook, this);
    napi_release_threadsafe_function(settled_, napi_tsfn_release);
  }

 private:
  static void stopHook(void* backend) { static_cast<Backend*>(backend)->stop(); }
  static void deliver(napi_env env, napi_value settled, void* backend, void* data);

  napi_env env_;
  napi_threadsafe_function settled_;
  std::unique_ptr<Executor> executor_;
  int64_t pending_ = 0;  // jobs whose answer JavaScript has not got yet
  bool stopped_ = false;
};

// ---- Values from and to JavaScript.

// What a handle owns, until it is freed or garbage, and how many bytes hang on it.
struct Handle {
  std::shared_ptr<void> owner;
  int64_t bytes;

  void release(napi_env env) {
    owner = nullptr;
    int64_t total;
    napi_adjust_external_memory(env, -bytes, &total);
    bytes = 0;
  }
};

void finalize(napi_env env, void* data, void*) {
  std::unique_ptr<Handle> handle(static_cast<Handle*>(data));
  handle->release(env);
}

// A handle that the garbage collector frees, knowing that `bytes` bytes hang on it.
template <class T>
napi_value handleOf(napi_env env, std::shared_ptr<T> owner, size_t bytes) {
  napi_value value = nullptr;
  napi_create_external(env, new Handle{std::move(owner), int64_t(bytes)}, finalize, nullptr, &value);
  int64_t total;
  napi_adjust_external_memory(env, int64_t(bytes), &total);
  return value;
}

Handle& handle(napi_env env, napi_value value) {
  void* data = nullptr;
  napi_get_value_external(env, value, &data);
  return *static_cast<Handle*>(data);
}

template <class T>
std::shared_ptr<T> owner(napi_env env, napi_value value) {
  return std::static_pointer_cast<T>(handle(env, value).owner);
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

// Calls settled(job, fault | undefined) for a job that is done. Without an environment there is nobody to tell.
void Backend::deliver(napi_env env, napi_value settled, void* self, void* data) {
  std::unique_ptr<Outcome> outcome(static_cast<Outcome*>(data));
  if (env == nullptr) return;
  Backend& backend = *static_cast<Backend*>(self);
  if (--backend.pending_ == 0) napi_unref_threadsafe_function(env, backend.settled_);
  napi_value undefined, arguments[2];
  napi_get_undefined(env, &undefined);
  napi_create_int64(env, outcome->job, &arguments[0]);
  arguments[1] = outcome->failed ? faultValue(env, outcome->error) : undefined;
  napi_call_function(env, undefined, settled, 2, arguments, nullptr);
}

// create(instructionSet, threads, settled): backend. Throws RONDO_NO_THREADS where the system has no room for its threads.
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
  const int64_t threads = integer(env, arguments[1]);
  if (threads < 1 || threads > limit::threads) {
    napi_throw_range_error(env, nullptr, "number of threads out of range");
    return nullptr;
  }
  auto backend = std::make_shared<Backend>(*kernels, int32_t(threads), env, arguments[2]);
  if (!backend->start()) {
    napi_throw_error(env, "RONDO_NO_THREADS", "no room for another thread");
    return nullptr;
  }
  return handleOf(env, std::move(backend), 0);
}

// allocate(bytes): block
napi_value allocate(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const size_t bytes = size_t(integer(env, arguments[0]));
  auto block = std::make_shared<Block>(bytes);
  if (block->failed()) return throwOutOfMemory(env);
  return handleOf(env, std::move(block), bytes);
}

// cache(bytes): a cache, whose memory is taken when it is first needed
napi_value cache(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const size_t bytes = size_t(integer(env, arguments[0]));
  return handleOf(env, std::make_shared<Cache>(bytes), bytes);
}

// free(handle): of a block, a cache or a program that nothing will use any more
napi_value release(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  handle(env, arguments[0]).release(env);
  return nullptr;
}

// load(backend, words, slots, constants, scratchBytes, cache, prepareBegin, prepareEnd): program
// slots: Float64Array of base and offset by turns.
napi_value load(napi_env env, napi_callback_info info) {
  const Arguments<8> arguments(env, info);
  const std::shared_ptr<Backend> backend = owner<Backend>(env, arguments[0]);
  const Executor& executor = backend->executor();
  const Bytes words = bytesOf(env, arguments[1]);
  const Bytes slots = bytesOf(env, arguments[2]);
  const Bytes constants = bytesOf(env, arguments[3]);
  auto block = std::make_unique<Block>(constants.bytes);
  if (block->failed()) return throwOutOfMemory(env);
  if (constants.bytes > 0) memcpy(block->data(), constants.data, constants.bytes);
  std::shared_ptr<Program> program(new Program{
      std::vector<int32_t>(words.bytes / sizeof(int32_t)),
      {},
      std::move(block),
      {int32_t(integer(env, arguments[6])), int32_t(integer(env, arguments[7]))},
      size_t(integer(env, arguments[4])),
      owner<Cache>(env, arguments[5]),
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
  return handleOf(env, program, words.bytes + constants.bytes);
}

// The arguments of run and runSync from the program on: program, state, begin, end, writes, arrays
Call callOf(napi_env env, const napi_value* arguments) {
  Call call{owner<Program>(env, arguments[0]),
            owner<Block>(env, arguments[1]),
            {int32_t(integer(env, arguments[2])), int32_t(integer(env, arguments[3]))},
            Writes(integer(env, arguments[4])),
            {}};
  uint32_t count = 0;
  napi_get_array_length(env, arguments[5], &count);
  call.arrays.resize(count);
  for (uint32_t i = 0; i < count; ++i) {
    napi_value array;
    napi_get_element(env, arguments[5], i, &array);
    call.arrays[i] = bytesOf(env, array).data;
  }
  return call;
}

// run(backend, job, place, program, state, begin, end, writes, arrays)
napi_value run(napi_env env, napi_callback_info info) {
  const Arguments<9> arguments(env, info);
  const std::shared_ptr<Backend> backend = owner<Backend>(env, arguments[0]);
  Call call = callOf(env, arguments.values + 3);
  const std::shared_ptr<Block> state = call.state;
  const bool writes = call.writes != Writes::nothing;
  backend->submit({[&executor = backend->executor(), call = std::move(call)](Error* error) {
                     return executor.runQueued(call, error);
                   },
                   integer(env, arguments[1]), state, writes, Place(integer(env, arguments[2]))});
  return nullptr;
}

// runSync(backend, program, state, begin, end, writes, arrays)
napi_value runSync(napi_env env, napi_callback_info info) {
  const Arguments<7> arguments(env, info);
  Error error{};
  const Call call = callOf(env, arguments.values + 1);
  const int32_t status = owner<Backend>(env, arguments[0])->executor().runSynchronous(call, &error);
  return status == 0 ? nullptr : faultValue(env, error);
}

// reserve(backend, job, program)
napi_value reserve(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  const std::shared_ptr<Backend> backend = owner<Backend>(env, arguments[0]);
  backend->submit({[&executor = backend->executor(), program = owner<Program>(env, arguments[2])](Error* error) {
                     return executor.reserveQueued(*program, error);
                   },
                   integer(env, arguments[1]), nullptr, false, Place::inTurn});
  return nullptr;
}

// read(backend, job, block, offset, into)
napi_value read(napi_env env, napi_callback_info info) {
  const Arguments<5> arguments(env, info);
  const std::shared_ptr<Block> block = owner<Block>(env, arguments[2]);
  const size_t offset = size_t(integer(env, arguments[3]));
  const Bytes into = bytesOf(env, arguments[4]);
  owner<Backend>(env, arguments[0])
      ->submit({[block, into, offset](Error*) {
                  if (into.bytes > 0) memcpy(into.data, block->data() + offset, into.bytes);
                  return 0;
                },
                integer(env, arguments[1]), block, false, Place::inTurn});
  return nullptr;
}

// write(backend, job, block, offset, from, writes): `from` may change as soon as the call returns.
napi_value write(napi_env env, napi_callback_info info) {
  const Arguments<6> arguments(env, info);
  const std::shared_ptr<Backend> backend = owner<Backend>(env, arguments[0]);
  const std::shared_ptr<Block> block = owner<Block>(env, arguments[2]);
  const size_t offset = size_t(integer(env, arguments[3]));
  const Bytes from = bytesOf(env, arguments[4]);
  const Writes writes = Writes(integer(env, arguments[5]));
  const auto copyFrom = [block, offset, writes](const char* data, size_t bytes) {
    if (bytes > 0) memcpy(block->data() + offset, data, bytes);
    if (writes == Writes::weights) block->changed();
    return 0;
  };
  std::function<int32_t(Error*)> work;
  if (backend->idle()) {
    copyFrom(from.data, from.bytes);
    work = [](Error*) { return 0; };
  } else {
    work = [copyFrom, copy = std::vector<char>(from.data, from.data + from.bytes)](Error*) {
      return copyFrom(copy.data(), copy.size());
    };
  }
  backend->submit({std::move(work), integer(env, arguments[1]), block, true, Place::inTurn});
  return nullptr;
}

// stop(backend): ends its threads.
napi_value stop(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  owner<Backend>(env, arguments[0])->stop();
  return nullptr;
}

}  // namespace
}  // namespace rondo

NAPI_MODULE_INIT() {
  const std::pair<const char*, napi_callback> functions[] = {
      {"instructionSets", rondo::listInstructionSets},
      {"create", rondo::create},
      {"allocate", rondo::allocate},
      {"cache", rondo::cache},
      {"free", rondo::release},
      {"load", rondo::load},
      {"run", rondo::run},
      {"runSync", rondo::runSync},
      {"reserve", rondo::reserve},
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
