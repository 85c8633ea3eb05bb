import type { Fields, OptionsOf } from "../config/config.js";
import { flag, integer, plain } from "../config/fields.js";
import { product, type Shape } from "../graph/dim.js";
import { type SymbolicTensor, sameValue } from "../graph/ir.js";
import { widenMask } from "../graph/mask.js";
import * as op from "../graph/ops/elementwise.js";
import { concat } from "../graph/ops/join.js";
import { matMul } from "../graph/ops/matmul.js";
import { normalizeAxis, sum } from "../graph/ops/reduce.js";
import { broadcastTo, expandDims, reshape, spread, transpose } from "../graph/ops/shape.js";
import {
  batchShapeText,
  type CallContext,
  defineLayer,
  type Inputs,
  type InputTypes,
  Layer,
  type LayerFields,
} from "./layer.js";
import type { ShapeRule, Sizes } from "./types.js";

// B batch, T time, D features.

type X = SymbolicTensor;

const takesNoPart =
  "A step counts where it counts in any input, an input without a mask counts everywhere, and what is masked takes no part";
const merges = (className: string, note: string) =>
  defineLayer(className, {}, { inputs: "several", masks: "carries", maskNote: `${takesNoPart}${note}` });
const except = "; Keras computes with it.";

/** The shape of all where they are of one shape; broadcasting is not told. */
export interface MergeRule extends ShapeRule {
  readonly out: this["in"] extends readonly [infer A extends Sizes, ...infer Rest extends readonly Sizes[]]
    ? [Rest[number], A] extends [A, Rest[number]]
      ? A
      : Sizes
    : Sizes;
}

/** Options of the layers that merge element by element. */
export type MergeOptions = OptionsOf<LayerFields>;

/** A layer of two inputs or more. */
abstract class Merge<
  R extends ShapeRule = ShapeRule,
  F extends LayerFields & Fields = LayerFields,
> extends Layer<R, F> {
  /** The most inputs that it takes. */
  protected readonly most: number = Number.POSITIVE_INFINITY;

  /** Refuses inputs that do not fit. */
  protected override checkInputs(inputs: InputTypes): void {
    if (inputs.length >= 2 && inputs.length <= this.most) return;
    throw this.error(
      `${inputs.length} ${inputs.length === 1 ? "input" : "inputs"}`,
      this.most === 2 ? "two" : "two or more",
      "Call it on a list of values, in a functional model: apply([a, b])",
    );
  }

  /** Which steps of the output count: those that count in any input. Says once where a mask is lost by that. */
  protected counts(inputs: readonly X[], shape: Shape, context: CallContext): X | undefined {
    const masks = inputs.flatMap(({ mask }) => mask ?? []);
    const [first, ...others] = masks;
    if (first === undefined) return undefined;
    if (masks.length < inputs.length) {
      context.warn(
        `${this.where} drops the mask: all time steps count after it, because one of its inputs has none`,
      );
      return undefined;
    }
    if (others.every((mask) => sameValue(mask, first))) return first;
    const rank = Math.max(...masks.map((mask) => mask.rank));
    const prefix = shape.slice(0, rank);
    return masks.map((mask) => broadcastTo(widenMask(mask, rank), prefix)).reduce(op.logicalOr);
  }
}

/** Whether all have the same mask, or none, so that nothing is to be selected. */
const alike = ([first, ...others]: readonly X[]): boolean =>
  others.every(({ mask }) =>
    mask === undefined || first?.mask === undefined ? mask === first?.mask : sameValue(mask, first.mask),
  );

/** x without its mask, `value` where it is masked. */
const selected = (x: X, value: number): X =>
  x.mask === undefined
    ? x
    : op.where(
        widenMask(x.mask, x.rank),
        x.withMask(undefined),
        x.dtype === "float32" ? value : finite(value),
      );
const finite = (value: number): number => Math.max(-(2 ** 31), Math.min(value, 2 ** 31 - 1));

/** Inputs of fewer axes get axes of size 1 after the batch, as in Keras. */
function sameRank(inputs: readonly X[]): X[] {
  const rank = Math.max(...inputs.map((x) => x.rank));
  return inputs.map((x) => {
    const wide = (y: X): X => {
      let widened = y;
      for (let i = x.rank; i < rank && y.rank > 1; i++) widened = expandDims(widened, 1);
      return widened;
    };
    return wide(x.withMask(undefined)).withMask(x.mask && wide(x.mask));
  });
}

/** Element by element, after broadcasting. */
abstract class Elementwise<R extends ShapeRule = ShapeRule> extends Merge<R> {
  /** What changes no result. */
  protected abstract readonly neutral: number;
  protected abstract readonly combine: (a: X, b: X) => X;

  override call(inputs: Inputs, context: CallContext): X {
    const all = sameRank(inputs);
    const same = alike(all);
    const operands = same ? all.map((x) => x.withMask(undefined)) : all.map((x) => selected(x, this.neutral));
    const y = this.finish(
      operands.reduce((a, b) => this.combine(a, b)),
      all,
      same,
    );
    const mask = this.counts(all, y.shape, context);
    const clean = same || mask === undefined || this.neutral === 0;
    return (clean ? y : op.where(widenMask(mask, y.rank), y, 0)).withMask(mask);
  }

  /** What is done with the result of all. */
  protected finish(y: X, _inputs: readonly X[], _same: boolean): X {
    return y;
  }
}

const addDefinition = merges("Add", except);
/** a + b + … of inputs of one shape, or of shapes that broadcast. */
export class Add<R extends ShapeRule = ShapeRule> extends Elementwise<R> {
  static readonly definition = addDefinition;
  protected override readonly neutral = 0;
  constructor(options: MergeOptions = {}) {
    super(addDefinition, options);
  }
  /** How two inputs become one. */
  protected override readonly combine = op.add;
}

const subtractDefinition = merges("Subtract", except);
/** a − b. */
export class Subtract<R extends ShapeRule = ShapeRule> extends Elementwise<R> {
  static readonly definition = subtractDefinition;
  protected override readonly neutral = 0;
  protected override readonly most = 2;
  constructor(options: MergeOptions = {}) {
    super(subtractDefinition, options);
  }
  /** How two inputs become one. */
  protected override readonly combine = op.sub;
}

const multiplyDefinition = merges("Multiply", ", as in Keras.");
/** a · b · … */
export class Multiply<R extends ShapeRule = ShapeRule> extends Elementwise<R> {
  static readonly definition = multiplyDefinition;
  protected override readonly neutral = 1;
  constructor(options: MergeOptions = {}) {
    super(multiplyDefinition, options);
  }
  /** How two inputs become one. */
  protected override readonly combine = op.mul;
}

const averageDefinition = merges("Average", except);
/** The mean of the inputs that count. */
export class Average<R extends ShapeRule = ShapeRule> extends Elementwise<R> {
  static readonly definition = averageDefinition;
  protected override readonly neutral = 0;
  constructor(options: MergeOptions = {}) {
    super(averageDefinition, options);
  }
  /** How two inputs become one. */
  protected override readonly combine = op.add;
  protected override finish(y: X, inputs: readonly X[], same: boolean): X {
    if (same) return op.div(y, inputs.length);
    const counted = inputs.map((x): X | number =>
      x.mask === undefined ? 1 : op.cast(widenMask(x.mask, x.rank), "float32"),
    );
    const total = counted.reduce<X | number>(
      (a, b) => (typeof a === "number" && typeof b === "number" ? a + b : op.add(a, b)),
      0,
    );
    return op.div(y, typeof total === "number" ? total : op.maximum(total, 1));
  }
}

const maximumDefinition = merges("Maximum", except);
/** The largest of the inputs, element by element. */
export class Maximum<R extends ShapeRule = ShapeRule> extends Elementwise<R> {
  static readonly definition = maximumDefinition;
  protected override readonly neutral = Number.NEGATIVE_INFINITY;
  constructor(options: MergeOptions = {}) {
    super(maximumDefinition, options);
  }
  /** How two inputs become one. */
  protected override readonly combine = op.maximum;
}

const minimumDefinition = merges("Minimum", except);
/** The smallest of the inputs, element by element. */
export class Minimum<R extends ShapeRule = ShapeRule> extends Elementwise<R> {
  static readonly definition = minimumDefinition;
  protected override readonly neutral = Number.POSITIVE_INFINITY;
  constructor(options: MergeOptions = {}) {
    super(minimumDefinition, options);
  }
  /** How two inputs become one. */
  protected override readonly combine = op.minimum;
}

const concatenateDefinition = defineLayer(
  "Concatenate",
  {
    /** Along which axis, the batch axis counted; default the last. */
    axis: integer(-1),
  },
  {
    inputs: "several",
    masks: "carries",
    maskNote:
      "Along time the masks are joined too. Along features a step counts where it counts in any input, and the features of an input that is masked there are 0; Keras hands them on.",
  },
);
/** Options of the layer Concatenate. */
export type ConcatenateOptions = OptionsOf<typeof concatenateDefinition.fields>;

/** Inputs side by side along an axis; the types tell the sizes of the other axes where all have one rank of 2. */
export interface ConcatenateRule extends ShapeRule {
  readonly out: this["in"] extends readonly [infer A extends Sizes, ...(readonly Sizes[])]
    ? { readonly [K in keyof A]: number }
    : Sizes;
}

/** Inputs side by side: [B, T, D₁], [B, T, D₂] → [B, T, D₁ + D₂], or along another axis. */
export class Concatenate<R extends ShapeRule = ShapeRule> extends Merge<
  R,
  typeof concatenateDefinition.fields
> {
  static readonly definition = concatenateDefinition;

  constructor(options: ConcatenateOptions = {}) {
    super(concatenateDefinition, options);
  }

  /** Refuses inputs that do not fit. */
  protected override checkInputs(inputs: InputTypes): void {
    super.checkInputs(inputs);
    const { axis } = this.settings;
    const rank = inputs[0].shape.length;
    const at = axis < 0 ? axis + rank : axis;
    if (inputs.every(({ shape }) => shape.length === rank) && at > 0 && at < rank) return;
    throw this.error(
      `${inputs.map(({ shape }) => batchShapeText(shape)).join(" and ")} with axis: ${axis}`,
      "inputs of the same number of axes, joined along one of them but the batch",
      "Count axes from 1, or from -1 backwards; reshape inputs that have fewer",
    );
  }

  override call(inputs: Inputs, context: CallContext): X {
    const [first] = inputs;
    const axis = normalizeAxis("concatenate", first, this.settings.axis);
    const dtype = inputs.some((x) => x.dtype === "float32") ? "float32" : "int32";
    const operands = inputs.every((x) => x.dtype === first.dtype)
      ? inputs
      : inputs.map((x) => op.cast(x, dtype));
    const rank = Math.max(...inputs.map(({ mask }) => mask?.rank ?? 0));
    if (axis < rank) return concat(operands, axis);
    const bare = alike(operands) ? operands.map((x) => x.withMask(undefined)) : operands.map(zeroed);
    const y = concat(bare, axis);
    return y.withMask(this.counts(operands, y.shape, context));
  }
}
const zeroed = (x: X): X => selected(x, 0);

/** Joins inputs along an axis. */
export const concatenate = (options: ConcatenateOptions = {}): Concatenate<ConcatenateRule> =>
  new Concatenate(options);

const dotDefinition = defineLayer(
  "Dot",
  {
    /** Which axis of each input is summed over, the batch axis counted: one number for both, or two. */
    axes: plain<number | readonly [number, number]>(
      (x) => Number.isInteger(x) || (Array.isArray(x) && x.length === 2 && x.every(Number.isInteger)),
      "an axis, or two: one for each input",
    ).required,
    /** Whether both are scaled to length 1 along these axes first, which makes it the cosine; default false. */
    normalize: flag(false),
  },
  {
    inputs: "several",
    masks: "consumes",
    maskNote:
      "Summed over the time axis, only steps that count take part; in Keras all do. Along other axes the mask is dropped, with a warning.",
  },
);
/** Options of the layer Dot. */
export type DotOptions = OptionsOf<typeof dotDefinition.fields>;

/** The shapes without the summed axes, side by side; not told. */
export interface DotRule extends ShapeRule {
  readonly out: Sizes;
}

/**
 * The products of two inputs summed over an axis of each: axes [2, 1] makes [B, M, K], [B, K, N] to [B, M, N]; two vectors
 * give [B, 1].
 */
export class Dot<R extends ShapeRule = ShapeRule> extends Merge<R, typeof dotDefinition.fields> {
  static readonly definition = dotDefinition;
  protected override readonly most = 2;

  constructor(options: DotOptions) {
    super(dotDefinition, options);
  }

  #axes(inputs: readonly { readonly shape: Shape }[]): readonly number[] {
    const { axes } = this.settings;
    return inputs.map(({ shape }, i) => {
      const axis = (typeof axes === "number" ? axes : axes[i]) ?? -1;
      return axis < 0 ? axis + shape.length : axis;
    });
  }

  /** Refuses inputs that do not fit. */
  protected override checkInputs(inputs: InputTypes): void {
    super.checkInputs(inputs);
    const axes = this.#axes(inputs);
    const sizes = inputs.map(({ shape }, i) => shape[axes[i] ?? 0]);
    const known = sizes.every((d) => typeof d === "number");
    const inside = axes.every((axis, i) => axis > 0 && axis < (inputs[i]?.shape.length ?? 0));
    if (inside && (!known || sizes[0] === sizes[1])) return;
    throw this.error(
      `${inputs.map(({ shape }) => batchShapeText(shape)).join(" and ")} with axes: ${JSON.stringify(this.settings.axes)}`,
      "an axis of each input but the batch, of the same size",
      "Name the axes to sum over, for example axes: [2, 1]",
    );
  }

  override call([a, b = a]: Inputs, context: CallContext): X {
    const [m = 1, n = 1] = this.#axes([a, b]);
    const [x, y] = [this.#operand(a, m, context), this.#operand(b, n, context)];
    const batch = x.shape[0] ?? 1;
    const left = x.shape.filter((_, i) => i > 0 && i !== m);
    const right = y.shape.filter((_, i) => i > 0 && i !== n);
    const summed = x.shape[m] ?? 1;
    // [B, M, K] · [B, K, N], whatever axes M and N are made of.
    const rows = reshape(toEnd(x, m), [batch, product(left), summed]);
    const columns = reshape(toFront(y, n), [y.shape[0] ?? 1, y.shape[n] ?? 1, product(right)]);
    const shape = [batch, ...left, ...right];
    return reshape(matMul(rows, columns), shape.length === 1 ? [batch, 1] : shape);
  }

  /** In float32 and without a mask: what is masked along the summed axis is 0. */
  #operand(x: X, axis: number, context: CallContext): X {
    const { mask } = x;
    if (mask !== undefined && mask.rank <= axis)
      context.warn(`${this.where} drops the mask: all time steps count after it`);
    const value = op.cast(
      mask !== undefined && mask.rank > axis ? zeroed(x) : x.withMask(undefined),
      "float32",
    );
    return this.settings.normalize ? unit(value, [axis]) : value;
  }
}

/** x scaled to length 1 along axes; what is shorter than 1e-12 only 1e12 times. Masked steps along them do not count. */
export function unit(x: X, axes: readonly number[]): X {
  const length = sum(op.square(x), axes, true).withMask(undefined);
  return op.mul(x, spread(op.rsqrt(op.maximum(length, 1e-24)), x));
}

const toEnd = (x: X, axis: number): X =>
  transpose(x, [...[...x.shape.keys()].filter((i) => i !== axis), axis]);
const toFront = (x: X, axis: number): X =>
  transpose(x, [0, axis, ...[...x.shape.keys()].filter((i) => i > 0 && i !== axis)]);

/** The dot product of two inputs along an axis of each. */
export const dot = (options: DotOptions): Dot<DotRule> => new Dot(options);
/** a + b + … */
export const add = (options: MergeOptions = {}): Add<MergeRule> => new Add(options);
/** a − b. */
export const subtract = (options: MergeOptions = {}): Subtract<MergeRule> => new Subtract(options);
/** a · b · … */
export const multiply = (options: MergeOptions = {}): Multiply<MergeRule> => new Multiply(options);
/** The mean of the inputs. */
export const average = (options: MergeOptions = {}): Average<MergeRule> => new Average(options);
/** The largest, element by element. */
export const maximum = (options: MergeOptions = {}): Maximum<MergeRule> => new Maximum(options);
/** The smallest, element by element. */
export const minimum = (options: MergeOptions = {}): Minimum<MergeRule> => new Minimum(options);
