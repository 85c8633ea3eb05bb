// The steps of `map`: one loop over whole vectors each.
#include "map.h"
#include "simd.h"

namespace RONDO_NAMESPACE {
namespace {

typedef uint32_t unsignedInts __attribute__((vector_size(VL * 4)));

vi isNaN(vf x) { return x != x; }
vi truth(vi mask) { return mask & 1; }  // comparisons give −1
vf maximum(vf a, vf b) { return select(isNaN(a) | (a > b), a, b); }
vf minimum(vf a, vf b) { return select(isNaN(a) | (a < b), a, b); }

// Sums and products of integers wrap around.
unsignedInts wrapping(vi x) { return reinterpret_cast<unsignedInts>(x); }
vi wrapped(unsignedInts x) { return reinterpret_cast<vi>(x); }

// −1, 0 or 1; zeros and NaN stay as they are.
vf sign(vf x) { return select((x < 0.f) | (x > 0.f), copySign(broadcast(1.f), x), x); }

// Towards zero; beyond the integers the nearest of them, NaN gives 0.
vi toInt(vf x) {
  const vf inside = atLeast(atMost(select(isNaN(x), broadcast(0.f), x), 2147483520.f), -2147483648.f);
  return x >= 2147483648.f ? broadcast(INT32_MAX) : __builtin_convertvector(inside, vi);
}

template <class F>
void unary(float* to, const float* a, Index count, const F& f) {
  for (Index i = 0; i < count; i += VL) store(to + i, f(load(a + i)));
}
template <class F>
void binary(float* to, const float* a, const float* b, Index count, const F& f) {
  for (Index i = 0; i < count; i += VL) store(to + i, f(load(a + i), load(b + i)));
}
template <class F>
void ternary(float* to, const float* a, const float* b, const float* c, Index count, const F& f) {
  for (Index i = 0; i < count; i += VL) store(to + i, f(load(a + i), load(b + i), load(c + i)));
}

}  // namespace

#define UNARY(name, expression) \
  case MapOp::name##_:          \
    return unary(to, a, count, [](vf x) { return expression; });
#define BINARY(name, expression) \
  case MapOp::name##_:           \
    return binary(to, a, b, count, [](vf x, vf y) { return expression; });
#define UNARY_INT(name, expression) \
  case MapOp::name##_:              \
    return unary(to, a, count, [](vf f) { const vi x = bits(f); return fromBits(expression); });
#define BINARY_INT(name, expression) \
  case MapOp::name##_:               \
    return binary(to, a, b, count, [](vf f, vf g) { const vi x = bits(f), y = bits(g); return fromBits(expression); });

void mapStep(MapOp step, float* to, const float* a, const float* b, const float* c, Index count) {
  switch (step) {
    case MapOp::constant_:
    case MapOp::constantInt_:
      return;
    case MapOp::select_:
      return ternary(to, a, b, c, count, [](vf x, vf y, vf z) { return select(bits(x) != 0, y, z); });
    case MapOp::fma_:
      return ternary(to, a, b, c, count, [](vf x, vf y, vf z) { return fma_(x, y, z); });
    UNARY_INT(toFloat, bits(__builtin_convertvector(x, vf)))
    UNARY(toInt, fromBits(toInt(x)))
    UNARY(toBool, fromBits(truth(x != 0.f)))
    UNARY_INT(intToBool, truth(x != 0))
    BINARY(add, x + y)
    BINARY(sub, x - y)
    BINARY(mul, x * y)
    BINARY(div, x / y)
    BINARY(maximum, maximum(x, y))
    BINARY(minimum, minimum(x, y))
    BINARY(pow, pow(x, y))
    BINARY(mod, mod(x, y))
    UNARY(neg, -x)
    UNARY(abs, abs(x))
    UNARY(sign, sign(x))
    UNARY(exp, exp(x))
    UNARY(expm1, expm1(x))
    UNARY(log, log(x))
    UNARY(log1p, log1p(x))
    UNARY(sqrt, sqrt(x))
    UNARY(rsqrt, 1.f / sqrt(x))
    UNARY(square, x * x)
    UNARY(reciprocal, 1.f / x)
    UNARY(floor, floor(x))
    UNARY(ceil, ceil(x))
    UNARY(round, round(x))
    UNARY(sin, sin(x))
    UNARY(cos, cos(x))
    UNARY(tanh, tanh(x))
    UNARY(sigmoid, sigmoid(x))
    UNARY(relu, select(x < 0.f, broadcast(0.f), x))
    UNARY(softplus, softplus(x))
    UNARY(erf, erf(x))
    UNARY(isNaN, fromBits(truth(isNaN(x))))
    UNARY(isFinite, fromBits(truth(abs(x) < __builtin_inff())))
    BINARY(less, fromBits(truth(x < y)))
    BINARY(lessEqual, fromBits(truth(x <= y)))
    BINARY(equal, fromBits(truth(x == y)))
    BINARY(notEqual, fromBits(truth(x != y)))
    BINARY_INT(addInt, wrapped(wrapping(x) + wrapping(y)))
    BINARY_INT(subInt, wrapped(wrapping(x) - wrapping(y)))
    BINARY_INT(mulInt, wrapped(wrapping(x) * wrapping(y)))
    BINARY_INT(lessInt, truth(x < y))
    BINARY_INT(lessEqualInt, truth(x <= y))
    BINARY_INT(equalInt, truth(x == y))
    BINARY_INT(notEqualInt, truth(x != y))
    BINARY_INT(maximumInt, x > y ? x : y)
    BINARY_INT(minimumInt, x < y ? x : y)
    UNARY_INT(negInt, wrapped(-wrapping(x)))
    UNARY_INT(absInt, x < 0 ? wrapped(-wrapping(x)) : x)
    BINARY_INT(and, truth((x != 0) & (y != 0)))
    BINARY_INT(or, truth((x | y) != 0))
    UNARY_INT(not, truth(x == 0))
    UNARY_INT(toByte, x & 255)
  }
}

}  // namespace RONDO_NAMESPACE
