import { describe, expect, test } from "vitest";
import type { Dtype, TypedArray } from "../../src/dtype.js";
import { codes } from "../../src/plan/abi.js";
import { reduceWork } from "../../src/plan/sizes.js";
import {
  backendOf,
  instructionSets,
  offsetsOf,
  randomData,
  randomSource,
  runInstructions,
  ulps,
} from "./harness.js";

type Kind = keyof typeof codes.reduction;

interface Case {
  readonly kind: Kind;
  readonly dtype: Dtype;
  readonly kept: readonly number[];
  readonly reduced: readonly number[];
  readonly strides: readonly number[];
  readonly offset?: number;
  readonly scale?: number;
}

const kinds = Object.keys(codes.reduction) as Kind[];
const isInt = ({ kind, dtype }: Case) => kind === "argMax" || dtype === "int32";

async function run(set: string, c: Case, data: TypedArray, threads = 1): Promise<TypedArray> {
  const outputs = c.kept.reduce((size, dim) => size * dim, 1);
  const out = isInt(c) ? new Int32Array(outputs) : new Float32Array(outputs);
  const results = await runInstructions(
    await backendOf(set, threads),
    [data, out, new Float32Array(reduceWork)],
    (encoder) =>
      encoder.emit(
        "reduce",
        {
          kind: codes.reduction[c.kind],
          dtype: codes.dtype[c.dtype],
          x: { buffer: 0, offset: c.offset ?? 0 },
          out: { buffer: 1, offset: 0 },
          work: { buffer: 2, offset: 0 },
          scale: c.scale ?? 1,
          kept: c.kept.length,
          reduced: c.reduced.length,
        },
        [...c.kept, ...c.reduced, ...c.strides],
      ),
  );
  return results[1] ?? out;
}

/** The elements that each output is made of. */
function elements(c: Case, data: TypedArray): number[][] {
  const inner = offsetsOf(c.reduced, c.strides.slice(c.kept.length));
  const element = (at: number) => data[(c.offset ?? 0) + at] ?? Number.NaN;
  return offsetsOf(c.kept, c.strides).map((base) => inner.map((offset) => element(base + offset)));
}

/** The first extreme; NaN wins. */
function extreme(
  values: readonly number[],
  first: number,
  better: (a: number, b: number) => boolean,
): number {
  return values.reduce((best, x) => (Number.isNaN(best) || better(best, x) ? best : x), first);
}

/** The same reduction in float64. */
function twin({ kind, dtype, scale = 1 }: Case, values: readonly number[]): number {
  const max = extreme(values, Number.NEGATIVE_INFINITY, (a, b) => a > b);
  const least = dtype === "int32" ? -(2 ** 31) : Number.NEGATIVE_INFINITY;
  const greatest = dtype === "int32" ? 2 ** 31 - 1 : Number.POSITIVE_INFINITY;
  switch (kind) {
    case "sum":
      return values.reduce((sum, x) => sum + x, 0) * scale;
    case "prod":
      return values.reduce((product, x) => (dtype === "int32" ? Math.imul(product, x) : product * x), 1);
    case "max":
      return values.length === 0 ? least : max;
    case "min":
      return values.length === 0 ? greatest : extreme(values, Number.POSITIVE_INFINITY, (a, b) => a < b);
    case "argMax":
      return Math.max(
        0,
        values.findIndex((x) => Object.is(x, max) || x === max),
      );
    case "logSumExp": {
      const shift = Number.isFinite(max) ? max : 0;
      return shift + Math.log(values.reduce((sum, x) => sum + Math.exp(x - shift), 0));
    }
  }
}

/** Bounds: sums and products within a few roundings of a block's; what only chooses is exact. */
function check(c: Case, data: TypedArray, actual: TypedArray, label: string): void {
  const outputs = elements(c, data);
  expect(actual.length).toBe(outputs.length);
  for (const [i, values] of outputs.entries()) {
    const expected = twin(c, values);
    const got = actual[i] ?? Number.NaN;
    const where = `${label}, output ${i}: ${got}, not ${expected}`;
    if (isInt(c) || c.kind === "max" || c.kind === "min" || !Number.isFinite(expected)) {
      expect(got, where).toBe(expected);
    } else if (c.kind === "prod") {
      expect(ulps(got, expected), where).toBeLessThanOrEqual(16);
    } else {
      const size =
        c.kind === "sum" ? values.reduce((sum, x) => sum + Math.abs(x), 0) : Math.abs(expected) + 1;
      expect(Math.abs(got - expected), where).toBeLessThanOrEqual(4e-7 * size);
    }
  }
}

const count = 1_536_000;
const random = randomSource(5);
const long = Float32Array.from({ length: count }, () => random());
const longSum = long.reduce((total, x) => total + x, 0);

describe.each(instructionSets)("reduce on %s", (set) => {
  test.each(kinds)("%s: rows, columns, strides and types", async (kind) => {
    const shapes: Pick<Case, "kept" | "reduced" | "strides">[] = [
      { kept: [], reduced: [1], strides: [1] },
      { kept: [], reduced: [1300], strides: [1] },
      { kept: [7], reduced: [10], strides: [10, 1] },
      { kept: [5], reduced: [513], strides: [520, 1] },
      { kept: [10], reduced: [33], strides: [1, 10] }, // columns
      { kept: [530], reduced: [20], strides: [1, 600] },
      { kept: [3, 13], reduced: [4, 6], strides: [500, 1, 100, 15] },
      { kept: [4, 3], reduced: [5, 2], strides: [3, 1, 24, 12] }, // dims interleaved
      { kept: [6], reduced: [9, 4], strides: [0, 4, 1] }, // broadcast
      { kept: [2, 8], reduced: [11], strides: [88, -1, 8] },
      { kept: [9], reduced: [1], strides: [2, 7] },
      { kept: [2], reduced: [3, 0], strides: [3, 1, 1] }, // nothing to reduce
      { kept: [0, 2], reduced: [3], strides: [6, 3, 1] },
    ];
    const random = randomSource(11);
    for (const [i, shape] of shapes.entries()) {
      for (const dtype of ["float32", "int32", "uint8", "bool"] as const) {
        if (kind === "logSumExp" && dtype === "int32") continue;
        const { strides } = shape;
        const all = offsetsOf([...shape.kept, ...shape.reduced], strides);
        const offset = Math.max(0, ...all.map((o) => -o));
        const scale = kind === "sum" && dtype !== "int32" ? 0.5 : 1;
        const c: Case = { ...shape, kind, dtype, offset, scale };
        const data = randomData(random, dtype, offset + Math.max(0, ...all) + 1);
        if (kind === "prod" && dtype === "uint8") data.fill(1).fill(3, 0, 20); // nothing overflows
        check(c, data, await run(set, c, data), `${kind} ${dtype} shape ${i}`);
      }
    }
  });

  test("NaN and infinities reach the result", async () => {
    const inf = Number.POSITIVE_INFINITY;
    const rows = [
      [1, Number.NaN, 3, -inf],
      [inf, 1, 2, 3],
      [-inf, -inf, -inf, -inf],
      [inf, -inf, 0, 1],
      [0, -0, 5, 5],
    ];
    for (const kind of kinds) {
      for (const byColumn of [false, true]) {
        const cells = byColumn ? [0, 1, 2, 3].flatMap((k) => rows.map((row) => row[k] ?? 0)) : rows.flat();
        const strides = byColumn ? [1, rows.length] : [4, 1];
        const c: Case = { kind, dtype: "float32", kept: [rows.length], reduced: [4], strides };
        const data = Float32Array.from(cells);
        check(c, data, await run(set, c, data), `${kind} ${byColumn ? "columns" : "rows"}`);
      }
    }
  });

  test("long sums stay accurate and do not depend on the threads", async () => {
    const shapes: Pick<Case, "kept" | "reduced" | "strides">[] = [
      { kept: [], reduced: [count], strides: [1] },
      { kept: [], reduced: [1000, 1536], strides: [1, 1000] },
      { kept: [64], reduced: [count / 64], strides: [1, 64] },
      { kept: [3], reduced: [count / 3], strides: [count / 3, 1] },
    ];
    for (const shape of shapes) {
      const c: Case = { kind: "sum", dtype: "float32", scale: 1 / count, ...shape };
      const results = [];
      for (const threads of [1, 2, 3]) results.push(await run(set, c, long, threads));
      expect(results[1]).toEqual(results[0]);
      expect(results[2]).toEqual(results[0]);
      let mean = 0;
      for (const x of results[0] ?? []) mean += x;
      expect(Math.abs(mean / (longSum / count) - 1)).toBeLessThan(2e-7);
    }
    const max: Case = { kind: "max", dtype: "float32", kept: [], reduced: [count], strides: [1] };
    const data = long.slice();
    data[count - 2] = 2;
    expect(await run(set, max, data, 3)).toEqual(Float32Array.of(2));
  });
});
