import type { Field, Fields, SettingsOf } from "../config/config.js";
import { configurable, type Kind, ofKind, optionalOfKind } from "../config/configurable.js";
import { amount, choice } from "../config/fields.js";
import { bareName } from "../config/keras.js";
import { RondoError } from "../errors.js";
import { shapeText } from "../graph/dim.js";
import { SymbolicTensor } from "../graph/ir.js";
import { abs, add, cast, div, maximum, mul, notEqualTo, sqrt, square } from "../graph/ops/elementwise.js";
import { matMul } from "../graph/ops/matmul.js";
import { sum } from "../graph/ops/reduce.js";
import { transpose } from "../graph/ops/shape.js";
import { constant, scalar } from "../graph/ops/source.js";

/** What is added to the loss for the size of weights or outputs. */
export interface Regularizer {
  /** One number, []. */
  penalty(x: SymbolicTensor): SymbolicTensor;
}

const define = <F extends Fields>(
  className: string,
  fields: F,
  penalty: (x: SymbolicTensor, settings: SettingsOf<F>) => SymbolicTensor,
  where?: string,
) =>
  configurable(
    className,
    fields,
    (settings): Regularizer => ({ penalty: (x) => penalty(x, settings) }),
    where,
  );

const absolute = (x: SymbolicTensor, factor: number) => mul(sum(abs(x)), factor);
const squared = (x: SymbolicTensor, factor: number) => mul(sum(square(x)), factor);

/** Least square of a norm that is divided by. */
const least = 1e-12;

/** All regularizers, with Keras's options and formulas. */
export const regularizers = {
  /** l1 · Σ|x|; default l1 0.01. */
  l1: define("L1", { l1: amount(0.01) }, (x, { l1 }) => absolute(x, l1)),
  /** l2 · Σx²; default l2 0.01. */
  l2: define("L2", { l2: amount(0.01) }, (x, { l2 }) => squared(x, l2)),
  /** l1 · Σ|x| + l2 · Σx²; default 0 each. */
  l1l2: define(
    "L1L2",
    { l1: amount(0), l2: amount(0) },
    (x, { l1, l2 }) => {
      const terms = [...(l1 > 0 ? [absolute(x, l1)] : []), ...(l2 > 0 ? [squared(x, l2)] : [])];
      return terms.length === 0 ? scalar(0) : terms.reduce((a, b) => add(a, b));
    },
    "l1l2",
  ),
  /** factor · the mean |cosine| between the rows (or columns) of a matrix. */
  orthogonalRegularizer: define(
    "OrthogonalRegularizer",
    {
      /** Default 0.01. */
      factor: amount(0.01),
      /** What is to be orthogonal to each other; default rows. */
      mode: choice("rows", ["rows", "columns"]),
    },
    (x, { factor, mode }) => {
      const axis = mode === "rows" ? 1 : 0;
      const n = x.shape[1 - axis];
      if (x.rank !== 2 || typeof n !== "number") {
        throw new RondoError({
          where: "orthogonalRegularizer",
          received: `a value of shape ${shapeText(x.shape)}`,
          expected: "a matrix of known size",
          fix: "Use another regularizer here",
        });
      }
      const unit = div(x, sqrt(maximum(sum(square(x), axis, true), least)));
      const cosines = mode === "rows" ? matMul(unit, transpose(unit)) : matMul(transpose(unit), unit);
      const places = (shape: readonly number[]) =>
        constant(
          Int32Array.from({ length: n }, (_, i) => i),
          shape,
          "int32",
        );
      const others = cast(notEqualTo(places([n, 1]), places([1, n])), "float32");
      // Each pair stands in the product twice.
      return mul(sum(abs(mul(cosines, others))), factor / (n * (n - 1)));
    },
  ),
};

/** The regularizers by name. */
export type RegularizerName = keyof typeof regularizers;
/** By name, as `regularizers.l2({ l2: 0.001 })` gives it, or a function in ops that gives a number. */
export type RegularizerOption =
  | RegularizerName
  | Regularizer
  | ((x: SymbolicTensor) => SymbolicTensor)
  | null;

/** For files, and for the options of layers. */
export const regularizerKind: Kind<Regularizer> = {
  noun: "regularizer",
  module: "keras.regularizers",
  factories: regularizers,
  accepts: (value) => typeof (value as Partial<Regularizer>).penalty === "function",
  fromFunction: (penalty) => ({ penalty: penalty as (x: unknown) => SymbolicTensor }),
  className: (name) => bareName(name).replace(/^l1_l2$/, "L1L2"),
};

/** A field that holds a regularizer; null (the default): none. */
export const regularizer: Field<RegularizerOption, Regularizer | null, false> =
  optionalOfKind(regularizerKind);

/** A regularizer by name, as it is, or as a function; null: none. */
export const readRegularizer = (given: RegularizerOption, where: string): Regularizer | null =>
  given === null ? null : ofKind(regularizerKind, given, where, "regularizer");

/**
 * The penalty of a value.
 *
 * @throws RondoError where the regularizer gives no number
 */
export function penaltyOf(where: string, { penalty }: Regularizer, x: SymbolicTensor): SymbolicTensor {
  const given: unknown = penalty(x);
  if (given instanceof SymbolicTensor && given.dtype === "float32" && given.rank === 0) return given;
  throw new RondoError({
    where: `regularizer of ${where}`,
    received:
      given instanceof SymbolicTensor ? `${given.dtype} of shape ${shapeText(given.shape)}` : "no values",
    expected: "one number, float32 []",
    fix: "Sum over all axes, as in ops.sum(ops.square(x))",
  });
}
