import type { OptionsOf } from "../../config/config.js";
import { configurable } from "../../config/configurable.js";
import { amount } from "../../config/fields.js";
import { add, div, mul, sqrt, square, sub } from "../../graph/ops/elementwise.js";
import { makeOptimizer, sharedFields } from "./optimizer.js";

const fields = {
  ...sharedFields({ learningRate: 0.001 }),
  /** What the sum of squares starts at; default 0.1. */
  initialAccumulatorValue: amount(0.1),
  /** Added to the sum of squares; default 1e-7. */
  epsilon: amount(1e-7),
};
/** Options of the optimizer Adagrad. */
export type AdagradOptions = OptionsOf<typeof fields>;

/**
 * Adagrad (Duchi, Hazan & Singer 2011, the diagonal form of figure 1). Default learningRate 0.001. The rate of a weight
 * only ever falls.
 *
 * n ← n + g², θ ← θ − η·g / √(n + ε).
 */
export const adagrad = configurable("Adagrad", fields, (settings) => {
  const { initialAccumulatorValue, epsilon } = settings;
  return makeOptimizer("adagrad", settings, {
    slots: [{ name: "accumulator", initial: initialAccumulatorValue }],
    idle: {},
    update({ parameters, gradients: g, learningRate: rate, slot }) {
      const accumulator = add(slot("accumulator"), square(g));
      const change = div(mul(rate, g), sqrt(add(accumulator, epsilon)));
      return { parameters: sub(parameters, change), slots: { accumulator } };
    },
  });
});
