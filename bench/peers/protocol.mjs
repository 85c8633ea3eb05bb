// What the Node peers share; `protocol.py` describes the conversation and the works.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { createInterface } from "node:readline";

export const LEARNING_RATE = 1e-3;
export const ROOF_SIZE = 1024;
/** Sequences that go on side by side in kind "streams". */
export const STREAMS = 64;
/** The temperature at which ids of streams are drawn. */
export const TEMPERATURE = 0.8;
/** Time steps of kind "losses", at most. */
const COMPARED_STEPS = 28;
export const ADADELTA = { rho: 0.95, epsilon: 1e-6 };
/** How fast our own contestants learn. */
export const RATES = { learningRate: LEARNING_RATE, adadelta: ADADELTA };

/** The works by name; `Work` in `protocol.py` says what their fields mean. */
export const WORKS = Object.fromEntries(
  Object.entries(JSON.parse(readFileSync(new URL("works.json", import.meta.url), "utf8"))).map(
    ([name, fields]) => [name, { name, ...fields }],
  ),
);

const LAYERS = { rnn: "simpleRNN", lstm: "lstm", gru: "gru" };

/**
 * A work by its name, or of one recurrent layer by its sizes: "lstm:128,28,64,512" has 128 rows of 28 steps of 64 features
 * and 512 units; "bilstm:…" reads them in both directions.
 *
 * @returns undefined where there is none
 */
export function workOf(name) {
  if (Object.hasOwn(WORKS, name)) return WORKS[name];
  const [, direction, kind, ...sizes] = /^(bi)?(rnn|lstm|gru):(\d+),(\d+),(\d+),(\d+)$/.exec(name) ?? [];
  if (kind === undefined) return undefined;
  const [batch, steps, features, units] = sizes.map(Number);
  return {
    name,
    batch,
    input: [steps, features],
    cell: LAYERS[kind],
    units: [units],
    outputs: 10,
    loss: "sparseCategoricalCrossentropy",
    optimizer: "adam",
    bidirectional: direction !== undefined,
  };
}

const everything = ["train", "infer", "row", "losses"];

/** The framework does not offer this work; the message says why. */
export class Unsupported extends Error {}

/** `require` as from a file in `folder`, where the peers' packages are installed. */
export function requireFrom(folder) {
  return createRequire(path.resolve(folder, "package.json"));
}

/** Rows of what a kind goes through at once. */
export const rowsOf = ({ batch }, kind) => ({ row: 1, stream: 1, streams: STREAMS })[kind] ?? batch;

/** Steps of each row of a masked work, the shortest first. */
export function lengths({ input: [steps], shortest = 1 }, rows) {
  return rows === 1
    ? [Math.floor(steps / 2)]
    : Array.from({ length: rows }, (_, i) => shortest + Math.floor((i * (steps - shortest)) / rows));
}

const sizeOf = (shape) => shape.reduce((a, b) => a * b, 1);

/** Numbers from 0 to 1, evenly spread: the fractions of the multiples of `step`. */
const spread = (count, step) => Array.from({ length: count }, (_, i) => (i * step) % 1);

/** x and y as `protocol.py` has them: { values, shape } of each, y of classes as int32. */
export function data(work, rows) {
  const { input, outputs, loss, masked, words, perStep } = work;
  const [steps] = input;
  const isOfClasses = loss !== "meanSquaredError";
  const shapes = {
    x: [rows, ...input],
    y: [rows, ...(perStep ? [steps] : []), ...(isOfClasses ? [] : [outputs])],
  };
  const even = spread(sizeOf(shapes.x), (Math.sqrt(5) - 1) / 2);
  const x = words ? Int32Array.from(even, (u) => 1 + u * (words - 1)) : Float32Array.from(even);
  const targets = spread(sizeOf(shapes.y), Math.SQRT2);
  const y = isOfClasses ? Int32Array.from(targets, (u) => u * outputs) : Float32Array.from(targets);
  if (masked) {
    for (const [row, length] of lengths(work, rows).entries()) {
      for (const values of perStep ? [x, y] : [x]) {
        const size = values.length / rows / steps; // of a step
        values.fill(0, (row * steps + length) * size, (row + 1) * steps * size);
      }
    }
  }
  return { x: { values: x, shape: shapes.x }, y: { values: y, shape: shapes.y } };
}

/**
 * The weights of kind "losses", as `given` of `protocol.py` has them, and biases and what a CRF keeps of zero.
 *
 * @param weights `{ name, shape }` of each, in Keras's order
 * @returns the values of each
 */
export function given({ words, units, bidirectional, filters = [] }, weights) {
  const ofLayer = bidirectional ? 6 : 3; // kernel, recurrent kernel and bias of each direction
  const before = (words ? 1 : 0) + 2 * filters.length; // a table, kernels and biases of convolutions
  return weights.map(({ name, shape }, i) => {
    if (name.includes("bias") || name.startsWith("crf")) return new Float32Array(sizeOf(shape));
    const width = shape.at(-1);
    const inputs = sizeOf(shape) / width;
    const columns = (i < before ? undefined : units[Math.floor((i - before) / ofLayer)]) ?? width; // of one gate
    const one = spread(inputs * columns, (Math.sqrt(5) - 1) / 2);
    const at = (k) => Math.floor(k / width) * columns + (k % columns);
    const scale = filters.length > 0 ? 12 / Math.sqrt(inputs) : 1;
    return Float32Array.from({ length: sizeOf(shape) }, (_, k) => (one[at(k)] - 0.5) * scale);
  });
}

/**
 * Answers requests until standard input ends.
 *
 * @param make `(work, kind) => Promise<run>`; `await run()` gives the loss or the outputs as a number or typed array.
 *   Kind "losses" is a training step from given weights
 * @param roof `() => Promise<run>` that multiplies two matrices of ROOF_SIZE, where there is one
 * @param kinds what `make` knows
 * @param taggers whether it knows works of the loss "crf"
 */
export async function serve({ peer, version, threads, make, roof, kinds = everything, taggers = false }) {
  const answer = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
  const runs = new Map();

  async function prepare(work, kind) {
    if (kind === "roof") {
      if (work !== "sgemm" || !roof) throw new Unsupported(`no roof ${work}`);
      return roof();
    }
    const asked = workOf(work);
    if (asked === undefined) throw new Unsupported(`no work ${work}`);
    if (!kinds.includes(kind)) throw new Unsupported(`no kind ${kind}`);
    if (asked.loss === "crf" && !taggers) throw new Unsupported("no conditional random fields");
    if (kind !== "losses") return make(asked, kind);
    const [steps, ...step] = asked.input;
    return make({ ...asked, dropout: 0, input: [Math.min(steps, COMPARED_STEPS), ...step] }, kind);
  }

  answer({ peer, version, threads, ready: true });
  for await (const line of createInterface({ input: process.stdin })) {
    const { work, kind, seconds = 0.5, repetitions = 5 } = JSON.parse(line);
    const key = `${work} ${kind}`;
    try {
      if (kind === "losses") {
        const run = await prepare(work, kind);
        answer({ work, kind, losses: [await run(), await run(), await run()].map(finite) });
        continue;
      }
      if (!runs.has(key)) {
        const run = await prepare(work, kind);
        await warmUp(run);
        runs.set(key, run);
      }
    } catch (error) {
      if (!(error instanceof Unsupported)) throw error;
      answer({ work, kind, unsupported: error.message });
      continue;
    }
    const { median, count } = await measure(runs.get(key), seconds, repetitions);
    const result =
      kind === "roof"
        ? { gflops: Number(((2 * ROOF_SIZE ** 3) / median / 1e6).toFixed(1)) }
        : { ms: Number(median.toFixed(4)) };
    answer({ work, kind, ...result, repetitions: count });
  }
}

async function timed(run) {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

/** The median in milliseconds, and how often it ran. */
async function measure(run, seconds, repetitions) {
  const times = [];
  const start = performance.now();
  while (times.length < repetitions || performance.now() - start < 1e3 * seconds) {
    times.push(await timed(run));
  }
  times.sort((a, b) => a - b);
  const middle = times.length >> 1;
  return { median: (times[middle] + times[times.length - 1 - middle]) / 2, count: times.length };
}

function finite(value) {
  if (!Number.isFinite(value)) throw new RangeError("the result is not finite");
  return value;
}

/** Runs once to see that the result is a number, then until half a second has passed. */
async function warmUp(run) {
  const start = performance.now();
  const result = await run();
  for (const value of typeof result === "number" ? [result] : result) finite(value);
  while (performance.now() - start < 500) await run();
}
