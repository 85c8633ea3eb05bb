import type { OptionsOf } from "../../config/config.js";
import { configurable } from "../../config/configurable.js";
import type { SymbolicTensor } from "../../graph/ir.js";
import { add, div, exp, mul, sqrt, square, sub } from "../../graph/ops/elementwise.js";
import { correction, momentFields, moved } from "./adam.js";
import { makeOptimizer, sharedFields } from "./optimizer.js";

const fields = { ...sharedFields({ learningRate: 0.001 }), ...momentFields };
/** Options of the optimizer Nadam. */
export type NadamOptions = OptionsOf<typeof fields>;

/**
 * Adam with Nesterov's momentum (Dozat 2016, algorithm 2, with the schedule μₜ of its section 3.1). Default learningRate
 * 0.001.
 *
 * μₜ = β₁·(1 − 0.96ᵗ/2), Mₜ = μ₁ ⋯ μₜ, m and v as in Adam,
 * m̂ = μₜ₊₁·m / (1 − Mₜ₊₁) + (1 − μₜ)·g / (1 − Mₜ), θ ← θ − η·m̂ / (√(v / (1 − β₂ᵗ)) + ε).
 */
export const nadam = configurable("Nadam", fields, (settings) => {
  const { beta1, beta2, epsilon } = settings;
  const mu = (t: SymbolicTensor) => mul(beta1, sub(1, mul(0.5, exp(mul(t, Math.log(0.96))))));
  return makeOptimizer("nadam", settings, {
    slots: ["momentum", "velocity", { name: "product", initial: 1, scalar: true }],
    update({ parameters, gradients: g, learningRate: rate, iteration, slot }) {
      const [now, next] = [mu(iteration), mu(add(iteration, 1))];
      const product = mul(slot("product"), now);
      const momentum = moved(slot("momentum"), g, beta1);
      const velocity = moved(slot("velocity"), square(g), beta2);
      const mean = add(
        mul(momentum, div(next, sub(1, mul(product, next)))),
        mul(g, div(sub(1, now), sub(1, product))),
      );
      const root = sqrt(div(velocity, correction(beta2, iteration)));
      return {
        parameters: sub(parameters, div(mul(mean, rate), add(root, epsilon))),
        slots: { momentum, velocity, product },
      };
    },
  });
});
