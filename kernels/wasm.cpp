// The WebAssembly host: what an instance exports to src/runtime/instance.ts. In the threaded build all instances share one
// memory; one of them calls run(), the others work(), each with its own stack.

#include "abi.h"

#if RONDO_THREADS
#include "pool.h"
#endif

namespace RONDO_NAMESPACE {
extern const rondo::Kernels kernels;
}

#define EXPORT(name) extern "C" __attribute__((export_name(#name), visibility("default")))

EXPORT(vectorWidth) int32_t vectorWidth() { return RONDO_NAMESPACE::kernels.vectorWidth; }

#if RONDO_THREADS

namespace rondo {
namespace host {

void wait(uint32_t* word, uint32_t value) {
  __builtin_wasm_memory_atomic_wait32(reinterpret_cast<int32_t*>(word), static_cast<int32_t>(value), -1);
}
void wake(uint32_t* word) { __builtin_wasm_memory_atomic_notify(reinterpret_cast<int32_t*>(word), UINT32_MAX); }

Spin::Spin() : began(0), turns(0) {}
bool Spin::again() { return ++turns < 100'000; }  // there is no clock here; some 100 to 250 µs

int32_t core() { return -1; }
void leaveCore(int32_t) {}
void yield() {}

}  // namespace host
}  // namespace rondo

namespace {

alignas(rondo::Pool) unsigned char storage[sizeof(rondo::Pool)];
rondo::Pool* pool() { return reinterpret_cast<rondo::Pool*>(storage); }

}  // namespace

inline void* operator new(size_t, void* place) noexcept { return place; }

// Before anything else, by the instance that calls run().
EXPORT(start) void start(int32_t threads) { new (storage) rondo::Pool(threads); }

// Computes for the one that calls run(), for ever.
EXPORT(work) void work() { pool()->work(); }

#else

namespace {

rondo::Parallel alone = {1, [](rondo::Parallel*, int32_t tasks, void (*task)(void*, int32_t), void* argument) {
                           for (int32_t i = 0; i < tasks; ++i) task(argument, i);
                         }};
rondo::Parallel* pool() { return &alone; }

}  // namespace

#endif

EXPORT(run)
int32_t run(const int32_t* words, int32_t begin, int32_t end, void** buffers, int32_t count, rondo::Error* error) {
  return RONDO_NAMESPACE::kernels.run(words, begin, end, buffers, count, pool(), error);
}
