// What is measured, and the limits that `main.mjs` holds it to.
//
// A limit `peers: 2` says: at least twice as fast as the best peer with as many threads; `tfjs`, `onnxNode`: the same of
// TensorFlow.js (wasm) and onnxruntime-node; `prototype: 1.15`: at most 1.15 times the time of hand-written C++ loops for the
// four models alone; `roof: 0.85`: at least that part of the fastest matrix product at hand; `timesOf`: at most so many times
// the time of another work.

import { lengths, rowsOf, STREAMS, workOf } from "./peers/protocol.mjs";

/** Layers whose weights outgrow the caches, and batches that are small beside them. */
const WIDE = [
  "lstm:20,35,650,650",
  "lstm:20,35,1500,1500",
  "lstm:16,28,128,512",
  "lstm:16,28,128,1024",
  "lstm:32,28,128,1024",
  "lstm:64,28,128,1024",
  "lstm:128,28,28,1024",
  "lstm:128,28,128,2048",
  "lstm:1,100,128,1024",
];

/** Work and kind (of `peers/protocol.py`; "fit" is a whole epoch through `fit`, for us alone) with their limits. */
export const ROWS = [
  { work: "W1", kind: "train", limits: { prototype: 1.15, peers: 2, tfjs: 70, roof: 0.85 } },
  { work: "W2", kind: "train", limits: { prototype: 1.15, peers: 1.8, tfjs: 70, roof: 0.9 } },
  { work: "W3", kind: "train", limits: { prototype: 1.1, peers: 1.4, tfjs: 120, roof: 0.95 } },
  { work: "W4", kind: "train", limits: { prototype: 1.5, peers: 2.5, tfjs: 45 } },
  { work: "G1", kind: "train", limits: { peers: 1.8, gruOf: 0.9 } },
  { work: "G3", kind: "train", limits: { peers: 1.3, gruOf: 0.9 } },
  { work: "M1", kind: "train", limits: { maskedStep: 0.15 } },
  { work: "M3", kind: "train", limits: { maskedStep: 0.15 } },
  { work: "T1", kind: "train", limits: { peers: 3, tfjs: 10 } },
  { work: "E1", kind: "train", limits: { peers: 2 } },
  { work: "E2", kind: "train", limits: { peers: 2.5, timesOf: { work: "E1", most: 1.15 } } },
  { work: "C1", kind: "train", limits: { peers: 1, tfjs: 10, roof: 0.7 } },
  { work: "K1", kind: "train", limits: { peers: 3 } },
  { work: "L1", kind: "train", limits: { peers: 1.4, tfjs: 100, roof: 0.85 } },
  { work: "L2", kind: "train", limits: { peers: 1.3, roof: 0.8 } },
  { work: "W1", kind: "infer", limits: { prototype: 1.15, peers: 1.15, tfjs: 25, roof: 0.8 } },
  { work: "W3", kind: "infer", limits: { prototype: 1.1, peers: 1, tfjs: 10, roof: 0.95 } },
  { work: "C1", kind: "infer", limits: { peers: 1, tfjs: 10, roof: 0.7 } },
  { work: "K1", kind: "infer", limits: { peers: 3 } },
  { work: "W1", kind: "row", limits: { prototype: 1.5, peers: 1.2, onnxNode: 1.3, tfjs: 100 } },
  { work: "W3", kind: "row", limits: { prototype: 1.5, peers: 1, onnxNode: 1.3, tfjs: 20 } },
  { work: "L1", kind: "stream", limits: { onnxNode: 1.5 } },
  { work: "L1", kind: "streams", limits: { onnxNode: 1.2 } },
  ...WIDE.flatMap((work) => [
    { work, kind: "train", limits: { peers: 1.25 } },
    { work, kind: "infer", limits: { peers: 1.15 } },
  ]),
  { work: "W1", kind: "fit", limits: {} },
  { work: "W2", kind: "fit", limits: {} },
  { work: "W3", kind: "fit", limits: {} },
  { work: "W4", kind: "fit", limits: {} },
];

/** Training steps on WebAssembly with relaxed SIMD and one thread; its peers have one thread too. */
export const WASM_ROWS = [
  { work: "W1", kind: "train", limits: { prototype: 1.2, peers: 0.5, tfjs: 15 } },
  { work: "W3", kind: "train", limits: { prototype: 1.2, peers: 0.3, tfjs: 25 } },
];

/** How much faster wasm must be with two threads, in Node and in a page. */
export const WASM_TWO_THREADS = 1.8;

/** What `probes.mjs` measures: the most that is allowed, and its unit. */
export const PROBE_LIMITS = {
  "memory of a W1 step": { most: 1.2, unit: "× what it must keep" },
  "memory of predicting": { most: 120, unit: "MiB" },
  "event loop during fit": { most: 20, unit: "ms" },
  "event loop during predict": { most: 20, unit: "ms" },
  "predict beside a fit, beyond a step": { most: 2, unit: "ms" },
  "compile of a new shape": { most: 20, unit: "ms" },
};

/** Steps of the epoch that "fit" measures. */
export const EPOCH_STEPS = { W1: 20, W2: 20, W3: 10, W4: 200 };

const GATES = { simpleRNN: 1, lstm: 4, gru: 3 };

/** Whether a kind takes one time step of sequences that go on. */
const isOfOneStep = (kind) => kind === "stream" || kind === "streams";

/** Whether a kind has so few rows, or steps, that its products say little beside the roof. */
export const isSmall = (kind) => kind === "row" || isOfOneStep(kind);

/**
 * Floating-point operations of a time step of a row: its convolutions, recurrent products and outputs, where every step has
 * some. Training does three times as many, but for the first convolution, whose input has no gradient.
 */
function operationsOfStep(
  { input, embedding, filters = [], kernel, pool = 1, cell, units, outputs, perStep, bidirectional },
  training,
) {
  const step = input.slice(1);
  let [height, width, channels] = step;
  let convolutions = 0;
  for (const [i, count] of filters.entries()) {
    height -= kernel - 1;
    width -= kernel - 1;
    const passes = training ? (i === 0 ? 2 : 3) : 1;
    convolutions += passes * height * width * count * kernel * kernel * channels;
    channels = count;
  }
  const D =
    filters.length > 0
      ? Math.floor(height / pool) * Math.floor(width / pool) * channels
      : (embedding ?? step[0]);
  const directions = bidirectional ? 2 : 1;
  const products = units.map((H, i) => directions * GATES[cell] * H * ((i === 0 ? D : units[i - 1]) + H));
  const head = perStep ? directions * units.at(-1) * outputs : 0;
  return 2 * (convolutions + (training ? 3 : 1) * products.reduce((a, b) => a + b, head));
}

/** Billions of floating-point operations per second, from the time of a row of the table in ms. */
export function gflops({ work, kind }, ms) {
  const training = kind === "train" || kind === "fit";
  const asked = workOf(work);
  const steps = isOfOneStep(kind) ? 1 : asked.input[0];
  return (rowsOf(asked, kind) * steps * operationsOfStep(asked, training)) / ms / 1e6;
}

/** The part of a masked work's time steps that is not masked. */
export function activePart(work) {
  const { batch, input } = workOf(work);
  return lengths(workOf(work), batch).reduce((a, b) => a + b, 0) / (batch * input[0]);
}

/** A work in words: "LSTM 64 → LSTM 32 → Dense 10". */
export function modelText(work) {
  const { words, embedding, cell, units, outputs, bidirectional, masked, perStep, loss } = workOf(work);
  const { filters = [], kernel, pool, hidden } = workOf(work);
  const name = { simpleRNN: "SimpleRNN", lstm: "LSTM", gru: "GRU" }[cell];
  const layers = units.map((H) => `${bidirectional ? "Bi" : ""}${name} ${H}`);
  const pictures = filters.map((count) => `Conv ${count} ${kernel}×${kernel}`);
  if (pool) pictures.push(`MaxPool ${pool}×${pool}`);
  const sizes = [...(hidden ? [hidden] : []), outputs];
  const dense = sizes.map((size) => `Dense ${size.toLocaleString("en")}${perStep ? " per step" : ""}`);
  const first = words
    ? [`Embedding ${words.toLocaleString("en")} × ${embedding}${masked ? ", masked" : ""}`]
    : masked
      ? ["Masking"]
      : [];
  const tags = loss === "crf" ? ["CRF"] : [];
  return [...first, ...pictures, ...layers, ...dense, ...tags].join(" → ");
}

const OPTIMIZERS = { adam: "Adam", adadelta: "Adadelta", sgd: "SGD" };

/** What is done, in words: "training step on [500, 28, 28], Adam". */
export function kindText({ work, kind }) {
  const { batch, input, optimizer, dropout, loss } = workOf(work);
  const on = (rows) => `on [${[rows, ...input].join(", ")}]`;
  const training = [on(batch), OPTIMIZERS[optimizer], ...(dropout ? [`dropout ${dropout}`] : [])].join(", ");
  return {
    train: `training step ${training}`,
    fit: `step within fit ${training}`,
    infer: `${loss === "crf" ? "decoding" : "inference"} ${on(batch)}`,
    row: "inference, one row",
    stream: "the next id drawn, one stream",
    streams: `the next ids drawn, ${STREAMS} streams`,
  }[kind];
}
