// Handwritten digits in pieces: a picture's four quadrants, in four orders side by side, are four time steps. Convolutions
// look at each step, the same ones at all of them, and an LSTM puts together what they saw.
import { layers, optimizers, sequential, Tensor } from "rondo";
import { Dataset } from "rondo/data";
import { mnist } from "rondo/datasets";
import { defineRecipe, option } from "rondo/recipe";
import { classified } from "./classified.js";
import { digits, digitsOf } from "./digits.js";

const side = 28;
const half = side / 2;
/** The orders in which the quadrants are read: 1 top left, 2 top right, 3 bottom left, 4 bottom right. */
const orders = [
  [1, 2, 3, 4],
  [4, 3, 2, 1],
  [1, 3, 2, 4],
  [4, 2, 3, 1],
] as const;
const steps = 4;
/** A step's picture: the quadrants that are at its turn, one below the other. */
const height = orders.length * half;

/**
 * Pictures [N, 28, 28] as sequences [N, 4, 56, 14, 1]: step t holds the t-th quadrant of each of the four orders, one below
 * the other.
 */
export function quadrants(x: Tensor): Tensor<"float32"> {
  const [count = 0] = x.shape;
  const data = new Float32Array(count * steps * height * half);
  let to = 0;
  for (let n = 0; n < count; n++) {
    for (let t = 0; t < steps; t++) {
      for (const order of orders) {
        const quadrant = (order[t] ?? 1) - 1;
        const corner = n * side * side + (quadrant >> 1) * half * side + (quadrant & 1) * half;
        for (let row = 0; row < half; row++, to += half) {
          const from = corner + row * side;
          data.set(x.data.subarray(from, from + half) as Float32Array, to);
        }
      }
    }
  }
  return new Tensor(data, [count, steps, height, half, 1], "float32");
}

const options = {
  units: option.wholeNumber({ description: "units of the LSTM layer", default: 64 }),
};

export const recipe = defineRecipe({
  name: "cnn-lstm",
  title: "MNIST digits in four steps, through convolutions and an LSTM",
  adds: "The LSTM has 64 units, with which it can keep what it saw.",
  goal: { figure: "testAccuracy", bound: "at least", value: 0.98 },
  source: {
    title: "a Keras example of convolutions at each of four steps and an LSTM of 5 units over them",
    settings: { count: 3, batchSize: 64, learningRate: 0.001 },
    options: { units: 5 },
    // Keras's own figure is measured by tests/golden/measure_cnn_lstm.py.
    goal: [],
  },
  unit: "epoch",
  defaults: { count: 3, batchSize: 64, learningRate: 0.001 },
  options,
  ...digits,

  async train(settings, run) {
    const { train, validation, test } = await mnist({ data: settings.data });

    const batchesOf = ({ x, y }: typeof train, order: "mixed" | "kept") => {
      const pictures = Dataset.fromTensorSlices({ x, y });
      const ordered = order === "mixed" ? pictures.shuffle(x.shape[0] ?? 1) : pictures;
      return ordered.batch(settings.batchSize).map((batch) => ({ x: quadrants(batch.x), y: batch.y }));
    };

    const each = (layer: ReturnType<typeof layers.conv2d>) => layers.timeDistributed({ layer });
    const model = sequential(
      [
        layers.inputLayer({ shape: [steps, height, half, 1] }),
        each(layers.conv2d({ filters: 32, kernelSize: 3, activation: "relu" })),
        each(layers.conv2d({ filters: 32, kernelSize: 3, activation: "relu" })),
        layers.timeDistributed({ layer: layers.maxPooling2d({ poolSize: 2 }) }),
        layers.timeDistributed({ layer: layers.flatten() }),
        layers.dropout({ rate: 0.25 }),
        layers.lstm({ units: settings.options.units }),
        layers.dense({ units: 50 }),
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
    run.say(
      `Pictures [${train.x.shape.join(", ")}] become sequences of ${steps} steps, [${height}, ${half}, 1] each.`,
    );

    const history = await run.fit("model", (kept) =>
      model.fit(batchesOf(train, "mixed"), {
        ...kept,
        epochs: settings.count,
        validationData: batchesOf(validation, "kept"),
      }),
    );
    await run.finish({ model, history, test: () => classified(model, test, quadrants) });
  },

  async evaluate({ settings, model }) {
    const { test } = await mnist({ data: settings.data });
    return classified(model, test, quadrants);
  },

  predict: digitsOf(quadrants),
});
