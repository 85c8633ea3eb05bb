import { type Kind, ofKind } from "../../config/configurable.js";
import { unknownName } from "../../errors.js";
import { equal } from "../../graph/dim.js";
import type { SymbolicTensor } from "../../graph/ir.js";
import { equations } from "../equations.js";
import { measureClass } from "../losses.js";
import { checkMeasure, isFactory, isMeasure, type MeasureFunction, type Metric } from "../measure.js";
import {
  accuracy,
  binaryAccuracy,
  categoricalAccuracy,
  labelAccuracy,
  sparseCategoricalAccuracy,
  sparseTopKCategoricalAccuracy,
  topKCategoricalAccuracy,
} from "./accuracy.js";
import * as counts from "./confusion.js";
import { meanMetric } from "./define.js";
import * as entities from "./entities.js";

const { meanSquaredError, sparseCategoricalCrossentropy, logCosh } = equations;

/** The metrics, each made from its options; all take `name`, under which the figure is reported. */
export const metrics = {
  accuracy,
  categoricalAccuracy,
  sparseCategoricalAccuracy,
  binaryAccuracy,
  topKCategoricalAccuracy,
  sparseTopKCategoricalAccuracy,
  ...counts,
  ...entities,
  meanSquaredError: meanMetric("meanSquaredError", meanSquaredError),
  /** The root of the mean of (t − p)². */
  rootMeanSquaredError: meanMetric(
    "rootMeanSquaredError",
    { ...meanSquaredError, className: "RootMeanSquaredError" },
    Math.sqrt,
  ),
  meanAbsoluteError: meanMetric("meanAbsoluteError", equations.meanAbsoluteError),
  meanAbsolutePercentageError: meanMetric(
    "meanAbsolutePercentageError",
    equations.meanAbsolutePercentageError,
  ),
  meanSquaredLogarithmicError: meanMetric(
    "meanSquaredLogarithmicError",
    equations.meanSquaredLogarithmicError,
  ),
  logCoshError: meanMetric("logCoshError", { ...logCosh, className: "LogCoshError" }),
  huber: meanMetric("huber", equations.huber),
  /** Mean of Σ t·p / (‖t‖·‖p‖): 1 where both point the same way (as a loss it is −1). */
  cosineSimilarity: meanMetric("cosineSimilarity", equations.cosineSimilarity),
  hinge: meanMetric("hinge", equations.hinge),
  squaredHinge: meanMetric("squaredHinge", equations.squaredHinge),
  categoricalHinge: meanMetric("categoricalHinge", equations.categoricalHinge),
  klDivergence: meanMetric("klDivergence", equations.klDivergence),
  kullbackLeiblerDivergence: meanMetric("kullbackLeiblerDivergence", equations.klDivergence),
  poisson: meanMetric("poisson", equations.poisson),
  binaryCrossentropy: meanMetric("binaryCrossentropy", equations.binaryCrossentropy),
  binaryFocalCrossentropy: meanMetric("binaryFocalCrossentropy", equations.binaryFocalCrossentropy),
  categoricalCrossentropy: meanMetric("categoricalCrossentropy", equations.categoricalCrossentropy),
  categoricalFocalCrossentropy: meanMetric(
    "categoricalFocalCrossentropy",
    equations.categoricalFocalCrossentropy,
  ),
  sparseCategoricalCrossentropy: meanMetric("sparseCategoricalCrossentropy", sparseCategoricalCrossentropy),
  /** e to the mean cross-entropy of class numbers: among so many equally probable classes one would be as uncertain. */
  perplexity: meanMetric(
    "perplexity",
    { ...sparseCategoricalCrossentropy, className: "Perplexity" },
    Math.exp,
  ),
};

/** All metrics by name, short and old names included. What the name `accuracy` means, `resolveMetric` knows. */
export const metricsByName = {
  ...metrics,
  mse: metrics.meanSquaredError,
  rmse: metrics.rootMeanSquaredError,
  mae: metrics.meanAbsoluteError,
  mape: metrics.meanAbsolutePercentageError,
  msle: metrics.meanSquaredLogarithmicError,
  logcosh: metrics.logCoshError,
  logCosh: metrics.logCoshError,
  kld: metrics.klDivergence,
  cosineProximity: metrics.cosineSimilarity,
};

/** The metrics by name, short and old names included. */
export type MetricName = keyof typeof metricsByName | "acc";

/** What `compile` takes as a metric. */
export type MetricSpec = MetricName | Metric | MeasureFunction;

/** All metrics, for options and for files. */
export const metricKind: Kind<Metric> = {
  noun: "metric",
  module: "keras.metrics",
  factories: metricsByName,
  accepts: (value) => isMeasure("metric", value),
  className: measureClass,
};

/** Under which name a metric appears in logs: a given name as it is given. */
export const metricLabel = (metric: MetricSpec): string =>
  typeof metric === "string" ? metric : metric.name || "metric";

/** Throws for an unknown name, and for what is no metric. */
export function checkMetric(metric: MetricSpec): void {
  const known = ["acc", ...Object.keys(metricsByName)];
  if (typeof metric === "string" && !known.includes(metric))
    throw unknownName("compile", "metric", metric, known);
  if (isFactory(metric)) ofKind(metricKind, metric, "compile", "metric");
  if (typeof metric !== "string") checkMeasure("metric", metric);
}

/**
 * A metric from its name, what a factory of `metrics` gives, or a function of your own. The name `accuracy` is, as in Keras,
 * not `metrics.accuracy()` but the binary accuracy for an output of one unit, the sparse one where y has no axis of classes,
 * and the categorical one otherwise; for an output of class numbers it compares them.
 */
export function resolveMetric(
  metric: MetricSpec,
  { shape: yTrue }: SymbolicTensor,
  { shape: yPred, dtype }: SymbolicTensor,
): Metric {
  checkMetric(metric);
  if (typeof metric === "function") return { name: metricLabel(metric), target: "any", values: metric };
  if (typeof metric !== "string") return metric;
  if (metric !== "accuracy" && metric !== "acc") return ofKind(metricKind, metric, "compile", "metric");
  if (dtype === "int32") return labelAccuracy;
  const classes = yPred.at(-1) ?? 1;
  if (equal(classes, 1)) return binaryAccuracy();
  const sparse = yTrue.length < yPred.length || equal(yTrue.at(-1) ?? 0, 1);
  return sparse ? sparseCategoricalAccuracy() : categoricalAccuracy();
}
