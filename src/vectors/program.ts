import { codes } from "../plan/abi.js";
import { Encoder } from "../plan/encode.js";
import { aligned, type BufferSlot, type Port, type Program } from "../plan/program.js";
import { skipGramWork } from "../plan/sizes.js";

/** V words, D numbers of each vector. */
export interface VectorsShape {
  /** V */
  readonly words: number;
  /** D */
  readonly vectorSize: number;
  readonly window: number;
  readonly negative: number;
  readonly lanes: number;
  readonly rounds: number;
  readonly roundWords: number;
}

/** Where the parts of the state lie, in bytes. Rows of the tables are padded to whole cache lines with zeros. */
export interface VectorsState {
  /** Numbers from one row of a table to the next. */
  readonly cols: number;
  /** float32 [V, cols]: the vectors, and those that words have as neighbours and as negatives. */
  readonly input: number;
  readonly output: number;
  /** float32, float32, int32 [V]. */
  readonly keep: number;
  readonly probability: number;
  readonly alias: number;
  /** int32 [2]. */
  readonly seed: number;
  readonly bytes: number;
}

export function stateOf({ words, vectorSize }: VectorsShape): VectorsState {
  const cols = Math.ceil(vectorSize / 16) * 16;
  let bytes = 0;
  const place = (size: number): number => {
    const at = bytes;
    bytes += aligned(size);
    return at;
  };
  return {
    cols,
    input: place(4 * words * cols),
    output: place(4 * words * cols),
    keep: place(4 * words),
    probability: place(4 * words),
    alias: place(4 * words),
    seed: place(8),
    bytes,
  };
}

const port = (name: string, dtype: Port["dtype"], ...shape: number[]): Port => ({
  name,
  dtype,
  shape,
  size: shape.reduce((a, b) => a * b, 1),
});

const portSlot = (region: "input" | "output", index: number, size: number): BufferSlot => ({
  region,
  index,
  offset: 0,
  bytes: 4 * size,
});

const at = (buffer: number) => ({ buffer, offset: 0 });

/** Trains on a block of words. Inputs: the words [rounds · roundWords]; their place [3]; the learning rate of each round. */
export function trainingProgram(shape: VectorsShape): Program {
  const state = stateOf(shape);
  const { words: rows, window, negative, lanes, rounds, roundWords } = shape;
  const { cols } = state;
  const inputs = [
    port("words", "int32", rounds * roundWords),
    port("place", "int32", 3),
    port("rates", "float32", rounds),
  ];
  const inState = (offset: number, size: number): BufferSlot => ({
    region: "state",
    index: 0,
    offset,
    bytes: 4 * size,
  });
  const work = skipGramWork({ rounds, roundWords, lanes, window, negative, cols });
  const encoder = new Encoder();
  encoder.emit("skipGram", {
    rounds,
    roundWords,
    lanes,
    window,
    negative,
    rows,
    cols,
    words: at(0),
    place: at(1),
    rates: at(2),
    input: at(3),
    output: at(4),
    keep: at(5),
    probability: at(6),
    alias: at(7),
    seed: at(8),
    work: at(9),
  });
  return programOf("skip-gram", encoder, {
    buffers: [
      ...inputs.map(({ size }, i) => portSlot("input", i, size)),
      inState(state.input, rows * cols),
      inState(state.output, rows * cols),
      inState(state.keep, rows),
      inState(state.probability, rows),
      inState(state.alias, rows),
      inState(state.seed, 2),
      { region: "scratch", index: 0, offset: 0, bytes: 4 * work },
    ],
    writes: "weights",
    scratchBytes: aligned(4 * work),
    stateBytes: state.bytes,
    inputs,
    outputs: [],
  });
}

/** Block of random words that no word of a text has: numbers of the first vectors. */
const firstVectors = -1;

/** First vectors of some rows, even in [-1/D, 1/D). Inputs: the seed [2]; the first row [1]. Output: [rows, D]. */
export function firstVectorsProgram(rows: number, vectorSize: number): Program {
  const inputs = [port("seed", "int32", 2), port("row", "int32", 1)];
  const outputs = [port("vectors", "float32", rows, vectorSize)];
  const encoder = new Encoder();
  encoder.emit("random", {
    kind: codes.distribution.uniform,
    x: null,
    out: at(2),
    rows,
    rowElements: vectorSize,
    seed: at(0),
    step: null,
    rowBase: at(1),
    opId: firstVectors,
    a: -1 / vectorSize,
    b: 1 / vectorSize,
  });
  return programOf("first vectors", encoder, {
    buffers: [portSlot("input", 0, 2), portSlot("input", 1, 1), portSlot("output", 0, rows * vectorSize)],
    writes: "nothing",
    scratchBytes: 0,
    stateBytes: 0,
    inputs,
    outputs,
  });
}

function programOf(
  name: string,
  encoder: Encoder,
  parts: Omit<Program, "name" | "words" | "entries" | "cacheBytes" | "constants"> & {
    readonly writes: "weights" | "nothing";
  },
): Program {
  const { writes, ...rest } = parts;
  const words = encoder.words();
  return {
    name,
    words,
    entries: { main: { begin: 0, end: words.length, writes } },
    cacheBytes: 0,
    constants: new Uint8Array(0),
    ...rest,
  };
}
