import type { JsonObject, OptionsOf } from "../config/config.js";
import { plain, rate, seed } from "../config/fields.js";
import type { SymbolicTensor } from "../graph/ir.js";
import { abs, add, cast, div, mul, square } from "../graph/ops/elementwise.js";
import { dropout, randomNormal } from "../graph/ops/random.js";
import { sum } from "../graph/ops/reduce.js";
import { size } from "../graph/ops/source.js";
import { type CallContext, defineLayer, type Inputs, type InputTypes, Layer } from "./layer.js";
import { checkSteps } from "./reshaping.js";
import type { InputShape, IsUnknown, Keeps, NeedsTime, ShapeRule } from "./types.js";

const noiseDefinition = defineLayer(
  "GaussianNoise",
  {
    /** Standard deviation of the noise, from 0 to 1. */
    stddev: plain<number>((x) => typeof x === "number" && x >= 0 && x <= 1, "a number from 0 to 1").required,
    seed,
  },
  { masks: "carries" },
);
/** Options of the layer GaussianNoise. */
export type GaussianNoiseOptions = OptionsOf<typeof noiseDefinition.fields>;

/** In training adds normal noise of mean 0. */
export class GaussianNoise<R extends ShapeRule = ShapeRule> extends Layer<R, typeof noiseDefinition.fields> {
  static readonly definition = noiseDefinition;

  constructor(options: GaussianNoiseOptions) {
    super(noiseDefinition, options);
  }

  override call([x]: Inputs, context: CallContext): SymbolicTensor {
    const { stddev, seed: own } = this.settings;
    if (!context.training || stddev === 0) return x;
    const { source, stream } = this.drawFrom(context, "", own);
    return add(cast(x, "float32"), randomNormal(x.shape, source, stream, 0, stddev));
  }
}

/** Noise in training. */
export const gaussianNoise = <const S extends InputShape | undefined = undefined>(
  options: GaussianNoiseOptions & { readonly inputShape?: S },
): GaussianNoise<Keeps<S>> => new GaussianNoise(options);

const spatialDefinition = defineLayer(
  "SpatialDropout1D",
  {
    /** Fraction of the features that become 0. */
    rate,
    seed,
  },
  { masks: "carries" },
);
/** Options of the layer SpatialDropout1D. */
export type SpatialDropout1DOptions = OptionsOf<typeof spatialDefinition.fields>;

/** [T, D] → the same */
export interface SpatialDropout1DRule<S extends InputShape | undefined = undefined> extends ShapeRule {
  readonly given: S;
  readonly out: IsUnknown<this["in"]> extends true
    ? this["in"]
    : this["in"] extends readonly [number, number]
      ? this["in"]
      : NeedsTime<"spatialDropout1d", S>;
}

/**
 * Dropout of whole features: in training a feature of a sample [T, D] is 0 at all its steps, or at none. Tompson et al.,
 * "Efficient object localization using convolutional networks", 2015.
 */
export class SpatialDropout1D<R extends ShapeRule = ShapeRule> extends Layer<
  R,
  typeof spatialDefinition.fields
> {
  static readonly definition = spatialDefinition;

  constructor(options: SpatialDropout1DOptions) {
    super(spatialDefinition, options);
  }

  protected override checkInputs(inputs: InputTypes): void {
    checkSteps(this, inputs);
  }

  /** Keras's class takes no `trainable`. */
  override config(): JsonObject {
    const { trainable: _, ...rest } = super.config();
    return rest;
  }

  override call([x]: Inputs, context: CallContext): SymbolicTensor {
    const { rate: fraction, seed: own } = this.settings;
    if (!context.training) return x;
    const { source, stream } = this.drawFrom(context, "", own);
    const [batch = 1, , features = 1] = x.shape;
    return dropout(x, fraction, source, stream, [batch, 1, features]);
  }
}

/** Dropout of whole features. */
export const spatialDropout1d = <const S extends InputShape | undefined = undefined>(
  options: SpatialDropout1DOptions & { readonly inputShape?: S },
): SpatialDropout1D<SpatialDropout1DRule<S>> => new SpatialDropout1D(options);

/** A factor from 0. */
const factor = plain<number>((x) => Number.isFinite(x) && Number(x) >= 0, "a number from 0").optional<number>(
  0,
);
const activityDefinition = defineLayer(
  "ActivityRegularization",
  {
    /** Factor of the sum of absolute values; default 0. */
    l1: factor,
    /** Factor of the sum of squares; default 0. */
    l2: factor,
  },
  { masks: "carries", maskNote: "Masked steps cost nothing; in Keras they do." },
);
/** Options of the layer ActivityRegularization. */
export type ActivityRegularizationOptions = OptionsOf<typeof activityDefinition.fields>;

/** Adds l1 · Σ|x| + l2 · Σx² to the loss, divided by the number of rows; over the steps that count. Passes x on. */
export class ActivityRegularization<R extends ShapeRule = ShapeRule> extends Layer<
  R,
  typeof activityDefinition.fields
> {
  static readonly definition = activityDefinition;

  constructor(options: ActivityRegularizationOptions = {}) {
    super(activityDefinition, options);
  }

  override call([x]: Inputs, context: CallContext): SymbolicTensor {
    const { l1, l2 } = this.settings;
    const values = cast(x, "float32");
    const terms = [
      ...(l1 === 0 ? [] : [mul(sum(abs(values)), l1)]),
      ...(l2 === 0 ? [] : [mul(sum(square(values)), l2)]),
    ];
    if (terms.length > 0)
      context.addLoss(
        div(
          terms.reduce((a, b) => add(a, b)),
          size(x.shape[0] ?? 1),
        ),
      );
    return x;
  }
}

/** A penalty on what passes through. */
export const activityRegularization = <const S extends InputShape | undefined = undefined>(
  options: ActivityRegularizationOptions & { readonly inputShape?: S } = {},
): ActivityRegularization<Keeps<S>> => new ActivityRegularization(options);
