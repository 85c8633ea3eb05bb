import { checkOptions, namesOf } from "../../errors.js";
import type { Tensor } from "../../tensor.js";
import type { Kept } from "../kept.js";
import { Callback, type Logs } from "./callback.js";
import { checkNumbers, Monitor, type MonitorOptions, refused } from "./monitor.js";

/** When a training ends early. */
export interface EarlyStoppingOptions extends MonitorOptions {
  /** Epochs without improvement after which the training stops; default 0. */
  readonly patience?: number;
  /** The value to be reached within `patience` epochs; default none. */
  readonly baseline?: number;
  /** Whether the weights of the best epoch are restored at the end of the training; default false. */
  readonly restoreBestWeights?: boolean;
  /** The first epoch (from 0) that is watched; default 0. */
  readonly startFromEpoch?: number;
}

const optionNames = namesOf<EarlyStoppingOptions>({
  monitor: true,
  minDelta: true,
  patience: true,
  mode: true,
  baseline: true,
  restoreBestWeights: true,
  startFromEpoch: true,
});

/** Stops the training when a figure has stopped improving (Prechelt 1998). Options and behaviour are Keras's. */
export class EarlyStopping extends Callback {
  readonly #monitor: Monitor;
  readonly #patience: number;
  readonly #baseline: number | undefined;
  readonly #restore: boolean;
  readonly #startFromEpoch: number;
  #wait = 0;
  #best: number | undefined;
  #bestWeights: Tensor<"float32">[] | undefined;
  /** The epoch (from 0) whose weights are the best so far. */
  bestEpoch = 0;
  /** The epoch (from 0) after which the training was stopped, or undefined. */
  stoppedEpoch: number | undefined;

  constructor(options: EarlyStoppingOptions = {}) {
    super();
    checkOptions("earlyStopping", options, optionNames);
    checkNumbers("earlyStopping", options, ["patience", "baseline", "startFromEpoch"]);
    const { restoreBestWeights } = options;
    if (restoreBestWeights !== undefined && typeof restoreBestWeights !== "boolean")
      throw refused("earlyStopping", "restoreBestWeights", restoreBestWeights, "true or false");
    this.#monitor = new Monitor("earlyStopping", options);
    this.#patience = options.patience ?? 0;
    this.#baseline = options.baseline;
    this.#restore = options.restoreBestWeights ?? false;
    this.#startFromEpoch = options.startFromEpoch ?? 0;
  }

  /** Begins anew. */
  onTrainBegin(): void {
    this.#wait = 0;
    this.#best = undefined;
    this.#bestWeights = undefined;
    this.bestEpoch = 0;
    this.stoppedEpoch = undefined;
  }

  /** Looks at the figure, and ends the training where it has waited long enough. */
  async onEpochEnd(epoch: number, logs: Logs): Promise<void> {
    const current = this.#monitor.value(logs);
    if (epoch < this.#startFromEpoch) return;
    if (this.#restore && this.#bestWeights === undefined) await this.#keep(epoch);
    this.#wait++;
    if (this.#monitor.improves(current, this.#best)) {
      this.#best = current;
      await this.#keep(epoch);
      if (this.#monitor.improves(current, this.#baseline)) this.#wait = 0;
    } else if (this.#wait >= this.#patience && epoch > 0) {
      this.stoppedEpoch = epoch;
      this.model.stopTraining = true;
    }
  }

  /** Restores the best weights, where that was asked for. */
  async onTrainEnd(): Promise<void> {
    if (this.#bestWeights !== undefined) await this.model.setWeights(this.#bestWeights);
  }

  /** The best epoch so far, and its weights where they are to be restored. */
  getState(): Kept {
    return {
      wait: this.#wait,
      best: this.#best,
      bestWeights: this.#bestWeights,
      bestEpoch: this.bestEpoch,
      stoppedEpoch: this.stoppedEpoch,
    };
  }
  /** Takes back the best epoch so far. */
  setState(state: Kept): void {
    const kept = state as {
      readonly wait: number;
      readonly best: number | undefined;
      readonly bestWeights: Tensor<"float32">[] | undefined;
      readonly bestEpoch: number;
      readonly stoppedEpoch: number | undefined;
    };
    this.#wait = kept.wait;
    this.#best = kept.best;
    this.#bestWeights = kept.bestWeights;
    this.bestEpoch = kept.bestEpoch;
    this.stoppedEpoch = kept.stoppedEpoch;
  }

  async #keep(epoch: number): Promise<void> {
    this.bestEpoch = epoch;
    if (this.#restore) this.#bestWeights = await this.model.getWeights();
  }
}
