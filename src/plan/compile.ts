import { atOnce, type Steps } from "../breather.js";
import type { Bindings, Graph } from "../graph/ir.js";
import type { InputAttrs } from "../graph/ops/source.js";
import { optimize } from "../passes/index.js";
import { type Buffer, elements, type Operation } from "./buffer.js";
import { chained } from "./chains.js";
import { Encoder } from "./encode.js";
import { instructions } from "./instructions.js";
import { lower } from "./lower.js";
import { layCache, layScratch, lifetimes, placeInOrder, resolve, rootOf } from "./memory.js";
import type { BufferSlot, Entry, Port, Program } from "./program.js";
import type { Sink } from "./sinks.js";
import type { StateLayout } from "./state.js";
import { Storage } from "./storage.js";
import { Values } from "./values.js";

export interface CompileOptions {
  /** Values of the graph's symbols, such as B. */
  readonly bindings: Bindings;
  /** Where the model's state lies. */
  readonly layout: StateLayout;
  /** Lanes of the backend's vectors. */
  readonly vectorWidth: number;
}

/** From a traced graph to a program: passes, lowering, memory plan, encoding. */
export const compile = (graph: Graph, options: CompileOptions): Program => plan(optimize(graph), options);

/** From a graph that has gone through the passes to a program: lowering, memory plan, encoding. */
export const plan = (optimized: Graph, options: CompileOptions): Program =>
  atOnce(planSteps(optimized, options));

/** `plan`, as work that can pause. */
export function* planSteps(optimized: Graph, options: CompileOptions): Steps<Program> {
  const { bindings, layout, vectorWidth } = options;
  const storage = new Storage(layout);
  const values = new Values(bindings, storage);

  const inputs = optimized.inputs.map((x, i): Port => {
    const { name } = x.node.attrs as InputAttrs;
    const shape = values.shape(x.shape);
    values.set(x.node, x.index, storage.port("input", i, x.dtype, shape));
    return { name, dtype: x.dtype, shape, size: elements(shape) };
  });
  const sinks: Sink[] = [];
  const outputs = Object.entries(optimized.outputs).map(([name, value], i): Port => {
    const shape = values.shape(value.shape);
    sinks.push({ value, to: storage.port("output", i, value.dtype, shape) });
    return { name, dtype: value.dtype, shape, size: elements(shape) };
  });
  for (const { variable, value } of optimized.updates) {
    sinks.push({ value, to: storage.state(variable), replaces: variable });
  }
  const operations = yield* lower(values, sinks, { rules: instructions, vectorWidth });

  const weights = new Set<Buffer>();
  for (const [variable, buffer] of storage.states) if (variable.role === "weight") weights.add(buffer);
  const changesWeights = optimized.updates.some((u) => u.variable.role === "weight");
  const { prepare, main } = changesWeights ? { prepare: [], main: operations } : hoist(operations, weights);
  return yield* assemble(optimized.name, prepare, chained(main), {
    inputs,
    outputs,
    constants: storage.constants.bytes(),
    stateBytes: layout.bytes,
    writes: changesWeights ? "weights" : optimized.updates.length > 0 ? "states" : "nothing",
  });
}

/** Operations that depend on weights and literals alone: they run once per version of the weights, into the cache. */
function hoist(
  operations: readonly Operation[],
  weights: ReadonlySet<Buffer>,
): { prepare: Operation[]; main: Operation[] } {
  const writers = new Map<Buffer, number>();
  const count = (list: readonly Operation[]): void => {
    for (const { writes, loop } of list) {
      for (const b of writes) writers.set(rootOf(b), (writers.get(rootOf(b)) ?? 0) + 1);
      if (loop !== undefined) count(loop.body);
    }
  };
  count(operations);
  const prepared = new Set<Buffer>();
  const prepare: Operation[] = [];
  const main: Operation[] = [];
  for (const op of operations) {
    const steady =
      op.loop === undefined &&
      op.reads.length > 0 &&
      op.reads.every((b) => {
        const root = rootOf(b);
        return weights.has(root) || root.region === "constant" || prepared.has(root);
      }) &&
      op.writes.every((b) => {
        const root = rootOf(b);
        return root.region === "scratch" && writers.get(root) === 1;
      });
    if (!steady) {
      main.push(op);
      continue;
    }
    prepare.push(op);
    for (const b of op.writes) prepared.add(rootOf(b));
  }
  for (const buffer of prepared) buffer.region = "cache";
  return { prepare, main };
}

interface Parts {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly constants: Uint8Array;
  readonly stateBytes: number;
  readonly writes: Entry["writes"];
}

function* assemble(
  name: string,
  prepare: readonly Operation[],
  main: readonly Operation[],
  parts: Parts,
): Steps<Program> {
  const operations = [...prepare, ...main];
  const lives = yield* lifetimes(operations);
  yield* placeInOrder(operations, lives);
  const [scratch, cache] = [yield* layScratch(lives), layCache(lives)];
  const indices = new Map<Buffer, number>();
  const buffers: BufferSlot[] = [];
  const index = (buffer: Buffer): number => {
    const known = indices.get(buffer);
    if (known !== undefined) return known;
    const { root, offset } = resolve(buffer);
    const base = scratch.offsets.get(root) ?? cache.offsets.get(root) ?? 0;
    const slot: BufferSlot = {
      region: root.region,
      index: root.index,
      offset: base + offset,
      bytes: buffer.bytes,
    };
    indices.set(buffer, buffers.length);
    buffers.push(slot);
    return buffers.length - 1;
  };
  const encoder = new Encoder();
  function* emit(list: readonly Operation[]): Steps<void> {
    for (const operation of list) {
      operation.emit(encoder, index);
      yield;
    }
  }
  yield* emit(prepare);
  const middle = encoder.length;
  const cacheKey = keyOf(encoder.words(), buffers, parts.constants);
  yield* emit(main);
  const entries: Record<string, Entry> = {
    prepare: { begin: 0, end: middle, writes: "nothing" },
    main: { begin: middle, end: encoder.length, writes: parts.writes },
  };
  return {
    name,
    words: encoder.words(),
    buffers,
    entries,
    scratchBytes: scratch.bytes,
    cacheBytes: cache.bytes,
    cacheKey,
    stateBytes: parts.stateBytes,
    constants: parts.constants,
    inputs: parts.inputs,
    outputs: parts.outputs,
  };
}

/** More bytes of literals are not compared. */
const keyLiterals = 1024;

/**
 * Text that tells what `prepare` computes and where: its words, the buffers that they name, and the literals it reads.
 * Undefined where it reads many.
 */
function keyOf(words: Int32Array, buffers: readonly BufferSlot[], constants: Uint8Array): string | undefined {
  const literals = buffers.reduce((n, { region, bytes }) => n + (region === "constant" ? bytes : 0), 0);
  if (literals > keyLiterals) return undefined;
  const places = buffers.map(({ region, offset, bytes }) => {
    const literal = region === "constant" ? constants.subarray(offset, offset + bytes).join() : "";
    return `${region} ${offset} ${bytes} ${literal}`;
  });
  return `${words.join()} ${places.join()}`;
}
