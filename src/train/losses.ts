import { camelCase, type Field, type Fields, type SettingsOf, snakeCase } from "../config/config.js";
import { type Configured, configurable, type Factory, type Kind, ofKind } from "../config/configurable.js";
import { choice, optionalText } from "../config/fields.js";
import { bareName } from "../config/keras.js";
import { neg } from "../graph/ops/elementwise.js";
import { type Equation, equations } from "./equations.js";
import {
  checkMeasure,
  isFactory,
  isMeasure,
  type Measure,
  type MeasureFunction,
  type Reduction,
} from "./measure.js";

/** What is minimised: one value per sample or time step; masks, weights and the mean come afterwards. */
export type Loss = Measure;

/** Keras writes it in snake case, and null for none; its second version had "auto", which is the default. */
const reduction: Field<Reduction, Reduction, false> = {
  ...choice<Reduction>("sumOverBatchSize", [
    "sumOverBatchSize",
    "mean",
    "meanWithSampleWeight",
    "sum",
    "none",
  ]),
  write: (value) => snakeCase(value),
  parse(json) {
    if (json === null) return "none";
    if (json === "auto") return "sumOverBatchSize";
    return (typeof json === "string" ? camelCase(json) : json) as Reduction;
  },
};

/** Under which name it is reported; null (the default): that of its factory. */
export const ownName = (className: string): Field<string | null, string | null, false> => ({
  ...optionalText,
  write: (value) => value ?? snakeCase(className),
  parse: (json) => (json === snakeCase(className) ? null : json) as string | null,
});

/** Options of every loss. */
type LossFields<F extends Fields> = F & {
  readonly reduction: typeof reduction;
  readonly name: ReturnType<typeof ownName>;
};

function define<F extends Fields>(
  name: string,
  { className, fields, values }: Equation<F>,
): Factory<LossFields<F>, Loss & Configured> {
  const all: LossFields<F> = { ...fields, reduction, name: ownName(className) };
  return configurable(className, all, (settings): Loss => {
    const own = settings as SettingsOf<F> & { readonly reduction: Reduction; readonly name: string | null };
    return { ...values(own), name: own.name ?? name, reduction: own.reduction };
  });
}

const { cosineSimilarity } = equations;

/**
 * The losses, each made from its options. All take `reduction`: how the values of a loss become one number
 * (default `sumOverBatchSize`: the sum of the weighted values divided by the number of those that are not masked), and `name`.
 */
export const losses = {
  /** Mean over the last axis of (t − p)². */
  meanSquaredError: define("meanSquaredError", equations.meanSquaredError),
  /** Mean over the last axis of |t − p|. */
  meanAbsoluteError: define("meanAbsoluteError", equations.meanAbsoluteError),
  /** Mean over the last axis of 100·|t − p| / |t|, where |t| is 1e-7 at least. */
  meanAbsolutePercentageError: define("meanAbsolutePercentageError", equations.meanAbsolutePercentageError),
  /** Mean over the last axis of (log(1 + t) − log(1 + p))², both 1e-7 at least. */
  meanSquaredLogarithmicError: define("meanSquaredLogarithmicError", equations.meanSquaredLogarithmicError),
  /** Mean over the last axis of log cosh(p − t). */
  logCosh: define("logCosh", equations.logCosh),
  /** Squares near 0, absolute values beyond `delta` (default 1): Huber, "Robust estimation of a location parameter", 1964. */
  huber: define("huber", equations.huber),
  /** Mean over the last axis of max(1 − t·p, 0), of targets −1 and 1 (or 0 and 1). */
  hinge: define("hinge", equations.hinge),
  /** Mean over the last axis of max(1 − t·p, 0)², of targets −1 and 1 (or 0 and 1). */
  squaredHinge: define("squaredHinge", equations.squaredHinge),
  /** max(1 + max((1 − t)·p) − Σ t·p, 0) of one-hot rows. */
  categoricalHinge: define("categoricalHinge", equations.categoricalHinge),
  /** Σ t·log(t / p) over the last axis, both kept within 1e-7 and 1: Kullback & Leibler 1951. */
  klDivergence: define("klDivergence", equations.klDivergence),
  /** The same, by its longer name. */
  kullbackLeiblerDivergence: define("kullbackLeiblerDivergence", equations.klDivergence),
  /** Mean over the last axis of p − t·log(p + 1e-7). */
  poisson: define("poisson", equations.poisson),
  /** −Σ t·p / (‖t‖·‖p‖) over `axis` (default the last): −1 where both point the same way. */
  cosineSimilarity: define("cosineSimilarity", {
    ...cosineSimilarity,
    values(settings) {
      const { values, ...rest } = cosineSimilarity.values(settings);
      return { ...rest, values: (...given) => neg(values(...given)) };
    },
  }),
  /**
   * Mean over the last axis of −t·log p − (1 − t)·log(1 − p). `fromLogits` (default false): the model's output is logits; a
   * sigmoid as its last op is undone by itself. `labelSmoothing` s (default 0): targets t become t·(1 − s) + s/2.
   */
  binaryCrossentropy: define("binaryCrossentropy", equations.binaryCrossentropy),
  /**
   * The same times (1 − q)^`gamma` (default 2), q being the probability given to what is so; with `applyClassBalancing` times
   * `alpha` (0.25) for 1 and 1 − alpha for 0. Lin et al., "Focal loss for dense object detection", 2017.
   */
  binaryFocalCrossentropy: define("binaryFocalCrossentropy", equations.binaryFocalCrossentropy),
  /**
   * −Σ t·log p of one-hot rows. `fromLogits` (default false): the model's output is logits; a softmax as its last op is undone
   * by itself. `labelSmoothing` s (default 0): targets t become t·(1 − s) + s/C over C classes (Szegedy et al. 2016).
   */
  categoricalCrossentropy: define("categoricalCrossentropy", equations.categoricalCrossentropy),
  /** −Σ `alpha`·(1 − p)^`gamma`·t·log p of one-hot rows: Lin et al. 2017. `alpha`: 0.25, or one for each class; `gamma`: 2. */
  categoricalFocalCrossentropy: define(
    "categoricalFocalCrossentropy",
    equations.categoricalFocalCrossentropy,
  ),
  /**
   * −log p_t of class numbers t. `fromLogits`: as with categoricalCrossentropy. `ignoreClass`: a number whose samples or steps
   * are left out of account; it need not be that of a class.
   */
  sparseCategoricalCrossentropy: define(
    "sparseCategoricalCrossentropy",
    equations.sparseCategoricalCrossentropy,
  ),
  /**
   * −log probability of the true tags, a number for each sequence, where the output is that of `layers.crf`; y: their numbers,
   * int32 [B, T]. Keras has no such loss.
   */
  crf: define("crf", equations.crf),
};

/** All losses by name, short and old names included. */
export const lossesByName = {
  ...losses,
  mse: losses.meanSquaredError,
  mae: losses.meanAbsoluteError,
  mape: losses.meanAbsolutePercentageError,
  msle: losses.meanSquaredLogarithmicError,
  logcosh: losses.logCosh,
  kld: losses.klDivergence,
  cosineProximity: losses.cosineSimilarity,
};

/** The losses by name, short and old names included. */
export type LossName = keyof typeof lossesByName;

/** A class name as files have it, short names in capitals included. */
export const measureClass = (name: string): string =>
  /^[A-Z]+$/.test(bareName(name)) ? bareName(name).toLowerCase() : bareName(name);

/** All losses, for options and for files. */
export const lossKind: Kind<Loss> = {
  noun: "loss",
  module: "keras.losses",
  factories: lossesByName,
  accepts: (value) => isMeasure("loss", value),
  className: measureClass,
};

/** A loss from its name, what a factory of `losses` gives, or a function of your own. Unknown names are errors. */
export function resolveLoss(loss: LossName | Loss | MeasureFunction): Loss {
  if (typeof loss === "string" || isFactory(loss)) return ofKind(lossKind, loss, "compile", "loss");
  if (typeof loss === "function") return { name: loss.name || "loss", target: "any", values: loss };
  checkMeasure("loss", loss);
  return loss;
}
