import { RondoError } from "../../errors.js";
import { type Shape, sameShape } from "../dim.js";
import { apply, type Op, type SymbolicTensor, symbolic } from "../ir.js";
import { elementwiseMask, noMask } from "../mask.js";
import { mul } from "./elementwise.js";
import { broadcastTo } from "./shape.js";
import { constant } from "./source.js";

/**
 * Where random numbers come from: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011)
 * keyed by a seed, counted by (element, global row, step, op id). The numbers are a function of these alone.
 */
export interface RandomSource {
  /** int32 [2]. */
  readonly seed: SymbolicTensor;
  /** int32 []: the training step; left out where one draw is made only. */
  readonly step?: SymbolicTensor;
  /** int32 []: number of the first row of this batch in its whole; left out: 0. */
  readonly rowBase?: SymbolicTensor;
}

export interface RandomAttrs {
  readonly kind: "uniform" | "normal" | "truncatedNormal" | "dropout";
  readonly shape: Shape;
  /** Stable between traces: made from the name of what draws, with `streamOf`. */
  readonly stream: number;
  /** uniform: low; normal: mean; dropout: rate. */
  readonly a: number;
  /** uniform: high; normal: standard deviation. */
  readonly b: number;
  readonly hasStep: boolean;
  readonly hasRowBase: boolean;
}

const define = (
  name: string,
  kind: (attrs: RandomAttrs) => boolean,
  gradient: Op<RandomAttrs>["gradient"],
  mask: Op<RandomAttrs>["mask"],
): Op<RandomAttrs> => ({
  name,
  infer: ([x], attrs) => {
    if (!kind(attrs)) throw new Error(`${name} cannot draw ${attrs.kind}`);
    if (name === "dropout" && x?.dtype !== "float32") {
      throw new RondoError({
        where: name,
        received: `an operand of dtype ${x?.dtype}`,
        expected: "a float32 operand",
        fix: 'Convert it with ops.cast(x, "float32")',
      });
    }
    return [{ shape: attrs.shape, dtype: "float32" }];
  },
  gradient,
  mask,
  kernel: { kind: "instruction", name: "random" },
});

/** Numbers of a distribution. inputs: seed, step?, rowBase?. */
export const randomOp = define("random", (a) => a.kind !== "dropout", "none", noMask);

/** x times an inverted dropout mask, drawn where it is needed and never stored: the gradient draws it again. inputs: x, seed, step?, rowBase?. */
export const dropoutOp = define(
  "dropout",
  (a) => a.kind === "dropout",
  ({ inputs: [, ...source], grads: [g], attrs }) => [g && apply(dropoutOp, [g, ...source], attrs)],
  elementwiseMask("dropout"),
);

const sourceInputs = ({ seed, step, rowBase }: RandomSource): SymbolicTensor[] => [
  seed,
  ...(step === undefined ? [] : [step]),
  ...(rowBase === undefined ? [] : [rowBase]),
];

const draw =
  (kind: "uniform" | "normal" | "truncatedNormal") =>
  (shape: Shape, source: RandomSource, stream: number, a: number, b: number): SymbolicTensor =>
    apply(randomOp, sourceInputs(source), {
      kind,
      shape,
      stream,
      a,
      b,
      hasStep: source.step !== undefined,
      hasRowBase: source.rowBase !== undefined,
    });

/** Uniform in [low, high). */
export const randomUniform = draw("uniform");
/** Normal with a mean and a standard deviation. */
export const randomNormal = draw("normal");
/** Normal, redrawn where further than two standard deviations from the mean. */
export const truncatedNormal = draw("truncatedNormal");

/**
 * Inverted dropout: elements become 0 with probability `rate`, the others are scaled by 1/(1 − rate).
 *
 * @param noiseShape one draw for all along axes of size 1; default: the shape of x
 */
export function dropout(
  x: SymbolicTensor,
  rate: number,
  source: RandomSource,
  stream: number,
  noiseShape: Shape = symbolic("dropout", x).shape,
): SymbolicTensor {
  if (!(rate >= 0 && rate < 1)) {
    throw new RondoError({
      where: "dropout",
      received: `rate ${rate}`,
      expected: "a rate from 0 (drop nothing) to below 1",
      fix: "Give the fraction of elements to drop",
    });
  }
  if (rate === 0) return x;
  const attrs: RandomAttrs = {
    kind: "dropout",
    shape: noiseShape,
    stream,
    a: rate,
    b: 0,
    hasStep: source.step !== undefined,
    hasRowBase: source.rowBase !== undefined,
  };
  if (sameShape(noiseShape, x.shape)) return apply(dropoutOp, [x, ...sourceInputs(source)], attrs);
  const mask = dropoutMask(noiseShape, rate, source, stream);
  return mul(x, broadcastTo(mask, x.shape));
}

/** The multiplier of inverted dropout by itself: 0 or 1/(1 − rate). */
export function dropoutMask(
  shape: Shape,
  rate: number,
  source: RandomSource,
  stream: number,
): SymbolicTensor {
  return apply(randomMaskOp, sourceInputs(source), {
    kind: "dropout",
    shape,
    stream,
    a: rate,
    b: 0,
    hasStep: source.step !== undefined,
    hasRowBase: source.rowBase !== undefined,
  });
}

/** inputs: seed, step?, rowBase?. */
export const randomMaskOp = define("randomMask", (a) => a.kind === "dropout", "none", noMask);

/** A 32-bit stream number from a name (FNV-1a). */
export function streamOf(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash | 0;
}

/** Numbers the draws of one trace: 0 for the first of a name, 1 for the next one of that name, and so on. */
export function drawCounter(): (name: string) => number {
  const counts = new Map<string, number>();
  return (name) => {
    const count = counts.get(name) ?? 0;
    counts.set(name, count + 1);
    return count;
  };
}

/** The words of a seed: int32 [2], the lower 32 bits first. */
export const seedOf = (seed: number): SymbolicTensor =>
  constant(Int32Array.of(seed | 0, Math.floor(seed / 2 ** 32) | 0), [2], "int32");

/** inputs: a Gaussian matrix; see the instruction `orthogonal`. */
export const orthogonalOp: Op<{ readonly rows: number; readonly cols: number; readonly gain: number }> = {
  name: "orthogonal",
  infer: (_inputs, { rows, cols }) => [{ shape: [rows, cols], dtype: "float32" }],
  gradient: "none",
  mask: noMask,
  kernel: { kind: "instruction", name: "orthogonal" },
};

/** The orthogonal factor of a random Gaussian matrix (Saxe et al. 2013), [rows, cols], times gain. */
export function randomOrthogonal(
  rows: number,
  cols: number,
  source: RandomSource,
  stream: number,
  gain: number,
): SymbolicTensor {
  const gaussian = randomNormal([Math.max(rows, cols), Math.min(rows, cols)], source, stream, 0, 1);
  return apply(orthogonalOp, [gaussian], { rows, cols, gain });
}
