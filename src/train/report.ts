import type { SymbolicTensor } from "../graph/ir.js";
import { concat } from "../graph/ops/join.js";
import type { Accumulation } from "./measure.js";

/** The figures that a traced graph gives: their names, and how they follow from its batches' accumulators. */
export interface Report {
  /** `loss` first. */
  readonly names: readonly string[];
  /** Length of a batch's accumulators. */
  readonly size: number;
  /** What the accumulators of a batch add to the totals. */
  spread(values: ArrayLike<number>): readonly number[];
  /** In the order of the names. */
  figures(totals: readonly number[]): readonly number[];
}

/** An accumulation under the name of its figure. */
export interface Entry {
  readonly name: string;
  readonly accumulation: Accumulation;
}

/** Accumulators side by side. */
export const accumulatorsOf = (entries: readonly Entry[]): SymbolicTensor =>
  concat(
    entries.map(({ accumulation }) => accumulation.values),
    0,
  );

/**
 * @param loss from the figures of the entries that have no name; they come first
 * @param entries in the order of their accumulators
 */
export function makeReport(
  loss: (parts: readonly number[]) => number,
  parts: readonly Accumulation[],
  entries: readonly Entry[],
): Report {
  const all = [...parts, ...entries.map(({ accumulation }) => accumulation)];
  const lengths = all.map(({ values }) => Number(values.shape[0]));
  const places = all.map(({ spread, figure }, i) => {
    const length = lengths[i] ?? 0;
    const begin = lengths.slice(0, i).reduce((a, b) => a + b, 0);
    return { begin, length, ...(spread && { spread }), figure };
  });
  const names = entries.flatMap(({ name, accumulation: { suffixes } }) =>
    suffixes === undefined ? [name] : suffixes.map((suffix) => `${name}_${suffix}`),
  );
  return {
    names: ["loss", ...uniqueNames(names, ["loss"])],
    size: lengths.reduce((a, b) => a + b, 0),
    spread(values) {
      const all = Array.from(values);
      if (places.every(({ spread }) => spread === undefined)) return all;
      return places.flatMap(({ begin, length, spread = (part: readonly number[]) => part }) =>
        spread(all.slice(begin, begin + length)),
      );
    },
    figures: (totals) => {
      const figures = places.map(({ begin, length, figure }) => figure(totals.slice(begin, begin + length)));
      return [loss(figures.slice(0, parts.length).map(Number)), ...figures.slice(parts.length).flat()];
    },
  };
}

/** The names, numbered where they are taken. */
export function uniqueNames(names: readonly string[], taken: readonly string[]): string[] {
  const all = [...taken];
  return names.map((name) => {
    let free = name;
    for (let i = 1; all.includes(free); i++) free = `${name}_${i}`;
    all.push(free);
    return free;
  });
}

/** Figures over the batches of a pass: their accumulators, added in float64. */
export class Totals {
  readonly #report: Report;
  #totals: number[];

  /** @param totals of the batches before */
  constructor(report: Report, totals: readonly number[] = Array<number>(report.size).fill(0)) {
    this.#report = report;
    this.#totals = [...totals];
  }

  /** So far. */
  get sums(): readonly number[] {
    return this.#totals;
  }

  /** Adds a batch. */
  add(accumulators: ArrayLike<number>): void {
    const added = this.#report.spread(accumulators);
    this.#totals = this.#totals.map((total, i) => total + (added[i] ?? 0));
  }

  /** In the order of the names; means are 0 where nothing counted. */
  figures(): [number, ...number[]] {
    return this.#report.figures(this.#totals) as [number, ...number[]];
  }

  /** The figures by name. */
  logs(prefix = ""): Record<string, number> {
    const figures = this.figures();
    return Object.fromEntries(this.#report.names.map((name, i) => [prefix + name, figures[i] ?? 0]));
  }
}
