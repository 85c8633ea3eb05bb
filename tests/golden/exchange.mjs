// Exchanges .keras files with the real Keras, in both directions: every layer, models within models, inputs and outputs by
// name and in lists, classes of one's own, and every optimizer with its state.
//
//   npm run build && node tests/golden/exchange.mjs write FOLDER
//   PYTHON tests/golden/exchange.py FOLDER      Keras opens each file, answers, trains on, and saves it again
//   node tests/golden/exchange.mjs read FOLDER  Rondo opens what Keras saved
//
// Keras (PyPI: keras, tensorflow-cpu) is no part of the project's tests; both programs end with code 1 where figures differ.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  Cell,
  defineCell,
  defineLayer,
  fields,
  functional,
  input,
  Layer,
  layers as l,
  loadModel,
  metrics,
  ops,
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
/** Of what is made of a sequence [4, 6]: lines of pixels, pictures and sequences of pictures. */
const overPixels = {
  conv1d: [
    [4, 6],
    () => l.conv1d({ filters: 3, kernelSize: 2, padding: "causal", dilationRate: 2, activation: "relu" }),
  ],
  maxPooling1d: [[4, 6], () => l.maxPooling1d({ poolSize: 3, strides: 1, padding: "same" })],
  averagePooling1d: [[4, 6], () => l.averagePooling1d()],
  upSampling1d: [[4, 6], () => l.upSampling1d({ size: 3 })],
  conv2d: [
    [4, 3, 2],
    () => l.conv2d({ filters: 4, kernelSize: [2, 3], strides: 2, padding: "same", kernelRegularizer: "l2" }),
  ],
  conv2dGroups: [[4, 3, 2], () => l.conv2d({ filters: 4, kernelSize: 2, groups: 2, useBias: false })],
  maxPooling2d: [[4, 3, 2], () => l.maxPooling2d({ padding: "same" })],
  maxPooling3d: [[4, 3, 2, 1], () => l.maxPooling3d({ poolSize: [2, 3, 1] })],
  averagePooling2d: [[4, 3, 2], () => l.averagePooling2d({ poolSize: [2, 1], strides: 1 })],
  globalMaxPooling2d: [[4, 3, 2], () => l.globalMaxPooling2d({ keepDims: true })],
  globalAveragePooling2d: [[4, 3, 2], () => l.globalAveragePooling2d()],
  zeroPadding2d: [[4, 3, 2], () => l.zeroPadding2d({ padding: [1, 2] })],
  cropping2d: [
    [4, 3, 2],
    () =>
      l.cropping2d({
        cropping: [
          [1, 0],
          [0, 2],
        ],
      }),
  ],
  upSampling2d: [[4, 3, 2], () => l.upSampling2d({ size: [2, 1] })],
  convLstm1d: [[2, 3, 4], () => l.convLstm1d({ filters: 2, kernelSize: 2, returnSequences: true })],
  convLstm2d: [[2, 3, 2, 2], () => l.convLstm2d({ filters: 2, kernelSize: 2, padding: "same" })],
  conv2dPerStep: [[2, 3, 2, 2], () => l.timeDistributed({ layer: l.conv2d({ filters: 2, kernelSize: 2 }) })],
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

/** A functional model that reads a sequence [2, 6], with a model in it and one in that. */
function reader() {
  const x = input({ shape: [2, 6], name: "steps" });
  const read = l.gru({ units: 3, returnSequences: true }).apply(x);
  const innermost = sequential([l.dense({ units: 2 })], { name: "innermost" });
  const head = sequential([l.lstm({ units: 2 }), innermost], { name: "head" });
  const found = [l.globalMaxPooling1d().apply(read), head.apply(read)];
  return functional({ inputs: x, outputs: l.concatenate().apply(found), name: "reader" });
}
/** What models within models make of x [4, 6]. */
const overModels = {
  perStep(x) {
    const model = sequential([l.dense({ units: 3, activation: "tanh" }), l.dense({ units: 2 })]);
    return { y: l.timeDistributed({ layer: model }).apply(x) };
  },
  perSequence(x) {
    const sequences = l.reshape({ targetShape: [2, 2, 6] }).apply(x);
    const each = l.timeDistributed({ layer: reader() }).apply(sequences);
    return { y: l.simpleRNN({ units: 2 }).apply(each) };
  },
  twice(x) {
    const given = input({ shape: [null, 6] });
    const model = functional({ inputs: given, outputs: l.dense({ units: 6 }).apply(given), name: "model" });
    const first = model.apply(x);
    return { first, second: model.apply(first), y: l.dense({ units: 1 }).apply(first) };
  },
};

/** x times a weight and a number: a layer class of one's own. */
class Scale extends Layer {
  static definition = defineLayer("Scale", { by: fields.real(1) }, { registeredName: "mine>Scale" });
  #factor;
  constructor(options = {}) {
    super(new.target.definition, options);
  }
  declareWeights([x]) {
    this.#factor = this.addWeight("factor", [this.features(x)], "randomNormal");
  }
  call([x], context) {
    return ops.mul(ops.mul(x, ops.spread(context.weight(this.#factor), x)), this.settings.by);
  }
}
/** The same, not registered in Python. */
class Plain extends Scale {
  static definition = defineLayer("Plain", { by: fields.real(1) });
}
/** A cell of one's own: h becomes tanh(x·k + h). */
class Sum extends Cell {
  static definition = defineCell("Sum", { units: fields.size }, { registeredName: "mine>Sum" });
  #kernel;
  constructor(options) {
    super(Sum.definition, options);
  }
  get stateShapes() {
    return [[this.settings.units]];
  }
  declareWeights(step) {
    this.#kernel = this.addWeight("kernel", [step.at(-1), this.settings.units], "glorotUniform");
  }
  call(x, [h], context) {
    const output = ops.tanh(ops.add(ops.matMul(x, context.weight(this.#kernel)), h));
    return { output, states: [output] };
  }
}
const custom = { Scale, Plain, Sum };
const overOwnClasses = {
  registered: (x) => new Scale({ by: 3 }).apply(x),
  plain: (x) => new Plain({ by: 3 }).apply(x),
  perStep: (x) => l.timeDistributed({ layer: new Scale({ by: 2 }) }).apply(x),
  cell: (x) => l.rnn({ cell: new Sum({ units: 3 }) }).apply(x),
  cells: (x) =>
    l.bidirectional({ layer: l.rnn({ cell: [new Sum({ units: 3 }), l.gruCell({ units: 2 })] }) }).apply(x),
};

/** Inputs and outputs by name in an order that is not that of their names, all outputs of one shape. */
function named() {
  const [words, hints] = [
    input({ shape: sequence, name: "words" }),
    input({ shape: sequence, name: "hints" }),
  ];
  const read = l.gru({ units: 3 });
  const joined = l.concatenate().apply([read.apply(words), read.apply(hints)]);
  const head = () => l.dense({ units: 2 }).apply(joined);
  const outputs = { topic: head(), score: head(), alike: head() };
  const model = functional({ inputs: { words, hints }, outputs, seed: 1 });
  model.compile({
    optimizer: "adam",
    loss: { topic: "meanSquaredError", alike: "huber" },
    metrics: { score: ["meanAbsoluteError"] },
  });
  return model;
}

/** The models by name. */
async function models() {
  const made = { "ports-named": named() };
  // Rondo has no lists of its own: what Keras made with some stays so.
  made["ports-listed"] = await loadModel(fileURLToPath(new URL("files/listed.keras", import.meta.url)));
  for (const [name, make] of Object.entries(overOwnClasses)) {
    const x = input({ shape: sequence, name: "x" });
    made[`own-${name}`] = functional({ inputs: { x }, outputs: { y: make(x) }, seed: 1 });
  }
  const given = input({ shape: sequence });
  const reading = functional({ inputs: given, outputs: l.lstm({ units: 3 }).apply(given) });
  made["model-first"] = sequential([reading, l.dense({ units: 2 })], { seed: 1 });
  for (const [name, make] of Object.entries(overSequences)) {
    const x = input({ shape: sequence, name: "x" });
    const y = make().apply(l.dense({ units: 6 }).apply(x));
    made[`layer-${name}`] = functional({ inputs: { x }, outputs: { y }, seed: 1 });
  }
  for (const [name, [targetShape, make]] of Object.entries(overPixels)) {
    const x = input({ shape: sequence, name: "x" });
    const y = make().apply(l.reshape({ targetShape }).apply(x));
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
  for (const [name, make] of Object.entries(overModels)) {
    const x = input({ shape: sequence, name: "x" });
    made[`model-${name}`] = functional({ inputs: { x }, outputs: make(x), seed: 1 });
  }
  for (const [name, make] of Object.entries(optimizersByCase)) {
    const model = sequential([l.lstm({ units: 3, inputShape: sequence }), l.dense({ units: 2 })], {
      seed: 1,
    });
    model.compile({
      optimizer: make(),
      loss: "meanSquaredError",
      metrics: ["meanAbsoluteError", metrics.accuracy()],
    });
    made[`optimizer-${name}`] = model;
  }
  return made;
}

const [x, y] = [wave([5, ...sequence]), wave([5, 2], 2)];

/** What a model answers: the losses of three more steps; or its predictions, where it has losses by ports after three. */
async function answer(name, model) {
  if (name.startsWith("optimizer")) {
    const losses = [];
    for (let i = 0; i < 3; i++) losses.push((await model.trainOnBatch(x, y))[0]);
    return losses;
  }
  const listed = name === "ports-listed";
  const names = listed ? model.inputNames : [...model.inputNames].sort();
  const waves = names.map((_, i) => wave(name.endsWith("repeatVector") ? [2, 3] : [2, ...sequence], i + 1));
  if (names[0] === "") return [...(await model.predict(waves[0])).data];
  const given = Object.fromEntries(names.map((port, i) => [port, waves[i]]));
  const outputs = listed ? model.outputNames : [...model.outputNames].sort();
  let predicted = await model.predict(given);
  if (name.startsWith("ports")) {
    const targets = Object.fromEntries(outputs.map((port, i) => [port, wave(predicted[port].shape, i + 1)]));
    for (let i = 0; i < 3; i++) await model.trainOnBatch(given, targets);
    predicted = await model.predict(given);
  }
  return outputs.flatMap((port) => [...predicted[port].data]);
}

const file = (name, end) => join(folder, `${name}.${end}`);
if (direction === "write") {
  mkdirSync(folder, { recursive: true });
  for (const [name, model] of Object.entries(await models())) {
    if (name.startsWith("optimizer")) for (let i = 0; i < 3; i++) await model.trainOnBatch(x, y);
    await model.save(file(name, "keras"));
    writeFileSync(file(name, "json"), JSON.stringify(await answer(name, model)));
  }
} else {
  for (const name of Object.keys(await models())) {
    const expected = JSON.parse(readFileSync(file(name, "keras.json"), "utf8"));
    const given = await answer(name, await loadModel(file(name, "again.keras"), { custom }));
    const error = Math.max(...expected.map((v, i) => Math.abs(v - given[i])));
    console.log(`${name}: ${error.toExponential(1)}`);
    if (!(expected.length === given.length && error < 1e-5)) process.exitCode = 1;
  }
}
