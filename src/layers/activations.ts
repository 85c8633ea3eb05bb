import { type Fields, type OptionsOf, readOptions, type SettingsOf } from "../config/config.js";
import { flag, integer, optionalReal, real, requiredReal } from "../config/fields.js";
import { RondoError } from "../errors.js";
import type { SymbolicTensor } from "../graph/ir.js";
import {
  abs,
  add,
  cast,
  clipByValue,
  div,
  erf,
  exp,
  expm1,
  greater,
  greaterEqual,
  maximum,
  minimum,
  mul,
  neg,
  relu,
  sigmoid,
  softplus,
  sqrt,
  square,
  sub,
  tanh,
  where,
} from "../graph/ops/elementwise.js";
import { split } from "../graph/ops/join.js";
import { normalizeAxis, sum } from "../graph/ops/reduce.js";
import { expandDims, transpose } from "../graph/ops/shape.js";
import { logSoftmax, softmax } from "../graph/ops/softmax.js";

type X = SymbolicTensor;

/** λ and α of Klambauer et al., "Self-normalizing neural networks", 2017. */
const SELU_SCALE = 1.0507009873554805;
const SELU_ALPHA = 1.6732632423543772;

/** α (e^x − 1) below 0; e^x is taken of what is not above 0 only, so that it cannot overflow. */
const belowZero = (x: X, alpha: number): X => mul(expm1(minimum(x, 0)), alpha);
/** x limited to [low, high], with slope 0 at both bounds (`clipByValue` has 1 there): the constants win where they equal x. */
const limited = (x: X, low: number, high: number): X => minimum(high, maximum(low, x));
const relu6 = (x: X): X => limited(x, 0, 6);
const hardSigmoid = (x: X): X => div(relu6(add(x, 3)), 6);
const leaky = (x: X, slope: number): X => where(greater(x, 0), x, mul(x, slope));
const silu = (x: X): X => mul(x, sigmoid(x));
const hardSilu = (x: X): X => mul(x, hardSigmoid(x));

const reluFields = { negativeSlope: real(0), maxValue: optionalReal, threshold: real(0) };

/**
 * f(x) = x above the threshold, negativeSlope · (x − threshold) below. A maxValue limits the first part to
 * [0, maxValue], as Keras does, so that nothing is left of it below 0 where the threshold is negative.
 */
function reluWith(x: X, { negativeSlope, maxValue, threshold }: SettingsOf<typeof reluFields>): X {
  if (threshold === 0 && maxValue === null) return negativeSlope === 0 ? relu(x) : leaky(x, negativeSlope);
  const bare = threshold === 0 ? relu(x) : where(greater(x, threshold), x, 0);
  const above =
    maxValue === null ? bare : threshold === 0 && maxValue === 6 ? relu6(x) : clipByValue(bare, 0, maxValue);
  return negativeSlope === 0 ? above : sub(above, mul(relu(sub(threshold, x)), negativeSlope));
}

function glu(x: X, axis: number): X {
  const size = x.shape[normalizeAxis("glu", x, axis)];
  if (typeof size !== "number" || size % 2 !== 0) {
    throw new RondoError({
      where: "glu",
      received: `an axis of size ${size}`,
      expected: "an even size, half of it for the gate",
      fix: "Give the layer before twice as many units",
    });
  }
  const [a = x, b = x] = split(x, [size / 2, size / 2], axis);
  return mul(a, sigmoid(b));
}

/**
 * max(z − τ, 0) with τ such that the results sum to 1. Martins & Astudillo, "From softmax to sparsemax", 2016, with
 * the sorted sums of algorithm 1 taken by comparing all pairs: for zᵢ, k = #{j: zⱼ ≥ zᵢ} and s = Σ{zⱼ ≥ zᵢ} zⱼ; zᵢ
 * belongs to the support S where 1 + k zᵢ > s; τ = (Σ_S z − 1) / |S|. Memory grows with the square of the axis. (Keras 3.15 takes the sum of the
 * cumulative sums for Σ_S z, so that its results do not sum to 1.)
 */
function sparsemax(x: X, axis: number): X {
  const index = normalizeAxis("sparsemax", x, axis);
  const last = x.rank - 1;
  const perm = [...x.shape.keys()].map((i) => (i === index ? last : i === last ? index : i));
  const z = transpose(x.withMask(undefined), perm);
  const [own, others] = [expandDims(z, -1), expandDims(z, -2)];
  const notLess = cast(greaterEqual(others, own), "float32");
  const support = cast(greater(add(mul(sum(notLess, -1), z), 1), sum(mul(notLess, others), -1)), "float32");
  const tau = div(sub(sum(mul(z, support), -1, true), 1), sum(support, -1, true));
  return transpose(relu(sub(z, tau)), perm).withMask(x.mask);
}

type Given<F extends Fields> =
  object extends OptionsOf<F> ? [parameters?: OptionsOf<F>] : [parameters: OptionsOf<F>];

/** An activation with parameters: its fields, which check them, and its equation. */
const withParameters = <F extends Fields>(
  name: string,
  fields: F,
  equation: (x: X, settings: SettingsOf<F>) => X,
) =>
  Object.assign((x: X, ...[given]: Given<F>): X => equation(x, readOptions(fields, given, name)), { fields });

const axisField = { axis: integer(-1) };
const alphaField = { alpha: real(1) };
const shrinkField = { threshold: real(0.5) };

/** Keras's activations as equations. Each takes its parameters, if any, with Keras's defaults. */
export const activations = {
  /** x. */
  linear: (x: X): X => x,
  /** x above `threshold` (default 0), `negativeSlope` (default 0) times the rest below, at most `maxValue`. */
  relu: withParameters("relu", reluFields, reluWith),
  /** x above 0, negativeSlope · x (default 0.2) below. */
  leakyRelu: withParameters("leakyRelu", { negativeSlope: real(0.2) }, (x, { negativeSlope }) =>
    leaky(x, negativeSlope),
  ),
  /** min(max(x, 0), 6) */
  relu6,
  /** Over `axis` (default −1). */
  softmax: withParameters("softmax", axisField, (x, { axis }) => softmax(x, axis)),
  /** x − log Σ exp x over the last axis. */
  logSoftmax: withParameters("logSoftmax", axisField, (x, { axis }) => logSoftmax(x, axis)),
  /** The nearest point of the simplex (Martins and Astudillo, 2016). */
  sparsemax: withParameters("sparsemax", axisField, (x, { axis }) => sparsemax(x, axis)),
  /** max(x, 0) + α (e^(min(x, 0)/α) − 1). Barron 2017. */
  celu: withParameters("celu", alphaField, (x, { alpha }) => add(relu(x), belowZero(div(x, alpha), alpha))),
  /** x above 0, α (e^x − 1) below. Clevert et al. 2016. */
  elu: withParameters("elu", alphaField, (x, { alpha }) => where(greater(x, 0), x, belowZero(x, alpha))),
  /** λ x above 0, λ α (e^x − 1) below. Klambauer et al. 2017. */
  selu: (x: X): X => where(greaterEqual(x, 0), mul(x, SELU_SCALE), belowZero(x, SELU_SCALE * SELU_ALPHA)),
  /** log(1 + e^x) */
  softplus,
  /** x / (1 + |x|) */
  softsign: (x: X): X => div(x, add(abs(x), 1)),
  /** (x + √(x² + b)) / 2, b = 4 by default. */
  squareplus: withParameters("squareplus", { b: real(4) }, (x, { b }) =>
    mul(add(x, sqrt(add(square(x), b))), 0.5),
  ),
  /** x moved towards 0 by the threshold (default 0.5), 0 within it. */
  softShrink: withParameters("softShrink", shrinkField, (x, { threshold }) =>
    where(greater(x, threshold), sub(x, threshold), where(greater(-threshold, x), add(x, threshold), 0)),
  ),
  /** 0 up to −1, (x + 1)²/4 up to 1, then x. */
  sparsePlus: (x: X): X => where(greaterEqual(x, 1), x, mul(square(add(clipByValue(x, -1, 1), 1)), 0.25)),
  /** x σ(x). Ramachandran et al. 2017. */
  silu,
  /** x · sigmoid(x). */
  swish: silu,
  /** x Φ(x); `approximate`: by tanh. Hendrycks & Gimpel 2016. */
  gelu: withParameters("gelu", { approximate: flag(false) }, (x, { approximate }) => {
    const phi = approximate
      ? tanh(mul(add(x, mul(mul(square(x), x), 0.044715)), Math.sqrt(2 / Math.PI)))
      : erf(mul(x, Math.SQRT1_2));
    return mul(mul(x, 0.5), add(phi, 1));
  }),
  /** a σ(b) of the two halves of `axis` (default −1). Dauphin et al. 2017. */
  glu: withParameters("glu", axisField, (x, { axis }) => glu(x, axis)),
  /** The hyperbolic tangent. */
  tanh,
  /** x − tanh x */
  tanhShrink: (x: X): X => sub(x, tanh(x)),
  /** x above the threshold, else the default value (both must be given). */
  threshold: withParameters(
    "threshold",
    { threshold: requiredReal, defaultValue: requiredReal },
    (x, { threshold, defaultValue }) => where(greater(x, threshold), x, defaultValue),
  ),
  /** 1 / (1 + e^−x). */
  sigmoid,
  /** 0 up to −1, (x + 1)/2 up to 1, then 1. Blondel et al. 2019. */
  sparseSigmoid: (x: X): X => mul(add(limited(x, -1, 1), 1), 0.5),
  /** exp x. */
  exponential: exp,
  /** 0 up to −3, x/6 + 1/2 up to 3, then 1. */
  hardSigmoid,
  /**
   * 0 up to −2.5, 0.2 x + 1/2 up to 2.5, then 1: what Keras 1 and 2 call hard_sigmoid, and have for the gates of their
   * recurrent layers (default until 2.2).
   */
  hardSigmoidKeras2: (x: X): X => clipByValue(add(mul(x, 0.2), 0.5), 0, 1),
  /** x · hardSigmoid(x). Howard et al. 2019. */
  hardSilu,
  /** x · hardSigmoid(x). */
  hardSwish: hardSilu,
  /** x limited to [−1, 1]. */
  hardTanh: (x: X): X => clipByValue(x, -1, 1),
  /** x where |x| is above the threshold (default 0.5), else 0. */
  hardShrink: withParameters("hardShrink", shrinkField, (x, { threshold }) =>
    where(greater(abs(x), threshold), x, 0),
  ),
  /** x tanh(softplus(x)). Misra 2019. */
  mish: (x: X): X => mul(x, tanh(softplus(x))),
  /** log σ(x) = −softplus(−x) */
  logSigmoid: (x: X): X => neg(softplus(neg(x))),
};
