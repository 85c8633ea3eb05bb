// Small programs for the tests of backends, written out by hand.
import type { Dtype } from "../../src/dtype.js";
import { Encoder, type MapOpName } from "../../src/plan/encode.js";
import type { BufferSlot, Entry, Port, Program, Region } from "../../src/plan/program.js";

interface Parts {
  readonly name: string;
  /** Buffers by name: region, bytes; inputs and outputs in the order of their ports. */
  readonly buffers: Readonly<Record<string, readonly [region: Region, bytes: number]>>;
  readonly inputs?: readonly Port[];
  readonly outputs?: readonly Port[];
  readonly constants?: Uint8Array;
  /** What each entry emits; buffers are passed as their indices. */
  readonly entries: Readonly<Record<string, (encoder: Encoder, buffer: Record<string, number>) => void>>;
  /** What entries write of the state; default: nothing. */
  readonly writes?: Readonly<Record<string, Entry["writes"]>>;
}

/** Lays the buffers of a region one after the other and encodes the entries. */
export function programOf(parts: Parts): Program {
  const ends: Record<Region, number> = { scratch: 0, state: 0, cache: 0, constant: 0, input: 0, output: 0 };
  const index: Record<string, number> = {};
  const buffers: BufferSlot[] = [];
  for (const [name, [region, bytes]] of Object.entries(parts.buffers)) {
    index[name] = buffers.length;
    if (region === "input" || region === "output") {
      buffers.push({ region, index: ends[region]++, offset: 0, bytes });
    } else {
      buffers.push({ region, index: 0, offset: ends[region], bytes });
      ends[region] += Math.ceil(bytes / 64) * 64;
    }
  }
  const encoder = new Encoder();
  const entries: Record<string, Entry> = {};
  for (const [name, emit] of Object.entries(parts.entries)) {
    const begin = encoder.length;
    emit(encoder, index);
    entries[name] = { begin, end: encoder.length, writes: parts.writes?.[name] ?? "nothing" };
  }
  return {
    name: parts.name,
    words: encoder.words(),
    buffers,
    entries,
    scratchBytes: ends.scratch,
    cacheBytes: ends.cache,
    stateBytes: ends.state,
    constants: parts.constants ?? new Uint8Array(ends.constant),
    inputs: parts.inputs ?? [],
    outputs: parts.outputs ?? [],
  };
}

export function port(name: string, dtype: Dtype, size: number): Port {
  return { name, dtype, shape: [size], size };
}

/** Appends out[i] = op(a[i], b[i]) over vectors of float32 (or op(a[i]), without b). */
export function emitMap(
  encoder: Encoder,
  size: number,
  out: number,
  op: MapOpName,
  a: number,
  b?: number,
): void {
  const operands = b === undefined ? [a] : [a, b];
  const vector = { offset: 0, dtype: "float32", strides: [1] } as const;
  encoder.map({
    dims: [size],
    inputs: operands.map((buffer) => ({ buffer, ...vector })),
    outputs: [{ buffer: out, register: operands.length, ...vector }],
    steps: [{ op, to: operands.length, args: operands.map((_, i) => i) }],
  });
}

/**
 * Its state is a vector of `size`. `prepare` squares it into the cache; `main` gives out = cache + x through scratch,
 * with the constant 1 added; `add` adds x to the state.
 */
export function squares(size: number): Program {
  const bytes = 4 * size;
  return programOf({
    name: "squares",
    buffers: {
      state: ["state", bytes],
      cache: ["cache", bytes],
      scratch: ["scratch", bytes],
      ones: ["constant", bytes],
      x: ["input", bytes],
      out: ["output", bytes],
    },
    constants: new Uint8Array(new Float32Array(size).fill(1).buffer),
    inputs: [port("x", "float32", size)],
    outputs: [port("out", "float32", size)],
    entries: {
      prepare: (e, b) => emitMap(e, size, at(b, "cache"), "square", at(b, "state")),
      main: (e, b) => {
        emitMap(e, size, at(b, "scratch"), "add", at(b, "cache"), at(b, "x"));
        emitMap(e, size, at(b, "out"), "add", at(b, "scratch"), at(b, "ones"));
      },
      add: (e, b) => emitMap(e, size, at(b, "state"), "add", at(b, "state"), at(b, "x")),
    },
    writes: { add: "weights" },
  });
}

/**
 * Its state is a vector of weights and a vector of counts. `prepare` squares the weights into the cache; `main` gives
 * out = cache + counts; `count` adds x to the counts.
 */
export function counts(size: number): Program {
  const bytes = 4 * size;
  return programOf({
    name: "counts",
    buffers: {
      weights: ["state", bytes],
      counts: ["state", bytes],
      cache: ["cache", bytes],
      x: ["input", bytes],
      out: ["output", bytes],
    },
    inputs: [port("x", "float32", size)],
    outputs: [port("out", "float32", size)],
    entries: {
      prepare: (e, b) => emitMap(e, size, at(b, "cache"), "square", at(b, "weights")),
      main: (e, b) => emitMap(e, size, at(b, "out"), "add", at(b, "cache"), at(b, "counts")),
      count: (e, b) => emitMap(e, size, at(b, "counts"), "add", at(b, "counts"), at(b, "x")),
    },
    writes: { count: "states" },
  });
}

/** out = state · x elementwise, without a cache; `negate` negates the state. */
export function products(size: number): Program {
  const bytes = 4 * size;
  return programOf({
    name: "products",
    buffers: { state: ["state", bytes], x: ["input", bytes], out: ["output", bytes] },
    inputs: [port("x", "float32", size)],
    outputs: [port("out", "float32", size)],
    entries: {
      main: (e, b) => emitMap(e, size, at(b, "out"), "mul", at(b, "state"), at(b, "x")),
      negate: (e, b) => emitMap(e, size, at(b, "state"), "neg", at(b, "state")),
    },
    writes: { negate: "weights" },
  });
}

/** out[i] = state[ids[i]], a table of `rows` floats. */
export function lookup(rows: number, count: number): Program {
  return programOf({
    name: "lookup",
    buffers: { table: ["state", 4 * rows], ids: ["input", 4 * count], out: ["output", 4 * count] },
    inputs: [port("ids", "int32", count)],
    outputs: [port("out", "float32", count)],
    entries: {
      main: (e, b) =>
        e.emit("gather", {
          table: { buffer: at(b, "table"), offset: 0 },
          ids: { buffer: at(b, "ids"), offset: 0 },
          out: { buffer: at(b, "out"), offset: 0 },
          outer: 1,
          rows,
          count,
          inner: 1,
          bytes: 4,
          perRow: 0,
        }),
    },
  });
}

/** out[0] = the sum over `size` elements of exp(x) · x: large enough to be split over threads. */
export function weightedSum(size: number): Program {
  const bytes = 4 * size;
  return programOf({
    name: "weighted sum",
    buffers: {
      x: ["input", bytes],
      exponentials: ["scratch", bytes],
      weighted: ["scratch", bytes],
      work: ["scratch", 4 * 8192],
      out: ["output", 4],
    },
    inputs: [port("x", "float32", size)],
    outputs: [port("out", "float32", 1)],
    entries: {
      main: (e, b) => {
        emitMap(e, size, at(b, "exponentials"), "exp", at(b, "x"));
        emitMap(e, size, at(b, "weighted"), "mul", at(b, "exponentials"), at(b, "x"));
        e.emit(
          "reduce",
          {
            kind: 0,
            dtype: 0,
            x: { buffer: at(b, "weighted"), offset: 0 },
            out: { buffer: at(b, "out"), offset: 0 },
            work: { buffer: at(b, "work"), offset: 0 },
            scale: 1,
            kept: 0,
            reduced: 1,
          },
          [size, 1],
        );
      },
    },
  });
}

/** Takes some `passes` × 10 ms on one thread: tanh over 2²⁰ elements of scratch, again and again. */
export function slow(passes: number): Program {
  const size = 2 ** 20;
  return programOf({
    name: "slow",
    buffers: { scratch: ["scratch", 4 * size] },
    entries: {
      main: (e, b) =>
        e.loop(10 * passes, [], (body) => emitMap(body, size, at(b, "scratch"), "tanh", at(b, "scratch"))),
    },
  });
}

function at(buffers: Record<string, number>, name: string): number {
  const index = buffers[name];
  if (index === undefined) throw new Error(`no buffer ${name}`);
  return index;
}
