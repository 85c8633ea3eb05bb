import { namesOf, RondoError, valueText } from "../errors.js";
import type { CustomObjects } from "../layers/registry.js";
import type { Backend } from "../runtime/backend.js";
import type { Tensor, TensorLike } from "../tensor.js";
import { type CallbackHooks, callbacksOf } from "../train/callbacks/callback.js";
import { ProgressBar } from "../train/callbacks/progressBar.js";
import type { ClassWeights } from "../train/dataset.js";
import type { Run, Verbosity } from "../train/fit.js";

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

/** Weights of samples: for each output that has some. */
export type WeightsOf<N extends string> = [N] extends [never]
  ? TensorLike
  : string extends N
    ? TensorLike | Readonly<Record<string, TensorLike>>
    : { readonly [K in N]?: TensorLike };

export interface PredictOptions {
  /** Rows of one step; default: as many as the memory allows. */
  readonly batchSize?: number;
  /** 0 silent (default), 1 progress bar, 2 one line. */
  readonly verbose?: Verbosity;
  readonly callbacks?: CallbackHooks | readonly CallbackHooks[];
  /** Rejects with the signal's reason after the steps under way. */
  readonly signal?: AbortSignal;
}

export interface EvaluateOptions<O extends string = never> extends PredictOptions {
  /** Rows of one step; default 32. */
  readonly batchSize?: number;
  /** [N], or [N, T] where the model has an output per time step. */
  readonly sampleWeight?: WeightsOf<O>;
}

/** [x, y] or [x, y, sampleWeight]. */
export type ValidationData<I extends string = never, O extends string = never> =
  | readonly [x: DataOf<I>, y: DataOf<O>]
  | readonly [x: DataOf<I>, y: DataOf<O>, sampleWeight: WeightsOf<O>];

export interface BatchOptions<O extends string = never> {
  /** [N], or [N, T] where the model has an output per time step: how much each counts in the loss. */
  readonly sampleWeight?: WeightsOf<O>;
  /** How much the samples of each class count; multiplied with `sampleWeight`. */
  readonly classWeight?: ClassWeights;
}

export interface FitOptions<I extends string = never, O extends string = never> extends BatchOptions<O> {
  /** Rows of one step; default 32. */
  readonly batchSize?: number;
  /** The number of the epoch to stop before, counted from 0 as `initialEpoch` is; default 1. */
  readonly epochs?: number;
  /** Default 0. */
  readonly initialEpoch?: number;
  readonly validationData?: ValidationData<I, O>;
  /** The last fraction of the rows, as they stand before shuffling, is validated on instead of trained on. */
  readonly validationSplit?: number;
  /** Default: `batchSize`. */
  readonly validationBatchSize?: number;
  /** Whether rows come in another order each epoch; a function of the seed and of the epochs trained so far. Default true. */
  readonly shuffle?: boolean;
  /** 0 silent, 1 progress bar (default; no terminal: a line per epoch and every ten seconds), 2 a line per epoch. */
  readonly verbose?: Verbosity;
  readonly callbacks?: CallbackHooks | readonly CallbackHooks[];
  /** Ends the training after the steps under way; what was trained stays. */
  readonly signal?: AbortSignal;
}

const predictNames = { batchSize: true, verbose: true, callbacks: true, signal: true } as const;
const batchNames = { sampleWeight: true, classWeight: true } as const;

/** What the methods of a model are told by. */
export const optionNames = {
  model: namesOf<ModelOptions>({ name: true, seed: true, backend: true }),
  predict: namesOf<PredictOptions>(predictNames),
  evaluate: namesOf<EvaluateOptions>({ ...predictNames, sampleWeight: true }),
  batch: namesOf<BatchOptions>(batchNames),
  fit: namesOf<FitOptions>({
    ...predictNames,
    ...batchNames,
    epochs: true,
    initialEpoch: true,
    validationData: true,
    validationSplit: true,
    validationBatchSize: true,
    shuffle: true,
  }),
};

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

/** What a run is read from: the options of fit, evaluate or predict, with what has been decided already. */
export type RunOptions = Pick<Run, "batchSize" | "verbose"> &
  Omit<FitOptions, "validationData" | "sampleWeight">;

/**
 * The run that options ask for.
 *
 * @param own what the model does: the number of the order of rows that an epoch takes, and what is done around hooks
 * @throws RondoError for callbacks and signals that are none
 */
export function readRun(
  where: string,
  options: RunOptions,
  seed: number,
  own: Pick<Run, "passOf" | "aroundHook">,
): Run {
  const { batchSize, verbose, epochs = 1, initialEpoch = 0, shuffle = false, signal } = options;
  const callbacks = callbacksOf(where, options.callbacks ?? []);
  const refuse = (name: string, value: unknown, expected: string) =>
    new RondoError({ where, received: `${name}: ${valueText(value)}`, expected, fix: `Change ${name}` });
  if (![0, 1, 2].includes(verbose))
    throw refuse("verbose", verbose, "0 (silent), 1 (progress bar) or 2 (one line per epoch)");
  if (typeof shuffle !== "boolean") throw refuse("shuffle", shuffle, "true or false");
  if (signal !== undefined && typeof (signal as AbortSignal | null)?.aborted !== "boolean") {
    throw new RondoError({
      where,
      received: `signal: ${valueText(signal)}`,
      expected: "an AbortSignal",
      fix: "Pass the signal of an AbortController: controller.signal",
    });
  }
  return {
    batchSize,
    epochs,
    initialEpoch,
    shuffle,
    ...own,
    seed,
    verbose,
    callbacks: verbose === 0 ? callbacks : [...callbacks, new ProgressBar()],
    signal,
  };
}

/** Throws for what is no `ValidationData`. */
export function checkValidationData<V>(given: V): V {
  if (Array.isArray(given) && (given.length === 2 || given.length === 3)) return given;
  throw new RondoError({
    where: "fit",
    received: `validationData: ${Array.isArray(given) ? `a list of ${given.length}` : valueText(given)}`,
    expected: "[x, y] or [x, y, sampleWeight]",
    fix: "Write validationData: [x, y]",
  });
}
