// What each step of `map` computes, in float64: the twin of kernels/map_steps.cpp.
import type { MapOpName } from "../../src/plan/encode.js";

type Step = Exclude<MapOpName, "constant" | "constantInt">;

interface Twin {
  /** Types of the operands and of the result: f float32, i int32. */
  readonly type: string;
  readonly compute: (a: number, b: number, c: number) => number;
  /** Allowed error in ulp (0: the result must be the correctly rounded one). */
  readonly ulps: number;
}

const exact = (type: string, compute: Twin["compute"]): Twin => ({ type, compute, ulps: 0 });
const within = (ulps: number, compute: Twin["compute"]): Twin => ({ type: "f>f", compute, ulps });
const truth = (value: boolean) => (value ? 1 : 0);

/** NaN wins, and +0 is no larger than −0. */
const larger = (a: number, b: number) => (Number.isNaN(a) || a > b ? a : b);
const smaller = (a: number, b: number) => (Number.isNaN(a) || a < b ? a : b);

function halvesToEven(x: number): number {
  if (Math.abs(x) >= 2 ** 23 || !Number.isFinite(x)) return x;
  const near = Math.floor(x);
  const rest = x - near;
  const up = rest > 0.5 || (rest === 0.5 && near % 2 !== 0);
  const rounded = up ? near + 1 : near;
  return rounded === 0 && (x < 0 || Object.is(x, -0)) ? -0 : rounded;
}

/** The error function by its series e^(−x²)·Σ 2ⁿ·x^(2n+1)/(2n+1)!!, whose terms all have one sign. */
export function erf(x: number): number {
  if (!(Math.abs(x) < 6)) return Number.isNaN(x) ? x : Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > Math.abs(sum) * 1e-17; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return ((2 / Math.sqrt(Math.PI)) * sum) / Math.exp(x * x);
}

export function sigmoid(x: number): number {
  const e = Math.exp(-Math.abs(x));
  return (x < 0 ? e : 1) / (1 + e);
}

/** As IEEE 754 has it (JavaScript gives NaN for ±1 to an infinite or unknown power). */
const power = (a: number, b: number) =>
  a === 1 || (a === -1 && Math.abs(b) === Number.POSITIVE_INFINITY) ? 1 : a ** b;

/** The remainder with the divisor's sign. */
export function modulo(a: number, b: number): number {
  const rest = a % b;
  return rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest;
}

export const twins: Readonly<Record<Step, Twin>> = {
  toFloat: exact("i>f", (a) => a),
  toInt: exact("f>i", (a) =>
    Number.isNaN(a) ? 0 : Math.trunc(Math.max(-(2 ** 31), Math.min(a, 2 ** 31 - 1))) | 0,
  ),
  toBool: exact("f>i", (a) => truth(a !== 0)),
  intToBool: exact("i>i", (a) => truth(a !== 0)),
  select: exact("iff>f", (a, b, c) => (a !== 0 ? b : c)),
  add: exact("ff>f", (a, b) => a + b),
  sub: exact("ff>f", (a, b) => a - b),
  mul: exact("ff>f", (a, b) => a * b),
  div: exact("ff>f", (a, b) => a / b),
  maximum: exact("ff>f", larger),
  minimum: exact("ff>f", smaller),
  pow: { type: "ff>f", compute: power, ulps: 1 },
  mod: exact("ff>f", modulo),
  fma: { type: "fff>f", compute: (a, b, c) => a * b + c, ulps: 0 },
  neg: exact("f>f", (a) => -a),
  abs: exact("f>f", Math.abs),
  sign: exact("f>f", Math.sign),
  exp: within(2, Math.exp),
  expm1: within(3, Math.expm1),
  log: within(2, Math.log),
  log1p: within(3, Math.log1p),
  sqrt: exact("f>f", Math.sqrt),
  rsqrt: within(1.5, (a) => 1 / Math.sqrt(a)),
  square: exact("f>f", (a) => a * a),
  reciprocal: exact("f>f", (a) => 1 / a),
  floor: exact("f>f", Math.floor),
  ceil: exact("f>f", Math.ceil),
  round: exact("f>f", halvesToEven),
  sin: within(1, Math.sin),
  cos: within(1, Math.cos),
  tanh: within(4, Math.tanh),
  sigmoid: within(4, sigmoid),
  relu: exact("f>f", (a) => (a < 0 ? 0 : a)),
  softplus: within(4, (a) => Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a)))),
  erf: within(3, erf),
  isNaN: exact("f>i", (a) => truth(Number.isNaN(a))),
  isFinite: exact("f>i", (a) => truth(Number.isFinite(a))),
  less: exact("ff>i", (a, b) => truth(a < b)),
  lessEqual: exact("ff>i", (a, b) => truth(a <= b)),
  equal: exact("ff>i", (a, b) => truth(a === b)),
  notEqual: exact("ff>i", (a, b) => truth(a !== b)),
  addInt: exact("ii>i", (a, b) => (a + b) | 0),
  subInt: exact("ii>i", (a, b) => (a - b) | 0),
  mulInt: exact("ii>i", Math.imul),
  lessInt: exact("ii>i", (a, b) => truth(a < b)),
  lessEqualInt: exact("ii>i", (a, b) => truth(a <= b)),
  equalInt: exact("ii>i", (a, b) => truth(a === b)),
  notEqualInt: exact("ii>i", (a, b) => truth(a !== b)),
  maximumInt: exact("ii>i", (a, b) => Math.max(a, b)),
  minimumInt: exact("ii>i", (a, b) => Math.min(a, b)),
  negInt: exact("i>i", (a) => -a | 0),
  absInt: exact("i>i", (a) => Math.abs(a) | 0),
  and: exact("ii>i", (a, b) => truth(a !== 0 && b !== 0)),
  or: exact("ii>i", (a, b) => truth(a !== 0 || b !== 0)),
  not: exact("i>i", (a) => truth(a === 0)),
  toByte: exact("i>i", (a) => a & 255),
};
