// The natural logarithm of one double.
#pragma once

#include "simd.h"

namespace RONDO_NAMESPACE {

// ln x for a positive finite x that is not denormal, to 2 ulp: x = 2^e·m with m between √½ and √2, and
// ln m = 2·artanh f = 2·(f + f³/3 + f⁵/5 + …) with f = (m − 1) / (m + 1).
RONDO_INLINE double lnOf(double x) {
  uint64_t word;
  __builtin_memcpy(&word, &x, 8);
  const int64_t e = static_cast<int64_t>(word - 0x3fe6a09e00000000) >> 52;
  word -= static_cast<uint64_t>(e) << 52;
  double m;
  __builtin_memcpy(&m, &word, 8);
  const double f = (m - 1) / (m + 1), s = f * f;
  double series = 1.0 / 21;
  for (int32_t k = 19; k >= 1; k -= 2) series = series * s + 1.0 / k;
  return static_cast<double>(e) * 0.69314718055994531 + 2 * f * series;
}

}  // namespace RONDO_NAMESPACE
