// map: a fused elementwise expression over broadcast operands.
//
// The iteration space is cut into blocks of at most a few hundred lanes. A block's operands are read in place where
// they lie contiguous, else gathered into registers (short arrays on the stack, so that they stay in L1); the steps run
// one after another over the whole block; results are written in place where they can be. No element's value depends on
// the cut.
#include "map.h"
#include "simd.h"

namespace RONDO_NAMESPACE {
namespace {

constexpr int64_t kParallelWork = 1 << 17;  // elements × (steps + operands) below which one thread is faster

bool scalar(const Map& map, const Operand& operand) {
  for (int32_t d = 0; d < map.rank; ++d) {
    if (operand.stride[d] != 0) return false;
  }
  return true;
}

template <class T>
void loadRow(int32_t* to, const T* from, Index stride, Index count) {
  if (stride == 1) {
    for (Index i = 0; i < count; ++i) to[i] = from[i];
  } else if (stride == 0) {
    const int32_t value = from[0];
    for (Index i = 0; i < count; ++i) to[i] = value;
  } else {
    for (Index i = 0; i < count; ++i) to[i] = from[i * stride];
  }
}

template <class T>
void storeRow(T* to, const int32_t* from, Index stride, Index count) {
  if (stride == 1) {
    for (Index i = 0; i < count; ++i) to[i] = static_cast<T>(from[i]);
  } else {
    for (Index i = 0; i < count; ++i) to[i * stride] = static_cast<T>(from[i]);
  }
}

// A block: rows [row, row + rows), of each the columns [column, column + columns).
struct Block {
  Index row, rows, column, columns;
  Index count() const { return rows * columns; }
};

constexpr Index kAbsent = -1;  // the offset of a row that an index leaves out

// body(offset of the row in elements, lane of the row's first element) for each row of the block.
template <class Body>
void eachRow(const Map& map, const Operand& operand, const Block& block, const Body& body) {
  if (operand.index != nullptr) {
    for (Index i = 0; i < block.rows; ++i) {
      const Index row = operand.index[block.row + i];
      const Index offset = row < 0 ? kAbsent : row * operand.stride[0] + block.column * operand.stride[1];
      body(offset, i * block.columns);
    }
    return;
  }
  Index position[limit::rank];
  const int32_t outer = map.rank - 1;
  Index offset = block.column * operand.stride[outer];
  for (Index d = outer - 1, rest = block.row; d >= 0; --d) {
    position[d] = rest % map.dims[d];
    rest /= map.dims[d];
    offset += position[d] * operand.stride[d];
  }
  for (Index i = 0; i < block.rows; ++i) {
    body(offset, i * block.columns);
    for (int32_t d = outer - 1; d >= 0; --d) {
      offset += operand.stride[d];
      if (++position[d] < map.dims[d]) break;
      offset -= map.dims[d] * operand.stride[d];
      position[d] = 0;
    }
  }
}

// The address of the block's elements where they lie one after another, else null.
float* contiguous(const Map& map, const Operand& operand, const Block& block) {
  const bool oneRow = block.rows == 1 && operand.stride[map.rank - 1] == 1;
  if (!operand.inPlace || block.count() % VL != 0 || !(oneRow || (operand.flat && map.segments == 1))) {
    return nullptr;
  }
  float* address = nullptr;
  const Block first{block.row, 1, block.column, block.columns};
  eachRow(map, operand, first, [&](Index offset, Index) {
    if (offset != kAbsent) address = reinterpret_cast<float*>(operand.base) + offset;
  });
  return address;
}

void load(const Map& map, const Operand& operand, const Block& block, float* to) {
  int32_t* lanes = reinterpret_cast<int32_t*>(to);
  const Index stride = operand.stride[map.rank - 1];
  eachRow(map, operand, block, [&](Index offset, Index lane) {
    if (operand.index != nullptr && offset == kAbsent) {
      for (Index i = 0; i < block.columns; ++i) lanes[lane + i] = 0;
    } else if (sizeOf(operand.dtype) == 4) {
      loadRow(lanes + lane, reinterpret_cast<const int32_t*>(operand.base) + offset, stride, block.columns);
    } else {
      loadRow(lanes + lane, reinterpret_cast<const uint8_t*>(operand.base) + offset, stride, block.columns);
    }
  });
}

void store(const Map& map, const Operand& operand, const Block& block, const float* from) {
  const int32_t* lanes = reinterpret_cast<const int32_t*>(from);
  const Index stride = operand.stride[map.rank - 1];
  eachRow(map, operand, block, [&](Index offset, Index lane) {
    if (sizeOf(operand.dtype) == 4) {
      storeRow(reinterpret_cast<int32_t*>(operand.base) + offset, lanes + lane, stride, block.columns);
    } else {
      storeRow(reinterpret_cast<uint8_t*>(operand.base) + offset, lanes + lane, stride, block.columns);
    }
  });
}

void fill(float* to, int32_t bits, Index count) {
  int32_t* lanes = reinterpret_cast<int32_t*>(to);
  for (Index i = 0; i < count; ++i) lanes[i] = bits;
}

bool isConstant(const int32_t* step) { return step[0] <= static_cast<int32_t>(MapOp::constantInt_); }

void runBlocks(const Map& map, Index begin, Index end) {
  alignas(64) float storage[kMapStorage];
  float* value[limit::mapRegisters];  // where each register's lanes are now
  const auto own = [&](int32_t reg) { return storage + reg * map.lanes; };
  bool fixed[limit::mapInputs];  // scalars that no step overwrites
  for (int32_t i = 0; i < map.inputs; ++i) {
    fixed[i] = scalar(map, map.input[i]) && map.writes[i] == 0;
    value[i] = own(i);
    if (fixed[i]) load(map, map.input[i], Block{0, 1, 0, map.lanes}, own(i));
  }
  for (int32_t s = 0; s < map.steps; ++s) {
    const int32_t* step = map.step + 5 * s;
    if (isConstant(step)) fill(own(step[1]), step[2], map.lanes);
  }
  for (int32_t r = map.inputs; r < map.registers; ++r) value[r] = own(r);

  for (Index b = begin; b < end; ++b) {
    Block block{b, 1, 0, map.inner};
    if (map.rowsPerBlock > 1) {
      block.row = b * map.rowsPerBlock;
      block.rows = map.rows - block.row < map.rowsPerBlock ? map.rows - block.row : map.rowsPerBlock;
    } else if (map.segments > 1) {
      block.row = b / map.segments;
      block.column = (b - block.row * map.segments) * map.segment;
      const Index left = map.inner - block.column;
      block.columns = left < map.segment ? left : map.segment;
      if (left <= 0) continue;
    }
    const Index count = (block.count() + VL - 1) / VL * VL;
    for (int32_t i = 0; i < map.inputs; ++i) {
      if (fixed[i]) continue;
      value[i] = contiguous(map, map.input[i], block);
      if (value[i] != nullptr) continue;
      value[i] = own(i);
      load(map, map.input[i], block, own(i));
    }
    bool written[limit::mapOutputs] = {};
    for (int32_t s = 0; s < map.steps; ++s) {
      const int32_t* step = map.step + 5 * s;
      const int32_t reg = step[1];
      float* to = own(reg);
      if (isConstant(step)) {
        if (map.writes[reg] > 1 || reg < map.inputs) fill(to, step[2], count);
      } else {
        const int32_t out = map.outputOf[reg];
        if (out != kNever && map.lastWrite[reg] == s) {
          if (float* place = contiguous(map, map.output[out], block); place != nullptr) {
            to = place;
            written[out] = true;
          }
        }
        const auto arg = [&](int32_t i) { return value[step[i] < map.registers && step[i] >= 0 ? step[i] : 0]; };
        mapStep(static_cast<MapOp>(step[0]), to, arg(2), arg(3), arg(4), count);
      }
      value[reg] = to;
    }
    for (int32_t k = 0; k < map.outputs; ++k) {
      if (!written[k]) store(map, map.output[k], block, value[map.output[k].reg]);
    }
  }
}

void runMap(const Context& context, const Map& map) {
  const Index blocks = map.blocks;
  const int64_t work = int64_t{map.rows} * map.inner * (map.steps + map.inputs + map.outputs);
  const Index most = work < kParallelWork ? 1 : Index{4} * context.parallel->threads;
  const int32_t tasks = static_cast<int32_t>(blocks < most ? blocks : most);
  parallelFor(context.parallel, tasks,
              [&](int32_t task) { runBlocks(map, share(blocks, task, tasks), share(blocks, task + 1, tasks)); });
}

}  // namespace

Status execute(const Context& context, const op::map& o, Tail tail) {
  Map map;
  if (const Status status = decodeMap(context, o, tail, map); status != Status::ok) return status;
  for (int32_t d = 0; d < map.rank; ++d) {
    if (map.dims[d] == 0) return Status::ok;
  }
  planMap(map);
  runMap(context, map);
  return Status::ok;
}

Status execute(const Context& context, const op::mapRows& o, Tail tail) {
  if (absent(o.index)) return context.fail(Status::missingOperand);
  Map map;
  const op::map plain{2, o.inputs, o.outputs, o.steps, o.registers};
  if (const Status status = decodeMap(context, plain, tail, map); status != Status::ok) return status;
  if (!absent(o.count)) {
    const Index count = *context.at<int32_t>(o.count);
    if (count < 0 || count > map.dims[0]) {
      return context.fail(Status::wrongField, static_cast<int32_t>(count), 0, static_cast<int32_t>(map.dims[0]));
    }
    map.dims[0] = count;
  }
  if (map.dims[0] == 0 || map.dims[1] == 0) return Status::ok;
  const int32_t* index = context.at<int32_t>(o.index);
  const int32_t least = o.indexedOutputs == 0 ? -1 : 0;
  for (Index r = 0; r < map.dims[0]; ++r) {
    if (index[r] < least || index[r] >= o.size) {
      return context.fail(Status::indexOutOfRange, static_cast<int32_t>(r), index[r], o.size);
    }
  }
  for (int32_t i = 0; i < map.inputs; ++i) map.input[i].index = o.indexedInputs >> i & 1 ? index : nullptr;
  for (int32_t i = 0; i < map.outputs; ++i) map.output[i].index = o.indexedOutputs >> i & 1 ? index : nullptr;
  planRows(map);
  runMap(context, map);
  return Status::ok;
}

}  // namespace RONDO_NAMESPACE
