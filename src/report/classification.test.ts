import { describe, expect, it } from "vitest";
import { tensor } from "../tensor.js";
import { classification, classScores } from "./classification.js";

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
    expect(() => classification(labels, probabilities)).toThrow(
      /classification report: received labels of shape/,
    );
  });

  it("refuses labels out of range", () => {
    expect(() => classification(tensor([0, 0, 0, 0, 0, 3]), probabilities)).toThrow(
      /the label 3 for sample 5/,
    );
  });
});
