import type { OptionsOf } from "../config/config.js";
import { real } from "../config/fields.js";
import type { SymbolicTensor } from "../graph/ir.js";
import { cast, greater, isNaN as isNaNOp, logicalNot, notEqualTo, where } from "../graph/ops/elementwise.js";
import { sum } from "../graph/ops/reduce.js";
import { expandDims } from "../graph/ops/shape.js";
import {
  batchShapeText,
  type CallContext,
  defineLayer,
  type Inputs,
  type InputTypes,
  Layer,
} from "./layer.js";
import type { InputShape, IsUnknown, ShapeError, ShapeRule } from "./types.js";

const definition = defineLayer(
  "Masking",
  {
    /** A step whose features all have this value does not count; NaN matches NaN. Default 0. */
    maskValue: real(0),
  },
  { masks: "makes" },
);
/** Options of the layer Masking. */
export type MaskingOptions = OptionsOf<typeof definition.fields>;

/** [T, .., D] → the same */
export interface MaskingRule<S extends InputShape | undefined = undefined> extends ShapeRule {
  readonly given: S;
  readonly out: IsUnknown<this["in"]> extends true
    ? this["in"]
    : this["in"] extends readonly [number, number, ...number[]]
      ? this["in"]
      : ShapeError<"masking needs [batch, time, features]">;
}

/** Marks the steps of [B, T, .., D] in which every feature is `maskValue` as not counting; their values become 0. */
export class Masking<R extends ShapeRule = ShapeRule> extends Layer<R, typeof definition.fields> {
  static readonly definition = definition;

  constructor(options: MaskingOptions = {}) {
    super(definition, options);
  }

  protected override checkInputs([{ shape }]: InputTypes): void {
    if (shape.length < 3) {
      throw this.error(
        batchShapeText(shape),
        "[batch, time, features]",
        "Give every sample an axis of time steps",
      );
    }
  }

  override call([x]: Inputs, _context: CallContext): SymbolicTensor {
    const { maskValue } = this.settings;
    const bare = x.withMask(undefined);
    const differs = Number.isNaN(maskValue) ? logicalNot(isNaNOp(bare)) : notEqualTo(bare, maskValue);
    const counts = greater(sum(cast(differs, "int32"), -1), 0);
    return where(expandDims(counts, -1), bare, 0).withMask(counts);
  }
}

/** Marks padding steps so that they do not count. */
export const masking = <const S extends InputShape | undefined = undefined>(
  options: MaskingOptions & { readonly inputShape?: S } = {},
): Masking<MaskingRule<S>> => new Masking(options);
