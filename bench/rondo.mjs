// Rondo among the contestants: node rondo.mjs THREADS native|wasm [INSTRUCTION SET]. It speaks as the peers do (`peers/protocol.py`) and
// uses the built package as its users do: arrays of the caller in, numbers out.

import { readFileSync } from "node:fs";
import { input, matMul } from "../dist/graph/build.js";
import { compile } from "../dist/plan/compile.js";
import { layoutState } from "../dist/plan/state.js";
import { buildModel, rondo, tensors } from "./models.mjs";
import { given, ROOF_SIZE, rowsOf, serve, TEMPERATURE, Unsupported } from "./peers/protocol.mjs";
import { EPOCH_STEPS } from "./works.mjs";

const [threads, kindOfBackend, instructionSet] = [Number(process.argv[2]), ...process.argv.slice(3)];
const { createBackend, tensor } = rondo;
const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));

const backend = await createBackend({
  backend: kindOfBackend,
  threads,
  ...(instructionSet && { instructionSet }),
});
const models = new Map();

/** The model of a work, one for all kinds that are timed. */
function modelOf(work) {
  if (!models.has(work.name)) models.set(work.name, buildModel(work, backend));
  return models.get(work.name);
}

/** The model of a work with the weights that all contestants can be given. */
async function givenModelOf(work) {
  const model = buildModel(work, backend);
  const shapes = (await model.getWeights()).map(({ shape }) => shape);
  const values = given(
    work,
    model.weightNames().map((name, i) => ({ name, shape: shapes[i] })),
  );
  await model.setWeights(values.map((array, i) => tensor(array, shapes[i])));
  return model;
}

/** Draws the next ids of some streams, again and again. */
async function draw(work, rows) {
  const model = await modelOf(work).ready();
  const session = await model.session({ rows });
  const options = { temperature: TEMPERATURE, seed: 1 };
  let ids = new Int32Array(rows);
  if (rows === 1 && backend.capabilities.synchronous)
    return () => {
      ids = session.sampleSync(tensor(ids, [rows]), options);
      return ids;
    };
  return async () => {
    ids = await session.sample(tensor(ids, [rows]), options);
    return ids;
  };
}

async function make(work, kind) {
  if (kind === "stream" || kind === "streams") return draw(work, rowsOf(work, kind));
  const rows = rowsOf(work, kind) * (kind === "fit" ? EPOCH_STEPS[work.name] : 1);
  const { x, y } = tensors(work, rows);
  const model = kind === "losses" ? await givenModelOf(work) : await modelOf(work).ready();
  switch (kind) {
    case "losses":
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

const kinds = ["train", "fit", "infer", "row", "stream", "streams", "losses"];
await serve({ peer: backend.name, version, threads, make, roof, kinds, taggers: true });
await backend.close();
