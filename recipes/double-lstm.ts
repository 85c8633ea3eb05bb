// Handwritten digits, read row by row: each image is a sequence of 28 time steps with 28 features, the rows of pixels.
// Two LSTM layers read it; the first hands its whole sequence to the second, whose last state is classified.
import { callbacks, layers, optimizers, sequential } from "rondo";
import { mnist } from "rondo/datasets";
import { defineRecipe } from "rondo/recipe";
import { classified } from "./classified.js";
import { digits } from "./digits.js";
import { holdThenCosine } from "./schedule.js";

export const recipe = defineRecipe({
  name: "double-lstm",
  title: "MNIST digits through two LSTM layers",
  adds: "The learning rate starts higher, and from the middle on follows half a cosine down to zero.",
  goal: { figure: "testAccuracy", bound: "at least", value: 0.9789 },
  source: {
    title: "the usual Keras tutorial of MNIST, row by row, through two LSTM layers",
    settings: { count: 15, batchSize: 500, learningRate: 0.001 },
  },
  unit: "epoch",
  defaults: { count: 15, batchSize: 500, learningRate: 0.003 },
  ...digits,

  async train(settings, run) {
    const { train, validation, test } = await mnist({ data: settings.data });

    const model = sequential(
      [
        layers.lstm({ units: 64, inputShape: [28, 28], returnSequences: true }),
        layers.lstm({ units: 32 }),
        layers.dense({ units: 10, activation: "softmax" }),
      ],
      { seed: settings.seed, backend: run.backend },
    );
    model.compile({
      optimizer: optimizers.adam({ learningRate: settings.learningRate }),
      loss: "categoricalCrossentropy",
      metrics: ["accuracy"],
    });
    run.begin(model);

    const rate = settings.asInSource ? [] : [callbacks.learningRateScheduler(holdThenCosine(settings))];
    const history = await run.fit("model", (kept) =>
      model.fit(train.x, train.y, {
        ...kept,
        batchSize: settings.batchSize,
        epochs: settings.count,
        validationData: [validation.x, validation.y],
        callbacks: [...kept.callbacks, ...rate],
      }),
    );
    await run.finish({ model, history, test: () => classified(model, test) });
  },
});
