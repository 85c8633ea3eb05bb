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

/**
 * Trains step by step with `trainOnBatch`; every so many steps, and after the last, evaluates and prints a line. Where
 * the run is interrupted in between, the steps since then are a row of the history without test figures.
 */
export async function trainSteps(run: Run, model: Sequential, options: Steps): Promise<RunHistory> {
  const { settings, test, evaluateEvery } = options;
  const rate = holdThenCosine(settings);
  const positions: number[] = [];
  const values = {
    loss: [] as number[],
    accuracy: [] as number[],
    test_loss: [] as (number | null)[],
    test_accuracy: [] as (number | null)[],
  };
  let step = 0;
  let [lossSum, accuracySum, count] = [0, 0, 0];
  const endStretch = ([testLoss = null, testAccuracy = null]: readonly (number | null)[]) => {
    positions.push(step);
    values.loss.push(lossSum / count);
    values.accuracy.push(accuracySum / count);
    values.test_loss.push(testLoss);
    values.test_accuracy.push(testAccuracy);
    const figures = {
      loss: lossSum / count,
      accuracy: accuracySum / count,
      "test loss": testLoss,
      "test accuracy": testAccuracy,
    };
    const text = Object.entries(figures).map(([name, value]) =>
      value === null ? "" : ` - ${name}: ${value.toFixed(4)}`,
    );
    run.say(`step ${step}/${settings.count}${text.join("")}`);
    [lossSum, accuracySum, count] = [0, 0, 0];
  };
  while (step < settings.count && !run.signal.aborted) {
    const next = options.batches.next();
    if (next.done === true) break;
    const [x, y] = next.value;
    if (x === undefined || y === undefined) break;
    if (!settings.asInSource) model.learningRate = rate(step);
    const [loss = Number.NaN, accuracy = Number.NaN] = await model.trainOnBatch(x, y);
    lossSum += loss;
    accuracySum += accuracy;
    step++;
    count++;
    run.progress(step, settings.count, { loss: lossSum / count, accuracy: accuracySum / count });
    if (step % evaluateEvery !== 0 && step !== settings.count) continue;
    endStretch(await model.evaluate(...test, { batchSize: 1000, verbose: 0 }));
  }
  if (count > 0) endStretch([]);
  return { unit: "step", positions, values };
}
