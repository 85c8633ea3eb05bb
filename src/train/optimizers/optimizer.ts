import { type Field, invalid, type Json, type SettingsOf } from "../../config/config.js";
import { writeOfKind } from "../../config/configurable.js";
import {
  amount,
  flag,
  keyed,
  notSaved,
  optionalAmount,
  optionalCount,
  share,
  texts,
} from "../../config/fields.js";
import { RondoError } from "../../errors.js";
import type { SymbolicTensor } from "../../graph/ir.js";
import { isSchedule, type Schedule } from "../rate.js";

/** What an optimizer keeps from step to step: a vector like the parameters, or one number. */
export interface Slot {
  readonly name: string;
  /** First value of each element; default 0. */
  readonly initial?: number;
  /** One number for all parameters; default false. */
  readonly scalar?: boolean;
}

/** What an update is made of: vectors over the P parameters of a group of weights, and scalars. float32. */
export interface UpdateContext {
  /** [P] */
  readonly parameters: SymbolicTensor;
  /** [P] */
  readonly gradients: SymbolicTensor;
  /** That of this step, a single number. */
  readonly learningRate: SymbolicTensor;
  /** 1 in the first step, a single number. */
  readonly iteration: SymbolicTensor;
  /** [P], or [] for a scalar: the slot's value before this step; its initial value in the first. */
  slot(name: string): SymbolicTensor;
}

/** The new values, shaped as the old ones; `slots` has every slot of the optimizer. */
export interface Updated {
  readonly parameters: SymbolicTensor;
  readonly slots: Readonly<Record<string, SymbolicTensor>>;
}

/** A finite number of 0 or more, or a schedule. */
const learningRate = (initial: number): Field<number | Schedule, number | Schedule, false> => ({
  ...amount(initial),
  read(given, where, name) {
    if (typeof given === "number") return amount(initial).read(given, where, name);
    if (typeof given === "object" && given !== null && isSchedule(given)) return given;
    throw invalid(where, name, given, "a number from 0, or a schedule such as schedules.cosineDecay({ … })");
  },
  write(value, where): Json {
    if (typeof value === "number") return value;
    const json = writeOfKind({ module: "keras.optimizers.schedules" }, value);
    if (json !== undefined) return json;
    throw invalid(where, "learningRate", value, "one of Rondo's schedules, to write it to a file");
  },
  parse(json, reader, where) {
    if (typeof json === "number") return json;
    if (reader.schedule === undefined) throw new Error(`${where}: schedules are not read here`);
    return reader.schedule(json, where) as Schedule;
  },
});

/** The fields that all optimizers share, with Keras's defaults but for those that differ between optimizers. */
export const sharedFields = (defaults: { readonly learningRate: number; readonly weightDecay?: number }) => ({
  /** A number, or a schedule. */
  learningRate: learningRate(defaults.learningRate),
  /** θ ← θ − θ · weightDecay · η before each update (Loshchilov & Hutter 2019); null: none. */
  weightDecay: optionalAmount(defaults.weightDecay ?? null),
  /** The weights whose name has one of these texts in it are not decayed: `["bias"]`. Default: none of them. */
  excludeFromWeightDecay: notSaved(texts),
  /** Each weight's gradient is scaled down to this Euclidean norm; null (default) or 0: not. */
  clipNorm: keyed("clipnorm", optionalAmount(null)),
  /** Each element of the gradients is limited to [-clipValue, clipValue]; null (default) or 0: not. */
  clipValue: keyed("clipvalue", optionalAmount(null)),
  /** All gradients together are scaled down to this Euclidean norm; null (default) or 0: not. */
  globalClipNorm: keyed("global_clipnorm", optionalAmount(null)),
  /** Whether a moving average of the weights is kept, which they are set to at the end of fit. Default false. */
  useEma: flag(false),
  /** How much of the average stays in each step; default 0.99. */
  emaMomentum: share(0.99),
  /** After how many steps the weights are set to their average each time; null (default): at the end of fit alone. */
  emaOverwriteFrequency: optionalCount(1),
  /**
   * The gradient of the loss over the data of so many steps together makes one update, whatever their sizes, masks and
   * weights (with the reduction `sum`: the mean of their gradients); null (default): each step makes one.
   */
  gradientAccumulationSteps: optionalCount(2),
});
/** The fields that every optimizer's configuration has. */
export type SharedFields = ReturnType<typeof sharedFields>;

/** An optimizer: an update of parameters as a piece of graph. One of your own is an object like this. */
export interface Optimizer extends Partial<SettingsOf<SharedFields>> {
  /** As in errors: `adam`. */
  readonly name: string;
  readonly learningRate: number | Schedule;
  /** What it keeps from step to step; a name alone is a vector that starts at 0. */
  readonly slots: readonly (string | Slot)[];
  /**
   * For an optimizer that leaves a parameter where it is while its gradient is 0: by which factor each of its slots is
   * multiplied in such a step (left out: 1). Tables are then updated by the rows that a step names. Default: it moves them.
   */
  readonly idle?: Readonly<Record<string, number>> | undefined;
  /** New values of the parameters and the slots, in ops. */
  update(context: UpdateContext): Updated;
}

/** A slot with all that there is to know about it. */
export const slotOf = (slot: string | Slot): Required<Slot> => ({
  initial: 0,
  scalar: false,
  ...(typeof slot === "string" ? { name: slot } : slot),
});

/**
 * Puts an optimizer together from its settings.
 *
 * @throws RondoError where more than one limit on gradients is set
 */
export function makeOptimizer(
  name: string,
  settings: SettingsOf<SharedFields>,
  rule: Pick<Optimizer, "slots" | "update" | "idle">,
): Optimizer {
  const limits = (["clipNorm", "clipValue", "globalClipNorm"] as const).filter(
    (limit) => settings[limit] !== null,
  );
  if (limits.length > 1) {
    throw new RondoError({
      where: name,
      received: limits.join(" and "),
      expected: "at most one of clipNorm, clipValue and globalClipNorm",
      fix: "Keep one of them",
    });
  }
  return { name, ...settings, ...rule };
}

/** The same optimizer with another learning rate, in files too. */
export function withLearningRate(optimizer: Optimizer, rate: number): Optimizer {
  const { config } = optimizer as Optimizer & { readonly config?: object };
  return {
    ...optimizer,
    learningRate: rate,
    ...(config === undefined ? {} : { config: { ...config, learning_rate: rate } }),
  };
}
