// rnnForward: all steps of simple recurrent layers, LSTMs and GRUs.
//
// A task takes some rows of the batch through all steps, without a barrier. In each step it goes from group to group of
// units; a tile of rows × gates is multiplied in registers, then the gates are finished row by row while they are in the
// nearest cache. Tiles are made of the rows that are not masked, wherever these lie.
#include "rnnForward.h"

namespace RONDO_NAMESPACE {
namespace {

// One step of one part.
template <class A>
struct Step {
  Step(const Forward& f, const A& activations, const Active& active, const StepRows& rows)
      : f(f), activations(activations), active(active), rows(rows) {}

  const Forward& f;
  const A& activations;
  const Active& active;
  const StepRows& rows;
  const float* x[kChunkRows];  // of the active rows
  const float* h[kChunkRows];
  Index hk;

  void run() {
    switch (f.layout.cell) {
      case Cell::simple: return eachTile<kWide>([&](auto tile, Index group, Index at, float* z) {
        affineTile<decltype(tile)::count, kWide>(panel(group), f.layout.D, x + at, hk, h + at, z, kSlots * VL);
        for (int i = 0; i < tile.count; ++i) finishSimple(f, activations, rows, group, active.rows[at + i], z + i * kSlots * VL);
      });
      case Cell::lstm: return eachTile<kWide>([&](auto tile, Index group, Index at, float* z) {
        const float* weights = panel(group);
        for (Index v = 0; v < 4; v += kWide, weights += panelSize({0, 0, kWide, kWide}, f.layout.D, f.layout.H)) {
          affineTile<decltype(tile)::count, kWide>(weights, f.layout.D, x + at, hk, h + at, z + v * VL, kSlots * VL);
        }
        for (int i = 0; i < tile.count; ++i) finishLstm(f, activations, rows, group, active.rows[at + i], z + i * kSlots * VL);
      });
      case Cell::gru: return eachTile<3>([&](auto tile, Index group, Index at, float* z) {
        gruTile<decltype(tile)::count>(panel(group), f.layout.D, x + at, hk, h + at, z, kSlots * VL);
        for (int i = 0; i < tile.count; ++i) finishGru(f, activations, rows, group, active.rows[at + i], z + i * kSlots * VL);
      });
      case Cell::gruResetBefore: return resetBefore();
    }
  }

  void resetBefore() {
    const Index D = f.layout.D;
    eachTile<2>([&](auto tile, Index group, Index at, float* z) {
      affineTile<decltype(tile)::count, 2>(panel(group), D, x + at, hk, h + at, z, kSlots * VL);
      for (int i = 0; i < tile.count; ++i) finishReset(f, activations, rows, group, active.rows[at + i], h[at + i], z + i * kSlots * VL);
    });
    for (Index i = 0; i < active.count; ++i) h[i] = rows.reset + active.rows[i] * f.layout.ldh;
    eachTile<1>([&](auto tile, Index group, Index at, float* z) {
      const float* weights = panel(group) + panelSize({1, 1, 2, 2}, D, f.layout.H);
      affineTile<decltype(tile)::count, 1>(weights, D, x + at, hk, h + at, z, kSlots * VL);
      for (int i = 0; i < tile.count; ++i) finishBefore(f, activations, rows, group, active.rows[at + i], z + i * kSlots * VL);
    });
  }

 private:
  const float* panel(Index group) const { return f.pack + group * f.panels; }

  template <int NV, class Body>
  void eachTile(const Body& body) {
    alignas(64) float z[kTileRows * kSlots * VL];
    for (Index group = 0; group < f.layout.groups; ++group) {
      forTiles<NV>(active.count, [&](auto tile, Index at) { body(tile, group, at, z); });
    }
  }
};

void copyVectors(const float* from, float* to, Index vectors, Index fromStride, Index toStride) {
  for (Index v = 0; v < vectors; ++v) store(to + v * toStride, load(from + v * fromStride));
}

// Rows that are masked keep h and c.
void carry(const Forward& f, const StepRows& rows, const Active& active) {
  const Index groupCells = rows.count * VL, vectors = (f.layout.H + VL - 1) / VL;
  for (Index i = active.count; i < active.total; ++i) {
    const Index row = active.rows[i];
    copyVectors(rows.h + row * f.layout.ldh, rows.hNext + row * f.layout.ldh, vectors, VL, VL);
    if (rows.c != rows.cNext) {
      copyVectors(rows.c + row * VL, rows.cNext + row * VL, vectors, groupCells, groupCells);
    }
  }
}

template <class A>
void forwardPart(const Forward& f, const A& activations, const Part& part) {
  const Layout& layout = f.layout;
  startRows(f, part);
  Active active;
  StepRows rows;
  Step<A> step(f, activations, active, rows);
  for (Index t = 0; t < layout.T; ++t) {
    rows = rowsOf(f, part.chunk, t);
    if (t == 0 || f.mask != nullptr) findActive(active, f.mask == nullptr ? nullptr : f.mask + t * f.maskT, f.maskB, part);
    const float* h = f.dropout == nullptr ? rows.h : rows.dropped;
    for (Index i = 0; i < active.count; ++i) {
      const Index row = active.rows[i];
      step.x[i] = f.x + t * f.xT + (part.chunk.first + row) * f.xB;
      step.h[i] = h + row * layout.ldh;
    }
    step.hk = t == 0 && f.h0 == nullptr ? 0 : layout.H;
    if (f.dropout != nullptr) dropRows(f, part, rows);
    step.run();
    carry(f, rows, active);
  }
  finishRows(f, part);
}

}  // namespace

Status execute(const Context& context, const op::rnnForward& o, Tail) {
  if (absent(o.x, o.pack, o.hs)) return context.fail(Status::missingOperand);
  if (const Status status = checkSizes(context, o.cell, o.T, o.B, o.D, o.H); status != Status::ok) return status;
  if (o.keep < 2) return context.fail(Status::wrongField, o.keep, 2, o.T + 1);
  const Forward f(context, o);
  if (rowSuits(f)) return forwardRow(context, f, o.activation, o.recurrentActivation);
  withActivations(f.layout.cell, o.activation, o.recurrentActivation, [&](const auto& activations) {
    eachPart(context, o.B, f.mask != nullptr, [&](const Part& part) { forwardPart(f, activations, part); });
  });
  return Status::ok;
}

}  // namespace RONDO_NAMESPACE
