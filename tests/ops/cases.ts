// One table of cases for all ops: each case is run through the reference, through every backend and through finite
// differences (ggml's tests/test-backend-ops.cpp is the model). A builder without an entry is a type error here, an op
// that no case reaches a test error in cases.test.ts.
import { tagScheme } from "../../src/data/tagScheme.js";
import * as ops from "../../src/graph/build.js";
import { type Shape, shapeText } from "../../src/graph/dim.js";
import type { StateVariable } from "../../src/graph/ir.js";
import { vjp } from "../../src/passes/autodiff.js";
import {
  B,
  bool,
  byte,
  type Case,
  float,
  int,
  jumps,
  listed,
  type Operand,
  type Options,
  pairs,
  randomShape,
  shapes,
  special,
  T,
  test,
  text,
  type X,
  Z,
} from "./case.js";
import { generalScans, recurrenceCase, recurrences } from "./scanCases.js";

/** An op of one float32 operand over all shapes, and over values at which floats go wrong. */
function unary(f: (x: X) => X, from?: number, to?: number, options: Options = {}): Case[] {
  return [
    ...shapes("one operand").map((shape) => test(shapeText(shape), [float(shape, from, to)], f, options)),
    test("special values", [special], f, jumps),
  ];
}

/** An op of two operands over all pairs of shapes (further kinds of operands: over two of them), and numbers too. */
function binary(
  f: (a: X | number, b: X | number) => X,
  make: readonly ((shape: Shape) => Operand)[],
  options: Options = {},
): Case[] {
  return make.flatMap((operand, kind) => {
    const all = pairs("two operands");
    const cases = (kind === 0 ? all : all.slice(4, 7)).map(([a, b]) => {
      const operands = [operand(a), operand(b)];
      return test(text(operands), operands, f, options);
    });
    const one = operand([2, 3]);
    return [...cases, test(`${text([one])} and a number`, [one], (x) => [f(x, 2), f(3, x)], options)];
  });
}

const ties = [float, (s: Shape) => float(s, 1, 1), (s: Shape) => int(s, 0, 2), byte, bool];

type Reduction = (x: X, axis?: number | readonly number[], keepDims?: boolean) => X;

function reduction(f: Reduction, from = -2, to = 2, integers = true): Case[] {
  const over = (shape: Shape, axis?: number | readonly number[], keepDims?: boolean) =>
    test(
      `${shapeText(shape)} over ${axis ?? "all"}${keepDims ? ", kept" : ""}`,
      [float(shape, from, to)],
      (x) => f(x, axis, keepDims),
    );
  return [
    over([]),
    over([], []),
    over([1], 0),
    over([5]),
    over([2, 3], 0),
    over([2, 3], -1, true),
    over([2, 3], []),
    over([2, 3, 4], [0, 2]),
    over([2, 3, 4], [-2], true),
    over([2, 1, 3], 1),
    over([0], 0),
    over([2, 0, 3], 1),
    over([2, 0, 3], 0),
    over([B, T, 3], [0, 1]),
    over([B, T, 3], -2),
    over([Z, 2], 0),
    over([40, 7], 0),
    over([3, 700], 1),
    ...[1, 2].map((k) => {
      const shape = randomShape(`reduction ${k}`);
      return over(shape, shape.length - k >= 0 ? -k : 0, k === 1);
    }),
    // Operands that are views.
    test("transposed", [float([2, 3, 4], from, to)], (x) => f(ops.transpose(x, [2, 0, 1]), 1)),
    test("repeated", [float([3, 1], from, to)], (x) => f(ops.broadcastTo(x, [2, 3, 4]), [0, 2])),
    ...(integers ? [int([3, 4], -3, 3), byte([3, 4]), bool([3, 4])] : []).map((o) =>
      test(text([o]), [o], (x) => [f(x, 1), f(x)]),
    ),
  ];
}

const pixels = (shape: Shape, kernel: Shape, options: ops.ConvOptions, name: string): Case =>
  test(`${name}: ${shapeText(shape)} by ${shapeText(kernel)}`, [float(shape), float(kernel)], (x, k) =>
    ops.conv2d(x, k, options),
  );

/** Sums of squares of a value with respect to some operands. */
const slopes = (y: X, operands: readonly X[]): X[] =>
  vjp([[y, ops.mul(y, 2)]], operands).map((g) => g ?? ops.scalar(0));

const convolutions: readonly Case[] = [
  pixels([2, 5, 4, 3], [3, 2, 3, 4], {}, "inside"),
  pixels([B, 5, 4, 1], [3, 3, 1, 20], {}, "one channel"),
  pixels([2, 4, 5, 2], [3, 3, 2, 17], { padding: "same" }, "same"),
  pixels([1, 3, 2, 2], [4, 5, 2, 3], { padding: "same" }, "a kernel larger than the pixels"),
  pixels([2, 7, 6, 2], [3, 2, 2, 5], { strides: [2, 3], padding: "same" }, "strides, same"),
  pixels([2, 7, 6, 2], [2, 3, 2, 33], { strides: [3, 2] }, "strides larger than the kernel"),
  pixels([1, 7, 9, 2], [3, 2, 2, 3], { dilation: [2, 3] }, "dilation"),
  pixels([1, 6, 7, 2], [3, 3, 2, 3], { dilation: [2, 1], padding: "same" }, "dilation along one axis, same"),
  pixels([2, 4, 4, 6], [2, 3, 2, 9], { groups: 3, padding: "same" }, "groups"),
  pixels([1, 4, 3, 4], [2, 2, 1, 8], { groups: 4, strides: [2, 1] }, "a group for each channel"),
  pixels(
    [2, 1, T, 3],
    [1, 2, 3, 4],
    {
      padding: [
        [0, 0],
        [1, 0],
      ],
    },
    "causal over an open axis",
  ),
  pixels([2, 1, T, 3], [1, 2, 3, 4], { strides: [1, 3] }, "strides over an open axis"),
  pixels([B, T, 7, 2], [4, 3, 2, 3], { strides: [3, 2], padding: "same" }, "strides over an open axis, same"),
  pixels([2, 1, T, 2], [1, 3, 2, 3], { strides: [1, 5], padding: "same" }, "gaps over an open axis, same"),
  pixels([Z, 4, 4, 2], [2, 2, 2, 3], {}, "no rows"),
  pixels([1, 2, 2, 700], [2, 2, 700, 2], { padding: "same" }, "many channels"),
  pixels([1, 2, 140, 2], [1, 3, 2, 3], { padding: "same" }, "long rows"),
  ...(["linear", "relu", "relu6", "leakyRelu", "tanh"] as const).map((activation) =>
    test(`bias and ${activation}`, [float([2, 4, 3, 2]), float([2, 2, 2, 5]), float([5])], (x, k, bias) =>
      ops.conv2d(x, k, { bias, activation, padding: "same" }),
    ),
  ),
  test("of what is transposed and cut", [float([4, 2, 3, 5]), float([2, 2, 3, 3])], (x, k) =>
    ops.conv2d(ops.transpose(ops.slice(x, [0, 0, 0, 1], [4, 2, 3, 3]), [1, 0, 3, 2]), k),
  ),
  test("of rows that lie apart", [float([3, 2, 3, 2, 2]), float([2, 2, 2, 3])], (x, k) =>
    ops.conv2d(ops.reshape(ops.slice(x, [0, 1, 0, 0, 0], [3, 1, 3, 2, 2]), [3, 3, 2, 2]), k),
  ),
  test("its gradients' gradients", [float([2, 4, 5, 2]), float([2, 3, 2, 3]), float([3])], (x, k, bias) =>
    slopes(ops.conv2d(x, k, { bias, strides: [1, 2], padding: "same" }), [x, k, bias]),
  ),
  test("its gradients' gradients, strides", [float([1, 5, 5, 2]), float([3, 3, 2, 2])], (x, k) =>
    slopes(ops.conv2d(x, k, { strides: [2, 2] }), [x, k]),
  ),
  test("its gradients' gradients, open axes", [float([1, T, 5, 2]), float([4, 3, 2, 2])], (x, k) =>
    slopes(ops.conv2d(x, k, { strides: [3, 2], padding: "same" }), [x, k]),
  ),
  test("within a scan, its kernel packed outside", [float([3, 2, 3, 4, 2]), float([2, 3, 2, 2])], (x, k) => {
    const { outputs, states } = ops.scan({
      sequences: [x],
      states: [{ shape: [2, 3, 4, 2], dtype: "float32" }],
      constants: [k],
      step: ([now], [before], [kernel]) => {
        if (now === undefined || before === undefined || kernel === undefined) throw new Error("no step");
        const next = ops.tanh(ops.conv2d(ops.add(now, before), kernel, { padding: "same" }));
        return { outputs: [next], states: [next] };
      },
    });
    return [...outputs, ...states];
  }),
];

const pools: readonly Case[] = (["max", "average"] as const).flatMap((kind) => {
  const over = (shape: Shape, options: Omit<ops.PoolOptions, "kind">, name: string): Case =>
    test(`${kind}, ${name}: ${shapeText(shape)}`, [float(shape)], (x) => ops.pool(x, { kind, ...options }));
  return [
    over([2, 4, 6, 3], { window: [2, 2] }, "apart"),
    over([B, 5, 7, 2], { window: [2, 3], padding: "same" }, "same"),
    over([2, 5, 5, 17], { window: [3, 3], strides: [1, 2] }, "overlapping"),
    over([1, 6, 7, 1], { window: [2, 2], strides: [3, 3], padding: "same" }, "with gaps"),
    over([2, 7, 3], { window: [3], strides: [2], padding: "same" }, "one axis"),
    over([2, T, 3], { window: [2], strides: [1] }, "an open axis"),
    over([2, T, 3], { window: [3] }, "apart over an open axis"),
    over([B, T, 5, 2], { window: [4, 2], strides: [3, 2], padding: "same" }, "an open axis, same"),
    over([1, T, 2], { window: [3], strides: [7], padding: "same" }, "with gaps over an open axis"),
    over([2, 3, 4, 5, 2], { window: [2, 2, 3], strides: [1, 2, 2], padding: "same" }, "three axes"),
    over([Z, 4, 4, 2], { window: [2, 2] }, "no rows"),
    over([1, 4, 4, 70], { window: [2, 2], strides: [1, 1] }, "many channels"),
    test(
      `${kind}, equals, and their gradient`,
      [float([1, 4, 4, 2], 1, 1)],
      (x) => {
        const y = ops.pool(x, { kind, window: [3, 3], strides: [1, 1] });
        return [y, ...slopes(y, [x])];
      },
      jumps,
    ),
    ...(kind === "average"
      ? [
          test("average, its gradient's gradient", [float([1, 4, 5, 2])], (x) =>
            slopes(ops.pool(x, { kind, window: [2, 3], strides: [1, 2], padding: "same" }), [x]),
          ),
        ]
      : [
          test(
            "max of what is not finite",
            [listed([1, Number.NaN, 3, -Infinity, -Infinity, 2, Infinity, 5])],
            (x) => {
              const y = ops.pool(ops.reshape(x, [1, 4, 2, 1]), { kind, window: [2, 1], strides: [1, 1] });
              return [y, ...slopes(y, [x])];
            },
            jumps,
          ),
        ]),
  ];
});

const seed = listed([123456789, -987654321], "int32");
const source = (seed: X): ops.RandomSource => ({ seed });
const draws = (draw: (shape: Shape, source: ops.RandomSource, stream: number) => X): Case[] => [
  ...([[], [1], [7], [3, 5], [0, 4], [4, 0], [B, 2, T], [40, 33]] as Shape[]).map((shape) =>
    test(shapeText(shape), [seed], (s) => draw(shape, source(s), 17), jumps),
  ),
  test(
    "step and first row",
    [seed, int([], 0, 9), int([], 0, 9)],
    (s, step, rowBase) => draw([3, 5], { seed: s, step, rowBase }, -17),
    jumps,
  ),
];

/** Scores of a conditional random field with tags, without a mask and with one that has gaps and an empty row. */
function crfCases(
  f: (scores: Parameters<typeof ops.crfLoss>[0], tags: X) => X,
  options: Options = {},
): Case[] {
  const sizes: readonly (readonly [Shape[number], Shape[number], number])[] = [
    [B, T, 3],
    [5, 6, 5],
    [1, 1, 1],
    [2, 9, 17],
    [20, 3, 2],
    [Z, 4, 3],
    [2, Z, 3],
  ];
  const scores = (K: number) => [float([K, K]), float([K]), float([K])];
  return sizes.flatMap(([rows, steps, K]) => {
    const operands = [float([rows, steps, K], -3, 3), ...scores(K), int([rows, steps], 0, K - 1)];
    const name = `[${rows}, ${steps}, ${K}]`;
    const masked = { ...bool([rows, steps]), values: [1, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 1] };
    const build = (x: X, transitions: X, start: X, end: X, tags: X, mask?: X) =>
      f({ x, transitions, start, end, mask }, tags);
    return [
      test(name, operands, (...o) => build(...(o as [X, X, X, X, X])), options),
      test(`${name}, masked`, [...operands, masked], (...o) => build(...(o as [X, X, X, X, X, X])), options),
    ];
  });
}

/** A table and the squares of what came to its rows, both changed where ids name a row (or read through an index). */
function updateRows(table: X, ids: X, gradient: X, width: number, touched: boolean): X[] {
  const size = table.shape[0] ?? 0;
  const groups = ops.groupRows(ids, size);
  const flat = ops.reshape(table, [-1]);
  const result = ops.eachRow({
    index: touched ? groups.rows : groups.positions,
    ...(touched ? { count: groups.count } : {}),
    rows: touched ? (ids.shape[0] ?? 0) : size,
    width,
    size: touched ? size : (ids.shape[0] ?? 0),
    operands: [
      { value: flat, kind: "row", indexed: touched },
      { value: ops.mul(flat, 0.5), kind: "row", indexed: touched },
      { value: ops.sumRows(gradient, groups), kind: "row", indexed: !touched },
      { value: ops.cast(groups.rows, "float32"), kind: "number", indexed: !touched },
    ],
    equations: ([p, s, g, n]) => {
      if (p === undefined || s === undefined || g === undefined || n === undefined) throw new Error("no row");
      const sum = ops.add(ops.mul(s, 0.9), ops.square(g));
      const scale = ops.mean(ops.square(gradient));
      return new Map([
        [0, ops.sub(p, ops.div(ops.mul(g, scale), ops.add(ops.sqrt(ops.abs(sum)), ops.add(n, 1))))],
        [1, sum],
      ]);
    },
  });
  if (result === undefined) throw new Error("the equations are not those of a row");
  return [...result.values()];
}

const rowUpdate = (D: number, touched: boolean): Case =>
  test(
    `of ${D} features, ${touched ? "those that ids name" : "all, with sums through an index"}`,
    [float([9, D]), int([20], 0, 8), float([20, D])],
    (table, ids, gradient) => updateRows(table, ids, gradient, D, touched),
    jumps,
  );

const parameter: StateVariable = { name: "w", shape: [2, 3], dtype: "float32", role: "weight" };
const counter: StateVariable = { name: "n", shape: [], dtype: "int32", role: "counter" };

/** Everything that src/graph exports to build graphs with. */
type Builder = {
  [K in keyof typeof ops]: (typeof ops)[K] extends (...args: never[]) => unknown ? K : never;
}[keyof typeof ops];
/** Functions that make no values. */
type Helper =
  | "broadcastShapes"
  | "drawCounter"
  | "firstOperand"
  | "seedOf"
  | "normalizeAxes"
  | "normalizeAxis"
  | "operand"
  | "streamOf";

export const cases: Readonly<Record<Exclude<Builder, Helper>, readonly Case[]>> = {
  // Sources
  input: [float([]), float([2, 3]), int([3]), byte([3]), bool([3]), float([Z, 3]), float([B, T])].map((o) =>
    test(text([o]), [o], (x) => x),
  ),
  constant: [
    test("float32", [], () => ops.constant(Float32Array.of(1, -0.1, 2, 3, 4, 5), [2, 3], "float32")),
    test("int32", [], () => ops.constant(Int32Array.of(-(2 ** 31), 2 ** 31 - 1), [2], "int32")),
    test("uint8 and bool", [], () => [
      ops.constant(Uint8Array.of(0, 255), [2], "uint8"),
      ops.constant(Uint8Array.of(0, 1), [2], "bool"),
    ]),
    test("empty", [], () => ops.constant(new Float32Array(), [0, 2], "float32")),
    test("of many elements", [], () =>
      ops.square(
        ops.constant(
          Float32Array.from({ length: 100 }, (_, i) => i),
          [100],
          "float32",
        ),
      ),
    ),
  ],
  scalar: [
    test("each dtype", [], () => [
      ops.scalar(0.1),
      ops.scalar(-7, "int32"),
      ops.scalar(200, "uint8"),
      ops.scalar(3, "bool"),
    ]),
    test("special", [], () => [ops.scalar(-0), ops.scalar(Number.NaN), ops.scalar(Number.NEGATIVE_INFINITY)]),
  ],
  fill: [
    test("shapes", [], () => [
      ops.fill([], 3),
      ops.fill([2, B], 0.5),
      ops.fill([Z], 1),
      ops.fill([3], -2, "int32"),
    ]),
  ],
  zeros: [test("shapes", [], () => [ops.zeros([2, 3]), ops.zeros([B], "bool")])],
  ones: [test("shapes", [], () => [ops.ones([2, 3]), ops.ones([B], "int32")])],
  zerosLike: [test("of its shape", [float([B, 2])], (x) => ops.zerosLike(x), jumps)],
  onesLike: [test("of its shape", [int([B, 2])], (x) => ops.onesLike(x))],
  size: [test("numbers and symbols", [], () => [ops.size(7), ops.size(B), ops.size(Z)])],
  read: [
    test(
      "a parameter and a counter",
      [float([3])],
      (x) => [ops.mul(ops.read(parameter), x), ops.read(counter)],
      {
        state: [
          [parameter, [1, 2, 3, 4, 5, 6]],
          [counter, [7]],
        ],
      },
    ),
  ],

  // Elementwise
  add: [
    ...binary(ops.add, [float, int, byte, bool]),
    test("uint8 wraps whatever reads it", [byte([20]), byte([20])], (a, b) => {
      const all = [ops.add(a, b), ops.sub(a, b), ops.mul(a, b), ops.neg(a)];
      return [
        ...all.map((y) => ops.cast(y, "float32")),
        ...all.map((y) => ops.cast(y, "int32")),
        ...all.map((y) => ops.less(y, a)),
        ops.sum(ops.cast(ops.add(a, b), "int32")),
        ops.maximum(ops.sub(a, b), ops.add(a, b)),
      ];
    }),
    test("uint8 that is stored and read", [byte([20]), byte([20])], (a, b) => {
      const y = ops.add(a, b);
      return [y, ops.cast(y, "float32"), ops.equalTo(y, a)];
    }),
  ],
  sub: binary(ops.sub, [float, int, byte]),
  mul: binary(ops.mul, [float, int, byte]),
  div: binary(ops.div, [(s) => float(s, 0.5, 2), (s) => int(s, 1, 9)]),
  maximum: binary(ops.maximum, [float, int, byte]),
  minimum: binary(ops.minimum, [float, int, byte]),
  pow: binary(ops.pow, [(s) => float(s, 0.2, 2)]),
  mod: [
    ...binary(ops.mod, [(s) => float(s, 0.3, 3)]),
    test(
      "large quotients",
      [
        listed([1e8, 1e9, -1e9, 50331650, 100000001, 1e6, 1702944000, 1e30, -3e38, 3e38, 5]),
        listed([3, 7, 7, 3, -10, 0.1, 60, 7, 1e-30, 1e-45, Number.NEGATIVE_INFINITY]),
      ],
      ops.mod,
      jumps,
    ),
  ],
  less: binary(ops.less, ties),
  lessEqual: binary(ops.lessEqual, ties),
  greater: binary(ops.greater, ties),
  greaterEqual: binary(ops.greaterEqual, ties),
  equalTo: binary(ops.equalTo, ties),
  notEqualTo: binary(ops.notEqualTo, ties),
  logicalAnd: pairs("and").map(([a, b]) =>
    test(text([bool(a), bool(b)]), [bool(a), bool(b)], ops.logicalAnd),
  ),
  logicalOr: pairs("or").map(([a, b]) => test(text([bool(a), bool(b)]), [bool(a), bool(b)], ops.logicalOr)),
  logicalNot: shapes("not").map((s) => test(shapeText(s), [bool(s)], ops.logicalNot)),
  neg: [...unary(ops.neg), test("int32", [int([5])], ops.neg), test("uint8", [byte([5])], ops.neg)],
  abs: [...unary(ops.abs), test("int32", [int([5])], ops.abs), test("uint8", [byte([5])], ops.abs)],
  sign: unary(ops.sign, -2, 2, jumps),
  exp: unary(ops.exp),
  expm1: [...unary(ops.expm1), test("near 0", [float([9], -1e-4, 1e-4)], ops.expm1)],
  log: unary(ops.log, 0.1, 4),
  log1p: [...unary(ops.log1p, -0.9, 3), test("near 0", [float([9], -1e-4, 1e-4)], ops.log1p)],
  sqrt: unary(ops.sqrt, 0.1, 4),
  rsqrt: unary(ops.rsqrt, 0.1, 4),
  square: unary(ops.square),
  reciprocal: unary(ops.reciprocal, 0.2, 3),
  floor: unary(ops.floor, -4, 4, jumps),
  ceil: unary(ops.ceil, -4, 4, jumps),
  round: [
    ...unary(ops.round, -4, 4, jumps),
    test("halves", [listed([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])], ops.round, jumps),
  ],
  sin: unary(ops.sin, -6, 6),
  cos: unary(ops.cos, -6, 6),
  tanh: [...unary(ops.tanh), test("near 0 and far", [listed([1e-6, -1e-4, 8, -8.5, 20])], ops.tanh)],
  sigmoid: [...unary(ops.sigmoid), test("tails", [listed([-80, -30, -16, 17, 40])], ops.sigmoid)],
  relu: unary(ops.relu),
  softplus: [...unary(ops.softplus), test("tails", [listed([-60, -20, 20, 60])], ops.softplus)],
  erf: unary(ops.erf),
  isNaN: unary(ops.isNaN, -2, 2, jumps),
  isFinite: unary(ops.isFinite, -2, 2, jumps),
  where: [
    ...pairs("where").map(([a, b]) =>
      test(`${shapeText(a)} ${shapeText(b)}`, [bool(a), float(b), float(a)], (c, x, y) => ops.where(c, x, y)),
    ),
    ...[int, byte, bool].map((o) =>
      test(text([o([3])]), [bool([2, 1]), o([3]), o([2, 3])], (c, x, y) => ops.where(c, x, y)),
    ),
    test("numbers", [bool([4]), float([4])], (c, x) => [ops.where(c, x, 0), ops.where(c, 1, 2)]),
    test("what is not selected is not read", [bool([14]), special], (c, x) => ops.where(c, 1, x), jumps),
  ],
  cast: (["float32", "int32", "uint8", "bool"] as const).flatMap((to) => [
    ...[
      float([5], -4, 4),
      float([5], 0, 200),
      int([5], 0, 300),
      int([5]),
      byte([2, 3]),
      bool([3]),
      float([0]),
    ].map((o) =>
      test(
        `${text([o])} from ${o.from} to ${to}`,
        [o],
        (x) => ops.cast(x, to),
        to === "float32" ? {} : jumps,
      ),
    ),
    test(
      `to ${to} from floats that are no integers of it`,
      [
        listed([
          Number.NaN,
          Number.POSITIVE_INFINITY,
          Number.NEGATIVE_INFINITY,
          2 ** 31,
          3e9,
          -3e9,
          300,
          -1,
          -0.9,
        ]),
      ],
      (x) => {
        const y = ops.cast(x, to);
        return [y, ops.cast(y, "float32"), ops.cast(ops.cast(y, "uint8"), "int32")];
      },
      jumps,
    ),
  ]),
  clipByValue: [
    ...unary((x) => ops.clipByValue(x, -0.5, 1)),
    test("int32", [int([7])], (x) => ops.clipByValue(x, -2, 3)),
  ],

  // Reductions
  sum: [
    ...reduction(ops.sum),
    test("more axes than the kernels have", [float([1, 2, 1, 2, 1, 2, 1, 2, 3])], (x) => [
      ops.sum(x),
      ops.sum(x, 1),
      ops.sum(x, [0, 3, 8]),
      ops.sum(ops.transpose(x), [0, 1, 2]),
      ops.max(x, [5, 7]),
    ]),
  ],
  mean: reduction(ops.mean),
  max: reduction(ops.max),
  min: reduction(ops.min),
  prod: reduction(ops.prod, 0.5, 1.5),
  logSumExp: [
    ...reduction(ops.logSumExp, -2, 2, false),
    test("large numbers", [float([2, 5], 90, 100)], (x) => ops.logSumExp(x, 1)),
    test(
      "only −∞",
      [listed([Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY])],
      (x) => ops.logSumExp(x),
      jumps,
    ),
  ],
  argMax: [
    ...([[1], [5], [2, 3], [2, 1, 3], [B, T], [40, 33]] as Shape[]).flatMap((shape) =>
      [0, -1].map((axis) =>
        test(`${shapeText(shape)} along ${axis}`, [float(shape)], (x) => ops.argMax(x, axis), jumps),
      ),
    ),
    test(
      "the first of equals",
      [float([3, 40], 1, 1), int([4, 9], 0, 2)],
      (x, n) => [ops.argMax(x), ops.argMax(n)],
      jumps,
    ),
  ],
  sumTo: [
    test("[2, 3, 4] to each smaller", [float([2, 3, 4])], (x) =>
      ([[], [4], [1, 1], [3, 1], [2, 1, 4], [2, 3, 4]] as Shape[]).map((s) => ops.sumTo(x, s)),
    ),
  ],
  // Windows
  layOut: [
    test("transposed", [float([3, 4])], (x) => ops.layOut(ops.transpose(x))),
    test("reversed, in a product", [float([2, B]), float([2, 3])], (x, y) =>
      ops.matMul(ops.layOut(ops.transpose(ops.reverse(x, 0))), y),
    ),
  ],
  conv2d: convolutions,
  pool: pools,
  softmax: softmaxes(ops.softmax),
  logSoftmax: softmaxes(ops.logSoftmax),

  // Rearrangements
  reshape: [
    ...(
      [
        [[], [1, 1]],
        [[6], [2, 3]],
        [
          [2, 3, 4],
          [6, -1],
        ],
        [
          [2, 3, 4],
          [4, 3, 2],
        ],
        [
          [2, 1, 3],
          [2, 3],
        ],
        [
          [0, 3],
          [3, 0, 2],
        ],
        [
          [B, T, 2],
          [-1, 2],
        ],
        [
          [B, T, 2],
          [B, -1],
        ],
      ] as [Shape, Shape][]
    ).map(([from, to]) =>
      test(`${shapeText(from)} to ${shapeText(to)}`, [float(from)], (x) => ops.reshape(x, to)),
    ),
    test("of a transpose", [float([2, 3, 4])], (x) => ops.reshape(ops.transpose(x, [1, 0, 2]), [6, 4])),
    test("of a reverse", [float([2, 3])], (x) => ops.reshape(ops.reverse(x, [0, 1]), [6])),
    test("of a slice", [float([3, 4])], (x) => [
      ops.reshape(ops.slice(x, [1], [2]), [8]),
      ops.reshape(ops.slice(x, [0, 1], [3, 2]), [6]),
      ops.reshape(ops.slice(x, [0, 1], [3, 2]), [3, 2, 1]),
    ]),
    test("of a broadcast", [float([1, 3])], (x) => [
      ops.reshape(ops.broadcastTo(x, [4, 3]), [2, 6]),
      ops.reshape(ops.broadcastTo(x, [4, 3]), [2, 2, 3]),
    ]),
    test("bool and int32", [bool([2, 3]), int([6])], (b, n) => [ops.reshape(b, [6]), ops.reshape(n, [3, 2])]),
  ],
  expandDims: [
    test("each place", [float([2, 3])], (x) => [0, 1, 2, -1, -2, -3].map((axis) => ops.expandDims(x, axis))),
  ],
  squeeze: [
    test("some and all", [float([1, 2, 1, 3])], (x) => [
      ops.squeeze(x),
      ops.squeeze(x, [0]),
      ops.squeeze(x, [-2]),
    ]),
    test("[1, 1]", [float([1, 1])], (x) => ops.squeeze(x)),
  ],
  transpose: [
    ...shapes("transpose").map((s) => test(shapeText(s), [float(s)], (x) => ops.transpose(x))),
    test("permutations", [float([2, 3, 4])], (x) => [
      ops.transpose(x, [1, 0, 2]),
      ops.transpose(x, [-1, 0, 1]),
      ops.exp(ops.transpose(x, [0, 2, 1])),
    ]),
    test("bool", [bool([B, T])], (x) => ops.transpose(x)),
  ],
  slice: [
    test("[4, 5]", [float([4, 5])], (x) => [
      ops.slice(x, [1]),
      ops.slice(x, [-2, -3]),
      ops.slice(x, [0, 2], [-1, 2]),
      ops.slice(x, [4]),
      ops.slice(x, [2, 2], [1, 0]),
      ops.square(ops.slice(x, [1, 1], [2, 2])),
    ]),
    test("of symbols", [float([B, T])], (x) => [
      ops.slice(x, [0, 1]),
      ops.slice(x, [-1]),
      ops.slice(x, [0, -2], [B, 1]),
    ]),
    test("of a reverse", [float([5])], (x) => ops.slice(ops.reverse(x, 0), [1], [3])),
    test("bool", [bool([4])], (x) => ops.slice(x, [1], [2])),
  ],
  reverse: [
    ...([[1], [5], [0], [2, 3], [B, T, 2]] as Shape[]).map((s) =>
      test(shapeText(s), [float(s)], (x) => [
        ops.reverse(x, 0),
        ops.reverse(x, -1),
        ops.exp(ops.reverse(x, [...s.keys()])),
      ]),
    ),
    test("twice", [float([2, 3])], (x) => ops.reverse(ops.reverse(x, 1), [0, 1])),
    test("bool", [bool([T, 2])], (x) => ops.reverse(x, 0)),
  ],
  broadcastTo: pairs("broadcastTo").map(([a, b]) =>
    test(`${shapeText(a)} to ${shapeText(b)} and more`, [float(a)], (x) =>
      ops.broadcastTo(x, [2, ...ops.broadcastShapes("test", [a, b])]),
    ),
  ),
  stopGradient: [test("[2, 3]", [float([2, 3])], (x) => ops.stopGradient(x), jumps)],
  guard: [test("[2, 3]", [float([2, 3]), bool([2])], (x, m) => ops.guard(x, m), jumps)],
  spread: [
    test("[3] over [2, 3]", [float([3]), float([2, 3])], (w, x) => ops.mul(x, ops.spread(w, x))),
    test(
      "[3] over masked [2, 4, 3]",
      [float([3]), float([2, 4, 3]), bool([2, 4])],
      (w, x, m) => ops.spread(w, x.withMask(m)),
      jumps,
    ),
  ],
  withoutMask: [test("[2, 3]", [float([2, 3]), bool([2])], (x, m) => ops.withoutMask(x.withMask(m)))],
  concat: [
    test("along each axis", [float([2, 3]), float([2, 1]), float([2, 0]), float([1, 3])], (a, b, c, d) => [
      ops.concat([a, b, c, a]),
      ops.concat([d, a], 0),
      ops.concat([a]),
    ]),
    test("of results", [float([2, 3]), float([2, 2])], (a, b) =>
      ops.concat([ops.exp(a), ops.transpose(ops.reshape(b, [2, 2])), ops.mul(a, 2)], 1),
    ),
    test("symbols", [float([B, 2]), float([T, 2]), float([Z, 2])], (a, b, c) => ops.concat([a, b, c], 0)),
    test("nested", [float([2, 1])], (a) => {
      const x = a;
      const inner = ops.concat([ops.exp(x), ops.tanh(x)], 1);
      return [ops.concat([inner, ops.neg(x), inner], 1), inner];
    }),
    test("integers", [int([2]), int([3])], (a, b) => ops.concat([a, b])),
    test("bool", [bool([2]), bool([3])], (a, b) => ops.concat([a, b])),
  ],
  stack: [
    test("each place", [float([2, 3]), float([2, 3])], (a, b) =>
      [0, 1, 2, -1].map((axis) => ops.stack([a, b], axis)),
    ),
    test("scalars", [float([]), float([])], (a, b) => ops.stack([a, b])),
  ],
  split: [
    test("each axis", [float([4, 5])], (x) => [...ops.split(x, [1, 0, 3], 0), ...ops.split(x, [2, 3])]),
    test("symbols", [float([T, 2])], (x) => ops.split(x, [1, ops.slice(x, [1]).shape[0] ?? 0], 0)),
  ],
  pad: [
    test("each side", [float([2, 3])], (x) => [
      ops.pad(x, [
        [1, 0],
        [0, 2],
      ]),
      ops.pad(x, [[2, 1]], -1.5),
      ops.pad(x, [
        [0, 0],
        [1, 1],
      ]),
      ops.pad(x, []),
    ]),
    test("symbols", [float([B, 2])], (x) => ops.pad(x, [[T, Z]])),
    test("empty", [float([0, 2])], (x) => ops.pad(x, [[1, 1]])),
    test("int32 and bool", [int([2]), bool([2])], (n, b) => [ops.pad(n, [[1, 1]], 9), ops.pad(b, [[1, 1]])]),
  ],

  // Products and look-ups
  matMul: [
    ...(
      [
        [
          [2, 3],
          [3, 4],
        ],
        [
          [1, 1],
          [1, 1],
        ],
        [
          [1, 5],
          [5, 1],
        ],
        [
          [B, 3],
          [3, T],
        ],
        [
          [2, 0],
          [0, 3],
        ],
        [
          [0, 2],
          [2, 3],
        ],
        [
          [2, 3, 0],
          [0, 4],
        ],
        [
          [Z, 3, 2],
          [2, 4],
        ],
        [
          [2, 3, 4],
          [4, 5],
        ],
        [
          [2, 3, 4],
          [2, 4, 5],
        ],
        [
          [3, 4],
          [2, 4, 5],
        ],
        [
          [2, 1, 3, 4],
          [5, 4, 2],
        ],
        [
          [B, T, 2],
          [B, 2, 3],
        ],
        [
          [17, 33],
          [33, 65],
        ],
      ] as [Shape, Shape][]
    ).map(([a, b]) => test(text([float(a), float(b)]), [float(a), float(b)], (x, y) => ops.matMul(x, y))),
    ...[
      [true, false],
      [false, true],
      [true, true],
    ].map(([ta = false, tb = false]) =>
      test(
        `transposed ${ta} ${tb}`,
        [float(ta ? [3, 2] : [2, 3]), float(tb ? [4, 3] : [3, 4]), float(ta ? [2, 3, 2] : [2, 2, 3])],
        (a, b, c) => [ops.matMul(a, b, ta, tb), ops.matMul(c, b, ta, tb)],
      ),
    ),
    test(
      "more axes than the kernels have",
      [float([2, 1, 2, 1, 1, 2, 1, 1, 1, 3, 2]), float([2, 3])],
      (a, b) => [ops.matMul(a, ops.transpose(a, [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 9])), ops.matMul(b, a)],
    ),
    test("of views", [float([4, 3]), float([1, 4])], (a, b) => [
      ops.matMul(ops.slice(a, [1], [2]), ops.broadcastTo(b, [3, 4])),
      ops.matMul(ops.reverse(a, 0), ops.transpose(a)),
      ops.matMul(ops.reverse(a, 1), ops.reverse(a, [0, 1]), true),
    ]),
    test("and a bias", [float([B, 3]), float([3, 4]), float([4])], (a, b, c) => ops.add(ops.matMul(a, b), c)),
  ],
  gather: [
    test("rows", [float([4, 3]), int([5], 0, 3)], (t, i) => ops.gather(t, i)),
    test("[2, 3] of them", [float([4, 3]), int([2, 3], 0, 3)], (t, i) => ops.gather(t, i)),
    test("one", [float([4, 3]), int([], 0, 2)], (t, i) => ops.gather(t, i, -1)),
    test("along the last axis", [float([2, 4]), int([B], 0, 3)], (t, i) => ops.gather(t, i, -1)),
    test("along the middle", [float([2, 4, 3]), int([2, 2], 0, 3)], (t, i) => ops.gather(t, i, 1)),
    test("none", [float([4, 3]), int([Z], 0, 3)], (t, i) => ops.gather(t, i)),
    test("the same one again and again", [float([4, 3]), int([50], 2, 2)], (t, i) => ops.gather(t, i)),
    test("uint8 indices, integer tables", [int([4, 2]), bool([4]), { ...byte([3]), to: 3 }], (t, b, i) => [
      ops.gather(t, i),
      ops.gather(b, i),
    ]),
    test("a transposed table", [float([3, 4]), int([5], 0, 3)], (t, i) => ops.gather(ops.transpose(t), i)),
  ],
  crfLoss: crfCases((scores, tags) => ops.crfLoss(scores, tags)),
  crfMarginals: crfCases((scores) => ops.crfMarginals(scores), jumps),
  crfDecode: [
    ...crfCases((scores) => ops.crfDecode(scores), jumps),
    ...crfCases((scores) => ops.crfDecode(scores, tagScheme("BIO", ["A", "B"])), jumps).filter(
      ({ operands }) => operands.some(({ shape }) => shape.length === 3 && shape[2] === 5),
    ),
  ].map((c, i) => ({ ...c, name: `${i}: ${c.name}` })),
  countSpans: (["BIO", "BIOES", "BMES"] as const).flatMap((name) =>
    (["strict", "conlleval"] as const).flatMap((mode) => {
      const scheme = tagScheme(name, ["A", "B"]);
      const steps = [int([30, 12], -1, scheme.size), int([30, 12], -1, scheme.size)];
      return [
        test(`${name}, ${mode}`, steps, (t, p) => ops.countSpans(scheme, mode, t, p), jumps),
        test(
          `${name}, ${mode}, masked`,
          [...steps, bool([30, 12])],
          (t, p, mask) => ops.countSpans(scheme, mode, t, p, mask),
          jumps,
        ),
      ];
    }),
  ),
  crossEntropy: [
    ...[
      [3, 4],
      [2, 5, 7],
      [B, 33],
      [1, 1],
      [3, 1000],
    ].map((shape) =>
      test(
        text([float(shape)]),
        [float(shape), int(shape.slice(0, -1), 0, Number(shape.at(-1)) - 1)],
        (x, i) => ops.crossEntropy(x, i),
      ),
    ),
    test("large logits", [float([4, 5], -500, 500), int([4], 0, 4)], (x, i) => ops.crossEntropy(x, i), jumps),
    test("labels that are no classes", [float([6, 3]), int([6], -2, 4)], (x, i) => ops.crossEntropy(x, i)),
    test("none", [float([Z, 3]), int([Z], 0, 2)], (x, i) => ops.crossEntropy(x, i)),
  ],
  groupRows: [
    test(
      "of which some come again",
      [listed([3, 0, 3, 2, 0, 3], "int32")],
      (i) => Object.values(ops.groupRows(i, 5)),
      jumps,
    ),
    test("one for all", [int([30], 1, 1)], (i) => Object.values(ops.groupRows(i, 3)), jumps),
    test("none", [int([Z], 0, 1)], (i) => Object.values(ops.groupRows(i, 3)), jumps),
    test("of a table of open size", [int([40], 0, 2)], (i) => Object.values(ops.groupRows(i, B)), jumps),
  ],
  sumRows: [
    ...[1, 3, 40, 200].map((D) =>
      test(
        `of ${D} features`,
        [float([30, D]), int([30], 0, 9)],
        (x, i) => ops.sumRows(x, ops.groupRows(i, 10)),
        jumps,
      ),
    ),
    test("none", [float([Z, 3]), int([Z], 0, 1)], (x, i) => ops.sumRows(x, ops.groupRows(i, 3)), jumps),
  ],
  eachRow: [
    ...[1, 3, 40, 300].flatMap((D) => [rowUpdate(D, true), rowUpdate(D, false)]),
    test(
      "that nothing names",
      [float([6, 2]), int([Z], 0, 5), float([Z, 2])],
      (t, i, g) => updateRows(t, i, g, 2, true),
      jumps,
    ),
  ],
  oneHot: [
    test("classes", [int([5], 0, 3)], (i) => ops.oneHot(i, 4), jumps),
    test("[2, 3], some out of range", [int([2, 3], -2, 6)], (i) => ops.oneHot(i, 4), jumps),
    test("one class", [int([], 0, 0)], (i) => ops.oneHot(i, 1), jumps),
  ],

  // Random numbers
  randomUniform: draws((shape, s, stream) => ops.randomUniform(shape, s, stream, -2, 3)),
  randomNormal: draws((shape, s, stream) => ops.randomNormal(shape, s, stream, 1, 2)),
  truncatedNormal: draws((shape, s, stream) => ops.truncatedNormal(shape, s, stream, -1, 0.5)),
  dropoutMask: draws((shape, s, stream) => ops.dropoutMask(shape, 0.4, s, stream)),
  dropout: [
    ...([[], [7], [3, 5], [B, T, 2], [0, 3]] as Shape[]).map((shape) =>
      test(shapeText(shape), [float(shape), seed], (x, s) => ops.dropout(x, 0.4, source(s), 3)),
    ),
    test("the same for all steps", [float([B, T, 2]), seed], (x, s) =>
      ops.dropout(x, 0.7, source(s), 3, [B, 1, 2]),
    ),
    test(
      "NaN",
      [listed([Number.NaN, 1, Number.NaN, 2, Number.NaN, 3, 4, 5]), seed],
      (x, s) => ops.dropout(x, 0.5, source(s), 3),
      jumps,
    ),
  ],
  randomOrthogonal: (
    [
      [1, 1],
      [4, 4],
      [7, 3],
      [3, 7],
      [40, 12],
    ] as const
  ).map(([rows, cols]) =>
    test(`${rows} × ${cols}`, [seed], (s) => ops.randomOrthogonal(rows, cols, source(s), 5, 1.5), jumps),
  ),

  // Recurrence
  scan: [...generalScans(), ...recurrences().map((r) => recurrenceCase(r, true))],
  seenSoFar: [
    test("[T, B]", [bool([T, B])], (m) => ops.seenSoFar(m)),
    test("no steps", [bool([Z, 2])], (m) => ops.seenSoFar(m)),
  ],
};

function softmaxes(f: (x: X, axis?: number) => X): Case[] {
  return [
    ...([[1], [5], [2, 3], [B, T, 3], [0, 3], [2, 0], [3, 70]] as Shape[]).map((s) =>
      test(shapeText(s), [float(s)], (x) => f(x)),
    ),
    test("along each axis", [float([2, 3, 4])], (x) => [f(x, 0), f(x, 1), f(x, -1)]),
    test("large numbers", [float([2, 4], 90, 100)], (x) => f(x)),
    test("of a slice", [float([3, 6])], (x) => f(ops.slice(x, [0, 2], [3, 3]))),
    test(
      "along a masked axis",
      [float([3, 4]), listed([1, 1, 0, 1, 0, 0, 0, 0, 1, 1, 1, 1], "bool")],
      (x, m) => f(x.withMask(ops.reshape(m, [3, 4]))),
    ),
  ];
}

/** Every case with its full name, which is unique. */
export const allCases: readonly (readonly [title: string, test: Case])[] = Object.entries(cases).flatMap(
  ([builder, list]) => list.map((c) => [`${builder}: ${c.name}`, c] as const),
);
