// Decoding and planning of `map`; costs about as much as a block of its work, so it is done on every run.
#include "map.h"
#include "simd.h"

namespace RONDO_NAMESPACE {
namespace {

// Merges neighbouring dims that every operand walks as one, and drops those of size 1.
void collapse(Map& map) {
  const auto each = [&](auto&& body) {
    for (int32_t i = 0; i < map.inputs; ++i) body(map.input[i]);
    for (int32_t i = 0; i < map.outputs; ++i) body(map.output[i]);
  };
  int32_t rank = 0;
  for (int32_t d = 0; d < map.rank; ++d) {
    if (map.dims[d] == 1) continue;
    bool merge = rank > 0;
    if (merge) {
      each([&](const Operand& operand) { merge &= operand.stride[rank - 1] == operand.stride[d] * map.dims[d]; });
    }
    const int32_t to = merge ? rank - 1 : rank++;
    map.dims[to] = merge ? map.dims[to] * map.dims[d] : map.dims[d];
    each([&](Operand& operand) { operand.stride[to] = operand.stride[d]; });
  }
  if (rank == 0) {  // one element
    map.dims[rank++] = 1;
    each([](Operand& operand) { operand.stride[0] = 0; });
  }
  map.rank = rank;
  map.inner = map.dims[rank - 1];
  map.rows = 1;
  for (int32_t d = 0; d + 1 < rank; ++d) map.rows *= map.dims[d];
}

// Whether the whole operand lies in memory in the order of the iteration.
bool flat(const Map& map, const Operand& operand) {
  if (operand.index != nullptr) return false;
  Index expected = 1;
  for (int32_t d = map.rank - 1; d >= 0; --d) {
    if (operand.stride[d] != expected) return false;
    expected *= map.dims[d];
  }
  return true;
}

// Decides which operands need no copy. Outputs may be inputs too, at the same address: an input that is needed after
// its memory has been overwritten is copied, an output that would overwrite an input too early is written last.
void placeOperands(Map& map) {
  for (int32_t i = 0; i < map.inputs; ++i) {
    Operand& input = map.input[i];
    input.inPlace = sizeOf(input.dtype) == 4;
    input.flat = flat(map, input);
    bool overwritten = false, stored = false;
    for (int32_t k = 0; k < map.outputs; ++k) {
      overwritten |= map.output[k].base == input.base;
      stored |= map.output[k].reg == i && map.output[k].base != input.base;
    }
    if (overwritten && stored) input.inPlace = false;
  }
  for (int32_t k = 0; k < map.outputs; ++k) {
    Operand& output = map.output[k];
    output.flat = flat(map, output);
    const int32_t last = map.lastWrite[output.reg];
    output.inPlace = sizeOf(output.dtype) == 4 && last != kNever && map.outputOf[output.reg] == kNever &&
                     map.step[5 * last] > static_cast<int32_t>(MapOp::constantInt_);
    for (int32_t s = last + 1; output.inPlace && s < map.steps; ++s) {
      const int32_t* step = map.step + 5 * s;
      for (int32_t a = 0; a < arityOf(step[0]); ++a) {
        const int32_t reg = step[2 + a];
        if (reg < map.inputs && map.input[reg].base == output.base) output.inPlace = false;
      }
    }
    if (output.inPlace) map.outputOf[output.reg] = k;
  }
}

// Chooses the blocks: whole rows when they are short, so many that their lanes fill vectors exactly where possible.
void cutIntoBlocks(Map& map) {
  map.lanes = map.registers <= 16 ? 512 : 256;
  if (map.inner > map.lanes / 2) {
    map.rowsPerBlock = 1;
    map.segments = (map.inner + map.lanes - 1) / map.lanes;
    const Index share = (map.inner + map.segments - 1) / map.segments;
    map.segment = (share + VL - 1) / VL * VL;
    map.blocks = map.rows * map.segments;
    return;
  }
  Index multiple = VL;
  while (multiple > 1 && map.inner * multiple / 2 % VL == 0) multiple /= 2;
  map.rowsPerBlock = map.lanes / map.inner;
  if (map.rowsPerBlock > multiple) map.rowsPerBlock -= map.rowsPerBlock % multiple;
  map.segments = 1;
  map.segment = map.inner;
  map.blocks = (map.rows + map.rowsPerBlock - 1) / map.rowsPerBlock;
}

}  // namespace

Status decodeMap(const Context& context, const op::map& o, Tail tail, Map& map) {
  const auto outside = [&](int32_t value, int32_t least, int32_t greatest) {
    return value < least || value > greatest ? context.fail(Status::wrongField, value, least, greatest) : Status::ok;
  };
  Status status = outside(o.rank, 0, limit::rank);
  if (status == Status::ok) status = outside(o.inputs, 0, limit::mapInputs);
  if (status == Status::ok) status = outside(o.outputs, 0, limit::mapOutputs);
  if (status == Status::ok) status = outside(o.registers, o.inputs, limit::mapRegisters);
  if (status == Status::ok) status = outside(o.steps, 0, tail.count / 5);
  if (status != Status::ok) return status;
  const int32_t words = o.rank + o.inputs * (3 + o.rank) + o.outputs * (4 + o.rank) + o.steps * 5;
  if (tail.count != words) return context.fail(Status::wrongLength, tail.count, words);

  const int32_t* word = tail.words;
  map.rank = o.rank;
  map.inputs = o.inputs;
  map.outputs = o.outputs;
  map.steps = o.steps;
  map.registers = o.registers;
  for (int32_t d = 0; d < o.rank; ++d) {
    if (*word < 0) return outside(*word, 0, INT32_MAX);
    map.dims[d] = *word++;
  }
  for (int32_t i = 0; i < o.inputs + o.outputs; ++i) {
    Operand& operand = i < o.inputs ? map.input[i] : map.output[i - o.inputs];
    const Ptr p{word[0], word[1]};
    if (p.buffer < 0 || p.buffer >= context.count) return context.fail(Status::unknownBuffer, p.buffer, context.count);
    if (status = outside(word[2], 0, 3); status != Status::ok) return status;
    operand.dtype = static_cast<Dtype>(word[2]);
    operand.base = static_cast<char*>(context.buffers[p.buffer]) + p.offset * sizeOf(operand.dtype);
    word += 3;
    operand.reg = i < o.inputs ? i : *word++;
    if (status = outside(operand.reg, 0, o.registers - 1); status != Status::ok) return status;
    for (int32_t d = 0; d < o.rank; ++d) operand.stride[d] = *word++;
    operand.index = nullptr;
  }
  map.step = word;
  for (int32_t r = 0; r < o.registers; ++r) {
    map.writes[r] = 0;
    map.lastWrite[r] = map.outputOf[r] = kNever;
  }
  for (int32_t s = 0; s < o.steps; ++s, word += 5) {
    const int32_t arity = arityOf(word[0]);
    if (arity < 0) return context.fail(Status::unknownOpcode, word[0]);
    for (int32_t i = 1; i < 2 + arity; ++i) {
      if (status = outside(word[i], 0, o.registers - 1); status != Status::ok) return status;
    }
    ++map.writes[word[1]];
    map.lastWrite[word[1]] = s;
  }
  return Status::ok;
}

void planMap(Map& map) {
  collapse(map);
  placeOperands(map);
  cutIntoBlocks(map);
}

void planRows(Map& map) {
  map.rows = map.dims[0];
  map.inner = map.dims[1];
  placeOperands(map);
  cutIntoBlocks(map);
}

}  // namespace RONDO_NAMESPACE
