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

/** One history, or those of several trainings by name. */
export type Histories = AnyHistory | Readonly<Record<string, AnyHistory>>;

/** The history of one training of several; `name` is empty where there is only one. */
export interface NamedHistory extends RunHistory {
  readonly name: string;
}

/**
 * Histories as JSON: an object of equally long lists, the positions under the name of their unit; of several trainings,
 * an object of such objects by name. NaN becomes null.
 *
 * @throws RondoError for what is no history
 */
export function historyJson(histories: Histories): string {
  const all = readHistories("historyJson", histories);
  const columns = ({ unit, positions, values }: RunHistory) => ({ [unit]: positions, ...values });
  const [only] = all;
  const value = all.length === 1 && only?.name === "" ? columns(only) : byName(all, columns);
  return `${JSON.stringify(value, null, 2)}\n`;
}

const byName = (all: readonly NamedHistory[], columns: (history: RunHistory) => object): object =>
  Object.fromEntries(all.map((history) => [history.name, columns(history)]));

/**
 * Histories as CSV (RFC 4180): a header, then one line a position; what was not measured is empty. Of several trainings,
 * the first column, `run`, names the training.
 *
 * @throws RondoError for what is no history
 */
export function historyCsv(histories: Histories): string {
  const all = readHistories("historyCsv", histories);
  const isNamed = all.some(({ name }) => name !== "");
  const metrics = metricsOf(all);
  const header = [...(isNamed ? ["run"] : []), all[0]?.unit ?? "epoch", ...metrics.map(quoted)];
  const rows = all.flatMap(({ name, positions, values }) =>
    positions.map((position, i) => [
      ...(isNamed ? [quoted(name)] : []),
      position,
      ...metrics.map((metric) => values[metric]?.[i] ?? ""),
    ]),
  );
  return [header, ...rows].map((cells) => `${cells.join(",")}\r\n`).join("");
}

/** The names of all figures, in the order in which they come. */
export const metricsOf = (all: readonly RunHistory[]): string[] => [
  ...new Set(all.flatMap(({ values }) => Object.keys(values))),
];

/**
 * Histories of either kind with positions from 1, an argument of operation `where`: at least one, all in one unit.
 *
 * @throws RondoError for what is no history
 */
export function readHistories(where: string, given: Histories): readonly NamedHistory[] {
  const one = asHistory(given);
  if (one !== undefined) return [{ name: "", ...one }];
  const isObject = typeof given === "object" && given !== null;
  const entries: [string, AnyHistory][] = isObject ? Object.entries(given) : [];
  const all = entries.flatMap(([name, history]) => {
    const read = asHistory(history);
    return read === undefined ? [] : [{ name, ...read }];
  });
  const units = new Set(all.map(({ unit }) => unit));
  if (entries.length > 0 && all.length === entries.length && units.size === 1) return all;
  throw new RondoError({
    where,
    received: units.size > 1 ? "histories in epochs and in steps" : `${valueText(given)} for the history`,
    expected: "what fit returns, { unit, positions, values }, or an object of these by name",
    fix:
      given instanceof Promise || entries.some(([, history]) => history instanceof Promise)
        ? "Await the fit first"
        : "Pass the history that model.fit returns",
  });
}

/** Undefined for what is no history. */
function asHistory(history: unknown): RunHistory | undefined {
  const given = Object(history) as Partial<Record<keyof RunHistory | "epoch" | "history", unknown>>;
  const read = Array.isArray(given.epoch)
    ? { unit: "epoch", positions: given.epoch.map((epoch) => epoch + 1), values: given.history }
    : given;
  return isRunHistory(read) ? read : undefined;
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
