import { RondoError, valueText } from "../errors.js";

/**
 * Where the rows are cut: those before for training, the last `fraction` of them for validation, as they stand (before any
 * shuffling).
 */
export function splitPoint(where: string, rows: number, fraction: number): number {
  const at = Math.floor(rows * (1 - fraction));
  const isFraction = typeof fraction === "number" && fraction > 0 && fraction < 1;
  if (!isFraction || at === 0 || at === rows) {
    throw new RondoError({
      where,
      received: `validationSplit: ${valueText(fraction)} for ${rows} samples`,
      expected: "a fraction between 0 and 1 that leaves samples on both sides",
      fix: "Change validationSplit, or pass validationData",
    });
  }
  return at;
}
