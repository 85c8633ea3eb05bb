import type { OptionsOf } from "../config/config.js";
import { flag, integer, plain } from "../config/fields.js";
import type { Dim, Shape } from "../graph/dim.js";
import type { SymbolicTensor, TensorType } from "../graph/ir.js";
import { add, cast, greater, mul, rsqrt, square, sub, where } from "../graph/ops/elementwise.js";
import { max, mean, normalizeAxes } from "../graph/ops/reduce.js";
import { reshape, spread } from "../graph/ops/shape.js";
import { constraint } from "./constraints.js";
import { initializer } from "./initializers.js";
import {
  batchShapeText,
  type CallContext,
  defineLayer,
  type Inputs,
  type InputTypes,
  Layer,
  type Weight,
} from "./layer.js";
import { unit } from "./merging.js";
import { regularizer } from "./regularizers.js";
import type { InputShape, Keeps, ShapeRule } from "./types.js";

type X = SymbolicTensor;

/** A number from 0, added to the variance. */
const epsilon = plain<number>(
  (x) => Number.isFinite(x) && Number(x) >= 0,
  "a number from 0",
).optional<number>(1e-3);
const axes = plain<number | readonly number[]>(
  (x) => Number.isInteger(x) || (Array.isArray(x) && x.length > 0 && x.every(Number.isInteger)),
  "an axis, or a list of axes",
).optional<number | readonly number[]>(-1);

/** Refuses axes that the input does not have, and the batch axis. */
export function checkAxes(layer: Layer, { shape }: TensorType, given: number | readonly number[]): void {
  const list = typeof given === "number" ? [given] : given;
  const inside = list.every((axis) => {
    const at = axis < 0 ? axis + shape.length : axis;
    return at > 0 && at < shape.length;
  });
  if (inside) return;
  throw layer.error(
    `${batchShapeText(shape)} with axis: ${JSON.stringify(given)}`,
    "axes that the input has, but for the batch axis",
    "Count axes from 1, or from -1 backwards",
  );
}

/** Mean and variance over axes, [1, .., C, .., 1], in two passes, over the steps that count. */
function moments(x: X, over: readonly number[]): { readonly average: X; readonly variance: X } {
  const average = mean(x, over, true).withMask(undefined);
  const variance = mean(square(sub(x, spread(average, x))), over, true).withMask(undefined);
  return { average, variance };
}

/** Penalties and constraints of gamma and beta; default none each. */
const penaltyFields = {
  /** Adds to the loss for beta. */
  betaRegularizer: regularizer,
  /** Adds to the loss for gamma. */
  gammaRegularizer: regularizer,
  /** What beta is brought to after each update. */
  betaConstraint: constraint,
  /** What gamma is brought to after each update. */
  gammaConstraint: constraint,
};

const batchDefinition = defineLayer(
  "BatchNormalization",
  {
    /** The axis of the features, which have their statistics each, the batch axis counted; default the last. */
    axis: integer(-1),
    /** How much of the running statistics stays in each step; default 0.99. */
    momentum: plain<number>(
      (x) => typeof x === "number" && x >= 0 && x <= 1,
      "a number from 0 to 1",
    ).optional<number>(0.99),
    /** Added to the variance; default 0.001. */
    epsilon,
    /** Whether beta is added; default true. */
    center: flag(true),
    /** Whether the result is multiplied by gamma; default true. */
    scale: flag(true),
    /** Default zeros. */
    betaInitializer: initializer("zeros"),
    /** Default ones. */
    gammaInitializer: initializer("ones"),
    /** Default zeros. */
    movingMeanInitializer: initializer("zeros"),
    /** Default ones. */
    movingVarianceInitializer: initializer("ones"),
    ...penaltyFields,
  },
  { masks: "carries", maskNote: "Statistics are those of the steps that count." },
);
/** Options of the layer BatchNormalization. */
export type BatchNormalizationOptions = OptionsOf<typeof batchDefinition.fields>;

/**
 * (x − μ) / √(σ² + ε) · γ + β with mean and variance of each feature over all other axes: those of the batch in training,
 * running ones afterwards, and always while `trainable` is false. Ioffe & Szegedy, "Batch normalization", 2015.
 */
export class BatchNormalization<R extends ShapeRule = ShapeRule> extends Layer<
  R,
  typeof batchDefinition.fields
> {
  static readonly definition = batchDefinition;
  #gamma: Weight | undefined;
  #beta: Weight | undefined;
  #mean: Weight | undefined;
  #variance: Weight | undefined;

  constructor(options: BatchNormalizationOptions = {}) {
    super(batchDefinition, options);
  }

  protected override checkInputs([x]: InputTypes): void {
    checkAxes(this, x, this.settings.axis);
    this.features(x, this.settings.axis);
  }

  protected override declareWeights([x]: InputTypes): void {
    const { axis, center, scale, ...given } = this.settings;
    const shape = [this.features(x, axis)];
    if (scale)
      this.#gamma = this.addWeight("gamma", shape, given.gammaInitializer, {
        regularizer: given.gammaRegularizer,
        constraint: given.gammaConstraint,
      });
    if (center)
      this.#beta = this.addWeight("beta", shape, given.betaInitializer, {
        regularizer: given.betaRegularizer,
        constraint: given.betaConstraint,
      });
    this.#mean = this.addWeight("moving_mean", shape, given.movingMeanInitializer, { trainable: false });
    this.#variance = this.addWeight("moving_variance", shape, given.movingVarianceInitializer, {
      trainable: false,
    });
  }

  override call([given]: Inputs, context: CallContext): X {
    const x = cast(given, "float32");
    const [axis = -1] = normalizeAxes("batchNormalization", x, this.settings.axis);
    const wide = x.shape.map((d, i) => (i === axis ? d : 1));
    const own = (weight: Weight): X => reshape(context.weight(weight), wide);
    const [runningMean, runningVariance] = [this.builtWeight(this.#mean), this.builtWeight(this.#variance)];
    let [average, variance] = [own(runningMean), own(runningVariance)];
    if (context.training && this.trainable) {
      const over = [...x.shape.keys()].filter((i) => i !== axis);
      const batch = moments(x, over);
      const counts = x.mask && greater(max(cast(x.mask, "int32")), 0);
      const { momentum } = this.settings;
      for (const [weight, now] of [
        [runningMean, batch.average],
        [runningVariance, batch.variance],
      ] as const) {
        const before = context.weight(weight);
        const after = add(mul(before, momentum), mul(reshape(now, before.shape), 1 - momentum));
        // A batch without a step that counts teaches nothing.
        context.assign(weight, counts === undefined ? after : where(counts, after, before));
      }
      ({ average, variance } = batch);
    }
    return scaled(
      x,
      average,
      mul(rsqrt(add(variance, this.settings.epsilon)), this.#gamma === undefined ? 1 : own(this.#gamma)),
      this.#beta && own(this.#beta),
    );
  }
}

/** (x − average) · factor + offset, each broadcast to x. */
const scaled = (x: X, average: X, factor: X, offset: X | undefined): X => {
  const y = mul(sub(x, spread(average, x)), spread(factor, x));
  return offset === undefined ? y : add(y, spread(offset, x));
};

/** Normalises each feature over the batch. */
export const batchNormalization = <const S extends InputShape | undefined = undefined>(
  options: BatchNormalizationOptions & { readonly inputShape?: S } = {},
): BatchNormalization<Keeps<S>> => new BatchNormalization(options);

const layerDefinition = defineLayer(
  "LayerNormalization",
  {
    /** The axis of the features, or several, the batch axis counted; default the last. */
    axis: axes,
    /** Added to the variance; default 0.001. */
    epsilon,
    /** Whether beta is added; default true. */
    center: flag(true),
    /** Whether the result is multiplied by gamma; default true. */
    scale: flag(true),
    /** Whether x is only divided, by the root of its variance, and not centred; default false. */
    rmsScaling: flag(false),
    /** Default zeros. */
    betaInitializer: initializer("zeros"),
    /** Default ones. */
    gammaInitializer: initializer("ones"),
    ...penaltyFields,
  },
  {
    masks: "carries",
    maskNote: "Over a masked axis, mean and variance are those of the steps that count; in Keras of all.",
  },
);
/** Options of the layer LayerNormalization. */
export type LayerNormalizationOptions = OptionsOf<typeof layerDefinition.fields>;

/**
 * (x − μ) / √(σ² + ε) · γ + β with mean and variance of each sample, at each step, over the features. Ba et al., "Layer
 * normalization", 2016.
 */
export class LayerNormalization<R extends ShapeRule = ShapeRule> extends Layer<
  R,
  typeof layerDefinition.fields
> {
  static readonly definition = layerDefinition;
  #gamma: Weight | undefined;
  #beta: Weight | undefined;

  constructor(options: LayerNormalizationOptions = {}) {
    super(layerDefinition, options);
  }

  #axes(shape: Shape): readonly number[] {
    const { axis } = this.settings;
    const list = typeof axis === "number" ? [axis] : axis;
    return list.map((a) => (a < 0 ? a + shape.length : a)).sort((a, b) => a - b);
  }

  protected override checkInputs([x]: InputTypes): void {
    checkAxes(this, x, this.settings.axis);
    for (const axis of this.#axes(x.shape)) this.features(x, axis - x.shape.length);
  }

  protected override declareWeights([x]: InputTypes): void {
    const { center, scale, rmsScaling, ...given } = this.settings;
    const shape = this.#axes(x.shape).map((axis) => this.features(x, axis - x.shape.length));
    if (scale || rmsScaling)
      this.#gamma = this.addWeight("gamma", shape, given.gammaInitializer, {
        regularizer: given.gammaRegularizer,
        constraint: given.gammaConstraint,
      });
    if (center && !rmsScaling)
      this.#beta = this.addWeight("beta", shape, given.betaInitializer, {
        regularizer: given.betaRegularizer,
        constraint: given.betaConstraint,
      });
  }

  override call([given]: Inputs, context: CallContext): X {
    const x = cast(given, "float32");
    const over = this.#axes(x.shape);
    const wide = x.shape.map((d, i): Dim => (over.includes(i) ? d : 1));
    const own = (weight: Weight): X => reshape(context.weight(weight), wide);
    const { average, variance } = moments(x, over);
    const shrink = rsqrt(add(variance, this.settings.epsilon));
    const { rmsScaling } = this.settings;
    const centred = rmsScaling ? x : sub(x, spread(average, x));
    const normal = mul(centred, spread(shrink, x));
    const grown = this.#gamma === undefined ? normal : mul(normal, spread(own(this.#gamma), x));
    return this.#beta === undefined ? grown : add(grown, spread(own(this.#beta), x));
  }
}

/** Normalises the features of each step. */
export const layerNormalization = <const S extends InputShape | undefined = undefined>(
  options: LayerNormalizationOptions & { readonly inputShape?: S } = {},
): LayerNormalization<Keeps<S>> => new LayerNormalization(options);

const unitDefinition = defineLayer(
  "UnitNormalization",
  {
    /** The axis, or the axes, whose values become a vector of length 1, the batch axis counted; default the last. */
    axis: axes,
  },
  {
    masks: "carries",
    maskNote: "Over a masked axis, the length is that of the steps that count; in Keras of all.",
  },
);
/** Options of the layer UnitNormalization. */
export type UnitNormalizationOptions = OptionsOf<typeof unitDefinition.fields>;

/** x / |x| along axes; 0 stays 0. */
export class UnitNormalization<R extends ShapeRule = ShapeRule> extends Layer<
  R,
  typeof unitDefinition.fields
> {
  static readonly definition = unitDefinition;

  constructor(options: UnitNormalizationOptions = {}) {
    super(unitDefinition, options);
  }

  protected override checkInputs([x]: InputTypes): void {
    checkAxes(this, x, this.settings.axis);
  }

  override call([given]: Inputs): X {
    const x = cast(given, "float32");
    return unit(x, normalizeAxes("unitNormalization", x, this.settings.axis));
  }
}

/** Vectors of length 1. */
export const unitNormalization = <const S extends InputShape | undefined = undefined>(
  options: UnitNormalizationOptions & { readonly inputShape?: S } = {},
): UnitNormalization<Keeps<S>> => new UnitNormalization(options);
