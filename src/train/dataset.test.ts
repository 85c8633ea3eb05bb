import { describe, expect, it } from "vitest";
import { symbol } from "../graph/dim.js";
import { tensor, zeros } from "../tensor.js";
import { checkLabels, readDataset, readInput, splitLast, weighClasses } from "./dataset.js";

const shape = [symbol("B"), 28, 28];

describe("readInput", () => {
  it("takes what fits, without copying", () => {
    const x = zeros([5, 28, 28]);
    expect(readInput("fit", x, shape)).toBe(x);
    expect(readInput("fit", [1, 2, 3], [symbol("B"), 1]).shape).toEqual([3, 1]);
    expect(readInput("fit", zeros([5, 9, 3]), [symbol("B"), symbol("T"), 3]).shape).toEqual([5, 9, 3]);
  });
  it("names a wrong rank", () => {
    expect(() => readInput("fit", zeros([5, 784]), shape)).toThrow(
      "fit: received x of shape [5, 784], expected [batch, 28, 28], as the model's inputShape says",
    );
  });
  it("names a wrong size", () => {
    expect(() => readInput("predict", zeros([5, 28, 27]), shape)).toThrow("received x of shape [5, 28, 27]");
  });
  it("recognises a single sample", () => {
    expect(() => readInput("predict", zeros([28, 28]), shape)).toThrow("This is one sample");
  });
  it("refuses no rows", () => {
    expect(() => readInput("fit", zeros([0, 28, 28]), shape)).toThrow("received x without rows");
  });
});

describe("readDataset", () => {
  it("names differing numbers of samples", () => {
    expect(() => readDataset("fit", zeros([5, 2]), zeros([4, 1]), undefined)).toThrow(
      "fit: received 5 samples in x (shape [5, 2]) and 4 in y (shape [4, 1])",
    );
    expect(() => readDataset("fit", zeros([5, 2]), zeros([5]), [1, 2])).toThrow("2 in sampleWeight");
  });
  it("makes weights float32", () => {
    const { weight } = readDataset("fit", zeros([2, 2]), zeros([2]), Int32Array.of(1, 3));
    expect(weight?.dtype).toBe("float32");
    expect([...(weight?.data ?? [])]).toEqual([1, 3]);
  });
});

describe("checkLabels", () => {
  const labels = (...values: number[]) => tensor(Float32Array.from(values));
  it("takes whole numbers below the number of classes", async () => {
    await checkLabels("fit", labels(0, 9, 3), 10);
    await checkLabels("fit", tensor(Uint8Array.of(0, 9)), 10);
  });
  it.each([
    [10, "the label 10 in row 1"],
    [-1, "the label -1 in row 1"],
    [0.5, "the label 0.5 in row 1"],
    [Number.NaN, "the label NaN in row 1"],
  ])("refuses %d", async (label, message) => {
    await expect(checkLabels("fit", labels(0, label, 2), 10)).rejects.toThrow(message);
  });
  it("counts rows, not elements", async () => {
    await expect(
      checkLabels(
        "fit",
        tensor([
          [0, 1],
          [2, 7],
        ]),
        3,
      ),
    ).rejects.toThrow("the label 7 in row 1");
  });
});

describe("weighClasses", () => {
  const x = zeros([3, 1]);
  const of = async (y: Parameters<typeof tensor>[0], target: "values" | "classes", weight?: number[]) => {
    const data = readDataset("fit", x, y, weight);
    const weighted = await weighClasses("fit", data, { 0: 2, 2: 5 }, target);
    return weighted.weight?.array();
  };
  it("looks classes up", async () => {
    expect(await of([0, 1, 2], "classes")).toEqual([2, 1, 5]);
    expect(await of([[0], [1], [2]], "classes")).toEqual([2, 1, 5]);
    expect(
      await of(
        [
          [1, 0, 0],
          [0, 1, 0],
          [0.1, 0.2, 0.7],
        ],
        "values",
      ),
    ).toEqual([2, 1, 5]);
    expect(
      await of(
        [
          [0, 1],
          [1, 2],
          [2, 0],
        ],
        "classes",
      ),
    ).toEqual([
      [2, 1],
      [1, 5],
      [5, 2],
    ]);
  });
  it("multiplies with the samples' own weights", async () => {
    expect(await of([0, 1, 2], "classes", [1, 0.5, 2])).toEqual([2, 0.5, 10]);
    expect(
      await of(
        [
          [0, 1],
          [1, 2],
          [2, 0],
        ],
        "classes",
        [1, 2, 3],
      ),
    ).toEqual([
      [2, 1],
      [2, 10],
      [15, 6],
    ]);
  });
});

describe("splitLast", () => {
  const data = readDataset("fit", tensor([[1], [2], [3], [4], [5]]), [1, 2, 3, 4, 5], undefined);
  it("keeps the last part for validation", () => {
    const [train, held] = splitLast("fit", data, 0.4);
    expect(train.x.array()).toEqual([[1], [2], [3]]);
    expect(held.y.array()).toEqual([4, 5]);
  });
  it.each([1, -0.1, 0.95, Number.NaN])("refuses %d", (fraction) => {
    expect(() => splitLast("fit", data, fraction)).toThrow(`validationSplit: ${fraction} for 5 samples`);
  });
});
