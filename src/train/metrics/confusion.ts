import { type Field, invalid } from "../../config/config.js";
import {
  choice,
  flag,
  integer,
  optionalInteger,
  optionalReal,
  optionalSize,
  positive,
  snakeChoice,
  whole,
} from "../../config/fields.js";
import { product } from "../../graph/dim.js";
import type { SymbolicTensor } from "../../graph/ir.js";
import {
  abs,
  cast,
  div,
  equalTo,
  greater,
  greaterEqual,
  logicalAnd,
  mul,
  notEqualTo,
  sigmoid,
  square,
  sub,
  where,
} from "../../graph/ops/elementwise.js";
import { oneHot } from "../../graph/ops/gather.js";
import { concat } from "../../graph/ops/join.js";
import { argMax, max, sum } from "../../graph/ops/reduce.js";
import { broadcastTo, expandDims, reshape, slice } from "../../graph/ops/shape.js";
import { constant, ones, size } from "../../graph/ops/source.js";
import type { Counted } from "../measure.js";
import { vector } from "../measure.js";
import { figure } from "./define.js";

// M rows (samples and steps), L labels (columns of the last axis), K thresholds.

/** Keras's fuzz factor. */
const epsilon = 1e-7;

/** Targets and predictions [M, L] and weights [M, 1]. */
function columns({ yTrue, yPred, weight, mask }: Counted) {
  const rank = yPred.rank === 1 ? 1 : yPred.rank - 1;
  const rows = product(yPred.shape.slice(0, rank));
  const labels = yPred.rank === 1 ? 1 : Number(yPred.shape.at(-1));
  const leading = yPred.shape.slice(0, rank);
  const weights = weight ?? ones(leading);
  return {
    labels,
    yTrue: reshape(yTrue, [rows, labels]),
    yPred: reshape(yPred, [rows, labels]),
    weight: reshape(broadcastTo(weights, leading), [rows, 1]),
    /** How many rows count. */
    count:
      mask === undefined
        ? size(rows)
        : sum(
            cast(
              broadcastTo(
                reshape(mask, [...mask.shape, ...Array<number>(rank - mask.rank).fill(1)]),
                leading,
              ),
              "float32",
            ),
          ),
  };
}

const bare = (x: SymbolicTensor): SymbolicTensor => x.withMask(undefined);
const flat = (x: SymbolicTensor): SymbolicTensor => reshape(x, [product(x.shape)]);
/** a / b, 0 where b is. */
const ratio = (a: number, b: number): number => (b === 0 ? 0 : a / b);
const total = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0);

/**
 * Weights of what exceeds each threshold: true positives, then false positives, [L, K] each, and the positives and all
 * negatives of each label, [L] each: [2·L·K + 2·L].
 */
function tallies(
  yTrue: SymbolicTensor,
  yPred: SymbolicTensor,
  weight: SymbolicTensor,
  thresholds: readonly number[],
): SymbolicTensor {
  const positive = notEqualTo(yTrue, 0);
  const [yes, no] = [mul(cast(positive, "float32"), weight), mul(cast(equalTo(yTrue, 0), "float32"), weight)];
  const limits = constant(Float32Array.from(thresholds), [thresholds.length], "float32");
  const exceeds = greater(expandDims(yPred, -1), limits);
  const of = (w: SymbolicTensor) => flat(sum(where(exceeds, expandDims(w, -1), 0), 0));
  return concat([of(yes), of(no), sum(yes, 0), sum(no, 0)].map(bare), 0);
}

/** One threshold, a list, or null (the default). */
const thresholdsField: Field<number | readonly number[] | null, number | readonly number[] | null, false> = {
  required: false,
  initial: null,
  read(given, where, name) {
    const all = Array.isArray(given) ? given : [given];
    if (given === null || (all.length > 0 && all.every((x) => x >= 0 && x <= 1))) return given;
    throw invalid(where, name, given, "a number from 0 to 1, or a list of such numbers");
  },
  write: (value) => value,
  parse: (json) => json as number | readonly number[] | null,
};

/** Predictions that are among the k largest of their row; the others below every threshold. */
function filtered(yPred: SymbolicTensor, k: number): SymbolicTensor {
  const classes = Number(yPred.shape.at(-1));
  let left = yPred;
  for (let i = 0; i < Math.min(k, classes); i++)
    left = where(greater(oneHot(argMax(left, -1), classes), 0), Number.NEGATIVE_INFINITY, left);
  return where(equalTo(left, Number.NEGATIVE_INFINITY), yPred, Number.NEGATIVE_INFINITY);
}

interface Counts {
  readonly truePositives: number;
  readonly falsePositives: number;
  readonly trueNegatives: number;
  readonly falseNegatives: number;
}

/** A figure for each threshold, from counts over all labels. */
const counting = (name: string, className: string, of: (counts: Counts) => number) =>
  figure(
    name,
    className,
    { thresholds: thresholdsField, topK: optionalSize, classId: optionalInteger },
    ({ thresholds, topK, classId }) => ({
      target: "values",
      accumulate(counted) {
        const { labels, weight, yTrue, yPred } = columns(counted);
        const fallback = topK === null ? 0.5 : -1e30;
        const limits = typeof thresholds === "number" ? [thresholds] : (thresholds ?? [fallback]);
        if (classId !== null && !(classId >= 0 && classId < labels))
          throw invalid(name, "classId", classId, `a class below ${labels}, which the output has`);
        const shown = topK === null ? yPred : filtered(yPred, topK);
        const own = (x: SymbolicTensor) =>
          classId === null ? x : slice(x, [0, classId], [x.shape[0] ?? 1, 1]);
        const L = classId === null ? labels : 1;
        const K = limits.length;
        return {
          values: tallies(own(yTrue), own(shown), weight, limits),
          figure(totals) {
            const [yes, no] = [2 * L * K, 2 * L * K + L].map((at) => total(totals.slice(at, at + L)));
            const figures = limits.map((_, k) => {
              const at = (begin: number) =>
                total(Array.from({ length: L }, (_, l) => totals[begin + l * K + k] ?? 0));
              const [truePositives, falsePositives] = [at(0), at(L * K)];
              return of({
                truePositives,
                falsePositives,
                trueNegatives: (no ?? 0) - falsePositives,
                falseNegatives: (yes ?? 0) - truePositives,
              });
            });
            return Array.isArray(thresholds) ? figures : (figures[0] ?? 0);
          },
          ...(Array.isArray(thresholds) && { suffixes: limits.map((_, k) => String(k)) }),
        };
      },
    }),
  );

/**
 * Precision, recall and the counts behind them: `thresholds` (0.5, or a list: one figure each) tell what is predicted as 1;
 * `topK`: only the k largest of a row are; `classId`: of that class alone.
 */
export const precision = counting("precision", "Precision", (c) =>
  ratio(c.truePositives, c.truePositives + c.falsePositives),
);
export const recall = counting("recall", "Recall", (c) =>
  ratio(c.truePositives, c.truePositives + c.falseNegatives),
);
export const truePositives = counting("truePositives", "TruePositives", (c) => c.truePositives);
export const falsePositives = counting("falsePositives", "FalsePositives", (c) => c.falsePositives);
export const trueNegatives = counting("trueNegatives", "TrueNegatives", (c) => c.trueNegatives);
export const falseNegatives = counting("falseNegatives", "FalseNegatives", (c) => c.falseNegatives);

const scoreFields = {
  average: choice<"micro" | "macro" | "weighted" | null>(null, ["micro", "macro", "weighted", null]),
  threshold: optionalReal,
};

const score = (name: string, className: string, beta?: number) =>
  figure(
    name,
    className,
    beta === undefined ? { ...scoreFields, beta: positive(1) } : scoreFields,
    (settings) => ({
      target: "oneHot",
      accumulate(counted) {
        const { average, threshold } = settings;
        const squared = (beta ?? Object(settings).beta) ** 2;
        const { labels: L, yTrue, yPred, weight } = columns(counted);
        const predicted =
          threshold === null
            ? logicalAnd(greaterEqual(yPred, max(yPred, -1, true)), greater(abs(yPred), 1e-9))
            : greater(yPred, threshold);
        const p = cast(predicted, "float32");
        const sums = [mul(p, yTrue), mul(p, sub(1, yTrue)), mul(sub(1, p), yTrue)].map((x) =>
          bare(sum(mul(x, weight), 0)),
        );
        const of = (tp: number, fp: number, fn: number) => {
          const [precise, complete] = [tp / (tp + fp + epsilon), tp / (tp + fn + epsilon)];
          return ((1 + squared) * precise * complete) / (squared * precise + complete + epsilon);
        };
        return {
          values: concat(sums, 0),
          figure(totals) {
            const [tp = [], fp = [], fn = []] = [0, L, 2 * L].map((at) => totals.slice(at, at + L));
            if (average === "micro") return of(total(tp), total(fp), total(fn));
            const each = tp.map((x, i) => of(x, fp[i] ?? 0, fn[i] ?? 0));
            if (average === null) return each;
            if (average === "macro") return total(each) / L;
            const support = tp.map((x, i) => x + (fn[i] ?? 0));
            return total(each.map((x, i) => x * (support[i] ?? 0))) / (total(support) + epsilon);
          },
          ...(average === null && { suffixes: Array.from({ length: L }, (_, i) => String(i)) }),
        };
      },
    }),
  );

/**
 * The harmonic mean of precision and recall of each class, of one-hot rows. `average`: null (a figure for each class),
 * "micro" (of counts over all classes), "macro" (their mean) or "weighted" (by how often they occur). `threshold`: what
 * counts as predicted; null: the largest of each row.
 */
export const f1Score = score("f1Score", "F1Score", 1);
/** The same with recall weighing `beta` (1) times as much. */
export const fBetaScore = score("fBetaScore", "FBetaScore");

/** Numbers, or null (the default). */
const optionalNumbers: Field<readonly number[] | null, readonly number[] | null, false> = {
  required: false,
  initial: null,
  read(given, where, name) {
    if (
      given === null ||
      (Array.isArray(given) && given.length > 0 && given.every((x) => Number.isFinite(x)))
    )
      return given;
    throw invalid(where, name, given, "a list of numbers");
  },
  write: (value) => value,
  parse: (json) => json as readonly number[] | null,
};

const area = {
  numThresholds: whole(200),
  curve: choice<"ROC" | "PR" | "PRGAIN">("ROC", ["ROC", "PR", "PRGAIN"]),
  summationMethod: snakeChoice(
    choice<"interpolation" | "minoring" | "majoring">("interpolation", [
      "interpolation",
      "minoring",
      "majoring",
    ]),
  ),
  thresholds: optionalNumbers,
  multiLabel: flag(false),
  numLabels: optionalSize,
  labelWeights: optionalNumbers,
  fromLogits: flag(false),
};

/** The area under a curve through thresholds from the least to the greatest. */
function areaUnder(
  curve: "ROC" | "PR" | "PRGAIN",
  method: "interpolation" | "minoring" | "majoring",
  tp: readonly number[],
  fp: readonly number[],
  yes: number,
  no: number,
): number {
  const of = (xs: readonly number[], i: number) => xs[i] ?? 0;
  const steps = Array.from({ length: tp.length - 1 }, (_, i) => i);
  if (curve === "PR" && method === "interpolation") {
    // Davis & Goadrich 2006, "The relationship between precision-recall and ROC curves".
    return total(
      steps.map((i) => {
        const [here, next] = [of(tp, i) + of(fp, i), of(tp, i + 1) + of(fp, i + 1)];
        const gained = of(tp, i) - of(tp, i + 1);
        const slope = ratio(gained, Math.max(here - next, 0));
        const intercept = of(tp, i + 1) - slope * next;
        const logarithm = here > 0 && next > 0 ? Math.log(here / next) : 0;
        return ratio(slope * (gained + intercept * logarithm), Math.max(yes, 0));
      }),
    );
  }
  const points = tp.map((t, i): readonly [number, number] => {
    const f = of(fp, i);
    if (curve === "ROC") return [ratio(f, no), ratio(t, yes)];
    if (curve === "PR") return [ratio(t, yes), ratio(t, t + f)];
    // Flach & Kull 2015, "Precision-recall-gain curves".
    if (t === 0) return [0, 1];
    const scale = ratio(yes, no);
    return [Math.max(0, 1 - scale * ((yes - t) / t)), 1 - scale * (f / t)];
  });
  const none: readonly [number, number] = [0, 0];
  return total(
    steps.map((i) => {
      const [[x0, y0], [x1, y1]] = [points[i] ?? none, points[i + 1] ?? none];
      const height =
        method === "interpolation"
          ? (y0 + y1) / 2
          : method === "minoring"
            ? Math.min(y0, y1)
            : Math.max(y0, y1);
      return (x0 - x1) * height;
    }),
  );
}

/**
 * Area under the ROC curve, the precision-recall curve ("PR") or the precision-recall-gain curve, by `numThresholds` (200)
 * from 0 to 1, or `thresholds` between them. `multiLabel`: the mean of the areas of each label, weighted by `labelWeights`
 * (which without it weigh the labels in one curve). `fromLogits`: predictions go through a sigmoid.
 */
export const auc = figure("auc", "AUC", area, (settings) => ({
  target: "values",
  accumulate(counted) {
    const { numThresholds, thresholds, curve, summationMethod, multiLabel, numLabels, labelWeights } =
      settings;
    if (thresholds === null && numThresholds < 3)
      throw invalid("auc", "numThresholds", numThresholds, "a whole number of at least 3");
    const { labels, yTrue, yPred, weight } = columns(counted);
    for (const [option, given] of [
      ["numLabels", numLabels],
      ["labelWeights", labelWeights?.length ?? null],
    ] as const)
      if (given !== null && given !== labels)
        throw invalid("auc", option, given, `as many as the output has labels: ${labels}`);
    const probability = settings.fromLogits ? sigmoid(yPred) : yPred;
    // Evenly spaced thresholds are whole numbers beside scaled predictions, as exact as can be.
    const inner =
      thresholds === null
        ? Array.from({ length: numThresholds - 2 }, (_, i) => i + 1)
        : [...thresholds].sort((a, b) => a - b);
    const scaled = thresholds === null ? mul(probability, numThresholds - 1) : probability;
    const weights =
      labelWeights === null || multiLabel
        ? weight
        : mul(weight, constant(Float32Array.from(labelWeights), [labels], "float32"));
    const K = inner.length;
    const L = labels;
    const curveOf = (totals: readonly number[], of: readonly number[]) => {
      const add = (begin: number, width: number, k: number) =>
        total(of.map((l) => totals[begin + l * width + k] ?? 0));
      const [yes, no] = [add(2 * L * K, 1, 0), add(2 * L * K + L, 1, 0)];
      const line = (begin: number, whole: number) => [
        whole,
        ...Array.from({ length: K }, (_, k) => add(begin, K, k)),
        0,
      ];
      return areaUnder(curve, summationMethod, line(0, yes), line(L * K, no), yes, no);
    };
    const each = Array.from({ length: L }, (_, l) => l);
    return {
      values: tallies(yTrue, scaled, weights, inner),
      figure(totals) {
        if (!multiLabel) return curveOf(totals, each);
        const areas = each.map((l) => curveOf(totals, [l]));
        const by = labelWeights ?? each.map(() => 1);
        return ratio(total(areas.map((a, l) => a * (by[l] ?? 0))), total(by));
      },
    };
  },
}));

/**
 * R², the share of the targets' variance that the predictions explain: 1 − Σ(t − p)² / Σ(t − mean)² of each output.
 * `classAggregation`: "uniformAverage" (their mean), "varianceWeightedAverage", or null (a figure for each).
 * `numRegressors`: adjusted for so many variables, where there are samples enough.
 */
export const r2Score = figure(
  "r2Score",
  "R2Score",
  {
    classAggregation: snakeChoice(
      choice<"uniformAverage" | "varianceWeightedAverage" | null>("uniformAverage", [
        "uniformAverage",
        "varianceWeightedAverage",
        null,
      ]),
    ),
    numRegressors: integer(0),
  },
  ({ classAggregation, numRegressors }) => ({
    target: "values",
    accumulate(counted) {
      const { labels: L, yTrue, yPred, weight, count } = columns(counted);
      const mass = sum(weight);
      const sums = sum(mul(yTrue, weight), 0);
      const centred = sub(yTrue, div(sums, where(equalTo(mass, 0), 1, mass)));
      const spread = sum(mul(square(centred), weight), 0);
      const residual = sum(mul(square(sub(yTrue, yPred)), weight), 0);
      return {
        values: concat([vector([mul(count, L), mass]), ...[sums, spread, residual].map(bare)], 0),
        // Squares about the batch's mean, which float32 holds well, become squares about 0 in float64.
        spread: (batch) =>
          batch.map((value, i) => {
            const own = (batch[i - L] ?? 0) ** 2;
            return i >= 2 + L && i < 2 + 2 * L ? value + ratio(own, batch[1] ?? 0) : value;
          }),
        figure(totals) {
          const [samples = 0, n = 0] = totals;
          const part = (k: number) => totals.slice(2 + k * L, 2 + (k + 1) * L);
          const [s, squares, errors] = [part(0), part(1), part(2)];
          const zero = Array<number>(L).fill(0);
          if (n === 0) return classAggregation === null ? zero : 0;
          const variances = s.map((x, i) => (squares[i] ?? 0) - (x * x) / n);
          const scores = variances.map((v, i) => {
            const r2 = 1 - (errors[i] ?? 0) / v;
            return Math.abs(r2) === Number.POSITIVE_INFINITY ? 0 : r2;
          });
          const adjusted = (r2: number) => {
            const left = samples - numRegressors - 1;
            return numRegressors === 0 || left <= 0 ? r2 : 1 - ((1 - r2) * (samples - 1)) / left;
          };
          if (classAggregation === null) return scores.map(adjusted);
          if (classAggregation === "uniformAverage") return adjusted(total(scores) / L);
          return adjusted(total(scores.map((r, i) => r * (variances[i] ?? 0))) / total(variances));
        },
        ...(classAggregation === null && { suffixes: Array.from({ length: L }, (_, i) => String(i)) }),
      };
    },
  }),
);
