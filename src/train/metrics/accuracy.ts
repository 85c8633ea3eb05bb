import { real, whole } from "../../config/fields.js";
import type { SymbolicTensor } from "../../graph/ir.js";
import {
  cast,
  equalTo,
  greater,
  isNaN as isNaNOp,
  less,
  logicalAnd,
  logicalNot,
  where,
} from "../../graph/ops/elementwise.js";
import { oneHot } from "../../graph/ops/gather.js";
import { argMax, mean, sum } from "../../graph/ops/reduce.js";
import { expandDims } from "../../graph/ops/shape.js";
import type { Equation } from "../equations.js";
import type { Measure, Metric } from "../measure.js";
import { meanMetric } from "./define.js";

/** Which rows [..] of x [.., C] hold no NaN: the largest of the others says nothing, and first of NaNs is class 0. */
const known = (x: SymbolicTensor): SymbolicTensor => equalTo(sum(cast(isNaNOp(x), "int32"), -1), 0);
const share = (hits: SymbolicTensor): SymbolicTensor => cast(hits, "float32");

/** Whether fewer than k classes are more probable than the target. */
function amongFirst(target: SymbolicTensor, prediction: SymbolicTensor, k: number): SymbolicTensor {
  const hit = greater(oneHot(target, Number(prediction.shape.at(-1))), 0);
  const own = expandDims(sum(where(hit, prediction, 0), -1), -1);
  const better = sum(cast(greater(prediction, own), "int32"), -1);
  const isClass = greater(sum(cast(hit, "int32"), -1), 0);
  return share(logicalAnd(logicalAnd(less(better, k), isClass), known(prediction)));
}

const accuracyOf = (
  className: string,
  target: Measure["target"],
  values: Measure["values"],
): Equation<object & Record<never, never>> => ({
  className,
  fields: {},
  values: () => ({ target, values }),
});

/**
 * Share of predictions that equal their targets, number by number: yTrue, yPred of one shape. NaN equals nothing. (The name
 * `"accuracy"` in `compile` means the accuracy of classes that fits the shapes.)
 */
export const accuracy = meanMetric(
  "accuracy",
  accuracyOf("Accuracy", "values", (t, p) => share(equalTo(t, p))),
);

/** Whether the most probable class is the target's: yTrue, yPred [.., C] → [..]. Rows with NaN are wrong. */
export const categoricalAccuracy = meanMetric(
  "categoricalAccuracy",
  accuracyOf("CategoricalAccuracy", "oneHot", (t, p) =>
    share(logicalAnd(equalTo(argMax(t, -1), argMax(p, -1)), logicalAnd(known(t), known(p)))),
  ),
);

/** Whether the most probable class is the target: class numbers yTrue [..], yPred [.., C] → [..]. Rows with NaN are wrong. */
export const sparseCategoricalAccuracy = meanMetric(
  "sparseCategoricalAccuracy",
  accuracyOf("SparseCategoricalAccuracy", "classes", (t, p) =>
    share(logicalAnd(equalTo(t, argMax(p, -1)), known(p))),
  ),
);

/** Share of the last axis where yPred > threshold agrees with yTrue: yTrue, yPred [.., K] → [..]. NaN never agrees. `threshold`: 0.5. */
export const binaryAccuracy = meanMetric("binaryAccuracy", {
  className: "BinaryAccuracy",
  fields: { threshold: real(0.5) },
  values: ({ threshold }) => ({
    target: "values",
    values(t, p) {
      const agrees = equalTo(t, cast(greater(p, threshold), "float32"));
      return mean(share(logicalAnd(agrees, logicalNot(isNaNOp(p)))), -1);
    },
  }),
});

/** Whether the target's class is among the `k` (5) most probable; equal ones count as such. One-hot rows. NaN is wrong. */
export const topKCategoricalAccuracy = meanMetric("topKCategoricalAccuracy", {
  className: "TopKCategoricalAccuracy",
  fields: { k: whole(5) },
  values: ({ k }) => ({
    target: "oneHot",
    values: (t, p) => where(known(t), amongFirst(argMax(t, -1), p, k), 0),
  }),
});

/** Whether the target, a class number, is among the `k` (5) most probable classes; equal ones count as such. NaN is wrong. */
export const sparseTopKCategoricalAccuracy = meanMetric("sparseTopKCategoricalAccuracy", {
  className: "SparseTopKCategoricalAccuracy",
  fields: { k: whole(5) },
  values: ({ k }) => ({ target: "classes", values: (t, p) => amongFirst(t, p, k) }),
});

/** Whether class numbers agree: yTrue, yPred int32 of one shape. */
export const labelAccuracy: Metric = {
  name: "accuracy",
  target: "labels",
  values: (t, p) => share(equalTo(t, p)),
};
