import type { Field, Fields, SettingsOf } from "../config/config.js";
import { invalid } from "../config/config.js";
import { flag, fraction, integer, optionalInteger, real } from "../config/fields.js";
import { RondoError } from "../errors.js";
import { shapeText } from "../graph/dim.js";
import type { SymbolicTensor } from "../graph/ir.js";
import {
  abs,
  add,
  cast,
  clipByValue,
  div,
  elementwise,
  equalTo,
  lessEqual,
  log,
  logicalAnd,
  logicalNot,
  logicalOr,
  maximum,
  mul,
  neg,
  notEqualTo,
  pow,
  rsqrt,
  sigmoid,
  softplus,
  square,
  sub,
  where,
} from "../graph/ops/elementwise.js";
import { max, mean, normalizeAxis, sum } from "../graph/ops/reduce.js";
import { expandDims, reshape } from "../graph/ops/shape.js";
import { crossEntropy, logSoftmax, softmax, softmaxOp } from "../graph/ops/softmax.js";
import { constant } from "../graph/ops/source.js";
import type { Measure } from "./measure.js";

// The values that losses and metrics share: one for each sample or time step, of targets t and predictions p.

/** Keras's fuzz factor: probabilities are kept this far from 0 and 1 before their logarithm. */
const epsilon = 1e-7;

/** What a measure does, but for its name and what becomes of its values. */
export type Values = Omit<Measure, "name" | "reduction" | "finish">;

/** The values of a loss, of a metric, or of both, and their options. */
export interface Equation<F extends Fields = Fields> {
  readonly className: string;
  readonly fields: F;
  values(settings: SettingsOf<F>): Values;
}

const equation = <F extends Fields>(
  className: string,
  fields: F,
  values: (settings: SettingsOf<F>) => Values,
): Equation<F> => ({ className, fields, values });

/** An equation without options that takes float32 targets of the prediction's shape. */
const ofNumbers = (className: string, values: Values["values"], target: Values["target"] = "values") =>
  equation(className, {}, () => ({ target, values }));

/** Of classes: the last axis alone, where Keras takes others. */
const lastAxis: Field<number, number, false> = {
  ...integer(-1),
  read(given, where, name) {
    if (given !== -1) throw invalid(where, name, given, "-1, the last axis");
    return given;
  },
};

/** Weights of classes: one number, or one for each. */
const classWeights: Field<number | readonly number[], number | readonly number[], false> = {
  ...real(0.25),
  initial: 0.25,
  read(given, where, name) {
    const all = Array.isArray(given) ? given : [given];
    if (all.length > 0 && all.every((x) => Number.isFinite(x))) return given;
    throw invalid(where, name, given, "a number, or a list with one for each class");
  },
  write: (value) => value,
  parse: (json) => json as number | readonly number[],
};

const probabilityFields = { fromLogits: flag(false), labelSmoothing: fraction(0), axis: lastAxis };

/** t·(1 − s) + s/C over C classes (binary: C = 2): Szegedy et al. 2016, section 7. */
const smoothed = (target: SymbolicTensor, smoothing: number, classes: number): SymbolicTensor =>
  smoothing === 0 ? target : add(mul(target, 1 - smoothing), smoothing / classes);

const classesOf = ({ shape }: SymbolicTensor): number => Number(shape.at(-1) ?? 1);

const clipped = (probability: SymbolicTensor): SymbolicTensor =>
  clipByValue(probability, epsilon, 1 - epsilon);
const clippedLog = (probability: SymbolicTensor): SymbolicTensor => log(clipped(probability));

/** −log p and −log(1 − p); of a logit x, p = σ(x), they are softplus(−x) and softplus(x), each exact where it is small. */
const surprises = (
  x: SymbolicTensor,
  isLogit: boolean,
): readonly [yes: SymbolicTensor, no: SymbolicTensor] =>
  isLogit ? [softplus(neg(x)), softplus(x)] : [neg(clippedLog(x)), neg(clippedLog(sub(1, x)))];

/** Probabilities that add up to 1. */
const normalised = (p: SymbolicTensor): SymbolicTensor => div(p, sum(p, -1, true));

/** (1 − p)^γ, whose slope is 0 where γ is. */
const focus = (certainty: SymbolicTensor, gamma: number): SymbolicTensor | number =>
  gamma === 0 ? 1 : gamma === 2 ? square(sub(1, certainty)) : pow(sub(1, certainty), gamma);

/** x / max(‖x‖, ε). */
const unit = (x: SymbolicTensor, axis: number): SymbolicTensor =>
  mul(x, rsqrt(maximum(sum(square(x), axis, true), epsilon * epsilon)));

/** Targets −1 and 1: those of a batch that holds 0 and 1 alone are brought to that. */
function signs(target: SymbolicTensor): SymbolicTensor {
  const bits = logicalOr(equalTo(target, 0), equalTo(target, 1)).withMask(undefined);
  const allBits = equalTo(sum(cast(logicalNot(bits), "int32")), 0);
  return where(allBits, sub(mul(2, target), 1), target);
}

/** Over the last axis, but for what an option says: yTrue, yPred [.., K] → [..]; class numbers yTrue [..]. */
export const equations = {
  /** Mean of (t − p)². */
  meanSquaredError: ofNumbers("MeanSquaredError", (t, p) => mean(square(sub(p, t)), -1)),
  /** Mean of |t − p|. */
  meanAbsoluteError: ofNumbers("MeanAbsoluteError", (t, p) => mean(abs(sub(p, t)), -1)),
  /** Mean of 100·|t − p| / |t|, where |t| is 1e-7 at least. */
  meanAbsolutePercentageError: ofNumbers("MeanAbsolutePercentageError", (t, p) =>
    mul(100, mean(abs(div(sub(t, p), maximum(abs(t), epsilon))), -1)),
  ),
  /** Mean of (log(1 + t) − log(1 + p))²; what is below 1e-7 counts as that. */
  meanSquaredLogarithmicError: ofNumbers("MeanSquaredLogarithmicError", (t, p) => {
    const logarithm = (x: SymbolicTensor) => log(add(maximum(x, epsilon), 1));
    return mean(square(sub(logarithm(p), logarithm(t))), -1);
  }),
  /** Mean of log cosh(p − t). */
  logCosh: ofNumbers("LogCosh", (t, p) => {
    const error = abs(sub(p, t));
    return mean(sub(add(error, softplus(mul(-2, error))), Math.LN2), -1);
  }),
  /** Mean of e²/2 where |e| ≤ delta, else delta·|e| − delta²/2, of e = p − t: Huber 1964. `delta`: 1. */
  huber: equation("Huber", { delta: real(1) }, ({ delta }) => ({
    target: "values",
    values(t, p) {
      const error = sub(p, t);
      const size = abs(error);
      const [near, far] = [mul(0.5, square(error)), sub(mul(delta, size), 0.5 * delta * delta)];
      return mean(where(lessEqual(size, delta), near, far), -1);
    },
  })),
  /** Mean of max(1 − t·p, 0). Targets −1 and 1; 0 and 1 are brought to that. */
  hinge: ofNumbers("Hinge", (t, p) => mean(maximum(sub(1, mul(signs(t), p)), 0), -1)),
  /** Mean of max(1 − t·p, 0)². Targets −1 and 1; 0 and 1 are brought to that. */
  squaredHinge: ofNumbers("SquaredHinge", (t, p) => mean(square(maximum(sub(1, mul(signs(t), p)), 0)), -1)),
  /** max(1 + max((1 − t)·p) − Σ t·p, 0) of one-hot rows. */
  categoricalHinge: ofNumbers(
    "CategoricalHinge",
    (t, p) => maximum(add(sub(max(mul(sub(1, t), p), -1), sum(mul(t, p), -1)), 1), 0),
    "oneHot",
  ),
  /** Σ t·log(t / p), both kept within 1e-7 and 1: Kullback & Leibler 1951. */
  klDivergence: ofNumbers("KLDivergence", (t, p) => {
    const [target, prediction] = [clipByValue(t, epsilon, 1), clipByValue(p, epsilon, 1)];
    return sum(mul(target, log(div(target, prediction))), -1);
  }),
  /** Mean of p − t·log(p + 1e-7). */
  poisson: ofNumbers("Poisson", (t, p) => mean(sub(p, mul(t, log(add(p, epsilon)))), -1)),
  /** Σ t·p / (‖t‖·‖p‖), 0 where one is 0. `axis`: −1; not that of the samples. */
  cosineSimilarity: equation("CosineSimilarity", { axis: integer(-1) }, ({ axis }) => ({
    target: "values",
    values(t, p) {
      if (normalizeAxis("cosineSimilarity", p, axis) === 0) {
        const given = `${axis}, the axis of the samples of an output of shape ${shapeText(p.shape)}`;
        throw new RondoError({
          where: "cosineSimilarity",
          received: `axis: ${given}`,
          expected: "one value for each sample, of an axis within it",
          fix: "Leave axis out for the last one, and give each sample an axis of features",
        });
      }
      return sum(mul(unit(t, axis), unit(p, axis)), axis);
    },
  })),
  /**
   * Mean of −t·log p − (1 − t)·log(1 − p). `fromLogits`: the prediction is a logit; a sigmoid as the model's last op is undone
   * by itself. `labelSmoothing`: targets t become t·(1 − s) + s/2.
   */
  binaryCrossentropy: equation("BinaryCrossentropy", probabilityFields, ({ fromLogits, labelSmoothing }) => ({
    target: "values",
    domain: "probabilities",
    link: elementwise.sigmoid,
    values(t, p, linked) {
      const target = smoothed(t, labelSmoothing, 2);
      const [yes, no] = surprises(p, linked !== undefined || fromLogits);
      return mean(add(mul(target, yes), mul(sub(1, target), no)), -1);
    },
  })),
  /**
   * The binary cross-entropy times (1 − q)^gamma, where q is the probability given to what is so; with `applyClassBalancing`
   * times alpha for 1 and 1 − alpha for 0. Lin et al. 2017, "Focal loss for dense object detection". `gamma`: 2, `alpha`: 0.25.
   */
  binaryFocalCrossentropy: equation(
    "BinaryFocalCrossentropy",
    { applyClassBalancing: flag(false), alpha: real(0.25), gamma: real(2), ...probabilityFields },
    ({ applyClassBalancing, alpha, gamma, fromLogits, labelSmoothing }) => ({
      target: "values",
      domain: "probabilities",
      link: elementwise.sigmoid,
      values(t, given, linked) {
        const target = smoothed(t, labelSmoothing, 2);
        const logits = linked !== undefined || fromLogits;
        const p = logits ? sigmoid(given) : given;
        const either = (yes: SymbolicTensor | number, no: SymbolicTensor | number) =>
          add(mul(target, yes), mul(sub(1, target), no));
        const entropy = either(...surprises(given, logits));
        const focused = mul(entropy, focus(either(p, sub(1, p)), gamma));
        return mean(applyClassBalancing ? mul(focused, either(alpha, 1 - alpha)) : focused, -1);
      },
    }),
  ),
  /**
   * −Σ t·log p of one-hot rows. `fromLogits`: the predictions are logits; a softmax as the model's last op is undone by itself.
   * `labelSmoothing`: targets t become t·(1 − s) + s/C over C classes.
   */
  categoricalCrossentropy: equation(
    "CategoricalCrossentropy",
    probabilityFields,
    ({ fromLogits, labelSmoothing }) => ({
      target: "oneHot",
      domain: "nonNegative",
      link: softmaxOp,
      values(t, p, linked) {
        const logits = linked !== undefined || fromLogits;
        const logarithms = logits ? logSoftmax(p) : clippedLog(normalised(p));
        return neg(sum(mul(smoothed(t, labelSmoothing, classesOf(p)), logarithms), -1));
      },
    }),
  ),
  /**
   * −Σ alpha·(1 − p)^gamma·t·log p of one-hot rows: Lin et al. 2017. `gamma`: 2, `alpha`: 0.25, or a number for each class.
   */
  categoricalFocalCrossentropy: equation(
    "CategoricalFocalCrossentropy",
    { alpha: classWeights, gamma: real(2), ...probabilityFields },
    ({ alpha, gamma, fromLogits, labelSmoothing }) => ({
      target: "oneHot",
      domain: "nonNegative",
      values(t, given) {
        const classes = classesOf(given);
        if (Array.isArray(alpha) && alpha.length !== classes) {
          const expected = `a number for each of ${classes} classes`;
          throw invalid("categoricalFocalCrossentropy", "alpha", alpha, expected);
        }
        const balance =
          typeof alpha === "number" ? alpha : constant(Float32Array.from(alpha), [classes], "float32");
        const p = clipped(normalised(fromLogits ? softmax(given) : given));
        const entropy = neg(mul(smoothed(t, labelSmoothing, classes), log(p)));
        return sum(mul(mul(entropy, focus(p, gamma)), balance), -1);
      },
    }),
  ),
  /**
   * −log p_t of class numbers t. `fromLogits`: as with categoricalCrossentropy. `ignoreClass`: a number (which need be none of
   * the classes') whose samples or steps are left out of account.
   */
  sparseCategoricalCrossentropy: equation(
    "SparseCategoricalCrossentropy",
    { fromLogits: flag(false), ignoreClass: optionalInteger, axis: lastAxis },
    ({ fromLogits, ignoreClass }) => ({
      target: "classes",
      link: softmaxOp,
      ignoreClass,
      values(t, p, linked) {
        const entropy = (target: SymbolicTensor, prediction: SymbolicTensor) => {
          const logits = linked !== undefined || fromLogits ? prediction : clippedLog(prediction);
          return crossEntropy(logits, target);
        };
        if (ignoreClass === null) return entropy(t, p);
        const { mask } = p;
        const kept = notEqualTo(t, ignoreClass).withMask(undefined);
        const bare = p.withMask(undefined);
        const all = entropy(where(kept, t, 0), where(expandDims(kept, -1), bare, 0));
        const values = where(kept, all, 0);
        const unmasked = (m: SymbolicTensor) =>
          reshape(m, [...m.shape, ...Array<number>(kept.rank - m.rank).fill(1)]);
        return values.withMask(mask === undefined ? kept : logicalAnd(kept, unmasked(mask)));
      },
    }),
  ),
  /** −log probability of a sequence of tags, given the scores that the CRF layer of the output decodes. */
  crf: equation("CRFLoss", {}, () => ({
    target: "labels",
    link: { name: "crfDecode" },
    values(t, scores, linked) {
      const { decoding } = linked?.op ?? {};
      if (linked === undefined || decoding === undefined) throw noTagger("crf");
      return decoding.loss(linked, t, scores);
    },
  })),
} as const satisfies Record<string, { readonly className: string }>;

/** The error for a loss or a metric of tags where no CRF layer gives them. */
export const noTagger = (where: string): RondoError =>
  new RondoError({
    where,
    received: "an output that no CRF layer gives",
    expected: "the tags of a CRF layer",
    fix: "End the model, or this output of it, with layers.crf",
  });
