// Two wide LSTM layers on handwritten digits, half of their outputs dropped while training, for 2,000 steps.
import { batches, layers, optimizers, sequential } from "rondo";
import { mnist } from "rondo/datasets";
import { defineRecipe } from "rondo/recipe";
import { classified } from "./classified.js";
import { digits } from "./digits.js";
import { trainSteps } from "./steps.js";

export const recipe = defineRecipe({
  name: "stacked-lstm",
  title: "MNIST digits through two LSTM layers of 256 units",
  adds: "From the middle on the learning rate follows half a cosine down to zero, so that the last steps settle.",
  goal: { figure: "testAccuracy", bound: "at least", value: 0.9858 },
  source: {
    title: `Huang Yongye's TensorFlow notebook "An understandable example to implement Multi-LSTM for MNIST" (2017)`,
    address:
      "https://github.com/yongyehuang/Tensorflow-Tutorial/blob/31d3055c25d44be5481939f50d3f39dbac2a4fb6/Tutorial_5%20-%20An%20understandable%20example%20to%20implement%20Multi-LSTM%20for%20MNIST.ipynb",
    settings: { count: 2000, batchSize: 128, learningRate: 0.001 },
  },
  unit: "step",
  defaults: { count: 2000, batchSize: 128, learningRate: 0.001 },
  ...digits,

  async train(settings, run) {
    const { train, test } = await mnist({ data: settings.data });

    const model = sequential(
      [
        // The bias of the forget gate starts at 1, as is Keras's default too.
        layers.lstm({ units: 256, inputShape: [28, 28], returnSequences: true, unitForgetBias: true }),
        layers.dropout({ rate: 0.5 }),
        layers.lstm({ units: 256, unitForgetBias: true }),
        layers.dropout({ rate: 0.5 }),
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

    const history = await trainSteps(run, model, {
      settings,
      batches: batches([train.x, train.y], { batchSize: settings.batchSize, seed: settings.seed }),
      test: [test.x, test.y],
      evaluateEvery: 500,
    });
    await run.finish({ model, history, test: () => classified(model, test) });
  },
});
