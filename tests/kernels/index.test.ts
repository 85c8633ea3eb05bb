import { describe, expect, test } from "vitest";
import type { TypedArray } from "../../src/dtype.js";
import type { RondoError } from "../../src/errors.js";
import {
  backendOf,
  expectSame,
  instructionSets,
  randomData,
  randomSource,
  runInstructions,
} from "./harness.js";

const at = (buffer: number, offset = 0) => ({ buffer, offset });
const random = randomSource(21);
const idsBelow = (rows: number, count: number) =>
  Int32Array.from({ length: count }, () => Math.floor(random() * rows));

const shapes = [
  { outer: 1, rows: 5, count: 7, inner: 3 },
  { outer: 3, rows: 10, count: 4, inner: 1 },
  { outer: 2, rows: 1, count: 9, inner: 130 },
  { outer: 2, rows: 40, count: 0, inner: 8 },
  { outer: 0, rows: 4, count: 3, inner: 8 },
  { outer: 1, rows: 900, count: 1500, inner: 300 },
  { outer: 4, rows: 3000, count: 20_000, inner: 2 },
];

describe.each(instructionSets)("gather and scatterAdd on %s", (set) => {
  test.each(shapes)("gather %o, elements of one and four bytes", async (shape) => {
    const { outer, rows, count, inner } = shape;
    const ids = idsBelow(rows, count);
    for (const dtype of ["float32", "uint8"] as const) {
      const table = randomData(random, dtype, outer * rows * inner);
      const empty =
        dtype === "float32" ? new Float32Array(outer * count * inner) : new Uint8Array(outer * count * inner);
      const expected = empty.map((_, k) => {
        const o = Math.floor(k / (count * inner));
        const i = Math.floor(k / inner) % count;
        return table[(o * rows + (ids[i] ?? 0)) * inner + (k % inner)] ?? Number.NaN;
      });
      for (const threads of [1, 3]) {
        const bytes = dtype === "float32" ? 4 : 1;
        const results = await runInstructions(await backendOf(set, threads), [table, ids, empty], (encoder) =>
          encoder.emit("gather", { ...shape, table: at(0), ids: at(1), out: at(2), bytes, perRow: 0 }),
        );
        expectSame(results[2], expected);
      }
    }
  });

  test.each(shapes)("scatterAdd %o adds in the order of the ids", async (shape) => {
    const { outer, rows, count, inner } = shape;
    const ids = idsBelow(rows, count);
    const x = randomData(random, "float32", outer * count * inner);
    const stale = new Float32Array(outer * rows * inner).fill(9);
    const expected = new Float32Array(stale.length);
    for (let k = 0; k < x.length; k++) {
      const o = Math.floor(k / (count * inner));
      const i = Math.floor(k / inner) % count;
      const place = (o * rows + (ids[i] ?? 0)) * inner + (k % inner);
      expected[place] = (expected[place] ?? 0) + (x[k] ?? 0);
    }
    for (const threads of [1, 2, 3]) {
      const results = await runInstructions(await backendOf(set, threads), [x, ids, stale], (encoder) =>
        encoder.emit("scatterAdd", { ...shape, x: at(0), ids: at(1), out: at(2) }),
      );
      expectSame(results[2], expected);
    }
  });

  test.each([-1, 4, 2 ** 31 - 1])("the id %i stops the run and nothing is written", async (id) => {
    const ids = Int32Array.of(0, 3, id);
    const buffers: TypedArray[] = [new Float32Array(8), ids, new Float32Array(8)];
    const shape = { outer: 1, rows: 4, count: 3, inner: 2, out: at(2), ids: at(1) };
    const backend = await backendOf(set);
    const message = `received the id ${id} at position 2, expected ids from 0 to 3`;
    await expect(
      runInstructions(backend, buffers, (e) =>
        e.emit("gather", { ...shape, table: at(0), bytes: 4, perRow: 0 }),
      ),
    ).rejects.toThrow(message);
    await expect(
      runInstructions(backend, buffers, (e) => e.emit("scatterAdd", { ...shape, x: at(0) })),
    ).rejects.toSatisfy(
      (error: RondoError) => error.where.startsWith("scatterAdd") && error.message.includes(message),
    );
  });
});
