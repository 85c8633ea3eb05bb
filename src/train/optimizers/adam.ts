import type { OptionsOf, SettingsOf } from "../../config/config.js";
import { configurable } from "../../config/configurable.js";
import { amount, flag, fraction, keyed } from "../../config/fields.js";
import type { SymbolicTensor } from "../../graph/ir.js";
import { add, div, expm1, maximum, mul, neg, sqrt, square, sub } from "../../graph/ops/elementwise.js";
import { makeOptimizer, type Optimizer, sharedFields } from "./optimizer.js";

/** The fields of Adam and its kin. */
export const momentFields = {
  /** Decay of the mean gradient; default 0.9. */
  beta1: keyed("beta_1", fraction(0.9)),
  /** Decay of the mean square; default 0.999. */
  beta2: keyed("beta_2", fraction(0.999)),
  /** Added to the root of the mean square ("ε hat" of the paper); default 1e-7. */
  epsilon: amount(1e-7),
};

/** 1 − βᵗ = −expm1(t·ln β), which keeps the digits that the difference loses in float32 while t is small. */
export const correction = (beta: number, iteration: SymbolicTensor): SymbolicTensor =>
  neg(expm1(mul(iteration, Math.log(beta))));

/** before + (1 − β)·(x − before). */
export const moved = (before: SymbolicTensor, x: SymbolicTensor, beta: number): SymbolicTensor =>
  add(before, mul(sub(x, before), 1 - beta));

const adamFields = {
  ...sharedFields({ learningRate: 0.001 }),
  ...momentFields,
  /** Uses the largest mean square so far (Reddi et al. 2018, algorithm 2). Default false. */
  amsgrad: flag(false),
};
const adamWFields = { ...adamFields, weightDecay: amount(0.004) };
/** Options of the optimizer Adam. */
export type AdamOptions = OptionsOf<typeof adamFields>;
/** Options of the optimizer AdamW. */
export type AdamWOptions = OptionsOf<typeof adamWFields>;

function adamRule(name: string, settings: SettingsOf<typeof adamFields>): Optimizer {
  const { beta1, beta2, epsilon, amsgrad } = settings;
  return makeOptimizer(name, settings, {
    slots: ["momentum", "velocity", ...(amsgrad ? ["velocityHat"] : [])],
    update({ parameters, gradients: g, learningRate: rate, iteration, slot }) {
      const alpha = div(mul(rate, sqrt(correction(beta2, iteration))), correction(beta1, iteration));
      const momentum = moved(slot("momentum"), g, beta1);
      const velocity = moved(slot("velocity"), square(g), beta2);
      const velocityHat = amsgrad ? maximum(slot("velocityHat"), velocity) : undefined;
      const change = div(mul(momentum, alpha), add(sqrt(velocityHat ?? velocity), epsilon));
      return {
        parameters: sub(parameters, change),
        slots: { momentum, velocity, ...(velocityHat === undefined ? {} : { velocityHat }) },
      };
    },
  });
}

/**
 * Adam (Kingma & Ba 2015, algorithm 1 in the form at the end of its section 2). Default learningRate 0.001.
 *
 * m ← m + (1 − β₁)·(g − m), v ← v + (1 − β₂)·(g² − v), θ ← θ − η·√(1 − β₂ᵗ)/(1 − β₁ᵗ) · m / (√v + ε).
 */
export const adam = configurable("Adam", adamFields, (settings) => adamRule("adam", settings));

/** Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2). Default weightDecay 0.004. */
export const adamW = configurable("AdamW", adamWFields, (settings) => adamRule("adamW", settings));
