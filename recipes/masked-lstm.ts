// Sequences of different lengths, padded to one length and masked: what is padding must count nowhere. Three LSTM layers
// follow a quantity over time; the first steps, at which they have seen too little, are dropped from the output, and the
// mask follows. The loss that the model reports is held against the one computed by hand over the steps that count.
import { layers, ops, optimizers, type Sequential, sequential, Tensor } from "rondo";
import { defineRecipe } from "rondo/recipe";
import { table } from "rondo/report";
import { Random } from "./random.js";

const size = { sequences: 100, steps: 362, features: 24 };
/** Steps at the beginning whose output is dropped. */
const dropped = 5;

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

  async train(settings, run) {
    const { x, y, lengths } = paddedSequences(settings.seed);

    const make = (first: "masked" | "unmasked"): Sequential => {
      const inputShape = [size.steps, size.features] as const;
      const model = sequential(
        [
          ...(first === "masked" ? [layers.masking({ maskValue: 0, inputShape })] : []),
          layers.lstm({ units: 128, returnSequences: true, inputShape, name: "wide" }),
          layers.lstm({ units: 64, returnSequences: true, name: "narrow" }),
          layers.lstm({ units: 1, returnSequences: true, name: "follower" }),
          layers.lambda({ call: (steps) => ops.slice(steps, [0, dropped]), name: "drop" }),
        ],
        { seed: settings.seed, backend: run.backend },
      );
      const optimizer = optimizers.adam({ learningRate: settings.learningRate });
      model.compile({ optimizer, loss: "meanAbsoluteError" });
      return model;
    };
    const model = make("masked");
    run.begin(model);

    const trainOn = (model: Sequential, targets: Tensor, verbose: 0 | 1) =>
      model.fit(x, targets, {
        batchSize: settings.batchSize,
        epochs: settings.count,
        signal: run.signal,
        verbose,
      });
    const history = await trainOn(model, y, run.verbose);

    await run.finish({
      model,
      history,
      async test() {
        const holed = withPadding(y, lengths, Number.NaN);
        const counts = (sequence: number, step: number) => step < (lengths[sequence] ?? 0);
        const reported = async (model: Sequential, targets: Tensor) =>
          (await model.evaluate(x, targets, { verbose: 0 }))[0] ?? Number.NaN;

        const prediction = await model.predict(x);
        const unmasked = make("unmasked");
        await unmasked.setWeights(await model.getWeights());
        const everywhere = await unmasked.predict(x);
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

        run.say("The same training again, on targets padded with NaN.");
        const again = make("masked");
        await trainOn(again, holed, 0);
        // Two trainings that were interrupted ended at different steps.
        const changed = run.signal.aborted ? undefined : await differences(model, again);
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
              rows: rows.map(({ name, reported, byHand, difference }) => [
                name,
                reported,
                byHand,
                difference,
              ]),
            }),
          ],
        };
      },
    });
  },
});

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

/** How many weights of two models are not the same bits. */
async function differences(a: Sequential, b: Sequential): Promise<number> {
  const [these, those] = [await a.getWeights(), await b.getWeights()];
  return these
    .map(({ data }, i) => data.filter((value, j) => !Object.is(value, those[i]?.data[j])).length)
    .reduce((sum, count) => sum + count, 0);
}
