// TensorFlow.js on its wasm backend: node tfjs_peer.mjs THREADS PACKAGES, the folder where @tensorflow/tfjs and
// @tensorflow/tfjs-backend-wasm are installed. The backend has SIMD, but runs one thread in Node whatever is asked.
// The protocol stands in `protocol.py`.

import path from "node:path";
import {
  data,
  given,
  LEARNING_RATE,
  ROOF_SIZE,
  requireFrom,
  rowsOf,
  serve,
  Unsupported,
} from "./protocol.mjs";

const require = requireFrom(process.argv[3]);
console.log = console.warn = console.error; // standard output is for answers
const tf = require("@tensorflow/tfjs");
const wasm = require("@tensorflow/tfjs-backend-wasm");
wasm.setWasmPaths(`${path.dirname(require.resolve("@tensorflow/tfjs-backend-wasm"))}/`);
if (!(await tf.setBackend("wasm"))) throw new Error("tfjs_peer: the wasm backend did not start");

// Its own gradient of unstack fails for sequences of one step, whose one piece comes without a list around it.
tf.registerGradient({
  kernelName: "Unpack",
  gradFunc: (dy, _, { axis }) => ({ value: () => tf.stack([dy].flat(), axis) }),
});

/** Of targets (classes one-hot) and outputs. */
const LOSSES = {
  sparseCategoricalCrossentropy: (target, logits) => tf.losses.softmaxCrossEntropy(target, logits),
  meanSquaredError: (target, outputs) => tf.losses.meanSquaredError(target, outputs),
};
const OPTIMIZERS = { adam: () => tf.train.adam(LEARNING_RATE), sgd: () => tf.train.sgd(LEARNING_RATE) };

/** Works that are timed with the gates that TensorFlow.js has by default, hardSigmoid; all other contestants have sigmoid. */
const DEFAULT_GATES = ["W1", "W2", "W3"];

function buildModel(work) {
  const { name, batch, input, words, embedding, cell, units, outputs, bidirectional, masked } = work;
  const { dropout = 0, perStep = false, stateful = false, filters = [], kernel, pool, hidden } = work;
  const model = tf.sequential();
  const each = (layer) =>
    model.add(
      tf.layers.timeDistributed({ layer, ...(model.layers.length === 0 ? { inputShape: input } : {}) }),
    );
  for (const count of filters)
    each(tf.layers.conv2d({ filters: count, kernelSize: kernel, activation: "relu" }));
  if (pool) {
    each(tf.layers.maxPooling2d({ poolSize: pool }));
    each(tf.layers.flatten());
  }
  // The backend has no gradient of an embedding: one-hot rows times the table are the same.
  if (words) {
    const batchInputShape = [batch, ...input, words];
    model.add(tf.layers.dense({ units: embedding, useBias: false, batchInputShape }));
  }
  if (masked) model.add(tf.layers.masking({ maskValue: 0, inputShape: input }));
  for (const [i, size] of units.entries()) {
    const layer = tf.layers[cell]({
      units: size,
      dropout,
      stateful,
      ...(DEFAULT_GATES.includes(name) ? {} : { recurrentActivation: "sigmoid" }),
      returnSequences: perStep || i < units.length - 1,
      recurrentInitializer: "glorotUniform", // the default takes seconds at this size
      ...(model.layers.length === 0 && !bidirectional ? { inputShape: input } : {}),
    });
    model.add(
      bidirectional ? tf.layers.bidirectional({ layer, mergeMode: "concat", inputShape: input }) : layer,
    );
  }
  if (hidden) model.add(tf.layers.dense({ units: hidden }));
  model.add(tf.layers.dense({ units: outputs }));
  return model;
}

async function make(work, kind) {
  if (work.words && work.masked) throw new Unsupported("ids have no masks where they are one-hot");
  const training = kind === "train" || kind === "losses";
  if (work.filters && training) throw new Unsupported("the wasm backend has no gradients of convolutions");
  const { x, y } = data(work, rowsOf(work, kind));
  const model = buildModel(work);
  const numbers = tf.tensor(x.values, x.shape);
  const inputs = work.words ? tf.oneHot(numbers, work.words).toFloat() : numbers;
  if (kind === "losses") {
    const values = given(work, model.weights);
    model.setWeights(model.weights.map(({ shape }, i) => tf.tensor(values[i], shape)));
  }
  if (training) {
    model.compile({ optimizer: OPTIMIZERS[work.optimizer](), loss: LOSSES[work.loss] });
    const target = tf.tensor(y.values, y.shape);
    const targets = work.loss === "sparseCategoricalCrossentropy" ? tf.oneHot(target, work.outputs) : target;
    return () => model.trainOnBatch(inputs, targets);
  }
  return async () => {
    const outputs = model.predictOnBatch(inputs);
    const values = await outputs.data();
    outputs.dispose();
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
