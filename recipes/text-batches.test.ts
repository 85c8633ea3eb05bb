import { describe, expect, it } from "vitest";
import { stepsFor, textBatches } from "./text-batches.js";

describe("textBatches", () => {
  it("go on in each row where the batch before ended", () => {
    const { x, y, batches } = textBatches(
      Int32Array.from({ length: 22 }, (_, i) => i),
      2,
      3,
    );
    expect(batches).toBe(3);
    expect(x.array()).toEqual([
      [0, 1, 2],
      [10, 11, 12],
      [3, 4, 5],
      [13, 14, 15],
      [6, 7, 8],
      [16, 17, 18],
    ]);
    expect([...y.data]).toEqual([...x.data].map((id) => id + 1));
  });

  it("are shorter where the text is", () => {
    expect(stepsFor(11, 2, 100)).toBe(5);
    expect(textBatches(new Int32Array(11), 2, 5).x.shape).toEqual([2, 5]);
  });
});
