import type { OptionsOf } from "../../config/config.js";
import { configurable } from "../../config/configurable.js";
import { amount, flag, fraction } from "../../config/fields.js";
import { add, div, mul, sqrt, square, sub } from "../../graph/ops/elementwise.js";
import { makeOptimizer, sharedFields } from "./optimizer.js";

const fields = {
  ...sharedFields({ learningRate: 0.001 }),
  /** Decay of the mean square; default 0.9. */
  rho: fraction(0.9),
  /** Default 0. */
  momentum: amount(0),
  /** Added to the mean square; default 1e-7. */
  epsilon: amount(1e-7),
  /** Whether the squared mean gradient is subtracted from the mean square (the variance is used). Default false. */
  centered: flag(false),
};
/** Options of the optimizer RMSprop. */
export type RMSpropOptions = OptionsOf<typeof fields>;

/**
 * RMSprop (Tieleman & Hinton 2012, lecture 6e; centered: Graves 2013, equations 38 to 41). Default learningRate 0.001.
 *
 * n ← ρ·n + (1 − ρ)·g²; Δ = η·g / √(n + ε), in the centered form η·g / √(n − m² + ε) with m ← ρ·m + (1 − ρ)·g; θ ← θ − Δ, with
 * momentum b ← μ·b + Δ and θ ← θ − b.
 */
export const rmsprop = configurable(
  "RMSprop",
  fields,
  (settings) => {
    const { rho, momentum, epsilon, centered } = settings;
    return makeOptimizer("rmsprop", settings, {
      slots: ["velocity", ...(momentum > 0 ? ["momentum"] : []), ...(centered ? ["averageGradient"] : [])],
      idle: momentum > 0 ? undefined : { velocity: rho, ...(centered ? { averageGradient: rho } : {}) },
      update({ parameters, gradients: g, learningRate: rate, slot }) {
        const velocity = add(mul(slot("velocity"), rho), mul(square(g), 1 - rho));
        const average = centered ? add(mul(slot("averageGradient"), rho), mul(g, 1 - rho)) : undefined;
        const variance = average === undefined ? velocity : sub(velocity, square(average));
        const step = div(mul(rate, g), sqrt(add(variance, epsilon)));
        const change = momentum > 0 ? add(mul(slot("momentum"), momentum), step) : step;
        return {
          parameters: sub(parameters, change),
          slots: {
            velocity,
            ...(momentum > 0 ? { momentum: change } : {}),
            ...(average === undefined ? {} : { averageGradient: average }),
          },
        };
      },
    });
  },
  "rmsprop",
);
