// What the recurrent kernels share: where their private buffers hold what (sizes: src/plan/sizes.ts), how the batch is cut
// into chunks, and the activations.
//
// B batch rows, T time steps, D input features, H units. Units come in groups, each one vector wide (simple: kWide
// vectors). A group's gates lie together: its `slots` vectors for one row, row after row, group after group; that is the
// gates of one step of one chunk of rows. The order of the slots: lstm i, f, c, o, lstmOnce without f; gru h (from the
// input), z, r and, when the reset comes after the product, h from the recurrent product; simple: the group's units.
#pragma once

#include "relay.h"
#include "tile.h"

namespace RONDO_NAMESPACE {

constexpr Index kChunkRows = 66;  // at most
constexpr Index kSlots = 4;       // at most, per group

// The rows [first, first + rows) of the batch, which lie together in the private buffers. Even sizes, in even numbers where
// the batch is large enough; they depend on B alone.
struct Chunk {
  Index first, rows;
};
inline int32_t chunkCount(Index B) { return B <= 64 ? 1 : static_cast<int32_t>(2 * ((B + 127) / 128)); }
inline Chunk chunkOf(Index B, int32_t index) {
  const int32_t count = chunkCount(B);
  const Index pairs = (B + 1) / 2;
  const Index first = 2 * share(pairs, index, count), end = 2 * share(pairs, index + 1, count);
  return {first, (end < B ? end : B) - first};
}

// The indices [first, end).
struct Span {
  Index first, end;
};

// What one task takes through all steps: the rows [begin, end) of a chunk. A row's numbers are the same bits whatever
// rows go with it, so the parts that a chunk is cut into may depend on the number of threads. Masked rows make parts
// unequal: then there are several for each thread, so that who is done early finds another.
struct Part {
  Chunk chunk;
  Index begin, end;
};
inline int32_t partsOfChunk(Index B, bool masked, int32_t threads) {
  const int32_t chunks = chunkCount(B), wanted = masked ? 4 * threads : threads < 4 ? 4 : threads;
  const int32_t parts = (wanted + chunks - 1) / chunks, most = static_cast<int32_t>(B / chunks / 8);
  return parts < most ? parts : most > 1 ? most : 1;
}
// body(part) for all parts, in parallel.
template <class Body>
inline void eachPart(const Context& context, Index B, bool masked, const Body& body) {
  const int32_t parts = partsOfChunk(B, masked, context.parallel->threads);
  parallelFor(context.parallel, chunkCount(B) * parts, [&](int32_t i) {
    const Chunk chunk = chunkOf(B, i / parts);
    const Index pairs = (chunk.rows + 1) / 2, end = 2 * share(pairs, i % parts + 1, parts);
    body(Part{chunk, 2 * share(pairs, i % parts, parts), end < chunk.rows ? end : chunk.rows});
  });
}

// The fields that all recurrent instructions have, checked before anything is made of them.
inline Status checkSizes(const Context& context, int32_t cell, int32_t T, int32_t B, int32_t D, int32_t H) {
  if (cell < 0 || cell > 4) return context.fail(Status::wrongField, cell, 0, 4);
  if (static_cast<Cell>(cell) == Cell::lstmOnce && T > 1) return context.fail(Status::wrongField, T, 1, 1);
  const int32_t sizes[] = {T, B, D, H};
  for (const int32_t size : sizes) {
    if (size < 1) return context.fail(Status::wrongField, size, 1, INT32_MAX);
  }
  return Status::ok;
}

struct Layout {
  Cell cell;
  Index T, B, D, H;
  Index ldh;
  Index slots;    // vectors per group and row
  Index groups;
  Index vectors;  // of units in all groups
  Index gates;    // of Keras's matrices

  Layout(int32_t cellCode, Index T, Index B, Index D, Index H, Index ldh)
      : cell(static_cast<Cell>(cellCode)), T(T), B(B), D(D), H(H), ldh(ldh) {
    const bool simple = cell == Cell::simple;
    vectors = (H + VL - 1) / VL;
    slots = simple ? kWide : cell == Cell::gruResetBefore || cell == Cell::lstmOnce ? 3 : 4;
    groups = simple ? (vectors + kWide - 1) / kWide : vectors;
    if (simple) vectors = groups * kWide;
    gates = simple ? 1 : hasCells() ? 4 : 3;
  }

  bool hasCells() const { return cell == Cell::lstm || cell == Cell::lstmOnce; }

  Index rowGates() const { return groups * slots * VL; }  // floats of one row's gates
  Index groupStride(Index rows) const { return rows * slots * VL; }
  Index rowStride() const { return slots * VL; }

  // Gates of a chunk's step t, in reserve: [group][row][slot].
  float* gatesOf(float* reserve, Chunk chunk, Index t) const {
    return reserve + (chunk.first * T + t * chunk.rows) * rowGates();
  }
  // lstm: c after t steps, in reserve: [group][row].
  float* cellsOf(float* reserve, Chunk chunk, Index t) const {
    return reserve + B * T * rowGates() + (chunk.first * (T + 1) + t * chunk.rows) * groups * VL;
  }
  // [T, B, ldh] each: r ⊙ h (gru, reset before), and h ⊙ dropout.
  float* resetOf(float* reserve, Index t) const { return reserve + B * T * rowGates() + t * B * ldh; }
  float* droppedOf(float* reserve, Index t) const {
    const Index before = hasCells() ? B * (T + 1) * groups * VL : cell == Cell::gruResetBefore ? T * B * ldh : 0;
    return reserve + B * T * rowGates() + before + t * B * ldh;
  }

  // Lanes of vector u that are units.
  Index unitsIn(Index u) const { return H - u * VL < VL ? (H > u * VL ? H - u * VL : 0) : VL; }

  // Where a group's slot stands in the rows of Keras's kernel or recurrent kernel, and how many units it has; in the
  // GRU's slot 3 the former, in its slot 0 the latter has no part when the reset comes after the product.
  struct Columns {
    Index first, count;
  };
  Columns columnsOf(Index group, Index slot, bool recurrent) const {
    if (cell == Cell::simple) return {(group * slots + slot) * VL, unitsIn(group * slots + slot)};
    Index gate = slot;
    if (cell == Cell::lstmOnce && slot > 0) gate = slot + 1;
    if (!hasCells()) gate = slot == 0 || slot == 3 ? 2 : slot - 1;
    const bool none = cell == Cell::gru && slot == (recurrent ? 0 : 3);
    return {gate * H + group * VL, none ? 0 : unitsIn(group)};
  }
};

// Where threads share units rather than rows: the weights that each row is multiplied with, `depth` for each gate, outgrow a
// core's nearer caches, so that as many rows as there are should pass them while they are there; or there are not rows
// enough for all threads, and work enough in a step to meet after it.
constexpr Index kLargeWeights = 5 << 16;  // numbers (measured)
constexpr Index kSharedStep = 1 << 18;    // multiplications of a step
inline bool sharesUnits(const Context& context, const Layout& layout, Index depth) {
  const Index weights = layout.rowGates() * depth;
  if (layout.T == 1) return false;
  if (weights >= kLargeWeights) return true;
  const int32_t threads = context.parallel->threads;
  return chunkCount(layout.B) * partsOfChunk(layout.B, false, threads) < threads && weights * layout.B >= kSharedStep;
}
// Into how many parts the units are cut, of `most`: one for each thread, so that its weights stay in its caches; where they do
// not fit these, several, so that who is done early takes from who is late.
constexpr Index kNearWeights = 1 << 19;  // numbers
inline int32_t unitParts(const Context& context, Index most, Index weights) {
  const int32_t threads = context.parallel->threads;
  const Index wanted = threads > 1 && weights >= threads * kNearWeights ? 4 * threads : threads;
  const Index parts = most < kMostParts ? most : kMostParts;
  return static_cast<int32_t>(parts < wanted ? parts : wanted);
}

// A product of a group's gates: which slots it makes from x and from h. `forward` is a list of panels per group, each
// [biases of slots + others][D, slots of x][H, slots of h] in vectors.
struct Panel {
  Index x, h, slots, biases;
};
struct Panels {
  Index count;
  Panel panel[4 / kWide > 2 ? 4 / kWide : 2];
};
inline Panels panelsOf(Cell cell) {
  if (cell == Cell::simple) return {1, {{0, 0, kWide, kWide}}};
  if (cell == Cell::gru) return {1, {{0, 1, 3, 4}}};
  if (cell == Cell::lstmOnce) return {1, {{0, 0, 3, 3}}};
  if (cell == Cell::gruResetBefore) return {2, {{1, 1, 2, 2}, {0, 0, 1, 1}}};
  Panels panels{4 / kWide, {}};
  for (Index i = 0; i < panels.count; ++i) panels.panel[i] = {i * kWide, i * kWide, kWide, kWide};
  return panels;
}
inline Index panelSize(const Panel& panel, Index D, Index H) { return (panel.biases + panel.slots * (D + H)) * VL; }
inline Index groupPanels(const Layout& layout) {
  const Panels panels = panelsOf(layout.cell);
  Index size = 0;
  for (Index i = 0; i < panels.count; ++i) size += panelSize(panels.panel[i], layout.D, layout.H);
  return size;
}

// `backward` is a list of transposed matrices: per kWide vectors of columns, the gate gradients they are multiplied with:
// [column block][group][slot][lane][kWide vectors, or 2 in a last block that needs no more].
struct Transposed {
  Index first, slots;  // of the gates
  float* base;         // of the matrix

  Index block(const Layout& layout) const { return layout.groups * slots * VL * kWide * VL; }
  // Lanes of the last group's slots up to the last unit: a simple layer's units lie in a row, the padding behind them.
  Index last(const Layout& layout) const {
    return layout.cell == Cell::simple ? layout.H - (layout.groups - 1) * slots * VL : slots * VL;
  }
};
inline Index columnBlocks(Index columns) { return (columns + kWide * VL - 1) / (kWide * VL); }
inline Index blockVectors(Index columns, Index block) { return columns - block * kWide * VL > 2 * VL ? kWide : 2; }
// Those of the recurrent kernel (`reset`: of r ⊙ h alone, gruResetBefore), and of the kernel behind them.
struct BackwardPack {
  Transposed recurrent, reset, input;

  BackwardPack(const Layout& layout, float* base) {
    const Index blocks = columnBlocks(layout.H);
    const bool gru = layout.cell == Cell::gru, before = layout.cell == Cell::gruResetBefore;
    recurrent = {gru || before ? 1 : 0, gru ? 3 : before ? 2 : layout.slots, base};
    reset = {0, before ? 1 : 0, base + blocks * recurrent.block(layout)};
    input = {0, gru || before ? 3 : layout.slots, reset.base + blocks * reset.block(layout)};
  }
};

// Rows of a part whose step t is not masked: their indices within the chunk, and behind them the masked ones.
struct Active {
  Index count = -1, total = 0;  // count -1: not looked for yet
  int32_t rows[kChunkRows];
};
// Without a mask they stay the same.
inline void findActive(Active& active, const uint8_t* mask, Index maskB, const Part& part) {
  if (mask == nullptr && active.count == part.end - part.begin && active.rows[0] == part.begin) return;
  active.count = 0;
  active.total = part.end - part.begin;
  if (mask == nullptr) {
    for (Index row = part.begin; row < part.end; ++row) active.rows[active.count++] = static_cast<int32_t>(row);
    return;
  }
  Index masked = active.total;
  for (Index row = part.end - 1; row >= part.begin; --row) {
    if (!mask[(part.chunk.first + row) * maskB]) active.rows[--masked] = static_cast<int32_t>(row);
  }
  for (Index row = part.begin; row < part.end; ++row) {
    if (mask[(part.chunk.first + row) * maskB]) active.rows[active.count++] = static_cast<int32_t>(row);
  }
}

// Keras's activations, and their slopes computed from the output y.
vf activate(Activation kind, vf x);
vf slope(Activation kind, vf y);

// The cells' default activations, compiled in, and any others, looked up. `clean` zeroes the lanes beyond the first n,
// where others than the defaults may have made infinities of nothing.
struct DefaultActivations {
  RONDO_INLINE vf gate(vf x) { return sigmoid(x); }
  RONDO_INLINE vf gateSlope(vf y) { return fma_(-y, y, y); }
  RONDO_INLINE vf output(vf x) { return tanh(x); }
  RONDO_INLINE vf outputSlope(vf y) { return fma_(-y, y, broadcast(1.f)); }
  RONDO_INLINE vf clean(vf x, Index) { return x; }
};
struct AnyActivations {
  Activation outputKind, gateKind;
  vf gate(vf x) const { return activate(gateKind, x); }
  vf gateSlope(vf y) const { return slope(gateKind, y); }
  vf output(vf x) const { return activate(outputKind, x); }
  vf outputSlope(vf y) const { return slope(outputKind, y); }
  vf clean(vf x, Index n) const {
    for (Index lane = n; lane < VL; ++lane) x[lane] = 0;
    return x;
  }
};

// body(activations) with those of the codes. Simple layers have no gates.
template <class Body>
inline void withActivations(Cell cell, int32_t output, int32_t gate, const Body& body) {
  const AnyActivations any{static_cast<Activation>(output), static_cast<Activation>(gate)};
  if (any.outputKind == Activation::tanh && (any.gateKind == Activation::sigmoid || cell == Cell::simple)) {
    body(DefaultActivations{});
  } else {
    body(any);
  }
}

}  // namespace RONDO_NAMESPACE
