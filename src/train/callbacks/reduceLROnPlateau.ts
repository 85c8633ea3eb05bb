import { checkOptions, namesOf } from "../../errors.js";
import type { Kept } from "../kept.js";
import { Callback, type Logs } from "./callback.js";
import { checkNumbers, Monitor, type MonitorOptions, refused } from "./monitor.js";

/** When and how far the learning rate is lowered. */
export interface ReduceLROnPlateauOptions extends Omit<MonitorOptions, "minDelta"> {
  /** What the learning rate is multiplied with, below 1; default 0.1. */
  readonly factor?: number;
  /** Epochs without improvement after which it is; default 10. */
  readonly patience?: number;
  /** The least change that counts as an improvement; default 1e-4. */
  readonly minDelta?: number;
  /** Epochs after a reduction that do not count; default 0. */
  readonly cooldown?: number;
  /** The learning rate never gets below it; default 0. */
  readonly minLr?: number;
  /** 1: says each reduction; default 0. */
  readonly verbose?: 0 | 1;
}

const where = "reduceLROnPlateau";
const optionNames = namesOf<ReduceLROnPlateauOptions>({
  monitor: true,
  factor: true,
  patience: true,
  minDelta: true,
  mode: true,
  cooldown: true,
  minLr: true,
  verbose: true,
});

/**
 * Lowers the learning rate when a figure has stopped improving, and adds it to the logs as `learningRate`. Options and
 * behaviour are Keras's. The optimizer's learning rate must be a number, not a schedule.
 */
export class ReduceLROnPlateau extends Callback {
  readonly #options: Required<Omit<ReduceLROnPlateauOptions, "monitor" | "mode" | "minDelta">>;
  readonly #monitor: Monitor;
  #best: number | undefined;
  #wait = 0;
  #cooling = 0;

  /** @throws RondoError for unknown options and for values that they cannot have */
  constructor(options: ReduceLROnPlateauOptions = {}) {
    super();
    checkOptions(where, options, optionNames);
    checkNumbers(where, options, ["factor", "patience", "cooldown", "minLr"], 0);
    const { factor = 0.1, patience = 10, minDelta = 1e-4, cooldown = 0, minLr = 0, verbose = 0 } = options;
    if (factor >= 1) throw refused(where, "factor", factor, "a factor below 1");
    this.#monitor = new Monitor(where, { ...options, minDelta });
    this.#options = { factor, patience, cooldown, minLr, verbose };
  }

  /** Begins anew. */
  onTrainBegin(): void {
    this.#best = undefined;
    this.#wait = 0;
    this.#cooling = 0;
  }

  /** Looks at the figure, and lowers the learning rate where it has waited long enough. */
  onEpochEnd(epoch: number, logs: Logs): void {
    logs.learningRate = this.model.learningRate;
    const current = this.#monitor.value(logs);
    if (this.#cooling > 0) {
      this.#cooling--;
      this.#wait = 0;
    }
    if (this.#monitor.improves(current, this.#best)) {
      this.#best = current;
      this.#wait = 0;
    } else if (this.#cooling === 0 && ++this.#wait >= this.#options.patience) {
      this.#reduce(epoch);
    }
  }

  /** The best figure, and how long it is ago. */
  getState(): Kept {
    return { best: this.#best, wait: this.#wait, cooling: this.#cooling };
  }
  /** Takes back the best figure, and how long it is ago. */
  setState(state: Kept): void {
    const { best, wait, cooling } = state as { best: number | undefined; wait: number; cooling: number };
    this.#best = best;
    this.#wait = wait;
    this.#cooling = cooling;
  }

  #reduce(epoch: number): void {
    const { factor, minLr, cooldown, verbose } = this.#options;
    const before = this.model.learningRate;
    if (before <= minLr) return;
    const after = Math.max(before * factor, minLr);
    this.model.learningRate = after;
    this.#cooling = cooldown;
    this.#wait = 0;
    if (verbose > 0) console.log(`Epoch ${epoch + 1}: the learning rate is reduced to ${after}.`);
  }
}
