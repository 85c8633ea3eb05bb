// TensorFlow.js on its wasm backend: node tfjs_peer.mjs THREADS PACKAGES, the folder where @tensorflow/tfjs and
// @tensorflow/tfjs-backend-wasm are installed. The backend has SIMD, but runs one thread in Node whatever is asked.
// The protocol stands in `protocol.py`.

import path from "node:path";
import { CLASSES, D, data, LEARNING_RATE, ROOF_SIZE, requireFrom, serve, T, WORKS } from "./protocol.mjs";

const require = requireFrom(process.argv[3]);
console.log = console.warn = console.error; // standard output is for answers
const tf = require("@tensorflow/tfjs");
const wasm = require("@tensorflow/tfjs-backend-wasm");
wasm.setWasmPaths(`${path.dirname(require.resolve("@tensorflow/tfjs-backend-wasm"))}/`);
if (!(await tf.setBackend("wasm"))) throw new Error("tfjs_peer: the wasm backend did not start");

function buildModel(work) {
  const model = tf.sequential();
  if (work.masked) model.add(tf.layers.masking({ maskValue: 0, inputShape: [T, D] }));
  for (const [i, units] of work.units.entries()) {
    const layer = tf.layers[work.cell]({
      units,
      returnSequences: i < work.units.length - 1,
      recurrentInitializer: "glorotUniform", // the default takes seconds at this size
      ...(model.layers.length === 0 && !work.bidirectional ? { inputShape: [T, D] } : {}),
    });
    model.add(
      work.bidirectional
        ? tf.layers.bidirectional({ layer, mergeMode: "concat", inputShape: [T, D] })
        : layer,
    );
  }
  model.add(tf.layers.dense({ units: CLASSES }));
  return model;
}

async function make(name, kind) {
  const work = WORKS[name];
  const rows = kind === "row" ? 1 : work.batch;
  const { x, labels } = data(work, rows);
  const model = buildModel(work);
  const inputs = tf.tensor3d(x, [rows, T, D]);
  if (kind === "train") {
    const loss = (target, logits) => tf.losses.softmaxCrossEntropy(target, logits);
    model.compile({ optimizer: tf.train.adam(LEARNING_RATE), loss });
    const targets = tf.oneHot(tf.tensor1d(labels, "int32"), CLASSES);
    return () => model.trainOnBatch(inputs, targets);
  }
  return async () => {
    const logits = model.predictOnBatch(inputs);
    const values = await logits.data();
    logits.dispose();
    return values;
  };
}

async function roof() {
  const [a, b] = [0, 1].map(() => tf.randomUniform([ROOF_SIZE, ROOF_SIZE]));
  return async () => {
    const product = tf.matMul(a, b);
    const values = await product.data();
    product.dispose();
    return values;
  };
}

await serve({ peer: "tfjs-wasm", version: tf.version.tfjs, threads: wasm.getThreadsCount(), make, roof });
