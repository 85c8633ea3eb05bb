import type { ElementSource } from "../data/datasetIterator.js";
import { permutation } from "../data/shuffle.js";
import { checkCount, checkOptions, within } from "../errors.js";
import type { History } from "../train/callbacks/history.js";
import { arrayFeed, type Feed } from "../train/feed.js";
import { type Run, runEvaluation, runFit } from "../train/fit.js";
import { Totals } from "../train/report.js";
import type { Engine } from "./engine.js";
import { countOf, type Data, type Rows, readInputs, sliceOf } from "./feeds.js";
import type { FitKeeper } from "./keeping.js";
import {
  type AnyBatchOptions,
  type AnyDatasetFitOptions,
  type AnyEvaluateOptions,
  type AnyFitOptions,
  type DatasetLookOptions,
  type Figures,
  isDataset,
  optionNames,
  type RunOptions,
  readRun,
  refusedOption,
} from "./options.js";
import { type Host, heldFor, type Runs } from "./runs.js";
import type { Work } from "./turns.js";

/** What reads datasets is loaded when one is given. */
export const streams = () => import("./streams.js");

/** How a part of a fit takes its turn within it. */
type Step = <S>(writes: boolean, work: Work<S>) => Promise<S>;
/** What is validated on. */
type Held = Rows | ElementSource<unknown> | undefined;

/** Rows with their targets and weights; builds the model where its shapes come from the data. */
export async function samplesOf(
  host: Host,
  where: string,
  x: Data,
  y: Data,
  sampleWeight: Data | undefined,
): Promise<{ readonly runs: Runs; readonly rows: Rows }> {
  const objective = host.compiled(where);
  const { runs, rows } = host.input(where, await readInputs(where, x, host.ports));
  return { runs, rows: await runs.samples(where, rows, y, sampleWeight, objective) };
}

/** Trains on arrays. */
export async function fitArrays(
  host: Host,
  method: CallableFunction,
  x: Data,
  y: Data,
  options: AnyFitOptions,
): Promise<History> {
  checkOptions("fit", options, optionNames.fit);
  const { batchSize = host.built?.rows ?? 32, shuffle = true } = options;
  const { validationSplit = 0, validationBatchSize = batchSize, classWeight } = options;
  if (typeof shuffle !== "boolean") throw refusedOption("fit", "shuffle", shuffle, "true or false");
  const run = begin(host, options);
  host.built?.requireSingle("fit", classWeight);
  checkCount("fit", "batchSize", batchSize, 1);
  checkCount("fit", "validationBatchSize", validationBatchSize, 1);
  return host.turns.fit({ method }, async (step) => {
    const keeper = await keeperOf(host, run);
    const given = await samplesOf(host, "fit", x, y, options.sampleWeight);
    const { runs } = given;
    let data = given.rows;
    let held = await heldOf(host, options);
    if (held === undefined && validationSplit !== 0) {
      const { splitPoint } = await import("../train/split.js");
      const at = splitPoint("fit", countOf(data), validationSplit);
      [data, held] = [sliceOf(data, 0, at), sliceOf(data, at)];
    }
    const objective = host.compiled("fit");
    if (classWeight !== undefined) data = await runs.weighed("fit", data, classWeight, objective);
    runs.checkRows("fit", data, batchSize);
    const engine = await host.engine();
    const source = runs.source(engine, "train", data, objective, {
      turn: (work) => step(true, work),
      place: "yielding",
      reported: (report) => host.reported(report),
    });
    const rows = countOf(data);
    const order = {
      passOf: (epoch: number) => host.passOf(epoch),
      rows: (pass: number) => permutation(host.seed, pass, rows),
    };
    // What does not fit is found before the first step.
    await source.plan(Math.min(rows, batchSize));
    const feed = arrayFeed(source, batchSize, shuffle ? order : undefined);
    const validation = await validationOf(host, held, step, { ...options, validationBatchSize });
    return await fitted(host, engine, feed, validation, run, step, keeper);
  });
}

/** Trains on a dataset. */
export async function fitDataset(
  host: Host,
  method: CallableFunction,
  dataset: ElementSource<unknown>,
  options: AnyDatasetFitOptions,
): Promise<History> {
  const { classWeight, validationBatchSize = host.built?.rows ?? 32 } = options;
  const run = begin(host, options);
  host.built?.requireSingle("fit", classWeight);
  checkCount("fit", "validationBatchSize", validationBatchSize, 1);
  return host.turns.fit({ method }, async (step) => {
    const { trainingStream } = await streams();
    const keeper = await keeperOf(host, run);
    const feed = await trainingStream(host, dataset, options, run.initialEpoch, (work) => step(true, work));
    try {
      const held = await heldOf(host, options);
      const validation = await validationOf(host, held, step, { ...options, validationBatchSize });
      return await fitted(host, await host.engine(), feed, validation, run, step, keeper);
    } finally {
      await feed.close();
    }
  });
}

/** What is refused when a fit is called. */
function begin(host: Host, options: AnyFitOptions | AnyDatasetFitOptions): Run {
  host.compiled("fit");
  host.turns.requireNoFit("fit");
  const { verbose = 1 } = options;
  const run = runOf(host, "fit", { ...options, verbose }, host.turns.aroundFitHooks);
  checkCount("fit", "epochs", run.epochs, 0);
  checkCount("fit", "initialEpoch", run.initialEpoch, 0);
  return run;
}

export const runOf = (
  host: Host,
  where: string,
  options: RunOptions,
  aroundHook = host.turns.aroundHooks,
): Run => readRun(where, options, { seed: host.seed, aroundHook });

/** The data to validate on that was given. */
async function heldOf(host: Host, { validationData, validationSteps }: AnyDatasetFitOptions): Promise<Held> {
  if (isDataset(validationData)) return validationData;
  if (validationSteps !== undefined) {
    throw (await streams()).noDataset("validationSteps");
  }
  if (validationData === undefined) return undefined;
  const { checkValidationData } = await import("./validationData.js");
  const [x, y, sampleWeight] = checkValidationData(validationData);
  return (await samplesOf(host, "fit, validationData", x, y, sampleWeight)).rows;
}

/** What is validated on, made ready. */
async function validationOf(
  host: Host,
  held: Held,
  step: Step,
  { validationBatchSize = 32, validationSteps }: AnyDatasetFitOptions,
): Promise<Feed | undefined> {
  const where = "fit, validation";
  const runs = host.built;
  if (held === undefined || runs === undefined) return undefined;
  const turn = <S>(work: Work<S>) => step(runs.stateful, work);
  if (isDataset(held)) {
    return await (await streams()).validationStream(host, held, where, validationSteps, turn);
  }
  runs.checkRows(where, held, validationBatchSize);
  const source = runs.source(await host.engine(), "evaluate", held, host.compiled("fit"), {
    turn,
    reported: (report) => host.reported(report),
  });
  await source.plan(Math.min(source.rows, validationBatchSize)).catch((error: unknown) => {
    throw within(where, error);
  });
  return arrayFeed(source, validationBatchSize);
}

async function fitted(
  host: Host,
  engine: Engine,
  feed: Feed,
  validation: Feed | undefined,
  given: Run,
  step: Step,
  keeper: FitKeeper | undefined,
): Promise<History> {
  const average = () => step(true, (submitted) => engine.average(submitted));
  const run = { ...given, seed: host.seed };
  try {
    await keeper?.begin({ engine, feed, validation, run, step });
    const history = await runFit(host.model, feed, validation, run, average, keeper);
    await keeper?.done();
    return history;
  } finally {
    await keeper?.close();
    await validation?.close();
  }
}

/** What keeps the fit, where a callback says that it is to be kept. */
async function keeperOf(host: Host, { callbacks }: Run): Promise<FitKeeper | undefined> {
  const plans = callbacks.flatMap(({ keeps }) => keeps ?? []);
  const [plan] = plans;
  return plan && (await import("./keeping.js")).FitKeeper.open(host, plan, plans.length);
}

/** Loss and metrics over arrays. */
export async function evaluateArrays(
  host: Host,
  method: CallableFunction,
  x: Data,
  y: Data,
  options: AnyEvaluateOptions,
): Promise<Figures> {
  checkOptions("evaluate", options, optionNames.evaluate);
  const { batchSize = host.built?.rows ?? 32, verbose = 0, sampleWeight } = options;
  const objective = host.compiled("evaluate");
  checkCount("evaluate", "batchSize", batchSize, 1);
  const run = runOf(host, "evaluate", { ...options, verbose });
  return measured(host, method, async (submitted) => {
    const { runs, rows } = await samplesOf(host, "evaluate", x, y, sampleWeight);
    runs.checkRows("evaluate", rows, batchSize);
    const source = runs.source(await host.engine(), "evaluate", rows, objective, {
      submitted: heldFor(run, submitted),
      reported: (report) => host.reported(report),
    });
    await source.plan(Math.min(source.rows, batchSize));
    return (await runEvaluation(host.model, arrayFeed(source, batchSize), run)).figures();
  });
}

/** Loss and metrics over a dataset. */
export async function evaluateDataset(
  host: Host,
  method: CallableFunction,
  dataset: ElementSource<unknown>,
  options: DatasetLookOptions,
): Promise<Figures> {
  const where = "evaluate";
  host.compiled(where);
  const run = runOf(host, where, { ...options, verbose: options.verbose ?? 0 });
  return measured(host, method, async (submitted) => {
    const { lookingStream } = await streams();
    const feed = await lookingStream(host, dataset, where, options, heldFor(run, submitted));
    return (await runEvaluation(host.model, feed, run).finally(() => feed.close())).figures();
  });
}

const measured = (host: Host, method: CallableFunction, work: Work<Figures>): Promise<Figures> =>
  host.turns.measure({ method }, host.built?.stateful === true ? "write" : "look", work);

/**
 * One step on these rows; its loss and metrics, before the update.
 *
 * @param rate the learning rate; undefined: a schedule's
 */
export async function onBatch(
  host: Host,
  method: CallableFunction,
  kind: "train" | "evaluate",
  x: Data,
  y: Data,
  options: AnyBatchOptions,
  rate: number | undefined,
): Promise<Figures> {
  const where = method.name;
  checkOptions(where, options, optionNames.batch);
  const { sampleWeight, classWeight } = options;
  host.built?.requireSingle(where, classWeight);
  const effect = kind === "train" || host.built?.stateful === true ? "write" : "look";
  return await host.turns.measure({ method, quick: true }, effect, async (submitted) => {
    const objective = host.compiled(where);
    const { runs, rows } = await samplesOf(host, where, x, y, sampleWeight);
    const data = classWeight === undefined ? rows : await runs.weighed(where, rows, classWeight, objective);
    const source = runs.source(await host.engine(), kind, data, objective, {
      submitted,
      reported: (report) => host.reported(report),
      ...(rate === undefined ? {} : { rate }),
    });
    await source.plan(source.rows);
    const report = source.report();
    const accumulators = new Float32Array(report.size);
    const arrays = source.arrays.map(({ tensor }) => tensor.data);
    const { done } = await source.submit(arrays, source.rows, [accumulators]);
    await done;
    const totals = new Totals(report);
    totals.add(accumulators);
    return totals.figures();
  });
}
