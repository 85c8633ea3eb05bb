import type { OptionsOf } from "../../config/config.js";
import { configurable } from "../../config/configurable.js";
import { amount, fraction } from "../../config/fields.js";
import { add, div, mul, sqrt, square, sub } from "../../graph/ops/elementwise.js";
import { makeOptimizer, sharedFields } from "./optimizer.js";

const fields = {
  ...sharedFields({ learningRate: 0.001 }),
  /** Decay of both mean squares; default 0.95. */
  rho: fraction(0.95),
  /** Added to both mean squares; default 1e-7. */
  epsilon: amount(1e-7),
};
/** Options of the optimizer Adadelta. */
export type AdadeltaOptions = OptionsOf<typeof fields>;

/**
 * Adadelta (Zeiler 2012, algorithm 1, times a learning rate). Default learningRate 0.001, as in Keras; the paper's is 1.
 *
 * n ← ρ·n + (1 − ρ)·g², Δ = g·√(d + ε) / √(n + ε), d ← ρ·d + (1 − ρ)·Δ², θ ← θ − η·Δ.
 */
export const adadelta = configurable("Adadelta", fields, (settings) => {
  const { rho, epsilon } = settings;
  return makeOptimizer("adadelta", settings, {
    slots: ["accumulatedGradient", "accumulatedDelta"],
    idle: { accumulatedGradient: rho, accumulatedDelta: rho },
    update({ parameters, gradients: g, learningRate: rate, slot }) {
      const mean = (before: string, x: typeof g) => add(mul(slot(before), rho), mul(square(x), 1 - rho));
      const accumulatedGradient = mean("accumulatedGradient", g);
      const root = (x: typeof g) => sqrt(add(x, epsilon));
      const delta = div(mul(root(slot("accumulatedDelta")), g), root(accumulatedGradient));
      const accumulatedDelta = mean("accumulatedDelta", delta);
      return {
        parameters: sub(parameters, mul(rate, delta)),
        slots: { accumulatedGradient, accumulatedDelta },
      };
    },
  });
});
