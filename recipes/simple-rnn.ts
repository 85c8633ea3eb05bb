// The plainest recurrent network on handwritten digits: 50 units read the 28 rows of an image, the last state is
// classified. Trained by hand, batch by batch, in the order of the data.
import { batches, layers, optimizers, sequential } from "rondo";
import { mnist } from "rondo/datasets";
import { defineRecipe } from "rondo/recipe";
import { classified } from "./classified.js";
import { digits } from "./digits.js";
import { trainSteps } from "./steps.js";

export const recipe = defineRecipe({
  name: "simple-rnn",
  title: "MNIST digits through a SimpleRNN",
  adds: "The samples are shuffled, gradients are clipped to a norm of 0.5, and the learning rate starts higher and from the middle on follows half a cosine down to zero.",
  goal: { figure: "testAccuracy", bound: "at least", value: 0.95 },
  source: {
    title: `Morvan Zhou's Keras tutorial "RNN Classifier"`,
    address: "https://github.com/MorvanZhou/tutorials/blob/master/kerasTUT/7-RNN_Classifier_example.py",
    settings: { count: 4001, batchSize: 50, learningRate: 0.001 },
  },
  unit: "step",
  defaults: { count: 4001, batchSize: 50, learningRate: 0.003 },
  ...digits,

  async train(settings, run) {
    // The source trains on all 60,000 images, in their own order.
    const { train, test } = await mnist({ data: settings.data, validation: 0 });

    const model = sequential(
      [
        layers.simpleRNN({ units: 50, inputShape: [28, 28] }),
        layers.dense({ units: 10, activation: "softmax" }),
      ],
      { seed: settings.seed, backend: run.backend },
    );
    model.compile({
      optimizer: optimizers.adam({
        learningRate: settings.learningRate,
        ...(settings.asInSource ? {} : { globalClipNorm: 0.5 }),
      }),
      loss: "categoricalCrossentropy",
      metrics: ["accuracy"],
    });
    run.begin(model);

    const order = settings.asInSource ? {} : { seed: settings.seed };
    const history = await trainSteps(run, model, {
      settings,
      batches: batches([train.x, train.y], { batchSize: settings.batchSize, ...order }),
      test: [test.x, test.y],
      evaluateEvery: 500,
    });
    await run.finish({ model, history, test: () => classified(model, test) });
  },
});
