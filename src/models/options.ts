import type { ElementSource } from "../data/datasetIterator.js";
import { namesOf, RondoError, valueText } from "../errors.js";
import type { CustomObjects } from "../layers/registry.js";
import type { Backend } from "../runtime/backend.js";
import type { Tensor, TensorLike } from "../tensor.js";
import { type CallbackHooks, callbacksOf } from "../train/callbacks/callback.js";
import type { Run, Verbosity } from "../train/fit.js";
import type { ClassWeights } from "../train/samples.js";
import type { Data } from "./feeds.js";

/** Options of `sequential` and `functional`. */
export interface ModelOptions {
  /** Default: the kind of model, such as `sequential`. */
  readonly name?: string;
  /** From which weights, dropout and shuffling follow: the same seed gives the same bits. Default: a fresh random one. */
  readonly seed?: number;
  /**
   * Where it runs; default: one backend that all models share, native where it loads, else WebAssembly. One from
   * createBackend is yours: call its `close()` when its last model is done, or its threads stay until it is garbage.
   */
  readonly backend?: Backend | Promise<Backend>;
}

/** How a model is loaded. */
export interface LoadOptions extends ModelOptions {
  /** Of your own: classes of layers by their names in the file, functions of Lambda layers by their registeredName. */
  readonly custom?: CustomObjects;
  /** Whether it is compiled as it was when it was saved, and its optimizer goes on where it was; default true. */
  readonly compile?: boolean;
}

/**
 * Data for ports: one array where there is one without a name (N: never), else arrays by name; either for a model whose
 * names the types do not know (N: string).
 */
export type DataOf<N extends string> = [N] extends [never]
  ? TensorLike
  : string extends N
    ? TensorLike | Readonly<Record<string, TensorLike>>
    : Readonly<Record<N, TensorLike>>;

/** Predictions of outputs, as `DataOf`. */
export type PredictionOf<N extends string> = [N] extends [never]
  ? Tensor<"float32">
  : string extends N
    ? Tensor<"float32"> & Readonly<Record<string, Tensor<"float32">>>
    : Readonly<Record<N, Tensor<"float32">>>;

/** Class numbers of outputs, as `DataOf`. */
export type ClassesOf<N extends string> = [N] extends [never]
  ? Tensor<"int32">
  : string extends N
    ? Tensor<"int32"> & Readonly<Record<string, Tensor<"int32">>>
    : Readonly<Record<N, Tensor<"int32">>>;

/** Targets of outputs, as `DataOf`; an output without a loss and metrics needs none. */
export type TargetsOf<N extends string> = [N] extends [never]
  ? TensorLike
  : string extends N
    ? TensorLike | Readonly<Record<string, TensorLike>>
    : { readonly [K in N]?: TensorLike };

/** Weights of samples: for each output that has some. */
export type WeightsOf<N extends string> = TargetsOf<N>;

/** Batches to train or evaluate a model on: a `Dataset`, say, of elements [batch, ..]. */
export type DatasetOf<I extends string = never, O extends string = never> = ElementSource<{
  readonly x: DataOf<I>;
  readonly y: TargetsOf<O>;
  /** [batch], or [batch, T] where the model has an output per time step: how much each counts in the loss. */
  readonly sampleWeight?: WeightsOf<O> | undefined;
}>;

/** Batches to predict from: a `Dataset`, say, whose elements have x. */
export type InputsOf<I extends string = never> = ElementSource<{ readonly x: DataOf<I> }>;

interface LookOptions {
  /** 0 silent (default), 1 progress bar, 2 one line. */
  readonly verbose?: Verbosity;
  readonly callbacks?: CallbackHooks | readonly CallbackHooks[];
  /** Rejects with the signal's reason after the steps under way. */
  readonly signal?: AbortSignal;
}

/** Options of `predict`. */
export interface PredictOptions extends LookOptions {
  /** Rows of one step; default: as many as the memory allows. */
  readonly batchSize?: number;
}

/** How a dataset is evaluated or predicted from. */
export interface DatasetLookOptions extends LookOptions {
  /** Batches that are taken from its beginning; default: all. */
  readonly steps?: number;
}

/** Options of `evaluate`. */
export interface EvaluateOptions<O extends string = never> extends PredictOptions {
  /** Rows of one step; default 32. */
  readonly batchSize?: number;
  /** [N], or [N, T] where the model has an output per time step. */
  readonly sampleWeight?: WeightsOf<O>;
}

/** [x, y] or [x, y, sampleWeight]. */
export type ValidationData<I extends string = never, O extends string = never> =
  | readonly [x: DataOf<I>, y: TargetsOf<O>]
  | readonly [x: DataOf<I>, y: TargetsOf<O>, sampleWeight: WeightsOf<O>];

/** Options of `trainOnBatch`. */
export interface BatchOptions<O extends string = never> {
  /** [N], or [N, T] where the model has an output per time step: how much each counts in the loss. */
  readonly sampleWeight?: WeightsOf<O>;
  /** How much the samples of each class count; multiplied with `sampleWeight`. */
  readonly classWeight?: ClassWeights;
}

interface TrainingOptions<I extends string, O extends string> {
  /** The number of the epoch to stop before, counted from 0 as `initialEpoch` is; default 1. */
  readonly epochs?: number;
  /** Default 0. */
  readonly initialEpoch?: number;
  /** What is validated on after each epoch: arrays, or a dataset, which begins anew each time, in the same order. */
  readonly validationData?: ValidationData<I, O> | DatasetOf<I, O>;
  /** Rows of one step of validation on arrays; default: those of a training step, 32 for a dataset. */
  readonly validationBatchSize?: number;
  /** Batches that validation takes from the beginning of a dataset; default: all. */
  readonly validationSteps?: number;
  /** How much the samples of each class count; multiplied with the samples' own weights. */
  readonly classWeight?: ClassWeights;
  /** 0 silent, 1 progress bar (default; no terminal: a line per epoch and every ten seconds), 2 a line per epoch. */
  readonly verbose?: Verbosity;
  readonly callbacks?: CallbackHooks | readonly CallbackHooks[];
  /** Ends the training after the steps under way; what was trained stays. */
  readonly signal?: AbortSignal;
}

/** How arrays are trained on. */
export interface FitOptions<I extends string = never, O extends string = never>
  extends TrainingOptions<I, O>,
    BatchOptions<O> {
  /** Rows of one step; default 32. */
  readonly batchSize?: number;
  /** The last fraction of the rows, as they stand before shuffling, is validated on instead of trained on. */
  readonly validationSplit?: number;
  /** Whether rows come in another order each epoch; a function of the seed and of the epochs trained so far. Default true. */
  readonly shuffle?: boolean;
}

/** Options of a model whose names the types do not know. */
type Erased<T> = Omit<T, "sampleWeight" | "validationData"> & {
  readonly sampleWeight?: Data | undefined;
  readonly validationData?: unknown;
};
export type AnyFitOptions = Erased<FitOptions>;
export type AnyDatasetFitOptions = Erased<DatasetFitOptions>;
export type AnyEvaluateOptions = Erased<EvaluateOptions>;
export type AnyBatchOptions = Erased<BatchOptions>;

/** How a dataset is trained on. */
export interface DatasetFitOptions<I extends string = never, O extends string = never>
  extends TrainingOptions<I, O> {
  /**
   * Batches of an epoch; the next epoch goes on where it stopped, and a dataset that has come to its end begins its next
   * pass. Default: a pass of the dataset. A dataset without an end needs it.
   */
  readonly stepsPerEpoch?: number;
}

export const lookNames = { verbose: true, callbacks: true, signal: true } as const;
const predictNames = { ...lookNames, batchSize: true } as const;
const batchNames = { sampleWeight: true, classWeight: true } as const;
export const trainingNames = {
  ...lookNames,
  classWeight: true,
  epochs: true,
  initialEpoch: true,
  validationData: true,
  validationBatchSize: true,
  validationSteps: true,
} as const;

/** What the methods of a model are told by. */
export const optionNames = {
  model: namesOf<ModelOptions>({ name: true, seed: true, backend: true }),
  predict: namesOf<PredictOptions>(predictNames),
  evaluate: namesOf<EvaluateOptions>({ ...predictNames, sampleWeight: true }),
  batch: namesOf<BatchOptions>(batchNames),
  fit: namesOf<FitOptions>({
    ...trainingNames,
    ...batchNames,
    batchSize: true,
    validationSplit: true,
    shuffle: true,
  }),
};

/** Whether data are a dataset and not arrays. */
export const isDataset = <E>(given: unknown): given is ElementSource<E> =>
  typeof given === "object" && given !== null && "iterator" in given && typeof given.iterator === "function";

/** The loss, and the metrics in the order of `metricsNames`. */
export type Figures = [loss: number, ...metrics: number[]];

/** Bytes that a model takes. */
export interface MemoryUse {
  /** Weights, optimizer slots, recurrent states and counters. */
  readonly state: number;
  /** Temporaries of one training step, packed weights and the batch; undefined before `compile`. */
  readonly training: number | undefined;
  /** The same of one step of prediction. */
  readonly prediction: number;
}

/** What a run is read from: the options of fit, evaluate or predict. */
export type RunOptions = Pick<
  TrainingOptions<never, never>,
  "epochs" | "initialEpoch" | "callbacks" | "signal"
> &
  Pick<Run, "verbose">;

/**
 * The run that options ask for.
 *
 * @param own what the model does
 * @throws RondoError for callbacks and signals that are none
 */
export function readRun(where: string, options: RunOptions, own: Pick<Run, "seed" | "aroundHook">): Run {
  const { verbose, epochs = 1, initialEpoch = 0, signal } = options;
  const callbacks = callbacksOf(where, options.callbacks ?? []);
  if (![0, 1, 2].includes(verbose)) {
    const expected = "0 (silent), 1 (progress bar) or 2 (one line per epoch)";
    throw refusedOption(where, "verbose", verbose, expected);
  }
  if (signal !== undefined && typeof (signal as AbortSignal | null)?.aborted !== "boolean") {
    throw new RondoError({
      where,
      received: `signal: ${valueText(signal)}`,
      expected: "an AbortSignal",
      fix: "Pass the signal of an AbortController: controller.signal",
    });
  }
  return {
    epochs,
    initialEpoch,
    ...own,
    verbose,
    callbacks,
    signal,
  };
}

export const refusedOption = (where: string, name: string, value: unknown, expected: string): RondoError =>
  new RondoError({ where, received: `${name}: ${valueText(value)}`, expected, fix: `Change ${name}` });
