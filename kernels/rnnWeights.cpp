// rnnWeights: the weights' gradients, as products over all rows and steps at once.
//
// A task owns some groups of units and some rows of the kernels, and goes through the whole batch: every number of the
// result is added up by one task in a fixed order, whatever the number of threads. Within a block of about as many (row, step)
// pairs as `pairsOf` says sums stay in registers; a block's sums are then added to the total, which also keeps the rounding
// errors of long sequences small.
#include "rnn.h"

namespace RONDO_NAMESPACE {
namespace {

constexpr Index kBlockPairs = 512;      // at most
constexpr Index kLargeSums = 1 << 20;   // numbers from which on totals should be gone through seldom (measured)
constexpr Index kGatesAtOnce = 1 << 17; // of a block, whose groups stay near while rows of the kernels pass them (measured)

inline Index pairsOf(const Layout& layout) {
  return (layout.D + layout.H) * layout.rowGates() >= kLargeSums ? kBlockPairs : kBlockPairs / 4;
}

struct Weights {
  Layout layout;
  const float* x;
  Index xT, xB;
  const uint8_t* mask;
  Index maskT, maskB;
  const float* dropout;
  const float* hs;
  float *reserve, *dw, *du, *db;

  Weights(const Context& context, const op::rnnWeights& o)
      : layout(o.cell, o.T, o.B, o.D, o.H, o.ldh),
        x(context.at<float>(o.x)), xT(o.xT), xB(o.xB),
        mask(context.at<uint8_t>(o.mask)), maskT(o.maskT), maskB(o.maskB),
        dropout(context.at<float>(o.dropout)),
        hs(context.at<float>(o.hs)),
        reserve(context.at<float>(o.reserve)),
        dw(context.at<float>(o.dw)), du(context.at<float>(o.du)), db(context.at<float>(o.db)) {}
};

// (row, step) pairs of a block: where they are in x, in the sequences of h, and in the gates of the first group, counted
// from the chunk's first row at the first of these steps. So 32 bits are enough, however large the operands are (the planner
// refuses x where one step of a chunk is larger).
struct Block {
  Chunk chunk;
  Index steps;
  Index firstX, firstH;
  const float* gates;
  Index count, run;    // pairs; how many at a time are equally far apart (0: none)
  int32_t inX[kBlockPairs], inH[kBlockPairs], inGates[kBlockPairs];
};

// The sums of some slots of all groups, for a matrix of Keras's with K rows and for biases.
struct Sum {
  const float* rows;  // x, h … at (row 0, step 0)
  bool inX;           // rows are found by Block::inX, else by inH
  Index step;         // from a row of the batch to the next
  Index K;
  Index first, slots;
  bool recurrent;          // of the recurrent kernel
  float *matrix, *biases;  // biases may be null: none of this product's

  Index width() const { return slots % kWide == 0 ? kWide : slots; }  // of its tiles, in vectors
  Index tiles() const { return (K + tileRows(width()) - 1) / tileRows(width()); }
};

// Where the sums of R rows and NV slots belong: each slot's columns, in rows that are `row` apart.
template <int NV>
struct Target {
  float* slot[NV];
  Index lanes[NV];
  Index row;
  bool whole;  // no vector of columns is cut short
};
template <int NV>
Target<NV> targetOf(const Layout& layout, const Sum& sum, Index group, Index slot, float* matrix) {
  Target<NV> to;
  to.row = layout.gates * layout.H;
  to.whole = true;
  RONDO_UNROLL
  for (int v = 0; v < NV; ++v) {
    const Layout::Columns columns = layout.columnsOf(group, sum.first + slot + v, sum.recurrent);
    to.slot[v] = matrix + columns.first;
    to.lanes[v] = columns.count;
    to.whole &= columns.count >= VL;
  }
  return to;
}

// to [R][NV] += (initially =) the block's sums for rows k … of a group. Where no row is masked, a step's pairs are
// equally far apart.
template <int R, int NV>
__attribute__((noinline)) void sumTile(const Block& block, const float* a, const int32_t* aAt, Index aStep, const float* b,
                                       Index bStep, bool initial, const Target<NV>& to) {
  vf c[R][NV];
  clear(c);
  const int32_t* bAt = block.inGates;
  if (block.run == 0) accumulateListed<R, NV>(block.count, a, aAt, b, bAt, c);
  for (Index p = 0; block.run > 0 && p < block.count; p += block.run) {
    accumulatePairs<R, NV>(block.run, a + aAt[p], aStep, b + bAt[p], bStep, c);
  }
  RONDO_UNROLL
  for (int i = 0; to.whole && i < R; ++i) {
    RONDO_UNROLL
    for (int v = 0; v < NV; ++v) {
      float* total = to.slot[v] + i * to.row;
      store(total, initial ? c[i][v] : load(total) + c[i][v]);
    }
  }
  RONDO_UNROLL
  for (int i = 0; !to.whole && i < R; ++i) {
    RONDO_UNROLL
    for (int v = 0; v < NV; ++v) {
      float* total = to.slot[v] + i * to.row;
      storeLanes(total, initial ? c[i][v] : loadLanes(total, to.lanes[v]) + c[i][v], to.lanes[v]);
    }
  }
}

void sumBiases(const float* b, const int32_t* at, Index count, bool initial, float* to, Index lanes) {
  vf even = {}, odd = {};
  Index p = 0;
  for (; p + 2 <= count; p += 2) {
    even += load(b + at[p]);
    odd += load(b + at[p + 1]);
  }
  if (p < count) even += load(b + at[p]);
  storeLanes(to, initial ? even + odd : loadLanes(to, lanes) + (even + odd), lanes);
}

// Some rows of a sum's matrix.
struct Range {
  Index first, rows;
};

class Task {
 public:
  Task(const Weights& w, const Sum* sums, Index count, int32_t part, int32_t parts, int32_t groupParts)
      : w(w), layout(w.layout), sums(sums), count(count),
        pairs(pairsOf(layout)),
        firstGroup(share(layout.groups, part % groupParts, groupParts)),
        endGroup(share(layout.groups, part % groupParts + 1, groupParts)),
        rowPart(part / groupParts) {
    // Whole tiles, out of those of all sums in a row.
    Index tiles = 0;
    for (Index s = 0; s < count; ++s) tiles += sums[s].tiles();
    const Index from = share(tiles, rowPart, parts / groupParts), end = share(tiles, rowPart + 1, parts / groupParts);
    Index before = 0;
    for (Index s = 0; s < count; ++s) {
      const Index tile = tileRows(sums[s].width()), K = sums[s].K;
      const auto rowOf = [&](Index place) { return place < before ? 0 : (place - before) * tile < K ? (place - before) * tile : K; };
      ranges[s] = {rowOf(from), rowOf(end) - rowOf(from)};
      before += sums[s].tiles();
    }
  }

  void run() {
    if (layout.cell == Cell::lstmOnce) clearForgets();
    Block block;
    bool initial = true;
    for (int32_t i = 0; i < chunkCount(layout.B); ++i) {
      block.chunk = chunkOf(layout.B, i);
      for (Index t = 0; t < layout.T; t += block.steps) {
        collect(block, t);
        for (Index s = 0; s < count; ++s) add(sums[s], ranges[s], block, initial);
        initial = false;
      }
    }
  }

 private:
  const Weights& w;
  const Layout& layout;
  const Sum* sums;
  const Index count;
  const Index pairs;
  const Index firstGroup, endGroup;
  const int32_t rowPart;
  Range ranges[3];

  // No gate, no sums: the columns of the forget gates.
  void clearForgets() const {
    for (Index group = firstGroup; group < endGroup; ++group) {
      const Index column = layout.H + group * VL, lanes = layout.unitsIn(group);
      for (Index k = 0; k < ranges[0].rows; ++k) {
        storeLanes(w.dw + (ranges[0].first + k) * layout.gates * layout.H + column, vf{}, lanes);
      }
      if (sums[0].biases != nullptr && rowPart == 0) storeLanes(sums[0].biases + column, vf{}, lanes);
    }
  }

  // How many steps after a chunk's first have offsets of 32 bits.
  int64_t reach(Chunk chunk) const {
    const auto largest = [](int64_t a, int64_t b, int64_t c) { return a > b ? (a > c ? a : c) : b > c ? b : c; };
    const int64_t xT = w.xT < 0 ? -w.xT : w.xT, xB = w.xB < 0 ? -w.xB : w.xB;
    const int64_t rows = chunk.rows * largest(xB, layout.ldh, layout.rowStride());
    return (INT32_MAX - rows) / largest(xT, layout.B * layout.ldh, chunk.rows * layout.rowGates());
  }

  // As many steps from t0 on as fit, one at least.
  void collect(Block& block, Index t0) const {
    const Chunk chunk = block.chunk;
    block.gates = layout.gatesOf(w.reserve, chunk, t0);
    block.firstX = t0 * w.xT + chunk.first * w.xB;
    block.firstH = (t0 * layout.B + chunk.first) * layout.ldh;
    block.count = 0;
    block.run = w.mask == nullptr ? chunk.rows : 0;
    Active active;
    const Part whole{chunk, 0, chunk.rows};
    findActive(active, nullptr, 0, whole);
    const int64_t reached = reach(chunk);
    Index t = t0;
    for (; t < layout.T && (t == t0 || (block.count + chunk.rows <= pairs && t - t0 <= reached)); ++t) {
      if (w.mask != nullptr) findActive(active, w.mask + t * w.maskT, w.maskB, whole);
      const int32_t x = static_cast<int32_t>((t - t0) * w.xT), xStep = static_cast<int32_t>(w.xB);
      const int32_t h = static_cast<int32_t>((t - t0) * layout.B * layout.ldh), hStep = static_cast<int32_t>(layout.ldh);
      const int32_t gates = static_cast<int32_t>((t - t0) * chunk.rows * layout.rowGates());
      const int32_t gatesStep = static_cast<int32_t>(layout.rowStride());
      for (Index i = 0; i < active.count; ++i, ++block.count) {
        block.inX[block.count] = x + active.rows[i] * xStep;
        block.inH[block.count] = h + active.rows[i] * hStep;
        block.inGates[block.count] = gates + active.rows[i] * gatesStep;
      }
    }
    block.steps = t - t0;
  }

  void add(const Sum& sum, const Range& range, const Block& block, bool initial) const {
    switch (sum.width()) {
      case 1: addTiles<1>(sum, range, block, initial); break;
      case 2: addTiles<2>(sum, range, block, initial); break;
      case 3: addTiles<3>(sum, range, block, initial); break;
      default: addTiles<kWide>(sum, range, block, initial); break;
    }
    if (sum.biases == nullptr || rowPart > 0) return;
    for (Index group = firstGroup; group < endGroup; ++group) {
      for (Index slot = sum.first; slot < sum.first + sum.slots; ++slot) {
        const Layout::Columns columns = layout.columnsOf(group, slot, sum.recurrent);
        sumBiases(gatesOf(block, group) + slot * VL, block.inGates, block.count, initial, sum.biases + columns.first,
                  columns.count);
      }
    }
  }

  template <int NV>
  void addTiles(const Sum& sum, const Range& range, const Block& block, bool initial) const {
    const float* rows = sum.rows + (sum.inX ? block.firstX : block.firstH);
    const auto addTile = [&](auto tile, Index at, Index group) {
      const Index k = range.first + at;
      for (Index slot = 0; slot < sum.slots; slot += NV) {
        const auto to = targetOf<NV>(layout, sum, group, slot, sum.matrix + k * layout.gates * layout.H);
        sumTile<decltype(tile)::count, NV>(block, rows + k, sum.inX ? block.inX : block.inH, sum.step,
                                           gatesOf(block, group) + (sum.first + slot) * VL, layout.rowStride(), initial, to);
      }
    };
#if defined(__wasm__)
    // Tiles are small: a group's gates must come from the nearest cache.
    for (Index group = firstGroup; group < endGroup; ++group) {
      forTiles<NV>(range.rows, [&](auto tile, Index at) { addTile(tile, at, group); });
    }
#else
    // A few rows of the kernel at a time, for as many groups as stay near: x and h lie scattered, gates in a row. While tiles
    // are multiplied, the gates that come next are fetched: of the next groups, and behind the last ones of the next block.
    const Index near = kGatesAtOnce / (block.count * layout.rowStride() + 1);
    const Index step = near > 1 ? near : 1, stepGates = block.steps * block.chunk.rows * layout.rowGates();
    const auto endOf = [&](Index first) { return first + step < endGroup ? first + step : endGroup; };
    for (Index first = firstGroup; first < endGroup; first += step) {
      const Index end = endOf(first);
      const bool last = end == endGroup;
      const Index next = last ? firstGroup : end, ahead = last ? stepGates : 0, groups = endOf(next) - next;
      Index fetchedGroup = next, fetchedPair = 0, fetched = 0;
      forTiles<NV>(range.rows, [&](auto tile, Index at) {
        const Index due = block.count * groups * (at + tile.count) / range.rows;
        for (; fetched < due; ++fetched) {
          const float* gates = gatesOf(block, fetchedGroup) + block.inGates[fetchedPair];
          for (Index i = 0; i < layout.rowStride(); i += 16) __builtin_prefetch(gates + ahead + i, 0, 2);
          if (++fetchedPair == block.count) fetchedPair = 0, ++fetchedGroup;
        }
        for (Index group = first; group < end; ++group) addTile(tile, at, group);
      });
    }
#endif
  }

  const float* gatesOf(const Block& block, Index group) const {
    return block.gates + group * layout.groupStride(block.chunk.rows);
  }
};

}  // namespace

Status execute(const Context& context, const op::rnnWeights& o, Tail) {
  if (absent(o.x, o.hs, o.reserve)) return context.fail(Status::missingOperand);
  if (const Status status = checkSizes(context, o.cell, o.T, o.B, o.D, o.H); status != Status::ok) return status;
  const Weights w(context, o);
  const Layout& layout = w.layout;
  const float* h = w.dropout == nullptr ? w.hs : layout.droppedOf(w.reserve, 0);
  const bool after = layout.cell == Cell::gru, before = layout.cell == Cell::gruResetBefore;
  const Index inputSlots = after || before ? 3 : layout.slots;

  Sum sums[3];
  Index count = 0;
  const auto add = [&](const float* rows, bool inX, Index K, Index first, Index slots, bool biases) {
    const bool recurrent = count > 0;
    float* db = biases && w.db != nullptr ? w.db + (recurrent ? layout.gates * layout.H : 0) : nullptr;
    sums[count++] = {rows, inX, inX ? w.xB : layout.ldh, K, first, slots, recurrent, recurrent ? w.du : w.dw, db};
  };
  add(w.x, true, w.dw == nullptr ? 0 : o.D, 0, inputSlots, true);
  if (before) {
    add(h, false, w.du == nullptr ? 0 : o.H, 1, 2, false);
    add(layout.resetOf(w.reserve, 0), false, w.du == nullptr ? 0 : o.H, 0, 1, false);
  } else {
    add(h, false, w.du == nullptr ? 0 : o.H, after ? 1 : 0, inputSlots, after);
  }

  // Four tasks, eight for large sums: by groups of units (each part reads all of x and h), then by rows of the kernels
  // (each part reads all gates).
  const int64_t products = int64_t{layout.T} * layout.B * (layout.D + layout.H) * layout.rowGates();
  const int32_t groupParts = layout.groups < 4 ? static_cast<int32_t>(layout.groups) : 4;
  const int32_t rowParts = ((products < 1 << 29 ? 4 : 8) + groupParts - 1) / groupParts;
  parallelFor(context.parallel, groupParts * rowParts, [&](int32_t part) {
    const VanishingIsZero mode;
    Task(w, sums, count, part, groupParts * rowParts, groupParts).run();
  });
  return Status::ok;
}

}  // namespace RONDO_NAMESPACE
