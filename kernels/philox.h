// Philox4x32-10 (Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011), many counters at a time.
#pragma once

#include "abi.h"

namespace RONDO_NAMESPACE {

constexpr int32_t kCounters = 32;  // at a time

// Four words for each of the counters: the counters, then the random words in their place.
struct Words {
  alignas(64) uint32_t word[4][kCounters];
};

inline void philox(Words& words, uint32_t key0, uint32_t key1) {
  uint32_t(&x)[4][kCounters] = words.word;
  for (int32_t round = 0; round < 10; ++round) {
    for (int32_t i = 0; i < kCounters; ++i) {
      const uint64_t p = uint64_t{0xd2511f53} * x[0][i], q = uint64_t{0xcd9e8d57} * x[2][i];
      const uint32_t next0 = static_cast<uint32_t>(q >> 32) ^ x[1][i] ^ key0;
      const uint32_t next2 = static_cast<uint32_t>(p >> 32) ^ x[3][i] ^ key1;
      x[0][i] = next0;
      x[1][i] = static_cast<uint32_t>(q);
      x[2][i] = next2;
      x[3][i] = static_cast<uint32_t>(p);
    }
    key0 += 0x9e3779b9;
    key1 += 0xbb67ae85;
  }
}

}  // namespace RONDO_NAMESPACE
