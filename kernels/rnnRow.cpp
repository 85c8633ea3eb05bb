// rnnForward for one row: the products with x of many steps at once, then step by step the product with h, whose sums are
// split so that they do not wait for each other. Threads share the units and meet after each step.
#include "relay.h"
#include "rnnForward.h"

namespace RONDO_NAMESPACE {
namespace {

constexpr Index kSteps = 32;               // whose products with x are made at once
constexpr Index kParallelWeights = 32768;  // recurrent weights from which on threads help enough

// z[v] += h·U for one row and a panel of NV vectors.
template <int NV>
__attribute__((noinline)) void addProduct(Index k, const float* h, const float* panel, float* z) {
  constexpr int split = 4;
  vf c[split][NV];
  clear(c);
  Index p = 0;
  for (; p + split <= k; p += split) {
    RONDO_UNROLL
    for (int s = 0; s < split; ++s) {
      const vf a = broadcast(h[p + s]);
      RONDO_UNROLL
      for (int v = 0; v < NV; ++v) c[s][v] = fma_(a, load(panel + ((p + s) * NV + v) * VL), c[s][v]);
    }
  }
  for (; p < k; ++p) {
    const vf a = broadcast(h[p]);
    RONDO_UNROLL
    for (int v = 0; v < NV; ++v) c[0][v] = fma_(a, load(panel + (p * NV + v) * VL), c[0][v]);
  }
  RONDO_UNROLL
  for (int v = 0; v < NV; ++v) store(z + v * VL, load(z + v * VL) + ((c[0][v] + c[1][v]) + (c[2][v] + c[3][v])));
}

template <class A>
struct Row {
  const Forward& f;
  const A& act;

  Row(const Forward& f, const A& act) : f(f), act(act) {}

  bool masked(Index t) const { return f.mask != nullptr && !f.mask[t * f.maskT]; }
  // The sums of a step: [group][slot]; z of step t is in place t % kSteps.
  Index stepSums() const { return f.layout.groups * kSlots * VL; }
  float* sums(Index t) const {
    return f.work + (f.layout.cell == Cell::lstm ? f.layout.groups * VL : 0) + t % kSteps * stepSums();
  }

  // Biases and products with x of the steps from t0 on, of one group.
  void project(Index t0, Index group) const {
    const float* x[kSteps];
    Index steps = t0 + kSteps < f.layout.T ? kSteps : f.layout.T - t0;
    for (Index i = 0; i < steps; ++i) x[i] = masked(t0 + i) ? f.x : f.x + (t0 + i) * f.xT;
    const float* panel = f.pack + group * f.panels;
    float* z = sums(t0) + group * kSlots * VL;
    if (f.layout.cell == Cell::gru) {
      forTiles<3>(steps, [&](auto tile, Index at) {
        gruTile<decltype(tile)::count>(panel, f.layout.D, x + at, 0, x + at, z + at * stepSums(), stepSums());
      });
      return;
    }
    const Index vectors = f.layout.cell == Cell::lstm ? 4 : kWide;
    for (Index v = 0; v < vectors; v += kWide, panel += panelSize({0, 0, kWide, kWide}, f.layout.D, f.layout.H)) {
      forTiles<kWide>(steps, [&](auto tile, Index at) {
        affineTile<decltype(tile)::count, kWide>(panel, f.layout.D, x + at, 0, x + at, z + v * VL + at * stepSums(), stepSums());
      });
    }
  }

  void step(Index t, Index group) const {
    const Index D = f.layout.D, H = f.layout.H;
    const StepRows rows = rowsOf(f, {0, 1}, t);
    const Index hk = t == 0 && f.h0 == nullptr ? 0 : H;
    const float* panel = f.pack + group * f.panels;
    float* z = sums(t) + group * kSlots * VL;
    if (masked(t)) return carry(rows, group);
    switch (f.layout.cell) {
      case Cell::simple:
        addProduct<kWide>(hk, rows.h, panel + kWide * (1 + D) * VL, z);
        return finishSimple(f, act, rows, group, 0, z);
      case Cell::lstm:
        for (Index v = 0; v < 4; v += kWide, panel += panelSize({0, 0, kWide, kWide}, D, H)) {
          addProduct<kWide>(hk, rows.h, panel + kWide * (1 + D) * VL, z + v * VL);
        }
        return finishLstm(f, act, rows, group, 0, z);
      default:
        addProduct<3>(hk, rows.h, panel + (4 + 3 * D) * VL, z + VL);
        return finishGru(f, act, rows, group, 0, z);
    }
  }

  void carry(const StepRows& rows, Index group) const {
    const Index width = f.layout.vectors / f.layout.groups, end = (f.layout.H + VL - 1) / VL;
    for (Index u = group * width; u < (group + 1) * width && u < end; ++u) store(rows.hNext + u * VL, load(rows.h + u * VL));
    if (rows.c != rows.cNext) store(rows.cNext + group * VL, load(rows.c + group * VL));
  }
};

}  // namespace

Status forwardRow(const Context& context, const Forward& f, int32_t activation, int32_t recurrentActivation) {
  const Layout& layout = f.layout;
  const bool shared = layout.rowGates() * layout.H >= kParallelWeights && context.parallel->threads > 1;
  const int32_t parts = shared ? unitParts(context, layout.groups, layout.rowGates() * layout.H) : 1;
  const Part whole{{0, 1}, 0, 1};
  startRows(f, whole);
  withActivations(layout.cell, activation, recurrentActivation, [&](const auto& act) {
    const Row row(f, act);
    // Phases: per kSteps steps the products with x, then each step.
    const Index blocks = (layout.T + kSteps - 1) / kSteps;
    relay(context.parallel, parts, static_cast<int32_t>(layout.T + blocks), [&](int32_t phase, int32_t part) {
      const Index block = phase / (kSteps + 1), t = block * kSteps + phase % (kSteps + 1) - 1;
      const Index end = share(layout.groups, part + 1, parts);
      for (Index group = share(layout.groups, part, parts); group < end; ++group) {
        if (phase % (kSteps + 1) == 0) {
          row.project(block * kSteps, group);
        } else {
          row.step(t, group);
        }
      }
    });
  });
  finishRows(f, whole);
  return Status::ok;
}

}  // namespace RONDO_NAMESPACE
