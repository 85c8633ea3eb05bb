// rnnForward: all steps of simple recurrent layers, LSTMs and GRUs.
//
// A tile of rows × gates of a group of units is multiplied in registers, then the gates are finished row by row while they
// are in the nearest cache. Tiles are made of the rows that are not masked, wherever these lie. Threads share the rows of the
// batch, each through all steps without a barrier; or, where the weights are large or rows few, the units, and meet after
// each step (`sharesUnits`); there, where rows are few, the products with x of several steps are made at once, so that the
// kernel is read that much less often. No number depends on which.
#include "relay.h"
#include "rnnForward.h"

namespace RONDO_NAMESPACE {
namespace {

// Stage `stage` of a step, for some rows of a chunk and some groups of units. Between stages all groups must be done.
// `fetches`: weights come from afar, so those of the next panel are fetched while this one's are multiplied.
template <class A, bool fetches>
class Step {
 public:
  static Index stages(const Layout& layout) { return layout.cell == Cell::gruResetBefore ? 2 : 1; }

  Step(const Forward& f, const A& activations) : f(f), activations(activations), projectedSteps(f.projectedSteps()) {}

  // Of the part's rows: which are not masked at step t, and where everything is.
  void prepare(const Part& part, Index t) {
    rows = rowsOf(f, part.chunk, t);
    findActive(active, f.mask == nullptr ? nullptr : f.mask + t * f.maskT, f.maskB, part);
    const float* before = f.dropout == nullptr ? rows.h : rows.dropped;
    const float* projected = projectedSteps > 0 ? f.projectedOf(part.chunk, t) : nullptr;
    for (Index i = 0; i < active.count; ++i) {
      const Index row = active.rows[i];
      x[i] = projected == nullptr ? f.x + t * f.xT + (part.chunk.first + row) * f.xB : projected + row * f.layout.rowStride();
      h[i] = before + row * f.layout.ldh;
    }
    hk = t == 0 && f.h0 == nullptr ? 0 : f.layout.H;
  }

  void run(Index stage, Span groups) {
    switch (f.layout.cell) {
      case Cell::simple: return eachTile<kWide>(groups, [&](auto tile, Index group, Index at, float* z) {
        affine<decltype(tile)::count>(panel(group), at, hk, z, kSlots * VL, madeOf(group));
        for (int i = 0; i < tile.count; ++i) finishSimple(f, activations, rows, group, active.rows[at + i], z + i * kSlots * VL);
      });
      case Cell::lstm: return eachTile<kWide>(groups, [&](auto tile, Index group, Index at, float* z) {
        const float* weights = panel(group);
        for (Index v = 0; v < 4; v += kWide, weights += widePanel()) {
          affine<decltype(tile)::count>(weights, at, hk, z + v * VL, kSlots * VL, madeOf(group, v));
        }
        for (int i = 0; i < tile.count; ++i) finishLstm(f, activations, rows, group, active.rows[at + i], z + i * kSlots * VL);
      });
      case Cell::lstmOnce: return eachTile<3>(groups, [&](auto tile, Index group, Index at, float* z) {
        affineTile<decltype(tile)::count, 3>(panel(group), f.layout.D, x + at, 0, h + at, z, kSlots * VL);
        for (int i = 0; i < tile.count; ++i) finishOnce(f, activations, rows, group, active.rows[at + i], z + i * kSlots * VL);
      });
      case Cell::gru: return eachTile<3>(groups, [&](auto tile, Index group, Index at, float* z) {
        gru<decltype(tile)::count>(panel(group), at, hk, z, kSlots * VL, madeOf(group));
        for (int i = 0; i < tile.count; ++i) finishGru(f, activations, rows, group, active.rows[at + i], z + i * kSlots * VL);
      });
      case Cell::gruResetBefore: return stage == 0 ? reset(groups) : candidate(groups);
    }
  }

  // Rows that are masked keep h and c.
  void carry(Span groups) const {
    const Index width = f.layout.vectors / f.layout.groups, units = (f.layout.H + VL - 1) / VL;
    const Index first = groups.first * width, end = groups.end * width < units ? groups.end * width : units;
    for (Index i = active.count; i < active.total; ++i) {
      const Index row = active.rows[i];
      for (Index u = first; u < end; ++u) {
        store(rows.hNext + row * f.layout.ldh + u * VL, load(rows.h + row * f.layout.ldh + u * VL));
      }
      if (rows.c == rows.cNext) continue;
      for (Index group = groups.first; group < groups.end; ++group) {
        const Index at = (group * rows.count + row) * VL;
        store(rows.cNext + at, load(rows.c + at));
      }
    }
  }

  void drop(const Part& part) const { dropRows(f, part, rows); }

  // What a group makes of x in all rows of a chunk and the steps from t on that are made at once; of masked ones, too.
  void project(const Part& part, Index t, Index group) {
    const Layout& layout = f.layout;
    const Chunk chunk = part.chunk;
    const Index end = t + projectedSteps < layout.T ? t + projectedSteps : layout.T, row = layout.rowStride();
    for (Index now = t; now < end; ++now) {
      for (Index i = 0; i < chunk.rows; ++i) x[i] = f.x + now * f.xT + (chunk.first + i) * f.xB;
      float* out = f.projectedOf(chunk, now) + group * layout.groupStride(chunk.rows);
      if (layout.cell == Cell::gru) {
        forTiles<3>(chunk.rows, [&](auto tile, Index at) { gru<decltype(tile)::count>(panel(group), at, 0, out + at * row, row); });
        continue;
      }
      forTiles<kWide>(chunk.rows, [&](auto tile, Index at) {
        const float* weights = panel(group);
        for (Index v = 0; v < layout.slots; v += kWide, weights += widePanel()) {
          affine<decltype(tile)::count>(weights, at, 0, out + at * row + v * VL, row);
        }
      });
    }
  }

 private:
  const Forward& f;
  const A& activations;
  const Index projectedSteps;
  Active active;
  StepRows rows;
  const float* x[kChunkRows];  // of the active rows
  const float* h[kChunkRows];
  Index hk;

  void reset(Span groups) {
    eachTile<2>(groups, [&](auto tile, Index group, Index at, float* z) {
      affineTile<decltype(tile)::count, 2>(panel(group), f.layout.D, x + at, hk, h + at, z, kSlots * VL);
      for (int i = 0; i < tile.count; ++i) finishReset(f, activations, rows, group, active.rows[at + i], h[at + i], z + i * kSlots * VL);
    });
  }

  void candidate(Span groups) {
    for (Index i = 0; i < active.count; ++i) h[i] = rows.reset + active.rows[i] * f.layout.ldh;
    eachTile<1>(groups, [&](auto tile, Index group, Index at, float* z) {
      const float* weights = panel(group) + panelSize({1, 1, 2, 2}, f.layout.D, f.layout.H);
      affineTile<decltype(tile)::count, 1>(weights, f.layout.D, x + at, hk, h + at, z, kSlots * VL);
      for (int i = 0; i < tile.count; ++i) finishBefore(f, activations, rows, group, active.rows[at + i], z + i * kSlots * VL);
    });
  }

  const float* panel(Index group) const { return f.pack + group * f.panels; }
  Index widePanel() const { return panelSize({0, 0, kWide, kWide}, f.layout.D, f.layout.H); }

  // Where a group's sums with x are, from those of a row's first group on, if they are made already.
  Index madeOf(Index group, Index slot = 0) const {
    return projectedSteps == 0 ? -1 : group * f.layout.groupStride(rows.count) + slot * VL;
  }

  // The sums of R rows from `at` on: with x, unless they are `made`, and with k numbers of h.
  template <int R>
  void affine(const float* panel, Index at, Index k, float* out, Index outRow, Index made = -1) const {
    const Index ahead = aheadOf<kWide>(widePanel(), at / tileRows(kWide));
    const float* const* left = k == 0 ? x + at : h + at;
    if (fetches && ahead > 0) {
      affineTile<R, kWide, fetches>(panel, f.layout.D, x + at, k, left, out, outRow, ahead, made);
    } else {
      affineTile<R, kWide>(panel, f.layout.D, x + at, k, left, out, outRow, 0, made);
    }
  }

  template <int R>
  void gru(const float* panel, Index at, Index k, float* out, Index outRow, Index made = -1) const {
    const Index ahead = aheadOf<3>(f.panels, at / tileRows(3));
    const float* const* left = k == 0 ? x + at : h + at;
    if (fetches && ahead > 0) {
      gruTile<R, fetches>(panel, f.layout.D, x + at, k, left, out, outRow, ahead, made);
    } else {
      gruTile<R>(panel, f.layout.D, x + at, k, left, out, outRow, 0, made);
    }
  }

  template <int NV, class Body>
  void eachTile(Span groups, const Body& body) {
    alignas(64) float z[kTileRows * kSlots * VL];
    for (Index group = groups.first; group < groups.end; ++group) {
      forTiles<NV>(active.count, [&](auto tile, Index at) { body(tile, group, at, z); });
    }
  }
};

// Some rows through all steps.
template <class A>
void forwardPart(const Forward& f, const A& activations, const Part& part) {
  const Span all{0, f.layout.groups};
  startRows(f, part);
  Step<A, false> step(f, activations);
  for (Index t = 0; t < f.layout.T; ++t) {
    step.prepare(part, t);
    if (f.dropout != nullptr) step.drop(part);
    for (Index stage = 0; stage < step.stages(f.layout); ++stage) step.run(stage, all);
    step.carry(all);
  }
  finishRows(f, part);
}

// All rows through all steps, the units shared among the threads.
template <class A>
void forwardUnits(const Context& context, const Forward& f, const A& activations) {
  const Layout& layout = f.layout;
  const int32_t chunks = chunkCount(layout.B), parts = unitParts(context, layout.groups, layout.rowGates() * (layout.D + layout.H));
  const Index stages = Step<A, kFetches>::stages(layout), before = f.dropout == nullptr ? 0 : 1, perStep = before + stages;
  const Index projected = f.projectedSteps();
  const auto eachChunk = [&](const auto& body) {
    for (int32_t i = 0; i < chunks; ++i) body(Part{chunkOf(layout.B, i), 0, chunkOf(layout.B, i).rows});
  };
  eachChunk([&](const Part& part) { startRows(f, part); });
  relay(context.parallel, parts, static_cast<int32_t>(layout.T * perStep), [&](int32_t phase, int32_t part) {
    const Index t = phase / perStep, stage = phase % perStep - before;
    Step<A, kFetches> step(f, activations);
    if (stage < 0) {
      eachChunk([&](const Part& rows) {
        step.prepare(rows, t);
        step.drop({rows.chunk, share(rows.end, part, parts), share(rows.end, part + 1, parts)});
      });
      return;
    }
    // A group's weights serve all rows while they are near.
    for (Index group = share(layout.groups, part, parts); group < share(layout.groups, part + 1, parts); ++group) {
      if (projected > 0 && stage == 0 && t % projected == 0) {
        eachChunk([&](const Part& rows) { step.project(rows, t, group); });
      }
      eachChunk([&](const Part& rows) {
        step.prepare(rows, t);
        step.run(stage, {group, group + 1});
        if (stage + 1 == stages) step.carry({group, group + 1});
      });
    }
  });
  eachChunk([&](const Part& part) { finishRows(f, part); });
}

}  // namespace

Status execute(const Context& context, const op::rnnForward& o, Tail) {
  if (absent(o.x, o.pack, o.hs)) return context.fail(Status::missingOperand);
  if (const Status status = checkSizes(context, o.cell, o.T, o.B, o.D, o.H); status != Status::ok) return status;
  if (o.keep < 2) return context.fail(Status::wrongField, o.keep, 2, o.T + 1);
  const Forward f(context, o);
  if (rowSuits(f)) return forwardRow(context, f, o.activation, o.recurrentActivation);
  withActivations(f.layout.cell, o.activation, o.recurrentActivation, [&](const auto& activations) {
    if (sharesUnits(context, f.layout, f.layout.D + f.layout.H)) return forwardUnits(context, f, activations);
    eachPart(context, o.B, f.mask != nullptr, [&](const Part& part) { forwardPart(f, activations, part); });
  });
  return Status::ok;
}

}  // namespace RONDO_NAMESPACE
