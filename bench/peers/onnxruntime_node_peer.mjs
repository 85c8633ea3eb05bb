// onnxruntime-node: node onnxruntime_node_peer.mjs THREADS PACKAGES MODELS, the folder where onnxruntime-node is installed
// and the one that `export_onnx.py` filled. The protocol stands in `protocol.py`; inference only.

import { existsSync } from "node:fs";
import path from "node:path";
import { data, lengths, requireFrom, rowsOf, serve, TEMPERATURE } from "./protocol.mjs";

const [threads, packages, models] = [Number(process.argv[2]), ...process.argv.slice(3)];
const require = requireFrom(packages);
const ort = require("onnxruntime-node");

/** A function that draws an id with its probability, from logits at TEMPERATURE. */
function sampler(count) {
  const weights = new Float64Array(count);
  return (logits) => {
    const most = logits.reduce((a, b) => Math.max(a, b));
    let sum = 0;
    for (let i = 0; i < count; i++) {
      weights[i] = Math.exp((logits[i] - most) / TEMPERATURE);
      sum += weights[i];
    }
    let left = Math.random() * sum;
    const drawn = weights.findIndex((weight) => {
      left -= weight;
      return left < 0;
    });
    return drawn < 0 ? count - 1 : drawn; // rounding may leave nothing to draw
  };
}

/** Draws the next ids of some streams, again and again. */
function draw(session, { units, outputs }, rows) {
  const sample = sampler(outputs);
  const size = [units.length, rows, units[0]];
  const zeros = () => new ort.Tensor("float32", new Float32Array(units.length * rows * units[0]), size);
  let [h, c] = [zeros(), zeros()];
  const ids = new Int32Array(rows);
  return async () => {
    const found = await session.run({ x: new ort.Tensor("int32", ids, [rows, 1]), h, c });
    [h, c] = [found.nextH, found.nextC];
    const logits = found.outputs.data;
    for (let row = 0; row < rows; row++)
      ids[row] = sample(logits.subarray(row * outputs, (row + 1) * outputs));
    return ids;
  };
}

async function make(work, kind) {
  const name = `${work.name}-${kind}`;
  const file = path.join(models, `${name}.onnx`);
  if (!existsSync(file)) {
    throw new Error(`onnxruntime_node_peer: ${file} is missing; run export_onnx.py ${models} ${name}`);
  }
  const session = await ort.InferenceSession.create(file, {
    executionProviders: ["cpu"],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
  });
  const rows = rowsOf(work, kind);
  if (kind === "stream" || kind === "streams") return draw(session, work, rows);
  const { x } = data(work, rows);
  const feeds = { x: new ort.Tensor(work.words ? "int32" : "float32", x.values, x.shape) };
  if (work.masked) {
    const descending = BigInt64Array.from(lengths(work, rows).reverse(), BigInt);
    feeds.lengths = new ort.Tensor("int64", descending, [rows]);
  }
  return async () => (await session.run(feeds)).outputs.data;
}

await serve({
  peer: "onnxruntime-node",
  version: ort.env.versions.node,
  threads,
  make,
  kinds: ["infer", "row", "stream", "streams"],
});
