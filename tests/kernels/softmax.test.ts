import { describe, expect, test } from "vitest";
import {
  backendOf,
  expectSame,
  instructionSets,
  randomData,
  randomSource,
  runInstructions,
} from "./harness.js";

const inf = Number.POSITIVE_INFINITY;

function twin(row: readonly number[], logarithm: boolean): number[] {
  const max = row.some(Number.isNaN) ? Number.NaN : Math.max(...row);
  const sum = row.reduce((total, x) => total + Math.exp(x - max), 0);
  return row.map((x) => (logarithm ? x - max - Math.log(sum) : Math.exp(x - max) / sum));
}

describe.each(instructionSets)("softmax on %s", (set) => {
  const run = async (
    data: Float32Array,
    rows: number,
    cols: number,
    row: number,
    logarithm: number,
    threads = 1,
  ) => {
    const backend = await backendOf(set, threads);
    const fields = { logarithm, rows, cols, xRow: row, outRow: row };
    const apart = await runInstructions(backend, [data, new Float32Array(data.length)], (e) =>
      e.emit("softmax", { ...fields, x: { buffer: 0, offset: 0 }, out: { buffer: 1, offset: 0 } }),
    );
    const inPlace = await runInstructions(backend, [data], (e) =>
      e.emit("softmax", { ...fields, x: { buffer: 0, offset: 0 }, out: { buffer: 0, offset: 0 } }),
    );
    const expected = data.slice(); // what lies between the rows is not touched
    for (let r = 0; r < rows; r++) expected.set(apart[1]?.subarray(r * row, r * row + cols) ?? [], r * row);
    expectSame(inPlace[0], expected);
    return apart[1] ?? data;
  };

  test.each([0, 1])("rows of many lengths, logarithm %i", async (logarithm) => {
    const random = randomSource(31);
    for (const cols of [1, 2, 3, 7, 8, 10, 16, 31, 100, 513, 1200]) {
      const rows = 5;
      const stride = cols + (cols % 3);
      const data = randomData(random, "float32", rows * stride) as Float32Array;
      for (let i = 0; i < data.length; i++) data[i] = 10 * (data[i] ?? 0);
      const result = await run(data, rows, cols, stride, logarithm);
      for (let r = 0; r < rows; r++) {
        const row = [...data.subarray(r * stride, r * stride + cols)];
        for (const [c, expected] of twin(row, logarithm === 1).entries()) {
          const error = Math.abs((result[r * stride + c] ?? Number.NaN) - expected);
          // Rounding x − max to a float costs e^(x − max) as many of its digits as x − max has before the point.
          const scale = logarithm === 1 ? Math.abs(expected) + 1 : expected * (1 - Math.log(expected));
          expect(error, `row of ${cols}: ${c}`).toBeLessThanOrEqual(4e-7 * scale);
        }
      }
    }
  });

  test.each([0, 1])(
    "nothing overflows; infinities and NaN as in IEEE arithmetic, logarithm %i",
    async (logarithm) => {
      const rows = [
        [1e30, 1, -1e30, 1e30],
        [-inf, 0, 1, -inf],
        [-1000, -1001, -1002, -1000],
        [Number.NaN, 0, 1, 2],
        [-inf, -inf, -inf, -inf],
        [inf, 0, 0, 0],
      ];
      const result = await run(Float32Array.from(rows.flat()), rows.length, 4, 4, logarithm);
      rows.forEach((row, r) => {
        twin(row, logarithm === 1).forEach((expected, c) => {
          const actual = result[4 * r + c] ?? Number.NaN;
          if (Number.isFinite(expected))
            expect(Math.abs(actual - expected)).toBeLessThanOrEqual(1e-6 * Math.abs(expected));
          else expect(actual, `row ${row}`).toBe(expected);
        });
      });
    },
  );

  test("the number of threads does not show", async () => {
    const data = randomData(randomSource(32), "float32", 700 * 33) as Float32Array;
    const one = await run(data, 700, 33, 33, 0, 1);
    expectSame(await run(data, 700, 33, 33, 0, 2), one);
    expectSame(await run(data, 700, 33, 33, 0, 3), one);
  });

  test("no rows", async () => {
    expect(await run(new Float32Array(0), 0, 4, 4, 0)).toEqual(new Float32Array(0));
  });
});
