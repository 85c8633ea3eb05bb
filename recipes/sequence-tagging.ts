// Ten random numbers, and for each whether their sum so far exceeds 2.5: the network must add up and compare. It sees a
// fresh sequence in every step, never the same one twice, and tags all ten numbers of it.
import { layers, optimizers, sequential, Tensor } from "rondo";
import { defineRecipe, option } from "rondo/recipe";
import { tagging } from "rondo/report";
import { Random } from "./random.js";
import { trainSteps } from "./steps.js";

const steps = 10;
const threshold = steps / 4;
const tested = 1000;

const options = {
  layer: option.choice({
    description: "what reads the numbers, in one direction or in both",
    default: "lstm",
    of: ["lstm", "bilstm"],
  }),
  units: option.wholeNumber({ description: "units of the LSTM layer, of each direction", default: 20 }),
};

export const recipe = defineRecipe({
  name: "sequence-tagging",
  title: "Where a cumulative sum exceeds its threshold, step by step",
  adds: "The learning rate starts higher, and from the middle on follows half a cosine down to zero.",
  goal: { figure: "stepAccuracy", bound: "at least", value: 0.96 },
  source: {
    title: `Jason Brownlee's tutorial "How to Develop a Bidirectional LSTM For Sequence Classification in Python with Keras"`,
    address:
      "https://machinelearningmastery.com/develop-bidirectional-lstm-sequence-classification-python-keras/",
    settings: { count: 1000, batchSize: 1, learningRate: 0.001 },
    goal: { figure: "stepAccuracy", bound: "at least", value: 0.93 },
  },
  unit: "step",
  defaults: { count: 1000, batchSize: 1, learningRate: 0.01 },
  options,

  async train(settings, run) {
    const { layer, units } = settings.options;
    const test = sequences(new Random(settings.seed, 1), tested);

    const lstm = { units, returnSequences: true } as const;
    const model = sequential(
      [
        layer === "lstm"
          ? layers.lstm({ ...lstm, inputShape: [steps, 1] })
          : layers.bidirectional({ layer: layers.lstm(lstm), inputShape: [steps, 1] }),
        layers.timeDistributed({ layer: layers.dense({ units: 1, activation: "sigmoid" }) }),
      ],
      { seed: settings.seed, backend: run.backend },
    );
    model.compile({
      optimizer: optimizers.adam({ learningRate: settings.learningRate }),
      loss: "binaryCrossentropy",
      metrics: ["accuracy"],
    });
    run.begin(model);

    const history = await trainSteps(run, model, {
      settings,
      batches: fresh(new Random(settings.seed), settings.batchSize),
      test: [test.x, test.y],
      evaluateEvery: 100,
    });

    await run.finish({
      model,
      history,
      async test() {
        const [testLoss = Number.NaN] = await model.evaluate(test.x, test.y, {
          batchSize: tested,
          verbose: 0,
        });
        const compared = tagging(test.y, await model.predictClasses(test.x), { inputs: test.x });
        for (const { truth, predicted } of compared.shown.slice(0, 3))
          run.say(`expected  ${truth.join(" ")}\npredicted ${predicted.join(" ")}`);
        return {
          figures: {
            stepAccuracy: compared.right / compared.steps,
            sequenceAccuracy: compared.whole / compared.sequences,
            testLoss,
          },
          sections: [compared],
        };
      },
    });
  },
});

/** Batches of fresh sequences without end. */
function* fresh(random: Random, batchSize: number): Generator<readonly Tensor[], never> {
  for (;;) {
    const { x, y } = sequences(random, batchSize);
    yield [x, y];
  }
}

/**
 * Random sequences of ten steps.
 *
 * @returns x [count, 10, 1] from 0 to 1, y [count, 10, 1]: 1 from the step on at which the sum of x exceeds 2.5
 */
export function sequences(
  random: Random,
  count: number,
): { readonly x: Tensor<"float32">; readonly y: Tensor<"float32"> } {
  const x = Float32Array.from({ length: count * steps }, () => random.uniform());
  let sum = 0;
  const y = x.map((value, i) => {
    sum = i % steps === 0 ? value : sum + value;
    return sum > threshold ? 1 : 0;
  });
  const shape = [count, steps, 1];
  return { x: new Tensor(x, shape, "float32"), y: new Tensor(y, shape, "float32") };
}
