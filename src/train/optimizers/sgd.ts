import type { OptionsOf } from "../../config/config.js";
import { configurable } from "../../config/configurable.js";
import { flag, share } from "../../config/fields.js";
import { mul, neg, sub } from "../../graph/ops/elementwise.js";
import { makeOptimizer, sharedFields } from "./optimizer.js";

const fields = {
  ...sharedFields({ learningRate: 0.01 }),
  /** Fraction of the last step that is kept; default 0 (plain gradient descent). */
  momentum: share(0),
  /** Nesterov's momentum: the gradient acts as if taken one step ahead. Default false. */
  nesterov: flag(false),
};
/** Options of the optimizer SGD. */
export type SGDOptions = OptionsOf<typeof fields>;

/**
 * Stochastic gradient descent. Default learningRate 0.01.
 *
 * v ← μ·v − η·g, then θ ← θ + v; with Nesterov's momentum θ ← θ + μ·v − η·g (Sutskever et al. 2013, equations 3 and 4, in
 * the form of Bengio et al. 2013).
 */
export const sgd = configurable(
  "SGD",
  fields,
  (settings) => {
    const { momentum, nesterov } = settings;
    return makeOptimizer("sgd", settings, {
      slots: momentum === 0 ? [] : ["momentum"],
      idle: momentum === 0 ? {} : undefined,
      update({ parameters, gradients, learningRate: rate, slot }) {
        const step = mul(gradients, rate);
        if (momentum === 0) return { parameters: sub(parameters, step), slots: {} };
        const velocity = sub(mul(slot("momentum"), momentum), step);
        const change = nesterov ? sub(step, mul(velocity, momentum)) : neg(velocity);
        return { parameters: sub(parameters, change), slots: { momentum: velocity } };
      },
    });
  },
  "sgd",
);
