import { checkOptions, RondoError, unknownName, valueText } from "../errors.js";
import { equal } from "../graph/dim.js";
import type { SymbolicTensor } from "../graph/ir.js";
import {
  cast,
  equalTo,
  greater,
  isNaN as isNaNOp,
  logicalAnd,
  logicalNot,
} from "../graph/ops/elementwise.js";
import { argMax, mean, sum } from "../graph/ops/reduce.js";
import { lossesByName } from "./losses.js";
import { checkMeasure, type MeasureFunction, type Metric } from "./measure.js";

/** Which rows [..] of x [.., C] hold no NaN: the largest of the others says nothing, and first of NaNs is class 0. */
const known = (x: SymbolicTensor): SymbolicTensor => equalTo(sum(cast(isNaNOp(x), "int32"), -1), 0);

/** Whether the most probable class is the target's: yTrue, yPred [.., C] → [..]. Rows with NaN are wrong. */
export const categoricalAccuracy = (): Metric => ({
  name: "categoricalAccuracy",
  target: "oneHot",
  values(yTrue, yPred) {
    const hit = equalTo(argMax(yTrue, -1), argMax(yPred, -1));
    return cast(logicalAnd(hit, logicalAnd(known(yTrue), known(yPred))), "float32");
  },
});

/** Whether the most probable class is the target: class numbers yTrue [..], yPred [.., C] → [..]. Rows with NaN are wrong. */
export const sparseCategoricalAccuracy = (): Metric => ({
  name: "sparseCategoricalAccuracy",
  target: "classes",
  values: (yTrue, yPred) => cast(logicalAnd(equalTo(yTrue, argMax(yPred, -1)), known(yPred)), "float32"),
});

/** Share of the last axis where yPred > threshold agrees with yTrue: yTrue, yPred [.., K] → [..]. NaN never agrees. `threshold`: 0.5. */
export function binaryAccuracy(options: { readonly threshold?: number } = {}): Metric {
  checkOptions("binaryAccuracy", options, ["threshold"]);
  const { threshold = 0.5 } = options;
  if (!Number.isFinite(threshold)) {
    throw new RondoError({
      where: "binaryAccuracy",
      received: `threshold: ${valueText(threshold)}`,
      expected: "a number",
      fix: "Change threshold",
    });
  }
  return {
    name: "binaryAccuracy",
    target: "values",
    values(yTrue, yPred) {
      const agrees = equalTo(yTrue, cast(greater(yPred, threshold), "float32"));
      return mean(cast(logicalAnd(agrees, logicalNot(isNaNOp(yPred))), "float32"), -1);
    },
  };
}

/** Whether class numbers agree: yTrue, yPred int32 of one shape. */
const labelAccuracy: Metric = {
  name: "accuracy",
  target: "labels",
  values: (yTrue, yPred) => cast(equalTo(yTrue, yPred), "float32"),
};

/** All metrics by name; every loss is one too. `accuracy` is resolved by the shapes of targets and output. */
export const metricsByName = {
  ...lossesByName,
  categoricalAccuracy,
  sparseCategoricalAccuracy,
  binaryAccuracy,
} as const satisfies Record<string, () => Metric>;

const accuracyNames = ["accuracy", "acc"] as const;

export type MetricName = keyof typeof metricsByName | (typeof accuracyNames)[number];

/** What `compile` takes as a metric. */
export type MetricSpec = MetricName | Metric | MeasureFunction;

/** Under which name a metric appears in logs: a given name as it is given. */
export const metricLabel = (metric: MetricSpec): string =>
  typeof metric === "string" ? metric : metric.name || "metric";

/** Throws for an unknown name, and for what is no metric. */
export function checkMetric(metric: MetricSpec): void {
  const known = [...accuracyNames, ...Object.keys(metricsByName)];
  if (typeof metric === "string" && !known.includes(metric))
    throw unknownName("compile", "metric", metric, known);
  if (typeof metric !== "string") checkMeasure("metric", metric);
}

/**
 * A metric from its name, an object of this module, or a function of your own. `accuracy` is binary for an output of
 * one unit, sparse where y has no axis of classes, and categorical otherwise, as in Keras; for an output of class numbers it
 * compares them.
 */
export function resolveMetric(
  metric: MetricSpec,
  { shape: yTrue }: SymbolicTensor,
  { shape: yPred, dtype }: SymbolicTensor,
): Metric {
  checkMetric(metric);
  if (typeof metric === "function") return { name: metricLabel(metric), target: "any", values: metric };
  if (typeof metric !== "string") return metric;
  if (metric !== "accuracy" && metric !== "acc") return metricsByName[metric]();
  if (dtype === "int32") return labelAccuracy;
  const classes = yPred.at(-1) ?? 1;
  if (equal(classes, 1)) return binaryAccuracy();
  const sparse = yTrue.length < yPred.length || equal(yTrue.at(-1) ?? 0, 1);
  return sparse ? sparseCategoricalAccuracy() : categoricalAccuracy();
}
