// Rondo among the contestants: node rondo.mjs THREADS native|wasm. It speaks as the peers do (`peers/protocol.py`) and
// uses the built package as its users do: arrays of the caller in, numbers out.

import { readFileSync } from "node:fs";
import v8 from "node:v8";
import { LEARNING_RATE, ROOF_SIZE, T, D, CLASSES, WORKS, Unsupported, data, serve } from "./peers/protocol.mjs";
import { EPOCH_STEPS } from "./works.mjs";

const [threads, kindOfBackend] = [Number(process.argv[2]), process.argv[3]];
if (Number.parseInt(process.versions.node, 10) < 22) v8.setFlagsFromString("--experimental-wasm-relaxed-simd");

const { createBackend, layers, losses, ops, optimizers, sequential, tensor } = await import("../dist/index.js");
const { compile } = await import("../dist/plan/compile.js");
const { layoutState } = await import("../dist/plan/state.js");
const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));

const backend = await createBackend({ backend: kindOfBackend, threads });
const models = new Map();

/** The model of a work, one for all kinds. */
function modelOf(name) {
  const known = models.get(name);
  if (known !== undefined) return known;
  const { cell, units, masked, bidirectional } = WORKS[name];
  const recurrent = units.map((H, i) => {
    const layer = layers[cell]({ units: H, returnSequences: i < units.length - 1 });
    return bidirectional ? layers.bidirectional({ layer }) : layer;
  });
  const model = sequential(
    [
      layers.input({ shape: [T, D] }),
      ...(masked ? [layers.masking()] : []),
      ...recurrent,
      layers.dense({ units: CLASSES }),
    ],
    { seed: 7, backend },
  );
  model.compile({
    optimizer: optimizers.adam({ learningRate: LEARNING_RATE }),
    loss: losses.sparseCategoricalCrossentropy({ fromLogits: true }),
  });
  models.set(name, model);
  return model;
}

async function make(name, kind) {
  const work = WORKS[name];
  const rows = kind === "row" ? 1 : kind === "fit" ? work.batch * EPOCH_STEPS[name] : work.batch;
  const arrays = data(work, rows);
  const x = tensor(arrays.x, [rows, T, D]);
  const y = Int32Array.from(arrays.labels);
  const model = await modelOf(name).ready();
  switch (kind) {
    case "train":
      return async () => (await model.trainOnBatch(x, y))[0];
    case "fit":
      return async () => (await model.fit(x, y, { batchSize: work.batch, verbose: 0 })).history.loss[0];
    case "infer":
      return async () => (await model.predictOnBatch(x)).data;
    case "row":
      if (!backend.capabilities.synchronous) throw new Unsupported(`${backend.name} has no synchronous calls`);
      return () => model.predictSync(x).data;
  }
}

/** Our own product of two matrices. */
function roof() {
  const shape = [ROOF_SIZE, ROOF_SIZE];
  const [a, b] = ["a", "b"].map((name) => ops.input(name, shape));
  const graph = { name: "roof", inputs: [a, b], outputs: { c: ops.matMul(a, b) }, updates: [] };
  const layout = layoutState([]);
  const { vectorWidth } = backend.capabilities;
  const executable = backend.load(compile(graph, { bindings: {}, layout, vectorWidth }));
  const state = backend.allocate(64);
  const random = () => Float32Array.from({ length: ROOF_SIZE ** 2 }, Math.random);
  const inputs = [random(), random()];
  const c = new Float32Array(ROOF_SIZE ** 2);
  return async () => {
    await executable.run({ entry: "main", state, inputs, outputs: [c] });
    return c;
  };
}

await serve({ peer: backend.name, version, threads, make, roof, kinds: ["train", "fit", "infer", "row"] });
await backend.close();
