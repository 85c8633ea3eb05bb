// The works as a user of Rondo writes them, for any copy of the library: the built package, or the bundle in a page.

/**
 * The model of a work on a backend, compiled.
 *
 * @param rondo the library
 * @param tags of works of the loss "crf"
 * @param rates `{ learningRate, adadelta }` of the optimizers
 */
export function modelOf(rondo, { work, backend, tags, rates: { learningRate, adadelta } }) {
  const { layers, losses, optimizers, sequential } = rondo;
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
      ...(loss === "crf" ? [layers.crf({ tags })] : []),
    ],
    { seed: 7, backend },
  );
  model.compile({
    optimizer: {
      adam: () => optimizers.adam({ learningRate }),
      adadelta: () => optimizers.adadelta({ learningRate, ...adadelta }),
      sgd: () => optimizers.sgd({ learningRate }),
    }[optimizer](),
    loss: {
      sparseCategoricalCrossentropy: () => losses.sparseCategoricalCrossentropy({ fromLogits: true }),
      meanSquaredError: () => losses.meanSquaredError(),
      crf: () => losses.crf(),
    }[loss](),
  });
  return model;
}
