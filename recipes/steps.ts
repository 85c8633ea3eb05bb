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

/** Trains step by step with `trainOnBatch`; every so many steps, and after the last, evaluates and prints a line. */
export async function trainSteps(run: Run, model: Sequential, options: Steps): Promise<RunHistory> {
  const { settings, test, evaluateEvery } = options;
  const rate = holdThenCosine(settings);
  const positions: number[] = [];
  const values = {
    loss: [] as number[],
    accuracy: [] as number[],
    val_loss: [] as number[],
    val_accuracy: [] as number[],
  };
  let [lossSum, accuracySum, count] = [0, 0, 0];
  for (let step = 0; step < settings.epochs && !run.signal.aborted; step++) {
    const next = options.batches.next();
    if (next.done === true) break;
    const [x, y] = next.value;
    if (x === undefined || y === undefined) break;
    if (!settings.asInSource) model.learningRate = rate(step);
    const [loss = Number.NaN, accuracy = Number.NaN] = await model.trainOnBatch(x, y);
    lossSum += loss;
    accuracySum += accuracy;
    count++;
    run.progress(step + 1, settings.epochs, { loss: lossSum / count, accuracy: accuracySum / count });
    if ((step + 1) % evaluateEvery !== 0 && step + 1 !== settings.epochs) continue;
    const [testLoss = Number.NaN, testAccuracy = Number.NaN] = await model.evaluate(...test, {
      batchSize: 1000,
      verbose: 0,
    });
    positions.push(step + 1);
    values.loss.push(lossSum / count);
    values.accuracy.push(accuracySum / count);
    values.val_loss.push(testLoss);
    values.val_accuracy.push(testAccuracy);
    run.say(
      `step ${step + 1}/${settings.epochs} - loss: ${(lossSum / count).toFixed(4)} - accuracy: ${(accuracySum / count).toFixed(4)}` +
        ` - test loss: ${testLoss.toFixed(4)} - test accuracy: ${testAccuracy.toFixed(4)}`,
    );
    [lossSum, accuracySum, count] = [0, 0, 0];
  }
  return { unit: "step", positions, values };
}
