// A line through noisy samples, found by three LSTM layers that read sequences of one step: y = 3.3 x + 2 + noise. Seven
// optimizers start from the same weights and see the same samples, by default all of them in every step; their losses are drawn in
// one plot, and what they found is held against the line of least squares.
import { batches, layers, type Model, optimizers, type Sequential, sequential, Tensor } from "rondo";
import {
  batched,
  decimals,
  defineRecipe,
  type Findings,
  option,
  type PredictInput,
  type Settings,
} from "rondo/recipe";
import { type RunHistory, regression, table } from "rondo/report";
import { linesOf, numberIn, shown } from "./numbers.js";
import { Random } from "./random.js";

const samples = { train: 268, test: 132 };
const makers = {
  sgd: optimizers.sgd,
  rmsprop: optimizers.rmsprop,
  adagrad: optimizers.adagrad,
  adadelta: optimizers.adadelta,
  adam: optimizers.adam,
  adamax: optimizers.adamax,
  nadam: optimizers.nadam,
};
type Name = keyof typeof makers;
const names = Object.keys(makers) as readonly Name[];

/** Learning rates as multiples of Adam's, whose own is 0.001 in all versions of Keras. */
const rates: Readonly<Record<"keras2" | "keras3", Readonly<Record<Name, number>>>> = {
  keras2: { sgd: 10, rmsprop: 1, adagrad: 10, adadelta: 1000, adam: 1, adamax: 2, nadam: 2 },
  keras3: { sgd: 10, rmsprop: 1, adagrad: 1, adadelta: 1, adam: 1, adamax: 1, nadam: 1 },
};

const options = {
  optimizers: option.choices({
    description: "which train; the test error is adam's, or the first one's where adam is left out",
    default: names,
    of: names,
  }),
  rates: option.choice({
    description:
      "learning rates relative to adam's: the defaults of Keras 2, the tutorial's time, or Keras 3",
    default: "keras2",
    of: ["keras2", "keras3"],
  }),
  loss: option.choice({
    description: "what is minimised",
    default: "meanSquaredError",
    of: [
      ...["meanSquaredError", "meanAbsoluteError", "meanAbsolutePercentageError", "huber", "logcosh"],
      ...["mse", "mae", "mape"],
    ] as const,
  }),
  units: option.wholeNumber({ description: "units of each LSTM layer", default: 128 }),
};

export const recipe = defineRecipe({
  name: "regression",
  title: "A noisy line through three LSTM layers, by seven optimizers",
  goal: { figure: "testError", bound: "at most", value: 1.05, times: "leastSquaresError" },
  source: {
    title: "a comparison of Keras's optimizers on y = 3.3x + 2 through LSTM layers",
    settings: { count: 500, batchSize: samples.train, learningRate: 0.001 },
  },
  unit: "step",
  defaults: { count: 500, batchSize: samples.train, learningRate: 0.001 },
  options,
  prediction: {
    reads: "a number x on each line; or CSV and TSV files with a column x",
    gives: "{ input, line, x, y } for each number; y holds what each optimizer's model says, by its name",
  },

  async train(settings, run) {
    const { loss, units } = settings.options;
    const { train } = noisyLine(settings.seed);

    const models: Record<string, Sequential> = {};
    for (const name of settings.options.optimizers) {
      const model = sequential(
        [
          layers.lstm({ units, dropout: 0.01, returnSequences: true, inputShape: [1, 1] }),
          layers.lstm({ units, dropout: 0.01, returnSequences: true }),
          layers.lstm({ units, dropout: 0.01 }),
          layers.dense({ units: 1 }),
        ],
        { seed: settings.seed, backend: run.backend },
      );
      const learningRate = settings.learningRate * rates[settings.options.rates][name];
      model.compile({ optimizer: makers[name]({ learningRate }), loss });
      models[name] = model;
    }
    run.begin(models);

    const history: Record<string, RunHistory> = {};
    for (const [name, model] of Object.entries(models)) {
      const losses = await run.steps(name, model, {
        count: settings.count,
        batches: batches([train.x, train.y] as const, { batchSize: settings.batchSize }),
        state: [] as number[],
        async step([x, y], _, losses) {
          const [value = Number.NaN] = await model.trainOnBatch(x, y);
          losses.push(value);
          run.progress(losses.length, settings.count, { [name]: value });
        },
      });
      history[name] = { unit: "step", positions: losses.map((_, i) => i + 1), values: { loss: losses } };
      if (losses.length > 0) run.say(`${name}: loss ${losses.at(-1)?.toFixed(4)}`);
    }

    await run.finish({
      model: models,
      history,
      logarithmic: ["loss"],
      test: () => measured(models, settings),
    });
  },

  evaluate: ({ models, settings }) => measured(models, settings),

  async *predict({ models, signal }, inputs) {
    for await (const batch of batched(numbers(inputs), together)) {
      const x = new Tensor(
        Float32Array.from(batch, ({ x }) => x),
        [batch.length, 1, 1],
        "float32",
      );
      const found: (readonly [name: string, y: readonly number[]])[] = [];
      for (const [name, model] of Object.entries(models))
        found.push([name, decimals((await model.predict(x, { signal })).data)]);
      for (const [i, asked] of batch.entries())
        yield { ...asked, y: Object.fromEntries(found.map(([name, y]) => [name, y[i] ?? Number.NaN])) };
    }
  },
});

/** How near the models come to the line of least squares on the test samples. */
async function measured(
  models: Readonly<Record<string, Model>>,
  settings: Settings<typeof options>,
): Promise<Findings> {
  const { train, test } = noisyLine(settings.seed);
  const line = leastSquares(train);
  const fits: Record<string, Tensor | number[]> = {};
  for (const [name, model] of Object.entries(models))
    fits[name] = await model.predict(test.x, { batchSize: samples.test });
  fits["least squares"] = Array.from(test.x.data, (x) => line.slope * x + line.intercept);
  const compared = regression(test.x, test.y, fits, { title: "Fit on the test samples" });
  const errors = new Map(compared.fits.map(({ name, meanSquaredError }) => [name, meanSquaredError]));
  const errorOf = (name: string) => errors.get(name) ?? Number.NaN;
  const leastSquaresError = errorOf("least squares");
  const rows: (string | number)[][] = [];
  for (const [name, model] of Object.entries(models)) {
    const [loss = Number.NaN] = await model.evaluate(train.x, train.y, {
      batchSize: samples.train,
      verbose: 0,
    });
    rows.push([name, String(model.learningRate), loss, errorOf(name), errorOf(name) / leastSquaresError]);
  }
  const best = "adam" in models ? "adam" : (settings.options.optimizers[0] ?? "");
  return {
    figures: { testError: errorOf(best), leastSquaresError },
    sections: [
      compared,
      table({
        title: "Optimizers",
        note: `The loss is that of the trained model on the samples that it was trained on; errors are mean squared errors on the test samples. The line of least squares is y = ${line.slope.toFixed(3)} x + ${line.intercept.toFixed(3)}.`,
        columns: ["optimizer", "learning rate", "training loss", "test error", "÷ least squares"],
        rows,
      }),
    ],
  };
}

/** Numbers that are predicted for at once. */
const together = 1000;

interface Asked {
  readonly input: string;
  readonly line: number;
  readonly x: number;
}

/** The numbers on the lines of the inputs, in the column x where an input is a table. */
async function* numbers(inputs: readonly PredictInput[]): AsyncGenerator<Asked> {
  for (const input of inputs) {
    const texts = input.isTable ? column(input) : linesOf([input]);
    for await (const { line, text } of texts) {
      const x = numberIn(text);
      if (x === undefined) {
        throw input.error(`line ${line}`, {
          received: shown(text),
          expected: "a number",
          fix: "Write one number on each line, or a table with a column x whose name ends in .csv or .tsv",
        });
      }
      yield { input: input.name, line, x };
    }
  }
}

async function* column(
  input: PredictInput,
): AsyncGenerator<{ readonly line: number; readonly text: string }> {
  for await (const { line, fields } of input.rows()) {
    const { x } = fields;
    if (x === undefined) {
      throw input.error(`line ${line}`, {
        received: `the columns ${Object.keys(fields).join(", ")}`,
        expected: "a column x",
        fix: "Name the columns in the first row",
      });
    }
    yield { line, text: x };
  }
}

interface Samples {
  /** [N, 1, 1] from -1 to 1: sequences of one step with one feature. */
  readonly x: Tensor<"float32">;
  /** [N, 1] */
  readonly y: Tensor<"float32">;
}

/** Samples of y = 3.3 x + 2 with normal noise of deviation 0.5. */
export function noisyLine(seed: number): { readonly train: Samples; readonly test: Samples } {
  const random = new Random(seed);
  const some = (count: number): Samples => {
    const x = Float32Array.from({ length: count }, () => 2 * random.uniform() - 1);
    const y = x.map((value) => 3.3 * value + 2 + 0.5 * random.normal());
    return { x: new Tensor(x, [count, 1, 1], "float32"), y: new Tensor(y, [count, 1], "float32") };
  };
  return { train: some(samples.train), test: some(samples.test) };
}

/** The line with the least mean squared error. */
export function leastSquares({ x, y }: Samples): { readonly slope: number; readonly intercept: number } {
  const mean = (values: Iterable<number>) =>
    [...values].reduce((sum, value) => sum + value, 0) / x.data.length;
  const [meanX, meanY] = [mean(x.data), mean(y.data)];
  const both = mean(Array.from(x.data, (value, i) => (value - meanX) * ((y.data[i] ?? 0) - meanY)));
  const slope = both / mean(Array.from(x.data, (value) => (value - meanX) ** 2));
  return { slope, intercept: meanY - slope * meanX };
}
