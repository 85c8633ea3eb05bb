import { type Kind, ofKind } from "../../config/configurable.js";
import { bareName } from "../../config/keras.js";
import { adadelta } from "./adadelta.js";
import { adagrad } from "./adagrad.js";
import { adam, adamW } from "./adam.js";
import { adamax } from "./adamax.js";
import { nadam } from "./nadam.js";
import type { Optimizer } from "./optimizer.js";
import { rmsprop } from "./rmsprop.js";
import { sgd } from "./sgd.js";

/** All optimizers by name. */
export const optimizersByName = { sgd, rmsprop, adam, adamW, adagrad, adadelta, adamax, nadam };

/** The optimizers by name. */
export type OptimizerName = keyof typeof optimizersByName;

const classNames = Object.values(optimizersByName).map(({ className }) => className);

/** For files, and for `compile`. */
export const optimizerKind: Kind<Optimizer> = {
  noun: "optimizer",
  module: "keras.optimizers",
  factories: optimizersByName,
  accepts(value) {
    const { update, slots } = value as Partial<Optimizer>;
    return typeof update === "function" && Array.isArray(slots);
  },
  // Keras's names without a configuration are in small letters: `adamw`.
  className(name) {
    const bare = bareName(name);
    return classNames.find((known) => known.toLowerCase() === bare.toLowerCase()) ?? bare;
  },
};

/** An optimizer from its name (with its defaults) or as given. Unknown names are errors. */
export const resolveOptimizer = (optimizer: OptimizerName | Optimizer): Optimizer =>
  ofKind(optimizerKind, optimizer, "compile", "optimizer");
