import type { OptionsOf } from "../config/config.js";
import { choice } from "../config/fields.js";
import type { SymbolicTensor } from "../graph/ir.js";
import { cast } from "../graph/ops/elementwise.js";
import { pool } from "../graph/ops/pool.js";
import type { Definition } from "./component.js";
import { defineLayer, type Inputs, type InputTypes, Layer, type LayerFields } from "./layer.js";
import type { InputShape, ShapeRule } from "./types.js";
import { checkPixels, dataFormat, optionalSizes, sizes, type WindowRule } from "./windows.js";

// B batch, T time, D depth, H height, W width, C channels.

type Axes = 1 | 2 | 3;

const poolFields = (axes: Axes) => ({
  /** The windows' size: one number for all axes, or one for each; default 2. */
  poolSize: sizes(axes, 2),
  /** Pixels from one window to the next; null (the default): the windows' size. */
  strides: optionalSizes(axes),
  /** Default "valid": windows that lie inside. "same": as many as there are pixels (by the strides); what lies outside does not count. */
  padding: choice("valid", ["valid", "same"]),
  /** "channelsLast", the only one there is. */
  dataFormat,
});
type PoolFields = LayerFields & ReturnType<typeof poolFields>;

const define = (className: string, axes: Axes): Definition<PoolFields> =>
  defineLayer(className, poolFields(axes), { masks: "drops" });
const definitions = {
  max1: define("MaxPooling1D", 1),
  max2: define("MaxPooling2D", 2),
  max3: define("MaxPooling3D", 3),
  average1: define("AveragePooling1D", 1),
  average2: define("AveragePooling2D", 2),
};
export type PoolingOptions = OptionsOf<PoolFields>;

/** What pooling over windows has in common. */
abstract class Pooling<R extends ShapeRule> extends Layer<R, PoolFields> {
  constructor(
    definition: Definition<PoolFields>,
    readonly kind: "max" | "average",
    readonly axes: Axes,
    options: PoolingOptions,
  ) {
    super(definition, options);
  }

  protected override checkInputs(inputs: InputTypes): void {
    checkPixels(this, inputs, this.axes);
  }

  override call([x]: Inputs): SymbolicTensor {
    const { poolSize, strides, padding } = this.settings;
    return pool(cast(x, "float32"), {
      kind: this.kind,
      window: poolSize,
      strides: strides ?? poolSize,
      padding,
    });
  }
}

/** The largest value of each feature in windows of time: [B, T, C] → [B, T′, C]. The gradient goes to the first of equals. */
export class MaxPooling1D<R extends ShapeRule = ShapeRule> extends Pooling<R> {
  static readonly definition = definitions.max1;
  constructor(options: PoolingOptions = {}) {
    super(definitions.max1, "max", 1, options);
  }
}

/** The largest value of each channel in windows of pixels: [B, H, W, C] → [B, H′, W′, C]. */
export class MaxPooling2D<R extends ShapeRule = ShapeRule> extends Pooling<R> {
  static readonly definition = definitions.max2;
  constructor(options: PoolingOptions = {}) {
    super(definitions.max2, "max", 2, options);
  }
}

/** The largest value of each channel in windows of space: [B, D, H, W, C] → [B, D′, H′, W′, C]. */
export class MaxPooling3D<R extends ShapeRule = ShapeRule> extends Pooling<R> {
  static readonly definition = definitions.max3;
  constructor(options: PoolingOptions = {}) {
    super(definitions.max3, "max", 3, options);
  }
}

/** The mean of each feature in windows of time: [B, T, C] → [B, T′, C]. */
export class AveragePooling1D<R extends ShapeRule = ShapeRule> extends Pooling<R> {
  static readonly definition = definitions.average1;
  constructor(options: PoolingOptions = {}) {
    super(definitions.average1, "average", 1, options);
  }
}

/** The mean of each channel in windows of pixels: [B, H, W, C] → [B, H′, W′, C]. */
export class AveragePooling2D<R extends ShapeRule = ShapeRule> extends Pooling<R> {
  static readonly definition = definitions.average2;
  constructor(options: PoolingOptions = {}) {
    super(definitions.average2, "average", 2, options);
  }
}

type Made<S extends InputShape | undefined> = PoolingOptions & { readonly inputShape?: S };

/** The largest values in windows of time. */
export const maxPooling1d = <const S extends InputShape | undefined = undefined>(
  options: Made<S> = {},
): MaxPooling1D<WindowRule<"maxPooling1d", 1, undefined, S>> => new MaxPooling1D(options);
/** The largest values in windows of pixels. */
export const maxPooling2d = <const S extends InputShape | undefined = undefined>(
  options: Made<S> = {},
): MaxPooling2D<WindowRule<"maxPooling2d", 2, undefined, S>> => new MaxPooling2D(options);
/** The largest values in windows of space. */
export const maxPooling3d = <const S extends InputShape | undefined = undefined>(
  options: Made<S> = {},
): MaxPooling3D<WindowRule<"maxPooling3d", 3, undefined, S>> => new MaxPooling3D(options);
/** Means over windows of time. */
export const averagePooling1d = <const S extends InputShape | undefined = undefined>(
  options: Made<S> = {},
): AveragePooling1D<WindowRule<"averagePooling1d", 1, undefined, S>> => new AveragePooling1D(options);
/** Means over windows of pixels. */
export const averagePooling2d = <const S extends InputShape | undefined = undefined>(
  options: Made<S> = {},
): AveragePooling2D<WindowRule<"averagePooling2d", 2, undefined, S>> => new AveragePooling2D(options);
