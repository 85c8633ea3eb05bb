// One vector of floats, as wide as the instruction set's registers, and the functions on it.
//
// GCC and Clang vector extensions only. Nothing here rounds twice where it could round once by accident: sources are
// compiled with -ffp-contract=off, and a fused multiply-add is written fma_ (where an instruction set has none, it is a
// multiplication and an addition). Every function holds for all floats: infinities, NaN, denormals and signed zeros
// included; the errors given are in units of the last place (ulp), the worst over dense samples of all arguments.
#pragma once

#include "abi.h"

// Lanes and registers of each instruction set. On AVX-512, 16 lanes were as fast as 8 with as many registers on small
// layers and 3 to 8 % faster on large ones and on GRUs (Zen 4, whose units are 256 bits wide).
#if defined(__AVX512F__)
#define RONDO_LANES 16
#define RONDO_REGISTERS 32
#elif defined(__AVX2__)
#define RONDO_LANES 8
#define RONDO_REGISTERS 16
#elif defined(__aarch64__)
#define RONDO_LANES 4
#define RONDO_REGISTERS 32
#else
#define RONDO_LANES 4
#define RONDO_REGISTERS 16
#endif

#define RONDO_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define RONDO_UNROLL _Pragma("clang loop unroll(full)")
#else
#define RONDO_UNROLL _Pragma("GCC unroll 32")
#endif

namespace RONDO_NAMESPACE {

constexpr int32_t VL = RONDO_LANES;
typedef float vf __attribute__((vector_size(VL * 4)));
typedef int32_t vi __attribute__((vector_size(VL * 4)));
typedef float unalignedFloats __attribute__((vector_size(VL * 4), aligned(4), may_alias));
typedef int32_t unalignedInts __attribute__((vector_size(VL * 4), aligned(4), may_alias));

RONDO_INLINE vf load(const float* p) { return *reinterpret_cast<const unalignedFloats*>(p); }
RONDO_INLINE vi load(const int32_t* p) { return *reinterpret_cast<const unalignedInts*>(p); }
RONDO_INLINE void store(float* p, vf v) { *reinterpret_cast<unalignedFloats*>(p) = v; }
RONDO_INLINE void store(int32_t* p, vi v) { *reinterpret_cast<unalignedInts*>(p) = v; }

// While one lives, the thread takes numbers below 2^-126 for 0, which x86 would be a hundred times slower with. For gradients
// alone, which vanish on their way through many steps; everything else holds for all floats.
class VanishingIsZero {
#if defined(__x86_64__)
 public:
  VanishingIsZero() : before(__builtin_ia32_stmxcsr()) { __builtin_ia32_ldmxcsr(before | 0x8040); }
  ~VanishingIsZero() { __builtin_ia32_ldmxcsr(before); }

 private:
  const uint32_t before;
#else
 public:
  VanishingIsZero() {}
  ~VanishingIsZero() {}
#endif
};

// All lanes alike. (Adding a scalar to a zero vector would cost an addition per broadcast.)
#if RONDO_LANES == 4
RONDO_INLINE vf broadcast(float s) { return vf{s, s, s, s}; }
RONDO_INLINE vi broadcast(int32_t s) { return vi{s, s, s, s}; }
#elif RONDO_LANES == 8
RONDO_INLINE vf broadcast(float s) { return vf{s, s, s, s, s, s, s, s}; }
RONDO_INLINE vi broadcast(int32_t s) { return vi{s, s, s, s, s, s, s, s}; }
#else
RONDO_INLINE vf broadcast(float s) { return vf{s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s}; }
RONDO_INLINE vi broadcast(int32_t s) { return vi{s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s}; }
#endif

// The first n lanes from p, zeros behind; nothing beyond p[n - 1] is touched.
RONDO_INLINE vf loadPart(const float* p, Index n) {
  vf v = {};
  for (Index i = 0; i < n; ++i) v[i] = p[i];
  return v;
}
RONDO_INLINE void storePart(float* p, vf v, Index n) {
  for (Index i = 0; i < n; ++i) p[i] = v[i];
}

// The same, where n may be a whole vector or more.
RONDO_INLINE vf loadLanes(const float* p, Index n) { return n >= VL ? load(p) : loadPart(p, n); }
RONDO_INLINE void storeLanes(float* p, vf v, Index n) {
  if (n >= VL) {
    store(p, v);
  } else {
    storePart(p, v, n);
  }
}

// a·b + c, rounded once where the instruction set can. The compiler's own functions, for want of a portable spelling.
RONDO_INLINE vf fma_(vf a, vf b, vf c) {
#if defined(__wasm_relaxed_simd__)
  return __builtin_wasm_relaxed_madd_f32x4(a, b, c);
#elif defined(__FMA__) && defined(__clang__)
  return __builtin_elementwise_fma(a, b, c);
#elif RONDO_LANES == 16
  return __builtin_ia32_vfmaddps512_mask(a, b, c, -1, 4);
#elif defined(__FMA__)
  return __builtin_ia32_vfmaddps256(a, b, c);
#elif defined(__aarch64__) && defined(__clang__)
  return __builtin_elementwise_fma(a, b, c);
#elif defined(__aarch64__)
  return __builtin_aarch64_fmav4sf(a, b, c);
#else
  return a * b + c;
#endif
}

// a < b ? a : b and a > b ? a : b: the second where one is NaN. One instruction, which GCC does not find by itself.
#if defined(__x86_64__) && RONDO_LANES == 4
RONDO_INLINE vf smaller(vf a, vf b) { return __builtin_ia32_minps(a, b); }
RONDO_INLINE vf larger(vf a, vf b) { return __builtin_ia32_maxps(a, b); }
#elif defined(__x86_64__) && RONDO_LANES == 8
RONDO_INLINE vf smaller(vf a, vf b) { return __builtin_ia32_minps256(a, b); }
RONDO_INLINE vf larger(vf a, vf b) { return __builtin_ia32_maxps256(a, b); }
#elif defined(__wasm_relaxed_simd__)
// Clang would take the engine's relaxed minimum for the plain comparison, and that may lose a NaN.
RONDO_INLINE vf smaller(vf a, vf b) {
  vf y;
  __asm__("local.get %1\nlocal.get %2\nf32x4.pmin\nlocal.set %0" : "=r"(y) : "r"(b), "r"(a));
  return y;
}
RONDO_INLINE vf larger(vf a, vf b) {
  vf y;
  __asm__("local.get %1\nlocal.get %2\nf32x4.pmax\nlocal.set %0" : "=r"(y) : "r"(b), "r"(a));
  return y;
}
#elif RONDO_LANES == 16 && !defined(__clang__)
RONDO_INLINE vf smaller(vf a, vf b) { return __builtin_ia32_minps512_mask(a, b, a, -1, 4); }
RONDO_INLINE vf larger(vf a, vf b) { return __builtin_ia32_maxps512_mask(a, b, a, -1, 4); }
#else
RONDO_INLINE vf smaller(vf a, vf b) { return a < b ? a : b; }
RONDO_INLINE vf larger(vf a, vf b) { return a > b ? a : b; }
#endif

RONDO_INLINE vf sqrt(vf x) {
  vf y;
  RONDO_UNROLL
  for (int32_t i = 0; i < VL; ++i) y[i] = __builtin_sqrtf(x[i]);
  return y;
}

RONDO_INLINE vi bits(vf x) { return reinterpret_cast<vi>(x); }
RONDO_INLINE vf fromBits(vi x) { return reinterpret_cast<vf>(x); }
#if defined(__wasm_relaxed_simd__)  // a lane of a condition is all ones or all zeros, for which it is exact
RONDO_INLINE vf select(vi condition, vf a, vf b) {
  return reinterpret_cast<vf>(
      __builtin_wasm_relaxed_laneselect_i32x4(reinterpret_cast<vi>(a), reinterpret_cast<vi>(b), condition));
}
#else
RONDO_INLINE vf select(vi condition, vf a, vf b) { return condition ? a : b; }
#endif
RONDO_INLINE vf abs(vf x) { return fromBits(bits(x) & 0x7fffffff); }
RONDO_INLINE vf copySign(vf x, vf sign) { return fromBits(bits(x) | (bits(sign) & INT32_MIN)); }  // x not negative
// The smaller, the larger of x and a bound that is not NaN; NaN stays.
RONDO_INLINE vf atMost(vf x, float bound) { return smaller(broadcast(bound), x); }
RONDO_INLINE vf atLeast(vf x, float bound) { return larger(broadcast(bound), x); }

// To a whole number, halves to even. From 2^23 on every float is whole.
RONDO_INLINE vf round(vf x) {
  const vf magic = broadcast(8388608.f), size = abs(x);
  return select(size < magic, copySign((size + magic) - magic, x), x);
}
RONDO_INLINE vf floor(vf x) {
  const vf y = round(x);
  return select(y > x, y - 1.f, y);
}
RONDO_INLINE vf ceil(vf x) {
  const vf y = round(x);
  return select(y < x, copySign(abs(y + 1.f), x), y);
}

// c[0] + c[1]·x + c[2]·x² + …
template <int N>
RONDO_INLINE vf polynomial(vf x, const float (&c)[N]) {
  vf y = broadcast(c[N - 1]);
  RONDO_UNROLL
  for (int i = N - 2; i >= 0; --i) y = fma_(y, x, broadcast(c[i]));
  return y;
}

// x = n·ln 2 + r with n whole and |r| ≤ ln 2 / 2. Returns r; `sum` has n + bias in its low bits, read as an integer.
constexpr float kShift = 12582912.f;  // 1.5 · 2^23: adding it rounds to a whole number
RONDO_INLINE vf reduceExp(vf x, float bias, vf& sum) {
  sum = fma_(x, broadcast(1.44269504f), broadcast(kShift + bias));
  const vf n = sum - (kShift + bias);
  const vf r = fma_(n, broadcast(-0.693359375f), x);  // nine bits of ln 2: n times it is exact
  return fma_(n, broadcast(2.12194440e-4f), r);
}

// e^x for x ≤ 0 (at most 2 ulp, denormal results too); the innermost part of sigmoid. Below -104 the result is 0.
RONDO_INLINE vf expNegative(vf x) {
  static constexpr float c[] = {0.49999201223f, 0.1666713275f, 0.041894553712f, 0.0083121054058f};
  vf sum;
  const vf r = reduceExp(atLeast(x, -104.f), 127.f + 64.f, sum);
  const vf y = fma_(r * r, polynomial(r, c), r) + 1.f;
  return y * fromBits(bits(sum) << 23) * 0x1p-64f;
}

// e^x, at most 2 ulp.
RONDO_INLINE vf exp(vf x) {
  static constexpr float c[] = {0.49999993047f, 0.16666514756f, 0.041668457536f, 0.0083694220946f, 0.001381310914f};
  vf sum;
  const vf r = reduceExp(atLeast(atMost(x, 89.f), -104.f), 0.f, sum);
  const vf y = fma_(r * r, polynomial(r, c), r) + 1.f;
  const vi n = bits(sum) - bits(broadcast(kShift)), half = n >> 1;  // 2^n in two steps: it may be no float itself
  return y * fromBits((half + 127) << 23) * fromBits((n - half + 127) << 23);
}

// e^x - 1, at most 3 ulp.
RONDO_INLINE vf expm1(vf x) {
  static constexpr float c[] = {0.4999999804f, 0.16666538659f, 0.041667221866f, 0.0083671830495f, 0.0013882355426f};
  vf sum;
  const vf r = reduceExp(atLeast(atMost(x, 89.f), -20.f), 0.f, sum);
  const vf y = fma_(r * r, polynomial(r, c), r);
  const vf scale = fromBits((bits(sum) - bits(broadcast(kShift)) + 126) << 23);  // 2^(n-1)
  return select(abs(x) < 0x1p-25f, x, fma_(scale, y, scale - 0.5f) * 2.f);
}

// ln(x) + addend for x = 2^e·(1 + f): the core of log and log1p. x positive and finite; may be denormal.
RONDO_INLINE vf logCore(vf x, vf addend) {
  static constexpr float c[] = {0.33333312544f,  -0.25000009424f, 0.20002121762f,  -0.16668005408f, 0.14219506771f,
                                -0.12405423495f, 0.11888304527f,  -0.11676563438f, 0.067473877261f};
  const vi tiny = x < 0x1p-126f;
  x = select(tiny, x * 0x1p24f, x);
  const vi e = (bits(x) - 0x3f3504f3) >> 23;  // 1 + f between √½ and √2
  const vf f = fromBits(bits(x) - (e << 23)) - 1.f;
  const vf n = __builtin_convertvector(e, vf) - select(tiny, broadcast(24.f), broadcast(0.f));
  const vf square = f * f;
  vf y = fma_(f * square, polynomial(f, c), n * -2.12194440e-4f + addend);
  y = fma_(square, broadcast(-0.5f), y);
  return fma_(n, broadcast(0.693359375f), f + y);
}

// Where x is not a positive finite number: ln 0 = -∞, ln ∞ = ∞, else NaN.
RONDO_INLINE vf logSpecial(vf x, vf y) {
  y = select(x == 0.f, broadcast(-__builtin_inff()), y);
  y = select(x == __builtin_inff(), x, y);
  return select((x >= 0.f), y, broadcast(__builtin_nanf("")));
}

// Natural logarithm, at most 2 ulp.
RONDO_INLINE vf log(vf x) { return logSpecial(x, logCore(x, broadcast(0.f))); }

// ln(1 + x), at most 3 ulp: the rounding error of 1 + x enters as a correction.
RONDO_INLINE vf log1p(vf x) {
  const vf u = x + 1.f;
  const vi large = x > 1.f;
  const vf lost = select(large, 1.f - (u - x), x - (u - 1.f));
  const vf y = logSpecial(u, logCore(u, lost / u));
  return select(abs(x) < 0x1p-25f, x, y);
}

// 1 / (1 + e^-x), at most 4 ulp, the far negative tail included.
RONDO_INLINE vf sigmoid(vf x) {
  const vf e = expNegative(fromBits(bits(x) | INT32_MIN));
  return select(bits(x) < 0, e, broadcast(1.f)) / (e + 1.f);
}

// tanh |x| = t / (1 - t) with t = (1 - e^(-2|x|)) / 2, which loses nothing near zero; at most 4 ulp.
RONDO_INLINE vf tanh(vf x) {
  static constexpr float c[] = {-0.9999999608f, 0.66666154637f, -0.33333777493f, 0.13387492879f, -0.044423537362f};
  const vf size = atMost(abs(x), 10.f);
  const vf sum = fma_(size, broadcast(-2.88539008f), broadcast(kShift + 127.f));  // |x| = r - n·ln 2 / 2
  const vf n = sum - (kShift + 127.f);
  const vf r = fma_(n, broadcast(0.34657359f), size);
  const vf y = fma_(r * r, polynomial(r, c), r);  // (1 - e^(-2r)) / 2
  const vf power = fromBits(bits(sum) << 23);     // 2^n
  const vf t = fma_(power, y, fma_(power, broadcast(-0.5f), broadcast(0.5f)));
  return copySign(t / (1.f - t), x);
}

// ln(1 + e^x), at most 4 ulp.
RONDO_INLINE vf softplus(vf x) {
  return select(x > 0.f, x, broadcast(0.f)) + select(x == x, log1p(expNegative(fromBits(bits(x) | INT32_MIN))), x);
}

// The error function, at most 3 ulp: a polynomial below 1, 1 - e^(polynomial of |x|) above.
RONDO_INLINE vf erf(vf x) {
  static constexpr float small[] = {1.1283791657f,    -0.37612625822f,   0.11283585125f,  -0.026853810934f,
                                    0.0051883257837f, -0.00080101769193f, 7.8538062062e-5f};
  static constexpr float large[] = {-1.8496055156f,  -2.6389668803f,   -0.84311760068f, -0.041503529134f,
                                    0.0098955195546f, -0.0018294310232f, 0.0001863928179f};
  const vf size = atMost(abs(x), 4.f);
  const vf outer = 1.f - exp(polynomial(size - 1.f, large));
  return select(size < 1.f, x * polynomial(x * x, small), copySign(outer, x));
}

// Sine, cosine, power and remainder, lane by lane in double precision: rare in recurrent networks. At most 1 ulp; see
// lanes.cpp.
double sine(float x, int32_t quarterTurns);
double power(float x, float y);
double remainder(float x, float y);
RONDO_INLINE vf sin(vf x) {
  vf y;
  for (int32_t i = 0; i < VL; ++i) y[i] = static_cast<float>(sine(x[i], 0));
  return y;
}
RONDO_INLINE vf cos(vf x) {
  vf y;
  for (int32_t i = 0; i < VL; ++i) y[i] = static_cast<float>(sine(x[i], 1));
  return y;
}
RONDO_INLINE vf pow(vf x, vf y) {
  vf z;
  for (int32_t i = 0; i < VL; ++i) z[i] = static_cast<float>(power(x[i], y[i]));
  return z;
}
RONDO_INLINE vf mod(vf x, vf y) {
  vf z;
  for (int32_t i = 0; i < VL; ++i) z[i] = static_cast<float>(remainder(x[i], y[i]));
  return z;
}

}  // namespace RONDO_NAMESPACE
