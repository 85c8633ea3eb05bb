import type { Field, JsonObject, OptionsOf } from "../config/config.js";
import { flag } from "../config/fields.js";
import type { SymbolicTensor } from "../graph/ir.js";
import { cast, greater, where } from "../graph/ops/elementwise.js";
import { max, mean } from "../graph/ops/reduce.js";
import { broadcastTo, reshape } from "../graph/ops/shape.js";
import { defineLayer, type Inputs, type InputTypes, Layer } from "./layer.js";
import { checkSteps } from "./reshaping.js";
import type { InputShape, IsUnknown, NeedsTime, ShapeRule } from "./types.js";

// B batch, T time, D features.

const fields = {
  /** Whether the time axis stays, with size 1; default false. Keras's keepdims. */
  keepDims: flag(false) satisfies Field<boolean, boolean, false>,
};
const maximumDefinition = defineLayer("GlobalMaxPooling1D", fields, {
  masks: "consumes",
  maskNote: "0 where no step counts. Keras takes the maximum of all steps.",
});
const averageDefinition = defineLayer("GlobalAveragePooling1D", fields, {
  masks: "consumes",
  maskNote: "0 where no step counts; in Keras that is NaN.",
});
/** Options of the global pooling layers. */
export type GlobalPooling1DOptions = OptionsOf<typeof maximumDefinition.fields>;

/** [T, D] → [D], or [1, D] with keepDims */
export interface GlobalPooling1DRule<
  Kind extends string,
  K extends boolean,
  S extends InputShape | undefined = undefined,
> extends ShapeRule {
  readonly given: S;
  readonly out: IsUnknown<this["in"]> extends true
    ? Kept<K, number>
    : this["in"] extends readonly [number, infer D extends number]
      ? Kept<K, D>
      : NeedsTime<Kind, S>;
}
type Kept<K extends boolean, D extends number> = K extends true ? [1, D] : [D];

/** What pooling over all steps has in common: the check, and Keras's name of keepDims. */
abstract class GlobalPooling<R extends ShapeRule> extends Layer<R, typeof maximumDefinition.fields> {
  protected override checkInputs(inputs: InputTypes): void {
    checkSteps(this, inputs);
  }

  /** As Keras writes it. */
  override config(): JsonObject {
    const { keep_dims = false, ...rest } = super.config();
    return { ...rest, data_format: "channels_last", keepdims: keep_dims };
  }
}

/**
 * The largest value of each feature over all steps that count: [B, T, D] → [B, D]. Equal largest ones share the gradient.
 */
export class GlobalMaxPooling1D<R extends ShapeRule = ShapeRule> extends GlobalPooling<R> {
  static readonly definition = maximumDefinition;

  constructor(options: GlobalPooling1DOptions = {}) {
    super(maximumDefinition, options);
  }

  override call([x]: Inputs): SymbolicTensor {
    const largest = max(x, 1, this.settings.keepDims);
    if (x.mask === undefined) return largest;
    const counts = x.mask.rank < 2 ? x.mask : greater(max(cast(x.mask, "int32"), 1), 0);
    const wide = reshape(counts, [counts.shape[0] ?? 1, ...largest.shape.slice(1, -1), -1]);
    return where(broadcastTo(wide, largest.shape), largest, 0);
  }
}

/** The largest value of each feature over time. */
export const globalMaxPooling1d = <
  const K extends boolean = false,
  const S extends InputShape | undefined = undefined,
>(
  options: GlobalPooling1DOptions & { readonly keepDims?: K; readonly inputShape?: S } = {},
): GlobalMaxPooling1D<GlobalPooling1DRule<"globalMaxPooling1d", K, S>> => new GlobalMaxPooling1D(options);

/** The mean of each feature over all steps that count: [B, T, D] → [B, D]. */
export class GlobalAveragePooling1D<R extends ShapeRule = ShapeRule> extends GlobalPooling<R> {
  static readonly definition = averageDefinition;

  constructor(options: GlobalPooling1DOptions = {}) {
    super(averageDefinition, options);
  }

  override call([x]: Inputs): SymbolicTensor {
    return mean(x, 1, this.settings.keepDims);
  }
}

/** The mean of each feature over time. */
export const globalAveragePooling1d = <
  const K extends boolean = false,
  const S extends InputShape | undefined = undefined,
>(
  options: GlobalPooling1DOptions & { readonly keepDims?: K; readonly inputShape?: S } = {},
): GlobalAveragePooling1D<GlobalPooling1DRule<"globalAveragePooling1d", K, S>> =>
  new GlobalAveragePooling1D(options);
