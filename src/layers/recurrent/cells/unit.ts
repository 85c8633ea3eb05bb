import type { SettingsOf } from "../../../config/config.js";
import { flag, fraction, seed, size } from "../../../config/fields.js";
import type { Dim, Shape } from "../../../graph/dim.js";
import type { SymbolicTensor } from "../../../graph/ir.js";
import { add } from "../../../graph/ops/elementwise.js";
import { dropoutMask } from "../../../graph/ops/random.js";
import type { Fused } from "../../../graph/ops/rnn.js";
import { activationField } from "../../activation.js";
import type { Weight, WeightContext } from "../../component.js";
import { constraint } from "../../constraints.js";
import { type Initializer, initializer } from "../../initializers.js";
import { weightPenaltyFields } from "../../penalties.js";
import { regularizer } from "../../regularizers.js";
import { Cell, type CellFields, type CellOutput, type CellRun } from "../cell.js";

// B batch, D input features, H units, G gates.

/** The fields that SimpleRNN, LSTM and GRU cells share. */
export const unitFields = {
  /** H, the size of the state and of the output. */
  units: size,
  /** Default tanh. */
  activation: activationField("tanh"),
  /** Whether biases are added; default true. */
  useBias: flag(true),
  /** Of the weights of the input; default glorotUniform. */
  kernelInitializer: initializer("glorotUniform"),
  /** Of the weights of the state; default orthogonal. */
  recurrentInitializer: initializer("orthogonal"),
  /** Default zeros. */
  biasInitializer: initializer("zeros"),
  /** Fraction of the input's features dropped in training, the same in all steps of a sequence; default 0. */
  dropout: fraction(0),
  /** Fraction of the state dropped before it is multiplied, the same in all steps of a sequence; default 0. */
  recurrentDropout: fraction(0),
  seed,
  ...weightPenaltyFields,
  /** Adds to the loss for the weights of the state. */
  recurrentRegularizer: regularizer,
  /** What the weights of the state are brought to after each update. */
  recurrentConstraint: constraint,
};
export type UnitFields = CellFields & typeof unitFields;

/** The constants of a step. */
export interface CellWeights {
  /** [D, G·H] */
  readonly kernel: SymbolicTensor;
  /** [H, G·H] */
  readonly recurrentKernel: SymbolicTensor;
  /** [G·H], or whatever the cell declares. */
  readonly bias: SymbolicTensor | undefined;
  /** [B, H]: multiplies h before the recurrent product. */
  readonly dropout: SymbolicTensor | undefined;
}

/**
 * Cells with a kernel [D, G·H], a recurrent kernel [H, G·H] and a bias, each for all G gates side by side. Subclasses
 * are their equations. Dropout is Gal & Ghahramani's ("A theoretically grounded application of dropout in recurrent
 * neural networks", 2016), one mask for all steps of a sequence and for all gates (the paper's tied weights; Keras draws
 * a mask for each gate where recurrentDropout is set).
 */
export abstract class UnitCell<F extends UnitFields = UnitFields> extends Cell<F> {
  declare readonly settings: SettingsOf<F> & SettingsOf<UnitFields>;
  #kernel: Weight | undefined;
  #recurrentKernel: Weight | undefined;
  #bias: Weight | undefined;

  /** G */
  protected abstract readonly gates: number;
  /** The fused kernel for the cell's settings, where its activations allow one. */
  protected abstract fusedAs(): Fused | undefined;
  /** x [B, D], states [B, H] each → the output [B, H] and the new states. */
  protected abstract equations(
    x: SymbolicTensor,
    states: readonly SymbolicTensor[],
    weights: CellWeights,
  ): CellOutput;

  override get stateShapes(): readonly (readonly number[])[] {
    return [[this.settings.units]];
  }
  override get outputState(): number {
    return 0;
  }
  override get inputRank(): number {
    return 2;
  }

  protected get biasShape(): readonly number[] {
    return [this.gates * this.settings.units];
  }
  protected get biasInitializer(): Initializer {
    return this.settings.biasInitializer;
  }

  protected override declareWeights(stepShape: Shape): void {
    const { units, useBias, kernelInitializer, recurrentInitializer } = this.settings;
    const features = stepShape.at(-1);
    if (typeof features !== "number") {
      throw this.error(
        `an input of shape [${stepShape.join(", ")}]`,
        "a known number of features",
        "Give the size of the last axis in inputShape; only batch and time may be left open",
      );
    }
    const columns = this.gates * units;
    this.#kernel = this.addWeight("kernel", [features, columns], kernelInitializer, {
      regularizer: this.settings.kernelRegularizer,
      constraint: this.settings.kernelConstraint,
    });
    this.#recurrentKernel = this.addWeight("recurrent_kernel", [units, columns], recurrentInitializer, {
      regularizer: this.settings.recurrentRegularizer,
      constraint: this.settings.recurrentConstraint,
    });
    if (useBias)
      this.#bias = this.addWeight("bias", this.biasShape, this.biasInitializer, {
        regularizer: this.settings.biasRegularizer,
        constraint: this.settings.biasConstraint,
      });
  }

  override begin(batch: Dim, features: Dim, context: WeightContext): readonly CellRun[] {
    return [this.#run(batch, features, context)];
  }

  #run(batch: Dim, features: Dim, context: WeightContext): CellRun {
    const { units, dropout, recurrentDropout, seed: own } = this.settings;
    const draw = (name: string, fractionDropped: number, width: Dim) => {
      if (!context.training || fractionDropped === 0) return undefined;
      const { source, stream } = this.drawFrom(context, name, own);
      return dropoutMask([batch, width], fractionDropped, source, stream);
    };
    const hidden = draw("recurrent_dropout", recurrentDropout, units);
    const bias = this.#bias && context.weight(this.#bias);
    const as = this.fusedAs();
    return {
      stateCount: this.stateShapes.length,
      inputDropout: draw("dropout", dropout, features),
      constants: [
        context.weight(this.builtWeight(this.#kernel)),
        context.weight(this.builtWeight(this.#recurrentKernel)),
        ...(bias === undefined ? [] : [bias]),
        ...(hidden === undefined ? [] : [hidden]),
      ],
      step: (x, states, [kernel = x, recurrentKernel = x, ...rest]) =>
        this.equations(x, states, {
          kernel,
          recurrentKernel,
          bias: bias === undefined ? undefined : rest[0],
          dropout: hidden === undefined ? undefined : rest.at(-1),
        }),
      fused: as && { as, bias: bias !== undefined, dropout: hidden !== undefined },
    };
  }

  override call(x: SymbolicTensor, states: readonly SymbolicTensor[], context: WeightContext): CellOutput {
    const run = this.#run(x.shape[0] ?? 1, x.shape.at(-1) ?? 1, context);
    return run.step(x, states, run.constants);
  }
}

/** x + bias where there is one. */
export const plusBias = (x: SymbolicTensor, bias: SymbolicTensor | undefined): SymbolicTensor =>
  bias === undefined ? x : add(x, bias);
