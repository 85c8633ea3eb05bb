// The next values of a series from those before: fine dust in Beijing from the weather of a day, or the lowest temperature of a
// day in Melbourne from the weeks before. The series is split by time (the first 70 % train, the next 15 % say when to stop, the
// last 15 % test), scaled by what is known of the part that trains, and cut into windows. The model says by how much the last
// value changes; it is held against the last value itself, and against the value one season earlier.
import { type Backend, callbacks, layers, type Model, optimizers, sequential, Tensor } from "rondo";
import { StandardScaler, windows } from "rondo/data";
import { dailyMinTemperatures, pollution } from "rondo/datasets";
import {
  decimals,
  defineRecipe,
  type Findings,
  option,
  type PredictInput,
  type Settings,
} from "rondo/recipe";
import { regression, table } from "rondo/report";
import { numberIn, shown } from "./numbers.js";
import { holdThenCosine } from "./schedule.js";

const options = {
  series: option.choice({
    description: "fine dust in Beijing by the hour, or the lowest temperature in Melbourne by the day",
    default: "pollution",
    of: ["pollution", "temperatures"],
  }),
  steps: option.wholeNumber({
    description: "values that the model reads before it says the next one",
    default: 24,
  }),
  horizon: option.wholeNumber({
    description: "how many steps ahead the value lies that it says",
    default: 1,
  }),
  units: option.wholeNumber({ description: "units of the LSTM layer", default: 64 }),
};
type Own = Settings<typeof options>;

/** What a row of a file says by its columns. */
type Fields = Readonly<Record<string, string | number>>;

/** A series: what is forecast, and what is known beside it at each step. */
interface Kind {
  /** The column that is forecast, and its unit. */
  readonly column: string;
  readonly unit: string;
  /** Steps of a season. */
  readonly season: number;
  readonly seasonName: string;
  /** Numbers of a step beside the value; NaN where one is missing. */
  features(fields: Fields): number[];
}

const winds = ["NE", "NW", "SE", "cv"];
const number = (value: string | number | undefined): number =>
  typeof value === "number" ? value : (numberIn(value ?? "") ?? Number.NaN);
/** Where in a cycle something is: two numbers that come back after it. */
const cycle = (part: number): number[] => [Math.sin(2 * Math.PI * part), Math.cos(2 * Math.PI * part)];
const partOfYear = (month: number, day: number): number => (month - 1 + (day - 1) / 31) / 12;

const kinds: Readonly<Record<Own["options"]["series"], Kind>> = {
  pollution: {
    column: "pm2.5",
    unit: "µg/m³",
    season: 24,
    seasonName: "a day earlier",
    features: (fields) => [
      ...["DEWP", "TEMP", "PRES"].map((name) => number(fields[name])),
      ...["Iws", "Is", "Ir"].map((name) => Math.log1p(number(fields[name]))),
      ...winds.map((wind) => (fields.cbwd === wind ? 1 : 0)),
      ...cycle(number(fields.hour) / 24),
      ...cycle(partOfYear(number(fields.month), number(fields.day))),
    ],
  },
  temperatures: {
    column: "Temp",
    unit: "°C",
    season: 365,
    seasonName: "a year earlier",
    features: ({ Date: date }) => {
      const [, month = "", day = ""] = String(date).split("-");
      return cycle(partOfYear(number(month), number(day)));
    },
  },
};

export const recipe = defineRecipe({
  name: "forecast",
  title: "The next values of a series from those before, through an LSTM layer",
  goal: { figure: "error", bound: "at most", value: 0.98, times: "bestBaselineError" },
  source: {
    title: "the usual tutorials of forecasting with an LSTM, with the baselines that they lack",
    settings: { count: 15, batchSize: 64, learningRate: 0.001 },
  },
  unit: "epoch",
  defaults: { count: 15, batchSize: 64, learningRate: 0.001 },
  options,
  prediction: {
    reads: "CSV files with the columns of the series, a step on each row, in the order of time",
    gives:
      "{ input, line, forecast } for each row that enough rows precede: the value as many steps later as the horizon says",
  },

  async train(settings, run) {
    const series = await read(settings, run.signal);
    const scalers = Scalers.fit(series, settings);
    const parts = partsOf(series, scalers, settings);
    const { unit } = kinds[settings.options.series];
    run.say(
      `${series.values.length} steps, of which ${series.missing} miss the value (${unit}): they are read as the last known one, and are not forecast. ` +
        `${parts.train.y.size} windows to train with, ${parts.validation.y.size} to validate, ${parts.test.y.size} to test.`,
    );
    const model = build(parts.train.x.shape[2] ?? 0, settings, run.backend);
    run.begin(model);
    const best = { monitor: "val_loss", patience: settings.count, restoreBestWeights: true };
    const history = await run.fit("model", (kept) =>
      model.fit(parts.train.x, parts.train.y, {
        ...kept,
        epochs: settings.count,
        batchSize: settings.batchSize,
        validationData: [parts.validation.x, parts.validation.y],
        callbacks: [
          ...kept.callbacks,
          callbacks.earlyStopping(best),
          callbacks.learningRateScheduler(holdThenCosine(settings)),
        ],
      }),
    );
    await run.finish({
      model,
      history,
      preprocessing: scalers.toJSON(),
      test: () => measured(model, series, scalers, settings),
    });
  },

  async evaluate({ settings, model, preprocessing, signal }) {
    return measured(model, await read(settings, signal), Scalers.fromJSON(preprocessing), settings);
  },

  async *predict({ settings, model, preprocessing, signal }, inputs) {
    const scalers = Scalers.fromJSON(preprocessing);
    const { steps } = settings.options;
    for (const input of inputs) {
      const series = new Series();
      for await (const { line, fields } of input.rows()) {
        addRow(series, kinds[settings.options.series], fields, { input, line });
        if (series.values.length < steps) continue;
        series.forgetBefore(steps);
        const x = scalers.inputs(series).reshape([1, steps, -1]);
        const { data } = await model.predict(x, { signal });
        const [forecast = Number.NaN] = decimals([series.last + scalers.change(data[0] ?? Number.NaN)]);
        yield { input: input.name, line, forecast };
      }
    }
  },
});

/** Steps of a series in the order of time. */
class Series {
  /** The value of each step; where it is missing, the last one that is known. */
  readonly values: number[] = [];
  /** Whether it is known. */
  readonly known: boolean[] = [];
  /** What the model reads at each step. */
  readonly inputs: number[][] = [];
  missing = 0;

  get last(): number {
    return this.values.at(-1) ?? Number.NaN;
  }

  /** Steps before the first known value say nothing of it, and are left out. */
  add(value: number, features: readonly number[]): void {
    const isKnown = Number.isFinite(value);
    if (!isKnown) this.missing++;
    if (!isKnown && this.values.length === 0) return;
    const before = this.inputs.at(-1) ?? [];
    const now = [isKnown ? value : this.last, ...features];
    this.values.push(isKnown ? value : this.last);
    this.known.push(isKnown);
    this.inputs.push(now.map((x, i) => (Number.isFinite(x) ? x : (before[i] ?? 0))));
  }

  forgetBefore(steps: number): void {
    for (const list of [this.values, this.known, this.inputs]) list.splice(0, list.length - steps);
  }
}

async function read({ data, options: { series: name } }: Own, signal: AbortSignal): Promise<Series> {
  const { columns, rows } =
    name === "pollution" ? await pollution({ data, signal }) : await dailyMinTemperatures({ data, signal });
  const series = new Series();
  const names = Object.entries(columns as Readonly<Record<string, ArrayLike<string | number>>>);
  for (let row = 0; row < rows; row++) {
    const fields = Object.fromEntries(names.map(([column, values]) => [column, values[row] ?? ""]));
    addRow(series, kinds[name], fields);
  }
  return series;
}

function addRow(
  series: Series,
  { column, features }: Kind,
  fields: Fields,
  place?: { readonly input: PredictInput; readonly line: number },
): void {
  const value = fields[column];
  const found = number(value);
  const isMissing = typeof value === "number" || ["", "NA", "NaN", "null"].includes(value ?? "");
  if (place !== undefined && (value === undefined || (Number.isNaN(found) && !isMissing))) {
    throw place.input.error(`line ${place.line}`, {
      received: value === undefined ? `the columns ${Object.keys(fields).join(", ")}` : shown(String(value)),
      expected: `a number, or NA, in the column ${column}`,
      fix: "Give the file the columns of the series, named in the first row",
    });
  }
  series.add(found, features(fields));
}

/** Where the parts of a series end: 70 % to train with, 15 % to validate. */
const ends = (length: number): readonly [train: number, validation: number] => [
  Math.floor(0.7 * length),
  Math.floor(0.85 * length),
];

/** What is known of the part that trains: of what the model reads, and of the changes that it says. */
class Scalers {
  readonly #inputs: StandardScaler;
  readonly #changes: StandardScaler;

  constructor(inputs: StandardScaler, changes: StandardScaler) {
    this.#inputs = inputs;
    this.#changes = changes;
  }

  static fit({ inputs, values }: Series, { options: { horizon } }: Own): Scalers {
    const [end] = ends(values.length);
    const changes = values
      .slice(0, end - horizon)
      .map((value, i) => [(values[i + horizon] ?? value) - value]);
    return new Scalers(
      new StandardScaler().fit(inputs.slice(0, end)),
      new StandardScaler({ withMean: false }).fit(changes),
    );
  }

  static fromJSON({ inputs, changes }: { readonly [name: string]: unknown }): Scalers {
    return new Scalers(StandardScaler.fromJSON(inputs), StandardScaler.fromJSON(changes));
  }

  toJSON() {
    return { inputs: this.#inputs.toJSON(), changes: this.#changes.toJSON() };
  }

  /** [T, features] as the model reads them. */
  inputs(series: Series): Tensor<"float32"> {
    return this.#inputs.transform(series.inputs);
  }

  /** A change as the model says it. */
  scaled(change: number): number {
    return this.#changes.transform([[change]]).data[0] ?? Number.NaN;
  }

  /** In the unit of the series. */
  change(scaled: number): number {
    return this.#changes.inverseTransform([[scaled]]).data[0] ?? Number.NaN;
  }
}

/** Windows of a part of the series. */
interface Part {
  /** [N, steps, features] */
  readonly x: Tensor;
  /** [N, 1]: by how much the value changes after each. */
  readonly y: Tensor<"float32">;
  /** The steps that are forecast. */
  readonly targets: readonly number[];
}

/** The windows whose values to say lie in each part; those whose value is missing are left out. */
function partsOf(series: Series, scalers: Scalers, { options: { steps, horizon } }: Own) {
  const { values, known } = series;
  const all = windows(scalers.inputs(series), null, { sequenceLength: steps });
  const some = (from: number, to: number): Part => {
    const targets: number[] = [];
    for (let t = Math.max(from, steps - 1 + horizon); t < to; t++) if (known[t] === true) targets.push(t);
    const read = targets.map((t) => all.get(t - horizon - steps + 1).x);
    const features = read[0]?.shape[1] ?? 0;
    const x = new Float32Array(read.length * steps * features);
    for (const [i, window] of read.entries()) x.set(window.data, i * window.size);
    const y = Float32Array.from(targets, (t) =>
      scalers.scaled((values[t] ?? 0) - (values[t - horizon] ?? 0)),
    );
    return {
      x: new Tensor(x, [read.length, steps, features], "float32"),
      y: new Tensor(y, [read.length, 1], "float32"),
      targets,
    };
  };
  const [first, second] = ends(values.length);
  return { train: some(0, first), validation: some(first, second), test: some(second, values.length) };
}

function build(features: number, { seed, learningRate, options: own }: Own, backend: Backend) {
  const model = sequential(
    [layers.lstm({ units: own.units, inputShape: [own.steps, features] }), layers.dense({ units: 1 })],
    { seed, backend },
  );
  model.compile({ optimizer: optimizers.adam({ learningRate, clipNorm: 1 }), loss: "meanSquaredError" });
  return model;
}

/** Steps at the end of the test that are drawn. */
const drawn = 200;

/** The errors on the part that tests, beside those of the last value and of the value a season earlier. */
async function measured(model: Model, series: Series, scalers: Scalers, settings: Own): Promise<Findings> {
  const { values } = series;
  const { horizon } = settings.options;
  const { column, unit, season, seasonName } = kinds[settings.options.series];
  const { test } = partsOf(series, scalers, settings);
  const { data } = await model.predict(test.x, { batchSize: 512 });
  const valueAt = (t: number) => values[Math.max(0, t)] ?? Number.NaN;
  const seasons = season * Math.ceil(horizon / season);
  const forecasts = {
    LSTM: test.targets.map((t, i) => valueAt(t - horizon) + scalers.change(data[i] ?? Number.NaN)),
    "last value": test.targets.map((t) => valueAt(t - horizon)),
    [seasonName]: test.targets.map((t) => valueAt(t - seasons)),
  };
  const errors = Object.entries(forecasts).map(([name, said]) => {
    const apart = said.map((value, i) => value - valueAt(test.targets[i] ?? 0));
    const mean = (of: (x: number) => number) => apart.reduce((sum, x) => sum + of(x), 0) / apart.length;
    return { name, root: Math.sqrt(mean((x) => x * x)), absolute: mean(Math.abs) };
  });
  const [own, last, seasonal] = errors.map(({ root }) => root);
  const [error = Number.NaN, lastValueError = Number.NaN, seasonalError = Number.NaN] = [own, last, seasonal];
  const shownSteps = Math.min(drawn, test.targets.length);
  return {
    figures: {
      error,
      lastValueError,
      seasonalError,
      bestBaselineError: Math.min(lastValueError, seasonalError),
      absoluteError: errors[0]?.absolute ?? Number.NaN,
    },
    sections: [
      regression(
        test.targets.slice(-shownSteps),
        test.targets.slice(-shownSteps).map(valueAt),
        Object.fromEntries(Object.entries(forecasts).map(([name, said]) => [name, said.slice(-shownSteps)])),
        { title: `The last ${shownSteps} steps: ${column} in ${unit}`, input: "step of the series" },
      ),
      table({
        title: "Errors on the test part",
        note: `Of ${test.targets.length.toLocaleString("en")} values, ${horizon} ${horizon === 1 ? "step" : "steps"} ahead, in ${unit}. ${series.missing.toLocaleString("en")} values of the series are missing.`,
        columns: ["forecast", "root of the mean squared error", "mean absolute error"],
        rows: errors.map(({ name, root, absolute }) => [name, root, absolute]),
      }),
    ],
  };
}
