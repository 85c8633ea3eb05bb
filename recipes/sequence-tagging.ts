// Ten random numbers, and for each whether their sum so far exceeds 2.5: the network must add up and compare. It sees a
// fresh sequence in every step, never the same one twice, and tags all ten numbers of it.
import { layers, type Model, optimizers, sequential, Tensor } from "rondo";
import { batched, decimals, defineRecipe, option, type PredictInput } from "rondo/recipe";
import { cellValues, gates, type Tagging, tagging } from "rondo/report";
import { isNumber, jsonIn, linesOf, numberIn, shown } from "./numbers.js";
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
    // Keras's own mean over five seeds.
    goal: [
      { figure: "stepAccuracy", bound: "at least", value: 0.931, where: { layer: "lstm" } },
      { figure: "stepAccuracy", bound: "at least", value: 0.946, where: { layer: "bilstm" } },
    ],
  },
  unit: "step",
  defaults: { count: 1000, batchSize: 1, learningRate: 0.01 },
  options,
  prediction: {
    reads: `a sequence of ${steps} numbers on each line, with blanks or commas between them, or as JSON: [0.1, 0.7, …]`,
    gives:
      "{ input, line, tags, probabilities } for each sequence; a tag is 1 where the sum so far exceeds 2.5",
  },

  async train(settings, run) {
    const { layer, units } = settings.options;
    const test = testSamples(settings.seed);

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
        const { compared, ...findings } = await measured(model, settings.seed);
        for (const { truth, predicted } of compared.shown.slice(0, 3))
          run.say(`expected  ${truth.join(" ")}\npredicted ${predicted.join(" ")}`);
        return findings;
      },
    });
  },

  evaluate: ({ model, settings }) => measured(model, settings.seed),

  async *predict({ model, signal }, inputs) {
    for await (const batch of batched(asked(inputs), tested)) {
      const x = new Float32Array(batch.length * steps);
      for (const [i, { numbers }] of batch.entries()) x.set(numbers, i * steps);
      const y = await model.predict(new Tensor(x, [batch.length, steps, 1], "float32"), { signal });
      for (const [i, { input, line }] of batch.entries()) {
        const row = y.data.subarray(i * steps, (i + 1) * steps);
        yield { input, line, tags: Array.from(row, (p) => (p > 0.5 ? 1 : 0)), probabilities: decimals(row) };
      }
    }
  },
});

const testSamples = (seed: number) => sequences(new Random(seed, 1), tested);

/** How well a model tags the test sequences of a seed. */
async function measured(model: Model, seed: number) {
  const test = testSamples(seed);
  const [testLoss = Number.NaN] = await model.evaluate(test.x, test.y, { batchSize: tested, verbose: 0 });
  const compared: Tagging = tagging(test.y, await model.predictClasses(test.x, { batchSize: tested }), {
    inputs: test.x,
  });
  const numbers = test.x.data.slice(0, steps);
  const inside = await cellValues(model, new Tensor(numbers, [1, steps, 1], "float32"));
  const from = Array.from(test.y.data.subarray(0, steps)).indexOf(1);
  return {
    figures: {
      stepAccuracy: compared.right / compared.steps,
      sequenceAccuracy: compared.whole / compared.sequences,
      testLoss,
    },
    sections: [
      compared,
      gates(inside, {
        note: `What goes on while the first test sequence is read${from < 0 ? "" : `, whose sum exceeds ${threshold} from step ${from + 1} on`}.`,
        steps: Array.from(numbers, (value) => value.toFixed(2)),
      }),
    ],
    compared,
  };
}

interface Asked {
  readonly input: string;
  readonly line: number;
  readonly numbers: readonly number[];
}

/** The sequences on the lines of the inputs. */
async function* asked(inputs: readonly PredictInput[]): AsyncGenerator<Asked> {
  for await (const { input, line, text } of linesOf(inputs)) {
    const json = jsonIn(text);
    const values: readonly unknown[] = Array.isArray(json)
      ? json
      : text
          .trim()
          .split(/[\s,]+/)
          .map(numberIn);
    const numbers = values.filter(isNumber);
    if (numbers.length !== steps || values.length !== steps) {
      const count = numbers.length === values.length ? `${values.length} numbers` : shown(text);
      throw input.error(`line ${line}`, {
        received: count,
        expected: `${steps} numbers`,
        fix: `Write a sequence of ${steps} numbers on each line, with blanks between them or as a JSON list`,
      });
    }
    yield { input: input.name, line, numbers };
  }
}

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
