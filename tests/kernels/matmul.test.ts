import { describe, expect, test } from "vitest";
import { matmulWork } from "../../src/plan/sizes.js";
import type { Backend } from "../../src/runtime/backend.js";
import {
  backendOf,
  expectSame,
  instructionSets,
  randomData,
  randomSource,
  runInstructions,
} from "./harness.js";

interface Case {
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** How A and B lie: by rows, by columns, or with gaps between all elements. */
  readonly a: Order;
  readonly b: Order;
  readonly bias: boolean;
  readonly accumulate: boolean;
}
type Order = "rows" | "columns" | "apart";

/** Strides of a [rows, cols] matrix, and how many elements it spans. */
function strides(order: Order, rows: number, cols: number): { row: number; col: number; span: number } {
  const row = order === "rows" ? cols + 1 : order === "columns" ? 1 : 3 * cols;
  const col = order === "rows" ? 1 : order === "columns" ? rows + 2 : 2;
  return { row, col, span: (rows - 1) * row + (cols - 1) * col + 1 };
}

function data(c: Case, random: () => number) {
  const floats = (n: number) => randomData(random, "float32", n) as Float32Array;
  const a = strides(c.a, c.m, c.k);
  const b = strides(c.b, c.k, c.n);
  return {
    a: floats(c.batch * a.span),
    b: floats(c.batch * b.span),
    bias: floats(c.n),
    result: floats(c.batch * c.m * (c.n + 1)),
    aStrides: a,
    bStrides: b,
  };
}

async function run(backend: Backend, c: Case, d: ReturnType<typeof data>): Promise<Float32Array> {
  const size = c.batch === 1 ? matmulWork(c.m, c.n, c.k, backend.capabilities.vectorWidth) : 0;
  const buffers = [d.a, d.b, d.bias, d.result, new Float32Array(size).fill(Number.NaN)];
  const at = (buffer: number) => ({ buffer, offset: 0 });
  const after = await runInstructions(backend, buffers, (e) =>
    e.emit(
      "matmul",
      {
        m: c.m,
        n: c.n,
        k: c.k,
        a: at(0),
        aRow: d.aStrides.row,
        aCol: d.aStrides.col,
        b: at(1),
        bRow: d.bStrides.row,
        bCol: d.bStrides.col,
        bias: c.bias ? at(2) : null,
        c: at(3),
        cRow: c.n + 1,
        accumulate: c.accumulate ? 1 : 0,
        work: size > 0 ? at(4) : null,
        batchRank: 1,
      },
      [c.batch, d.aStrides.span, d.bStrides.span, c.m * (c.n + 1)],
    ),
  );
  return after[3] as Float32Array;
}

/**
 * Largest error, over that of a sum of k products of numbers up to 2: it is about √j after j of them, each addition
 * rounds that, so the error grows as k.
 */
function worst(c: Case, d: ReturnType<typeof data>, actual: Float32Array): number {
  const { aStrides, bStrides } = d;
  let error = 0;
  for (let i = 0; i < actual.length; i++) {
    const column = i % (c.n + 1);
    const row = Math.floor(i / (c.n + 1)) % c.m;
    const item = Math.floor(i / ((c.n + 1) * c.m));
    let sum = c.accumulate || column === c.n ? (d.result[i] ?? 0) : 0; // what lies between the rows stays
    if (column < c.n) {
      if (c.bias) sum += d.bias[column] ?? 0;
      const a = item * aStrides.span + row * aStrides.row;
      const b = item * bStrides.span + column * bStrides.col;
      for (let p = 0; p < c.k; p++)
        sum += (d.a[a + p * aStrides.col] ?? 0) * (d.b[b + p * bStrides.row] ?? 0);
    }
    const e = Math.abs(sum - (actual[i] ?? Number.NaN)) / (2 ** -24 * (c.k + 8));
    error = e >= 0 ? Math.max(error, e) : Number.POSITIVE_INFINITY;
  }
  return error;
}

const orders: readonly Order[] = ["rows", "columns", "apart"];
const random = randomSource(5);
const pick = (most: number) => 1 + Math.floor(random() * most);
const cases: Case[] = Array.from({ length: 60 }, (_, i) => ({
  batch: i % 4 === 0 ? pick(5) : 1,
  m: pick(i % 7 === 0 ? 150 : 30),
  n: pick(i % 5 === 0 ? 150 : 40),
  k: i % 6 === 0 ? 200 + pick(400) : pick(60),
  a: orders[i % 3] ?? "rows",
  b: orders[Math.floor(i / 3) % 3] ?? "rows",
  bias: random() < 0.5,
  accumulate: random() < 0.5,
}));
const large: Case = {
  batch: 1,
  m: 1030,
  n: 270,
  k: 511,
  a: "rows",
  b: "rows",
  bias: true,
  accumulate: false,
};

describe.each(instructionSets)("matmul on %s", (set) => {
  test("any shape, any strides", async () => {
    const backend = await backendOf(set);
    for (const c of cases) {
      const d = data(c, random);
      expect(worst(c, d, await run(backend, c, d)), JSON.stringify(c)).toBeLessThan(8);
    }
  });

  test("large matrices, also of few columns", async () => {
    for (const n of [large.n, 90, 50]) {
      for (const a of ["rows", "columns"] as const) {
        const c = { ...large, n, a };
        const d = data(c, random);
        expect(worst(c, d, await run(await backendOf(set), c, d)), `${n} columns, ${a}`).toBeLessThan(8);
      }
    }
  });

  test("the same bits with any number of threads, and for a row alone", async () => {
    const c: Case = { ...large, m: 90, k: 300 };
    await holdsBits(set, c, [0, 7, 89]);
    await holdsBits(set, { ...large, n: 50 }, [0, 1029]);
  });
});

/** A product is the same with any number of threads, and each of its rows alone. */
async function holdsBits(set: (typeof instructionSets)[number], c: Case, rows: readonly number[]) {
  const d = data(c, random);
  const one = await run(await backendOf(set), c, d);
  for (const threads of [2, 3]) expectSame(await run(await backendOf(set, threads), c, d), one);
  for (const row of rows) {
    const alone = { ...d, a: d.a.slice(row * d.aStrides.row), result: new Float32Array(c.n + 1) };
    const result = await run(await backendOf(set), { ...c, m: 1 }, alone);
    expectSame(result.subarray(0, c.n), one.subarray(row * (c.n + 1), row * (c.n + 1) + c.n));
  }
}
