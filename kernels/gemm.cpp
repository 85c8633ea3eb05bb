// matmul: products of matrices with any strides.
//
// A task owns a rectangle of the result. It goes through it panel by panel (kWide vectors of columns), packs the panel's
// part of B on its stack, at most kDepth long, and multiplies all its rows with it, tile by tile, in registers. A is read
// where it lies; when it is large, B is packed for all panels of the task first, in `work`, so that a tile of A's rows
// serves all of them while it is in the cache; of a large product with few columns a task owns rows. Sums go on from one part to the next in the order of k: no bit of a row
// depends on the other rows.
#include "relay.h"
#include "tile.h"

namespace RONDO_NAMESPACE {
namespace {

constexpr Index kDepth = 256;
constexpr int64_t kTaskWork = 1 << 16;  // multiplications that are worth a task
constexpr int32_t kMostTasks = 8;
constexpr Index kTallRows = 64;  // from which on packing B is worth it
constexpr int64_t kLarge = 1 << 19;  // numbers in A from which on it is read once for several panels

struct Matmul {
  Index m, n, k;
  const float* a;
  Index aRow, aCol;
  const float* b;
  Index bRow, bCol;
  const float* bias;
  float* c;
  Index cRow;
  bool accumulate;
  float* work;
};

// c += A·B for R rows and NV vectors. A's numbers are at a + row·rowStep + k·kStep; one of the steps is 1 (`byColumn`:
// rowStep). B's rows are bStep apart.
template <int R, int NV, bool byColumn>
RONDO_INLINE void multiply(Index k, const float* a, Index step, const float* b, Index bStep, vf (&c)[R][NV]) {
  const float* row[R];
  RONDO_UNROLL
  for (int i = 0; i < R; ++i) row[i] = byColumn ? a + i : a + i * step;
  RONDO_UNROLL_K
  for (Index p = 0; p < k; ++p) {
    vf line[NV];
    RONDO_UNROLL
    for (int v = 0; v < NV; ++v) line[v] = load(b + p * bStep + v * VL);
    RONDO_UNROLL
    for (int i = 0; i < R; ++i) {
      const vf s = broadcast(byColumn ? row[0][p * step + i] : row[i][p]);
      RONDO_UNROLL
      for (int v = 0; v < NV; ++v) c[i][v] = fma_(s, line[v], c[i][v]);
    }
  }
}

// One tile: c holds (or, at the start, is set to) the sums so far; `lanes` columns of it exist.
template <int R, int NV>
__attribute__((noinline)) void tile(const Matmul& p, bool start, Index k, const float* a, const float* b, Index bStep,
                                    const float* bias, float* c, Index lanes) {
  const auto lanesOf = [&](int v) { return lanes - v * VL; };
  vf sums[R][NV];
  RONDO_UNROLL
  for (int v = 0; v < NV; ++v) {
    const vf first = start && bias != nullptr ? loadLanes(bias + v * VL, lanesOf(v)) : broadcast(0.f);
    RONDO_UNROLL
    for (int i = 0; i < R; ++i) {
      sums[i][v] = start && !p.accumulate ? first : loadLanes(c + i * p.cRow + v * VL, lanesOf(v)) + first;
    }
  }
  if (p.aCol == 1) {
    multiply<R, NV, false>(k, a, p.aRow, b, bStep, sums);
  } else if (p.aRow == 1) {
    multiply<R, NV, true>(k, a, p.aCol, b, bStep, sums);
  } else {
    float packed[R * kDepth];
    for (Index q = 0; q < k; ++q) {
      for (int i = 0; i < R; ++i) packed[q * R + i] = a[i * p.aRow + q * p.aCol];
    }
    multiply<R, NV, true>(k, packed, R, b, bStep, sums);
  }
  RONDO_UNROLL
  for (int i = 0; i < R; ++i) {
    RONDO_UNROLL
    for (int v = 0; v < NV; ++v) storeLanes(c + i * p.cRow + v * VL, sums[i][v], lanesOf(v));
  }
}

// [k, NV vectors] from B, zeros beyond `lanes`.
void packPanel(const float* b, Index bRow, Index bCol, Index k, Index lanes, Index vectors, float* to) {
  const Index width = vectors * VL;
  if (bCol == 1) {
    for (Index q = 0; q < k; ++q) {
      for (Index v = 0; v < vectors; ++v) store(to + q * width + v * VL, loadLanes(b + q * bRow + v * VL, lanes - v * VL));
    }
    return;
  }
  // A few rows at a time, so that what is written stays near.
  constexpr Index some = 16;
  for (Index q0 = 0; q0 < k; q0 += some) {
    const Index end = q0 + some < k ? q0 + some : k;
    for (Index j = 0; j < width; ++j) {
      const float* from = b + j * bCol;
      for (Index q = q0; q < end; ++q) to[q * width + j] = j < lanes ? from[q * bRow] : 0.f;
    }
  }
}

// Rows [row0, row1) times a panel of NV vectors, from column `column` and for k from k0 on.
template <int NV>
void panelRows(const Matmul& p, Index column, Index k0, Index row0, Index row1, const float* b, Index bStep) {
  const Index k = p.k - k0 < kDepth ? p.k - k0 : kDepth;
  forTiles<NV>(row1 - row0, [&](auto rows, Index at) {
    const Index row = row0 + at;
    tile<decltype(rows)::count, NV>(p, k0 == 0, k, p.a + row * p.aRow + k0 * p.aCol, b, bStep,
                                    p.bias == nullptr ? nullptr : p.bias + column, p.c + row * p.cRow + column,
                                    p.n - column < NV * VL ? p.n - column : NV * VL);
  });
}

template <int NV>
void panel(const Matmul& p, Index column, Index row0, Index row1) {
  alignas(64) float packed[kDepth * NV * VL];
  const bool inPlace = p.bCol == 1 && p.n - column >= NV * VL && row1 - row0 <= 2 * tileRows(NV);
  for (Index k0 = 0; k0 < p.k || k0 == 0; k0 += kDepth) {
    const float* b = p.b + k0 * p.bRow + column * p.bCol;
    if (inPlace) {
      panelRows<NV>(p, column, k0, row0, row1, b, p.bRow);
    } else {
      packPanel(b, p.bRow, p.bCol, p.k - k0 < kDepth ? p.k - k0 : kDepth, p.n - column, NV, packed);
      panelRows<NV>(p, column, k0, row0, row1, packed, NV * VL);
    }
  }
}

void rectangle(const Matmul& p, Index column0, Index column1, Index row0, Index row1) {
  for (Index column = column0; column < column1;) {
    const Index vectors = (column1 - column + VL - 1) / VL;
    if (vectors >= kWide) {
      panel<kWide>(p, column, row0, row1);
      column += kWide * VL;
    } else if (vectors >= 2) {
      panel<2>(p, column, row0, row1);
      column += 2 * VL;
    } else {
      panel<1>(p, column, row0, row1);
      column += VL;
    }
  }
}

void copyLanes(const float* from, float* to, Index n) {
  for (Index i = 0; i < n; i += VL) storeLanes(to + i, loadLanes(from + i, n - i), n - i);
}

// body(NV, column, packed) for the panels of the columns [column0, column1): as wide as tiles get, narrower at the end.
template <class Body>
void eachPanel(Index column0, Index column1, float* packed, const Body& body) {
  for (Index column = column0; column < column1;) {
    const Index vectors = (column1 - column + VL - 1) / VL;
    float* panel = packed + (column - column0) * kDepth;
    if (vectors >= kWide) {
      body(Rows<kWide>{}, column, panel);
      column += kWide * VL;
    } else if (vectors >= 2) {
      body(Rows<2>{}, column, panel);
      column += 2 * VL;
    } else {
      body(Rows<1>{}, column, panel);
      column += VL;
    }
  }
}

Index depthAt(const Matmul& p, Index k0) { return p.k - k0 < kDepth ? p.k - k0 : kDepth; }

// B's rows from k0 on, for some columns.
void packColumns(const Matmul& p, Index k0, Index column0, Index column1, float* packed) {
  eachPanel(column0, column1, packed, [&](auto width, Index column, float* panel) {
    packPanel(p.b + k0 * p.bRow + column * p.bCol, p.bRow, p.bCol, depthAt(p, k0), p.n - column, width.count, panel);
  });
}

// Rows [row0, row1) times packed columns: a tile of A's rows serves all of them.
void multiplyPacked(const Matmul& p, Index k0, Index row0, Index row1, Index column0, Index column1, float* packed) {
  const Index k = depthAt(p, k0);
  forTiles<kWide>(row1 - row0, [&](auto rows, Index at) {
    const Index row = row0 + at;
    constexpr Index step = kDepth + 16;  // rows a power of two apart would evict each other
    alignas(64) float copy[kTileRows * step];
    Matmul local = p;
    const float* a = p.a + row * p.aRow + k0 * p.aCol;
    if (p.aCol == 1) {
      for (int i = 0; i < rows.count; ++i) {
        copyLanes(a + i * p.aRow, copy + i * step, k);
        const float* next = a + (i + rows.count) * p.aRow;
        for (Index q = 0; q < k && row + i + rows.count < row1; q += 16) __builtin_prefetch(next + q);
      }
      a = copy;
      local.aRow = step;
    }
    eachPanel(column0, column1, packed, [&](auto width, Index column, float* panel) {
      tile<decltype(rows)::count, decltype(width)::count>(local, k0 == 0, k, a, panel, width.count * VL,
                                                          p.bias == nullptr ? nullptr : p.bias + column,
                                                          p.c + row * p.cRow + column, p.n - column);
    });
  });
}

// All rows of some columns of a large product.
void largeRectangle(const Matmul& p, Index column0, Index column1) {
  float* packed = p.work + column0 * kDepth;
  for (Index k0 = 0; k0 < p.k; k0 += kDepth) {
    packColumns(p, k0, column0, column1, packed);
    multiplyPacked(p, k0, 0, p.m, column0, column1, packed);
  }
}

// A large product of few columns: threads share the rows, after they have packed their parts of B's.
void tallProduct(const Context& context, const Matmul& p) {
  const Index most = p.m < kMostParts ? p.m : kMostParts;
  const int32_t parts = static_cast<int32_t>(most < context.parallel->threads ? most : context.parallel->threads);
  const Index panels = (p.n + VL - 1) / VL, blocks = (p.k + kDepth - 1) / kDepth;
  relay(context.parallel, parts, static_cast<int32_t>(2 * blocks), [&](int32_t phase, int32_t part) {
    const Index k0 = phase / 2 * kDepth;
    if (phase % 2 == 0) {
      // Whole tiles' widths, as the products read them.
      constexpr Index width = kWide * VL;
      const Index wide = (panels + kWide - 1) / kWide;
      const Index from = share(wide, part, parts) * width, end = share(wide, part + 1, parts) * width;
      packColumns(p, k0, from, end < p.n ? end : p.n, p.work + from * kDepth);
    } else {
      multiplyPacked(p, k0, share(p.m, part, parts), share(p.m, part + 1, parts), 0, p.n, p.work);
    }
  });
}

// Moves the operands of batch `index` to the front.
Matmul ofBatch(Matmul p, const int32_t* tail, int32_t rank, int32_t index) {
  for (int32_t d = rank - 1; d >= 0; --d) {
    const Index at = index % tail[d];
    index /= tail[d];
    p.a += at * tail[rank + d];
    p.b += at * tail[2 * rank + d];
    p.c += at * tail[3 * rank + d];
  }
  return p;
}

}  // namespace

Status execute(const Context& context, const op::matmul& o, Tail tail) {
  if (absent(o.a, o.b, o.c)) return context.fail(Status::missingOperand);
  if (o.batchRank < 0 || o.batchRank > limit::rank) return context.fail(Status::wrongField, o.batchRank, 0, limit::rank);
  if (tail.count != 4 * o.batchRank) return context.fail(Status::wrongLength, tail.count, 4 * o.batchRank);
  const Matmul p{o.m, o.n, o.k, context.at<float>(o.a), o.aRow, o.aCol, context.at<float>(o.b), o.bRow, o.bCol,
                 context.at<float>(o.bias), context.at<float>(o.c), o.cRow, o.accumulate != 0, context.at<float>(o.work)};
  int32_t batches = 1;
  for (int32_t d = 0; d < o.batchRank; ++d) batches *= tail.words[d];
  if (batches == 0 || o.m == 0 || o.n == 0) return Status::ok;

  // How a product is cut: by panels first, so that B is packed once, then by rows; products of a batch apart.
  const Index width = kWide * VL, panels = (p.n + width - 1) / width, height = tileRows(kWide);
  const Index rowTiles = (p.m + height - 1) / height;
  const int64_t work = int64_t{p.m} * p.n * (p.k + 1) / kTaskWork;
  const int32_t tasks = static_cast<int32_t>(work < 1 ? 1 : work > kMostTasks ? kMostTasks : work);
  const int32_t across = static_cast<int32_t>(panels < tasks ? panels : tasks);
  const Index wanted = (tasks + across - 1) / across;
  const int32_t down = static_cast<int32_t>(rowTiles < wanted ? rowTiles : wanted);
  const bool large = batches == 1 && p.work != nullptr && int64_t{p.m} * p.k >= kLarge;
  if (large && panels <= kMostTasks && p.m >= kTallRows) {
    tallProduct(context, p);
    return Status::ok;
  }
  if (large && down == 1 && panels > across) {
    parallelFor(context.parallel, across, [&](int32_t task) {
      const Index last = share(panels, task + 1, across) * width;
      largeRectangle(p, share(panels, task, across) * width, last < p.n ? last : p.n);
    });
    return Status::ok;
  }
  // Small products of a batch share a task.
  const int32_t pieces = batches * across * down;
  const int64_t together = across * down > 1 ? 1 : kTaskWork / (int64_t{p.m} * p.n * (p.k + 1)) + 1;
  const int32_t runs = static_cast<int32_t>((pieces + together - 1) / together);
  parallelFor(context.parallel, runs, [&](int32_t run) {
    const int32_t end = static_cast<int32_t>(share(pieces, run + 1, runs));
    for (int32_t piece = static_cast<int32_t>(share(pieces, run, runs)); piece < end; ++piece) {
      const Matmul one = ofBatch(p, tail.words, o.batchRank, piece / (across * down));
      const int32_t column = piece % across, row = piece / across % down;
      const Index last = share(panels, column + 1, across) * width, bottom = share(rowTiles, row + 1, down) * height;
      rectangle(one, share(panels, column, across) * width, last < p.n ? last : p.n, share(rowTiles, row, down) * height,
                bottom < p.m ? bottom : p.m);
    }
  });
  return Status::ok;
}

}  // namespace RONDO_NAMESPACE
