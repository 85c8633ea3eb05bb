import type { Kept } from "../kept.js";
import { Callback, type Logs } from "./callback.js";

/** The figures of every epoch of a fit; `fit` returns one. */
export class History extends Callback {
  /** Numbers of the completed epochs, from 0. */
  readonly epoch: number[] = [];
  /** `loss`, the metrics, `val_loss` …: one number per completed epoch. */
  readonly history: Record<string, number[]> = {};

  /** Adds the epoch. */
  onEpochEnd(epoch: number, logs: Logs): void {
    this.epoch.push(epoch);
    for (const [name, value] of Object.entries(logs)) {
      const values = Object.hasOwn(this.history, name) ? this.history[name] : undefined;
      if (values === undefined) define(this.history, name, [value]);
      else values.push(value);
    }
  }

  /** The epochs so far. */
  getState(): Kept {
    return { epoch: this.epoch, history: this.history };
  }
  /** Takes back the epochs so far. */
  setState(state: Kept): void {
    const { epoch, history } = state as Pick<History, "epoch" | "history">;
    this.epoch.push(...epoch);
    for (const [name, values] of Object.entries(history)) define(this.history, name, [...values]);
  }
}

/** A metric may have any name, `constructor` or `__proto__` too. */
const define = (history: Record<string, number[]>, name: string, value: number[]) =>
  Object.defineProperty(history, name, { value, enumerable: true, writable: true, configurable: true });
