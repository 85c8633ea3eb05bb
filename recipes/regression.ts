// A line through noisy samples, found by three LSTM layers that read sequences of one step: y = 3.3 x + 2 + noise. Seven
// optimizers start from the same weights and see the same samples, by default all of them in every step; their losses are drawn in
// one plot, and what they found is held against the line of least squares.
import { batches, layers, optimizers, type Sequential, sequential, Tensor } from "rondo";
import { defineRecipe, option } from "rondo/recipe";
import { type RunHistory, regression, table } from "rondo/report";
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

  async train(settings, run) {
    const { loss, units } = settings.options;
    const { train, test } = noisyLine(settings.seed);

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
      const losses: number[] = [];
      const some = batches([train.x, train.y], { batchSize: settings.batchSize });
      while (losses.length < settings.count && !run.signal.aborted) {
        const { value: batch } = some.next();
        const [value = Number.NaN] = await model.trainOnBatch(batch[0], batch[1]);
        losses.push(value);
        run.progress(losses.length, settings.count, { [name]: value });
      }
      history[name] = { unit: "step", positions: losses.map((_, i) => i + 1), values: { loss: losses } };
      if (losses.length > 0) run.say(`${name}: loss ${losses.at(-1)?.toFixed(4)}`);
    }

    await run.finish({
      model: models,
      history,
      logarithmic: ["loss"],
      async test() {
        const line = leastSquares(train);
        const fits: Record<string, Tensor | number[]> = {};
        for (const [name, model] of Object.entries(models)) fits[name] = await model.predict(test.x);
        fits["least squares"] = Array.from(test.x.data, (x) => line.slope * x + line.intercept);
        const compared = regression(test.x, test.y, fits, { title: "Fit on the test samples" });
        const errors = new Map(compared.fits.map(({ name, meanSquaredError }) => [name, meanSquaredError]));
        const errorOf = (name: string) => errors.get(name) ?? Number.NaN;
        const best = "adam" in models ? "adam" : (settings.options.optimizers[0] ?? "");
        const leastSquaresError = errorOf("least squares");
        return {
          figures: { testError: errorOf(best), leastSquaresError },
          sections: [
            compared,
            table({
              title: "Optimizers",
              note: `Mean squared errors on the test samples. The line of least squares is y = ${line.slope.toFixed(3)} x + ${line.intercept.toFixed(3)}.`,
              columns: ["optimizer", "learning rate", "last loss", "test error", "of least squares"],
              rows: Object.entries(models).map(([name, model]) => [
                name,
                String(model.learningRate),
                history[name]?.values.loss?.at(-1) ?? Number.NaN,
                errorOf(name),
                errorOf(name) / leastSquaresError,
              ]),
            }),
          ],
        };
      },
    });
  },
});

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
