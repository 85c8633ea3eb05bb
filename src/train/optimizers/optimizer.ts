import { checkOptions, namesOf, RondoError } from "../../errors.js";
import type { SymbolicTensor } from "../../graph/ir.js";

/** Limits on gradients; at most one of them may be set. */
export interface ClippingOptions {
  /** Each variable's gradient is scaled down to this Euclidean norm. */
  readonly clipNorm?: number;
  /** Each element of the gradients is limited to [-clipValue, clipValue]. */
  readonly clipValue?: number;
  /** All gradients together are scaled down to this Euclidean norm. */
  readonly globalClipNorm?: number;
}

export interface OptimizerOptions extends ClippingOptions {
  readonly learningRate?: number;
}

const sharedNames = namesOf<OptimizerOptions>({
  learningRate: true,
  clipNorm: true,
  clipValue: true,
  globalClipNorm: true,
});

/** What an update is made of: vectors over all P trainable parameters, and scalars. float32. */
export interface UpdateContext {
  /** [P] */
  readonly parameters: SymbolicTensor;
  /** [P] */
  readonly gradients: SymbolicTensor;
  /** []; state, so that it can change between steps. */
  readonly learningRate: SymbolicTensor;
  /** []: 1 in the first step. */
  readonly iteration: SymbolicTensor;
  /** [P]: the slot's value before this step; 0 in the first. */
  slot(name: string): SymbolicTensor;
}

/** The new values, all [P]; `slots` has every slot of the optimizer. */
export interface Updated {
  readonly parameters: SymbolicTensor;
  readonly slots: Readonly<Record<string, SymbolicTensor>>;
}

/** An optimizer: an update of the parameters as a piece of graph. One of your own is an object like this. */
export interface Optimizer {
  readonly name: string;
  /** Its options with their defaults, as Keras counts them, in camelCase. */
  readonly config: Readonly<Record<string, number | boolean>>;
  readonly learningRate: number;
  readonly clipping: ClippingOptions;
  /** Names of the vectors that it keeps from step to step. */
  readonly slots: readonly string[];
  update(context: UpdateContext): Updated;
}

/** Checks the options that all optimizers share and puts an optimizer together. */
export function makeOptimizer(
  name: string,
  options: OptimizerOptions & { learningRate: number },
  settings: Readonly<Record<string, number | boolean>>,
  slots: readonly string[],
  update: Optimizer["update"],
): Optimizer {
  checkOptions(name, options, [...sharedNames, ...Object.keys(settings)]);
  const { learningRate, clipNorm, clipValue, globalClipNorm } = options;
  const clipping: ClippingOptions = {
    ...(clipNorm === undefined ? {} : { clipNorm }),
    ...(clipValue === undefined ? {} : { clipValue }),
    ...(globalClipNorm === undefined ? {} : { globalClipNorm }),
  };
  const config = { learningRate, ...settings, ...clipping };
  for (const [option, value] of Object.entries(config)) {
    if (typeof value === "number" && !(value >= 0 && Number.isFinite(value))) {
      throw new RondoError({
        where: name,
        received: `${option}: ${value}`,
        expected: "a number of 0 or more",
        fix: `Change ${option}`,
      });
    }
  }
  if (Object.keys(clipping).length > 1) {
    throw new RondoError({
      where: name,
      received: Object.keys(clipping).join(" and "),
      expected: "at most one of clipNorm, clipValue and globalClipNorm",
      fix: "Keep one of them",
    });
  }
  return { name, config, learningRate, clipping, slots, update };
}
