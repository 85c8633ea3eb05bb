import { describe, expect, it } from "vitest";
import type { TensorLike } from "../tensor.js";
import { toCategorical } from "./labels.js";

describe("toCategorical", () => {
  it("puts a one in the column of the class", () => {
    expect(toCategorical([2, 0]).array()).toEqual([
      [0, 0, 1],
      [1, 0, 0],
    ]);
    expect(toCategorical([], 3).shape).toEqual([0, 3]);
  });

  // Shapes of keras.utils.to_categorical, Keras 3.15.1.
  it.each<[TensorLike, number | undefined, readonly number[]]>([
    [1, 3, [3]],
    [[1], 3, [1, 3]],
    [[[1], [0]], undefined, [2, 2]],
    [[[1]], 2, [1, 2]],
    [[[1, 0]], undefined, [1, 2, 2]],
    [[[[1]], [[0]]], undefined, [2, 1, 2]],
    [[[[0], [1]]], 2, [1, 2, 2]],
  ])("of %j for %s classes has Keras's shape %j", (labels, classes, shape) => {
    expect(toCategorical(labels, classes).shape).toEqual(shape);
  });

  it.each([[[3]], [[-1]], [[0.5]], [[Number.NaN]]])("refuses the labels %s of 3 classes", (labels) => {
    expect(() => toCategorical(labels, 3)).toThrow(/whole numbers from 0 to 2/);
  });

  it.each([
    [[0, Number.NaN], "NaN at position 1"],
    [[-1], "-1"],
    [[0, 0.5], "0.5"],
  ] as const)("refuses the labels %j of any number of classes", (labels, received) => {
    expect(() => toCategorical(labels)).toThrow(`received the label ${received}`);
    expect(() => toCategorical(labels)).toThrow("expected whole numbers from 0.");
  });

  it.each<[TensorLike, number | undefined, string]>([
    [[0, 1], -1, "-1 for the number of classes"],
    [[0, 1], 0, "0 for the number of classes"],
    [[0, 1], 2.5, "2.5 for the number of classes"],
    [[0, 1], "2" as never, '"2" for the number of classes'],
    [[], undefined, "no labels"],
  ])("needs a number of classes: %j for %s", (labels, classes, received) => {
    expect(() => toCategorical(labels, classes)).toThrow(`toCategorical: received ${received}`);
  });
});
