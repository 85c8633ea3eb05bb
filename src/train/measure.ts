import { RondoError, valueText } from "../errors.js";
import { type Dim, equal, product, type Shape, sameShape, shapeText } from "../graph/dim.js";
import { type Node, type Op, SymbolicTensor } from "../graph/ir.js";
import {
  cast,
  equalTo,
  greater,
  greaterEqual,
  lessEqual,
  logicalAnd,
  logicalNot,
  logicalOr,
  mul,
  notEqualTo,
  where,
} from "../graph/ops/elementwise.js";
import { concat } from "../graph/ops/join.js";
import { sum } from "../graph/ops/reduce.js";
import { broadcastTo, expandDims, reshape, reshapeOp, squeeze } from "../graph/ops/shape.js";
import { scalar, size } from "../graph/ops/source.js";

/**
 * A loss or a metric of your own: targets and predictions, both [B, …], to one value per sample [B] or step [B, T], or one
 * for the batch []. A last axis of size 1 that only one of the two has is given to y or taken from it.
 */
export type MeasureFunction = (yTrue: SymbolicTensor, yPred: SymbolicTensor) => SymbolicTensor;

/** What a measure takes as a target. */
export interface Bounds {
  readonly least: number;
  readonly most: number;
  readonly whole: boolean;
  /** How errors call a target. */
  readonly noun: string;
  /** A target that is outside and yet taken: one that is left out of account. */
  readonly ignored?: number;
  /** The targets in words, for an error's `expected` and `fix`. */
  readonly expected: string;
  readonly fix: string;
}

/** The largest float32. */
const largest = (2 - 2 ** -23) * 2 ** 127;

const domains = {
  probabilities: {
    least: 0,
    most: 1,
    whole: false,
    noun: "target",
    expected: "numbers from 0 to 1",
    fix: "Number two classes 0 and 1 (or give probabilities); for more classes use categorical cross-entropy, and for other numbers a loss such as meanSquaredError",
  },
  nonNegative: {
    least: 0,
    most: largest,
    whole: false,
    noun: "target",
    expected: "finite numbers of 0 or more",
    fix: "Give the probability of each class, 1 and 0 in one-hot rows; toCategorical makes them of class numbers",
  },
} as const satisfies Record<string, Bounds>;

/**
 * What y holds. `values`: float32 of the prediction's shape (a last axis of size 1 may be left out); `oneHot`: the same, a
 * number for each class; `classes`: class numbers, the prediction's shape without its last axis (or with a last axis of
 * size 1); `labels`: class numbers beside a prediction that holds class numbers too, both int32 of one shape; `any`: passed
 * on as it is, but for a last axis of size 1 as with values.
 */
export type Target = "values" | "oneHot" | "classes" | "labels" | "any";

/**
 * How the values of a loss become one number. `sumOverBatchSize` (Keras's default) and `mean`: their weighted sum divided by
 * the number of those that are not masked; `meanWithSampleWeight`: by the sum of their weights; `sum`: their weighted sum;
 * `none`: they do not.
 */
export type Reduction = "sumOverBatchSize" | "mean" | "meanWithSampleWeight" | "sum" | "none";

/** An op, or its name. */
export type Linked = Pick<Op, "name">;

/** A loss or a metric: one value for each sample (or time step), before masks, weights and the mean. */
export interface Measure {
  readonly name: string;
  readonly target: Target;
  /** How a loss becomes one number. Default `sumOverBatchSize`; a metric is always the mean, by weight. */
  readonly reduction?: Reduction;
  /**
   * What a target may be, where a loss makes no sense of every number: targets outside would be trained towards without
   * a sign. Left out: whole numbers below the number of classes where `target` is `classes`, else anything.
   */
  readonly domain?: keyof typeof domains;
  /** A class number that y may hold beside those of the classes, for what is left out of account. */
  readonly ignoreClass?: number | null;
  /** Where the model's last op is this one, the measure takes its first operand instead (the logits of a softmax, say). */
  readonly link?: Linked;
  /**
   * yTrue and yPred as `target` says → [B] or [B, T]. A mask of the result leaves out more than that of the prediction.
   *
   * @param linked the node of `link` whose operand yPred is; undefined where yPred is the prediction itself
   */
  values(yTrue: SymbolicTensor, yPred: SymbolicTensor, linked: Node | undefined): SymbolicTensor;
  /** The figure of a metric from the mean of its values. Default: the mean. */
  finish?(mean: number): number;
}

/** What one part of the data adds to the totals of a figure. */
export interface Accumulation {
  /** float32 [n] */
  readonly values: SymbolicTensor;
  /** What the n values of a batch add to the totals, in float64. Default: the values themselves. */
  spread?(values: readonly number[]): readonly number[];
  /** The figure from the totals, summed in float64 over all batches; one for each of `suffixes`. */
  figure(totals: readonly number[]): number | readonly number[];
  /** Where there are several figures, their names follow from the metric's: `f1Score_0`, `f1Score_1` … */
  readonly suffixes?: readonly string[];
}

/** What a figure that is no mean is worked out from: part of the data, masks and weights already understood. */
export interface Counted {
  /** In the form that `target` says, 0 on masked steps. */
  readonly yTrue: SymbolicTensor;
  /** 0 on masked steps, without a mask. */
  readonly yPred: SymbolicTensor;
  /**
   * float32, how much each sample or step counts (0 where it is masked): as many axes as there are samples and steps, each
   * of the size of the prediction's or 1. Undefined: 1 everywhere.
   */
  readonly weight: SymbolicTensor | undefined;
  /** bool, over as many axes. Undefined: every step counts. */
  readonly mask: SymbolicTensor | undefined;
  /** The weights as they were given, as many axes as `weight`. */
  readonly sampleWeight: SymbolicTensor | undefined;
  /** The node of `link` that gave the prediction, where one did. */
  readonly linked: Node | undefined;
}

/** A metric whose figure follows from totals of its own. */
export interface Figure {
  readonly name: string;
  readonly target: Target;
  /** The op whose node it asks for more than the prediction, where that is the model's last op. */
  readonly link?: Linked;
  /** What a batch adds to the accumulators. */
  accumulate(counted: Counted): Accumulation;
}

/** What is reported: a figure that follows from totals over all batches, such as the mean of a measure's values. */
export type Metric = Measure | Figure;

/** Whether something is a loss, or a metric, or what can stand for one: a function. */
export const isMeasure = (kind: "loss" | "metric", given: unknown): boolean =>
  typeof given === "function" ||
  typeof Object(given).values === "function" ||
  (kind === "metric" && typeof Object(given).accumulate === "function");

/** Whether something makes losses or metrics from options: it was not called. */
export const isFactory = (given: unknown): boolean =>
  typeof given === "function" && Object.hasOwn(given, "fromConfig");

/** Throws for what is no loss or no metric. */
export function checkMeasure(kind: "loss" | "metric", measure: unknown): void {
  if (isMeasure(kind, measure)) return;
  throw new RondoError({
    where: "compile",
    received: measure === undefined ? `no ${kind}` : `${valueText(measure)} for a ${kind}`,
    expected: "a name, one of Rondo's, or a function of your own",
    fix: `Write for example ${kind === "loss" ? 'loss: "meanSquaredError"' : 'metrics: ["accuracy"]'}`,
  });
}

/**
 * What a loss takes as a target; undefined where it takes every number, or the number of classes is not known.
 *
 * @param classes the size of the last axis of the model's output
 */
export function targetBounds(
  { name, target, domain, ignoreClass }: Measure,
  classes: number | undefined,
): Bounds | undefined {
  if (domain !== undefined) {
    const { expected, ...bounds } = domains[domain];
    return { ...bounds, expected: `${expected}, because the loss is ${name}` };
  }
  if ((target !== "classes" && target !== "labels") || classes === undefined) return undefined;
  return {
    least: 0,
    most: classes - 1,
    whole: true,
    noun: "label",
    ...(typeof ignoreClass === "number" ? { ignored: ignoreClass } : {}),
    expected: `whole numbers from 0 to ${classes - 1}, because the model's output has ${classes} classes`,
    fix: "Number the classes from 0, or give the last layer as many units as there are classes",
  };
}

/** What a batch contributes to a mean: float32 scalars. */
export interface Contribution {
  readonly sum: SymbolicTensor;
  /** What the sums of all parts are divided by, summed alike. Undefined: nothing divides them. */
  readonly count: SymbolicTensor | undefined;
}

/**
 * What a loss contributes. This and `accumulation` are where masks and weights meet losses and metrics. Masked steps of
 * targets and predictions are selected to 0 before any arithmetic, so that no NaN in them reaches a value or a gradient, and
 * masked values afterwards.
 *
 * Under a mask only the graph knows which targets count, so here a target that the loss does not take makes its value NaN
 * (and gives no gradient), unless it is masked or its weight is 0. Without a mask they are refused when data is given.
 *
 * @param weight [B], or as many axes as there are values per sample
 */
export function contribution(
  measure: Measure,
  yTrue: SymbolicTensor,
  yPred: SymbolicTensor,
  weight?: SymbolicTensor,
  reduction: Reduction = measure.reduction ?? "sumOverBatchSize",
): Contribution {
  const seen = look(measure, yTrue, yPred);
  const unchecked = yPred.mask !== undefined || measure.target === "labels";
  const wrong = unchecked ? outside(measure, seen, seen.values()) : undefined;
  return reduce(measure.name, seen.values(), weight, reduction, wrong);
}

/** What a metric adds to its totals, given weights or not: see `contribution`. */
export function accumulation(
  metric: Metric,
  yTrue: SymbolicTensor,
  yPred: SymbolicTensor,
  weight?: SymbolicTensor,
): Accumulation {
  if ("accumulate" in metric) return metric.accumulate(counted(metric, yTrue, yPred, weight));
  const values = look(metric, yTrue, yPred).values();
  return meanOf(reduce(metric.name, values, weight, "meanWithSampleWeight"), metric.finish);
}

/**
 * What values that a layer reports add to the totals of their mean, over those that are not masked.
 *
 * @param rows size of the batch: a value without axes counts for each of its rows
 */
export function accumulated(name: string, values: SymbolicTensor, rows: Dim): Accumulation {
  return meanOf(reduce(name, values.rank === 0 ? broadcastTo(values, [rows]) : values, undefined, "mean"));
}

/** The mean, 0 where nothing counted; a sum where nothing divides it. */
export function meanOf({ sum, count }: Contribution, finish = (mean: number): number => mean): Accumulation {
  if (count === undefined) return { values: vector([sum]), figure: ([total = 0]) => finish(total) };
  return { values: vector([sum, count]), figure: ([total = 0, n = 0]) => finish(n === 0 ? 0 : total / n) };
}

/** Scalars side by side, [n]. */
export const vector = (scalars: readonly SymbolicTensor[]): SymbolicTensor =>
  concat(
    scalars.map((x) => reshape(x, [1])),
    0,
  );

/** Targets and predictions of a measure, and its values. */
function look(measure: Measure, yTrue: SymbolicTensor, yPred: SymbolicTensor) {
  const found = measure.link === undefined ? undefined : operandOf(measure.link, yPred);
  const aligned = alignTarget(measure, yTrue, yPred);
  const taken = (found?.operand ?? readable(measure, yPred)).withMask(yPred.mask);
  const [target, prediction] = selectUnmasked(aligned, taken);
  let values: SymbolicTensor | undefined;
  return {
    target,
    prediction,
    values: () =>
      (values ??= checkedValues(measure, measure.values(target, prediction, found?.node), prediction)),
  };
}

function counted(
  metric: Figure,
  yTrue: SymbolicTensor,
  yPred: SymbolicTensor,
  weight: SymbolicTensor | undefined,
): Counted {
  const aligned = alignTarget(metric, yTrue, yPred);
  const [target, masked] = selectUnmasked(aligned, readable(metric, yPred));
  const prediction = masked.withMask(undefined);
  const { mask } = masked;
  const rank = Math.max(1, metric.target === "labels" ? yPred.rank : prediction.rank - 1, mask?.rank ?? 0);
  const shape = prediction.shape.slice(0, rank);
  const weights = weight === undefined ? undefined : alignWeight(metric.name, weight, shape);
  return {
    yTrue: target,
    yPred: prediction,
    weight: mask === undefined ? weights : where(widen(mask, rank), weights ?? scalar(1), 0),
    mask,
    sampleWeight: weights,
    linked: metric.link && operandOf(metric.link, yPred)?.node,
  };
}

/**
 * The first operand of `op` where x is its result, also through reshapes that keep the last axis (or any, for what works
 * element by element); and the node.
 */
export function operandOf(
  { name }: Linked,
  x: SymbolicTensor,
): { readonly operand: SymbolicTensor; readonly node: Node } | undefined {
  let from = x;
  let keeps = true;
  for (;;) {
    const { op, inputs } = from.node;
    const [operand] = inputs;
    if (operand === undefined) return undefined;
    if (op.name === name) {
      if (sameShape(from.shape, x.shape)) return { operand, node: from.node };
      const free = op.kernel.kind === "map" || keeps;
      return free && op.decoding === undefined
        ? { operand: reshape(operand, x.shape), node: from.node }
        : undefined;
    }
    if (op !== reshapeOp) return undefined;
    keeps &&= equal(operand.shape.at(-1) ?? 0, x.shape.at(-1) ?? 0);
    from = operand;
  }
}

/** A prediction in the dtype that a measure computes in. */
function readable({ name, target }: Metric, x: SymbolicTensor): SymbolicTensor {
  if (target === "any" || x.dtype === "float32") return x;
  if (target === "labels" || target === "values") return cast(x, target === "labels" ? "int32" : "float32");
  throw new RondoError({
    where: name,
    received: `an output of dtype ${x.dtype}, shape ${shapeText(x.shape)}`,
    expected: "float32: a probability (or a logit) for each class",
    fix: 'Take the metric "accuracy" for an output of class numbers, or measure the output that these were made of',
  });
}

/** Which values (bool, their shape) stand for targets that the loss does not take. */
function outside(
  measure: Measure,
  { target, prediction }: { readonly target: SymbolicTensor; readonly prediction: SymbolicTensor },
  values: SymbolicTensor,
): SymbolicTensor | undefined {
  const classes = prediction.shape.at(-1);
  const bounds = targetBounds(measure, typeof classes === "number" ? classes : undefined);
  if (bounds === undefined) return undefined;
  const within = logicalAnd(greaterEqual(target, bounds.least), lessEqual(target, bounds.most));
  const taken = bounds.ignored === undefined ? within : logicalOr(within, equalTo(target, bounds.ignored));
  const wrong = logicalNot(taken.withMask(undefined));
  return wrong.rank > values.rank ? greater(sum(cast(wrong, "int32"), -1), 0) : wrong;
}

/** One value per sample or step, as a measure should give; one for the whole batch counts for each sample. */
function checkedValues({ name }: Measure, values: unknown, { shape }: SymbolicTensor): SymbolicTensor {
  const [rows = 1] = shape;
  if (values instanceof SymbolicTensor) {
    if (values.rank === 0) return broadcastTo(values, [rows]);
    if (equal(values.shape[0] ?? 0, rows)) return values;
  }
  throw new RondoError({
    where: name,
    received: `${values instanceof SymbolicTensor ? `values of shape ${shapeText(values.shape)}` : valueText(values)} from its function`,
    expected: `one value for each sample: a symbolic tensor of shape ${shapeText([rows])}, or with further axes`,
    fix: "Write it in ops, with the mean over the last axis; what makes a loss or a metric from options is called first, as in losses.meanSquaredError()",
  });
}

/** yTrue in the form that the measure takes. */
function alignTarget({ name, target }: Metric, yTrue: SymbolicTensor, yPred: SymbolicTensor): SymbolicTensor {
  const lacksLast = yTrue.rank === yPred.rank - 1 && equal(yPred.shape.at(-1) ?? 0, 1);
  if (target === "any") {
    const hasMore = yTrue.rank === yPred.rank + 1 && equal(yTrue.shape.at(-1) ?? 0, 1);
    return lacksLast ? expandDims(yTrue, -1) : hasMore ? squeeze(yTrue, [-1]) : yTrue;
  }
  const wanted = target === "classes" ? yPred.shape.slice(0, -1) : yPred.shape;
  const ofLabels = target === "labels" && yTrue.rank === yPred.rank + 1;
  const aligned =
    (ofLabels || (target === "classes" && yTrue.rank === yPred.rank)) && equal(yTrue.shape.at(-1) ?? 0, 1)
      ? squeeze(yTrue, [-1])
      : target !== "classes" && lacksLast
        ? expandDims(yTrue, -1)
        : yTrue;
  const holdsClasses = target === "classes" || target === "labels";
  if (!sameShape(aligned.shape, wanted)) {
    throw new RondoError({
      where: name,
      received: `y of shape ${shapeText(yTrue.shape)} for a model whose output is ${shapeText(yPred.shape)}`,
      expected: `y of shape ${shapeText(wanted)}${holdsClasses ? " holding class numbers" : ""}`,
      fix: mismatchFix(target, yTrue.shape, wanted, yPred.shape),
    });
  }
  return cast(aligned, holdsClasses ? "int32" : "float32");
}

/** @param wanted the shape that y should have */
function mismatchFix(target: Target, y: Shape, wanted: Shape, prediction: Shape): string {
  const units = prediction.at(-1);
  const ofOne = equal(y.at(-1) ?? 0, 1);
  const oneValue = sameShape(y, prediction.slice(0, -1));
  if (target === "classes" && sameShape(y, prediction))
    return 'For one-hot rows use "categoricalCrossentropy"';
  if (target === "oneHot" && (oneValue || (ofOne && y.length === wanted.length)))
    return 'For class numbers use "sparseCategoricalCrossentropy", or make one-hot rows of them with toCategorical';
  if (oneValue) return `Set units: 1 on the last layer, or give ${units} values in the place of each`;
  if (y.length > wanted.length)
    return `Set returnSequences: true on the last recurrent layer for a target per step; or give one target per sample${target === "classes" ? ', and for one-hot rows use "categoricalCrossentropy"' : ""}`;
  if (y.length < wanted.length || (ofOne && target === "classes"))
    return "Set returnSequences: false on the last recurrent layer, or give one target per step";
  return sameShape(y.slice(0, -1), wanted.slice(0, -1)) && target !== "classes"
    ? `Set units: ${y.at(-1)} on the last layer, or give targets whose last axis has ${units}`
    : "Give a target for each step of the model's output, no more and no less";
}

const widen = (mask: SymbolicTensor, rank: number): SymbolicTensor =>
  reshape(mask, [...mask.shape, ...Array<Dim>(rank - mask.rank).fill(1)]);

function selectUnmasked(
  yTrue: SymbolicTensor,
  yPred: SymbolicTensor,
): readonly [SymbolicTensor, SymbolicTensor] {
  const mask = yPred.mask;
  if (mask === undefined) return [yTrue, yPred];
  // A mask over every axis of the prediction: its last axis is time, and each step has one value.
  const scalar = mask.rank === yPred.rank;
  const [target, prediction] = scalar
    ? [expandDims(yTrue, -1), expandDims(yPred.withMask(undefined), -1)]
    : [yTrue, yPred.withMask(undefined)];
  const select = (x: SymbolicTensor) => (x.rank < mask.rank ? x : where(widen(mask, x.rank), x, 0));
  return [select(target), select(prediction).withMask(mask)];
}

function reduce(
  name: string,
  values: SymbolicTensor,
  weight: SymbolicTensor | undefined,
  reduction: Reduction,
  wrong?: SymbolicTensor,
): Contribution {
  const { mask, shape } = values;
  const bare = cast(values.withMask(undefined), "float32");
  const counted = (x: SymbolicTensor) => (mask === undefined ? x : where(widen(mask, x.rank), x, 0));
  const weights = weight === undefined ? undefined : alignWeight(name, weight, shape);
  const weighted = weights === undefined ? bare : mul(bare, weights);
  const harmful = wrong && (weights === undefined ? wrong : logicalAnd(wrong, notEqualTo(weights, 0)));
  const total = sum(counted(harmful === undefined ? weighted : where(harmful, Number.NaN, weighted)));
  if (reduction === "sum") return { sum: total, count: undefined };
  if (weights !== undefined && reduction === "meanWithSampleWeight")
    return { sum: total, count: sum(counted(broadcastTo(weights, shape))) };
  if (mask === undefined) return { sum: total, count: size(product(shape)) };
  return { sum: total, count: sum(cast(broadcastTo(widen(mask, values.rank), shape), "float32")) };
}

/** Weights with as many axes as what they weigh. */
function alignWeight(name: string, weight: SymbolicTensor, shape: Shape): SymbolicTensor {
  const one = (d: Dim | undefined) => equal(d ?? 0, 1);
  const fits = (d: Dim, i: number) => equal(d, shape[i] ?? 0) || (i > 0 && one(d));
  if (weight.rank === shape.length + 1 && one(weight.shape.at(-1)))
    return alignWeight(name, squeeze(weight, [-1]), shape);
  if (weight.rank > shape.length || !weight.shape.every(fits)) {
    throw new RondoError({
      where: name,
      received: `sampleWeight of shape ${shapeText(weight.shape)}`,
      expected: `a weight per sample, or one per value: ${shapeText(shape)}`,
      fix: "Give one weight for each sample, or one for each time step where the model's output has a time axis",
    });
  }
  return reshape(weight, [...weight.shape, ...Array<Dim>(shape.length - weight.rank).fill(1)]);
}
