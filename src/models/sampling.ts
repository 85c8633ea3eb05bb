import { checkOptions, RondoError, valueText } from "../errors.js";
import { type SymbolicTensor, symbolic } from "../graph/ir.js";
import { add, div, greater, greaterEqual, log, mul, neg, sub, where } from "../graph/ops/elementwise.js";
import { randomUniform, streamOf } from "../graph/ops/random.js";
import { argMax, max, sum } from "../graph/ops/reduce.js";
import { scan } from "../graph/ops/scan.js";
import { reshape, slice } from "../graph/ops/shape.js";
import { softmax, softmaxOp } from "../graph/ops/softmax.js";
import { fill, zeros } from "../graph/ops/source.js";
import type { Finish } from "./stream.js";

// B rows, C classes.

/** How an id is drawn from what a model predicts. */
export interface SamplingOptions {
  /**
   * Divides the logits: below 1 the likely ids become likelier, above 1 all become more alike; 0: always the likeliest (of
   * several the first). Default: 1.
   */
  readonly temperature?: number;
  /** Draws from so many of the likeliest ids alone; default: all. Ids as likely as the last of them count too. */
  readonly topK?: number;
  /**
   * Draws from the fewest of the likeliest ids whose probabilities together are at least this (Holtzman et al., "The
   * curious case of neural text degeneration", 2020); above 0, at most 1. After topK. Default: all.
   */
  readonly topP?: number;
  /** What the draws follow from; default: the model's seed. */
  readonly seed?: number;
}

export const samplingNames = ["temperature", "topK", "topP", "seed"] as const;

/** @throws RondoError for options that make no sense */
export function checkSampling(
  where: string,
  { temperature = 1, topK = 1, topP = 1, seed = 0 }: SamplingOptions,
) {
  const refuse = (name: string, value: unknown, expected: string) =>
    new RondoError({ where, received: `${name}: ${valueText(value)}`, expected, fix: `Change ${name}` });
  if (!(Number.isFinite(temperature) && temperature >= 0))
    throw refuse("temperature", temperature, "a number from 0 (always the likeliest)");
  if (!(Number.isInteger(topK) && topK >= 1)) throw refuse("topK", topK, "a whole number of at least 1");
  if (!(topP > 0 && topP <= 1)) throw refuse("topP", topP, "a number above 0 and at most 1");
  if (!Number.isSafeInteger(seed)) throw refuse("seed", seed, "a whole number");
}

/** The program's end for these options, and the arrays that it takes. */
export function samplingOf(options: SamplingOptions, seed: number, draw: number) {
  const { temperature = 1, topK, topP } = options;
  const greedy = temperature === 0;
  const own = options.seed ?? seed;
  return {
    finish: finishOf(greedy, !greedy && topK !== undefined, !greedy && topP !== undefined),
    arrays: greedy
      ? []
      : [
          Float32Array.of(temperature),
          Int32Array.of(own | 0, Math.floor(own / 2 ** 32) | 0),
          Int32Array.of(draw),
          ...(topK === undefined ? [] : [Float32Array.of(topK)]),
          ...(topP === undefined ? [] : [Float32Array.of(topP)]),
        ],
  };
}

/**
 * The ids drawn after the last step, int32 [B]. A draw is the largest of logits + noise that follows Gumbel's distribution,
 * which chooses each with its probability (Gumbel 1954; Maddison, Tarlow and Minka, "A* sampling", 2014).
 */
const finishOf = (greedy: boolean, limited: boolean, nucleus: boolean): Finish => ({
  name: `sample${greedy ? " greedy" : ""}${limited ? " topK" : ""}${nucleus ? " topP" : ""}`,
  inputs: greedy
    ? []
    : [
        { name: "temperature", shape: [], dtype: "float32" },
        { name: "seed", shape: [2], dtype: "int32" },
        { name: "draw", shape: [], dtype: "int32" },
        ...(limited ? [{ name: "topK", shape: [], dtype: "float32" } as const] : []),
        ...(nucleus ? [{ name: "topP", shape: [], dtype: "float32" } as const] : []),
      ],
  outputs([prediction], given) {
    const logits = logitsOf(prediction);
    if (greedy) return [argMax(logits)];
    const [temperature, seed, step, ...tops] = given;
    if (temperature === undefined || seed === undefined || step === undefined) return [];
    let z = div(sub(logits, max(logits, -1, true)), temperature);
    const k = limited ? tops.shift() : undefined;
    if (k !== undefined) {
      z = likeliest(z, (above) => greaterEqual(sum(where(above, 1, fill(logits.shape, 0)), -1, true), k));
    }
    const [p] = tops;
    if (p !== undefined) {
      const probabilities = softmax(z);
      z = likeliest(z, (above) => greaterEqual(sum(where(above, probabilities, 0), -1, true), p));
    }
    const uniform = randomUniform(logits.shape, { seed, step }, streamOf("sample"), 0, 1);
    return [argMax(add(z, neg(log(neg(log(uniform))))))];
  },
});

/** [B, C] of the last step; of a softmax what it is taken of. */
function logitsOf(prediction: SymbolicTensor | undefined): SymbolicTensor {
  const given = symbolic("sample", prediction);
  const [operand] = given.node.op === softmaxOp ? given.node.inputs : [];
  const y = (operand ?? given).withMask(undefined);
  if (y.rank === 2) return y;
  const [rows = 1, , classes = 1] = y.shape;
  return reshape(slice(y, [0, -1], [-1, 1]), [rows, classes]);
}

/** Halvings of the interval below: what is left of it is less than float32 tells apart. */
const rounds = 32;
/** e to this is 0 in float32. */
const negligible = -104;

/**
 * z [B, C], at most 0, where it is among the largest, −∞ elsewhere: the fewest that are `enough`, found by halving the
 * interval in which the bound lies.
 */
function likeliest(z: SymbolicTensor, enough: (above: SymbolicTensor) => SymbolicTensor): SymbolicTensor {
  const [rows = 1] = z.shape;
  const { states } = scan({
    sequences: [zeros([rounds, 1])],
    states: [fill([rows, 1], negligible), zeros([rows, 1])],
    step(_, [low = z, high = z]) {
      const middle = mul(add(low, high), 0.5);
      const holds = enough(greater(z, middle));
      return { outputs: [], states: [where(holds, middle, low), where(holds, high, middle)] };
    },
  });
  const [bound = z] = states;
  return where(greater(z, bound), z, Number.NEGATIVE_INFINITY);
}

/** @throws RondoError for other options than those of sampling */
export function checkSamplingOptions(where: string, options: SamplingOptions): void {
  checkOptions(where, options, samplingNames);
  checkSampling(where, options);
}
