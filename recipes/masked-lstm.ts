// Sequences of different lengths, padded to one length and masked: what is padding must count nowhere. Three LSTM layers
// follow a quantity over time; the first steps, at which they have seen too little, are dropped from the output, and the
// mask follows. The loss that the model reports is held against the one computed by hand over the steps that count.
import {
  layers,
  type Model,
  ops,
  optimizers,
  type Sequential,
  type SymbolicTensor,
  sequential,
  Tensor,
} from "rondo";
import {
  batched,
  decimals,
  defineRecipe,
  type Findings,
  type PredictInput,
  type SavedRun,
} from "rondo/recipe";
import { table } from "rondo/report";
import { isNumber, jsonIn, linesOf, shown } from "./numbers.js";
import { Random } from "./random.js";

const size = { sequences: 100, steps: 362, features: 24 };
/** Steps at the beginning whose output is dropped. */
const dropped = 5;
/** What the model's file calls the function that drops them. */
const dropName = "rondo>dropFirstSteps";
const dropFirst = (steps: SymbolicTensor): SymbolicTensor => ops.slice(steps, [0, dropped]);

export const recipe = defineRecipe({
  name: "masked-lstm",
  title: "Padded sequences through masked LSTM layers",
  goal: { figure: "lossDifference", bound: "at most", value: 1e-5 },
  source: {
    title: "questions about Keras's Masking: which steps count in the reported loss, and may padding be NaN",
    settings: { count: 10, batchSize: 10, learningRate: 0.001 },
  },
  unit: "epoch",
  defaults: { count: 10, batchSize: 10, learningRate: 0.001 },
  custom: { [dropName]: dropFirst },
  prediction: {
    reads: `a sequence on each line as JSON, a list of at least ${dropped + 1} steps of ${size.features} numbers; steps of zeros alone count as padding`,
    gives: `{ input, line, values } for each sequence; values has one for each step after the first ${dropped}`,
  },

  async train(settings, run) {
    const { x, y, lengths } = paddedSequences(settings.seed);
    const make = () => follower("masked", { settings, backend: run.backend });
    const models = { zeros: make(), NaN: make() };
    run.begin(models);

    const trainOn = async (name: keyof typeof models, targets: Tensor) => {
      run.say(`Targets padded with ${name}:`);
      return run.fit(name, (kept) =>
        models[name].fit(x, targets, { ...kept, batchSize: settings.batchSize, epochs: settings.count }),
      );
    };
    const history = {
      zeros: await trainOn("zeros", y),
      NaN: await trainOn("NaN", withPadding(y, lengths, Number.NaN)),
    };
    await run.finish({
      model: models,
      history,
      test: () => measured(models.zeros, models.NaN, { settings, backend: run.backend }),
    });
  },

  evaluate: ({ model, models, ...saved }) => measured(model, models.NaN, saved),

  async *predict({ model, signal }, inputs) {
    for await (const batch of batched(asked(inputs), together)) {
      const most = Math.max(...batch.map(({ steps }) => steps.length));
      const x = new Float32Array(batch.length * most * size.features);
      for (const [i, { steps }] of batch.entries()) x.set(steps.flat(), i * most * size.features);
      const y = await model.predict(new Tensor(x, [batch.length, most, size.features], "float32"), {
        signal,
      });
      for (const [i, { input, line, steps }] of batch.entries()) {
        const begin = i * (most - dropped);
        yield { input, line, values: decimals(y.data.subarray(begin, begin + steps.length - dropped)) };
      }
    }
  },
});

/** Three LSTM layers over sequences of any length, which mask padding or do not. */
function follower(
  first: "masked" | "unmasked",
  { settings, backend }: Pick<SavedRun, "settings" | "backend">,
): Sequential {
  const inputShape = [null, size.features] as const;
  const model = sequential(
    [
      ...(first === "masked" ? [layers.masking({ maskValue: 0, inputShape })] : []),
      layers.lstm({ units: 128, returnSequences: true, inputShape, name: "wide" }),
      layers.lstm({ units: 64, returnSequences: true, name: "narrow" }),
      layers.lstm({ units: 1, returnSequences: true, name: "follower" }),
      layers.lambda({ call: dropFirst, registeredName: dropName, name: "drop" }),
    ],
    { seed: settings.seed, backend },
  );
  const optimizer = optimizers.adam({ learningRate: settings.learningRate });
  model.compile({ optimizer, loss: "meanAbsoluteError" });
  return model;
}

/**
 * Holds the loss that a model reports against the one computed by hand, and its weights against those of the same model
 * trained on targets padded with NaN.
 */
async function measured(
  model: Model,
  other: Model | undefined,
  saved: Pick<SavedRun, "settings" | "backend">,
): Promise<Findings> {
  const { x, y, lengths } = paddedSequences(saved.settings.seed);
  const holed = withPadding(y, lengths, Number.NaN);
  const counts = (sequence: number, step: number) => step < (lengths[sequence] ?? 0);
  const reported = async (model: Model, targets: Tensor) =>
    (await model.evaluate(x, targets, { verbose: 0 }))[0] ?? Number.NaN;

  const prediction = await model.predict(x, { batchSize: size.sequences });
  const unmasked = follower("unmasked", saved);
  await unmasked.setWeights(await model.getWeights());
  const everywhere = await unmasked.predict(x, { batchSize: size.sequences });
  const rows = [
    {
      name: "with the mask",
      reported: await reported(model, y),
      byHand: meanError(prediction, y, counts),
    },
    {
      name: "with the mask, padded with NaN",
      reported: await reported(model, holed),
      byHand: meanError(prediction, y, counts),
    },
    {
      name: "without a mask",
      reported: await reported(unmasked, y),
      byHand: meanError(everywhere, y, () => true),
    },
  ].map((row) => ({ ...row, difference: Math.abs(row.reported - row.byHand) / row.byHand }));

  const changed = other && (await differences(model, other));
  const counted = lengths.reduce((sum, length) => sum + length - dropped, 0);
  return {
    figures: {
      lossDifference: Math.max(...rows.map(({ difference }) => difference)),
      maskedLoss: rows[0]?.reported ?? Number.NaN,
      unmaskedLoss: rows[2]?.reported ?? Number.NaN,
      ...(changed === undefined ? {} : { changedWeights: changed }),
    },
    sections: [
      table({
        title: "Mean absolute error",
        note: `As the model reports it, and computed by hand from its predictions, over the ${counted.toLocaleString("en")} steps that are neither padding nor dropped, or over all without a mask.${changed === undefined ? "" : ` Trained once more on targets padded with NaN, ${changed} of ${model.countParams().toLocaleString("en")} weights differ.`}`,
        columns: ["targets", "reported", "by hand", "relative difference"],
        rows: rows.map(({ name, reported, byHand, difference }) => [name, reported, byHand, difference]),
      }),
    ],
  };
}

/** Sequences that are predicted for at once: padded to the longest of them. */
const together = 32;

interface Asked {
  readonly input: string;
  readonly line: number;
  /** [steps][24] */
  readonly steps: readonly (readonly number[])[];
}

/** The sequences on the lines of the inputs. */
async function* asked(inputs: readonly PredictInput[]): AsyncGenerator<Asked> {
  const { features } = size;
  for await (const { input, line, text } of linesOf(inputs)) {
    const json = jsonIn(text);
    const steps: readonly unknown[] = Array.isArray(json) ? json : [];
    const wrong = steps.findIndex((step) => !isStep(step));
    if (wrong < 0 && steps.length > dropped) {
      yield { input: input.name, line, steps: steps as readonly (readonly number[])[] };
      continue;
    }
    const cause =
      wrong < 0 ? `${steps.length} steps` : `${shown(JSON.stringify(steps[wrong]))} as step ${wrong}`;
    throw input.error(`line ${line}`, {
      received: Array.isArray(json) ? cause : shown(text),
      expected: `a list of at least ${dropped + 1} steps, each a list of ${features} numbers`,
      fix: `Write a sequence on each line as JSON: [[x1, …, x${features}], …]`,
    });
  }
}

const isStep = (step: unknown): boolean =>
  Array.isArray(step) && step.length === size.features && step.every(isNumber);

/** Sequences of lengths from 50 on, padded with zeros. */
export interface Padded {
  /** [100, 362, 24]: normal numbers, and zeros after the end. */
  readonly x: Tensor<"float32">;
  /** [100, 357, 1]: from the sixth step on, a moving average of the first feature, and zeros after the end. */
  readonly y: Tensor<"float32">;
  /** Steps of each sequence that are no padding; the first is the longest. */
  readonly lengths: readonly number[];
}

export function paddedSequences(seed: number): Padded {
  const { sequences, steps, features } = size;
  const random = new Random(seed);
  const lengths = Array.from({ length: sequences }, (_, i) => (i === 0 ? steps : random.whole(50, steps)));
  const x = new Float32Array(sequences * steps * features);
  const y = new Float32Array(sequences * (steps - dropped));
  for (const [i, length] of lengths.entries()) {
    let average = 0;
    for (let step = 0; step < length; step++) {
      const row = (i * steps + step) * features;
      for (let feature = 0; feature < features; feature++) x[row + feature] = random.normal();
      average = 0.9 * average + 0.1 * (x[row] ?? 0);
      if (step >= dropped) y[i * (steps - dropped) + step - dropped] = average;
    }
  }
  return {
    x: new Tensor(x, [sequences, steps, features], "float32"),
    y: new Tensor(y, [sequences, steps - dropped, 1], "float32"),
    lengths,
  };
}

/** Targets with another number in the place of padding. */
export function withPadding(y: Tensor, lengths: readonly number[], padding: number): Tensor<"float32"> {
  const kept = size.steps - dropped;
  const data = Float32Array.from(y.data, (value, i) =>
    (i % kept) + dropped < (lengths[Math.floor(i / kept)] ?? 0) ? value : padding,
  );
  return new Tensor(data, y.shape, "float32");
}

/**
 * The mean absolute error by hand, in float64.
 *
 * @param counts whether a step counts, by its number among all, the dropped ones too
 */
export function meanError(
  prediction: Tensor,
  y: Tensor,
  counts: (sequence: number, step: number) => boolean,
): number {
  const [sequences = 0, kept = 0] = y.shape;
  let [sum, count] = [0, 0];
  for (let i = 0; i < sequences; i++) {
    for (let step = 0; step < kept; step++) {
      if (!counts(i, step + dropped)) continue;
      sum += Math.abs((prediction.data[i * kept + step] ?? 0) - (y.data[i * kept + step] ?? 0));
      count++;
    }
  }
  return sum / count;
}

/** How many weights of two models are not the same bits; undefined where they were not trained for as many steps. */
async function differences(a: Model, b: Model): Promise<number | undefined> {
  const [these, those] = [await a.snapshot(), await b.snapshot()];
  if (these.step !== those.step) return undefined;
  return these.weights
    .map(({ data }, i) => data.filter((value, j) => !Object.is(value, those.weights[i]?.data[j])).length)
    .reduce((sum, count) => sum + count, 0);
}
