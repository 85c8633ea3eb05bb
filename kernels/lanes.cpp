// Functions of one float in double precision: sine, cosine, power, remainder.
#include "logarithm.h"
#include "simd.h"

namespace RONDO_NAMESPACE {
namespace {

// x = (quarter turns)·π/2 + r with |r| ≤ π/4, for any finite x: x·2/π in fixed point with as many bits of 2/π as the
// exponent asks for (Payne and Hanek, "Radian reduction for trigonometric functions", 1983).
double reduceLarge(float x, int32_t& turns) {
  static constexpr uint32_t twoOverPi[] = {0, 0xA2F9836E, 0x4E441529, 0xFC2757D1, 0xF534DDC0, 0xDB629599, 0x3C439041, 0xFE5163AB};
  uint32_t word;
  __builtin_memcpy(&word, &x, 4);
  const uint64_t m = (word & 0x7fffff) | 0x800000;
  const int32_t first = static_cast<int32_t>(word >> 23 & 0xff) - 150 - 2 + 32;  // bits before it give whole turns
  const auto bitsFrom = [&](int32_t at) {
    const int32_t i = at >> 5, shift = at & 31;
    return shift == 0 ? twoOverPi[i] : twoOverPi[i] << shift | twoOverPi[i + 1] >> (32 - shift);
  };
  const uint64_t low = m * bitsFrom(first + 64), middle = m * bitsFrom(first + 32) + (low >> 32);
  const uint64_t high = m * bitsFrom(first) + (middle >> 32);
  const uint64_t turn = high << 32 | (middle & 0xffffffff);  // of one turn, 64 bits
  const int64_t rest = static_cast<int64_t>(turn << 2 | (low & 0xffffffff) >> 30);
  turns = static_cast<int32_t>(turn >> 62) + (rest < 0 ? 1 : 0);
  const double r = static_cast<double>(rest) * (0x1p-64 * 1.5707963267948966);
  if (word >> 31) turns = -turns;
  return word >> 31 ? -r : r;
}

double reduceSmall(float x, int32_t& turns) {
  constexpr double shift = 6755399441055744.0;  // 1.5 · 2^52
  const double n = (x * 0.63661977236758134 + shift) - shift;
  turns = static_cast<int32_t>(n);
  return (x - n * 1.57079632673412561417) - n * 6.07710050650619224932e-11;  // π/2: 33 bits, and the rest
}

}  // namespace

double sine(float x, int32_t quarterTurns) {
  if (!(x - x == 0.f)) return __builtin_nan("");
  int32_t turns;
  const double r = x < 32768.f && x > -32768.f ? reduceSmall(x, turns) : reduceLarge(x, turns);
  const double s = r * r;
  turns += quarterTurns;
  double y;
  if (turns & 1) {
    y = 1 + s * (-1.0 / 2 + s * (1.0 / 24 + s * (-1.0 / 720 + s * (1.0 / 40320 + s * (-1.0 / 3628800 + s * (1.0 / 479001600))))));
  } else {
    y = r + r * s * (-1.0 / 6 + s * (1.0 / 120 + s * (-1.0 / 5040 + s * (1.0 / 362880 + s * (-1.0 / 39916800)))));
    if (x == 0.f && quarterTurns == 0) y = x;
  }
  return turns & 2 ? -y : y;
}

// x^y as C's pow: 1 where x is 1 or y is 0, NaN where x is negative and y no whole number.
double power(float x, float y) {
  const double infinity = __builtin_inf();
  if (y == 0.f || x == 1.f) return 1;
  if (x != x || y != y) return __builtin_nan("");
  const double size = x < 0 ? -static_cast<double>(x) : x, exponent = y < 0 ? -static_cast<double>(y) : y;
  const bool whole = exponent >= 0x1p24 || static_cast<double>(static_cast<int32_t>(exponent)) == exponent;
  const bool odd = whole && exponent < 0x1p24 && (static_cast<int32_t>(exponent) & 1);
  const bool negative = __builtin_signbit(x) && odd;
  double result;
  if (exponent == infinity) {
    result = size == 1 ? 1 : (size > 1) == (y > 0) ? infinity : 0;
  } else if (size == 0 || size == infinity) {
    result = (size == 0) == (y < 0) ? infinity : 0;
  } else if (x < 0 && !whole) {
    return __builtin_nan("");
  } else {
    double t = y * lnOf(size);
    t = t > 120 ? 120 : t < -120 ? -120 : t;
    constexpr double shift = 6755399441055744.0;
    const double n = (t * 1.4426950408889634 + shift) - shift, r = t - n * 0.69314718055994531;
    double exponential = 1;
    for (int32_t k = 12; k >= 1; --k) exponential = 1 + exponential * r / k;
    const uint64_t word = static_cast<uint64_t>(1023 + static_cast<int64_t>(n)) << 52;
    double whole;
    __builtin_memcpy(&whole, &word, 8);
    result = exponential * whole;
  }
  return negative ? -result : result;
}

// x − y·⌊x / y⌋, with the sign of y. NaN where x is infinite or y is 0.
double remainder(float x, float y) {
  constexpr double digit = 0x1p28;
  const double divisor = y < 0 ? -static_cast<double>(y) : y;
  double rest = __builtin_signbit(x) ? -static_cast<double>(x) : x;
  if (!(rest < __builtin_inf()) || !(divisor > 0)) return __builtin_nan("");
  // Long division, 28 bits of the quotient at a time: products of these with the 24 bits of a float are exact, and so is
  // what is left, a multiple of the last digit's place that is less than it.
  while (rest >= divisor) {
    double place = divisor;
    while (place * digit <= rest) place *= digit;
    rest -= static_cast<double>(static_cast<int32_t>(rest / place)) * place;
    if (rest < 0) rest += place;  // the quotient was rounded up
  }
  if (__builtin_signbit(x)) rest = -rest;
  return rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest;
}

}  // namespace RONDO_NAMESPACE
