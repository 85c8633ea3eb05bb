import type { OptionsOf, SettingsOf } from "../config/config.js";
import { choice, flag, size, whole } from "../config/fields.js";
import type { SymbolicTensor } from "../graph/ir.js";
import { type ConvActivation, convActivations, conv2d as convOp } from "../graph/ops/conv.js";
import { cast } from "../graph/ops/elementwise.js";
import { reshape } from "../graph/ops/shape.js";
import type { WindowPadding } from "../graph/ops/window.js";
import { activationField } from "./activation.js";
import type { Definition } from "./component.js";
import { initializer } from "./initializers.js";
import {
  type CallContext,
  defineLayer,
  type Inputs,
  type InputTypes,
  Layer,
  type LayerFields,
  type Weight,
} from "./layer.js";
import { penaltyFields } from "./penalties.js";
import type { InputShape, ShapeRule } from "./types.js";
import {
  checkPixels,
  dataFormat,
  finiteWhereMasked,
  requiredSizes,
  sizes,
  type WindowRule,
  windowMaskNote,
} from "./windows.js";

// B batch, T time, H height, W width, C channels, F filters.

const convFields = <P extends string>(axes: 1 | 2, paddings: readonly ["valid", ...P[]]) => ({
  /** F, the number of kernels and of the output's channels. */
  filters: size,
  /** The window that a kernel sees: one number for all axes, or one for each. */
  kernelSize: requiredSizes(axes),
  /** Pixels from one window to the next; default 1. */
  strides: sizes(axes, 1),
  /** Default "valid": windows that lie inside. "same": as many as there are pixels (by the strides), zeros around. */
  padding: choice<"valid" | P>("valid", paddings),
  /** "channelsLast", the only one there is. */
  dataFormat,
  /** Pixels from one of a window's pixels to the next; default 1. Not together with strides. */
  dilationRate: sizes(axes, 1),
  /** Groups of channels, each with filters of its own; must divide both. Default 1. */
  groups: whole(1),
  /** Default linear. */
  activation: activationField("linear"),
  /** Whether a bias is added; default true. */
  useBias: flag(true),
  /** Default glorotUniform. */
  kernelInitializer: initializer("glorotUniform"),
  /** Default zeros. */
  biasInitializer: initializer("zeros"),
  ...penaltyFields,
});
type ConvFields = LayerFields & ReturnType<typeof convFields<"same" | "causal">>;

const masks = { masks: "drops", maskNote: windowMaskNote } as const;
const conv1dDefinition = defineLayer("Conv1D", convFields(1, ["valid", "same", "causal"]), masks);
const conv2dDefinition = defineLayer("Conv2D", convFields(2, ["valid", "same"]), masks);
export type Conv1DOptions = OptionsOf<typeof conv1dDefinition.fields>;
export type Conv2DOptions = OptionsOf<typeof conv2dDefinition.fields>;

/** What convolutions over one and two axes have in common. A line of pixels is a picture of height 1. */
abstract class Conv<R extends ShapeRule> extends Layer<R, ConvFields> {
  #kernel: Weight | undefined;
  #bias: Weight | undefined;

  constructor(
    definition: Definition<ConvFields>,
    readonly axes: 1 | 2,
    options: OptionsOf<ConvFields>,
  ) {
    super(definition, options);
    const { strides, dilationRate, filters, groups } = this.settings;
    if (strides.some((s) => s > 1) && dilationRate.some((d) => d > 1)) {
      throw this.error(
        `strides: [${strides.join(", ")}] with dilationRate: [${dilationRate.join(", ")}]`,
        "one of them to be 1",
        "Leave strides or dilationRate out",
      );
    }
    if (filters % groups !== 0) {
      throw this.error(
        `${filters} filters in ${groups} groups`,
        "a number of filters that groups divides",
        `Take ${Math.ceil(filters / groups) * groups} filters, or other groups`,
      );
    }
  }

  protected override checkInputs(inputs: InputTypes): void {
    checkPixels(this, inputs, this.axes);
    const { groups } = this.settings;
    const channels = this.features(inputs[0]);
    if (channels % groups === 0) return;
    throw this.error(
      `${channels} channels in ${groups} groups`,
      "a number of channels that groups divides",
      "Choose groups that divide the channels of the input and the filters",
    );
  }

  protected override declareWeights([x]: InputTypes): void {
    const { filters, kernelSize, groups, useBias, kernelInitializer, biasInitializer } = this.settings;
    const shape = [...kernelSize, this.features(x) / groups, filters];
    this.#kernel = this.addWeight("kernel", shape, kernelInitializer, {
      regularizer: this.settings.kernelRegularizer,
      constraint: this.settings.kernelConstraint,
    });
    if (useBias)
      this.#bias = this.addWeight("bias", [filters], biasInitializer, {
        regularizer: this.settings.biasRegularizer,
        constraint: this.settings.biasConstraint,
      });
  }

  override callChecked(inputs: Inputs, context: CallContext): readonly SymbolicTensor[] {
    return super.callChecked(inputs.map(finiteWhereMasked) as unknown as Inputs, context);
  }

  override call([x]: Inputs, context: CallContext): SymbolicTensor {
    const bias = this.#bias && context.weight(this.#bias);
    return convolve(cast(x, "float32"), context.weight(this.builtWeight(this.#kernel)), bias, this.settings);
  }
}

/** The settings of a convolution over one or two axes. */
export type Convolution = Pick<
  SettingsOf<ConvFields>,
  "strides" | "padding" | "dilationRate" | "groups" | "activation"
>;

const inEpilogue = (name: string | undefined): name is ConvActivation =>
  name !== undefined && Object.hasOwn(convActivations, name);

/** x [B, .., C] and a kernel [.., C / groups, F] over one or two axes. */
export function convolve(
  x: SymbolicTensor,
  kernel: SymbolicTensor,
  bias: SymbolicTensor | undefined,
  { strides, padding, dilationRate, groups, activation }: Convolution,
): SymbolicTensor {
  const line = x.rank === 3;
  const pair = (list: readonly number[]): readonly [number, number] =>
    line ? [1, list[0] ?? 1] : [list[0] ?? 1, list[1] ?? 1];
  const picture = (y: SymbolicTensor): SymbolicTensor =>
    line ? reshape(y, [...y.shape.slice(0, -2), 1, ...y.shape.slice(-2)]) : y;
  const wide = line ? reshape(kernel, [1, ...kernel.shape]) : kernel;
  const dilation = pair(dilationRate);
  const past = (Number(wide.shape[1]) - 1) * dilation[1];
  const causal: readonly [WindowPadding, WindowPadding] = ["valid", [past, 0]];
  const { fused } = activation;
  const own = inEpilogue(fused) ? fused : undefined;
  const y = convOp(picture(x), wide, {
    strides: pair(strides),
    dilation,
    padding: padding === "causal" ? causal : padding,
    groups,
    bias,
    activation: own ?? "linear",
  });
  const result = line ? reshape(y, [y.shape[0] ?? 1, ...y.shape.slice(2)]) : y;
  return own === undefined ? activation.apply(result) : result;
}

/**
 * Convolution over time: activation(Σₖ x[t·strides + k·dilationRate] Wₖ + b), x [B, T, C], W [kernelSize, C / groups, F] →
 * [B, T′, F]. With padding "causal" a step sees itself and steps before it alone.
 */
export class Conv1D<R extends ShapeRule = ShapeRule> extends Conv<R> {
  static readonly definition = conv1dDefinition;

  constructor(options: Conv1DOptions) {
    super(conv1dDefinition, 1, options);
  }
}

/** A convolution over time. */
export const conv1d = <const F extends number, const S extends InputShape | undefined = undefined>(
  options: Conv1DOptions & { readonly filters: F; readonly inputShape?: S },
): Conv1D<WindowRule<"conv1d", 1, F, S>> => new Conv1D(options);

/**
 * Convolution over pictures: x [B, H, W, C], kernel [..kernelSize, C / groups, F] → [B, H′, W′, F]. It is the
 * cross-correlation that Keras calls so.
 */
export class Conv2D<R extends ShapeRule = ShapeRule> extends Conv<R> {
  static readonly definition = conv2dDefinition;

  constructor(options: Conv2DOptions) {
    super(conv2dDefinition as unknown as Definition<ConvFields>, 2, options);
  }
}

/** A convolution over pictures. */
export const conv2d = <const F extends number, const S extends InputShape | undefined = undefined>(
  options: Conv2DOptions & { readonly filters: F; readonly inputShape?: S },
): Conv2D<WindowRule<"conv2d", 2, F, S>> => new Conv2D(options);
