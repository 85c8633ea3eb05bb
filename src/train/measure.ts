import { RondoError, valueText } from "../errors.js";
import { type Dim, equal, product, type Shape, sameShape, shapeText } from "../graph/dim.js";
import { type Op, SymbolicTensor } from "../graph/ir.js";
import {
  cast,
  greater,
  greaterEqual,
  lessEqual,
  logicalAnd,
  logicalNot,
  mul,
  notEqualTo,
  where,
} from "../graph/ops/elementwise.js";
import { sum } from "../graph/ops/reduce.js";
import { broadcastTo, expandDims, reshape, squeeze } from "../graph/ops/shape.js";
import { size } from "../graph/ops/source.js";

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

/** A loss or a metric: one value for each sample (or time step), before masks, weights and the mean. */
export interface Measure {
  readonly name: string;
  /**
   * What y holds. `values`: float32 of the prediction's shape (a last axis of size 1 may be left out); `oneHot`: the
   * same, a number for each class; `classes`: class numbers, the prediction's shape without its last axis (or with a last
   * axis of size 1); `any`: passed on as it is, but for a last axis of size 1 as with values.
   */
  readonly target: "values" | "oneHot" | "classes" | "any";
  /**
   * What a target may be, where a loss makes no sense of every number: targets outside would be trained towards without
   * a sign. Left out: whole numbers below the number of classes where `target` is `classes`, else anything.
   */
  readonly domain?: keyof typeof domains;
  /** Where the model's last op is this one, the measure takes its operand instead, as logits. */
  readonly link?: Op<Readonly<Record<string, never>>>;
  /** yTrue and yPred as `target` says → [B] or [B, T]. */
  values(yTrue: SymbolicTensor, yPred: SymbolicTensor, linked: boolean): SymbolicTensor;
}

/** Throws for what is neither a function nor a `Measure`; `kind`: loss or metric. */
export function checkMeasure(kind: "loss" | "metric", measure: unknown): void {
  if (typeof measure === "function") return;
  if (typeof measure === "object" && typeof (measure as Measure | null)?.values === "function") return;
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
  { name, target, domain }: Measure,
  classes: number | undefined,
): Bounds | undefined {
  if (domain !== undefined) {
    const { expected, ...bounds } = domains[domain];
    return { ...bounds, expected: `${expected}, because the loss is ${name}` };
  }
  if (target !== "classes" || classes === undefined) return undefined;
  return {
    least: 0,
    most: classes - 1,
    whole: true,
    noun: "label",
    expected: `whole numbers from 0 to ${classes - 1}, because the model's output has ${classes} classes`,
    fix: "Number the classes from 0, or give the last layer as many units as there are classes",
  };
}

/** What a batch contributes to a mean: float32 scalars. */
export interface Contribution {
  readonly sum: SymbolicTensor;
  readonly count: SymbolicTensor;
}

/**
 * The one place where masks and weights meet losses and metrics. Masked steps of targets and predictions are selected
 * to 0 before any arithmetic, so that no NaN in them reaches a value or a gradient, and masked values afterwards.
 *
 * Under a mask only the graph knows which targets count, so here a target that the loss does not take makes its value NaN
 * (and gives no gradient), unless it is masked or its weight is 0. Without a mask they are refused when data is given.
 *
 * @param weight [B], or as many axes as there are values per sample
 * @param mean divide the weighted sum by the number of unmasked values (losses, Keras's `sum_over_batch_size`), or by the
 *   sum of their weights (weighted metrics)
 */
export function contribution(
  measure: Measure,
  yTrue: SymbolicTensor,
  yPred: SymbolicTensor,
  weight?: SymbolicTensor,
  mean: "count" | "weight" = "count",
): Contribution {
  const logits =
    measure.link !== undefined && yPred.node.op === measure.link ? yPred.node.inputs[0] : undefined;
  const aligned = alignTarget(measure, yTrue, yPred);
  const [target, prediction] = selectUnmasked(aligned, (logits ?? yPred).withMask(yPred.mask));
  const values = checkedValues(measure, measure.values(target, prediction, logits !== undefined), prediction);
  const isLoss = mean === "count";
  const wrong = isLoss && yPred.mask !== undefined ? outside(measure, aligned, yPred, values) : undefined;
  return reduce(measure.name, values, weight, mean, wrong);
}

/** Which values (bool, their shape) stand for targets that the loss does not take. */
function outside(
  measure: Measure,
  aligned: SymbolicTensor,
  yPred: SymbolicTensor,
  values: SymbolicTensor,
): SymbolicTensor | undefined {
  const classes = yPred.shape.at(-1);
  const bounds = targetBounds(measure, typeof classes === "number" ? classes : undefined);
  if (bounds === undefined) return undefined;
  const within = logicalAnd(greaterEqual(aligned, bounds.least), lessEqual(aligned, bounds.most));
  const wrong = logicalNot(within.withMask(undefined));
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
function alignTarget(
  { name, target }: Measure,
  yTrue: SymbolicTensor,
  yPred: SymbolicTensor,
): SymbolicTensor {
  const lacksLast = yTrue.rank === yPred.rank - 1 && equal(yPred.shape.at(-1) ?? 0, 1);
  if (target === "any") {
    const hasMore = yTrue.rank === yPred.rank + 1 && equal(yTrue.shape.at(-1) ?? 0, 1);
    return lacksLast ? expandDims(yTrue, -1) : hasMore ? squeeze(yTrue, [-1]) : yTrue;
  }
  const wanted = target === "classes" ? yPred.shape.slice(0, -1) : yPred.shape;
  const aligned =
    target === "classes" && yTrue.rank === yPred.rank && equal(yTrue.shape.at(-1) ?? 0, 1)
      ? squeeze(yTrue, [-1])
      : target !== "classes" && lacksLast
        ? expandDims(yTrue, -1)
        : yTrue;
  if (!sameShape(aligned.shape, wanted)) {
    throw new RondoError({
      where: name,
      received: `y of shape ${shapeText(yTrue.shape)} for a model whose output is ${shapeText(yPred.shape)}`,
      expected: `y of shape ${shapeText(wanted)}${target === "classes" ? " holding class numbers" : ""}`,
      fix: mismatchFix(target, yTrue.shape, wanted, yPred.shape),
    });
  }
  return cast(aligned, target === "classes" ? "int32" : "float32");
}

/** @param wanted the shape that y should have */
function mismatchFix(target: Measure["target"], y: Shape, wanted: Shape, prediction: Shape): string {
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
  mean: "count" | "weight",
  wrong?: SymbolicTensor,
): Contribution {
  const { mask, shape } = values;
  const bare = cast(values.withMask(undefined), "float32");
  const counted = (x: SymbolicTensor) => (mask === undefined ? x : where(widen(mask, x.rank), x, 0));
  const weights = weight === undefined ? undefined : alignWeight(name, weight, values);
  const weighted = weights === undefined ? bare : mul(bare, weights);
  const harmful = wrong && (weights === undefined ? wrong : logicalAnd(wrong, notEqualTo(weights, 0)));
  const total = sum(counted(harmful === undefined ? weighted : where(harmful, Number.NaN, weighted)));
  if (weights !== undefined && mean === "weight")
    return { sum: total, count: sum(counted(broadcastTo(weights, shape))) };
  if (mask === undefined) return { sum: total, count: size(product(shape)) };
  return { sum: total, count: sum(cast(broadcastTo(widen(mask, values.rank), shape), "float32")) };
}

function alignWeight(name: string, weight: SymbolicTensor, values: SymbolicTensor): SymbolicTensor {
  const one = (d: Dim | undefined) => equal(d ?? 0, 1);
  const fits = (d: Dim, i: number) => equal(d, values.shape[i] ?? 0) || (i > 0 && one(d));
  if (weight.rank === values.rank + 1 && one(weight.shape.at(-1)))
    return alignWeight(name, squeeze(weight, [-1]), values);
  if (weight.rank > values.rank || !weight.shape.every(fits)) {
    throw new RondoError({
      where: name,
      received: `sampleWeight of shape ${shapeText(weight.shape)}`,
      expected: `a weight per sample, or one per value: ${shapeText(values.shape)}`,
      fix: "Give one weight for each sample, or one for each time step where the model's output has a time axis",
    });
  }
  return reshape(weight, [...weight.shape, ...Array<Dim>(values.rank - weight.rank).fill(1)]);
}
