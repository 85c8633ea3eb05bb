import type { OptionsOf } from "../config/config.js";
import { targetShape } from "../config/fields.js";
import { product } from "../graph/dim.js";
import type { SymbolicTensor } from "../graph/ir.js";
import { reshape as reshapeOp } from "../graph/ops/shape.js";
import { batchShapeText, defineLayer, type Inputs, type InputTypes, Layer } from "./layer.js";
import type { InputShape, ShapeRule, Sizes } from "./types.js";

const flattenDefinition = defineLayer("Flatten", {}, { masks: "drops" });
/** Options of the layer Flatten. */
export type FlattenOptions = OptionsOf<typeof flattenDefinition.fields>;

/** [..] → [n] */
export interface FlattenRule<S extends InputShape | undefined = undefined> extends ShapeRule {
  readonly given: S;
  readonly out: this["in"] extends readonly [infer N extends number] ? [N] : [number];
}

/** [B, ..] → [B, n]: all axes but the batch in one. Drops a mask, with a warning. */
export class Flatten<R extends ShapeRule = ShapeRule> extends Layer<R> {
  static readonly definition = flattenDefinition;

  constructor(options: FlattenOptions = {}) {
    super(flattenDefinition, options);
  }

  override call([x]: Inputs): SymbolicTensor {
    const [batch = 1, ...rest] = x.shape;
    return reshapeOp(x, [batch, product(rest)]);
  }
}

/** All axes but the batch in one. */
export const flatten = <const S extends InputShape | undefined = undefined>(
  options: FlattenOptions & { readonly inputShape?: S } = {},
): Flatten<FlattenRule<S>> => new Flatten(options);

const reshapeDefinition = defineLayer(
  "Reshape",
  {
    /** Sizes without the batch axis; one may be -1 and follows from the others. */
    targetShape,
  },
  { masks: "drops" },
);
/** Options of the layer Reshape. */
export type ReshapeOptions = OptionsOf<typeof reshapeDefinition.fields>;

/** Any shape → the target; -1 is a size that the types do not know. */
export interface ReshapeRule<Target extends Sizes, S extends InputShape | undefined = undefined>
  extends ShapeRule {
  readonly given: S;
  readonly out: { readonly [K in keyof Target]: Target[K] extends -1 ? number : Target[K] };
}

/** [B, ..] → [B, ..targetShape], the elements in the same order. Drops a mask, with a warning. */
export class Reshape<R extends ShapeRule = ShapeRule> extends Layer<R, typeof reshapeDefinition.fields> {
  static readonly definition = reshapeDefinition;

  constructor(options: ReshapeOptions) {
    super(reshapeDefinition, options);
  }

  protected override checkInputs([{ shape }]: InputTypes): void {
    const { targetShape: target } = this.settings;
    const elements = product(shape.slice(1));
    if (typeof elements !== "number") return;
    const known = target.reduce((p, d) => (d === -1 ? p : p * d), 1);
    const fits = target.includes(-1) ? elements % known === 0 : elements === known;
    if (fits) return;
    throw this.error(
      `${batchShapeText(shape)}, ${elements} elements a sample`,
      `as many elements as targetShape [${target.join(", ")}]${target.includes(-1) ? " can hold" : `, ${known}`}`,
      "Change targetShape; one of its sizes may be -1 and follows from the others",
    );
  }

  override call([x]: Inputs): SymbolicTensor {
    const { targetShape: target } = this.settings;
    const open = product(x.shape.slice(1));
    const known = target.reduce((p, d) => (d === -1 ? p : p * d), 1);
    const missing = typeof open === "number" ? open / known : -1;
    const sizes = target.map((d) => (d === -1 ? missing : d));
    return reshapeOp(x, [x.shape[0] ?? 1, ...sizes]);
  }
}

/** Another shape of each sample. */
export const reshape = <const T extends Sizes, const S extends InputShape | undefined = undefined>(
  options: ReshapeOptions & { readonly targetShape: T; readonly inputShape?: S },
): Reshape<ReshapeRule<T, S>> => new Reshape(options);
