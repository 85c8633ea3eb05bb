import { RondoError } from "../../errors.js";
import { equal, product, type Shape, sameShape, shapeText } from "../dim.js";
import {
  apply,
  type GradientRule,
  type MaskRule,
  type Op,
  type Reduction,
  type SymbolicTensor,
  symbolic,
} from "../ir.js";
import { widenMask } from "../mask.js";
import { cast, div, equalTo, exp, mul, sub, where } from "./elementwise.js";
import { broadcastTo, reshape } from "./shape.js";
import { size } from "./source.js";

export interface ReduceAttrs {
  /** Axes summed away: ascending, not negative. */
  readonly axes: readonly number[];
}

/** Reductions drop their axes; `expandLike` puts them back as 1 and repeats. */
function expandLike(y: SymbolicTensor, x: SymbolicTensor, axes: readonly number[]): SymbolicTensor {
  return broadcastTo(
    reshape(
      y,
      x.shape.map((d, i) => (axes.includes(i) ? 1 : d)),
    ),
    x.shape,
  );
}

/** A reduced masked axis consumes the mask (the builders have excluded its steps); masks over kept axes stay. */
const reduceMask: MaskRule<ReduceAttrs> = ([x], { axes }) => {
  const mask = x?.mask;
  return mask === undefined || axes.some((a) => a < mask.rank) ? undefined : mask;
};

/** @param result dtype of the result: of the operand (int32 for all integers), int32, or float32 from float32 only */
function define(
  name: string,
  reduction: Reduction,
  gradient: GradientRule<ReduceAttrs> | "none",
  result: "operand" | "int32" | "float32" = "operand",
): Op<ReduceAttrs> {
  return {
    name,
    infer: ([x], { axes }) => {
      if (x === undefined) return [];
      const isFloat = x.dtype === "float32";
      if (result === "float32" && !isFloat) {
        throw new RondoError({
          where: name,
          received: `an operand of dtype ${x.dtype}`,
          expected: "a float32 operand",
          fix: 'Convert it with ops.cast(x, "float32")',
        });
      }
      const dtype = result === "int32" || !isFloat ? "int32" : "float32";
      return [{ shape: x.shape.filter((_, i) => !axes.includes(i)), dtype }];
    },
    gradient,
    mask: reduceMask,
    kernel: { kind: "reduce", reduction, scaled: name === "mean" },
  };
}

/** Each element that equals the extremum takes an equal share of the gradient. */
const extremum: GradientRule<ReduceAttrs> = ({ inputs: [x], outputs: [y], grads: [g], attrs: { axes } }) => {
  if (x === undefined || y === undefined || g === undefined) return [];
  const hit = cast(equalTo(x, expandLike(y, x, axes)), "float32");
  const share = div(g, sum(hit, [...axes]));
  return [mul(expandLike(share, x, axes), hit)];
};

export const reductions = {
  sum: define("sum", "sum", ({ inputs: [x], grads: [g], attrs: { axes } }) =>
    x !== undefined && g !== undefined ? [expandLike(g, x, axes)] : [],
  ),
  mean: define(
    "mean",
    "sum",
    ({ inputs: [x], grads: [g], attrs: { axes } }) => {
      if (x === undefined || g === undefined) return [];
      return [expandLike(div(g, size(product(axes.map((a) => x.shape[a] ?? 1)))), x, axes)];
    },
    "float32",
  ),
  max: define("max", "max", extremum),
  min: define("min", "min", extremum),
  logSumExp: define(
    "logSumExp",
    "logSumExp",
    ({ inputs: [x], outputs: [y], grads: [g], attrs: { axes } }) => {
      if (x === undefined || y === undefined || g === undefined) return [];
      return [mul(expandLike(g, x, axes), exp(sub(x, expandLike(y, x, axes))))];
    },
    "float32",
  ),
  argMax: define("argMax", "argMax", "none", "int32"),
  prod: define("prod", "prod", ({ inputs: [x], outputs: [y], grads: [g], attrs: { axes } }) => {
    if (x === undefined || y === undefined || g === undefined) return [];
    // ∂∏/∂xᵢ = ∏/xᵢ; where some x is 0 the product of the others is needed: with exactly one zero it is the product
    // of the rest there, with more it is 0 everywhere.
    const isZero = equalTo(x, 0);
    const zeros = expandLike(sum(cast(isZero, "float32"), [...axes]), x, axes);
    const rest = expandLike(prod(where(isZero, 1, x), [...axes]), x, axes);
    const others = where(
      equalTo(zeros, 0),
      div(expandLike(y, x, axes), where(isZero, 1, x)),
      where(equalTo(zeros, 1), where(isZero, rest, 0), 0),
    );
    return [mul(expandLike(g, x, axes), others)];
  }),
} as const satisfies Record<string, Op<ReduceAttrs>>;

/** Axes as given by users (one, several, negative, or none for all) → ascending and checked. */
export function normalizeAxes(
  where_: string,
  x: SymbolicTensor,
  axis: number | readonly number[] | undefined,
): number[] {
  const all = symbolic(where_, x).shape.map((_, i) => i);
  const given = axis === undefined ? all : typeof axis === "number" ? [axis] : axis;
  return [...new Set(given.map((a) => normalizeAxis(where_, x, a)))].sort((a, b) => a - b);
}

/** @param added how many axes the result has more than x */
export function normalizeAxis(where_: string, x: SymbolicTensor, axis: number, added = 0): number {
  const rank = symbolic(where_, x).rank + added;
  const index = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(index) || index < 0 || index >= rank) {
    throw new RondoError({
      where: where_,
      received: `axis ${axis} for shape ${shapeText(x.shape)}`,
      expected: rank === 0 ? "a value with axes" : `an axis from ${-rank} to ${rank - 1}`,
      fix: "Count axes from 0, or from -1 backwards",
    });
  }
  return index;
}

type Axis = number | readonly number[];

/**
 * A reduction over masked steps leaves them out: they are replaced by what does not matter (0 for sums, 1 for
 * products, ∓∞ for extrema) before any arithmetic.
 */
function excludeMasked(x: SymbolicTensor, axes: readonly number[], neutral: Neutral): SymbolicTensor {
  const mask = x.mask;
  if (mask === undefined || !axes.some((a) => a < mask.rank)) return x;
  const value = x.dtype === "float32" ? neutral.float : neutral.int;
  return where(widenMask(mask, x.rank), x.withMask(undefined), value);
}

/** What changes no result: of floats, and of integers. */
interface Neutral {
  readonly float: number;
  readonly int: number;
}
const zero: Neutral = { float: 0, int: 0 };
const one: Neutral = { float: 1, int: 1 };
const least: Neutral = { float: Number.NEGATIVE_INFINITY, int: -(2 ** 31) };
const greatest: Neutral = { float: Number.POSITIVE_INFINITY, int: 2 ** 31 - 1 };

const builder =
  (op: Op<ReduceAttrs>, neutral: Neutral) =>
  (x: SymbolicTensor, axis?: Axis, keepDims = false): SymbolicTensor => {
    const axes = normalizeAxes(op.name, x, axis);
    if (axes.length === 0) return x.dtype === "float32" ? x : cast(x, "int32");
    const y = apply(op, [excludeMasked(x, axes, neutral)], { axes });
    return keepDims
      ? reshape(
          y,
          x.shape.map((d, i) => (axes.includes(i) ? 1 : d)),
        )
      : y;
  };

/** Sum over `axis` (all axes when left out). Integers and bools sum to int32. Masked steps count as 0. */
export const sum = builder(reductions.sum, zero);
/** Largest element; masked steps do not take part. */
export const max = builder(reductions.max, least);
export const min = builder(reductions.min, greatest);
export const prod = builder(reductions.prod, one);
const logSumExpOf = builder(reductions.logSumExp, least);
const meanOf = builder(reductions.mean, zero);
/** log Σ exp x in float32, without overflow; masked steps do not take part. */
export const logSumExp = (x: SymbolicTensor, axis?: Axis, keepDims = false): SymbolicTensor =>
  logSumExpOf(cast(x, "float32"), axis, keepDims);

/** Arithmetic mean over `axis`; over a masked axis the mean of the unmasked steps (0 where there is none). */
export function mean(x: SymbolicTensor, axis?: Axis, keepDims = false): SymbolicTensor {
  const axes = normalizeAxes("mean", x, axis);
  const mask = x.mask;
  const values = cast(x, "float32");
  if (mask === undefined || !axes.some((a) => a < mask.rank)) return meanOf(values, axes, keepDims);
  const counted = sum(broadcastTo(cast(widenMask(mask, x.rank), "float32"), x.shape), axes, keepDims);
  const total = sum(values, axes, keepDims);
  return where(equalTo(counted, 0), 0, div(total, where(equalTo(counted, 0), 1, counted)));
}

const argMaxOf = builder(reductions.argMax, least);
/** Index (int32) of the largest element along one axis, the first of equals; masked steps do not take part. */
export const argMax = (x: SymbolicTensor, axis = -1): SymbolicTensor => argMaxOf(x, axis);

/** Sums x down to `shape`, undoing a broadcast. */
export function sumTo(x: SymbolicTensor, shape: Shape): SymbolicTensor {
  if (sameShape(x.shape, shape)) return x;
  const lead = x.rank - shape.length;
  const axes = x.shape.flatMap((d, i) => {
    const target = shape[i - lead];
    return target === undefined || (equal(target, 1) && !equal(d, 1)) ? [i] : [];
  });
  return reshape(sum(x, axes), shape);
}
