// The parts of `reduce`: folds over blocks of contiguous floats, and the walk over a strided operand.
#pragma once

#include "abi.h"
#include "simd.h"

namespace RONDO_NAMESPACE {

constexpr Index kFoldBlock = 512;

// What a fold adds up with: in float within a block, in double between blocks, so that a sum over any number of elements
// is off by no more than a block's.
struct Sum {
  static constexpr float identity = 0;
  RONDO_INLINE vf combine(vf a, vf b) { return a + b; }
  RONDO_INLINE double combine(double a, double b) { return a + b; }
};
struct Product {
  static constexpr float identity = 1;
  RONDO_INLINE vf combine(vf a, vf b) { return a * b; }
  RONDO_INLINE double combine(double a, double b) { return a * b; }
};
struct Maximum {  // NaN wins
  static constexpr float identity = -__builtin_inff();
  RONDO_INLINE vf combine(vf a, vf b) { return select((a != a) | (a > b), a, b); }
  RONDO_INLINE double combine(double a, double b) { return a != a || a > b ? a : b; }
};
struct Minimum {
  static constexpr float identity = __builtin_inff();
  RONDO_INLINE vf combine(vf a, vf b) { return select((a != a) | (a < b), a, b); }
  RONDO_INLINE double combine(double a, double b) { return a != a || a < b ? a : b; }
};

// The fold of f(x) for at most kFoldBlock floats.
template <class Fold, class F>
RONDO_INLINE double foldBlock(const float* x, Index count, const F& f) {
  vf sum[4];
  for (vf& s : sum) s = broadcast(Fold::identity);
  Index i = 0;
  for (; i + 4 * VL <= count; i += 4 * VL) {
    RONDO_UNROLL
    for (int32_t k = 0; k < 4; ++k) sum[k] = Fold::combine(sum[k], f(load(x + i + k * VL)));
  }
  for (; i + VL <= count; i += VL) sum[0] = Fold::combine(sum[0], f(load(x + i)));
  if (i < count) {
    const vf last = f(loadPart(x + i, count - i));
    vf rest = broadcast(Fold::identity);
    for (Index k = 0; k < count - i; ++k) rest[k] = last[k];
    sum[1] = Fold::combine(sum[1], rest);
  }
  const vf all = Fold::combine(Fold::combine(sum[0], sum[1]), Fold::combine(sum[2], sum[3]));
  double total = Fold::identity;
  for (int32_t k = 0; k < VL; ++k) total = Fold::combine(total, double{all[k]});
  return total;
}

// Goes through some dims of a strided operand in row-major order.
struct Walk {
  const Index* dims;
  const Index* strides;
  int32_t rank;
  Index position[limit::rank];
  Index offset;

  Walk(const Index* d, const Index* s, int32_t r, Index start, Index base) : dims(d), strides(s), rank(r), offset(base) {
    for (int32_t i = rank - 1; i >= 0; --i) {
      position[i] = start % dims[i];
      start /= dims[i];
      offset += position[i] * strides[i];
    }
  }

  // Goes `steps` elements on, not beyond the end of the innermost dim.
  void advance(Index steps) {
    if (rank == 0) return;
    int32_t i = rank - 1;
    position[i] += steps;
    offset += steps * strides[i];
    for (; i > 0 && position[i] == dims[i]; --i) {
      offset += strides[i - 1] - dims[i] * strides[i];
      position[i] = 0;
      ++position[i - 1];
    }
  }

  // How many elements are left in the innermost dim.
  Index run() const { return rank == 0 ? 1 : dims[rank - 1] - position[rank - 1]; }
  Index stride() const { return rank == 0 ? 1 : strides[rank - 1]; }
};

}  // namespace RONDO_NAMESPACE
