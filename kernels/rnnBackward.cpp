// rnnBackward: back-propagation through time (Werbos 1990).
//
// As in the forward pass a task takes some rows of the batch through all steps. The gradient of a row's h after step t is
// dy[t], plus what is carried from later steps, plus the gate gradients of the row's next step that was not masked, times
// the transposed recurrent kernel: tiles are multiplied in registers and the gates' gradients made from them at once, in
// place of the gates. rnnWeights takes these up.
#include "rnn.h"

namespace RONDO_NAMESPACE {
namespace {

using Pointers = const float* const*;

struct Backward {
  Layout layout;
  const uint8_t* mask;
  Index maskT, maskB;
  const float* dropout;
  BackwardPack pack;
  const float *hs, *dy;
  Index dyT, dyB;
  const float* dhFinal;
  Index dhRow;
  const float* dcFinal;
  Index dcRow;
  float* dx;
  Index dxT, dxB;
  float *dh0, *dc0, *reserve, *work;

  Backward(const Context& context, const op::rnnBackward& o)
      : layout(o.cell, o.T, o.B, o.D, o.H, o.ldh),
        mask(context.at<uint8_t>(o.mask)), maskT(o.maskT), maskB(o.maskB),
        dropout(context.at<float>(o.dropout)),
        pack(layout, context.at<float>(o.pack)),
        hs(context.at<float>(o.hs)),
        dy(context.at<float>(o.dy)), dyT(o.dyT), dyB(o.dyB),
        dhFinal(context.at<float>(o.dhFinal)), dhRow(o.dhRow),
        dcFinal(context.at<float>(o.dcFinal)), dcRow(o.dcRow),
        dx(context.at<float>(o.dx)), dxT(o.dxT), dxB(o.dxB),
        dh0(context.at<float>(o.dh0)),
        dc0(context.at<float>(o.dc0)),
        reserve(context.at<float>(o.reserve)),
        work(context.at<float>(o.work)) {}
};

// out[row][v] = Σ over groups of gates·Wᵀ, for R rows and NV vectors of columns. `stride`: from group to group; `last`: as
// k, of the last group.
template <int R, int NV>
__attribute__((noinline)) void groupsTile(const float* matrix, Index groups, Index k, Index last, Pointers gates, Index stride,
                                          float* out) {
  vf c[R][NV];
  clear(c);
  const float* a[R];
  RONDO_UNROLL
  for (int i = 0; i < R; ++i) a[i] = gates[i];
  for (Index group = 0; group < groups; ++group) {
    accumulate<R, NV>(group + 1 < groups ? k : last, a, matrix, c);
    matrix += k * NV * VL;
    RONDO_UNROLL
    for (int i = 0; i < R; ++i) a[i] += stride;
  }
  RONDO_UNROLL
  for (int i = 0; i < R; ++i) {
    RONDO_UNROLL
    for (int v = 0; v < NV; ++v) store(out + (i * NV + v) * VL, c[i][v]);
  }
}

// The gates of some of a chunk's rows, each at a step of its own.
struct Sources {
  Index count;
  int32_t row[kChunkRows];
  const float* gates[kChunkRows];  // of the first group
};

// A part on its way back through the steps.
template <class A>
class Walk {
 public:
  Walk(const Backward& b, const A& act, const Part& part)
      : b(b), layout(b.layout), act(act), part(part), chunk(part.chunk), units((layout.H + VL - 1) / VL),
        carried(b.work + chunk.first * layout.vectors * VL),
        cells(b.work + (layout.B + chunk.first) * layout.vectors * VL) {}

  void run() {
    start();
    findActive(active, nullptr, 0, part);
    for (Index t = layout.T - 1; t >= 0; --t) {
      if (b.mask != nullptr) findActive(active, b.mask + t * b.maskT, b.maskB, part);
      gates = layout.gatesOf(b.reserve, chunk, t);
      h = b.hs + (t * layout.B + chunk.first) * layout.ldh;
      dy = b.dy == nullptr ? nullptr : b.dy + t * b.dyT + chunk.first * b.dyB;
      if (layout.cell == Cell::lstm) {
        c = layout.cellsOf(b.reserve, chunk, t);
        cNext = layout.cellsOf(b.reserve, chunk, t + 1);
      }
      switch (layout.cell) {
        case Cell::simple: stepBack<Cell::simple>(); break;
        case Cell::lstm: stepBack<Cell::lstm>(); break;
        case Cell::gru: stepBack<Cell::gru>(); break;
        case Cell::gruResetBefore:
          stepBack<Cell::gruResetBefore>();
          resetBack(t);
          break;
      }
      if (b.dx != nullptr) inputGradient(t);
      for (Index i = 0; i < active.count; ++i) next[active.rows[i]] = gates + active.rows[i] * layout.rowStride();
      for (Index i = active.count; i < active.total; ++i) passOver(active.rows[i]);
    }
    if (b.dh0 != nullptr) initialGradient();
    if (b.dc0 != nullptr) {
      eachUnit([&](Index u, Index row, Index at) {
        storeLanes(b.dc0 + (chunk.first + row) * layout.H + u * VL, load(cells + at), layout.unitsIn(u));
      });
    }
  }

 private:
  const Backward& b;
  const Layout& layout;
  const A& act;
  const Part part;
  const Chunk chunk;
  const Index units;  // vectors
  float *carried, *cells;  // gradients of h (without the product) and of c: [vector of units][row]
  Active active;
  const float* next[kChunkRows];  // gate gradients of the row's next step that is not masked, or null
  float* gates;
  const float *h, *dy, *c, *cNext;

  template <class Body>
  void eachUnit(const Body& body) {
    for (Index u = 0; u < units; ++u) {
      for (Index row = part.begin; row < part.end; ++row) body(u, row, (u * chunk.rows + row) * VL);
    }
  }

  void start() {
    for (Index row = part.begin; row < part.end; ++row) next[row] = nullptr;
    eachUnit([&](Index u, Index row, Index at) {
      const Index batch = chunk.first + row, count = layout.unitsIn(u);
      store(carried + at, b.dhFinal == nullptr ? vf{} : loadLanes(b.dhFinal + batch * b.dhRow + u * VL, count));
      if (layout.cell != Cell::lstm) return;
      store(cells + at, b.dcFinal == nullptr ? vf{} : loadLanes(b.dcFinal + batch * b.dcRow + u * VL, count));
    });
  }

  // A masked step: dy goes to the row's step before.
  void passOver(Index row) {
    if (dy == nullptr) return;
    for (Index u = 0; u < units; ++u) {
      float* sum = carried + (u * chunk.rows + row) * VL;
      store(sum, load(sum) + loadLanes(dy + row * b.dyB + u * VL, layout.unitsIn(u)));
    }
  }

  // body(row, u, product) for every source and vector of units; before a tile is multiplied, fetch(row, u).
  template <class Fetch, class Body>
  void eachProduct(const Transposed& matrix, const Sources& sources, const Fetch& fetch, const Body& body) {
    eachTile(matrix, layout, layout.H, sources.count, [&](auto tile, auto width, Index block, Index at, const float* part) {
      alignas(64) float sums[tile.count * width.count * VL];
      for (int i = 0; i < tile.count; ++i) {
        for (Index v = 0; v < width.count && block * kWide + v < units; ++v) fetch(sources.row[at + i], block * kWide + v);
      }
      groupsTile<decltype(tile)::count, decltype(width)::count>(part, layout.groups, matrix.slots * VL, matrix.last(layout),
                                                                sources.gates + at, layout.groupStride(chunk.rows), sums);
      for (int i = 0; i < tile.count; ++i) {
        for (Index v = 0; v < width.count && block * kWide + v < units; ++v) {
          body(sources.row[at + i], block * kWide + v, load(sums + (i * width.count + v) * VL));
        }
      }
    });
  }

  // body(rows of a tile, its width in vectors, column block, first row, the block's part of the matrix).
  template <class Body>
  static void eachTile(const Transposed& matrix, const Layout& layout, Index columns, Index rows, const Body& body) {
    for (Index block = 0; block < columnBlocks(columns); ++block) {
      const float* part = matrix.base + block * matrix.block(layout);
      if (blockVectors(columns, block) == kWide) {
        forTiles<kWide>(rows, [&](auto tile, Index at) { body(tile, Rows<kWide>{}, block, at, part); });
      } else {
        forTiles<2>(rows, [&](auto tile, Index at) { body(tile, Rows<2>{}, block, at, part); });
      }
    }
  }

  static void nothing(Index, Index) {}

  vf dropped(Index row, Index u, vf gradient) const {
    if (b.dropout == nullptr) return gradient;
    return gradient * loadLanes(b.dropout + (chunk.first + row) * layout.H + u * VL, layout.unitsIn(u));
  }

  Sources following(const int32_t* rows, Index count) const {
    Sources sources;
    sources.count = 0;
    for (Index i = 0; i < count; ++i) {
      if (next[rows[i]] == nullptr) continue;
      sources.row[sources.count] = rows[i];
      sources.gates[sources.count++] = next[rows[i]] + b.pack.recurrent.first * VL;
    }
    return sources;
  }

  template <Cell cell>
  void stepBack() {
    const Sources sources = following(active.rows, active.count);
    eachProduct(
        b.pack.recurrent, sources, [&](Index row, Index u) { fetchUnit<cell>(row, u); },
        [&](Index row, Index u, vf product) { unitBack<cell>(row, u, dropped(row, u, product)); });
    if (sources.count == active.count) return;
    for (Index i = 0; i < active.count; ++i) {
      if (next[active.rows[i]] != nullptr) continue;
      for (Index u = 0; u < units; ++u) unitBack<cell>(active.rows[i], u, vf{});
    }
  }

  // What unitBack will read, while a tile is being multiplied.
  template <Cell cell>
  inline __attribute__((always_inline)) void fetchUnit(Index row, Index u) const {
    if (cell == Cell::simple) return;
    const Index place = u * chunk.rows + row;
    for (Index i = 0; i < layout.slots * VL; i += 16) __builtin_prefetch(gates + place * layout.slots * VL + i, 1);
    if (cell != Cell::lstm) return;
    __builtin_prefetch(c + place * VL);
    __builtin_prefetch(cNext + place * VL);
  }

  // From the gradient of h to those of the gates.
  template <Cell cell>
  inline __attribute__((always_inline)) void unitBack(Index row, Index u, vf dh) {
    const Index at = (u * chunk.rows + row) * VL, count = layout.unitsIn(u);
    dh += load(carried + at);
    if (dy != nullptr) dh += loadLanes(dy + row * b.dyB + u * VL, count);
    switch (cell) {
      case Cell::simple: {
        const vf y = load(h + (layout.B + row) * layout.ldh + u * VL);
        float* gate = gates + ((u / kWide * chunk.rows + row) * kWide + u % kWide) * VL;
        store(gate, act.clean(dh * act.outputSlope(y), count));
        for (Index v = u + 1; u + 1 == units && v % kWide != 0; ++v) store(gate + (v - u) * VL, vf{});
        store(carried + at, vf{});
        return;
      }
      case Cell::lstm: {
        float* gate = gates + (u * chunk.rows + row) * 4 * VL;
        const vf i = load(gate), f = load(gate + VL), g = load(gate + 2 * VL), o = load(gate + 3 * VL);
        const vf tanhC = act.output(load(cNext + at)), dc = fma_(dh * o, act.outputSlope(tanhC), load(cells + at));
        store(gate, act.clean(dc * g * act.gateSlope(i), count));
        store(gate + VL, act.clean(dc * load(c + at) * act.gateSlope(f), count));
        store(gate + 2 * VL, act.clean(dc * i * act.outputSlope(g), count));
        store(gate + 3 * VL, act.clean(dh * tanhC * act.gateSlope(o), count));
        store(cells + at, dc * f);
        store(carried + at, vf{});
        return;
      }
      case Cell::gru: {
        float* gate = gates + (u * chunk.rows + row) * 4 * VL;
        const vf g = load(gate), z = load(gate + VL), r = load(gate + 2 * VL), product = load(gate + 3 * VL);
        const vf dg = act.clean((dh - dh * z) * act.outputSlope(g), count);
        store(gate, dg);
        store(gate + VL, act.clean(dh * (load(h + row * layout.ldh + u * VL) - g) * act.gateSlope(z), count));
        store(gate + 2 * VL, act.clean(dg * product * act.gateSlope(r), count));
        store(gate + 3 * VL, act.clean(dg * r, count));
        store(carried + at, dh * z);
        return;
      }
      case Cell::gruResetBefore: {  // r waits for resetBack
        float* gate = gates + (u * chunk.rows + row) * 3 * VL;
        const vf g = load(gate), z = load(gate + VL);
        store(gate, act.clean((dh - dh * z) * act.outputSlope(g), count));
        store(gate + VL, act.clean(dh * (load(h + row * layout.ldh + u * VL) - g) * act.gateSlope(z), count));
        store(carried + at, dh * z);
        return;
      }
    }
  }

  // gruResetBefore: the gradient of r ⊙ h, from that of the candidate.
  void resetBack(Index t) {
    const float* multiplied = b.dropout == nullptr ? h : layout.droppedOf(b.reserve, t) + chunk.first * layout.ldh;
    Sources sources;
    sources.count = active.count;
    for (Index i = 0; i < active.count; ++i) {
      sources.row[i] = active.rows[i];
      sources.gates[i] = gates + active.rows[i] * layout.rowStride();
    }
    eachProduct(b.pack.reset, sources, nothing, [&](Index row, Index u, vf product) {
      float* gate = gates + ((u * chunk.rows + row) * 3 + 2) * VL;
      float* sum = carried + (u * chunk.rows + row) * VL;
      const vf r = load(gate);
      store(sum, load(sum) + dropped(row, u, product * r));
      const Index count = layout.unitsIn(u);
      store(gate, act.clean(product * loadLanes(multiplied + row * layout.ldh + u * VL, count) * act.gateSlope(r), count));
    });
  }

  void inputGradient(Index t) {
    float* dx = b.dx + t * b.dxT + chunk.first * b.dxB;
    const Transposed& matrix = b.pack.input;
    const float* from[kChunkRows];
    for (Index i = 0; i < active.count; ++i) from[i] = gates + active.rows[i] * layout.rowStride();
    eachTile(matrix, layout, layout.D, active.count, [&](auto tile, auto width, Index block, Index at, const float* part) {
      alignas(64) float sums[tile.count * width.count * VL];
      groupsTile<decltype(tile)::count, decltype(width)::count>(part, layout.groups, matrix.slots * VL, matrix.last(layout),
                                                                from + at, layout.groupStride(chunk.rows), sums);
      const Index column = block * kWide * VL;
      for (int i = 0; i < tile.count; ++i) {
        float* to = dx + active.rows[at + i] * b.dxB + column;
        for (Index v = 0; v < width.count && column + v * VL < layout.D; ++v) {
          storeLanes(to + v * VL, load(sums + (i * width.count + v) * VL), layout.D - column - v * VL);
        }
      }
    });
    for (Index i = active.count; i < active.total; ++i) {
      for (Index k = 0; k < layout.D; ++k) dx[active.rows[i] * b.dxB + k] = 0;
    }
  }

  void initialGradient() {
    eachUnit([&](Index u, Index row, Index at) {
      storeLanes(b.dh0 + (chunk.first + row) * layout.H + u * VL, load(carried + at), layout.unitsIn(u));
    });
    findActive(active, nullptr, 0, part);
    eachProduct(b.pack.recurrent, following(active.rows, active.total), nothing, [&](Index row, Index u, vf product) {
      float* to = b.dh0 + (chunk.first + row) * layout.H + u * VL;
      const Index count = layout.unitsIn(u);
      storeLanes(to, loadLanes(to, count) + dropped(row, u, product), count);
    });
  }
};

}  // namespace

Status execute(const Context& context, const op::rnnBackward& o, Tail) {
  if (absent(o.pack, o.hs, o.reserve, o.work)) return context.fail(Status::missingOperand);
  if (const Status status = checkSizes(context, o.cell, o.T, o.B, o.D, o.H); status != Status::ok) return status;
  const Backward b(context, o);
  withActivations(b.layout.cell, o.activation, o.recurrentActivation, [&](const auto& activations) {
    eachPart(context, o.B, b.mask != nullptr, [&](const Part& part) { Walk(b, activations, part).run(); });
  });
  return Status::ok;
}

}  // namespace RONDO_NAMESPACE
