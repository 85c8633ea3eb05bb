// rnnBackward: back-propagation through time (Werbos 1990).
//
// The gradient of a row's h after step t is dy[t], plus what is carried from later steps, plus the gate gradients of the row's
// next step that was not masked, times the transposed recurrent kernel: tiles are multiplied in registers and the gates'
// gradients made from them at once, in place of the gates. rnnWeights takes these up. As in the forward pass threads share the
// rows of the batch, each through all steps, or the units, and meet after each step.
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

// out[row][v] += (for the first group: =) Σ over some groups of gates·Wᵀ, for R rows and NV vectors of columns. `stride`: from
// group to group; `last`: as k, of the last group.
template <int R, int NV, bool fetches = false>
__attribute__((noinline)) void groupsTile(const float* matrix, Index k, Index last, Pointers gates, Index stride, Span groups,
                                          float* out, Index ahead = 0) {
  vf c[R][NV];
  clear(c);
  RONDO_UNROLL
  for (int i = 0; groups.first > 0 && i < R; ++i) {
    RONDO_UNROLL
    for (int v = 0; v < NV; ++v) c[i][v] = load(out + (i * NV + v) * VL);
  }
  const float* a[R];
  RONDO_UNROLL
  for (int i = 0; i < R; ++i) a[i] = gates[i] + groups.first * stride;
  matrix += groups.first * k * NV * VL;
  for (Index group = groups.first; group < groups.end; ++group) {
    accumulate<R, NV, fetches>(group + 1 < groups.end ? k : last, a, matrix, c, ahead);
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

constexpr Index kDepth = 1024;  // gates whose weights are multiplied with all rows before the next ones are

// body(row, column block, vector within, product) for every source and every column of some blocks of a transposed matrix;
// before a tile is multiplied, fetch(row, block, vector). `fetches`: the weights come from afar.
template <bool fetches, class Fetch, class Body>
void eachProduct(const Layout& layout, Index groupStride, const Transposed& matrix, Index columns, Span blocks,
                 const Sources& sources, const Fetch& fetch, const Body& body) {
  const Index vectors = (columns + VL - 1) / VL, k = matrix.slots * VL, last = matrix.last(layout);
  const Index step = kDepth / k > 0 ? kDepth / k : 1;
  alignas(64) float sums[kChunkRows * kWide * VL];
  const auto multiply = [&](auto width, Index block) {
    constexpr int NV = decltype(width)::count;
    const float* part = matrix.base + block * matrix.block(layout);
    const Index count = vectors - block * kWide < NV ? vectors - block * kWide : NV;
    const auto eachVector = [&](auto tile, Index at, const auto& visit) {
      for (int i = 0; i < tile.count; ++i) {
        for (Index v = 0; v < count; ++v) visit(sources.row[at + i], v, i * NV + v);
      }
    };
    for (Index group = 0; group < layout.groups; group += step) {
      const bool ends = group + step >= layout.groups;
      const Span groups{group, ends ? layout.groups : group + step};
      forTiles<NV>(sources.count, [&](auto tile, Index at) {
        float* out = sums + (step < layout.groups ? at * NV * VL : 0);
        if (ends) eachVector(tile, at, [&](Index row, Index v, Index) { fetch(row, block, v); });
        const Index ahead = aheadOf<NV>((groups.end - group) * k * NV * VL, at / tileRows(NV));
        if (fetches && ahead > 0) {
          groupsTile<decltype(tile)::count, NV, fetches>(part, k, ends ? last : k, sources.gates + at, groupStride, groups, out,
                                                         ahead);
        } else {
          groupsTile<decltype(tile)::count, NV>(part, k, ends ? last : k, sources.gates + at, groupStride, groups, out);
        }
        if (ends) eachVector(tile, at, [&](Index row, Index v, Index i) { body(row, block, v, load(out + i * VL)); });
      });
    }
  };
  for (Index block = blocks.first; block < blocks.end; ++block) {
    if (blockVectors(columns, block) == kWide) {
      multiply(Rows<kWide>{}, block);
    } else {
      multiply(Rows<2>{}, block);
    }
  }
}

// Some rows of a chunk, and some units, on their way back through the steps. Units come in blocks of kWide vectors.
template <class A, bool fetches>
class Walk {
 public:
  static Index stages(const Layout& layout) { return layout.cell == Cell::gruResetBefore ? 2 : 1; }

  Walk(const Backward& b, const A& act, const Part& part, Span blocks)
      : b(b), layout(b.layout), act(act), part(part), chunk(part.chunk), blocks(blocks),
        units(vectorsOf(blocks, (b.layout.H + VL - 1) / VL)), carried(b.work + chunk.first * layout.vectors * VL),
        cells(b.work + (layout.B + chunk.first) * layout.vectors * VL) {}

  void start() const {
    eachUnit([&](Index u, Index row, Index at) {
      const Index batch = chunk.first + row, count = layout.unitsIn(u);
      store(carried + at, b.dhFinal == nullptr ? vf{} : loadLanes(b.dhFinal + batch * b.dhRow + u * VL, count));
      if (!layout.hasCells()) return;
      store(cells + at, b.dcFinal == nullptr ? vf{} : loadLanes(b.dcFinal + batch * b.dcRow + u * VL, count));
    });
  }

  // Stage `stage` of step t, after all stages of later steps for all units.
  void run(Index t, Index stage) {
    at(t);
    switch (layout.cell) {
      case Cell::simple: stepBack<Cell::simple>(t); break;
      case Cell::lstm: stepBack<Cell::lstm>(t); break;
      case Cell::lstmOnce: stepBack<Cell::lstmOnce>(t); break;
      case Cell::gru: stepBack<Cell::gru>(t); break;
      case Cell::gruResetBefore:
        if (stage > 0) return resetBack(t);
        stepBack<Cell::gruResetBefore>(t);
        break;
    }
    for (Index i = active.count; i < active.total; ++i) passOver(active.rows[i]);
  }

  // dx of step t, after all its stages; for some blocks of columns.
  void inputGradient(Index t, Span columns) {
    at(t);
    float* dx = b.dx + t * b.dxT + chunk.first * b.dxB;
    const auto nothing = [](Index, Index, Index) {};
    eachProduct<fetches>(layout, layout.groupStride(chunk.rows), b.pack.input, layout.D, columns, these(0), nothing,
                [&](Index row, Index block, Index v, vf product) {
                  const Index column = (block * kWide + v) * VL;
                  storeLanes(dx + row * b.dxB + column, product, layout.D - column);
                });
    const Index first = columns.first * kWide * VL, end = columns.end * kWide * VL;
    for (Index i = active.count; i < active.total; ++i) {
      for (Index k = first; k < end && k < layout.D; ++k) dx[active.rows[i] * b.dxB + k] = 0;
    }
  }

  // Those of the initial states, after all steps.
  void finish() {
    if (b.dh0 != nullptr) {
      eachUnit([&](Index u, Index row, Index at) {
        storeLanes(b.dh0 + (chunk.first + row) * layout.H + u * VL, load(carried + at), layout.unitsIn(u));
      });
      findActive(active, nullptr, 0, part);
      eachUnitProduct(b.pack.recurrent, following(-1), nothing, [&](Index row, Index u, vf product) {
        float* to = b.dh0 + (chunk.first + row) * layout.H + u * VL;
        const Index count = layout.unitsIn(u);
        storeLanes(to, loadLanes(to, count) + dropped(row, u, product), count);
      });
    }
    if (b.dc0 == nullptr) return;
    eachUnit([&](Index u, Index row, Index at) {
      storeLanes(b.dc0 + (chunk.first + row) * layout.H + u * VL, load(cells + at), layout.unitsIn(u));
    });
  }

 private:
  const Backward& b;
  const Layout& layout;
  const A& act;
  const Part part;
  const Chunk chunk;
  const Span blocks;
  const Span units;        // vectors
  float *carried, *cells;  // gradients of h (without the product) and of c: [vector of units][row]
  Active active;
  float* gates;
  const float *h, *dy, *c, *cNext;

  static Span vectorsOf(Span blocks, Index vectors) {
    const Index end = blocks.end * kWide;
    return {blocks.first * kWide, end < vectors ? end : vectors};
  }

  void at(Index t) {
    findActive(active, b.mask == nullptr ? nullptr : b.mask + t * b.maskT, b.maskB, part);
    gates = layout.gatesOf(b.reserve, chunk, t);
    h = b.hs + (t * layout.B + chunk.first) * layout.ldh;
    dy = b.dy == nullptr ? nullptr : b.dy + t * b.dyT + chunk.first * b.dyB;
    if (!layout.hasCells()) return;
    c = layout.cellsOf(b.reserve, chunk, t);
    cNext = layout.cellsOf(b.reserve, chunk, t + 1);
  }

  template <class Body>
  void eachUnit(const Body& body) const {
    for (Index u = units.first; u < units.end; ++u) {
      for (Index row = part.begin; row < part.end; ++row) body(u, row, (u * chunk.rows + row) * VL);
    }
  }

  // A masked step: dy goes to the row's step before.
  void passOver(Index row) {
    if (dy == nullptr) return;
    for (Index u = units.first; u < units.end; ++u) {
      float* sum = carried + (u * chunk.rows + row) * VL;
      store(sum, load(sum) + loadLanes(dy + row * b.dyB + u * VL, layout.unitsIn(u)));
    }
  }

  static void nothing(Index, Index) {}

  // body(row, u, product) for every source and vector of units; before a tile is multiplied, fetch(row, u).
  template <class Fetch, class Body>
  void eachUnitProduct(const Transposed& matrix, const Sources& sources, const Fetch& fetch, const Body& body) const {
    eachProduct<fetches>(
        layout, layout.groupStride(chunk.rows), matrix, layout.H, blocks, sources,
        [&](Index row, Index block, Index v) { fetch(row, block * kWide + v); },
        [&](Index row, Index block, Index v, vf product) { body(row, block * kWide + v, product); });
  }

  vf dropped(Index row, Index u, vf gradient) const {
    if (b.dropout == nullptr) return gradient;
    return gradient * loadLanes(b.dropout + (chunk.first + row) * layout.H + u * VL, layout.unitsIn(u));
  }

  // The active rows, at their first step after t that is not masked; rows without one are left out.
  Sources following(Index t) const {
    Sources sources;
    sources.count = 0;
    for (Index i = 0; i < active.count; ++i) {
      const int32_t row = active.rows[i];
      Index next = t + 1;
      while (b.mask != nullptr && next < layout.T && !b.mask[next * b.maskT + (chunk.first + row) * b.maskB]) ++next;
      if (next == layout.T) continue;
      sources.row[sources.count] = row;
      sources.gates[sources.count++] =
          layout.gatesOf(b.reserve, chunk, next) + row * layout.rowStride() + b.pack.recurrent.first * VL;
    }
    return sources;
  }

  // The active rows at this step, from a slot on.
  Sources these(Index slot) const {
    Sources sources;
    sources.count = active.count;
    for (Index i = 0; i < active.count; ++i) {
      sources.row[i] = active.rows[i];
      sources.gates[i] = gates + active.rows[i] * layout.rowStride() + slot * VL;
    }
    return sources;
  }

  template <Cell cell>
  void stepBack(Index t) {
    const Sources sources = following(t);
    eachUnitProduct(
        b.pack.recurrent, sources, [&](Index row, Index u) { fetchUnit<cell>(row, u); },
        [&](Index row, Index u, vf product) { unitBack<cell>(row, u, dropped(row, u, product)); });
    for (Index i = 0, source = 0; i < active.count; ++i) {
      if (source < sources.count && sources.row[source] == active.rows[i]) {
        ++source;
        continue;
      }
      for (Index u = units.first; u < units.end; ++u) unitBack<cell>(active.rows[i], u, vf{});
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
        for (Index v = u + 1; u + 1 == units.end && v % kWide != 0; ++v) store(gate + (v - u) * VL, vf{});
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
      case Cell::lstmOnce: {
        float* gate = gates + (u * chunk.rows + row) * 3 * VL;
        const vf i = load(gate), g = load(gate + VL), o = load(gate + 2 * VL);
        const vf tanhC = act.output(load(cNext + at)), dc = fma_(dh * o, act.outputSlope(tanhC), load(cells + at));
        store(gate, act.clean(dc * g * act.gateSlope(i), count));
        store(gate + VL, act.clean(dc * i * act.outputSlope(g), count));
        store(gate + 2 * VL, act.clean(dh * tanhC * act.gateSlope(o), count));
        store(cells + at, vf{});
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
    eachUnitProduct(b.pack.reset, these(0), nothing, [&](Index row, Index u, vf product) {
      float* gate = gates + ((u * chunk.rows + row) * 3 + 2) * VL;
      float* sum = carried + (u * chunk.rows + row) * VL;
      const vf r = load(gate);
      store(sum, load(sum) + dropped(row, u, product * r));
      const Index count = layout.unitsIn(u);
      store(gate, act.clean(product * loadLanes(multiplied + row * layout.ldh + u * VL, count) * act.gateSlope(r), count));
    });
  }
};

// Some rows back through all steps.
template <class A>
void backwardPart(const Backward& b, const A& activations, const Part& part) {
  const Layout& layout = b.layout;
  Walk<A, false> walk(b, activations, part, {0, columnBlocks(layout.H)});
  walk.start();
  for (Index t = layout.T - 1; t >= 0; --t) {
    for (Index stage = 0; stage < walk.stages(layout); ++stage) walk.run(t, stage);
    if (b.dx != nullptr) walk.inputGradient(t, {0, columnBlocks(layout.D)});
  }
  walk.finish();
}

// All rows back through all steps, the units shared among the threads; then dx, step by step.
template <class A>
void backwardUnits(const Context& context, const Backward& b, const A& activations) {
  const Layout& layout = b.layout;
  const Index blocks = columnBlocks(layout.H), stages = Walk<A, kFetches>::stages(layout), phases = layout.T * stages;
  const int32_t chunks = chunkCount(layout.B), parts = unitParts(context, blocks, layout.rowGates() * layout.H);
  const auto eachWalk = [&](Span units, const auto& body) {
    for (Index block = units.first; block < units.end; ++block) {  // its weights serve all rows while they are near
      for (int32_t i = 0; i < chunks; ++i) {
        const Chunk chunk = chunkOf(layout.B, i);
        Walk<A, kFetches> walk(b, activations, {chunk, 0, chunk.rows}, {block, block + 1});
        body(walk);
      }
    }
  };
  eachWalk({0, blocks}, [](auto& walk) { walk.start(); });
  relay(context.parallel, parts, static_cast<int32_t>(phases), [&](int32_t phase, int32_t part) {
    const VanishingIsZero mode;
    const Index t = layout.T - 1 - phase / stages;
    eachWalk({share(blocks, part, parts), share(blocks, part + 1, parts)}, [&](auto& walk) { walk.run(t, phase % stages); });
  });
  if (b.dh0 != nullptr || b.dc0 != nullptr) {
    parallelFor(context.parallel, static_cast<int32_t>(blocks), [&](int32_t block) {
      const VanishingIsZero mode;
      eachWalk({block, block + 1}, [](auto& walk) { walk.finish(); });
    });
  }
  if (b.dx == nullptr) return;
  parallelFor(context.parallel, static_cast<int32_t>(layout.T * chunks), [&](int32_t task) {
    const VanishingIsZero mode;
    const Chunk chunk = chunkOf(layout.B, task % chunks);
    Walk<A, kFetches>(b, activations, {chunk, 0, chunk.rows}, {0, blocks}).inputGradient(task / chunks, {0, columnBlocks(layout.D)});
  });
}

}  // namespace

Status execute(const Context& context, const op::rnnBackward& o, Tail) {
  if (absent(o.pack, o.hs, o.reserve, o.work)) return context.fail(Status::missingOperand);
  if (const Status status = checkSizes(context, o.cell, o.T, o.B, o.D, o.H); status != Status::ok) return status;
  const Backward b(context, o);
  withActivations(b.layout.cell, o.activation, o.recurrentActivation, [&](const auto& activations) {
    if (sharesUnits(context, b.layout, b.layout.H)) return backwardUnits(context, b, activations);
    eachPart(context, o.B, b.mask != nullptr, [&](const Part& part) {
      const VanishingIsZero mode;
      backwardPart(b, activations, part);
    });
  });
  return Status::ok;
}

}  // namespace RONDO_NAMESPACE
