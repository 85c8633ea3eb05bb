// What the kernels of convolutions share: their sizes, and where output pixels, taps and input pixels meet.
#pragma once

#include "rnn.h"
#include "tile.h"

namespace RONDO_NAMESPACE {

constexpr Index kBlock = 16;      // filters that lie together in a pack
constexpr Index kPiece = 1024;    // numbers of a patch that are multiplied at a time

struct Conv {
  Index N, H, W, C, OH, OW, F, KH, KW, sH, sW, dH, dW, uH, uW, top, left, groups;
  Index channels, filters;  // of a group
  Index K, blocks;          // of a group's pack
  const float* x;
  Index xN;

  template <class Op>
  Conv(const Context& context, const Op& o)
      : N(o.N), H(o.H), W(o.W), C(o.C), OH(o.OH), OW(o.OW), F(o.F), KH(o.KH), KW(o.KW), sH(o.sH), sW(o.sW), dH(o.dH),
        dW(o.dW), uH(o.uH), uW(o.uW), top(o.top), left(o.left), groups(o.groups), channels(o.C / o.groups),
        filters(o.F / o.groups), K(KH * KW * channels), blocks((filters + kBlock - 1) / kBlock),
        x(context.at<float>(o.x)), xN(o.xN) {}

  // Whether the taps of a kernel's row are one run of numbers in x.
  bool rowsTogether() const { return dW == 1 && uW == 1 && groups == 1 && KW * C <= kPiece; }
  Index packSize() const { return groups * blocks * K * kBlock; }
};

// ⌊a / b⌋ and the rest, for b > 0.
RONDO_INLINE Index floorOf(Index a, Index b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }
RONDO_INLINE Index restOf(Index a, Index b) { return a - floorOf(a, b) * b; }

// Fields that are no sizes of a convolution.
template <class Op>
Status checkConv(const Context& context, const Op& o) {
  const int32_t extents[] = {o.N, o.H, o.W, o.OH, o.OW};
  for (const int32_t size : extents) {
    if (size < 0) return context.fail(Status::wrongField, size, 0, INT32_MAX);
  }
  const int32_t sizes[] = {o.C, o.F, o.KH, o.KW, o.sH, o.sW, o.dH, o.dW, o.uH, o.uW, o.groups};
  for (const int32_t size : sizes) {
    if (size < 1) return context.fail(Status::wrongField, size, 1, INT32_MAX);
  }
  if (o.C % o.groups != 0 || o.F % o.groups != 0) return context.fail(Status::wrongField, o.groups, 1, o.C);
  return Status::ok;
}

}  // namespace RONDO_NAMESPACE
