// The works as a user of Rondo writes them, on the built package.

import v8 from "node:v8";
import { ADADELTA, data, LEARNING_RATE } from "./peers/protocol.mjs";

// Must come before the engine sees any WebAssembly.
if (Number.parseInt(process.versions.node, 10) < 22)
  v8.setFlagsFromString("--experimental-wasm-relaxed-simd");

export const rondo = await import("../dist/index.js");
const { layers, losses, optimizers, sequential, tensor } = rondo;
const { tagScheme } = await import("../dist/data/index.js");

const LOSSES = {
  sparseCategoricalCrossentropy: losses.sparseCategoricalCrossentropy({ fromLogits: true }),
  meanSquaredError: losses.meanSquaredError(),
  crf: losses.crf(),
};

const OPTIMIZERS = {
  adam: () => optimizers.adam({ learningRate: LEARNING_RATE }),
  adadelta: () => optimizers.adadelta({ learningRate: LEARNING_RATE, ...ADADELTA }),
  sgd: () => optimizers.sgd({ learningRate: LEARNING_RATE }),
};

/** Eight types of entities: 33 tags. */
const TAGS = tagScheme("BIOES", [..."ABCDEFGH"]);

/** The model of a work on a backend, compiled. */
export function buildModel(work, backend) {
  const { batch, input, words, embedding, cell, units, outputs, activation, loss, optimizer } = work;
  const { masked = false, bidirectional = false, dropout = 0, perStep = false, stateful = false } = work;
  const { filters = [], kernel, pool, hidden } = work;
  // What looks at every step's picture before the recurrent layers.
  const pictures = [
    ...filters.map((count) => layers.conv2d({ filters: count, kernelSize: kernel, activation: "relu" })),
    ...(pool ? [layers.maxPooling2d({ poolSize: pool }), layers.flatten()] : []),
  ];
  const recurrent = units.map((H, i) => {
    const returnSequences = perStep || i < units.length - 1;
    const layer = layers[cell]({ units: H, dropout, returnSequences, stateful });
    return bidirectional ? layers.bidirectional({ layer }) : layer;
  });
  const model = sequential(
    [
      layers.inputLayer({
        shape: input,
        ...(stateful ? { batchSize: batch } : {}),
        ...(words ? { dtype: "int32" } : {}),
      }),
      ...(words
        ? [layers.embedding({ inputDim: words, outputDim: embedding, maskZero: masked })]
        : masked
          ? [layers.masking()]
          : []),
      ...pictures.map((layer) => layers.timeDistributed({ layer })),
      ...recurrent,
      ...(hidden ? [layers.dense({ units: hidden })] : []),
      layers.dense({ units: outputs, activation }),
      ...(loss === "crf" ? [layers.crf({ tags: TAGS })] : []),
    ],
    { seed: 7, backend },
  );
  model.compile({
    optimizer: OPTIMIZERS[optimizer](),
    loss: LOSSES[loss],
  });
  return model;
}

/** Inputs and targets of some rows of a work: { x, y }. */
export function tensors(work, rows) {
  const { x, y } = data(work, rows);
  return { x: tensor(x.values, x.shape), y: tensor(y.values, y.shape) };
}
