import type { OptionsOf } from "../config/config.js";
import { plain, real } from "../config/fields.js";
import type { SymbolicTensor } from "../graph/ir.js";
import { widenMask } from "../graph/mask.js";
import { cast, exp, isFinite as isFiniteOp, sub, where } from "../graph/ops/elementwise.js";
import { logSumExp, normalizeAxes } from "../graph/ops/reduce.js";
import { spread } from "../graph/ops/shape.js";
import { softmax as softmaxOp } from "../graph/ops/softmax.js";
import { activations } from "./activations.js";
import { defineLayer, type Inputs, type InputTypes, Layer } from "./layer.js";
import { checkAxes } from "./normalization.js";
import type { InputShape, Keeps, ShapeRule } from "./types.js";

/** A number from 0. */
const fromZero = plain<number>((x) => typeof x === "number" && x >= 0, "a number from 0");

const leakyDefinition = defineLayer(
  "LeakyReLU",
  {
    /** The slope below 0; default 0.3 (the activation leakyRelu has 0.2). */
    negativeSlope: fromZero.optional<number>(0.3),
  },
  { masks: "carries" },
);
/** Options of the layer LeakyReLU. */
export type LeakyReLUOptions = OptionsOf<typeof leakyDefinition.fields>;

/** x above 0, negativeSlope · x below. Maas et al., "Rectifier nonlinearities improve neural network acoustic models", 2013. */
export class LeakyReLU<R extends ShapeRule = ShapeRule> extends Layer<R, typeof leakyDefinition.fields> {
  static readonly definition = leakyDefinition;

  constructor(options: LeakyReLUOptions = {}) {
    super(leakyDefinition, options);
  }

  override call([x]: Inputs): SymbolicTensor {
    return activations.leakyRelu(cast(x, "float32"), { negativeSlope: this.settings.negativeSlope });
  }
}

/** A rectifier with a slope below 0. */
export const leakyReLU = <const S extends InputShape | undefined = undefined>(
  options: LeakyReLUOptions & { readonly inputShape?: S } = {},
): LeakyReLU<Keeps<S>> => new LeakyReLU(options);

const eluDefinition = defineLayer(
  "ELU",
  {
    /** What it goes to below 0, negated; default 1. */
    alpha: real(1),
  },
  { masks: "carries" },
);
/** Options of the layer ELU. */
export type ELUOptions = OptionsOf<typeof eluDefinition.fields>;

/** x above 0, α (eˣ − 1) below. Clevert et al., "Fast and accurate deep network learning by exponential linear units", 2016. */
export class ELU<R extends ShapeRule = ShapeRule> extends Layer<R, typeof eluDefinition.fields> {
  static readonly definition = eluDefinition;

  constructor(options: ELUOptions = {}) {
    super(eluDefinition, options);
  }

  override call([x]: Inputs): SymbolicTensor {
    return activations.elu(cast(x, "float32"), { alpha: this.settings.alpha });
  }
}

/** An exponential linear unit. */
export const elu = <const S extends InputShape | undefined = undefined>(
  options: ELUOptions & { readonly inputShape?: S } = {},
): ELU<Keeps<S>> => new ELU(options);

const reluDefinition = defineLayer(
  "ReLU",
  {
    /** The largest result; null (the default): no limit. */
    maxValue: plain<number | null>(
      (x) => x === null || (typeof x === "number" && x >= 0),
      "a number from 0, or null",
    ).optional<number | null>(null),
    /** The slope below the threshold; default 0. */
    negativeSlope: fromZero.optional<number>(0),
    /** Where x begins to count; default 0. */
    threshold: fromZero.optional<number>(0),
  },
  { masks: "carries" },
);
/** Options of the layer ReLU. */
export type ReLUOptions = OptionsOf<typeof reluDefinition.fields>;

/** x above the threshold, at most maxValue; negativeSlope · (x − threshold) below. */
export class ReLU<R extends ShapeRule = ShapeRule> extends Layer<R, typeof reluDefinition.fields> {
  static readonly definition = reluDefinition;

  constructor(options: ReLUOptions = {}) {
    super(reluDefinition, options);
  }

  override call([x]: Inputs): SymbolicTensor {
    const { maxValue, negativeSlope, threshold } = this.settings;
    return activations.relu(cast(x, "float32"), { maxValue, negativeSlope, threshold });
  }
}

/** A rectifier. */
export const reLU = <const S extends InputShape | undefined = undefined>(
  options: ReLUOptions & { readonly inputShape?: S } = {},
): ReLU<Keeps<S>> => new ReLU(options);

const softmaxDefinition = defineLayer(
  "Softmax",
  {
    /** Over which axis, or axes, the results add up to 1; the batch axis counted. Default the last. */
    axis: plain<number | readonly number[]>(
      (x) => Number.isInteger(x) || (Array.isArray(x) && x.length > 0 && x.every(Number.isInteger)),
      "an axis, or a list of axes",
    ).optional<number | readonly number[]>(-1),
  },
  {
    masks: "carries",
    maskNote:
      "Along a masked axis masked steps get 0, also where none counts; Keras has −1e9 in their place.",
  },
);
/** Options of the layer Softmax. */
export type SoftmaxOptions = OptionsOf<typeof softmaxDefinition.fields>;

/** eˣ / Σ eˣ over an axis, or over several at once. Along a masked axis only the steps that count take part. */
export class Softmax<R extends ShapeRule = ShapeRule> extends Layer<R, typeof softmaxDefinition.fields> {
  static readonly definition = softmaxDefinition;

  constructor(options: SoftmaxOptions = {}) {
    super(softmaxDefinition, options);
  }

  protected override checkInputs([x]: InputTypes): void {
    checkAxes(this, x, this.settings.axis);
  }

  override call([given]: Inputs): SymbolicTensor {
    const x = cast(given, "float32");
    const axes = normalizeAxes("softmax", x, this.settings.axis);
    const [only = -1] = axes;
    if (axes.length === 1) return softmaxOp(x, only);
    const { mask } = x;
    const total = logSumExp(x, axes, true).withMask(undefined);
    if (mask === undefined) return exp(sub(x, total));
    const counts = widenMask(mask, x.rank);
    const finite = spread(where(isFiniteOp(total), total, 0), x);
    const y = exp(sub(where(counts, x.withMask(undefined), 0), finite.withMask(undefined)));
    return where(counts, y, 0).withMask(mask);
  }
}

/** A softmax as a layer. */
export const softmax = <const S extends InputShape | undefined = undefined>(
  options: SoftmaxOptions & { readonly inputShape?: S } = {},
): Softmax<Keeps<S>> => new Softmax(options);
