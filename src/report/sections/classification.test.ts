import { describe, expect, it } from "vitest";
import { RondoError } from "../../errors.js";
import { tensor } from "../../tensor.js";
import { type ClassificationOptions, classification, classScores } from "./classification.js";

const truth = tensor([0, 0, 0, 1, 1, 2], undefined, "int32");
const probabilities = tensor([
  [0.8, 0.1, 0.1],
  [0.3, 0.6, 0.1],
  [0.5, 0.5, 0.0],
  [0.1, 0.9, 0.0],
  [0.9, 0.1, 0.0],
  [0.2, 0.7, 0.1],
]);

describe("classification", () => {
  it("counts by true and predicted class", () => {
    expect(classification(truth, probabilities).confusion).toEqual([
      [2, 1, 0],
      [1, 1, 0],
      [0, 1, 0],
    ]);
  });

  it("reads one-hot labels the same", () => {
    const oneHot = tensor([0, 0, 0, 1, 1, 2].map((label) => [0, 1, 2].map((i) => (i === label ? 1 : 0))));
    expect(classification(oneHot, probabilities)).toEqual(classification(truth, probabilities));
  });

  it("lists mistakes, the most confident first, with their pictures", () => {
    const images = tensor(
      Float32Array.from({ length: 6 }, (_, i) => i / 10),
      [6, 1, 1],
    );
    const { mistakes } = classification(truth, probabilities, { images, mistakes: 2 });
    expect(mistakes.map(({ sample, truth, predicted }) => [sample, truth, predicted])).toEqual([
      [4, 1, 0],
      [5, 2, 1],
    ]);
    expect(mistakes[0]?.confidence).toBeCloseTo(0.9);
    expect(mistakes[0]?.image?.shape).toEqual([1, 1]);
    expect(mistakes[0]?.image?.data[0]).toBeCloseTo(0.4);
  });

  it("scores each class", () => {
    const scores = classScores(classification(truth, probabilities, { names: ["a", "b", "c"] }));
    expect(scores[0]).toEqual({ name: "a", precision: 2 / 3, recall: 2 / 3, f1: 2 / 3, support: 3 });
    expect(scores[1]).toEqual({ name: "b", precision: 1 / 3, recall: 1 / 2, f1: 2 / 5, support: 2 });
    expect(scores[2]).toEqual({ name: "c", precision: 0, recall: 0, f1: 0, support: 1 });
  });

  it.each([
    ["another number of labels", tensor([0, 1])],
    ["labels of another width", tensor([[0, 1]])],
  ])("refuses %s", (_, labels) => {
    expect(() => classification(labels, probabilities)).toThrow(/classification: received labels of shape/);
  });

  it("refuses labels out of range", () => {
    expect(() => classification(tensor([0, 0, 0, 0, 0, 3]), probabilities)).toThrow(
      /the label 3 for sample 5/,
    );
  });

  it("takes nested lists, and class numbers as a column", () => {
    const expected = classification(truth, probabilities);
    expect(classification(truth.array() as number[], probabilities.array() as number[][])).toEqual(expected);
    expect(classification([[0], [0], [0], [1], [1], [2]], probabilities)).toEqual(expected);
  });

  it.each([
    ["[N]", [0, 1, 1, 0]],
    ["[N, 1]", [[0], [1], [1], [0]]],
    [
      "[N, 2]",
      [
        [1, 0],
        [0, 1],
        [0, 1],
        [1, 0],
      ],
    ],
  ])("reads the output of one sigmoid unit as two classes, labels %s", (_, labels) => {
    const { names, confusion, mistakes } = classification(labels, [[0.1], [0.9], [0.25], [0.5]]);
    expect(names).toEqual(["0", "1"]);
    expect(confusion).toEqual([
      [2, 0],
      [1, 1],
    ]);
    expect(mistakes).toEqual([{ sample: 2, truth: 1, predicted: 0, confidence: 0.75 }]);
  });

  it("says which labels one sigmoid unit has", () => {
    expect(() => classification([1, 2], [[0.1], [0.9]])).toThrow(
      "received the label 2 for sample 1, expected whole numbers from 0 to 1, because the model's output [N, 1] has the classes 0 and 1.",
    );
  });

  it.each([
    ["a misspelt option", { name: ["a", "b", "c"] }, /unknown option "name".*Did you mean "names"\?/],
    ["too few names", { names: ["a"] }, /a list of length 1 for names, expected length 3/],
    ["names that are no list", { names: "abc" }, /received "abc" for names/],
    [
      "images of other samples",
      { images: [[[0]]] },
      /images of shape \[1, 1, 1\], expected \[6, height, width\]/,
    ],
    ["a number of mistakes that is none", { mistakes: -1 }, /mistakes: -1/],
  ])("refuses %s", (_, options, message) => {
    const call = () => classification(truth, probabilities, options as ClassificationOptions);
    expect(call).toThrow(message);
    expect(call).toThrow(RondoError);
  });

  it("refuses what holds no numbers", () => {
    expect(() => classification(undefined as unknown as number[], probabilities)).toThrow(
      /^classification, truth: received/,
    );
  });
});
