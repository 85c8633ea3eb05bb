import { checkCount, checkOptions, namesOf, RondoError, valueText } from "../../errors.js";
import type { KeepingPlan, Kept } from "../kept.js";
import { Callback, type Logs } from "./callback.js";
import { checkNumbers, Monitor, type MonitorOptions, refused } from "./monitor.js";

/** When a checkpoint is taken, and which are kept. */
export interface BackupAndRestoreOptions extends Pick<MonitorOptions, "monitor" | "mode"> {
  /** A checkpoint after so many epochs; default 1 where neither `steps` nor `seconds` is given. */
  readonly epochs?: number;
  /** A checkpoint after so many steps. */
  readonly steps?: number;
  /** A checkpoint after so many seconds. */
  readonly seconds?: number;
  /** How many of the newest checkpoints are kept; with 2 (default) there is another one where the newest is damaged. */
  readonly keep?: number;
  /** Whether the checkpoints are taken away when the fit has ended; default true. */
  readonly deleteCheckpoint?: boolean;
  /** A figure such as `val_loss`: the model of the epoch where it is best is kept besides, as best.keras; default none. */
  readonly monitor?: string;
}

const where = "backupAndRestore";
const optionNames = namesOf<BackupAndRestoreOptions>({
  epochs: true,
  steps: true,
  seconds: true,
  keep: true,
  deleteCheckpoint: true,
  monitor: true,
  mode: true,
});

/**
 * Keeps a fit in a folder, and goes on from there when it is called again, after the process was killed or the machine
 * stopped. The end is bit for bit that of a fit that was never interrupted: the same weights, history and state of the
 * optimizer, whatever moment it was.
 *
 * A checkpoint is written while the training goes on, beside its place, and takes its name when it is on the disk. One is
 * written at a time: one that falls due meanwhile is taken when that is done. Where it cannot be written, the fit ends with
 * the error. Each is a `.keras` file, which `loadModel` opens. A fit that `signal` aborts writes a last one.
 */
export class BackupAndRestore extends Callback {
  readonly keeps: KeepingPlan;
  readonly #monitor: Monitor | undefined;
  #best: number | undefined;
  #improved = false;

  /**
   * @param folder where the checkpoints go: of this fit alone
   * @throws RondoError for unknown options and for values that they cannot have
   */
  constructor(folder: string, options: BackupAndRestoreOptions = {}) {
    super();
    checkOptions(where, options, optionNames);
    if (typeof folder !== "string" || folder === "") {
      throw new RondoError({
        where,
        received: `${valueText(folder)} for its folder`,
        expected: "the path of a folder",
        fix: 'Write for example backupAndRestore("checkpoints")',
      });
    }
    const { epochs, steps, seconds, keep = 2, deleteCheckpoint = true, monitor } = options;
    for (const [name, value] of Object.entries({ epochs, steps, keep }))
      if (value !== undefined) checkCount(where, name, value, 1);
    checkNumbers(where, options, ["seconds"], 0);
    if (typeof deleteCheckpoint !== "boolean")
      throw refused(where, "deleteCheckpoint", deleteCheckpoint, "true or false");
    this.#monitor = monitor === undefined ? undefined : new Monitor(where, { ...options, monitor });
    this.keeps = {
      folder,
      epochs: epochs ?? (steps === undefined && seconds === undefined ? 1 : undefined),
      steps,
      seconds,
      keep,
      deleteCheckpoint,
      improved: () => this.#improved,
    };
  }

  /** Begins anew with what was the best. */
  onTrainBegin(): void {
    this.#best = undefined;
  }

  /** Sees whether the epoch was the best. */
  onEpochEnd(_epoch: number, logs: Logs): void {
    const current = this.#monitor?.value(logs);
    this.#improved = current !== undefined && this.#monitor?.improves(current, this.#best) === true;
    if (this.#improved) this.#best = current;
  }

  /** The best figure so far. */
  getState(): Kept {
    return this.#best;
  }
  /** Takes back the best figure so far. */
  setState(state: Kept): void {
    this.#best = state as number | undefined;
  }
}
