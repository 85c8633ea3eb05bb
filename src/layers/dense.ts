import type { OptionsOf } from "../config/config.js";
import { flag, size } from "../config/fields.js";
import type { SymbolicTensor } from "../graph/ir.js";
import { add, cast } from "../graph/ops/elementwise.js";
import { matMul } from "../graph/ops/matmul.js";
import { spread } from "../graph/ops/shape.js";
import { activationField } from "./activation.js";
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
import { penaltyFields } from "./penalties.js";
import type { InputShape, IsUnknown, ShapeError, ShapeRule, Sizes } from "./types.js";

const definition = defineLayer("Dense", {
  /** Size of the output's last axis. */
  units: size,
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
/** Options of the layer Dense. */
export type DenseOptions = OptionsOf<typeof definition.fields>;

/** [.., D] → [.., units] */
export interface DenseRule<U extends number, S extends InputShape | undefined = undefined> extends ShapeRule {
  readonly given: S;
  readonly out: IsUnknown<this["in"]> extends true
    ? Sizes
    : this["in"] extends readonly [...infer Lead extends readonly number[], number]
      ? [...Lead, U]
      : ShapeError<"dense needs [batch, .., features]">;
}

/** activation(x W + b) over the last axis: x [B, .., D], W [D, units], b [units]. Keeps the mask. */
export class Dense<R extends ShapeRule = ShapeRule> extends Layer<R, typeof definition.fields> {
  static readonly definition = definition;
  #kernel: Weight | undefined;
  #bias: Weight | undefined;

  constructor(options: DenseOptions) {
    super(definition, options);
  }

  protected override checkInputs([x]: InputTypes): void {
    if (x.shape.length < 2) {
      throw this.error(
        batchShapeText(x.shape),
        "[batch, .., features]",
        "Give every sample an axis of features, for example with reshape",
      );
    }
    this.features(x);
  }

  protected override declareWeights([x]: InputTypes): void {
    const { units, useBias, kernelInitializer, biasInitializer } = this.settings;
    this.#kernel = this.addWeight("kernel", [this.features(x), units], kernelInitializer, {
      regularizer: this.settings.kernelRegularizer,
      constraint: this.settings.kernelConstraint,
    });
    if (useBias)
      this.#bias = this.addWeight("bias", [units], biasInitializer, {
        regularizer: this.settings.biasRegularizer,
        constraint: this.settings.biasConstraint,
      });
  }

  override call([x]: Inputs, context: CallContext): SymbolicTensor {
    const product = matMul(cast(x, "float32"), context.weight(this.builtWeight(this.#kernel)));
    const sum =
      this.#bias === undefined ? product : add(product, spread(context.weight(this.#bias), product));
    return this.settings.activation.apply(sum);
  }
}

/** A fully connected layer. */
export const dense = <const U extends number, const S extends InputShape | undefined = undefined>(
  options: DenseOptions & { readonly units: U; readonly inputShape?: S },
): Dense<DenseRule<U, S>> => new Dense(options);
