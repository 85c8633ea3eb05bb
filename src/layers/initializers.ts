import {
  camelCase,
  type Field,
  type Fields,
  type JsonObject,
  type SettingsOf,
  snakeCase,
} from "../config/config.js";
import { configurable, type Kind, ofKind, parseOfKind, writeOfKind } from "../config/configurable.js";
import { choice, positive, real, seed } from "../config/fields.js";
import { initializerName } from "../config/keras.js";
import { RondoError } from "../errors.js";
import type { SymbolicTensor } from "../graph/ir.js";
import { cast, equalTo, mul } from "../graph/ops/elementwise.js";
import {
  type RandomSource,
  randomNormal,
  randomOrthogonal,
  randomUniform,
  seedOf,
  truncatedNormal,
} from "../graph/ops/random.js";
import { reshape } from "../graph/ops/shape.js";
import { constant, fill } from "../graph/ops/source.js";

/** First values of an array of weights, computed by a program. */
export interface Initializer {
  /** Keras's class name and configuration, for files. */
  readonly className: string;
  readonly config: JsonObject;
  /**
   * Values of the given shape; random ones follow from the source's seed and the stream.
   *
   * @param place the stream where a seed of the initializer's own takes the place of the source's; default 0
   */
  values(shape: readonly number[], source: RandomSource, stream: number, place?: number): SymbolicTensor;
}

type Values<S> = (
  shape: readonly number[],
  settings: S,
  draw: { source: RandomSource; stream: number },
) => SymbolicTensor;

/**
 * An initializer's factory. With a `seed` of its own it gives the same values in every model, and others for each of the
 * weights of a layer.
 */
const define = <F extends Fields>(className: string, fields: F, values: Values<SettingsOf<F>>) =>
  configurable(className, fields, (settings) => ({
    /** The values of an array, in ops. */
    values(shape: readonly number[], source: RandomSource, stream: number, place = 0): SymbolicTensor {
      const own = "seed" in settings ? settings.seed : null;
      const draw =
        typeof own === "number" ? { source: { seed: seedOf(own) }, stream: place } : { source, stream };
      return values(shape, settings, draw);
    },
  }));

/** Number of inputs and outputs of one unit: of [.., in, out], where leading axes are a convolution's window. */
function fans(shape: readonly number[]): { fanIn: number; fanOut: number } {
  const [first = 1] = shape;
  if (shape.length < 2) return { fanIn: first, fanOut: first };
  const window = shape.slice(0, -2).reduce((p, d) => p * d, 1);
  return { fanIn: (shape.at(-2) ?? 1) * window, fanOut: (shape.at(-1) ?? 1) * window };
}

type Mode = "fanIn" | "fanOut" | "fanAvg";
type Distribution = "truncatedNormal" | "untruncatedNormal" | "uniform";
interface Scaling {
  readonly scale: number;
  readonly mode: Mode;
  readonly distribution: Distribution;
}

/** Standard deviation of a standard normal truncated at ±2. */
const TRUNCATED_STDDEV = 0.87962566103423978;

/** Variance scale / n, where n is the number of inputs, of outputs, or their mean. */
const scaled: Values<Scaling> = (shape, { scale, mode, distribution }, { source, stream }) => {
  const { fanIn, fanOut } = fans(shape);
  const n = mode === "fanIn" ? fanIn : mode === "fanOut" ? fanOut : (fanIn + fanOut) / 2;
  const variance = scale / Math.max(1, n);
  if (distribution === "uniform") {
    const limit = Math.sqrt(3 * variance);
    return randomUniform(shape, source, stream, -limit, limit);
  }
  return distribution === "truncatedNormal"
    ? truncatedNormal(shape, source, stream, 0, Math.sqrt(variance) / TRUNCATED_STDDEV)
    : randomNormal(shape, source, stream, 0, Math.sqrt(variance));
};

const fixedScaling = (className: string, scaling: Scaling) =>
  define(className, { seed }, (shape, _settings, draw) => scaled(shape, scaling, draw));

const modes = choice<Mode>("fanIn", ["fanIn", "fanOut", "fanAvg"]);
const distributions = choice<Distribution>("truncatedNormal", [
  "truncatedNormal",
  "untruncatedNormal",
  "uniform",
]);
/** Keras writes these in snake case and reads them in any case; "normal" is truncated. */
const snakeChoice = <V extends string>(field: Field<V, V, false>): Field<V, V, false> => ({
  ...field,
  write: (value) => snakeCase(value),
  parse: (json, reader, where) =>
    field.parse(
      typeof json === "string" ? camelCase(json.toLowerCase().replace(/^normal$/, "truncated_normal")) : json,
      reader,
      where,
    ),
});

/** All initializers; each takes an optional `seed` of its own where it draws. */
export const initializers = {
  zeros: define("Zeros", {}, (shape) => fill(shape, 0)),
  ones: define("Ones", {}, (shape) => fill(shape, 1)),
  /** `value` everywhere (default 0). */
  constant: define("Constant", { value: real(0) }, (shape, { value }) => fill(shape, value)),
  /** Normal (default mean 0, stddev 0.05). */
  randomNormal: define(
    "RandomNormal",
    { mean: real(0), stddev: real(0.05), seed },
    (shape, s, { source, stream }) => randomNormal(shape, source, stream, s.mean, s.stddev),
  ),
  /** Normal, redrawn where further than two standard deviations from the mean (default mean 0, stddev 0.05). */
  truncatedNormal: define(
    "TruncatedNormal",
    { mean: real(0), stddev: real(0.05), seed },
    (shape, s, { source, stream }) => truncatedNormal(shape, source, stream, s.mean, s.stddev),
  ),
  /** Uniform in [minval, maxval) (default −0.05 to 0.05). */
  randomUniform: define(
    "RandomUniform",
    { minval: real(-0.05), maxval: real(0.05), seed },
    (shape, s, { source, stream }) => randomUniform(shape, source, stream, s.minval, s.maxval),
  ),
  /** Variance scale / n (default scale 1, mode fanIn, distribution truncatedNormal). */
  varianceScaling: define(
    "VarianceScaling",
    { scale: positive(1), mode: snakeChoice(modes), distribution: snakeChoice(distributions), seed },
    scaled,
  ),
  /** Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010. */
  glorotUniform: fixedScaling("GlorotUniform", { scale: 1, mode: "fanAvg", distribution: "uniform" }),
  glorotNormal: fixedScaling("GlorotNormal", { scale: 1, mode: "fanAvg", distribution: "truncatedNormal" }),
  /** He et al., "Delving deep into rectifiers", 2015. */
  heUniform: fixedScaling("HeUniform", { scale: 2, mode: "fanIn", distribution: "uniform" }),
  heNormal: fixedScaling("HeNormal", { scale: 2, mode: "fanIn", distribution: "truncatedNormal" }),
  /** LeCun et al., "Efficient backprop", 1998. */
  lecunUniform: fixedScaling("LecunUniform", { scale: 1, mode: "fanIn", distribution: "uniform" }),
  lecunNormal: fixedScaling("LecunNormal", { scale: 1, mode: "fanIn", distribution: "truncatedNormal" }),
  /**
   * A random matrix with orthonormal rows or columns, whichever are fewer, times `gain` (default 1); further axes are
   * flattened into the rows. Saxe et al., "Exact solutions to the nonlinear dynamics of learning", 2013.
   */
  orthogonal: define("Orthogonal", { gain: real(1), seed }, (shape, { gain }, { source, stream }) => {
    const cols = shape.at(-1);
    if (cols === undefined || shape.length < 2) throw needsMatrix("orthogonal", shape);
    const rows = shape.slice(0, -1).reduce((p, d) => p * d, 1);
    return reshape(randomOrthogonal(rows, cols, source, stream, gain), shape);
  }),
  /** Ones on the diagonal of a matrix, times `gain` (default 1). */
  identity: define("Identity", { gain: real(1) }, (shape, { gain }) => {
    const [rows, cols] = shape;
    if (rows === undefined || cols === undefined || shape.length !== 2) throw needsMatrix("identity", shape);
    const count = (n: number) => Int32Array.from({ length: n }, (_, i) => i);
    const diagonal = equalTo(
      constant(count(rows), [rows, 1], "int32"),
      constant(count(cols), [1, cols], "int32"),
    );
    return mul(cast(diagonal, "float32"), gain);
  }),
};

function needsMatrix(where: string, shape: readonly number[]): RondoError {
  return new RondoError({
    where,
    received: `weights of shape [${shape.join(", ")}]`,
    expected: where === "identity" ? "a matrix" : "at least two axes",
    fix: "Use another initializer for these weights",
  });
}

/** The initializers by name. */
export type InitializerName = keyof typeof initializers;

const kind: Kind<Initializer> = {
  noun: "initializer",
  module: "keras.initializers",
  factories: initializers,
  accepts: (value) => typeof (value as Partial<Initializer>).values === "function",
  className: initializerName,
};

/** An initializer by name or as it is; an error for anything else. */
export const readInitializer = (given: unknown, where: string, name: string): Initializer =>
  ofKind(kind, given, where, name);

/** A field that holds an initializer: given by name or as an object such as `initializers.constant({ value: 1 })`. */
export const initializer = (
  initial: InitializerName,
): Field<InitializerName | Initializer, Initializer, false> => ({
  required: false,
  initial: initializers[initial](),
  read: readInitializer,
  write: (value) => writeOfKind(kind, value),
  // null: what weights start as where Keras is told no initializer.
  parse: (json, _reader, where) =>
    json === null ? "glorotUniform" : (parseOfKind(kind, json, where) as Initializer),
});
