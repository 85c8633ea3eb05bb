/** What was measured while training: one column of `values` a metric, one entry a position. */
export interface RunHistory {
  /** What positions count. */
  readonly unit: "epoch" | "step";
  /** Ascending; epochs and steps count from 1. */
  readonly positions: readonly number[];
  /**
   * By metric, for example `loss`, `accuracy`; those of validation begin with `val_`. `null` where a metric was not
   * measured at a position.
   */
  readonly values: Readonly<Record<string, readonly (number | null)[]>>;
}

/** The history as JSON: an object of equally long lists, the positions under the name of their unit. NaN becomes null. */
export function historyJson({ unit, positions, values }: RunHistory): string {
  return `${JSON.stringify({ [unit]: positions, ...values }, null, 2)}\n`;
}

/** The history as CSV (RFC 4180): a header, then one line a position; what was not measured is empty. */
export function historyCsv({ unit, positions, values }: RunHistory): string {
  const columns = Object.entries(values);
  const header = [unit, ...columns.map(([name]) => quoted(name))];
  const rows = positions.map((position, i) => [position, ...columns.map(([, column]) => column[i] ?? "")]);
  return [header, ...rows].map((cells) => `${cells.join(",")}\r\n`).join("");
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
