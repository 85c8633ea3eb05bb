import { add, div, expm1, maximum, mul, neg, sqrt, square, sub } from "../../graph/ops/elementwise.js";
import { makeOptimizer, type Optimizer, type OptimizerOptions } from "./optimizer.js";

export interface AdamOptions extends OptimizerOptions {
  /** Decay of the mean gradient; default 0.9. */
  readonly beta1?: number;
  /** Decay of the mean square; default 0.999. */
  readonly beta2?: number;
  /** Added to the root of the mean square ("ε hat" of the paper); default 1e-7. */
  readonly epsilon?: number;
  /** Uses the largest mean square so far (Reddi et al. 2018, algorithm 2). Default false. */
  readonly amsgrad?: boolean;
}

/**
 * Adam (Kingma & Ba 2015, algorithm 1 in the form at the end of its section 2). Default learningRate 0.001.
 *
 * m ← m + (1 − β₁)·(g − m), v ← v + (1 − β₂)·(g² − v), θ ← θ − η·√(1 − β₂ᵗ)/(1 − β₁ᵗ) · m / (√v + ε).
 */
export function adam(options: AdamOptions = {}): Optimizer {
  return makeOptimizer(
    "adam",
    options,
    { learningRate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, amsgrad: false },
    ({ beta1, beta2, epsilon, amsgrad }) => ({
      slots: ["momentum", "velocity", ...(amsgrad ? ["velocityHat"] : [])],
      update({ parameters, gradients: g, learningRate: rate, iteration, slot }) {
        // 1 − βᵗ = −expm1(t·ln β) keeps the digits that the difference loses in float32 while t is small.
        const correction = (beta: number) => neg(expm1(mul(iteration, Math.log(beta))));
        const alpha = div(mul(rate, sqrt(correction(beta2))), correction(beta1));
        const momentum = add(slot("momentum"), mul(sub(g, slot("momentum")), 1 - beta1));
        const velocity = add(slot("velocity"), mul(sub(square(g), slot("velocity")), 1 - beta2));
        const velocityHat = amsgrad ? maximum(slot("velocityHat"), velocity) : undefined;
        const change = div(mul(momentum, alpha), add(sqrt(velocityHat ?? velocity), epsilon));
        return {
          parameters: sub(parameters, change),
          slots: { momentum, velocity, ...(velocityHat === undefined ? {} : { velocityHat }) },
        };
      },
    }),
  );
}
