// rnnPack: the weights from Keras's layout into those of rnnForward and rnnBackward.
#include "rnn.h"

namespace RONDO_NAMESPACE {
namespace {

void packRows(const Layout& layout, const float* matrix, Index rows, Index group, Index firstSlot, Index slots,
              bool recurrent, float* to) {
  for (Index v = 0; v < slots; ++v) {
    const Layout::Columns columns = layout.columnsOf(group, firstSlot + v, recurrent);
    const float* from = matrix + columns.first;
    for (Index k = 0; k < rows; ++k) {
      store(to + (k * slots + v) * VL, loadLanes(from + k * layout.gates * layout.H, columns.count));
    }
  }
}

// Keras's gru, reset after, has a second row of biases for the recurrent product. Where z and r add both products, so
// does the pack.
vf bias(const Layout& layout, const float* b, Index group, Index slot) {
  if (b == nullptr) return broadcast(0.f);
  const bool twice = layout.cell == Cell::gru;
  const Layout::Columns input = layout.columnsOf(group, slot, false);
  vf sum = loadLanes(b + input.first, input.count);
  if (twice) {
    const Layout::Columns recurrent = layout.columnsOf(group, slot, true);
    sum += loadLanes(b + layout.gates * layout.H + recurrent.first, recurrent.count);
  }
  return sum;
}

void packForward(const Layout& layout, const float* w, const float* u, const float* b, Index group, float* to) {
  const Panels panels = panelsOf(layout.cell);
  for (Index i = 0; i < panels.count; ++i) {
    const Panel& panel = panels.panel[i];
    for (Index v = 0; v < panel.biases; ++v) store(to + v * VL, bias(layout, b, group, panel.x + v));
    float* rows = to + panel.biases * VL;
    packRows(layout, w, layout.D, group, panel.x, panel.slots, false, rows);
    if (u != nullptr) packRows(layout, u, layout.H, group, panel.h, panel.slots, true, rows + layout.D * panel.slots * VL);
    to += panelSize(panel, layout.D, layout.H);
  }
}

// One block of columns of the transposed matrix [columns, G·H].
void packTransposed(const Layout& layout, const float* matrix, Index columns, bool recurrent, const Transposed& t,
                    Index block) {
  float* to = t.base + block * t.block(layout);
  const Index width = blockVectors(columns, block) * VL;
  for (Index group = 0; group < layout.groups; ++group) {
    for (Index slot = 0; slot < t.slots; ++slot, to += VL * width) {
      const Layout::Columns from = layout.columnsOf(group, t.first + slot, recurrent);
      for (Index j = 0; j < width; ++j) {
        const Index column = block * kWide * VL + j;
        const Index count = column < columns ? from.count : 0;
        const float* line = matrix + column * layout.gates * layout.H + from.first;
        for (Index lane = 0; lane < VL; ++lane) to[lane * width + j] = lane < count ? line[lane] : 0.f;
      }
    }
  }
}

}  // namespace

Status execute(const Context& context, const op::rnnPack& o, Tail) {
  if (absent(o.w)) return context.fail(Status::missingOperand);
  if (const Status status = checkSizes(context, o.cell, 1, 1, o.D, o.H); status != Status::ok) return status;
  const Layout layout(o.cell, 0, 0, o.D, o.H, 0);
  const float *w = context.at<float>(o.w), *u = context.at<float>(o.u), *b = context.at<float>(o.b);
  float *forward = context.at<float>(o.forward), *backward = context.at<float>(o.backward);
  const Index size = groupPanels(layout);
  const int32_t groups = forward == nullptr ? 0 : static_cast<int32_t>(layout.groups);
  const BackwardPack pack(layout, backward);
  const int32_t units = backward == nullptr || u == nullptr ? 0 : static_cast<int32_t>(columnBlocks(o.H));
  const int32_t inputs = backward == nullptr || !o.dx ? 0 : static_cast<int32_t>(columnBlocks(o.D));
  parallelFor(context.parallel, groups + units + inputs, [&](int32_t task) {
    if (task < groups) {
      packForward(layout, w, u, b, task, forward + task * size);
    } else if (task < groups + units) {
      packTransposed(layout, u, o.H, true, pack.recurrent, task - groups);
      packTransposed(layout, u, o.H, true, pack.reset, task - groups);
    } else {
      packTransposed(layout, w, o.D, false, pack.input, task - groups - units);
    }
  });
  return Status::ok;
}

}  // namespace RONDO_NAMESPACE
