import { type Fields, invalid, type SettingsOf } from "../config/config.js";
import { type Configured, configurable, type Kind } from "../config/configurable.js";
import { amount, flag, numbers, optionalAmount, requiredAmount, requiredPositive } from "../config/fields.js";
import { RondoError } from "../errors.js";
import type { SymbolicTensor } from "../graph/ir.js";
import {
  add,
  cast,
  ceil,
  cos,
  div,
  equalTo,
  floor,
  less,
  minimum,
  mul,
  type Operand,
  pow,
  sub,
  where,
} from "../graph/ops/elementwise.js";
import { sum } from "../graph/ops/reduce.js";
import { constant } from "../graph/ops/source.js";
import { isSchedule, type Schedule } from "./rate.js";

/** One of Rondo's schedules: it can be read and saved. */
export interface BuiltInSchedule extends Schedule, Configured {
  at(step: number): number;
}

/** The arithmetic that a schedule is written in, once for values of a graph and once for numbers. */
interface Maths<T> {
  add(a: T | number, b: T | number): T;
  sub(a: T | number, b: T | number): T;
  mul(a: T | number, b: T | number): T;
  div(a: T | number, b: T | number): T;
  pow(a: T | number, b: T | number): T;
  min(a: T | number, b: T | number): T;
  floor(x: T): T;
  ceil(x: T): T;
  cos(x: T): T;
  /** `then` where a < b. */
  choose(a: T | number, b: T | number, then: T | number, otherwise: T | number): T;
  /** values[i], where i is how many of the bounds, one fewer and ascending, x lies above. */
  pick(x: T, bounds: readonly number[], values: readonly number[]): T;
}

const inNumbers: Maths<number> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  pow: (a, b) => a ** b,
  min: Math.min,
  floor: Math.floor,
  ceil: Math.ceil,
  cos: Math.cos,
  choose: (a, b, then, otherwise) => (a < b ? then : otherwise),
  pick: (x, bounds, values) => values[bounds.filter((bound) => bound < x).length] ?? Number.NaN,
};

const inGraph: Maths<SymbolicTensor> = {
  add,
  sub,
  mul,
  div,
  pow,
  min: minimum,
  floor,
  ceil,
  cos,
  choose: (a, b, then, otherwise) => where(less(a, b), then, otherwise),
  pick(x, bounds, values) {
    const list = (data: readonly number[]) => constant(Float32Array.from(data), [data.length], "float32");
    const count = sum(cast(less(list(bounds), x), "float32"));
    const places = list(values.map((_, i) => i));
    return sum(where(equalTo(places, count), list(values), 0));
  },
};

type Formula<S> = <T extends Operand>(step: T, settings: S, maths: Maths<T>) => T;

/** @param check of settings that each fit alone and not together */
const define = <F extends Fields>(
  className: string,
  fields: F,
  formula: Formula<SettingsOf<F>>,
  check?: (settings: SettingsOf<F>) => void,
) =>
  configurable(className, fields, (settings): Omit<BuiltInSchedule, keyof Configured> => {
    check?.(settings);
    return {
      rate: (step) => formula(step, settings, inGraph),
      at: (step) => formula(step, settings, inNumbers),
    };
  });

/** How many times `decaySteps` steps have passed; whole times where `staircase` is set. */
function periods<T>(
  step: T,
  { decaySteps, staircase }: { readonly decaySteps: number; readonly staircase: boolean },
  { div, floor }: Maths<T>,
): T {
  // The quotient is rounded once, so that whole steps up to 2²⁴ never reach the next whole number too early.
  const passed = div(step, decaySteps);
  return staircase ? floor(passed) : passed;
}

const decayFields = {
  /** The rate of the first step. */
  initialLearningRate: requiredAmount,
  /** Above 0. */
  decaySteps: requiredPositive,
  /** 0 or more. */
  decayRate: requiredAmount,
  /** Whether the rate stays the same for decaySteps steps at a time; default false. */
  staircase: flag(false),
};

/** Half a cosine: 1 at fraction 0, `alpha` at 1. */
function cosine<T>(fraction: T, alpha: number, height: T | number, { add, mul, cos }: Maths<T>): T {
  const falling = mul(0.5, add(1, cos(mul(Math.PI, fraction))));
  return add(mul(1 - alpha, mul(height, falling)), alpha);
}

/** Beyond the steps that an int32 counts. */
const lastStep = 2 ** 31;
const mostRestarts = 2 ** 16;

/** The periods of a schedule whose periods grow: when each begins, its length, and the height of its cosine. */
interface Restarts {
  readonly starts: readonly number[];
  readonly lengths: readonly number[];
  readonly heights: readonly number[];
}

/** In float64 once, since float32 logarithms of the step would put restarts a step off. */
function growingPeriods(first: number, tMul: number, mMul: number): Restarts {
  const [starts, lengths, heights]: [number[], number[], number[]] = [[], [], []];
  let [start, length, height] = [0, first, 1];
  while (start < lastStep && starts.length < mostRestarts) {
    starts.push(start);
    lengths.push(length);
    heights.push(height);
    start += length;
    length *= tMul;
    height *= mMul;
  }
  return { starts, lengths, heights };
}

/** All schedules of learning rates, with Keras's options and formulas. */
export const schedules = {
  /** initialLearningRate · decayRate^(step / decaySteps). */
  exponentialDecay: define("ExponentialDecay", decayFields, (step, s, maths) =>
    maths.mul(s.initialLearningRate, maths.pow(s.decayRate, periods(step, s, maths))),
  ),
  /** initialLearningRate / (1 + decayRate · step / decaySteps). */
  inverseTimeDecay: define("InverseTimeDecay", decayFields, (step, s, maths) =>
    maths.div(s.initialLearningRate, maths.add(1, maths.mul(s.decayRate, periods(step, s, maths)))),
  ),
  /**
   * (initialLearningRate − endLearningRate) · (1 − step / decaySteps)^power + endLearningRate until decaySteps. With
   * `cycle`, decaySteps is multiplied until it reaches the step, so that the rate rises again after each.
   */
  polynomialDecay: define(
    "PolynomialDecay",
    {
      initialLearningRate: requiredAmount,
      /** Above 0. */
      decaySteps: requiredPositive,
      /** Default 0.0001. */
      endLearningRate: amount(0.0001),
      /** Default 1: a line. */
      power: amount(1),
      /** Default false. */
      cycle: flag(false),
    },
    (step, { initialLearningRate, decaySteps, endLearningRate, power, cycle }, maths) => {
      const { add, sub, mul, div, pow, min, ceil, choose } = maths;
      const passed = cycle
        ? div(step, mul(decaySteps, choose(0, step, ceil(div(step, decaySteps)), 1)))
        : div(min(step, decaySteps), decaySteps);
      return add(mul(initialLearningRate - endLearningRate, pow(sub(1, passed), power)), endLearningRate);
    },
  ),
  /** values[i] after boundaries[i − 1] and up to boundaries[i] steps; there is one value more. */
  piecewiseConstantDecay: define(
    "PiecewiseConstantDecay",
    {
      /** Numbers of steps, ascending. */
      boundaries: numbers,
      /** Learning rates. */
      values: numbers,
    },
    (step, { boundaries, values }, { pick }) => pick(step, boundaries, values),
    ({ boundaries, values }) => {
      const where = "piecewiseConstantDecay";
      if (boundaries.length !== values.length - 1 || boundaries.length === 0) {
        throw new RondoError({
          where,
          received: `${boundaries.length} boundaries and ${values.length} values`,
          expected: "at least one boundary, and one value more than boundaries",
          fix: "Give the rate before the first boundary, between any two, and after the last",
        });
      }
      if (boundaries.some((bound, i) => bound <= (boundaries[i - 1] ?? Number.NEGATIVE_INFINITY)))
        throw invalid(where, "boundaries", boundaries, "ascending numbers", "Sort them");
    },
  ),
  /**
   * Half a cosine from the initial rate to alpha times it (Loshchilov & Hutter, "SGDR", 2016). With a `warmupTarget`, the
   * rate first goes to it in a line, in `warmupSteps` steps, and decays from there.
   */
  cosineDecay: define(
    "CosineDecay",
    {
      initialLearningRate: requiredAmount,
      /** Above 0; those of the warm-up do not count. */
      decaySteps: requiredPositive,
      /** The last rate as a share of the highest; default 0. */
      alpha: amount(0),
      /** The rate after the warm-up; null (default): no warm-up. */
      warmupTarget: optionalAmount(null),
      /** Default 0. */
      warmupSteps: amount(0),
    },
    (step, { initialLearningRate: initial, decaySteps, alpha, warmupTarget, warmupSteps }, maths) => {
      const { add, sub, mul, div, min, choose } = maths;
      if (warmupTarget === null)
        return mul(initial, cosine(div(min(step, decaySteps), decaySteps), alpha, 1, maths));
      const decayed = sub(min(step, decaySteps + warmupSteps), warmupSteps);
      const warm = add(mul(warmupTarget - initial, div(step, warmupSteps)), initial);
      return choose(
        step,
        warmupSteps,
        warm,
        mul(warmupTarget, cosine(div(decayed, decaySteps), alpha, 1, maths)),
      );
    },
  ),
  /**
   * Half a cosine from the initial rate to alpha times it, again and again (Loshchilov & Hutter, "SGDR", 2016): each
   * period is tMul times as long as the one before and begins at mMul times its height.
   */
  cosineDecayRestarts: define(
    "CosineDecayRestarts",
    {
      initialLearningRate: requiredAmount,
      /** Steps of the first period, above 0. */
      firstDecaySteps: requiredPositive,
      /** At least 1; default 2. */
      tMul: amount(2),
      /** Default 1. */
      mMul: amount(1),
      /** The lowest rate as a share of the first; default 0. */
      alpha: amount(0),
    },
    (step, { initialLearningRate, firstDecaySteps, tMul, mMul, alpha }, maths) => {
      const { sub, mul, div, pow, floor, pick } = maths;
      if (tMul === 1) {
        const passed = div(step, firstDecaySteps);
        const restarts = floor(passed);
        const fraction = sub(passed, restarts);
        return mul(initialLearningRate, cosine(fraction, alpha, pow(mMul, restarts), maths));
      }
      const { starts, lengths, heights } = growingPeriods(firstDecaySteps, tMul, mMul);
      // Steps are whole: the first of a period is the one above the whole number before its start.
      const bounds = starts.slice(1).map((start) => Math.ceil(start) - 1);
      const of = (values: readonly number[]) => pick(step, bounds, values);
      const fraction = div(sub(step, of(starts)), of(lengths));
      return mul(initialLearningRate, cosine(fraction, alpha, of(heights), maths));
    },
    ({ firstDecaySteps, tMul }) => {
      const where = "cosineDecayRestarts";
      if (tMul < 1) throw invalid(where, "tMul", tMul, "1 or more, since periods that shrink come to an end");
      if (tMul > 1 && growingPeriods(firstDecaySteps, tMul, 1).starts.length === mostRestarts) {
        throw invalid(
          where,
          "tMul",
          tMul,
          "1, or enough above it for periods to grow",
          "Set tMul to 1, or firstDecaySteps higher",
        );
      }
    },
  ),
};

/** The schedules by name. */
export type ScheduleName = keyof typeof schedules;

/** For files, and for the learning rates of optimizers. */
export const scheduleKind: Kind<Schedule> = {
  noun: "schedule",
  module: "keras.optimizers.schedules",
  factories: schedules,
  accepts: isSchedule,
};
