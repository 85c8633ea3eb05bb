import { Callback, type Logs } from "./callback.js";

/** The figures of every epoch of a fit; `fit` returns one. */
export class History extends Callback {
  /** Numbers of the completed epochs, from 0. */
  readonly epoch: number[] = [];
  /** `loss`, the metrics, `val_loss` …: one number per completed epoch. */
  readonly history: Record<string, number[]> = {};

  onEpochEnd(epoch: number, logs: Logs): void {
    this.epoch.push(epoch);
    for (const [name, value] of Object.entries(logs)) {
      // A metric may have any name, `constructor` or `__proto__` too.
      const values = Object.hasOwn(this.history, name) ? this.history[name] : undefined;
      if (values === undefined) {
        const fresh = { value: [value], enumerable: true, writable: true, configurable: true };
        Object.defineProperty(this.history, name, fresh);
      } else values.push(value);
    }
  }
}
