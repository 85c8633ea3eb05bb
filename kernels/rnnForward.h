// The forward pass besides its products: operands, states, and the cells' equations. Shared by rnnForward.cpp (parts of
// the batch) and rnnRow.cpp (one row).
#pragma once

#include "rnn.h"

namespace RONDO_NAMESPACE {

constexpr Index kProjectedRows = 128;  // pairs of row and step whose products with x are made at once

// The operands of rnnForward.
struct Forward {
  Layout layout;
  Index panels;  // floats of a group in `pack`
  const float* x;
  Index xT, xB;
  const float* h0;
  Index h0Row;
  const float* c0;
  Index c0Row;
  const uint8_t* mask;
  Index maskT, maskB;
  const float *dropout, *pack;
  float* hs;
  Index keep;
  float *cFinal, *reserve, *work;

  Forward(const Context& context, const op::rnnForward& o)
      : layout(o.cell, o.T, o.B, o.D, o.H, o.ldh),
        panels(groupPanels(layout)),
        x(context.at<float>(o.x)), xT(o.xT), xB(o.xB),
        h0(context.at<float>(o.h0)), h0Row(o.h0Row),
        c0(context.at<float>(o.c0)), c0Row(o.c0Row),
        mask(context.at<uint8_t>(o.mask)), maskT(o.maskT), maskB(o.maskB),
        dropout(context.at<float>(o.dropout)),
        pack(context.at<float>(o.pack)),
        hs(context.at<float>(o.hs)), keep(o.keep),
        cFinal(context.at<float>(o.cFinal)),
        reserve(context.at<float>(o.reserve)),
        work(context.at<float>(o.work)) {}

  // Where few rows would pass large weights at every step, the products with x of so many steps are made at once; 0: of none.
  // They lie at the end of `work`, as the gates of so many steps do in reserve.
  Index projectedSteps() const {
    const bool few = layout.T > 1 && layout.B > 1 && layout.B <= kProjectedRows / 2;
    if (!few || layout.cell == Cell::gruResetBefore || layout.D * layout.rowGates() < kLargeWeights) return 0;
    const Index steps = (kProjectedRows + layout.B - 1) / layout.B;
    return steps < layout.T ? steps : layout.T;
  }
  float* projectedOf(Chunk chunk, Index t) const {
    const Index steps = projectedSteps(), states = layout.hasCells() ? layout.groups * VL : 0;
    const Index dropped = dropout == nullptr ? 0 : layout.ldh;
    return work + layout.B * (states + dropped) + (chunk.first * steps + t % steps * chunk.rows) * layout.rowGates();
  }

  float* hOf(Chunk chunk, Index t) const { return hs + (t % keep * layout.B + chunk.first) * layout.ldh; }
  // c after t steps of a chunk: [group][row]. Without a reserve there is only the latest.
  float* cellsOf(Chunk chunk, Index t) const {
    return reserve == nullptr ? work + chunk.first * layout.groups * VL : layout.cellsOf(reserve, chunk, t);
  }
};

// Where a chunk's rows are in step t. Row r of a chunk: h + r·ldh, c + r·VL (+ group), gates + r·rowStride (+ group).
struct StepRows {
  Index count;
  const float *h, *c;
  float *hNext, *cNext;
  float* gates;           // null without a reserve
  float *reset, *update;  // gruResetBefore: r ⊙ h [row][ldh]; z [group][row] where there is no reserve
  float* dropped;         // h ⊙ dropout [row][ldh]
};

inline StepRows rowsOf(const Forward& f, Chunk chunk, Index t) {
  const Layout& layout = f.layout;
  StepRows rows{chunk.rows, f.hOf(chunk, t), nullptr, f.hOf(chunk, t + 1), nullptr,
                nullptr, nullptr, nullptr, nullptr};
  float* work = f.work;
  const Index first = chunk.first * layout.ldh;
  if (layout.hasCells()) {
    rows.c = f.cellsOf(chunk, t);
    rows.cNext = f.cellsOf(chunk, t + 1);
    work += layout.B * layout.groups * VL;
  }
  if (layout.cell == Cell::gruResetBefore) {
    rows.update = work + chunk.first * layout.groups * VL;
    work += layout.B * layout.groups * VL;
    rows.reset = f.reserve == nullptr ? work + first : layout.resetOf(f.reserve, t) + first;
    work += layout.B * layout.ldh;
  }
  if (f.dropout != nullptr) rows.dropped = f.reserve == nullptr ? work + first : layout.droppedOf(f.reserve, t) + first;
  if (f.reserve != nullptr) rows.gates = layout.gatesOf(f.reserve, chunk, t);
  return rows;
}

// One row takes another way than chunks do: rnnRow.cpp.
inline bool rowSuits(const Forward& f) {
  return f.layout.B == 1 && f.dropout == nullptr && f.layout.cell != Cell::gruResetBefore && f.layout.cell != Cell::lstmOnce;
}
Status forwardRow(const Context& context, const Forward& f, int32_t activation, int32_t recurrentActivation);

// The initial states, zero beyond the units.
inline void startRows(const Forward& f, const Part& part) {
  const Chunk chunk = part.chunk;
  const Layout& layout = f.layout;
  float *h = f.hOf(chunk, 0), *c = layout.hasCells() ? f.cellsOf(chunk, 0) : nullptr;
  const Index vectors = (layout.H + VL - 1) / VL;
  for (Index row = part.begin; row < part.end; ++row) {
    for (Index u = 0; u < vectors; ++u) {
      const Index units = layout.unitsIn(u), batch = chunk.first + row;
      store(h + row * layout.ldh + u * VL, f.h0 == nullptr ? vf{} : loadLanes(f.h0 + batch * f.h0Row + u * VL, units));
      if (c == nullptr) continue;
      store(c + (u * chunk.rows + row) * VL,
            f.c0 == nullptr ? vf{} : loadLanes(f.c0 + batch * f.c0Row + u * VL, units));
    }
  }
}

// The final cell state, where it is wanted.
inline void finishRows(const Forward& f, const Part& part) {
  const Chunk chunk = part.chunk;
  const Layout& layout = f.layout;
  if (f.cFinal == nullptr) return;
  const float* c = f.cellsOf(chunk, layout.T);
  for (Index row = part.begin; row < part.end; ++row) {
    for (Index u = 0; u < layout.groups; ++u) {
      storeLanes(f.cFinal + (chunk.first + row) * layout.H + u * VL, load(c + (u * chunk.rows + row) * VL),
                 layout.unitsIn(u));
    }
  }
}

inline void dropRows(const Forward& f, const Part& part, const StepRows& rows) {
  const Layout& layout = f.layout;
  const Chunk chunk = part.chunk;
  for (Index row = part.begin; row < part.end; ++row) {
    for (Index i = 0; i < layout.H; ++i) {
      rows.dropped[row * layout.ldh + i] = rows.h[row * layout.ldh + i] * f.dropout[(chunk.first + row) * layout.H + i];
    }
  }
}

// ---- The products.

using Pointers = const float* const*;

template <int R>
RONDO_INLINE void pick(Pointers from, const float* (&to)[R]) {
  RONDO_UNROLL
  for (int i = 0; i < R; ++i) to[i] = from[i];
}

// out[row][v] = bias + x·W + h·U for R rows, outRow floats apart, and NV slots. hk is H, or 0 where h is left out. `made`: not
// below 0 where bias + x·W are made already; they lie there behind x. `fetches`, `ahead`: as in accumulate.
template <int R, int NV, bool fetches = false>
__attribute__((noinline)) static void affineTile(const float* panel, Index D, Pointers x, Index hk, Pointers h, float* out,
                                          Index outRow, Index ahead = 0, Index made = -1) {
  vf c[R][NV];
  RONDO_UNROLL
  for (int v = 0; v < NV; ++v) {
    const vf bias = load(panel + v * VL);
    RONDO_UNROLL
    for (int i = 0; i < R; ++i) c[i][v] = made < 0 ? bias : load(x[i] + made + v * VL);
  }
  const float* a[R];
  pick<R>(x, a);
  accumulate<R, NV, fetches>(made < 0 ? D : 0, a, panel + NV * VL, c, ahead);
  pick<R>(h, a);
  accumulate<R, NV, fetches>(hk, a, panel + NV * (1 + D) * VL, c, ahead);
  RONDO_UNROLL
  for (int i = 0; i < R; ++i) {
    RONDO_UNROLL
    for (int v = 0; v < NV; ++v) store(out + i * outRow + v * VL, c[i][v]);
  }
}

// The GRU's, reset after: x makes slots 0 to 2, h slots 1 to 3.
template <int R, bool fetches = false>
__attribute__((noinline)) static void gruTile(const float* panel, Index D, Pointers x, Index hk, Pointers h, float* out,
                                          Index outRow, Index ahead = 0, Index made = -1) {
  vf c[R][3];
  RONDO_UNROLL
  for (int i = 0; i < R; ++i) {
    RONDO_UNROLL
    for (int v = 0; v < 3; ++v) c[i][v] = load(made < 0 ? panel + v * VL : x[i] + made + v * VL);
  }
  const float* a[R];
  pick<R>(x, a);
  accumulate<R, 3, fetches>(made < 0 ? D : 0, a, panel + 4 * VL, c, ahead);
  RONDO_UNROLL
  for (int i = 0; i < R; ++i) {
    store(out + i * outRow, c[i][0]);
    c[i][0] = c[i][1];
    c[i][1] = c[i][2];
    c[i][2] = load(panel + 3 * VL);
  }
  pick<R>(h, a);
  accumulate<R, 3, fetches>(hk, a, panel + (4 + 3 * D) * VL, c, ahead);
  RONDO_UNROLL
  for (int i = 0; i < R; ++i) {
    RONDO_UNROLL
    for (int v = 0; v < 3; ++v) store(out + i * outRow + (1 + v) * VL, c[i][v]);
  }
}

// ---- The cells. z: the sums of a row's slots, of one group of units.

// h' = tanh(x·W + h·U + b)
template <class A>
RONDO_INLINE void finishSimple(const Forward& f, const A& act, const StepRows& rows, Index group, Index row, const float* z) {
  float* h = rows.hNext + row * f.layout.ldh;
  for (Index v = 0; v < kWide; ++v) {
    const Index u = group * kWide + v;
    if (u * VL < f.layout.H) store(h + u * VL, act.output(load(z + v * VL)));
  }
}

// Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000: c' = f ⊙ c + i ⊙ g, h' = o ⊙ tanh c'
template <class A>
RONDO_INLINE void finishLstm(const Forward& f, const A& act, const StepRows& rows, Index group, Index row, const float* z) {
  const Index cell = (group * rows.count + row) * VL;
  const vf i = act.gate(load(z)), forget = act.gate(load(z + VL)), g = act.output(load(z + 2 * VL));
  const vf o = act.gate(load(z + 3 * VL));
  const vf c = fma_(forget, load(rows.c + cell), i * g);
  store(rows.cNext + cell, c);
  store(rows.hNext + row * f.layout.ldh + group * VL, o * act.output(c));
  if (rows.gates == nullptr) return;
  float* gates = rows.gates + (group * rows.count + row) * 4 * VL;
  store(gates, i);
  store(gates + VL, forget);
  store(gates + 2 * VL, g);
  store(gates + 3 * VL, o);
}

// The same where h and c were 0.
template <class A>
RONDO_INLINE void finishOnce(const Forward& f, const A& act, const StepRows& rows, Index group, Index row, const float* z) {
  const Index cell = (group * rows.count + row) * VL;
  const vf i = act.gate(load(z)), g = act.output(load(z + VL)), o = act.gate(load(z + 2 * VL)), c = i * g;
  store(rows.cNext + cell, c);
  store(rows.hNext + row * f.layout.ldh + group * VL, o * act.output(c));
  if (rows.gates == nullptr) return;
  float* gates = rows.gates + (group * rows.count + row) * 3 * VL;
  store(gates, i);
  store(gates + VL, g);
  store(gates + 2 * VL, o);
}

// Cho et al. 2014, with the reset after the product as in cuDNN: g = tanh(x·W + r ⊙ (h·U)), h' = z ⊙ h + (1 - z) ⊙ g
template <class A>
RONDO_INLINE void finishGru(const Forward& f, const A& act, const StepRows& rows, Index group, Index row, const float* sums) {
  const Index at = row * f.layout.ldh + group * VL;
  const vf z = act.gate(load(sums + VL)), r = act.gate(load(sums + 2 * VL)), product = load(sums + 3 * VL);
  const vf g = act.output(fma_(r, product, load(sums)));
  store(rows.hNext + at, fma_(z, load(rows.h + at) - g, g));
  if (rows.gates == nullptr) return;
  float* gates = rows.gates + (group * rows.count + row) * 4 * VL;
  store(gates, g);
  store(gates + VL, z);
  store(gates + 2 * VL, r);
  store(gates + 3 * VL, product);
}

// Cho et al. 2014, equations 5 to 8: r ⊙ h goes into the product. First z and r, then g = tanh(x·W + (r ⊙ h)·U).
template <class A>
RONDO_INLINE void finishReset(const Forward& f, const A& act, const StepRows& rows, Index group, Index row, const float* h,
                              const float* sums) {
  const vf z = act.gate(load(sums)), r = act.gate(load(sums + VL));
  store(rows.reset + row * f.layout.ldh + group * VL, r * load(h + group * VL));
  if (rows.gates == nullptr) {
    store(rows.update + (group * rows.count + row) * VL, z);
    return;
  }
  float* gates = rows.gates + (group * rows.count + row) * 3 * VL;
  store(gates + VL, z);
  store(gates + 2 * VL, r);
}
template <class A>
RONDO_INLINE void finishBefore(const Forward& f, const A& act, const StepRows& rows, Index group, Index row,
                               const float* sums) {
  const Index at = row * f.layout.ldh + group * VL, place = group * rows.count + row;
  const vf g = act.output(load(sums));
  const vf z = load(rows.gates == nullptr ? rows.update + place * VL : rows.gates + (place * 3 + 1) * VL);
  store(rows.hNext + at, fma_(z, load(rows.h + at) - g, g));
  if (rows.gates != nullptr) store(rows.gates + place * 3 * VL, g);
}

}  // namespace RONDO_NAMESPACE
