import { describe, expect, it } from "vitest";
import { toCategorical } from "./labels.js";

describe("toCategorical", () => {
  it("puts a one in the column of the class", () => {
    expect(toCategorical([2, 0]).array()).toEqual([
      [0, 0, 1],
      [1, 0, 0],
    ]);
    expect(toCategorical([[1], [0]], 2).shape).toEqual([2, 1, 2]);
    expect(toCategorical([], 3).shape).toEqual([0, 3]);
  });

  it.each([[[3]], [[-1]], [[0.5]], [[Number.NaN]]])("refuses the labels %s of 3 classes", (labels) => {
    expect(() => toCategorical(labels, 3)).toThrow(/whole numbers from 0 to 2/);
  });
});
