import { describe, expect, it } from "vitest";
import { duration, figure, heading, metricOf, percent, words } from "./words.js";

describe("figure", () => {
  it.each([
    [0.97893, "0.9789"],
    [0.00012345, "0.0001235"],
    [12345, "12,345"],
    [0.00001234, "1.234e-5"],
    [Number.NaN, "NaN"],
    [1e9, "1.000e9"],
    [9_999_999, "9,999,999"],
    [0, "0"],
  ])("writes %d as %s", (value, text) => {
    expect(figure(value)).toBe(text);
  });
});

describe("duration", () => {
  it.each([
    [4.94, "4.9 s"],
    [59.96, "1 min 0 s"],
    [2312, "38 min 32 s"],
    [3599.6, "1 h 0 min"],
    [7980, "2 h 13 min"],
  ])("writes %d s as %s", (seconds, text) => {
    expect(duration(seconds)).toBe(text);
  });
});

describe("words", () => {
  it.each([
    ["learningRate", "learning rate"],
    ["val_loss", "validation loss"],
    ["test_binaryAccuracy", "test binary accuracy"],
    ["useGPU", "use GPU"],
    ["testF1", "test F1"],
    ["val_entityF1", "validation entity F1"],
    ["rocArea", "ROC area"],
    ["lstmSizes", "LSTM sizes"],
  ])("writes %s as %s", (name, text) => {
    expect(words(name)).toBe(text);
  });

  it("begins headings with a capital", () => expect(heading("testLoss")).toBe("Test loss"));
  it("finds the metric of a figure", () => expect(["val_mae", "mae"].map(metricOf)).toEqual(["mae", "mae"]));
  it("writes shares as percentages", () => expect(percent(0.9789)).toBe("97.9 %"));
});
