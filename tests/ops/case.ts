// What the table of cases is written in: operands, shapes, the record of a case.
import type { Dtype } from "../../src/dtype.js";
import { bind, type Shape, shapeText, symbol } from "../../src/graph/dim.js";
import type { Bindings, Graph, StateVariable, SymbolicTensor } from "../../src/graph/ir.js";
import { input } from "../../src/graph/ops/source.js";
import { hashName, uniform } from "../golden/load.js";
import { sizeOf, type Values } from "../reference.js";

export type X = SymbolicTensor;

/** An input of a case: its type, and where its values come from. */
export interface Operand {
  readonly shape: Shape;
  readonly dtype: Dtype;
  /** Every element lies from here … */
  readonly from: number;
  /** … to here (integers: inclusive). */
  readonly to: number;
  /** No gradient is asked for: none flows to it. */
  readonly fixed?: boolean;
  /** These values instead, over and over. */
  readonly values?: readonly number[];
}

export interface Case {
  readonly name: string;
  readonly operands: readonly Operand[];
  readonly build: (...x: X[]) => X | readonly X[];
  /** Whether finite differences mean anything: no jumps, no random draw that moves. */
  readonly differentiable: boolean;
  /** Variables that the case reads, with their values. */
  readonly state: readonly (readonly [StateVariable, readonly number[]])[];
}

/** Numbers for the symbols of all cases; Z makes axes empty. */
export const bindings: Bindings = { B: 3, T: 4, Z: 0 };
export const [B, T, Z] = [symbol("B"), symbol("T"), symbol("Z")];

/** The values of a case's operand: a function of the names. */
export function valuesOf(operand: Operand, name: string, count: number): Float64Array {
  const { dtype, from, to, values } = operand;
  return Float64Array.from(uniform(hashName(name), count), (u, i) => {
    if (values !== undefined) return Math.fround(values[i % values.length] ?? 0);
    const fraction = (u + 1) / 2;
    return dtype === "float32"
      ? Math.fround(from + (to - from) * fraction)
      : from + Math.floor((to - from + 1) * fraction);
  });
}

// ---- Operands

export const float = (shape: Shape, from = -2, to = 2): Operand => ({ shape, dtype: "float32", from, to });
export const int = (shape: Shape, from = -5, to = 5): Operand => ({ shape, dtype: "int32", from, to });
export const byte = (shape: Shape): Operand => ({ shape, dtype: "uint8", from: 0, to: 255 });
export const bool = (shape: Shape): Operand => ({ shape, dtype: "bool", from: 0, to: 1 });
export const listed = (values: readonly number[], dtype: Dtype = "float32"): Operand => ({
  shape: [values.length],
  dtype,
  from: 0,
  to: 0,
  values,
});

export const special = listed([
  0,
  -0,
  1,
  -1,
  0.5,
  -2.5,
  1e-30,
  -1e30,
  88,
  -104,
  1e9,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
]);

/** Shapes for ops of one operand: no axes, size 1, size 0, symbols, and two at random. */
export const shapes = (name: string): Shape[] => [
  [],
  [1],
  [5],
  [2, 3],
  [0],
  [2, 0, 3],
  [1, 3, 1, 2],
  [B, 3],
  [T, Z],
  ...[1, 2].map((k) => randomShape(`${name} ${k}`)),
];

export function randomShape(name: string): number[] {
  const [rank = 0, ...sizes] = [...uniform(hashName(name), 6)].map((u) => (u + 1) / 2);
  return sizes.slice(0, 1 + Math.floor(rank * 4)).map((u) => 1 + Math.floor(u * 4));
}

/** Pairs of shapes for ops that broadcast: either way, both ways, against nothing. */
export function pairs(name: string): (readonly [Shape, Shape])[] {
  const random = [1, 2].map((k): readonly [Shape, Shape] => {
    const shape = randomShape(`${name} ${k}`);
    const flatten = (salt: string) =>
      shape.map((d, i) => ((uniform(hashName(`${name} ${k} ${salt} ${i}`), 1)[0] ?? 0) > 0.3 ? 1 : d));
    return k === 1 ? [flatten("a"), shape] : [shape, flatten("b").slice(1)];
  });
  return [
    [[], []],
    [[3], []],
    [[], [2, 3]],
    [[4], [4]],
    [[2, 3], [3]],
    [
      [3, 1],
      [1, 4],
    ],
    [
      [2, 1, 3],
      [4, 1],
    ],
    [[0, 3], [1]],
    [[1], [Z]],
    [
      [B, 1, 3],
      [T, 1],
    ],
    ...random,
  ];
}

export type Options = Partial<Pick<Case, "differentiable" | "state">>;

export function test(
  name: string,
  operands: readonly Operand[],
  build: Case["build"],
  options: Options = {},
): Case {
  return { name, operands, build, differentiable: true, state: [], ...options };
}

export const jumps: Options = { differentiable: false };
export const text = (operands: readonly Operand[]): string =>
  operands
    .map(({ dtype, shape, from, to }) => `${dtype}${shapeText(shape)}${from === to ? " of equals" : ""}`)
    .join(" ");

/** A case as a graph, with values for its inputs and its state. */
export interface Traced {
  readonly graph: Graph;
  readonly inputs: Readonly<Record<string, Values>>;
  readonly state: Readonly<Record<string, Values>>;
}

/** @param title full name of the case, from which its values follow */
export function trace(title: string, { operands, build, state }: Case): Traced {
  const inputs = operands.map((o, i) => input(`x${i}`, o.shape, o.dtype));
  const results = [build(...inputs)].flat();
  const numbers = (o: Operand, name: string): Values => {
    const shape = o.shape.map((d) => bind(d, bindings));
    return { shape, data: valuesOf(o, `${title} ${name}`, sizeOf(shape)) };
  };
  return {
    graph: {
      name: title,
      inputs,
      outputs: Object.fromEntries(results.map((y, i) => [`y${i}`, y])),
      updates: [],
    },
    inputs: Object.fromEntries(operands.map((o, i) => [`x${i}`, numbers(o, `x${i}`)])),
    state: Object.fromEntries(
      state.map(([v, data]) => [v.name, { shape: v.shape, data: Float64Array.from(data) }]),
    ),
  };
}
