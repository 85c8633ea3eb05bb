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
  /** The shape that comes in: some `Sizes`. */
  readonly in: unknown;
  /** The shape that goes out: some `Sizes`, or a `ShapeError`. */
  readonly out: unknown;
  /** The layer's own `inputShape`, where one is given as a literal. */
  readonly given: InputShape | undefined;
  /** The shapes of the values that `apply` gives after the output, such as final states; left out: it gives that alone. */
  readonly further?: readonly Sizes[] | undefined;
}

/** What a rule gives where a shape cannot fit; the message appears in the compiler's error on the layer. */
export interface ShapeError<Message extends string> {
  readonly "does not fit": Message;
}

/**
 * What a layer over time gives where there is no time axis: its own inputShape (S) is to blame, or the layer before
 * (also where S is not known, as when the compiler infers a list at once).
 */
export type NeedsTime<
  Kind extends string,
  S,
> = ShapeError<`${Kind} needs [batch, time, features]; set ${TimeFix<S>}`>;
type TimeFix<S> = [S] extends [InputShape]
  ? "inputShape to [time, features]"
  : "returnSequences: true on the layer before";

/** The output shape of a rule for an input shape. */
export type OutputOf<R extends ShapeRule, In> = (R & { readonly in: In })["out"];

/** Sizes of an `inputShape` literal; an open size is a `number`. */
export type SizesOf<S extends InputShape | undefined> = S extends InputShape
  ? { readonly [K in keyof S]: S[K] extends number ? S[K] : number }
  : Sizes;

/** True where the types know nothing about the shape. */
export type IsUnknown<In> = In extends Sizes ? (number extends In["length"] ? true : false) : true;

/** Elementwise layers: what goes in comes out. */
export interface Keeps<S extends InputShape | undefined = undefined> extends ShapeRule {
  readonly given: S;
  readonly out: this["in"];
}

/** Whether two shapes of known rank can be the same one: no sizes that differ. */
type Compatible<A extends Sizes, B extends Sizes> = A["length"] extends B["length"]
  ? true extends { [K in keyof A]: K extends keyof B ? Differ<A[K], B[K]> : false }[number]
    ? false
    : true
  : false;
type Differ<A, B> = [A & B] extends [never] ? true : false;

/** The shape that reaches a layer: the output of the one before, or its own `inputShape` where that is told. */
type Arriving<R extends ShapeRule, Before extends Sizes> =
  IsUnknown<SizesOf<R["given"]>> extends true
    ? Before
    : IsUnknown<Before> extends true
      ? SizesOf<R["given"]>
      : Compatible<Before, SizesOf<R["given"]>> extends true
        ? Before
        : ShapeError<"inputShape differs from the output of the layer before; leave it out or correct it">;

type Carrier = { readonly "~rule": ShapeRule };

/** The list with a ShapeError in the place of the first layer that does not fit. */
type Check<L, In extends Sizes, Done extends readonly unknown[] = []> = L extends readonly [
  infer First extends Carrier,
  ...infer Rest,
]
  ? Step<First["~rule"], Arriving<First["~rule"], In>> extends infer Out
    ? Out extends Sizes
      ? Check<Rest, Out, [...Done, First]>
      : [...Done, Out, ...Rest]
    : never
  : Done;
/**
 * What comes out for what arrives; a layer without a rule gives a shape of which nothing is known, and such a shape fits
 * everywhere, whatever the rule of the next layer makes of it.
 */
type Step<R extends ShapeRule, Arrived> = Arrived extends Sizes
  ? unknown extends OutputOf<R, Arrived>
    ? Sizes
    : IsUnknown<Arrived> extends true
      ? Extract<OutputOf<R, Arrived>, Sizes> extends never
        ? Sizes
        : OutputOf<R, Arrived>
      : OutputOf<R, Arrived>
  : Arrived;

/** What a rule makes of what `apply` is given: a shape, a list of shapes, or nothing known. */
export type Outcome<R extends ShapeRule, In> = In extends Sizes
  ? Step<R, In>
  : unknown extends OutputOf<R, In>
    ? Sizes
    : OutputOf<R, In>;

type Place<L, K> = K extends keyof L ? L[K] : unknown;

/**
 * The parameter type of a function that takes a list of layers: the list itself where every layer fits the one before,
 * else one whose first misfit must have the message as its type, so that the compiler's error stands on that layer.
 * Lists of unknown length are taken as they are.
 *
 * ```ts
 * function sequential<const L extends readonly Layer[]>(layers: CheckedLayers<L>)
 * ```
 */
export type CheckedLayers<L extends readonly Carrier[]> = number extends L["length"]
  ? L
  : { readonly [K in keyof L]: L[K] & Place<Check<L, Sizes>, K> };
