import { RondoError, valueText } from "../errors.js";
import type { History } from "../train/callbacks/history.js";

/** What was measured while training: one column of `values` a metric, one entry a position. */
export interface RunHistory {
  /** What positions count. */
  readonly unit: "epoch" | "step";
  /** Ascending; epochs and steps count from 1. */
  readonly positions: readonly number[];
  /**
   * By metric, for example `loss`, `accuracy`; those of validation begin with `val_`, those of the test samples with
   * `test_`. `null` where a metric was not measured at a position.
   */
  readonly values: Readonly<Record<string, readonly (number | null)[]>>;
}

/** A history of either kind: what `fit` returns, of which epochs count from 0, or one of one's own. */
export type AnyHistory = RunHistory | Pick<History, "epoch" | "history">;

/**
 * The history as JSON: an object of equally long lists, the positions under the name of their unit. NaN becomes null.
 *
 * @throws RondoError for what is no history
 */
export function historyJson(history: AnyHistory): string {
  const { unit, positions, values } = readHistory("historyJson", history);
  return `${JSON.stringify({ [unit]: positions, ...values }, null, 2)}\n`;
}

/**
 * The history as CSV (RFC 4180): a header, then one line a position; what was not measured is empty.
 *
 * @throws RondoError for what is no history
 */
export function historyCsv(history: AnyHistory): string {
  const { unit, positions, values } = readHistory("historyCsv", history);
  const columns = Object.entries(values);
  const header = [unit, ...columns.map(([name]) => quoted(name))];
  const rows = positions.map((position, i) => [position, ...columns.map(([, column]) => column[i] ?? "")]);
  return [header, ...rows].map((cells) => `${cells.join(",")}\r\n`).join("");
}

/** A history of either kind as one with positions from 1, an argument of operation `where`. */
export function readHistory(where: string, history: AnyHistory): RunHistory {
  const given = Object(history) as Partial<Record<keyof RunHistory | "epoch" | "history", unknown>>;
  const read = Array.isArray(given.epoch)
    ? { unit: "epoch", positions: given.epoch.map((epoch) => epoch + 1), values: given.history }
    : given;
  if (isRunHistory(read)) return read;
  throw new RondoError({
    where,
    received: `${valueText(history)} for the history`,
    expected: "what fit returns, or { unit, positions, values }",
    fix: history instanceof Promise ? "Await the fit first" : "Pass the history that model.fit returns",
  });
}

function isRunHistory(given: Partial<Record<keyof RunHistory, unknown>>): given is RunHistory {
  const { unit, positions, values } = given;
  return (
    (unit === "epoch" || unit === "step") &&
    Array.isArray(positions) &&
    typeof values === "object" &&
    values !== null &&
    Object.values(values).every(Array.isArray)
  );
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
