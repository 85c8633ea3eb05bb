import { mul, sub } from "../../graph/ops/elementwise.js";
import { makeOptimizer, type Optimizer, type OptimizerOptions } from "./optimizer.js";

export interface SgdOptions extends OptimizerOptions {
  /** Fraction of the last step that is kept; default 0 (plain gradient descent). */
  readonly momentum?: number;
  /** Nesterov's momentum: the gradient acts as if taken one step ahead. Default false. */
  readonly nesterov?: boolean;
}

/**
 * Stochastic gradient descent. Default learningRate 0.01.
 *
 * v ← μ·v − η·g, then θ ← θ + v; with Nesterov's momentum θ ← θ + μ·v − η·g (Sutskever et al. 2013, equations 3 and 4, in
 * the form of Bengio et al. 2013).
 */
export function sgd(options: SgdOptions = {}): Optimizer {
  return makeOptimizer(
    "sgd",
    options,
    { learningRate: 0.01, momentum: 0, nesterov: false },
    ({ momentum, nesterov }) => ({
      slots: momentum === 0 ? [] : ["momentum"],
      update({ parameters, gradients, learningRate: rate, slot }) {
        const step = mul(gradients, rate);
        if (momentum === 0) return { parameters: sub(parameters, step), slots: {} };
        const velocity = sub(mul(slot("momentum"), momentum), step);
        const change = nesterov ? sub(step, mul(velocity, momentum)) : mul(velocity, -1);
        return { parameters: sub(parameters, change), slots: { momentum: velocity } };
      },
    }),
  );
}
