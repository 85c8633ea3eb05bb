import type { OptionsOf } from "../../config/config.js";
import { configurable } from "../../config/configurable.js";
import { abs, add, div, maximum, mul, sub } from "../../graph/ops/elementwise.js";
import { correction, momentFields, moved } from "./adam.js";
import { makeOptimizer, sharedFields } from "./optimizer.js";

const fields = { ...sharedFields({ learningRate: 0.001 }), ...momentFields };
/** Options of the optimizer Adamax. */
export type AdamaxOptions = OptionsOf<typeof fields>;

/**
 * Adamax (Kingma & Ba 2015, algorithm 2). Default learningRate 0.001.
 *
 * m ← m + (1 − β₁)·(g − m), u ← max(β₂·u, |g|), θ ← θ − η·m / ((1 − β₁ᵗ)·(u + ε)).
 */
export const adamax = configurable("Adamax", fields, (settings) => {
  const { beta1, beta2, epsilon } = settings;
  return makeOptimizer("adamax", settings, {
    slots: ["momentum", "norm"],
    update({ parameters, gradients: g, learningRate: rate, iteration, slot }) {
      const momentum = moved(slot("momentum"), g, beta1);
      const norm = maximum(mul(slot("norm"), beta2), abs(g));
      const change = div(mul(rate, momentum), mul(correction(beta1, iteration), add(norm, epsilon)));
      return { parameters: sub(parameters, change), slots: { momentum, norm } };
    },
  });
});
