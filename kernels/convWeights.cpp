// convWeights: the gradient of a convolution's weights, and of its bias, as products over pixels.
//
// The rows of all images are cut into pieces; what a piece adds up does not depend on the threads, and the pieces' sums are
// added in their order. Within a piece some rows at a time are gone through, few enough for the nearest cache: for each tile
// of R numbers of a patch times NV vectors of filters, the sums over the rows' pixels stay in registers, and are then added
// to the piece's. Taps that lie outside the image for a pixel are left out.
#include "conv.h"

namespace RONDO_NAMESPACE {
namespace {

constexpr Index kBlockPixels = 128;  // that are gone through at a time, about
// Filters that one task adds up: whole blocks, whole panels.
constexpr Index kColumns = kWide * VL > kBlock ? kWide * VL : kBlock;

struct Weights : Conv {
  const float* dy;
  float *dpack, *dbias, *work;
  int32_t pieces;

  Weights(const Context& context, const op::convWeights& o)
      : Conv(context, o), dy(context.at<float>(o.dy)), dpack(context.at<float>(o.dpack)), dbias(context.at<float>(o.dbias)),
        work(context.at<float>(o.work)), pieces(o.pieces) {}

  Index rows() const { return N * OH; }
  float* packOf(int32_t piece) const { return pieces == 1 ? dpack : work + piece * packSize(); }
  float* biasOf(int32_t piece) const { return pieces == 1 ? dbias : work + pieces * packSize() + piece * F; }
};

// The first and the one after the last of OW pixels whose tap, `offset` from the pixel's own place, lies in the image.
struct Reach {
  Index begin, end;
};
Reach reachOf(Index count, Index stride, Index offset, Index size) {
  const Index begin = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
  const Index end = size - offset <= 0 ? 0 : (size - offset + stride - 1) / stride;
  return {begin, end < count ? end : count};
}

// Where the numbers of one row of output pixels are.
struct Line {
  const float *x, *dy;
};

// Pixels, `count` in each line, `apart` pixels of the output and `xStep` numbers of x from one another.
struct Block {
  const Line* lines;
  Index count, pixels, xStep, yStep;
  Index xFrom, yFrom;
};

// totals [R][NV vectors] += the block's sums; a vector's numbers are `step` blocks apart.
template <int R, int NV>
__attribute__((noinline)) void tile(const Block& block, Index k, float* totals, Index step) {
  vf c[R][NV];
  clear(c);
  for (Index i = 0; i < block.count; ++i) {
    accumulatePairs<R, NV>(block.pixels, block.lines[i].x + block.xFrom + k, block.xStep, block.lines[i].dy + block.yFrom,
                           block.yStep, c);
  }
  RONDO_UNROLL
  for (int i = 0; i < R; ++i) {
    RONDO_UNROLL
    for (int v = 0; v < NV; ++v) {
      float* total = totals + i * kBlock + v * VL / kBlock * step + v * VL % kBlock;
      store(total, load(total) + c[i][v]);
    }
  }
}

// The numbers [k, k + count) of the patches.
template <int NV>
void tiles(const Block& block, Index count, float* totals, Index step) {
  if (block.count == 0 || block.pixels <= 0) return;
  forTiles<NV>(count, [&](auto rows, Index k) { tile<decltype(rows)::count, NV>(block, k, totals + k * kBlock, step); });
}

// One panel of filters, for output rows [row, end) of an image.
template <int NV>
void panelRows(const Weights& p, int32_t piece, Index image, Index group, Index column, Index row, Index end) {
  constexpr Index width = NV * VL;
  alignas(64) float copy[kBlockPixels * width];
  const Index lanes = p.filters - column < width ? p.filters - column : width, step = p.K * kBlock;
  float* totals = p.packOf(piece) + (group * p.blocks + column / kBlock) * step + column % kBlock;
  const float* x = p.x + image * p.xN + group * p.channels;
  // Of rows that are longer than a block, some columns at a time.
  const Index across = p.OW < kBlockPixels ? p.OW : kBlockPixels;
  for (Index from = 0; from < p.OW; from += across) {
    const Index pixels = p.OW - from < across ? p.OW - from : across;
    const float* dy = p.dy + ((image * p.OH + row) * p.OW + from) * p.F + group * p.filters + column;
    Index dyRow = p.OW * p.F, dyStep = p.F;
    if (lanes < width) {
      for (Index i = 0; i < (end - row) * pixels; ++i) {
        const float* pixel = dy + i / pixels * dyRow + i % pixels * p.F;
        for (int v = 0; v < NV; ++v) store(copy + i * width + v * VL, loadLanes(pixel + v * VL, lanes - v * VL));
      }
      dy = copy, dyRow = pixels * width, dyStep = width;
    }
    for (Index kh = 0; kh < p.KH; ++kh) {
      Line lines[kBlockPixels];
      Index count = 0;
      for (Index r = row; r < end; ++r) {
        const Index y = r * p.sH - p.top + kh * p.dH;
        if (p.uH > 1 && restOf(y, p.uH) != 0) continue;
        const Index at = p.uH > 1 ? floorOf(y, p.uH) : y;
        if (at >= 0 && at < p.H) lines[count++] = {x + at * p.W * p.C, dy + (r - row) * dyRow};
      }
      // Pixels [reach.begin, reach.end) of those from `from` on, one in `every`, for `columns` taps from `kw` on.
      const auto add = [&](Reach reach, Index every, Index kw, Index columns) {
        const Index offset = (from + reach.begin) * p.sW - p.left + kw * p.dW;
        const Block block{lines, count, (reach.end - reach.begin + every - 1) / every,
                          every * p.sW * p.C / (p.uW > 1 ? p.uW : 1), every * dyStep,
                          floorOf(offset, p.uW) * p.C, reach.begin * dyStep};
        tiles<NV>(block, columns * p.channels, totals + (kh * p.KW + kw) * p.channels * kBlock, step);
      };
      const Index base = from * p.sW - p.left;
      if (p.uW > 1) {  // s = 1: one pixel in u meets the tap
        for (Index kw = 0; kw < p.KW; ++kw) {
          const Index offset = base + kw * p.dW, begin = offset < 0 ? -offset : restOf(-offset, p.uW);
          const Index last = (p.W - 1) * p.uW - offset + 1;
          add({begin, last < pixels ? last : pixels}, p.uW, kw, 1);
        }
        continue;
      }
      Reach whole{0, 0};
      if (p.rowsTogether()) {
        const Reach left = reachOf(pixels, p.sW, base, p.W), right = reachOf(pixels, p.sW, base + p.KW - 1, p.W);
        whole = {left.begin, right.end > left.begin ? right.end : left.begin};
        add(whole, 1, 0, p.KW);
      }
      for (Index kw = 0; kw < p.KW; ++kw) {
        const Reach reach = reachOf(pixels, p.sW, base + kw * p.dW, p.W);
        if (!p.rowsTogether()) {
          add(reach, 1, kw, 1);
        } else {
          add({reach.begin, reach.end < whole.begin ? reach.end : whole.begin}, 1, kw, 1);
          add({reach.begin > whole.end ? reach.begin : whole.end, reach.end}, 1, kw, 1);
        }
      }
    }
  }
}

void addBias(const Weights& p, float* sums, Index image, Index row, Index end) {
  const float* dy = p.dy + (image * p.OH + row) * p.OW * p.F;
  const Index pixels = (end - row) * p.OW;
  for (Index f = 0; f < p.F; f += VL) {
    vf even = {}, odd = {};
    Index i = 0;
    for (; i + 2 <= pixels; i += 2) {
      even += loadLanes(dy + i * p.F + f, p.F - f);
      odd += loadLanes(dy + (i + 1) * p.F + f, p.F - f);
    }
    if (i < pixels) even += loadLanes(dy + i * p.F + f, p.F - f);
    storeLanes(sums + f, loadLanes(sums + f, p.F - f) + (even + odd), p.F - f);
  }
}

// The sums of a piece, for the panels of filters [from, to).
void addPiece(const Weights& p, int32_t piece, Index from, Index to, bool bias) {
  const Index begin = share(p.rows(), piece, p.pieces), end = share(p.rows(), piece + 1, p.pieces);
  const Index together = p.OW == 0 || p.OW >= kBlockPixels ? 1 : kBlockPixels / p.OW;
  for (Index at = begin; at < end;) {
    const Index image = at / p.OH, row = at % p.OH;
    Index last = row + together < p.OH ? row + together : p.OH;
    if (last - row > end - at) last = row + end - at;
    if (bias) addBias(p, p.biasOf(piece), image, row, last);
    for (Index index = from; index < to; ++index) {
      const Index perGroup = (p.filters + kColumns - 1) / kColumns, group = index / perGroup;
      Index column = index % perGroup * kColumns;
      const Index columnEnd = p.filters - column < kColumns ? p.filters : column + kColumns;
      while (column < columnEnd) {
        const Index vectors = (columnEnd - column + VL - 1) / VL;
        if (vectors >= kWide) {
          panelRows<kWide>(p, piece, image, group, column, row, last);
          column += kWide * VL;
        } else if (vectors >= 2) {
          panelRows<2>(p, piece, image, group, column, row, last);
          column += 2 * VL;
        } else {
          panelRows<1>(p, piece, image, group, column, row, last);
          column += VL;
        }
      }
    }
    at += last - row;
  }
}

// out[i] = the sum of `pieces` numbers `apart`, added in their order.
void addUp(const float* from, Index apart, int32_t pieces, float* out, Index begin, Index end) {
  for (Index i = begin; i < end; i += VL) {
    vf sum = loadLanes(from + i, end - i);
    for (int32_t piece = 1; piece < pieces; ++piece) sum += loadLanes(from + piece * apart + i, end - i);
    storeLanes(out + i, sum, end - i);
  }
}

}  // namespace

Status execute(const Context& context, const op::convWeights& o, Tail) {
  if (absent(o.x, o.dy, o.dpack)) return context.fail(Status::missingOperand);
  if (const Status status = checkConv(context, o); status != Status::ok) return status;
  if (o.pieces < 1 || (o.pieces > 1 && absent(o.work))) return context.fail(Status::wrongField, o.pieces, 1, 1);
  const Weights p(context, o);
  const Index perGroup = (p.filters + kColumns - 1) / kColumns, panels = p.groups * perGroup;
  // Pieces first, then their filters: each number of a piece is added up by one task.
  const int32_t parts = p.pieces >= 8 ? 1 : static_cast<int32_t>(panels < 16 ? panels : 16);
  const Index size = p.packSize();
  parallelFor(context.parallel, p.pieces * parts, [&](int32_t task) {
    const int32_t piece = task / parts, part = task % parts;
    const Index from = share(panels, part, parts), to = share(panels, part + 1, parts);
    for (Index index = from; index < to; ++index) {
      const Index block = index % perGroup * kColumns / kBlock, most = p.blocks - block, blocks = kColumns / kBlock;
      float* totals = p.packOf(piece) + (index / perGroup * p.blocks + block) * p.K * kBlock;
      for (Index i = 0; i < (blocks < most ? blocks : most) * p.K * kBlock; ++i) totals[i] = 0;
    }
    const bool bias = part == 0 && p.dbias != nullptr;
    for (Index f = 0; bias && f < p.F; ++f) p.biasOf(piece)[f] = 0;
    addPiece(p, piece, from, to, bias);
  });
  if (p.pieces == 1) return Status::ok;
  const int32_t tasks = size < 4096 ? 1 : size < 65536 ? 4 : 16;
  parallelFor(context.parallel, tasks, [&](int32_t task) {
    addUp(p.work, size, p.pieces, p.dpack, share(size / kBlock, task, tasks) * kBlock,
          share(size / kBlock, task + 1, tasks) * kBlock);
    if (task == 0 && p.dbias != nullptr) addUp(p.work + p.pieces * size, p.F, p.pieces, p.dbias, 0, p.F);
  });
  return Status::ok;
}

}  // namespace RONDO_NAMESPACE
