import type { TypedArray } from "../dtype.js";
import { RondoError, valueText } from "../errors.js";
import { Batches } from "./batches.js";
import {
  type AroundHook,
  type CallbackHooks,
  CallbackList,
  type CallbackModel,
  type CallbackParams,
} from "./callbacks/callback.js";
import { History } from "./callbacks/history.js";
import { WarnOnNaN } from "./callbacks/terminateOnNaN.js";
import type { DataArray } from "./dataset.js";
import { pipeline } from "./pipeline.js";
import { type Report, Totals } from "./report.js";
import { permutation } from "./shuffle.js";

/** 0 silent, 1 progress bar, 2 one line per epoch. */
export type Verbosity = 0 | 1 | 2;

/**
 * Submits one batch in its turn; then `done` settles when `outputs` are filled. The arrays must stay as they are until then.
 */
export type SubmitBatch = (
  arrays: readonly TypedArray[],
  rows: number,
  outputs: readonly Float32Array[],
) => Promise<{ readonly done: Promise<void> }>;

/** Data and the program that takes it batch by batch. */
export interface Source {
  readonly arrays: readonly DataArray[];
  readonly rows: number;
  /** Makes ready for batches of so many rows. */
  plan(rows: number): Promise<void>;
  /** The figures of training and evaluation, once `plan` has run. */
  report(): Report;
  readonly submit: SubmitBatch;
}

const tensorsOf = ({ arrays }: Source) => arrays.map(({ tensor }) => tensor);

/** How a fit, an evaluation or a prediction goes through its data. */
export interface Run {
  readonly batchSize: number;
  readonly epochs: number;
  readonly initialEpoch: number;
  readonly shuffle: boolean;
  /** The pass that an epoch is, called once when it begins: with the seed it gives the order of the rows. */
  readonly passOf: (epoch: number) => number;
  readonly seed: number;
  readonly verbose: Verbosity;
  readonly callbacks: readonly CallbackHooks[];
  readonly aroundHook: AroundHook;
  readonly signal: AbortSignal | undefined;
}

/** Data to validate on after each epoch. */
export interface Validation {
  readonly source: Source;
  readonly batchSize: number;
}

/**
 * Trains epoch by epoch. The order of an epoch's rows is a function of (seed, pass) alone. Ends early when
 * `model.stopTraining` is set (the epoch is then closed with its validation) or when the signal aborts (the step under
 * way is finished; an epoch that was cut short is not in the history).
 *
 * @param finish what is done with the weights after the last epoch
 */
export async function runFit(
  model: CallbackModel,
  source: Source,
  validation: Validation | undefined,
  run: Run,
  finish: () => Promise<void>,
): Promise<History> {
  const { epochs, initialEpoch, seed, shuffle, signal } = run;
  const history = new History();
  const batches = new Batches(tensorsOf(source), source.rows, run.batchSize, shuffle);
  const params = paramsOf(source.report().names, source, batches, run);
  const own = [history, new WarnOnNaN()];
  const callbacks = new CallbackList([...run.callbacks, ...own], model, params, run.aroundHook);
  const aborted = () => signal?.aborted === true;
  const stopped = () => model.stopTraining || aborted();

  model.stopTraining = false;
  await callbacks.begin("Train");
  for (let epoch = initialEpoch; epoch < epochs && !stopped(); epoch++) {
    await callbacks.epochBegin(epoch);
    if (stopped()) break;
    const row = shuffle ? permutation(seed, run.passOf(epoch), source.rows) : undefined;
    const totals = await runBatches("Train", batches, source, callbacks, row, stopped);
    if (aborted()) break;
    const logs = totals.logs();
    if (validation !== undefined) {
      const { source: held, batchSize } = validation;
      const fixed = new Batches(tensorsOf(held), held.rows, batchSize, false);
      await callbacks.begin("Test");
      const figures = await runBatches("Test", fixed, held, callbacks, undefined, aborted);
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
export async function runEvaluation(model: CallbackModel, source: Source, run: Run): Promise<Totals> {
  const batches = new Batches(tensorsOf(source), source.rows, run.batchSize, false);
  const params = paramsOf(source.report().names, source, batches, run);
  const callbacks = new CallbackList(run.callbacks, model, params, run.aroundHook);
  const { signal } = run;
  await callbacks.begin("Test");
  const totals = await runBatches("Test", batches, source, callbacks, undefined, () => {
    signal?.throwIfAborted();
    return false;
  });
  await callbacks.end("Test", totals.logs());
  return totals;
}

/** Fills `outputs`, `widths` elements for each row. */
export async function runPrediction(
  model: CallbackModel,
  source: Source,
  outputs: readonly Float32Array[],
  widths: readonly number[],
  run: Run,
): Promise<void> {
  const batches = new Batches(tensorsOf(source), source.rows, run.batchSize, false);
  const params = paramsOf([], source, batches, run);
  const callbacks = new CallbackList(run.callbacks, model, params, run.aroundHook);
  const { signal } = run;
  await callbacks.begin("Predict");
  await pipeline(
    batches.count,
    async (i) => {
      signal?.throwIfAborted();
      await callbacks.batchBegin("Predict", i);
      const first = i * batches.batchSize;
      const parts = outputs.map((output, k) => {
        const width = widths[k] ?? 0;
        return output.subarray(first * width, (first + batches.size(i)) * width);
      });
      const arrays = await batches.arrays(i);
      return source.submit(arrays, batches.size(i), parts);
    },
    (i) => callbacks.batchEnd("Predict", i, {}),
  );
  await callbacks.end("Predict");
}

async function runBatches(
  mode: "Train" | "Test",
  batches: Batches,
  source: Source,
  callbacks: CallbackList,
  row: ((place: number) => number) | undefined,
  stopped: () => boolean,
): Promise<Totals> {
  const report = source.report();
  const totals = new Totals(report);
  const outputs = [new Float32Array(report.size), new Float32Array(report.size)] as const;
  const outputOf = (i: number) => outputs[i % 2 === 0 ? 0 : 1];
  await pipeline(
    batches.count,
    async (i) => {
      await callbacks.batchBegin(mode, i);
      const rows = batches.size(i);
      const arrays = await batches.arrays(i, row);
      return source.submit(arrays, rows, [outputOf(i)]);
    },
    async (i) => {
      totals.add(outputOf(i));
      await callbacks.batchEnd(mode, i, totals.logs());
    },
    stopped,
  );
  return totals;
}

const paramsOf = (
  metrics: readonly string[],
  { arrays, rows }: Source,
  { count }: Batches,
  { epochs, batchSize, verbose, seed }: Run,
): CallbackParams => ({
  epochs,
  steps: count,
  samples: rows,
  batchSize,
  verbose,
  seed,
  metrics,
  inputs: arrays,
});

/** Throws unless `value` is a whole number of at least `least`. */
export function checkCount(where: string, name: string, value: number, least: number): void {
  if (Number.isInteger(value) && value >= least) return;
  throw new RondoError({
    where,
    received: `${name}: ${valueText(value)}`,
    expected: `a whole number of at least ${least}`,
    fix: `Change ${name}`,
  });
}
