import type { OptionsOf, SettingsOf } from "../../../config/config.js";
import { choice, flag, fraction, seed, size } from "../../../config/fields.js";
import type { Dim, Shape } from "../../../graph/dim.js";
import type { SymbolicTensor } from "../../../graph/ir.js";
import { add, mul } from "../../../graph/ops/elementwise.js";
import { split } from "../../../graph/ops/join.js";
import { dropoutMask } from "../../../graph/ops/random.js";
import { windowsOn } from "../../../graph/ops/window.js";
import { activationField } from "../../activation.js";
import type { Definition, Weight, WeightContext } from "../../component.js";
import { constraint } from "../../constraints.js";
import { type Convolution, convolve } from "../../conv.js";
import { initializer } from "../../initializers.js";
import { batchShapeText } from "../../layer.js";
import { weightPenaltyFields } from "../../penalties.js";
import { regularizer } from "../../regularizers.js";
import { dataFormat, requiredSizes, sizes } from "../../windows.js";
import { Cell, type CellFields, type CellOutput, type CellRun, defineCell } from "../cell.js";
import { forgetBias } from "./lstm.js";

// B batch, H height, W width, C channels, F filters.

/** The fields of ConvLSTM layers and cells over one or two axes. */
export const convLstmFields = (axes: 1 | 2) => ({
  /** F, the channels of the state and of the output. */
  filters: size,
  /** The window of the kernels of the input and of the state: one number for all axes, or one for each. */
  kernelSize: requiredSizes(axes),
  /** Pixels of the input from one window to the next; default 1. */
  strides: sizes(axes, 1),
  /** Of the input's convolution (the state's is always "same"); default "valid". */
  padding: choice("valid", ["valid", "same"]),
  /** "channelsLast", the only one there is. */
  dataFormat,
  /** Pixels of the input from one of a window's pixels to the next; default 1. */
  dilationRate: sizes(axes, 1),
  /** Default tanh. */
  activation: activationField("tanh"),
  /** Of the gates; default sigmoid. */
  recurrentActivation: activationField("sigmoid"),
  /** Whether biases are added; default true. */
  useBias: flag(true),
  /** Of the kernel of the input; default glorotUniform. */
  kernelInitializer: initializer("glorotUniform"),
  /** Of the kernel of the state; default orthogonal. */
  recurrentInitializer: initializer("orthogonal"),
  /** Default zeros. */
  biasInitializer: initializer("zeros"),
  /** Whether the forget gate's bias starts at 1; default true. */
  unitForgetBias: flag(true),
  /** Fraction of the input dropped in training, the same in all steps of a sequence; default 0. */
  dropout: fraction(0),
  /** Fraction of the state dropped before its convolution, the same in all steps of a sequence; default 0. */
  recurrentDropout: fraction(0),
  seed,
  ...weightPenaltyFields,
  /** Adds to the loss for the kernel of the state. */
  recurrentRegularizer: regularizer,
  /** What the kernel of the state is brought to after each update. */
  recurrentConstraint: constraint,
});
type ConvLSTMFields = ReturnType<typeof convLstmFields>;

const definitions = {
  1: defineCell("ConvLSTMCell", convLstmFields(1)),
  2: defineCell("ConvLSTMCell", convLstmFields(2)),
} satisfies Record<1 | 2, Definition<CellFields & ConvLSTMFields>>;
export type ConvLSTMCellOptions = OptionsOf<CellFields & ConvLSTMFields>;

/**
 * The LSTM's equations with convolutions, ∗, in the place of products:
 *
 * i = σ(x ∗ Wᵢ + h ∗ Uᵢ + bᵢ)   f = σ(x ∗ W_f + h ∗ U_f + b_f)   o = σ(x ∗ Wₒ + h ∗ Uₒ + bₒ)
 * c′ = f ⊙ c + i ⊙ tanh(x ∗ W_c + h ∗ U_c + b_c)   h′ = o ⊙ tanh(c′)
 *
 * Shi et al., "Convolutional LSTM network", 2015, without its peepholes, as in Keras. W, U and b hold the gates in the
 * order i, f, c, o. x [B, .., C]; states h, c [B, .., F].
 */
export class ConvLSTMCell extends Cell<CellFields & ConvLSTMFields> {
  declare readonly settings: SettingsOf<CellFields & ConvLSTMFields>;
  #kernel: Weight | undefined;
  #recurrentKernel: Weight | undefined;
  #bias: Weight | undefined;
  #step: readonly number[] = [];

  constructor(
    readonly axes: 1 | 2,
    options: ConvLSTMCellOptions,
  ) {
    super(definitions[axes], options);
  }

  override get stateShapes(): readonly (readonly number[])[] {
    const { filters, kernelSize, strides, padding, dilationRate } = this.settings;
    const pixels = this.#step.slice(0, -1).map((n, i) => {
      const reach = ((kernelSize[i] ?? 1) - 1) * (dilationRate[i] ?? 1) + 1;
      return Number(windowsOn(this.where, n, { reach, stride: strides[i] ?? 1, padding }).out);
    });
    return [
      [...pixels, filters],
      [...pixels, filters],
    ];
  }
  override get outputState(): number {
    return 0;
  }
  override get inputRank(): number {
    return this.axes + 2;
  }

  protected override declareWeights(stepShape: Shape): void {
    const { filters, kernelSize, useBias, unitForgetBias, biasInitializer } = this.settings;
    const step = stepShape.slice(1).filter((d) => typeof d === "number");
    if (step.length !== this.axes + 1) {
      throw this.error(
        `steps of ${batchShapeText(stepShape)}`,
        "known sizes of all axes but batch and time",
        "Give them in inputShape; only batch and time may be left open",
      );
    }
    this.#step = step;
    const channels = step.at(-1) ?? 1;
    const kernel = [...kernelSize, channels, 4 * filters];
    this.#kernel = this.addWeight("kernel", kernel, this.settings.kernelInitializer, {
      regularizer: this.settings.kernelRegularizer,
      constraint: this.settings.kernelConstraint,
    });
    const recurrent = [...kernelSize, filters, 4 * filters];
    this.#recurrentKernel = this.addWeight(
      "recurrent_kernel",
      recurrent,
      this.settings.recurrentInitializer,
      {
        regularizer: this.settings.recurrentRegularizer,
        constraint: this.settings.recurrentConstraint,
      },
    );
    const first = unitForgetBias ? forgetBias(biasInitializer, filters) : biasInitializer;
    if (useBias)
      this.#bias = this.addWeight("bias", [4 * filters], first, {
        regularizer: this.settings.biasRegularizer,
        constraint: this.settings.biasConstraint,
      });
  }

  override begin(batch: Dim, _features: Dim, context: WeightContext): readonly CellRun[] {
    const { dropout, recurrentDropout, seed: own, filters } = this.settings;
    const { activation, recurrentActivation } = this.settings;
    const draw = (name: string, fractionDropped: number, shape: Shape) => {
      if (!context.training || fractionDropped === 0) return undefined;
      const { source, stream } = this.drawFrom(context, name, own);
      return dropoutMask([batch, ...shape], fractionDropped, source, stream);
    };
    const [state = []] = this.stateShapes;
    const dropped = draw("recurrent_dropout", recurrentDropout, state);
    const kernel = context.weight(this.builtWeight(this.#kernel));
    const recurrentKernel = context.weight(this.builtWeight(this.#recurrentKernel));
    const bias = this.#bias && context.weight(this.#bias);
    const linear = { apply: (y: SymbolicTensor) => y, fused: "linear", json: undefined } as const;
    const forInput: Convolution = { ...this.settings, groups: 1, activation: linear };
    const ones = this.settings.strides.map(() => 1);
    const forState: Convolution = {
      strides: ones,
      dilationRate: ones,
      padding: "same",
      groups: 1,
      activation: linear,
    };
    return [
      {
        stateCount: 2,
        inputDropout: draw("dropout", dropout, this.#step),
        constants: [],
        step: (x, [h = x, c = x]): CellOutput => {
          const before = dropped === undefined ? h : mul(h, dropped);
          const z = add(
            convolve(x, kernel, bias, forInput),
            convolve(before, recurrentKernel, undefined, forState),
          );
          const [zi = z, zf = z, zc = z, zo = z] = split(z, [filters, filters, filters, filters]);
          const [i = z, f = z, o = z] = [zi, zf, zo].map((gate) => recurrentActivation.apply(gate));
          const cell = add(mul(f, c), mul(i, activation.apply(zc)));
          const hidden = mul(o, activation.apply(cell));
          return { output: hidden, states: [hidden, cell] };
        },
      },
    ];
  }

  override call(x: SymbolicTensor, states: readonly SymbolicTensor[], context: WeightContext): CellOutput {
    const [run] = this.begin(x.shape[0] ?? 1, x.shape.at(-1) ?? 1, context);
    if (run === undefined) throw new Error("a cell has one run");
    return run.step(x, states, []);
  }
}
