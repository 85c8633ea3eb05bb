import {
  type AroundHook,
  type CallbackHooks,
  CallbackList,
  type CallbackModel,
  type CallbackParams,
  type Logs,
} from "./callbacks/callback.js";
import { History } from "./callbacks/history.js";
import { WarnOnNaN } from "./callbacks/terminateOnNaN.js";
import type { Batch, Feed } from "./feed.js";
import { pipeline } from "./pipeline.js";
import { Totals } from "./report.js";
import type { DataArray } from "./samples.js";

/** 0 silent, 1 progress bar, 2 one line per epoch. */
export type Verbosity = 0 | 1 | 2;

/** How a fit, an evaluation or a prediction goes through its data. */
export interface Run {
  readonly epochs: number;
  readonly initialEpoch: number;
  readonly seed: number;
  readonly verbose: Verbosity;
  readonly callbacks: readonly CallbackHooks[];
  readonly aroundHook: AroundHook;
  readonly signal: AbortSignal | undefined;
}

/**
 * Trains epoch by epoch. Ends early when `model.stopTraining` is set (the epoch is then closed with its validation) or when
 * the signal aborts (the step under way is finished; an epoch that was cut short is not in the history).
 *
 * @param held what is validated on after each epoch
 * @param finish what is done with the weights after the last epoch
 */
export async function runFit(
  model: CallbackModel,
  feed: Feed,
  held: Feed | undefined,
  run: Run,
  finish: () => Promise<void>,
): Promise<History> {
  const { epochs, initialEpoch, signal } = run;
  const history = new History();
  const own = [history, new WarnOnNaN()];
  const going = await begun(model, feed, feed.report().names, run, own);
  const { callbacks } = going;
  const validating: Going = { callbacks, inputs: [] };
  const aborted = () => signal?.aborted === true;
  const stopped = () => model.stopTraining || aborted();

  model.stopTraining = false;
  await callbacks.begin("Train");
  for (let epoch = initialEpoch; epoch < epochs && !stopped(); epoch++) {
    await callbacks.epochBegin(epoch);
    if (stopped()) break;
    const totals = await measured("Train", feed, epoch, going, stopped);
    if (aborted()) break;
    const logs = totals.logs();
    if (held !== undefined) {
      await callbacks.begin("Test");
      const figures = await measured("Test", held, epoch, validating, aborted);
      await callbacks.end("Test", figures.logs());
      if (aborted()) break;
      Object.assign(logs, figures.logs("val_"));
    }
    await callbacks.epochEnd(epoch, logs);
  }
  await finish();
  await callbacks.end("Train");
  return history;
}

/** Loss and metrics over all rows. */
export async function runEvaluation(model: CallbackModel, feed: Feed, run: Run): Promise<Totals> {
  const going = await begun(model, feed, feed.report().names, run);
  await going.callbacks.begin("Test");
  const totals = await measured("Test", feed, 0, going, notAborted(run));
  await going.callbacks.end("Test", totals.logs());
  return totals;
}

/** @param room where the outputs of a batch go; asked in the order of the batches */
export async function runPrediction<B extends Batch>(
  model: CallbackModel,
  feed: Feed<B>,
  room: (batch: B) => readonly Float32Array[],
  run: Run,
): Promise<void> {
  const going = await begun(model, feed, [], run);
  await going.callbacks.begin("Predict");
  await through("Predict", feed, 0, going, { room, stopped: notAborted(run) });
  await going.callbacks.end("Predict");
}

/** Never says stop, but rejects with the signal's reason. */
const notAborted =
  ({ signal }: Run) =>
  (): boolean => {
    signal?.throwIfAborted();
    return false;
  };

/** A run that has begun. */
interface Going {
  readonly callbacks: CallbackList;
  /** What its callbacks see of the data. */
  inputs: readonly DataArray[];
}

/** @param own callbacks after the user's and the progress bar, which is loaded when it is shown */
async function begun(
  model: CallbackModel,
  feed: Feed,
  metrics: readonly string[],
  run: Run,
  own: readonly CallbackHooks[] = [],
): Promise<Going> {
  const { epochs, verbose, seed } = run;
  const { steps, samples, batchSize } = feed;
  const params: CallbackParams = {
    ...{ epochs, steps, samples, batchSize, verbose, seed, metrics },
    get inputs() {
      return going.inputs;
    },
  };
  const shown = verbose === 0 ? [] : [new (await import("./callbacks/progressBar.js")).ProgressBar()];
  const callbacks = new CallbackList([...run.callbacks, ...shown, ...own], model, params, run.aroundHook);
  const going: Going = { callbacks, inputs: feed.arrays };
  return going;
}

/** The figures of an epoch. */
async function measured(
  mode: "Train" | "Test",
  feed: Feed,
  epoch: number,
  going: Going,
  stopped: () => boolean,
): Promise<Totals> {
  const report = feed.report();
  const totals = new Totals(report);
  const outputs = [new Float32Array(report.size), new Float32Array(report.size)] as const;
  const outputOf = (i: number) => outputs[i % 2 === 0 ? 0 : 1];
  const logs = (i: number) => {
    totals.add(outputOf(i));
    return totals.logs();
  };
  await through(mode, feed, epoch, going, { room: (_, i) => [outputOf(i)], logs, stopped });
  return totals;
}

/** How batches are gone through. */
interface Through<B> {
  /** Where the outputs of a batch go. */
  readonly room: (batch: B, index: number) => readonly Float32Array[];
  /** What there is to say when it is done; default: nothing. */
  readonly logs?: (index: number) => Logs;
  readonly stopped: () => boolean;
}

/** The batches of an epoch, one after the other. */
async function through<B extends Batch>(
  mode: "Train" | "Test" | "Predict",
  feed: Feed<B>,
  epoch: number,
  going: Going,
  { room, logs = () => ({}), stopped }: Through<B>,
): Promise<void> {
  const { callbacks } = going;
  const batches = feed.pass(epoch);
  const running: B[] = [];
  try {
    await pipeline(
      async (i) => {
        const batch = await batches.next();
        if (batch === undefined) return undefined;
        await callbacks.batchBegin(mode, i);
        running.push(batch);
        return batch.submit(room(batch, i));
      },
      async (i) => {
        going.inputs = running.shift()?.arrays ?? [];
        await callbacks.batchEnd(mode, i, logs(i));
      },
      stopped,
    );
  } finally {
    await batches.close();
  }
}
