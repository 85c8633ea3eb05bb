import { describe, expect, it } from "vitest";
import { Tensor, tensor } from "../tensor.js";
import { RowBatches } from "./rows.js";

const x = tensor(
  Float32Array.from({ length: 14 }, (_, i) => i),
  [7, 2],
);
const y = tensor(Uint8Array.from({ length: 7 }, (_, i) => 10 * i));

describe("RowBatches", () => {
  it("gives windows on the caller's memory where nothing is shuffled", async () => {
    const batches = new RowBatches([x, y], 7, 3, false);
    expect(batches.count).toBe(3);
    expect([0, 1, 2].map((i) => batches.size(i))).toEqual([3, 3, 1]);
    const [rows, labels] = await batches.arrays(2);
    expect([...(rows ?? [])]).toEqual([12, 13]);
    expect(rows?.buffer).toBe(x.data.buffer);
    expect([...(labels ?? [])]).toEqual([60]);
  });

  it("gathers shuffled rows, keeping dtypes, and leaves the batch before untouched", async () => {
    const order = [3, 0, 6, 2, 5, 1, 4];
    const batches = new RowBatches([x, y], 7, 3, true);
    const row = (place: number) => order[place] ?? 0;
    const first = await batches.arrays(0, row);
    const second = await batches.arrays(1, row);
    expect(first.map((a) => [...a])).toEqual([
      [6, 7, 0, 1, 12, 13],
      [30, 0, 60],
    ]);
    expect(second.map((a) => [...a])).toEqual([
      [4, 5, 10, 11, 2, 3],
      [20, 50, 10],
    ]);
    expect(first[1]).toBeInstanceOf(Uint8Array);
    const third = await batches.arrays(2, row);
    expect(third.map((a) => [...a])).toEqual([[8, 9], [40]]);
  });

  it("lets the event loop turn during a long gather", async () => {
    const wide = new Tensor(new Float32Array(512 * 50_000), [512, 50_000], "float32");
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    // Each row is copied often enough to take tens of milliseconds on any machine.
    const repeated = Array.from({ length: 12 }, () => wide);
    const batches = new RowBatches(repeated, 512, 128, true);
    await batches.arrays(0, (place) => 511 - place);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(0);
  });
});
