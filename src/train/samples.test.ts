import { describe, expect, it } from "vitest";
import { symbol } from "../graph/dim.js";
import { type TensorLike, tensor, zeros } from "../tensor.js";
import { weighClasses } from "./classWeights.js";
import { type Loss, losses } from "./losses.js";
import { targetBounds } from "./measure.js";
import { checkTargets, readInput, readSamples } from "./samples.js";
import { splitPoint } from "./split.js";

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

describe("readSamples", () => {
  it("names differing numbers of samples", () => {
    expect(() => readSamples("fit", zeros([5, 2]), zeros([4, 1]), undefined)).toThrow(
      "fit: received 5 samples in x (shape [5, 2]) and 4 in y (shape [4, 1])",
    );
    expect(() => readSamples("fit", zeros([5, 2]), zeros([5]), [1, 2])).toThrow("2 in sampleWeight");
  });
  it("makes weights float32", () => {
    const { weight } = readSamples("fit", zeros([2, 2]), zeros([2]), Int32Array.of(1, 3));
    expect(weight?.dtype).toBe("float32");
    expect([...(weight?.data ?? [])]).toEqual([1, 3]);
  });
});

describe("checkTargets", () => {
  const check = (
    y: TensorLike,
    loss: Loss = losses.sparseCategoricalCrossentropy(),
    classes = 10,
    { weight, masked = false }: { weight?: TensorLike; masked?: boolean } = {},
  ) => {
    const targets = tensor(y);
    const data = readSamples("fit", zeros([targets.shape[0] ?? 0, 1]), targets, weight);
    return checkTargets("fit", data, targetBounds(loss, classes), () => masked);
  };

  it("takes whole numbers below the number of classes", async () => {
    await check([0, 9, 3]);
    await check(Uint8Array.of(0, 9));
  });
  it.each([
    [10, "the label 10 in row 1"],
    [-1, "the label -1 in row 1"],
    [0.5, "the label 0.5 in row 1"],
    [Number.NaN, "the label NaN in row 1"],
  ])("refuses the label %d", async (label, message) => {
    await expect(check([0, label, 2])).rejects.toThrow(message);
  });
  it("counts rows, not elements", async () => {
    const y = [
      [0, 1],
      [2, 7],
    ];
    await expect(check(y, undefined, 3)).rejects.toThrow("the label 7 in row 1");
    await expect(
      check(
        [
          [[0], [0]],
          [[0], [7]],
        ],
        undefined,
        3,
      ),
    ).rejects.toThrow("the label 7 in row 1, step 1");
  });

  it.each<[string, Loss, TensorLike]>([
    ["soft targets", losses.binaryCrossentropy(), [0, 0.3, 1]],
    ["booleans", losses.binaryCrossentropy(), [true, false]],
    ["bytes", losses.binaryCrossentropy(), Uint8Array.of(0, 1)],
    ["soft rows", losses.categoricalCrossentropy(), [[0.2, 0.8]]],
    [
      "rows that do not add up to 1",
      losses.categoricalCrossentropy(),
      [
        [3, 0.8],
        [0, 0],
      ],
    ],
    ["any number", losses.meanSquaredError(), [-5, Number.NaN, Number.POSITIVE_INFINITY]],
    ["any number of a loss of one's own", { name: "own", target: "any", values: (t) => t }, [-5, Number.NaN]],
  ])("takes %s", (_, loss, y) => check(y, loss));

  it.each<[string, Loss, TensorLike, string]>([
    [
      "classes 1 and 2",
      losses.binaryCrossentropy(),
      [1, 2, 1],
      "the target 2 in row 1 of y, expected numbers from 0 to 1, because the loss is binaryCrossentropy. Number two classes 0 and 1",
    ],
    ["signs", losses.binaryCrossentropy(), [[1], [-1]], "the target -1 in row 1"],
    ["integers", losses.binaryCrossentropy(), Int32Array.of(0, 3), "the target 3 in row 1"],
    ["NaN", losses.binaryCrossentropy(), [0, Number.NaN], "the target NaN in row 1"],
    [
      "a negative part",
      losses.categoricalCrossentropy(),
      [
        [1, 0],
        [1.5, -0.5],
      ],
      "the target -0.5 in row 1, column 1",
    ],
    [
      "infinity",
      losses.categoricalCrossentropy(),
      [[Number.POSITIVE_INFINITY, 0]],
      "the target Infinity in row 0, column 0",
    ],
  ])("refuses %s", async (_, loss, y, message) => {
    await expect(check(y, loss)).rejects.toThrow(`fit: received ${message}`);
  });

  it("leaves alone what does not count", async () => {
    await check([1, 2, 0], losses.binaryCrossentropy(), 1, { weight: [1, 0, 1] });
    await check(
      [
        [[0], [9]],
        [[1], [1]],
      ],
      losses.binaryCrossentropy(),
      1,
      {
        weight: [
          [1, 0],
          [1, 1],
        ],
      },
    );
    await check([1, 2], losses.binaryCrossentropy(), 1, { masked: true });
    await check([0, -1], undefined, 3, { masked: true });
    await expect(check([1, 2], losses.binaryCrossentropy(), 1, { weight: [0, 1] })).rejects.toThrow(
      "the target 2",
    );
  });
});

describe("weighClasses", () => {
  const x = zeros([3, 1]);
  const of = async (y: Parameters<typeof tensor>[0], target: "values" | "classes", weight?: number[]) => {
    const data = readSamples("fit", x, y, weight);
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

describe("splitPoint", () => {
  it("keeps the last part for validation", () => {
    expect(splitPoint("fit", 5, 0.4)).toBe(3);
  });

  it.each([1, -0.1, 0.95, Number.NaN, null, "0.2", true])("refuses %j", (fraction) => {
    const text = typeof fraction === "string" ? '"0.2"' : fraction;
    expect(() => splitPoint("fit", 5, fraction as number)).toThrow(`validationSplit: ${text} for 5 samples`);
  });
});
