// The inner loops of all products: a tile of R rows × NV vectors of sums, held in registers.
//
// A row's sums are added up in the order of k, one product at a time, whatever the tile it is in: its bits depend neither
// on the number of rows nor on how they are cut into tiles.
#pragma once

#include "simd.h"

#if defined(__clang__)
#define RONDO_UNROLL_K _Pragma("clang loop unroll_count(4)")
#else
#define RONDO_UNROLL_K _Pragma("GCC unroll 4")
#endif
#if defined(__wasm__)  // engines unroll by themselves, and spill registers in loops that are unrolled already
#undef RONDO_UNROLL_K
#define RONDO_UNROLL_K _Pragma("clang loop unroll(disable)")
#endif

namespace RONDO_NAMESPACE {

// Rows of a tile that is NV vectors wide, by what fits the registers (measured).
constexpr int32_t tileRows(int32_t vectors) {
#if defined(__wasm__)
  return vectors <= 2 ? 4 : vectors == 3 ? 3 : 2;
#elif RONDO_REGISTERS == 32
  return vectors == 3 ? 8 : 6;
#else
  return vectors <= 2 ? 6 : vectors == 3 ? 4 : 2;
#endif
}
constexpr int32_t kTileRows = 8;  // the largest of them

// Width, in vectors, of tiles over many columns. Divides 4, to which packed matrices are padded.
#if RONDO_REGISTERS == 32
constexpr int32_t kWide = 4;
#else
constexpr int32_t kWide = 2;
#endif

template <int N>
struct Rows {
  static constexpr int count = N;
};

// Cuts `count` rows into tiles: body(Rows<R>{}, first row). Eight rows are two tiles of four rather than six and two.
template <int NV, int most = tileRows(NV), class Body>
RONDO_INLINE void forTiles(Index count, const Body& body) {
  for (Index row = 0; row < count;) {
    const Index left = count - row;
    if (left >= most && !(most == 6 && left == 8)) {
      body(Rows<most>{}, row);
      row += most;
    } else if (most > 4 && left >= 4) {
      body(Rows<4>{}, row);
      row += 4;
    } else if (most > 2 && left >= 2) {
      body(Rows<2>{}, row);
      row += 2;
    } else {
      body(Rows<1>{}, row);
      row += 1;
    }
  }
}

template <int R, int NV>
RONDO_INLINE void clear(vf (&c)[R][NV]) {
  RONDO_UNROLL
  for (int i = 0; i < R; ++i) {
    RONDO_UNROLL
    for (int v = 0; v < NV; ++v) c[i][v] = broadcast(0.f);
  }
}

// How far behind what a tile reads that lies which it fetches meanwhile, 0 for nothing: the next panel lies behind this one, and
// of the tiles that pass this one the first two fetch the half of it each.
#if defined(__wasm__)
constexpr bool kFetches = false;  // it has no instruction for that
#else
constexpr bool kFetches = true;
#endif
template <int NV>
RONDO_INLINE Index aheadOf(Index panelSize, Index tile) {
  return tile < 2 ? panelSize + tile * (NV * VL / 2) : 0;
}

// c += A·B: a[i] is row i of A, k long; b is a panel [k, NV vectors]. `fetches`: half of each row `ahead` numbers behind.
template <int R, int NV, bool fetches = false>
RONDO_INLINE void accumulate(Index k, const float* const (&a)[R], const float* b, vf (&c)[R][NV], Index ahead = 0) {
  RONDO_UNROLL_K
  for (Index p = 0; p < k; ++p, b += NV * VL) {
    if (fetches) {
      RONDO_UNROLL
      for (int i = 0; i < NV * VL / 2; i += 16) __builtin_prefetch(b + ahead + i, 0, 2);
    }
    vf line[NV];
    RONDO_UNROLL
    for (uint32_t v = 0; v < NV; ++v) line[v] = load(b + v * VL);
    RONDO_UNROLL
    for (int i = 0; i < R; ++i) {
      const vf s = broadcast(a[i][p]);
      RONDO_UNROLL
      for (int v = 0; v < NV; ++v) c[i][v] = fma_(s, line[v], c[i][v]);
    }
  }
}

// c += Aᵀ·B for `count` pairs of rows of A and B, each aStep and bStep after the last: R numbers times NV vectors.
template <int R, int NV>
RONDO_INLINE void accumulatePairs(Index count, const float* a, Index aStep, const float* b, Index bStep, vf (&c)[R][NV]) {
  RONDO_UNROLL_K
  for (Index p = 0; p < count; ++p, a += aStep, b += bStep) {
    vf line[NV];
    RONDO_UNROLL
    for (uint32_t v = 0; v < NV; ++v) line[v] = load(b + v * VL);
    RONDO_UNROLL
    for (int i = 0; i < R; ++i) {
      const vf s = broadcast(a[i]);
      RONDO_UNROLL
      for (int v = 0; v < NV; ++v) c[i][v] = fma_(s, line[v], c[i][v]);
    }
  }
}

// The same for pairs wherever they are: at a + aAt[p] and b + bAt[p].
template <int R, int NV>
RONDO_INLINE void accumulateListed(Index count, const float* a, const int32_t* aAt, const float* b, const int32_t* bAt,
                                   vf (&c)[R][NV]) {
  RONDO_UNROLL_K
  for (Index p = 0; p < count; ++p) {
    const float *column = a + aAt[p], *row = b + bAt[p];
    vf line[NV];
    RONDO_UNROLL
    for (int v = 0; v < NV; ++v) line[v] = load(row + v * VL);
    RONDO_UNROLL
    for (int i = 0; i < R; ++i) {
      const vf s = broadcast(column[i]);
      RONDO_UNROLL
      for (int v = 0; v < NV; ++v) c[i][v] = fma_(s, line[v], c[i][v]);
    }
  }
}

}  // namespace RONDO_NAMESPACE
