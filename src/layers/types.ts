/**
 * Shapes on the level of types. A shape here leaves the batch axis out: `[28, 28]` stands for [batch, 28, 28].
 * `number` is a size that the types do not know, `readonly number[]` a shape of which they know nothing; neither is
 * ever an error.
 */
export type Sizes = readonly number[];

/** `inputShape` as an option: null where a size is not fixed (a time axis, say). */
export type InputShape = readonly (number | null)[];

/**
 * A layer's rule from input shape to output shape, evaluated with `this["in"]`. A layer of your own declares one:
 *
 * ```ts
 * interface LastStep extends ShapeRule {
 *   readonly out: this["in"] extends readonly [number, infer D extends number] ? [D] : ShapeError<"lastStep needs [batch, time, features]">;
 * }
 * class LastStepLayer extends Layer<LastStep> { … }
 * ```
 */
export interface ShapeRule {
  readonly in: Sizes;
  readonly out: unknown;
  /** The layer's own `inputShape`, where one is given as a literal. */
  readonly given: InputShape | undefined;
}

/** What a rule gives where a shape cannot fit; the message appears in the compiler's error on the layer. */
export interface ShapeError<Message extends string> {
  readonly error: Message;
}

/** The output shape of a rule for an input shape. */
export type OutputOf<R extends ShapeRule, In extends Sizes> = (R & { readonly in: In })["out"];
