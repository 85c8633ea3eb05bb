import { describe, expect, it } from "vitest";
import {
  type Backend,
  type CompileOptions,
  callbacks,
  type Layer,
  layers,
  losses,
  metrics,
  optimizers,
  RondoError,
  type Sequential,
  sequential,
  tensor,
  zeros,
} from "../../src/index.js";

/** None: every mistake here is found before anything is loaded, planned or run. */
const backend = new Promise<Backend>(() => {});

function model(compile: Partial<CompileOptions> | "not compiled" = {}): Sequential {
  const made = sequential(
    [
      layers.lstm({ units: 4, inputShape: [5, 3], returnSequences: true }),
      layers.lstm({ units: 4 }),
      layers.dense({ units: 3, activation: "softmax" }),
    ],
    { backend },
  );
  if (compile !== "not compiled")
    made.compile({ optimizer: "adam", loss: "sparseCategoricalCrossentropy", ...compile });
  return made;
}

const x = zeros([4, 5, 3]);
const y = tensor(Uint8Array.of(0, 1, 2, 1));
const quiet = { verbose: 0 } as const;

/** What only JavaScript lets through. */
const untyped = <T extends object>(given: object): T => given as T;

/** The four parts of the error that `run` ends with. */
async function parts(run: () => unknown): Promise<string> {
  try {
    await run();
  } catch (error) {
    expect(error).toBeInstanceOf(RondoError);
    return (error as RondoError).message;
  }
  return expect.unreachable("no error");
}

describe("mistakes get an error with where, received, expected and fix", () => {
  it("a layer that gets no sequence", () => {
    const make = () =>
      sequential([
        layers.lstm({ units: 4, inputShape: [5, 3] }),
        // @ts-expect-error needs the sequence of the layer before
        layers.lstm({ units: 4 }),
      ]);
    expect(make).toThrow(
      /^lstm "lstm_1": received \[batch, 4\], expected \[batch, time, features\]\. .*returnSequences/,
    );
  });
  it.each<[string, () => unknown, string]>([
    [
      "wrong rank",
      () => model().fit(zeros([4, 15]), y, quiet),
      "fit: received x of shape [4, 15], expected [batch, 5, 3], as the model's inputShape says. Reshape x, or change the first layer's inputShape.",
    ],
    [
      "wrong feature size",
      () => model().predict(zeros([4, 5, 2])),
      "predict: received x of shape [4, 5, 2], expected [batch, 5, 3], as the model's inputShape says. Reshape x, or change the first layer's inputShape.",
    ],
    [
      "different numbers of samples",
      () => model().fit(x, y.rows(1), quiet),
      "fit: received 4 samples in x (shape [4, 5, 3]) and 3 in y (shape [3]), expected the same number of samples in both. Give one row of y for every row of x.",
    ],
    [
      "different numbers in validation data",
      () => model().fit(x, y, { ...quiet, validationData: [x, y.rows(2)] }),
      "fit, validationData: received 4 samples in x (shape [4, 5, 3]) and 2 in y (shape [2])",
    ],
    [
      "labels out of range",
      () => model().evaluate(x, tensor(Int32Array.of(0, 1, 3, 1))),
      "evaluate: received the label 3 in row 2 of y, expected whole numbers from 0 to 2, because the model's output has 3 classes. Number the classes from 0",
    ],
    [
      "labels out of range in one batch",
      () => model().trainOnBatch(x, [0, -1, 0, 0]),
      "trainOnBatch: received the label -1 in row 1 of y",
    ],
    [
      "empty data",
      () => model().fit(zeros([0, 5, 3]), zeros([0]), quiet),
      "fit: received x without rows, expected at least one sample. Check how the data was loaded or filtered.",
    ],
    ["an empty list", () => model().fit([], [], quiet), "fit: received x without rows"],
    ["empty data to predict", () => model().predict(zeros([0, 5, 3])), "predict: received x without rows"],
    [
      "batch size 0",
      () => model().fit(x, y, { ...quiet, batchSize: 0 }),
      "fit: received batchSize: 0, expected a whole number of at least 1. Change batchSize.",
    ],
    ["batch size 0 to predict", () => model().predict(x, { batchSize: 0 }), "predict: received batchSize: 0"],
    ["part of an epoch", () => model().fit(x, y, { ...quiet, epochs: 1.5 }), "fit: received epochs: 1.5"],
    [
      "a split that leaves nothing",
      () => model().fit(x, y, { ...quiet, validationSplit: 0.9 }),
      "fit: received validationSplit: 0.9 for 4 samples",
    ],
    [
      "an unknown loss",
      () => model({ loss: "categoricalCrossEntropy" as "mse" }),
      'compile: received the unknown loss "categoricalCrossEntropy", expected one of meanSquaredError, meanAbsoluteError, meanAbsolutePercentageError, meanSquaredLogarithmicError, logCosh, huber, hinge, squaredHinge, categoricalHinge, klDivergence, kullbackLeiblerDivergence, poisson, cosineSimilarity, binaryCrossentropy, binaryFocalCrossentropy, categoricalCrossentropy, categoricalFocalCrossentropy, sparseCategoricalCrossentropy, crf, mse, mae, mape, msle, logcosh, kld, cosineProximity. Did you mean "categoricalCrossentropy"?',
    ],
    [
      "an unknown optimizer",
      () => model({ optimizer: "rmsProb" as "adam" }),
      'compile: received the unknown optimizer "rmsProb", expected one of sgd, rmsprop, adam, adamW, adagrad, adadelta, adamax, nadam. Did you mean "rmsprop"?',
    ],
    [
      "an unknown option of compile",
      () => model(untyped({ optimiser: "adam" })),
      'compile: received the unknown option "optimiser", expected one of optimizer, loss, lossWeights, metrics, weightedMetrics. Did you mean "optimizer"?',
    ],
    [
      "an unknown option of fit",
      () => model().fit(x, y, untyped({ ...quiet, batch_size: 2 })),
      'fit: received the unknown option "batch_size"',
    ],
    [
      "an unknown option of trainOnBatch",
      () => model().trainOnBatch(x, y, untyped({ sampleWeights: [1, 1, 1, 1] })),
      'trainOnBatch: received the unknown option "sampleWeights"',
    ],
    [
      "an unknown option of a model",
      () => sequential([], untyped({ sead: 1 })),
      'sequential: received the unknown option "sead", expected one of name, seed, backend. Did you mean "seed"?',
    ],
    [
      "an unknown option of an optimizer",
      () => optimizers.adam(untyped({ beta3: 0.9 })),
      'adam: received the unknown option "beta3"',
    ],
    [
      "an unknown option of a loss",
      () => losses.categoricalCrossentropy(untyped({ from_logits: true })),
      'categoricalCrossentropy: received the unknown option "from_logits", expected one of fromLogits, labelSmoothing, axis, reduction, name. Did you mean "fromLogits"?',
    ],
    [
      "an unknown mode of a callback",
      () => callbacks.earlyStopping({ mode: "minimum" as "min" }),
      'earlyStopping: received the unknown mode "minimum", expected one of auto, min, max.',
    ],
    [
      "something else than a layer",
      () => sequential([untyped<Layer>({ units: 3 })]),
      'model "sequential": received an object in place 0 of its layers, expected a layer. Write for example layers.lstm({ units: 64 }).',
    ],
    [
      "a layer of several outputs",
      () => sequential([layers.lstm({ units: 2, inputShape: [5, 3], returnState: true })]),
      'lstm "lstm": received a place in a sequential model, with 3 outputs, expected one output.',
    ],
    [
      "an unknown metric",
      () => model({ metrics: ["acuracy" as "acc"] }),
      'compile: received the unknown metric "acuracy"',
    ],
    [
      "a model that is not compiled",
      () => model("not compiled").fit(x, y, quiet),
      'fit: received model "sequential" without a loss, expected a compiled model. Call compile first',
    ],
    [
      "weights before their shapes are known",
      () => sequential([layers.dense({ units: 3 })], { backend }).getWeights(),
      'model "sequential": received a use of its weights before their shapes are known',
    ],
    [
      "a model without layers",
      () => sequential([], { backend }).predict(x),
      'model "sequential": received no layers',
    ],
    ["half a seed", () => sequential([], { seed: 0.5 }), "sequential: received seed: 0.5"],
    [
      "predictSync too early",
      () => model().predictSync(x),
      "predictSync: received a call before ready, expected a model that is ready. Await model.ready() once before.",
    ],
  ])("%s", async (_name, run, message) => {
    expect(await parts(run)).toContain(message);
  });

  it("a second fit during a fit, and predictSync during a fit", async () => {
    const busy = model();
    void busy.fit(x, y, quiet); // waits for its backend
    expect(await parts(() => busy.fit(x, y, quiet))).toBe(
      "fit: received a call while the model is being fitted, expected no fit under way. Await the fit first.",
    );
    expect(await parts(() => busy.trainOnBatch(x, y))).toContain("trainOnBatch: received a call while");
    expect(await parts(() => busy.compile({ loss: "mse" }))).toContain("compile: received a call while");
    const evaluated = model();
    void evaluated.evaluate(x, y);
    expect(await parts(() => evaluated.compile({ loss: "mse" }))).toBe(
      "compile: received a call while the model is being evaluated or trained, expected no evaluate, trainOnBatch or testOnBatch under way. Await it first.",
    );
    expect(await parts(() => busy.predictSync(x))).toBe(
      "predictSync: received a call while weights or states are being changed, expected no fit, trainOnBatch or setWeights under way, and no other run of a stateful model. Await them first, or use predict, which takes its turn.",
    );
  });

  const fitWith = (options: object) => () => model().fit(x, y, untyped({ ...quiet, ...options }));
  const compileWith = (options: object) => () => model(untyped(options));
  it.each<[string, () => unknown, string]>([
    [
      "no loss",
      compileWith({ loss: undefined }),
      "compile: received no loss, expected a name, one of Rondo's",
    ],
    ["null for a loss", compileWith({ loss: null }), "compile: received null for a loss"],
    [
      "no options of compile",
      () => model().compile(untyped(undefined as unknown as object)),
      "compile: received undefined for its options",
    ],
    [
      "a name for the list of metrics",
      compileWith({ metrics: "accuracy" }),
      'compile: received metrics: "accuracy", expected a list',
    ],
    ["a number for a metric", compileWith({ metrics: [3] }), "compile: received 3 for a metric"],
    [
      "no optimizer",
      compileWith({ optimizer: null }),
      "compile: received optimizer: null, expected the name of an optimizer",
    ],
    [
      "an optimizer that was not called",
      compileWith({ optimizer: optimizers.adam }),
      "compile: received optimizer: a function, expected the name of an optimizer, or what optimizers.sgd() gives. Call it: optimizers.adam()",
    ],
    [
      "text for a number",
      () => optimizers.adam(untyped({ clipNorm: "1" })),
      'adam: received clipNorm: "1", expected a number from 0, or null.',
    ],
    [
      "an object for a number",
      () => optimizers.adam(untyped({ learningRate: {} })),
      "adam: received learningRate: an object",
    ],
    [
      "a number for a switch",
      () => optimizers.sgd(untyped({ nesterov: 1 })),
      "sgd: received nesterov: 1, expected true or false",
    ],
    [
      "a decay of 1",
      () => optimizers.adam({ beta1: 1 }),
      "adam: received beta1: 1, expected a fraction from 0 to below 1",
    ],
    [
      "a number for options",
      () => optimizers.sgd(untyped(3 as unknown as object)),
      "sgd: received 3 for its options",
    ],
    [
      "a learning rate of NaN",
      () => Object.assign(model(), { learningRate: Number.NaN }),
      'model "sequential": received learningRate: NaN',
    ],
    [
      "a learning rate in words",
      () => Object.assign(model(), { learningRate: "x" }),
      'received learningRate: "x"',
    ],
    [
      "a callback that was not called",
      fitWith({ callbacks: [callbacks.terminateOnNaN] }),
      "fit: received the function terminateOnNaN for a callback, expected an object with hooks",
    ],
    [
      "the name of a callback",
      fitWith({ callbacks: ["earlyStopping"] }),
      'fit: received "earlyStopping" for a callback',
    ],
    ["null for a callback", fitWith({ callbacks: [null] }), "fit: received null for a callback"],
    [
      "a controller for its signal",
      fitWith({ signal: new AbortController() }),
      "fit: received signal: an AbortController, expected an AbortSignal. Pass the signal of an AbortController: controller.signal.",
    ],
    [
      "an object of validation data",
      fitWith({ validationData: { x, y } }),
      "fit: received validationData: an object, expected [x, y] or [x, y, sampleWeight]",
    ],
    ["null for validation data", fitWith({ validationData: null }), "fit: received validationData: null"],
    [
      "balanced classes",
      fitWith({ classWeight: "balanced" }),
      'fit: received classWeight: "balanced", expected an object of class numbers',
    ],
    ["a map of classes", fitWith({ classWeight: new Map([[0, 5]]) }), "fit: received classWeight: a Map"],
    ["a class of NaN", fitWith({ classWeight: { 1: Number.NaN } }), "fit: received classWeight: { 1: NaN }"],
    [
      "null for options",
      () => model().fit(x, y, untyped(null as unknown as object)),
      "fit: received null for its options",
    ],
    [
      "patience in words",
      () => callbacks.earlyStopping(untyped({ patience: "x" })),
      'earlyStopping: received patience: "x"',
    ],
    [
      "a misspelt threshold",
      () => metrics.binaryAccuracy(untyped({ treshold: 0.9 })),
      'binaryAccuracy: received the unknown option "treshold"',
    ],
    [
      "a misspelt option of memory",
      () => model().memory(untyped({ batchsize: 3 })),
      'memory: received the unknown option "batchsize"',
    ],
    [
      "a sample that contradicts the model",
      () => model().memory({ inputShape: [9, 9] }),
      "memory: received inputShape: [9, 9], expected [5, 3]",
    ],
    [
      "a layer for a list",
      () => sequential(untyped<[]>(layers.dense({ units: 1 }))),
      "sequential: received a Dense, expected a list of layers",
    ],
    [
      "the name of a backend",
      () => sequential([], untyped({ backend: "wasm" })),
      'sequential: received backend: "wasm"',
    ],
    [
      "no weights",
      () => model().setWeights(untyped<[]>(undefined as unknown as object)),
      "setWeights: received undefined",
    ],
  ])("%s", async (_name, run, message) => {
    expect(await parts(run)).toContain(message);
  });

  // What y and x are, and what would make them fit.
  const sequence = (units = 1) => [
    layers.lstm({ units: 4, inputShape: [5, 3], returnSequences: true }),
    layers.dense({ units }),
  ];
  const last = (units = 1) => [layers.lstm({ units: 4, inputShape: [5, 3] }), layers.dense({ units })];
  const fitted = async (stack: readonly Layer[], loss: CompileOptions["loss"], shape: readonly number[]) => {
    const made = sequential(stack);
    made.compile({ loss });
    await made.fit(x, zeros([4, ...shape]), quiet);
  };
  const predicted = (inputShape: readonly (number | null)[], shape: readonly number[]) =>
    sequential([layers.lstm({ units: 1, inputShape })], { backend }).predict(zeros(shape));
  const fixedRows = (stateful: boolean) =>
    sequential([layers.lstm({ units: 1, inputShape: [5, 3], batchSize: 7, stateful })], { backend });
  const binary = () => {
    const made = sequential(last(), { backend });
    made.compile({ loss: "binaryCrossentropy" });
    return made;
  };
  const named = (name: string) => ({ ...metrics.meanSquaredError(), name });
  const oneTarget = "Set returnSequences: false on the last recurrent layer, or give one target per step.";
  const manyTargets = "Set returnSequences: true on the last recurrent layer for a target per step";
  it.each<[string, () => unknown, string]>([
    ["one value for a sequence of values", () => fitted(sequence(), "mse", []), oneTarget],
    ["one value in a list for a sequence", () => fitted(sequence(), "mse", [1]), oneTarget],
    ["values for a sequence of values", () => fitted(sequence(2), "mse", [2]), oneTarget],
    ["one class for a sequence", () => fitted(sequence(3), "sparseCategoricalCrossentropy", [1]), oneTarget],
    [
      "a shorter sequence of values",
      () => fitted(sequence(), "mse", [4, 1]),
      "Give a target for each step of the model's output, no more and no less.",
    ],
    ["a class per step", () => fitted(last(3), "sparseCategoricalCrossentropy", [5]), manyTargets],
    ["a value per step", () => fitted(last(), "mse", [5, 1]), manyTargets],
    [
      "one value for two units",
      () => fitted(last(2), "mse", []),
      "Set units: 1 on the last layer, or give 2 values in the place of each.",
    ],
    [
      "five values for one unit",
      () => fitted(last(), "mse", [5]),
      "Set units: 5 on the last layer, or give targets whose last axis has 1.",
    ],
    [
      "class numbers in lists of one",
      () => fitted(last(2), "categoricalCrossentropy", [1]),
      'For class numbers use "sparseCategoricalCrossentropy"',
    ],
    [
      "no axis of features",
      () => predicted([5, 1], [4, 5]),
      "The axis of features is missing: reshape x to [4, 5, 1].",
    ],
    ["one sample", () => predicted([null, 3], [7, 3]), "This is one sample: reshape x to [1, 7, 3]."],
    [
      "one sample without features",
      () => predicted([5, 1], [5]),
      "This is one sample of one feature: reshape x to [1, 5, 1].",
    ],
    [
      "one row for a stateful model",
      () => fixedRows(true).predict(zeros([1, 5, 3])),
      "predict: received 1 sample in batches of 7, expected batches of 7, the batchSize of the first layer, and a multiple of 7 samples. Set batchSize to 7 and give full batches; for other batches make a second model",
    ],
    [
      "one row for a model of fixed rows",
      () => fixedRows(false).predict(zeros([1, 5, 3])),
      "or leave batchSize out of the first layer.",
    ],
    [
      "text among numbers",
      () => model().predict(untyped([[1, "2"]])),
      'predict: x: received the text "2" at [0][1], expected numbers or booleans, nested lists of them, or typed arrays. Convert text to numbers first',
    ],
    [
      "a layer for the options of a layer",
      () => layers.bidirectional(untyped(layers.lstm({ units: 2 }))),
      "bidirectional: received an LSTM for its options, expected an object. Write for example { layer: … }.",
    ],
    [
      "the name of an activation for the options",
      () => layers.activation(untyped("relu" as unknown as object)),
      'activation: received "relu" for its options, expected an object. Write for example { activation: … }.',
    ],
    [
      "no activation",
      () => layers.activation(untyped({ name: "relu" })),
      "activation: received no activation, expected the option activation.",
    ],
    [
      "two shapes",
      () => layers.inputLayer({ shape: [3], inputShape: [4] }),
      "inputLayer: received shape and inputShape, expected the shape of one sample, once.",
    ],
    [
      "epochs in words",
      fitWith({ epochs: "3" }),
      'fit: received epochs: "3", expected a whole number of at least 0.',
    ],
    [
      "targets 1 and 2 of two classes",
      () => binary().fit(x, [1, 2, 1, 2], quiet),
      "fit: received the target 2 in row 1 of y, expected numbers from 0 to 1, because the loss is binaryCrossentropy. Number two classes 0 and 1",
    ],
    [
      "targets 1 and 2 in one batch",
      () => binary().trainOnBatch(x, [1, 2, 1, 2]),
      "trainOnBatch: received the target 2 in row 1 of y",
    ],
    [
      "targets 1 and 2 to test on",
      () => binary().testOnBatch(x, [1, 2, 1, 2]),
      "testOnBatch: received the target 2 in row 1 of y",
    ],
    [
      "targets 1 and 2 to evaluate on",
      () => binary().evaluate(x, [1, 2, 1, 2]),
      "evaluate: received the target 2 in row 1 of y",
    ],
    [
      "targets 1 and 2 to validate on",
      () => binary().fit(x, [1, 0, 1, 1], { ...quiet, validationData: [x, [1, 2, 1, 2]] }),
      "fit, validationData: received the target 2 in row 1 of y",
    ],
    [
      "labels that are names",
      () => model().fit(x, untyped(["cat", "dog", "cat", "dog"]), quiet),
      'fit: y: received the text "cat" at [0], expected numbers or booleans, nested lists of them, or typed arrays. Number the classes: const names = [...new Set(labels)]',
    ],
    [
      "a split in words",
      fitWith({ validationSplit: "0.2" }),
      'fit: received validationSplit: "0.2" for 4 samples',
    ],
    ["no split", fitWith({ validationSplit: null }), "fit: received validationSplit: null"],
    ["half a split", fitWith({ validationSplit: Number.NaN }), "fit: received validationSplit: NaN"],
    ["a batch size in words", fitWith({ batchSize: "32" }), 'fit: received batchSize: "32"'],
    ["no batch size", fitWith({ batchSize: null }), "fit: received batchSize: null"],
    [
      "a validation batch size in words",
      fitWith({ validationBatchSize: "32" }),
      'fit: received validationBatchSize: "32"',
    ],
    ["a first epoch in words", fitWith({ initialEpoch: "1" }), 'fit: received initialEpoch: "1"'],
    ["a weight in words", fitWith({ classWeight: { 0: "2" } }), 'fit: received classWeight: { 0: "2" }'],
    [
      "logits in words",
      () => losses.binaryCrossentropy(untyped({ fromLogits: "no" })),
      'binaryCrossentropy: received fromLogits: "no", expected true or false',
    ],
    [
      "smoothing in words",
      () => losses.categoricalCrossentropy(untyped({ labelSmoothing: "0.1" })),
      'categoricalCrossentropy: received labelSmoothing: "0.1", expected a fraction',
    ],
    [
      "a metric named loss",
      compileWith({ metrics: [named("loss")] }),
      'compile: received a metric of the name "loss", expected a name under which nothing else is reported.',
    ],
    [
      "a metric named val_loss",
      compileWith({ metrics: [named("val_loss")] }),
      'a metric of the name "val_loss"',
    ],
    [
      "a metric named as another one's validation",
      compileWith({ metrics: [named("val_acc")], weightedMetrics: ["acc"] }),
      'a metric of the name "val_acc"',
    ],
    ["a metric named epoch", compileWith({ metrics: [named("epoch")] }), 'a metric of the name "epoch"'],
    ["an unknown verbosity", fitWith({ verbose: true }), "fit: received verbose: true, expected 0 (silent)"],
    [
      "a word for a switch",
      fitWith({ shuffle: "no" }),
      'fit: received shuffle: "no", expected true or false.',
    ],
    [
      "a misspelt hook",
      fitWith({ callbacks: [{ onEpochEnded() {} }] }),
      'fit: received the unknown hook of a callback "onEpochEnded"',
    ],
    [
      "no hooks",
      fitWith({ callbacks: [{}] }),
      "fit: received an object for a callback, expected an object with hooks",
    ],
    [
      "a callback that was not called, by its name",
      fitWith({ callbacks: [callbacks.earlyStopping] }),
      "Call it where it makes a callback: earlyStopping();",
    ],
    [
      "the weight of a class that is none",
      fitWith({ classWeight: { 3: 2 } }),
      "fit: received classWeight: { 3: 2 }, expected an object of class numbers below 3 and weights of 0 or more.",
    ],
  ])("%s", async (_name, run, message) => {
    expect(await parts(run)).toContain(message);
  });

  it("a layer that does not fit is not added", () => {
    const growing = sequential([layers.dense({ units: 4, inputShape: [3] })]);
    // It would have its name from the model.
    expect(() => growing.add(layers.lstm({ units: 3 }))).toThrow('lstm "lstm": received [batch, 4]');
    growing.add(layers.dense({ units: 2 }));
    expect(growing.outputShape).toEqual([null, 2]);
    expect(growing.weightNames()).toEqual(["dense/kernel", "dense/bias", "dense_1/kernel", "dense_1/bias"]);
  });

  it("options that exclude each other", async () => {
    const { optimizers } = await import("../../src/index.js");
    expect(() => optimizers.adam({ clipNorm: 1, clipValue: 2 })).toThrow(
      "adam: received clipNorm and clipValue",
    );
    expect(() => optimizers.sgd({ learningRate: -1 })).toThrow("sgd: received learningRate: -1");
  });
});
