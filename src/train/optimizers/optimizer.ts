import { checkOptions, RondoError, valueText } from "../../errors.js";
import type { SymbolicTensor } from "../../graph/ir.js";

/** Limits on gradients; at most one of them may be set, and 0 is none, as in Keras. */
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

const clippingNames = ["clipNorm", "clipValue", "globalClipNorm"] as const;
const sharedNames: readonly string[] = ["learningRate", ...clippingNames];

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

/** Options that every optimizer of this module has besides the shared ones: numbers of 0 or more, and switches. */
type Settings = Readonly<Record<string, number | boolean>>;

/** Settings with the same names whose values are no literals. */
type Widened<S> = { readonly [K in keyof S]: S[K] extends boolean ? boolean : number };

/** Decays of running means: a mean that decays by 1 never learns anything, and its correction divides by 0. */
const decays: readonly string[] = ["beta1", "beta2", "rho"];

/**
 * Puts an optimizer together from its options.
 *
 * @param defaults of the learning rate and of what this optimizer has besides
 * @throws RondoError for an unknown option, and for values that are no number of 0 or more (below 1 for decays) or no switch
 */
export function makeOptimizer<const S extends Settings & { readonly learningRate: number }>(
  name: string,
  options: OptimizerOptions & Partial<Widened<S>>,
  defaults: S,
  rule: (settings: Widened<S>) => Pick<Optimizer, "slots" | "update">,
): Optimizer {
  checkOptions(name, options, [...new Set([...sharedNames, ...Object.keys(defaults)])]);
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const config = { ...defaults, ...given } as Widened<S> & OptimizerOptions & Settings;
  for (const [option, value] of Object.entries(config)) {
    const below = decays.includes(option) ? 1 : Number.POSITIVE_INFINITY;
    const isSwitch = typeof defaults[option] === "boolean";
    if (isSwitch ? typeof value === "boolean" : typeof value === "number" && value >= 0 && value < below)
      continue;
    throw new RondoError({
      where: name,
      received: `${option}: ${valueText(value)}`,
      expected: isSwitch ? "true or false" : `a number from 0${below === 1 ? " to below 1" : ""}`,
      fix: `Change ${option}`,
    });
  }
  const clipping: ClippingOptions = Object.fromEntries(
    clippingNames.filter((limit) => limit in config).map((limit) => [limit, config[limit]]),
  );
  if (Object.keys(clipping).length > 1) {
    throw new RondoError({
      where: name,
      received: Object.keys(clipping).join(" and "),
      expected: "at most one of clipNorm, clipValue and globalClipNorm",
      fix: "Keep one of them",
    });
  }
  return { name, config, learningRate: config.learningRate, clipping, ...rule(config) };
}
