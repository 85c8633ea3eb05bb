import { Tensor } from "../tensor.js";

/** Texts of two classes or more. */
export interface LabelledTexts<C extends string> {
  readonly texts: readonly string[];
  /** int32 [texts]: the number of each text's class. */
  readonly y: Tensor<"int32">;
  /** The classes' names, in the order of their numbers. */
  readonly classes: readonly C[];
}

/** Texts with the numbers of their classes. */
export const labelledTexts = <C extends string>(
  texts: readonly string[],
  labels: readonly number[],
  classes: readonly C[],
): LabelledTexts<C> => ({
  texts,
  y: new Tensor(Int32Array.from(labels), [texts.length], "int32"),
  classes,
});

/** What a film review makes of its film. */
export const polarities = ["negative", "positive"] as const;
/** The class of a text: `negative` or `positive`. */
export type Polarity = (typeof polarities)[number];
