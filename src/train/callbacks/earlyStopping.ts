import { checkOptions, namesOf, RondoError, unknownName, valueText } from "../../errors.js";
import type { Tensor } from "../../tensor.js";
import { Callback, type Logs } from "./callback.js";

export interface EarlyStoppingOptions {
  /** The figure to watch; default `val_loss`. */
  readonly monitor?: string;
  /** The least change that counts as an improvement; default 0. */
  readonly minDelta?: number;
  /** Epochs without improvement after which the training stops; default 0. */
  readonly patience?: number;
  /** Whether less or more is better; `auto` (default): more for accuracies, else less. */
  readonly mode?: "auto" | "min" | "max";
  /** The value to be reached within `patience` epochs; default none. */
  readonly baseline?: number;
  /** Whether the weights of the best epoch are restored at the end of the training; default false. */
  readonly restoreBestWeights?: boolean;
  /** The first epoch (from 0) that is watched; default 0. */
  readonly startFromEpoch?: number;
}

const modes: readonly string[] = ["auto", "min", "max"];
const optionNames = namesOf<EarlyStoppingOptions>({
  monitor: true,
  minDelta: true,
  patience: true,
  mode: true,
  baseline: true,
  restoreBestWeights: true,
  startFromEpoch: true,
});

const refused = (option: string, value: unknown, expected: string): RondoError =>
  new RondoError({
    where: "earlyStopping",
    received: `${option}: ${valueText(value)}`,
    expected,
    fix: `Change ${option}, or leave it out`,
  });

/** Stops the training when a figure has stopped improving (Prechelt 1998). Options and behaviour are Keras's. */
export class EarlyStopping extends Callback {
  readonly #monitor: string;
  readonly #minDelta: number;
  readonly #patience: number;
  readonly #baseline: number | undefined;
  readonly #restore: boolean;
  readonly #startFromEpoch: number;
  /** 1 where more is better, -1 where less is. */
  readonly #sign: 1 | -1;
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
    for (const option of ["minDelta", "patience", "baseline", "startFromEpoch"] as const) {
      const value = options[option];
      if (value === undefined || Number.isFinite(value)) continue;
      throw refused(option, value, "a number");
    }
    const { monitor, restoreBestWeights } = options;
    if (monitor !== undefined && typeof monitor !== "string")
      throw refused("monitor", monitor, "the name of a figure");
    if (restoreBestWeights !== undefined && typeof restoreBestWeights !== "boolean")
      throw refused("restoreBestWeights", restoreBestWeights, "true or false");
    this.#monitor = options.monitor ?? "val_loss";
    this.#minDelta = Math.abs(options.minDelta ?? 0);
    this.#patience = options.patience ?? 0;
    this.#baseline = options.baseline;
    this.#restore = options.restoreBestWeights ?? false;
    this.#startFromEpoch = options.startFromEpoch ?? 0;
    const mode = options.mode ?? "auto";
    if (!modes.includes(mode)) throw unknownName("earlyStopping", "mode", String(mode), modes);
    this.#sign = mode === "max" || (mode === "auto" && /acc/i.test(this.#monitor)) ? 1 : -1;
  }

  onTrainBegin(): void {
    this.#wait = 0;
    this.#best = undefined;
    this.#bestWeights = undefined;
    this.bestEpoch = 0;
    this.stoppedEpoch = undefined;
  }

  async onEpochEnd(epoch: number, logs: Logs): Promise<void> {
    const current = Object.hasOwn(logs, this.#monitor) ? logs[this.#monitor] : undefined;
    if (current === undefined) {
      throw new RondoError({
        where: "earlyStopping",
        received: `monitor: "${this.#monitor}", which this training does not report`,
        expected: `one of ${Object.keys(logs).join(", ")}`,
        fix: this.#monitor.startsWith("val_")
          ? "Pass validationData or validationSplit to fit"
          : "Change monitor",
      });
    }
    if (epoch < this.#startFromEpoch) return;
    if (this.#restore && this.#bestWeights === undefined) await this.#keep(epoch);
    this.#wait++;
    if (this.#improves(current, this.#best)) {
      this.#best = current;
      await this.#keep(epoch);
      if (this.#improves(current, this.#baseline)) this.#wait = 0;
    } else if (this.#wait >= this.#patience && epoch > 0) {
      this.stoppedEpoch = epoch;
      this.model.stopTraining = true;
    }
  }

  async onTrainEnd(): Promise<void> {
    if (this.#bestWeights !== undefined) await this.model.setWeights(this.#bestWeights);
  }

  #improves(value: number, reference: number | undefined): boolean {
    return reference === undefined || this.#sign * (value - reference) > this.#minDelta;
  }

  async #keep(epoch: number): Promise<void> {
    this.bestEpoch = epoch;
    if (this.#restore) this.#bestWeights = await this.model.getWeights();
  }
}
