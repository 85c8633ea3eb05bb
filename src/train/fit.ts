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
import type { Keeper, Standpoint, Within } from "./keeping.js";
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
 * @param keeper what keeps it, where it is to be kept
 */
export async function runFit(
  model: CallbackModel,
  feed: Feed,
  held: Feed | undefined,
  run: Run,
  finish: () => Promise<void>,
  keeper?: Keeper,
): Promise<History> {
  const { epochs, initialEpoch, signal } = run;
  const history = new History();
  const own = [history, new WarnOnNaN()];
  const going = await begun(model, feed, feed.report().names, run, own);
  const { callbacks } = going;
  const validating: Going = { ...going, inputs: [] };
  const aborted = () => signal?.aborted === true;
  const stopped = () => model.stopTraining || aborted();

  const from = keeper?.from;
  const standpoint = (epoch: number, within?: Standpoint["within"]): Standpoint => ({
    ...{ epoch, within, stopped: model.stopTraining, position: feed.position() },
  });
  /** Where it stands, while that is between two epochs. */
  let between: Standpoint | undefined;

  model.stopTraining = false;
  await callbacks.begin("Train");
  if (from?.within) await callbacks.epochBegin(from.epoch);
  await keeper?.restore(going.all);
  model.stopTraining = from?.stopped === true;
  for (let epoch = from?.epoch ?? initialEpoch; epoch < epochs && !stopped(); epoch++) {
    const within = epoch === from?.epoch ? from.within : undefined;
    if (!within) await callbacks.epochBegin(epoch);
    if (model.stopTraining || (aborted() && !keeper)) break;
    between = undefined;
    const keep: Keep = (within) => {
      if (!model.stopTraining) keeper?.between(() => standpoint(epoch, within()), aborted());
    };
    const { totals, batch } = await measured("Train", feed, epoch, going, stopped, keep, within);
    if (held || aborted()) keeper?.hold(standpoint(epoch, { batch, totals: totals.sums }));
    if (aborted()) break;
    const logs = totals.logs();
    if (held !== undefined) {
      await callbacks.begin("Test");
      const { totals: figures } = await measured("Test", held, epoch, validating, aborted);
      await callbacks.end("Test", figures.logs());
      if (aborted()) break;
      Object.assign(logs, figures.logs("val_"));
    }
    await callbacks.epochEnd(epoch, logs);
    between = standpoint(epoch + 1);
    keeper?.epochEnded(between);
  }
  await keeper?.finished(aborted(), between);
  await finish();
  await callbacks.end("Train");
  return history;
}

/** Loss and metrics over all rows. */
export async function runEvaluation(model: CallbackModel, feed: Feed, run: Run): Promise<Totals> {
  const going = await begun(model, feed, feed.report().names, run);
  await going.callbacks.begin("Test");
  const { totals } = await measured("Test", feed, 0, going, notAborted(run));
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
  /** The same one by one. */
  readonly all: readonly CallbackHooks[];
  /** What its callbacks see of the data. */
  inputs: readonly DataArray[];
}

/** @param own callbacks after the user's and the progress bar, which is loaded when it is shown; a bar of the user's takes its place */
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
  const all = [...run.callbacks];
  if (verbose !== 0) {
    const { ProgressBar } = await import("./callbacks/progressBar.js");
    // Last, so that it shows what the others add to the figures.
    const at = all.findIndex((one) => one instanceof ProgressBar);
    all.push(...(at < 0 ? [new ProgressBar()] : all.splice(at, 1)));
  }
  all.push(...own);
  const callbacks = new CallbackList(all, model, params, run.aroundHook);
  const going: Going = { callbacks, all, inputs: feed.arrays };
  return going;
}

/** Is told, between two steps, where the fit stands. */
type Keep = (within: () => NonNullable<Standpoint["within"]>) => void;

/**
 * The figures of an epoch, and its batches.
 *
 * @param within where it goes on
 */
async function measured(
  mode: "Train" | "Test",
  feed: Feed,
  epoch: number,
  going: Going,
  stopped: () => boolean,
  keep?: Keep,
  within?: Within,
): Promise<{ readonly totals: Totals; readonly batch: number }> {
  const report = feed.report();
  const totals = new Totals(report, within?.totals);
  const outputs = [new Float32Array(report.size), new Float32Array(report.size)] as const;
  const outputOf = (i: number) => outputs[i % 2 === 0 ? 0 : 1];
  /** Waits for the accumulators of the batch under way. */
  let wait: ((accumulators: readonly number[]) => void) | undefined;
  let batch = within?.batch ?? 0;
  const pending = within?.pending;
  if (pending) outputOf(batch - 1).set(pending);
  const first = pending ? batch - 1 : batch;
  const logs = (i: number) => {
    const accumulators = outputOf(i);
    wait?.([...accumulators]);
    wait = undefined;
    totals.add(accumulators);
    batch = i + 1;
    return totals.logs();
  };
  const between = (i: number) =>
    keep?.(() => ({
      batch: i,
      totals: totals.sums,
      ...(i > first && {
        pending: new Promise<readonly number[]>((resolve) => {
          wait = resolve;
        }),
      }),
    }));
  await through(mode, feed, epoch, going, { room: (_, i) => [outputOf(i)], logs, stopped, between }, within);
  return { totals, batch };
}

/** How batches are gone through. */
interface Through<B> {
  /** Where the outputs of a batch go. */
  readonly room: (batch: B, index: number) => readonly Float32Array[];
  /** What there is to say when it is done; default: nothing. */
  readonly logs?: (index: number) => Logs;
  readonly stopped: () => boolean;
  /** Between two steps. */
  readonly between?: (index: number) => void;
}

/** The batches of an epoch, one after the other. */
async function through<B extends Batch>(
  mode: "Train" | "Test" | "Predict",
  feed: Feed<B>,
  epoch: number,
  going: Going,
  { room, logs = () => ({}), stopped, between }: Through<B>,
  within?: Within,
): Promise<void> {
  const { callbacks } = going;
  const batches = feed.pass(epoch, within?.batch);
  const pending = within?.pending !== undefined;
  const running: Pick<Batch, "arrays">[] = pending ? [feed] : [];
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
      between,
      { index: within?.batch ?? 0, pending },
    );
  } finally {
    await batches.close();
  }
}
