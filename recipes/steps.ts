import type { Sequential, Tensor } from "rondo";
import type { Run, Settings } from "rondo/recipe";
import type { RunHistory } from "rondo/report";
import { holdThenCosine } from "./schedule.js";

interface Steps {
  readonly settings: Settings;
  /** Endless batches of inputs and targets. */
  readonly batches: Iterator<readonly Tensor[]>;
  readonly test: readonly [x: Tensor, y: Tensor];
  readonly evaluateEvery: number;
}

/** What is remembered of the steps. */
type State = {
  readonly positions: number[];
  readonly values: {
    readonly loss: number[];
    readonly accuracy: number[];
    readonly test_loss: (number | null)[];
    readonly test_accuracy: (number | null)[];
  };
  /** Since the last evaluation. */
  sums: { readonly loss: number; readonly accuracy: number; readonly count: number };
};

const nothing = { loss: 0, accuracy: 0, count: 0 };

/**
 * Trains step by step with `trainOnBatch`; every so many steps, and after the last, evaluates and prints a line. Where
 * the run is interrupted in between, the steps since then are a row of the history without test figures.
 */
export async function trainSteps(run: Run, model: Sequential, options: Steps): Promise<RunHistory> {
  const { settings, test, evaluateEvery, batches } = options;
  const rate = holdThenCosine(settings);
  const endStretch = (
    state: State,
    step: number,
    [testLoss = null, testAccuracy = null]: readonly (number | null)[],
  ) => {
    const { positions, values, sums } = state;
    const [loss, accuracy] = [sums.loss / sums.count, sums.accuracy / sums.count];
    positions.push(step);
    values.loss.push(loss);
    values.accuracy.push(accuracy);
    values.test_loss.push(testLoss);
    values.test_accuracy.push(testAccuracy);
    const figures = { loss, accuracy, "test loss": testLoss, "test accuracy": testAccuracy };
    const text = Object.entries(figures).map(([name, value]) =>
      value === null ? "" : ` - ${name}: ${value.toFixed(4)}`,
    );
    run.say(`step ${step}/${settings.count}${text.join("")}`);
    state.sums = nothing;
  };
  const first: State = {
    positions: [],
    values: { loss: [], accuracy: [], test_loss: [], test_accuracy: [] },
    sums: nothing,
  };
  const state = await run.steps("model", model, {
    count: settings.count,
    batches,
    state: first,
    async step([x, y], index, state) {
      if (x === undefined || y === undefined) throw new Error("a batch without inputs and targets");
      if (!settings.asInSource) model.learningRate = rate(index);
      const [loss = Number.NaN, accuracy = Number.NaN] = await model.trainOnBatch(x, y);
      const { sums } = state;
      const [lossSum, accuracySum, count] = [sums.loss + loss, sums.accuracy + accuracy, sums.count + 1];
      state.sums = { loss: lossSum, accuracy: accuracySum, count };
      const done = index + 1;
      run.progress(done, settings.count, { loss: lossSum / count, accuracy: accuracySum / count });
      if (done % evaluateEvery !== 0 && done !== settings.count) return;
      endStretch(state, done, await model.evaluate(...test, { batchSize: 1000, verbose: 0 }));
    },
  });
  if (state.sums.count > 0) endStretch(state, (state.positions.at(-1) ?? 0) + state.sums.count, []);
  return { unit: "step", positions: state.positions, values: state.values };
}
