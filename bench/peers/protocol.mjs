// What the Node peers share; `protocol.py` describes the conversation and the works.

import { createRequire } from "node:module";
import path from "node:path";
import { createInterface } from "node:readline";

export const T = 28;
export const D = 28;
export const CLASSES = 10;
export const LEARNING_RATE = 1e-3;
export const ROOF_SIZE = 1024;

/** The same works as in `protocol.py`. */
export const WORKS = {
  W1: { cell: "lstm", units: [64, 32], batch: 500 },
  W2: { cell: "lstm", units: [64], batch: 500, bidirectional: true },
  W3: { cell: "lstm", units: [256, 256], batch: 128 },
  W4: { cell: "simpleRNN", units: [50], batch: 50 },
  G1: { cell: "gru", units: [64, 32], batch: 500 },
  G3: { cell: "gru", units: [256, 256], batch: 128 },
  M1: { cell: "lstm", units: [64, 32], batch: 500, masked: true },
  M3: { cell: "lstm", units: [256, 256], batch: 128, masked: true },
};

/** The framework does not offer this work; the message says why. */
export class Unsupported extends Error {}

/** `require` as from a file in `folder`, where the peers' packages are installed. */
export function requireFrom(folder) {
  return createRequire(path.resolve(folder, "package.json"));
}

/** Steps of each row: 1 to 27, 14 on the average; shortest first. */
export function lengths(rows) {
  return rows === 1 ? [T / 2] : Array.from({ length: rows }, (_, i) => 1 + Math.floor((i * (T - 1)) / rows));
}

/** x [rows, 28, 28] and labels [rows]; a masked work's rows end in zeros. */
export function data(work, rows) {
  const x = Float32Array.from({ length: rows * T * D }, () => Math.random());
  if (work.masked) {
    for (const [row, length] of lengths(rows).entries()) x.fill(0, (row * T + length) * D, (row + 1) * T * D);
  }
  return { x, labels: Array.from({ length: rows }, () => Math.floor(Math.random() * CLASSES)) };
}

/**
 * Answers requests until standard input ends.
 *
 * @param make `(name, kind) => Promise<run>`; `await run()` gives the loss or the logits as a number or typed array
 * @param roof `() => Promise<run>` that multiplies two matrices of ROOF_SIZE, where there is one
 * @param kinds what `make` knows
 */
export async function serve({ peer, version, threads, make, roof, kinds = ["train", "infer", "row"] }) {
  const answer = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
  const runs = new Map();

  async function prepare(work, kind) {
    if (kind === "roof") {
      if (work !== "sgemm" || !roof) throw new Unsupported(`no roof ${work}`);
      return roof();
    }
    if (!(work in WORKS)) throw new Unsupported(`no work ${work}`);
    if (!kinds.includes(kind)) throw new Unsupported(`no kind ${kind}`);
    return make(work, kind);
  }

  answer({ peer, version, threads, ready: true });
  for await (const line of createInterface({ input: process.stdin })) {
    const { work, kind, seconds = 0.5, repetitions = 5 } = JSON.parse(line);
    const key = `${work} ${kind}`;
    try {
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

/** Runs once to see that the result is a number, then until half a second has passed. */
async function warmUp(run) {
  const start = performance.now();
  const result = await run();
  const values = typeof result === "number" ? [result] : result;
  if (!values.every(Number.isFinite)) throw new RangeError("the result is not finite");
  while (performance.now() - start < 500) await run();
}
