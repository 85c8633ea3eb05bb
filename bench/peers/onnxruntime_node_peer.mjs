// onnxruntime-node: node onnxruntime_node_peer.mjs THREADS PACKAGES MODELS, the folder where onnxruntime-node is installed
// and the one that `export_onnx.py` filled. The protocol stands in `protocol.py`; inference only.

import { existsSync } from "node:fs";
import path from "node:path";
import { data, lengths, requireFrom, serve } from "./protocol.mjs";

const [threads, packages, models] = [Number(process.argv[2]), ...process.argv.slice(3)];
const require = requireFrom(packages);
const ort = require("onnxruntime-node");

async function make(work, kind) {
  const rows = kind === "row" ? 1 : work.batch;
  const file = path.join(models, `${work.name}-${kind === "row" ? "row" : "batch"}.onnx`);
  if (!existsSync(file)) {
    throw new Error(`onnxruntime_node_peer: ${file} is missing; run export_onnx.py ${models}`);
  }
  const session = await ort.InferenceSession.create(file, {
    executionProviders: ["cpu"],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
  });
  const { x } = data(work, rows);
  const feeds = { x: new ort.Tensor("float32", x.values, x.shape) };
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
  kinds: ["infer", "row"],
});
