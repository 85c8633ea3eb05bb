// Rondo among the contestants: node rondo.mjs THREADS native|wasm. It speaks as the peers do (`peers/protocol.py`) and
// uses the built package as its users do: arrays of the caller in, numbers out.

import { readFileSync } from "node:fs";
import { input, matMul } from "../dist/graph/build.js";
import { compile } from "../dist/plan/compile.js";
import { layoutState } from "../dist/plan/state.js";
import { buildModel, rondo } from "./models.mjs";
import { D, data, ROOF_SIZE, serve, T, Unsupported, WORKS } from "./peers/protocol.mjs";
import { EPOCH_STEPS } from "./works.mjs";

const [threads, kindOfBackend] = [Number(process.argv[2]), process.argv[3]];
const { createBackend, tensor } = rondo;
const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));

const backend = await createBackend({ backend: kindOfBackend, threads });
const models = new Map();

/** The model of a work, one for all kinds. */
function modelOf(work) {
  if (!models.has(work)) models.set(work, buildModel(work, backend));
  return models.get(work);
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
      if (!backend.capabilities.synchronous)
        throw new Unsupported(`${backend.name} has no synchronous calls`);
      return () => model.predictSync(x).data;
  }
}

/** Our own product of two matrices. */
function roof() {
  const shape = [ROOF_SIZE, ROOF_SIZE];
  const [a, b] = ["a", "b"].map((name) => input(name, shape));
  const graph = { name: "roof", inputs: [a, b], outputs: { c: matMul(a, b) }, updates: [] };
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
