import type { TagScheme } from "./tagScheme.js";
import { type SpanMode, spanRules, spansIn } from "./tagSpans.js";

/** How well the spans of one label were found. */
export interface EntityScore {
  /** `all` for all labels together. */
  readonly label: string;
  /** Spans of the truth, of the prediction, and of both alike. */
  readonly truth: number;
  readonly predicted: number;
  readonly correct: number;
  /** Shares from 0 to 1; 0 where there is nothing to divide by. */
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

/** Precision, recall and F1 of counts. */
export function scoresOf(truth: number, predicted: number, correct: number) {
  const ratio = (a: number, b: number) => (b === 0 ? 0 : a / b);
  const [precision, recall] = [ratio(correct, predicted), ratio(correct, truth)];
  return { precision, recall, f1: ratio(2 * precision * recall, precision + recall) };
}

/** Counts the entities of tagged sentences, by label: what conlleval prints. */
export class EntityScores {
  readonly #scheme: TagScheme;
  readonly #rules: Int32Array;
  readonly #counts: { truth: number; predicted: number; correct: number }[];
  #steps = 0;
  #right = 0;
  #sentences = 0;

  /** @param mode how broken tags are read: `strict` (the default) or `conlleval` */
  constructor(scheme: TagScheme, mode: SpanMode = "strict") {
    this.#scheme = scheme;
    this.#rules = spanRules(scheme, mode);
    this.#counts = scheme.labels.map(() => ({ truth: 0, predicted: 0, correct: 0 }));
  }

  /** Adds a sentence: ids of its true tags and of those that were predicted, step by step. */
  add(truth: ArrayLike<number>, predicted: ArrayLike<number>): void {
    const spans = [truth, predicted].map((ids) => spansIn(ids, this.#scheme.size, this.#rules));
    const [wanted = [], had = []] = spans;
    const keyOf = ({ label, start, end }: (typeof wanted)[number]) => `${label} ${start} ${end}`;
    const known = new Set(wanted.map(keyOf));
    for (const { label } of wanted) this.#count(label).truth++;
    for (const span of had) {
      const count = this.#count(span.label);
      count.predicted++;
      if (known.has(keyOf(span))) count.correct++;
    }
    this.#sentences++;
    this.#steps += truth.length;
    for (let i = 0; i < truth.length; i++) if (truth[i] === predicted[i]) this.#right++;
  }

  #count(label: number) {
    const count = this.#counts[label];
    if (count === undefined) throw new Error("a span of no label");
    return count;
  }

  get sentences(): number {
    return this.#sentences;
  }

  get steps(): number {
    return this.#steps;
  }

  /** Share of the steps that have the right tag. */
  get accuracy(): number {
    return this.#steps === 0 ? 0 : this.#right / this.#steps;
  }

  /** Of all labels together. */
  get total(): EntityScore {
    const sum = (key: "truth" | "predicted" | "correct") =>
      this.#counts.reduce((total, count) => total + count[key], 0);
    return scored("all", { truth: sum("truth"), predicted: sum("predicted"), correct: sum("correct") });
  }

  /** A row for each label, in the scheme's order. */
  get rows(): EntityScore[] {
    return this.#counts.map((count, i) => scored(this.#scheme.labels[i] ?? "", count));
  }

  /** The lines that conlleval prints, labels in the order of the alphabet. */
  get report(): string {
    const { truth, predicted, correct, ...figures } = this.total;
    const percent = (share: number, width: number) => (100 * share).toFixed(2).padStart(width);
    const line = ({ precision, recall, f1 }: Pick<EntityScore, "precision" | "recall" | "f1">) =>
      `precision: ${percent(precision, 6)}%; recall: ${percent(recall, 6)}%; FB1: ${percent(f1, 6)}`;
    return [
      `processed ${this.#steps} tokens with ${truth} phrases; found: ${predicted} phrases; correct: ${correct}.`,
      `accuracy: ${percent(this.accuracy, 6)}%; ${line(figures)}`,
      ...this.rows
        .filter((row) => row.truth + row.predicted > 0)
        .sort((a, b) => (a.label < b.label ? -1 : 1))
        .map((row) => `${row.label.padStart(17)}: ${line(row)}  ${row.predicted}`),
    ].join("\n");
  }
}

const scored = (
  label: string,
  counts: { truth: number; predicted: number; correct: number },
): EntityScore => ({
  label,
  ...counts,
  ...scoresOf(counts.truth, counts.predicted, counts.correct),
});
