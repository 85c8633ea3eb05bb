// Exchanges .keras files with the real Keras, in both directions: every layer, and every optimizer with its state.
//
//   npm run build && node tests/golden/exchange.mjs write FOLDER
//   PYTHON tests/golden/exchange.py FOLDER      Keras opens each file, answers, trains on, and saves it again
//   node tests/golden/exchange.mjs read FOLDER  Rondo opens what Keras saved
//
// Keras (PyPI: keras, tensorflow-cpu) is no part of the project's tests; both programs end with code 1 where figures differ.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  functional,
  input,
  layers as l,
  loadModel,
  optimizers,
  schedules,
  sequential,
  tensor,
} from "../../dist/index.js";

const [direction, folder] = process.argv.slice(2);

/** sin(1.7·i + k) */
const wave = (shape, k = 1) =>
  tensor(
    Float32Array.from({ length: shape.reduce((p, d) => p * d, 1) }, (_, i) => Math.sin(i * 1.7 + k)),
    shape,
  );

const sequence = [4, 6];
const overSequences = {
  dense: () => l.dense({ units: 3, activation: "relu", kernelRegularizer: "l2", biasConstraint: "nonNeg" }),
  activation: () => l.activation({ activation: "gelu" }),
  dropout: () => l.dropout({ rate: 0.3 }),
  flatten: () => l.flatten(),
  reshape: () => l.reshape({ targetShape: [6, -1] }),
  masking: () => l.masking(),
  simpleRNN: () => l.simpleRNN({ units: 3, returnSequences: true }),
  lstm: () => l.lstm({ units: 3, recurrentDropout: 0.1, unitForgetBias: false }),
  gru: () => l.gru({ units: 3, resetAfter: false, goBackwards: true }),
  rnn: () => l.rnn({ cell: [l.lstmCell({ units: 3 }), l.gruCell({ units: 2 })], returnSequences: true }),
  bidirectional: () =>
    l.bidirectional({ layer: l.gru({ units: 2, returnSequences: true }), mergeMode: "sum" }),
  timeDistributed: () => l.timeDistributed({ layer: l.dense({ units: 2 }) }),
  permute: () => l.permute({ dims: [2, 1] }),
  zeroPadding1d: () => l.zeroPadding1d({ padding: [1, 2] }),
  cropping1d: () => l.cropping1d({ cropping: [1, 0] }),
  globalMaxPooling1d: () => l.globalMaxPooling1d(),
  globalAveragePooling1d: () => l.globalAveragePooling1d({ keepDims: true }),
  leakyReLU: () => l.leakyReLU({ negativeSlope: 0.1 }),
  elu: () => l.elu(),
  reLU: () => l.reLU({ maxValue: 0.5 }),
  softmax: () => l.softmax(),
  gaussianNoise: () => l.gaussianNoise({ stddev: 0.1 }),
  spatialDropout1d: () => l.spatialDropout1d({ rate: 0.2 }),
  activityRegularization: () => l.activityRegularization({ l1: 0.1 }),
  batchNormalization: () => l.batchNormalization(),
  layerNormalization: () => l.layerNormalization(),
  unitNormalization: () => l.unitNormalization(),
};
const overPairs = {
  add: () => l.add(),
  subtract: () => l.subtract(),
  multiply: () => l.multiply(),
  average: () => l.average(),
  maximum: () => l.maximum(),
  minimum: () => l.minimum(),
  concatenate: () => l.concatenate({ axis: 1 }),
  dot: () => l.dot({ axes: 2, normalize: true }),
};
const optimizersByCase = {
  sgd: () => optimizers.sgd({ learningRate: 1, momentum: 0.9 }),
  rmsprop: () => optimizers.rmsprop({ momentum: 0.1, centered: true }),
  adagrad: () => optimizers.adagrad(),
  adadelta: () => optimizers.adadelta({ learningRate: 1 }),
  adam: () => optimizers.adam({ amsgrad: true, clipNorm: 1 }),
  adamW: () => optimizers.adamW(),
  adamax: () => optimizers.adamax(),
  nadam: () => optimizers.nadam(),
  average: () => optimizers.adam({ useEma: true }),
  schedule: () =>
    optimizers.adam({ learningRate: schedules.cosineDecay({ initialLearningRate: 0.1, decaySteps: 10 }) }),
};

/** The models by name. */
function models() {
  const made = {};
  for (const [name, make] of Object.entries(overSequences)) {
    const x = input({ shape: sequence, name: "x" });
    const y = make().apply(l.dense({ units: 6 }).apply(x));
    made[`layer-${name}`] = functional({ inputs: { x }, outputs: { y }, seed: 1 });
  }
  const vector = input({ shape: [3], name: "x" });
  made["layer-repeatVector"] = functional({
    inputs: { x: vector },
    outputs: { y: l.repeatVector({ n: 2 }).apply(vector) },
    seed: 1,
  });
  for (const [name, make] of Object.entries(overPairs)) {
    const [a, b] = [input({ shape: sequence, name: "a" }), input({ shape: sequence, name: "b" })];
    const shared = l.dense({ units: 6 });
    const y = make().apply([shared.apply(a), shared.apply(b)]);
    made[`layer-${name}`] = functional({ inputs: { a, b }, outputs: { y }, seed: 1 });
  }
  for (const [name, make] of Object.entries(optimizersByCase)) {
    const model = sequential([l.lstm({ units: 3, inputShape: sequence }), l.dense({ units: 2 })], {
      seed: 1,
    });
    model.compile({ optimizer: make(), loss: "meanSquaredError", metrics: ["meanAbsoluteError"] });
    made[`optimizer-${name}`] = model;
  }
  return made;
}

const [x, y] = [wave([5, ...sequence]), wave([5, 2], 2)];

/** What a model answers: the losses of three more steps, or its predictions. */
async function answer(name, model) {
  if (name.startsWith("optimizer")) {
    const losses = [];
    for (let i = 0; i < 3; i++) losses.push((await model.trainOnBatch(x, y))[0]);
    return losses;
  }
  const names = model.inputNames;
  const given = Object.fromEntries(
    names.map((port, i) => [port, wave(name.endsWith("repeatVector") ? [2, 3] : [2, ...sequence], i + 1)]),
  );
  return [...(await model.predict(given)).y.data];
}

const file = (name, end) => join(folder, `${name}.${end}`);
if (direction === "write") {
  mkdirSync(folder, { recursive: true });
  for (const [name, model] of Object.entries(models())) {
    if (name.startsWith("optimizer")) for (let i = 0; i < 3; i++) await model.trainOnBatch(x, y);
    await model.save(file(name, "keras"));
    writeFileSync(file(name, "json"), JSON.stringify(await answer(name, model)));
  }
} else {
  for (const name of Object.keys(models())) {
    const expected = JSON.parse(readFileSync(file(name, "keras.json"), "utf8"));
    const given = await answer(name, await loadModel(file(name, "again.keras")));
    const error = Math.max(...expected.map((v, i) => Math.abs(v - given[i])));
    console.log(`${name}: ${error.toExponential(1)}`);
    if (!(expected.length === given.length && error < 1e-5)) process.exitCode = 1;
  }
}
