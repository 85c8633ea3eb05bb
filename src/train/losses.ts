import { checkOptions, namesOf, RondoError, unknownName, valueText } from "../errors.js";
import type { SymbolicTensor } from "../graph/ir.js";
import {
  abs,
  add,
  clipByValue,
  div,
  elementwise,
  greater,
  log,
  mul,
  neg,
  softplus,
  square,
  sub,
  where,
} from "../graph/ops/elementwise.js";
import { oneHot } from "../graph/ops/gather.js";
import { mean, sum } from "../graph/ops/reduce.js";
import { logSoftmax, softmaxOp } from "../graph/ops/softmax.js";
import { checkMeasure, type Measure, type MeasureFunction } from "./measure.js";

/** Keras's fuzz factor: probabilities are kept this far from 0 and 1 before their logarithm. */
const epsilon = 1e-7;

/** What is minimised: one value per sample or time step; masks, weights and the mean come afterwards. */
export type Loss = Measure;

export interface ProbabilityOptions {
  /** Whether the model's output is logits rather than probabilities. Default false; a softmax (sigmoid) as the model's last op is undone by itself. */
  readonly fromLogits?: boolean;
}

export interface SmoothingOptions extends ProbabilityOptions {
  /** Targets t become t·(1 − s) + s/C over C classes (binary: C = 2): Szegedy et al. 2016, section 7. Default 0. */
  readonly labelSmoothing?: number;
}

const probabilityNames = namesOf<ProbabilityOptions>({ fromLogits: true });
const smoothingNames = namesOf<SmoothingOptions>({ fromLogits: true, labelSmoothing: true });

/** −Σ_c t_c·log p_c over the last axis: yTrue, yPred [.., C] → [..]. */
export function categoricalCrossentropy(options: SmoothingOptions = {}): Loss {
  const smoothing = smoothingOf("categoricalCrossentropy", options);
  return {
    name: "categoricalCrossentropy",
    target: "oneHot",
    domain: "nonNegative",
    link: softmaxOp,
    values(yTrue, yPred, linked) {
      const classes = yPred.shape.at(-1) ?? 1;
      const target = smoothing === 0 ? yTrue : add(mul(yTrue, 1 - smoothing), smoothing / Number(classes));
      const logits = linked || options.fromLogits === true;
      const logarithms = logits ? logSoftmax(yPred) : clippedLog(div(yPred, sum(yPred, -1, true)));
      return neg(sum(mul(target, logarithms), -1));
    },
  };
}

/** −log p_t for class numbers t: yTrue [..], yPred [.., C] → [..]. */
export function sparseCategoricalCrossentropy(options: ProbabilityOptions = {}): Loss {
  checkOptions("sparseCategoricalCrossentropy", options, probabilityNames);
  checkLogits("sparseCategoricalCrossentropy", options);
  return {
    name: "sparseCategoricalCrossentropy",
    target: "classes",
    link: softmaxOp,
    values(yTrue, yPred, linked) {
      const hit = greater(oneHot(yTrue, Number(yPred.shape.at(-1))), 0);
      const logits = linked || options.fromLogits === true ? yPred : clippedLog(yPred);
      // Selected, not multiplied: the logarithms of other classes may be −∞.
      return neg(sum(where(hit, logSoftmax(logits), 0), -1));
    },
  };
}

/** Mean over the last axis of −t·log p − (1 − t)·log(1 − p): yTrue, yPred [.., K] → [..]. */
export function binaryCrossentropy(options: SmoothingOptions = {}): Loss {
  const smoothing = smoothingOf("binaryCrossentropy", options);
  return {
    name: "binaryCrossentropy",
    target: "values",
    domain: "probabilities",
    link: elementwise.sigmoid,
    values(yTrue, yPred, linked) {
      const target = smoothing === 0 ? yTrue : add(mul(yTrue, 1 - smoothing), smoothing / 2);
      // With p = σ(x): −log p = softplus(−x) and −log(1 − p) = softplus(x), each exact where it is small.
      const [yes, no] =
        linked || options.fromLogits === true
          ? [softplus(neg(yPred)), softplus(yPred)]
          : [neg(clippedLog(yPred)), neg(clippedLog(sub(1, yPred)))];
      return mean(add(mul(target, yes), mul(sub(1, target), no)), -1);
    },
  };
}

/** Mean over the last axis of (t − p)²: yTrue, yPred [.., K] → [..]. */
export const meanSquaredError = (): Loss => ({
  name: "meanSquaredError",
  target: "values",
  values: (yTrue, yPred) => mean(square(sub(yPred, yTrue)), -1),
});

/** Mean over the last axis of |t − p|: yTrue, yPred [.., K] → [..]. */
export const meanAbsoluteError = (): Loss => ({
  name: "meanAbsoluteError",
  target: "values",
  values: (yTrue, yPred) => mean(abs(sub(yPred, yTrue)), -1),
});

/** All losses by name, short names included. */
export const lossesByName = {
  categoricalCrossentropy,
  sparseCategoricalCrossentropy,
  binaryCrossentropy,
  meanSquaredError,
  meanAbsoluteError,
  mse: meanSquaredError,
  mae: meanAbsoluteError,
} as const satisfies Record<string, () => Loss>;

export type LossName = keyof typeof lossesByName;

/** A loss from its name, an object of this module, or a function of your own. Unknown names are errors. */
export function resolveLoss(loss: LossName | Loss | MeasureFunction): Loss {
  if (typeof loss === "function") return { name: loss.name || "loss", target: "any", values: loss };
  if (typeof loss !== "string") {
    checkMeasure("loss", loss);
    return loss;
  }
  if (!Object.hasOwn(lossesByName, loss))
    throw unknownName("compile", "loss", loss, Object.keys(lossesByName));
  return lossesByName[loss]();
}

const clippedLog = (probability: SymbolicTensor): SymbolicTensor =>
  log(clipByValue(probability, epsilon, 1 - epsilon));

/** Checks the options; the smoothing among them. */
function smoothingOf(name: string, options: SmoothingOptions): number {
  checkOptions(name, options, smoothingNames);
  checkLogits(name, options);
  const { labelSmoothing = 0 } = options;
  if (Number.isFinite(labelSmoothing) && labelSmoothing >= 0 && labelSmoothing < 1) return labelSmoothing;
  throw new RondoError({
    where: name,
    received: `labelSmoothing: ${valueText(labelSmoothing)}`,
    expected: "a fraction from 0 (none) to below 1",
    fix: "Change labelSmoothing",
  });
}

function checkLogits(name: string, { fromLogits }: ProbabilityOptions): void {
  if (fromLogits === undefined || typeof fromLogits === "boolean") return;
  throw new RondoError({
    where: name,
    received: `fromLogits: ${valueText(fromLogits)}`,
    expected: "true or false",
    fix: "Change fromLogits",
  });
}
