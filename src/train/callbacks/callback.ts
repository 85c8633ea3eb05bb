import { namesOf, RondoError, unknownName, valueText } from "../../errors.js";
import type { Tensor } from "../../tensor.js";
import type { KeepingPlan, Kept } from "../kept.js";
import type { DataArray } from "../samples.js";

/** Figures by name: `loss`, the metrics, and in `onEpochEnd` those of the validation as `val_loss` …. Hooks may add some. */
export type Logs = Record<string, number>;

/** What a run is about; set before its first hook. */
export interface CallbackParams {
  readonly epochs: number;
  /** Batches of one epoch; undefined where a dataset does not know them before it has come to its end. */
  readonly steps: number | undefined;
  /** Rows of one epoch; undefined for a dataset. */
  readonly samples: number | undefined;
  /** Undefined for a dataset. */
  readonly batchSize: number | undefined;
  /** 0 silent, 1 progress bar, 2 one line per epoch. */
  readonly verbose: 0 | 1 | 2;
  /** From which weights, dropout and shuffling follow. */
  readonly seed: number;
  /** `loss` and the metrics' names. */
  readonly metrics: readonly string[];
  /** The data that the run was given: x, y and sampleWeight, as far as there are; of a dataset the batch that has ended. */
  readonly inputs: readonly DataArray[];
}

/** What a callback may do with the model. */
export interface CallbackModel {
  /** Ends the training after the current step when set; the epoch is closed as if it were complete. */
  stopTraining: boolean;
  /** The optimizer's learning rate from the next step on. */
  learningRate: number;
  /** All weights, in the order of the layers. */
  getWeights(): Promise<Tensor<"float32">[]>;
  /** Replaces all weights from the next step on. */
  setWeights(weights: readonly Tensor[]): Promise<void>;
  /** Writes the model to a file. */
  save(path: string): Promise<unknown>;
  /** Writes the weights to a file. */
  saveWeights(path: string): Promise<unknown>;
}

type Hook = (logs: Logs) => void | Promise<void>;
type IndexedHook = (index: number, logs: Logs) => void | Promise<void>;

/**
 * What happens during a run. An object with any of these hooks is a callback; each may be asynchronous and is awaited.
 * `onTrainBatchEnd(i)` follows when step i has finished; step i + 1 may be under way by then. Its logs are means since
 * the beginning of the epoch.
 */
export interface CallbackHooks {
  /** Told what the run is about, before its first hook. */
  setParams?(params: CallbackParams): void;
  /** Told the model, before the first hook. */
  setModel?(model: CallbackModel): void;
  /**
   * What it remembers, as `backupAndRestore` keeps it: numbers, texts, tensors, lists and objects of them, as they are now.
   * A callback that remembers nothing, or what its hooks set anew, needs none.
   */
  getState?(): Kept;
  /**
   * Takes back what `getState` gave, in a fit that goes on: after `onTrainBegin`, and within an epoch after its
   * `onEpochBegin`, which are called as ever.
   */
  setState?(state: Kept): void;
  /** How the fit is kept; of backupAndRestore. */
  readonly keeps?: KeepingPlan;
  onTrainBegin?: Hook;
  onTrainEnd?: Hook;
  onEpochBegin?: IndexedHook;
  onEpochEnd?: IndexedHook;
  /** The same as `onTrainBatchBegin`. */
  onBatchBegin?: IndexedHook;
  /** The same as `onTrainBatchEnd`. */
  onBatchEnd?: IndexedHook;
  onTrainBatchBegin?: IndexedHook;
  onTrainBatchEnd?: IndexedHook;
  onTestBegin?: Hook;
  onTestEnd?: Hook;
  onTestBatchBegin?: IndexedHook;
  onTestBatchEnd?: IndexedHook;
  onPredictBegin?: Hook;
  onPredictEnd?: Hook;
  onPredictBatchBegin?: IndexedHook;
  onPredictBatchEnd?: IndexedHook;
}

const hookNames = namesOf<
  Required<Omit<CallbackHooks, "setParams" | "setModel" | "getState" | "setState" | "keeps">>
>({
  onTrainBegin: true,
  onTrainEnd: true,
  onEpochBegin: true,
  onEpochEnd: true,
  onBatchBegin: true,
  onBatchEnd: true,
  onTrainBatchBegin: true,
  onTrainBatchEnd: true,
  onTestBegin: true,
  onTestEnd: true,
  onTestBatchBegin: true,
  onTestBatchEnd: true,
  onPredictBegin: true,
  onPredictEnd: true,
  onPredictBatchBegin: true,
  onPredictBatchEnd: true,
});

/** Base class of callbacks that use the model or the run's parameters. */
export class Callback implements CallbackHooks {
  #params: CallbackParams | undefined;
  #model: CallbackModel | undefined;

  /** Called by the run before its first hook. */
  setParams(params: CallbackParams): void {
    this.#params = params;
  }
  /** Called by the run before its first hook. */
  setModel(model: CallbackModel): void {
    this.#model = model;
  }
  /** What the run is about, within its hooks. */
  get params(): CallbackParams {
    return this.#params ?? this.#unset("params");
  }
  /** The model of the run, within its hooks. */
  get model(): CallbackModel {
    return this.#model ?? this.#unset("model");
  }

  #unset(property: string): never {
    throw new RondoError({
      where: this.constructor.name,
      received: `a read of ${property} outside of a run`,
      expected: "fit, evaluate or predict to have been called with this callback",
      fix: "Use it within the hooks only",
    });
  }
}

/**
 * One callback or several as a list.
 *
 * @throws RondoError for what has no hooks
 */
export function callbacksOf(
  where: string,
  given: CallbackHooks | readonly CallbackHooks[],
): readonly CallbackHooks[] {
  const list: readonly CallbackHooks[] = Array.isArray(given) ? given : [given];
  for (const callback of list as readonly unknown[]) {
    if (typeof callback === "object" && callback !== null && !Array.isArray(callback)) {
      const unknown = Object.keys(callback).find(
        (name) => /^on[A-Z]/.test(name) && !hookNames.includes(name),
      );
      if (unknown !== undefined) throw unknownName(where, "hook of a callback", unknown, hookNames);
      if (hookNames.some((name) => name in callback)) continue;
    }
    throw new RondoError({
      where,
      received: `${valueText(callback)} for a callback`,
      expected: "an object with hooks such as onEpochEnd",
      fix:
        typeof callback === "function"
          ? `Call it where it makes a callback: ${callback.name || "…"}(); make a hook of it where it is one: { onEpochEnd: ${callback.name || "…"} }`
          : "Write for example callbacks: [callbacks.earlyStopping({ patience: 3 })]",
    });
  }
  return list;
}

type TrainHook = "Train" | "Test" | "Predict";

/** What is done around each hook that is called. */
export type AroundHook = (hook: () => void | Promise<void>) => Promise<void>;

/** The callbacks of a run, called one after the other. */
export class CallbackList {
  readonly #callbacks: readonly CallbackHooks[];
  readonly #around: AroundHook;
  /** What comes before the first hook. */
  #introduce: ((callback: CallbackHooks) => void) | undefined;

  constructor(
    callbacks: readonly CallbackHooks[],
    model: CallbackModel,
    params: CallbackParams,
    around: AroundHook = async (hook) => hook(),
  ) {
    this.#callbacks = callbacks;
    this.#around = around;
    this.#introduce = (callback) => {
      callback.setParams?.(params);
      callback.setModel?.(model);
    };
  }

  begin(mode: TrainHook, logs: Logs = {}): Promise<void> {
    return this.#each([`on${mode}Begin`], (callback, hook) => callback[hook]?.(logs));
  }
  end(mode: TrainHook, logs: Logs = {}): Promise<void> {
    return this.#each([`on${mode}End`], (callback, hook) => callback[hook]?.(logs));
  }
  epochBegin(epoch: number, logs: Logs = {}): Promise<void> {
    return this.#each(["onEpochBegin"], (callback, hook) => callback[hook]?.(epoch, logs));
  }
  epochEnd(epoch: number, logs: Logs): Promise<void> {
    return this.#each(["onEpochEnd"], (callback, hook) => callback[hook]?.(epoch, logs));
  }
  batchBegin(mode: TrainHook, batch: number, logs: Logs = {}): Promise<void> {
    return this.#each(
      [...(mode === "Train" ? ["onBatchBegin" as const] : []), `on${mode}BatchBegin`],
      (callback, hook) => callback[hook]?.(batch, logs),
    );
  }
  batchEnd(mode: TrainHook, batch: number, logs: Logs): Promise<void> {
    return this.#each(
      [...(mode === "Train" ? ["onBatchEnd" as const] : []), `on${mode}BatchEnd`],
      (callback, hook) => callback[hook]?.(batch, logs),
    );
  }

  /** Calls these hooks of each callback in turn. */
  async #each<Name extends keyof CallbackHooks>(
    hooks: readonly Name[],
    call: (callback: CallbackHooks, hook: Name) => void | Promise<void>,
  ): Promise<void> {
    const introduce = this.#introduce;
    this.#introduce = undefined;
    if (introduce !== undefined)
      for (const callback of this.#callbacks) await this.#around(() => introduce(callback));
    for (const callback of this.#callbacks)
      for (const hook of hooks) {
        if (callback[hook] !== undefined) await this.#around(() => call(callback, hook));
      }
  }
}
