import { RondoError, unknownName, valueText } from "../../errors.js";
import type { Logs } from "./callback.js";

export interface MonitorOptions {
  /** The figure to watch; default `val_loss`. */
  readonly monitor?: string;
  /** The least change that counts as an improvement; default 0. */
  readonly minDelta?: number;
  /** Whether less or more is better; `auto` (default): more for accuracies and scores by their names, else less. */
  readonly mode?: "auto" | "min" | "max";
}

const modes: readonly string[] = ["auto", "min", "max"];
/** Figures of which more is better. */
const rising = /acc|auc|prec|recall|f1|fbeta|iou|r2|cosine|sensitivity|specificity|true(posi|nega)/i;

/** The error for an option that a callback cannot have. */
export const refused = (where: string, option: string, value: unknown, expected: string): RondoError =>
  new RondoError({
    where,
    received: `${option}: ${valueText(value)}`,
    expected,
    fix: `Change ${option}, or leave it out`,
  });

/** Refuses options that are given and are no finite numbers of at least `least`. */
export function checkNumbers<O extends object>(
  where: string,
  options: O,
  names: readonly (keyof O & string)[],
  least = Number.NEGATIVE_INFINITY,
): void {
  for (const name of names) {
    const value: unknown = options[name];
    if (value === undefined || (Number.isFinite(value) && Number(value) >= least)) continue;
    throw refused(where, name, value, Number.isFinite(least) ? `a number from ${least}` : "a number");
  }
}

/** The figure that a callback watches, and what counts as an improvement: rules that such callbacks share. */
export class Monitor {
  readonly name: string;
  readonly #where: string;
  readonly #minDelta: number;
  /** 1 where more is better, -1 where less is. */
  readonly #sign: 1 | -1;

  /**
   * @param where the callback
   * @throws RondoError for options that it cannot have
   */
  constructor(where: string, { monitor = "val_loss", minDelta = 0, mode = "auto" }: MonitorOptions) {
    if (typeof monitor !== "string") throw refused(where, "monitor", monitor, "the name of a figure");
    checkNumbers(where, { minDelta }, ["minDelta"]);
    if (!modes.includes(mode)) throw unknownName(where, "mode", String(mode), modes);
    this.#where = where;
    this.name = monitor;
    this.#minDelta = Math.abs(minDelta);
    this.#sign = mode === "max" || (mode === "auto" && rising.test(monitor)) ? 1 : -1;
  }

  /**
   * The figure's value.
   *
   * @throws RondoError where the training does not report it
   */
  value(logs: Logs): number {
    const value = Object.hasOwn(logs, this.name) ? logs[this.name] : undefined;
    if (value !== undefined) return value;
    throw new RondoError({
      where: this.#where,
      received: `monitor: "${this.name}", which this training does not report`,
      expected: `one of ${Object.keys(logs).join(", ")}`,
      fix: this.name.startsWith("val_") ? "Pass validationData or validationSplit to fit" : "Change monitor",
    });
  }

  /** Whether a value is better than the reference by more than minDelta; any is where there is no reference. */
  improves(value: number, reference: number | undefined): boolean {
    return reference === undefined || this.#sign * (value - reference) > this.#minDelta;
  }
}
