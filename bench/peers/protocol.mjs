// What the Node peers share; `protocol.py` describes the conversation and the works.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { createInterface } from "node:readline";

export const LEARNING_RATE = 1e-3;
export const ROOF_SIZE = 1024;
export const ADADELTA = { rho: 0.95, epsilon: 1e-6 };

/** The works by name; `Work` in `protocol.py` says what their fields mean. */
export const WORKS = Object.fromEntries(
  Object.entries(JSON.parse(readFileSync(new URL("works.json", import.meta.url), "utf8"))).map(
    ([name, fields]) => [name, { name, ...fields }],
  ),
);

const everything = ["train", "infer", "row", "losses"];

/** The framework does not offer this work; the message says why. */
export class Unsupported extends Error {}

/** `require` as from a file in `folder`, where the peers' packages are installed. */
export function requireFrom(folder) {
  return createRequire(path.resolve(folder, "package.json"));
}

/** Steps of each row of a masked work, the shortest first. */
export function lengths({ input: [steps] }, rows) {
  return rows === 1
    ? [Math.floor(steps / 2)]
    : Array.from({ length: rows }, (_, i) => 1 + Math.floor((i * (steps - 1)) / rows));
}

const sizeOf = (shape) => shape.reduce((a, b) => a * b, 1);

/** Numbers from 0 to 1, evenly spread: the fractions of the multiples of `step`. */
const spread = (count, step) => Array.from({ length: count }, (_, i) => (i * step) % 1);

/** x and y as `protocol.py` has them: { values, shape } of each, y of classes as int32. */
export function data(work, rows) {
  const { input, outputs, loss, masked, words } = work;
  const [steps, ...step] = input;
  const features = sizeOf(step);
  const even = spread(rows * steps * features, (Math.sqrt(5) - 1) / 2);
  const x = words ? Int32Array.from(even, (u) => 1 + u * (words - 1)) : Float32Array.from(even);
  if (masked) {
    for (const [row, length] of lengths(work, rows).entries()) {
      x.fill(0, (row * steps + length) * features, (row + 1) * steps * features);
    }
  }
  const y =
    loss === "sparseCategoricalCrossentropy"
      ? { values: Int32Array.from(spread(rows, Math.SQRT2), (u) => Math.floor(u * outputs)), shape: [rows] }
      : { values: Float32Array.from(spread(rows * outputs, Math.SQRT2)), shape: [rows, outputs] };
  return { x: { values: x, shape: [rows, ...input] }, y };
}

/**
 * The weights of kind "losses", as `given` of `protocol.py` has them, and biases of zero.
 *
 * @param weights `{ name, shape }` of each, in Keras's order
 * @returns the values of each
 */
export function given({ words, units, bidirectional, filters = [] }, weights) {
  const ofLayer = bidirectional ? 6 : 3; // kernel, recurrent kernel and bias of each direction
  const before = (words ? 1 : 0) + 2 * filters.length; // a table, kernels and biases of convolutions
  return weights.map(({ name, shape }, i) => {
    if (name.includes("bias")) return new Float32Array(sizeOf(shape));
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
 */
export async function serve({ peer, version, threads, make, roof, kinds = everything }) {
  const answer = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
  const runs = new Map();

  async function prepare(work, kind) {
    if (kind === "roof") {
      if (work !== "sgemm" || !roof) throw new Unsupported(`no roof ${work}`);
      return roof();
    }
    if (!(work in WORKS)) throw new Unsupported(`no work ${work}`);
    if (!kinds.includes(kind)) throw new Unsupported(`no kind ${kind}`);
    return make(kind === "losses" ? { ...WORKS[work], dropout: 0 } : WORKS[work], kind);
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
