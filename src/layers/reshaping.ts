import type { OptionsOf } from "../config/config.js";
import { plain, size } from "../config/fields.js";
import type { SymbolicTensor } from "../graph/ir.js";
import { pad } from "../graph/ops/join.js";
import { broadcastTo, expandDims, slice, transpose } from "../graph/ops/shape.js";
import { batchShapeText, defineLayer, type Inputs, type InputTypes, Layer } from "./layer.js";
import type { InputShape, IsUnknown, NeedsTime, ShapeError, ShapeRule, Sizes } from "./types.js";

// B batch, T time, D features.

const repeatDefinition = defineLayer(
  "RepeatVector",
  {
    /** How often. */
    n: size,
  },
  { masks: "drops" },
);
/** Options of the layer RepeatVector. */
export type RepeatVectorOptions = OptionsOf<typeof repeatDefinition.fields>;

/** [D] → [n, D] */
export interface RepeatVectorRule<N extends number, S extends InputShape | undefined = undefined>
  extends ShapeRule {
  readonly given: S;
  readonly out: IsUnknown<this["in"]> extends true
    ? [N, number]
    : this["in"] extends readonly [infer D extends number]
      ? [N, D]
      : ShapeError<"repeatVector needs [batch, features]; leave returnSequences out of the layer before">;
}

/** The same vector at n steps: [B, D] → [B, n, D]. */
export class RepeatVector<R extends ShapeRule = ShapeRule> extends Layer<R, typeof repeatDefinition.fields> {
  static readonly definition = repeatDefinition;

  constructor(options: RepeatVectorOptions) {
    super(repeatDefinition, options);
  }

  protected override checkInputs([{ shape }]: InputTypes): void {
    if (shape.length === 2) return;
    throw this.error(
      batchShapeText(shape),
      "[batch, features]",
      "Give it one vector a sample: leave returnSequences out of the layer before, or flatten its output",
    );
  }

  override call([x]: Inputs): SymbolicTensor {
    const [batch = 1, features = 1] = x.shape;
    return broadcastTo(expandDims(x, 1), [batch, this.settings.n, features]);
  }
}

/** Repeats a vector over n time steps. */
export const repeatVector = <const N extends number, const S extends InputShape | undefined = undefined>(
  options: RepeatVectorOptions & { readonly n: N; readonly inputShape?: S },
): RepeatVector<RepeatVectorRule<N, S>> => new RepeatVector(options);

const permuteDefinition = defineLayer(
  "Permute",
  {
    /** Which axis of the input stands at each place of the output, counted from 1: axis 0 is the batch. */
    dims: plain<readonly number[]>(
      (x) => Array.isArray(x) && x.length > 0 && [...x].sort((a, b) => a - b).every((d, i) => d === i + 1),
      "each of the axes from 1 on, once",
    ).required,
  },
  { masks: "drops" },
);
/** Options of the layer Permute. */
export type PermuteOptions = OptionsOf<typeof permuteDefinition.fields>;

/** The axes in another order; sizes are told where `dims` is a literal. */
export interface PermuteRule<D extends Sizes, S extends InputShape | undefined = undefined>
  extends ShapeRule {
  readonly given: S;
  readonly out: Permuted<this["in"], D>;
}
type Permuted<In, D extends Sizes> =
  IsUnknown<In> extends true
    ? { readonly [K in keyof D]: number }
    : In extends Sizes
      ? In["length"] extends D["length"]
        ? { readonly [K in keyof D]: [0, ...In][D[K]] & number }
        : ShapeError<"permute needs as many axes as dims has">
      : Sizes;

/** The axes of each sample in another order: `dims: [2, 1]` makes [B, T, D] to [B, D, T]. */
export class Permute<R extends ShapeRule = ShapeRule> extends Layer<R, typeof permuteDefinition.fields> {
  static readonly definition = permuteDefinition;

  constructor(options: PermuteOptions) {
    super(permuteDefinition, options);
  }

  protected override checkInputs([{ shape }]: InputTypes): void {
    const { dims } = this.settings;
    if (shape.length === dims.length + 1) return;
    throw this.error(
      `${batchShapeText(shape)} with dims: [${dims.join(", ")}]`,
      `an input of ${dims.length + 1} axes, the batch axis included`,
      "List every axis but the batch in dims, counted from 1",
    );
  }

  override call([x]: Inputs): SymbolicTensor {
    return transpose(x, [0, ...this.settings.dims]);
  }
}

/** Another order of the axes. */
export const permute = <const D extends Sizes, const S extends InputShape | undefined = undefined>(
  options: PermuteOptions & { readonly dims: D; readonly inputShape?: S },
): Permute<PermuteRule<D, S>> => new Permute(options);

type Amount = number | readonly [number, number];
const whole = (x: unknown): boolean => Number.isInteger(x) && Number(x) >= 0;
/** Steps at the begin and at the end: one number for both, or two. */
const amount = plain<Amount>(
  (x) => whole(x) || (Array.isArray(x) && x.length === 2 && x.every(whole)),
  "a whole number from 0, or two: [begin, end]",
);
const pair = (given: Amount): readonly [number, number] =>
  typeof given === "number" ? [given, given] : given;

/** [T, D] → [number, D] */
export interface ResizedRule<Kind extends string, S extends InputShape | undefined = undefined>
  extends ShapeRule {
  readonly given: S;
  readonly out: IsUnknown<this["in"]> extends true
    ? [number, number]
    : this["in"] extends readonly [number, infer D extends number]
      ? [number, D]
      : NeedsTime<Kind, S>;
}

const paddingDefinition = defineLayer(
  "ZeroPadding1D",
  {
    /** How many steps of zeros at the begin and at the end: one number for both, or [begin, end]. Default 1. */
    padding: amount.optional<Amount>(1),
  },
  { masks: "drops" },
);
/** Options of the layer ZeroPadding1D. */
export type ZeroPadding1DOptions = OptionsOf<typeof paddingDefinition.fields>;

/** Steps of zeros around a sequence: [B, T, D] → [B, begin + T + end, D]. */
export class ZeroPadding1D<R extends ShapeRule = ShapeRule> extends Layer<
  R,
  typeof paddingDefinition.fields
> {
  static readonly definition = paddingDefinition;

  constructor(options: ZeroPadding1DOptions = {}) {
    super(paddingDefinition, options);
  }

  protected override checkInputs(inputs: InputTypes): void {
    checkSteps(this, inputs);
  }

  override call([x]: Inputs): SymbolicTensor {
    return pad(x, [[0, 0], pair(this.settings.padding)]);
  }
}

/** Adds steps of zeros around a sequence. */
export const zeroPadding1d = <const S extends InputShape | undefined = undefined>(
  options: ZeroPadding1DOptions & { readonly inputShape?: S } = {},
): ZeroPadding1D<ResizedRule<"zeroPadding1d", S>> => new ZeroPadding1D(options);

const croppingDefinition = defineLayer(
  "Cropping1D",
  {
    /** How many steps go at the begin and at the end: one number for both, or [begin, end]. Default 1. */
    cropping: amount.optional<Amount>([1, 1]),
  },
  { masks: "carries", maskNote: "Cropped like the steps; Keras drops it." },
);
/** Options of the layer Cropping1D. */
export type Cropping1DOptions = OptionsOf<typeof croppingDefinition.fields>;

/** A sequence without its first and last steps: [B, T, D] → [B, T − begin − end, D]. Crops a mask likewise. */
export class Cropping1D<R extends ShapeRule = ShapeRule> extends Layer<R, typeof croppingDefinition.fields> {
  static readonly definition = croppingDefinition;

  constructor(options: Cropping1DOptions = {}) {
    super(croppingDefinition, options);
  }

  protected override checkInputs(inputs: InputTypes): void {
    checkSteps(this, inputs);
    const [begin, end] = pair(this.settings.cropping);
    const steps = inputs[0].shape[1];
    if (typeof steps !== "number" || begin + end < steps) return;
    throw this.error(
      `${steps} time steps with cropping: [${begin}, ${end}]`,
      "fewer steps to crop than there are",
      "Crop less, or give longer sequences",
    );
  }

  override call([x]: Inputs): SymbolicTensor {
    const [begin, end] = pair(this.settings.cropping);
    const kept = slice(x, [0, begin]);
    return end === 0 ? kept : slice(kept, [0, 0], [-1, slice(kept, [0, end]).shape[1] ?? 0]);
  }
}

/** Removes steps at the begin and the end of a sequence. */
export const cropping1d = <const S extends InputShape | undefined = undefined>(
  options: Cropping1DOptions & { readonly inputShape?: S } = {},
): Cropping1D<ResizedRule<"cropping1d", S>> => new Cropping1D(options);

/** Refuses an input that is not [batch, time, features]. */
export function checkSteps(layer: Layer, [{ shape }]: InputTypes): void {
  if (shape.length === 3) return;
  throw layer.error(
    batchShapeText(shape),
    "[batch, time, features]",
    shape.length < 3
      ? "Give it sequences: set returnSequences: true on the layer before"
      : "Give every time step a single axis of features, for example with reshape",
  );
}
