import type { Field, OptionsOf } from "../config/config.js";
import { invalid } from "../config/config.js";
import { choice, flag, keyed, whole } from "../config/fields.js";
import { mul } from "../graph/dim.js";
import type { SymbolicTensor } from "../graph/ir.js";
import { pad } from "../graph/ops/join.js";
import { max, mean } from "../graph/ops/reduce.js";
import { broadcastTo, expandDims, reshape, slice } from "../graph/ops/shape.js";
import { batchShapeText, defineLayer, type Inputs, type InputTypes, Layer } from "./layer.js";
import { checkSteps, type ResizedRule } from "./reshaping.js";
import type { InputShape, IsUnknown, ShapeError, ShapeRule } from "./types.js";
import { checkPixels, dataFormat, sizes, type WindowRule } from "./windows.js";

// B batch, T time, H height, W width, C channels.

type Edges = readonly [readonly [number, number], readonly [number, number]];
/** One number for all edges; one for top and bottom and one for left and right; or [[top, bottom], [left, right]]. */
export type EdgeSizes = number | readonly [number, number] | Edges;

const isCount = (x: unknown): x is number => Number.isInteger(x) && Number(x) >= 0;

function edgesOf(given: EdgeSizes, where: string, name: string): Edges {
  const list: readonly unknown[] =
    typeof given === "number" ? [given, given] : Array.isArray(given) ? given : [];
  const [rows, columns] = list.map((side) => (isCount(side) ? [side, side] : side));
  const isPair = (x: unknown): x is readonly [number, number] =>
    Array.isArray(x) && x.length === 2 && x.every(isCount);
  if (list.length === 2 && isPair(rows) && isPair(columns)) return [rows, columns];
  throw invalid(
    where,
    name,
    given,
    "a whole number from 0, two of them (rows, columns), or [[top, bottom], [left, right]]",
  );
}

const edges = (initial: number): Field<EdgeSizes, Edges, false> => ({
  required: false,
  initial: [
    [initial, initial],
    [initial, initial],
  ],
  read: edgesOf,
  write: (value) => value,
  parse: (json) => json as EdgeSizes,
});

const paddingDefinition = defineLayer(
  "ZeroPadding2D",
  {
    /** Rows and columns of zeros; default 1 on every edge. */
    padding: edges(1),
    /** "channelsLast", the only one there is. */
    dataFormat,
  },
  { masks: "drops" },
);
export type ZeroPadding2DOptions = OptionsOf<typeof paddingDefinition.fields>;

/** Zeros around pictures: [B, H, W, C] → [B, top + H + bottom, left + W + right, C]. */
export class ZeroPadding2D<R extends ShapeRule = ShapeRule> extends Layer<
  R,
  typeof paddingDefinition.fields
> {
  static readonly definition = paddingDefinition;

  constructor(options: ZeroPadding2DOptions = {}) {
    super(paddingDefinition, options);
  }

  protected override checkInputs(inputs: InputTypes): void {
    checkPixels(this, inputs, 2);
  }

  override call([x]: Inputs): SymbolicTensor {
    return pad(x, [[0, 0], ...this.settings.padding]);
  }
}

/** Adds zeros around pictures. */
export const zeroPadding2d = <const S extends InputShape | undefined = undefined>(
  options: ZeroPadding2DOptions & { readonly inputShape?: S } = {},
): ZeroPadding2D<WindowRule<"zeroPadding2d", 2, undefined, S>> => new ZeroPadding2D(options);

const croppingDefinition = defineLayer(
  "Cropping2D",
  {
    /** Rows and columns that go; default 0 on every edge. */
    cropping: edges(0),
    /** "channelsLast", the only one there is. */
    dataFormat,
  },
  { masks: "drops" },
);
export type Cropping2DOptions = OptionsOf<typeof croppingDefinition.fields>;

/** Pictures without their edges: [B, H, W, C] → [B, H − top − bottom, W − left − right, C]. */
export class Cropping2D<R extends ShapeRule = ShapeRule> extends Layer<R, typeof croppingDefinition.fields> {
  static readonly definition = croppingDefinition;

  constructor(options: Cropping2DOptions = {}) {
    super(croppingDefinition, options);
  }

  protected override checkInputs(inputs: InputTypes): void {
    checkPixels(this, inputs, 2);
    const { cropping } = this.settings;
    const [{ shape }] = inputs;
    const gone = cropping.map(([begin, end]) => begin + end);
    if (gone.every((n, i) => !(Number(shape[i + 1]) <= n))) return;
    throw this.error(
      `${batchShapeText(shape)} with cropping: ${JSON.stringify(cropping)}`,
      "fewer rows and columns to crop than there are",
      "Crop less, or give larger pictures",
    );
  }

  override call([x]: Inputs): SymbolicTensor {
    const [[top, bottom], [left, right]] = this.settings.cropping;
    const kept = slice(x, [0, top, left]);
    const [, H = 1, W = 1] = slice(kept, [0, bottom, right]).shape;
    return slice(kept, [0, 0, 0], [-1, H, W]);
  }
}

/** Removes edges of pictures. */
export const cropping2d = <const S extends InputShape | undefined = undefined>(
  options: Cropping2DOptions & { readonly inputShape?: S } = {},
): Cropping2D<WindowRule<"cropping2d", 2, undefined, S>> => new Cropping2D(options);

/** Every element of an axis `times` times. */
function repeated(x: SymbolicTensor, axis: number, times: number): SymbolicTensor {
  const wide = expandDims(x, axis + 1);
  const all = broadcastTo(wide, wide.shape.with(axis + 1, times));
  return reshape(all, x.shape.with(axis, mul(x.shape[axis] ?? 1, times)));
}

const upSampling1dDefinition = defineLayer(
  "UpSampling1D",
  {
    /** How often each step comes; default 2. */
    size: whole(2),
  },
  { masks: "drops" },
);
export type UpSampling1DOptions = OptionsOf<typeof upSampling1dDefinition.fields>;

/** Every step several times: [B, T, C] → [B, T · size, C]. */
export class UpSampling1D<R extends ShapeRule = ShapeRule> extends Layer<
  R,
  typeof upSampling1dDefinition.fields
> {
  static readonly definition = upSampling1dDefinition;

  constructor(options: UpSampling1DOptions = {}) {
    super(upSampling1dDefinition, options);
  }

  protected override checkInputs(inputs: InputTypes): void {
    checkSteps(this, inputs);
  }

  override call([x]: Inputs): SymbolicTensor {
    return repeated(x, 1, this.settings.size);
  }
}

/** Repeats every step. */
export const upSampling1d = <const S extends InputShape | undefined = undefined>(
  options: UpSampling1DOptions & { readonly inputShape?: S } = {},
): UpSampling1D<ResizedRule<"upSampling1d", S>> => new UpSampling1D(options);

const upSampling2dDefinition = defineLayer(
  "UpSampling2D",
  {
    /** How often each row and each column comes; default 2. */
    size: sizes(2, 2),
    /** "channelsLast", the only one there is. */
    dataFormat,
    /** "nearest", the only one there is: pixels are repeated. */
    interpolation: choice("nearest", ["nearest"]),
  },
  { masks: "drops" },
);
export type UpSampling2DOptions = OptionsOf<typeof upSampling2dDefinition.fields>;

/** Every row and every column several times: [B, H, W, C] → [B, H · rows, W · columns, C]. */
export class UpSampling2D<R extends ShapeRule = ShapeRule> extends Layer<
  R,
  typeof upSampling2dDefinition.fields
> {
  static readonly definition = upSampling2dDefinition;

  constructor(options: UpSampling2DOptions = {}) {
    super(upSampling2dDefinition, options);
  }

  protected override checkInputs(inputs: InputTypes): void {
    checkPixels(this, inputs, 2);
  }

  override call([x]: Inputs): SymbolicTensor {
    const [rows = 1, columns = 1] = this.settings.size;
    return repeated(repeated(x, 2, columns), 1, rows);
  }
}

/** Repeats every row and every column. */
export const upSampling2d = <const S extends InputShape | undefined = undefined>(
  options: UpSampling2DOptions & { readonly inputShape?: S } = {},
): UpSampling2D<WindowRule<"upSampling2d", 2, undefined, S>> => new UpSampling2D(options);

const globalFields = {
  /** "channelsLast", the only one there is. */
  dataFormat,
  /** Whether the axes of pixels stay, with size 1; default false. Keras's keepdims. */
  keepDims: keyed("keepdims", flag(false)),
};
const globalMaxDefinition = defineLayer("GlobalMaxPooling2D", globalFields, { masks: "drops" });
const globalAverageDefinition = defineLayer("GlobalAveragePooling2D", globalFields, { masks: "drops" });
export type GlobalPooling2DOptions = OptionsOf<typeof globalMaxDefinition.fields>;

/** [H, W, C] → [C], or [1, 1, C] with keepDims */
export interface GlobalPooling2DRule<
  Kind extends string,
  K extends boolean,
  S extends InputShape | undefined = undefined,
> extends ShapeRule {
  readonly given: S;
  readonly out: IsUnknown<this["in"]> extends true
    ? Kept<K, number>
    : this["in"] extends readonly [number, number, infer C extends number]
      ? Kept<K, C>
      : ShapeError<`${Kind} needs [batch, height, width, channels]`>;
}
type Kept<K extends boolean, C extends number> = K extends true ? [1, 1, C] : [C];

abstract class GlobalPooling<R extends ShapeRule> extends Layer<R, typeof globalMaxDefinition.fields> {
  protected override checkInputs(inputs: InputTypes): void {
    checkPixels(this, inputs, 2);
  }
}

/** The largest value of each channel: [B, H, W, C] → [B, C]. Equal largest ones share the gradient. */
export class GlobalMaxPooling2D<R extends ShapeRule = ShapeRule> extends GlobalPooling<R> {
  static readonly definition = globalMaxDefinition;

  constructor(options: GlobalPooling2DOptions = {}) {
    super(globalMaxDefinition, options);
  }

  override call([x]: Inputs): SymbolicTensor {
    return max(x, [1, 2], this.settings.keepDims);
  }
}

/** The largest value of each channel. */
export const globalMaxPooling2d = <
  const K extends boolean = false,
  const S extends InputShape | undefined = undefined,
>(
  options: GlobalPooling2DOptions & { readonly keepDims?: K; readonly inputShape?: S } = {},
): GlobalMaxPooling2D<GlobalPooling2DRule<"globalMaxPooling2d", K, S>> => new GlobalMaxPooling2D(options);

/** The mean of each channel: [B, H, W, C] → [B, C]. */
export class GlobalAveragePooling2D<R extends ShapeRule = ShapeRule> extends GlobalPooling<R> {
  static readonly definition = globalAverageDefinition;

  constructor(options: GlobalPooling2DOptions = {}) {
    super(globalAverageDefinition, options);
  }

  override call([x]: Inputs): SymbolicTensor {
    return mean(x, [1, 2], this.settings.keepDims);
  }
}

/** The mean of each channel. */
export const globalAveragePooling2d = <
  const K extends boolean = false,
  const S extends InputShape | undefined = undefined,
>(
  options: GlobalPooling2DOptions & { readonly keepDims?: K; readonly inputShape?: S } = {},
): GlobalAveragePooling2D<GlobalPooling2DRule<"globalAveragePooling2d", K, S>> =>
  new GlobalAveragePooling2D(options);
