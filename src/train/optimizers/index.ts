import { RondoError, unknownName, valueText } from "../../errors.js";
import { adam } from "./adam.js";
import type { Optimizer } from "./optimizer.js";
import { rmsprop } from "./rmsprop.js";
import { sgd } from "./sgd.js";

/** All optimizers by name. */
export const optimizersByName = { sgd, rmsprop, adam } as const satisfies Record<string, () => Optimizer>;

export type OptimizerName = keyof typeof optimizersByName;

/** An optimizer from its name (with its defaults) or as given. Unknown names are errors. */
export function resolveOptimizer(optimizer: OptimizerName | Optimizer): Optimizer {
  if (typeof optimizer !== "string") {
    const { update, slots, clipping } = (optimizer ?? {}) as Partial<Optimizer>;
    if (typeof update === "function" && Array.isArray(slots) && typeof clipping === "object")
      return optimizer;
    throw new RondoError({
      where: "compile",
      received: `${valueText(optimizer)} for an optimizer`,
      expected: "a name or an optimizer",
      fix:
        typeof optimizer === "function"
          ? "Call it: optimizers.adam()"
          : 'Write for example "adam" or optimizers.adam({ learningRate: 0.01 })',
    });
  }
  if (!Object.hasOwn(optimizersByName, optimizer))
    throw unknownName("compile", "optimizer", optimizer, Object.keys(optimizersByName));
  return optimizersByName[optimizer]();
}
