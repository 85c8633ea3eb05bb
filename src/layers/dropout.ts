import type { OptionsOf } from "../config/config.js";
import { optionalShape, rate, seed } from "../config/fields.js";
import type { SymbolicTensor } from "../graph/ir.js";
import { dropout as dropoutOp } from "../graph/ops/random.js";
import {
  batchShapeText,
  type CallContext,
  defineLayer,
  type Inputs,
  type InputTypes,
  Layer,
} from "./layer.js";
import type { InputShape, Keeps, ShapeRule } from "./types.js";

const definition = defineLayer("Dropout", {
  /** Fraction of the elements that become 0. */
  rate,
  /** Shape of the mask with its batch axis: one draw for all along axes of size 1, null for the input's size. */
  noiseShape: optionalShape,
  seed,
});
/** Options of the layer Dropout. */
export type DropoutOptions = OptionsOf<typeof definition.fields>;

/**
 * In training sets a fraction of the elements to 0 and scales the others by 1/(1 − rate). Srivastava et al.,
 * "Dropout: a simple way to prevent neural networks from overfitting", 2014. Keeps the mask.
 */
export class Dropout<R extends ShapeRule = ShapeRule> extends Layer<R, typeof definition.fields> {
  static readonly definition = definition;

  constructor(options: DropoutOptions) {
    super(definition, options);
  }

  protected override checkInputs([{ shape }]: InputTypes): void {
    const { noiseShape } = this.settings;
    if (noiseShape === null) return;
    const fits =
      noiseShape.length === shape.length &&
      noiseShape.every((d, i) => d === null || d === 1 || d === shape[i]);
    if (!fits) {
      throw this.error(
        `${batchShapeText(shape)} with noiseShape [${noiseShape.map(String).join(", ")}]`,
        "a noiseShape of as many axes as the input, each of the input's size, 1 or null",
        "Write null for every axis that is drawn in full, 1 for every axis that shares a draw",
      );
    }
  }

  override call([x]: Inputs, context: CallContext): SymbolicTensor {
    const { rate: fraction, noiseShape, seed: own } = this.settings;
    if (!context.training) return x;
    const { source, stream } = this.drawFrom(context, "", own);
    const shape = noiseShape?.map((d, i) => d ?? x.shape[i] ?? 1) ?? x.shape;
    return dropoutOp(x, fraction, source, stream, shape);
  }
}

/** Dropout as a layer. */
export const dropout = <const S extends InputShape | undefined = undefined>(
  options: DropoutOptions & { readonly inputShape?: S },
): Dropout<Keeps<S>> => new Dropout(options);
