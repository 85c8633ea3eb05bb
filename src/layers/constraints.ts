import type { Field, Fields, SettingsOf } from "../config/config.js";
import { configurable, type Kind, ofKind, optionalOfKind } from "../config/configurable.js";
import { amount, axes, share } from "../config/fields.js";
import { RondoError } from "../errors.js";
import { sameShape, shapeText } from "../graph/dim.js";
import { SymbolicTensor } from "../graph/ir.js";
import { add, clipByValue, div, maximum, mul, sqrt, square } from "../graph/ops/elementwise.js";
import { sum } from "../graph/ops/reduce.js";

/** What weights are brought to after each update. */
export interface Constraint {
  /** New values of the weights, of the same shape. */
  project(weight: SymbolicTensor): SymbolicTensor;
}

const define = <F extends Fields>(
  className: string,
  fields: F,
  project: (w: SymbolicTensor, settings: SettingsOf<F>) => SymbolicTensor,
) =>
  configurable(
    className,
    fields,
    (settings): Constraint => ({
      project: (w) => project(w, settings),
    }),
  );

/** Keras's epsilon, which keeps norms of 0 from dividing. */
const epsilon = 1e-7;

const axis = axes(0);

/** w scaled so that its norms over the axes become what `desired` makes of them. */
function scaled(
  w: SymbolicTensor,
  { axis }: { readonly axis: number | readonly number[] },
  desired: (norms: SymbolicTensor) => SymbolicTensor,
): SymbolicTensor {
  const norms = sqrt(sum(square(w), axis, true));
  return mul(w, div(desired(norms), add(norms, epsilon)));
}

/** All constraints of weights, with Keras's options and formulas. */
export const constraints = {
  /** The norm over the axis is at most maxValue: for a kernel the incoming weights of each unit (Srivastava et al. 2014). */
  maxNorm: define(
    "MaxNorm",
    {
      /** Default 2. */
      maxValue: amount(2),
      /** One, or a list; default 0. */
      axis,
    },
    (w, settings) => scaled(w, settings, (norms) => clipByValue(norms, 0, settings.maxValue)),
  ),
  /** The norm over the axis moves by `rate` of the way into [minValue, maxValue]. */
  minMaxNorm: define(
    "MinMaxNorm",
    {
      /** Default 0. */
      minValue: amount(0),
      /** Default 1. */
      maxValue: amount(1),
      /** Default 1: all the way. */
      rate: share(1),
      /** One, or a list; default 0. */
      axis,
    },
    (w, settings) => {
      const { minValue, maxValue, rate } = settings;
      return scaled(w, settings, (norms) =>
        add(mul(clipByValue(norms, minValue, maxValue), rate), mul(norms, 1 - rate)),
      );
    },
  ),
  /** No element is below 0. */
  nonNeg: define("NonNeg", {}, (w) => maximum(w, 0)),
  /** The norm over the axis is 1. */
  unitNorm: define(
    "UnitNorm",
    {
      /** One, or a list; default 0. */
      axis,
    },
    (w, { axis }) => div(w, add(sqrt(sum(square(w), axis, true)), epsilon)),
  ),
};

/** The constraints by name. */
export type ConstraintName = keyof typeof constraints;
/** By name, as `constraints.maxNorm({ maxValue: 1 })` gives it, or a function of the weights in ops. */
export type ConstraintOption = ConstraintName | Constraint | ((w: SymbolicTensor) => SymbolicTensor) | null;

/** For files, and for the options of layers. */
export const constraintKind: Kind<Constraint> = {
  noun: "constraint",
  module: "keras.constraints",
  factories: constraints,
  accepts: (value) => typeof (value as Partial<Constraint>).project === "function",
  fromFunction: (project) => ({ project: project as (w: unknown) => SymbolicTensor }),
};

/** A field that holds a constraint; null (the default): none. */
export const constraint: Field<ConstraintOption, Constraint | null, false> = optionalOfKind(constraintKind);

/** A constraint by name, as it is, or as a function; null: none. */
export const readConstraint = (given: ConstraintOption, where: string): Constraint | null =>
  given === null ? null : ofKind(constraintKind, given, where, "constraint");

/**
 * What a constraint makes of a weight.
 *
 * @throws RondoError where that are no values of the weight's shape
 */
export function constrained(where: string, { project }: Constraint, w: SymbolicTensor): SymbolicTensor {
  const given: unknown = project(w);
  if (given instanceof SymbolicTensor && given.dtype === w.dtype && sameShape(given.shape, w.shape))
    return given;
  throw new RondoError({
    where: `constraint of ${where}`,
    received:
      given instanceof SymbolicTensor ? `${given.dtype} of shape ${shapeText(given.shape)}` : "no values",
    expected: `${w.dtype} of shape ${shapeText(w.shape)}`,
    fix: "Return the weights' new values, made with ops",
  });
}
