import { describe, expect, it } from "vitest";
import { symbol } from "../../src/graph/dim.js";
import { sigmoid } from "../../src/graph/ops/elementwise.js";
import { softmax } from "../../src/graph/ops/softmax.js";
import { input } from "../../src/graph/ops/source.js";
import { gradients } from "../../src/passes/autodiff.js";
import { lossesByName } from "../../src/train/losses.js";
import { accumulation } from "../../src/train/measure.js";
import { type MetricSpec, resolveMetric } from "../../src/train/metrics/index.js";
import { Objective } from "../../src/train/objective.js";
import { evaluate, known, type Values } from "../reference.js";
import { measured } from "./measured.js";

const B = symbol("B");
const values = (shape: readonly number[], ...data: number[]): Values => ({
  shape,
  data: Float64Array.from(data),
});

/** Sum and count of a metric for two targets and predictions. */
function totals(spec: MetricSpec, yTrue: Values, yPred: Values, weight?: Values, mask?: Values) {
  const t = input("t", yTrue.shape);
  const p = input("p", yPred.shape).withMask(mask && input("mask", mask.shape, "bool"));
  const w = weight && input("w", weight.shape);
  const { values: sums } = accumulation(resolveMetric(spec, t, p), t, p, w);
  const inputs = { t: yTrue, p: yPred, ...(weight && { w: weight }), ...(mask && { mask }) };
  return [...known(evaluate([sums], { inputs })[0], "sums").data];
}

describe("accuracy", () => {
  const predictions = values([3, 3], 0.2, 0.7, 0.1, 0.5, 0.3, 0.2, 0.1, 0.1, 0.8);
  it("is categorical for one-hot targets", () => {
    expect(totals("accuracy", values([3, 3], 0, 1, 0, 0, 1, 0, 0, 0, 1), predictions)).toEqual([2, 3]);
  });
  it("is sparse for class numbers, with and without a last axis", () => {
    expect(totals("acc", values([3], 1, 1, 2), predictions)).toEqual([2, 3]);
    expect(totals("accuracy", values([3, 1], 0, 0, 2), predictions)).toEqual([2, 3]);
  });
  it("is binary for an output of one unit", () => {
    expect(totals("accuracy", values([3, 1], 1, 0, 1), values([3, 1], 0.6, 0.5, 0.4))).toEqual([2, 3]);
    expect(totals("accuracy", values([3], 1, 0, 1), values([3, 1], 0.6, 0.5, 0.4))).toEqual([2, 3]);
  });
  it("leaves masked steps out", () => {
    const steps = values([1, 3], 1, 1, 2);
    const perStep = values([1, 3, 3], ...predictions.data);
    expect(totals("accuracy", steps, perStep, undefined, values([1, 3], 1, 1, 0))).toEqual([1, 2]);
    expect(totals("accuracy", steps, perStep, undefined, values([1, 3], 0, 0, 0))).toEqual([0, 0]);
  });
  it("weighs samples", () => {
    expect(totals("accuracy", values([3], 1, 1, 2), predictions, values([3], 1, 5, 0.5))).toEqual([1.5, 6.5]);
    const perStep = values([3, 1, 3], ...predictions.data);
    expect(totals("accuracy", values([3, 1], 1, 1, 2), perStep, values([3], 1, 5, 0.5))).toEqual([1.5, 6.5]);
  });
});

describe("accuracy of NaN", () => {
  const [nan, ok] = [Number.NaN, 0.9];
  it("is wrong, whatever class it is compared with", () => {
    const rows = values([4, 2], nan, nan, 0.1, ok, nan, 0.3, 0.3, nan);
    expect(totals("acc", values([4, 2], 1, 0, 0, 1, 0, 1, 1, 0), rows)).toEqual([1, 4]);
    expect(totals("acc", values([4], 0, 1, 1, 0), rows)).toEqual([1, 4]);
    expect(totals("acc", values([3], 0, 0, 1), values([3, 1], nan, 0.2, ok))).toEqual([2, 3]);
    expect(
      totals("categoricalAccuracy", values([2, 2], nan, nan, 0, 1), values([2, 2], ok, 0, 0, ok)),
    ).toEqual([1, 2]);
  });
  it("does not count under a mask", () => {
    const steps = values([1, 3, 2], nan, nan, 0.1, ok, nan, nan);
    const mask = values([1, 3], 1, 1, 0);
    expect(totals("acc", values([1, 3], 0, 1, 0), steps, undefined, mask)).toEqual([1, 2]);
    const single = values([1, 3, 1], nan, ok, nan);
    expect(totals("acc", values([1, 3, 1], 0, 1, 0), single, undefined, mask)).toEqual([1, 2]);
  });
});

describe("targets that a loss does not take, under a mask", () => {
  const mask = values([2, 2], 1, 0, 1, 1);
  /** Loss and its gradient, with targets for the steps whose place is not masked, and any for the other. */
  const lossOf = (
    name: "binaryCrossentropy" | "sparseCategoricalCrossentropy",
    target: Values,
    weight?: Values,
  ) => {
    const [p, m] = [input("p", [2, 2, 2]), input("m", [2, 2], "bool")];
    const [t, w] = [input("t", target.shape), weight && input("w", weight.shape)];
    const { loss } = measured({ loss: name }, t, p.withMask(m), w);
    const [slope] = gradients(loss, [p]);
    const predictions = values([2, 2, 2], 0.3, 0.7, 0.5, 0.5, 0.6, 0.4, 0.2, 0.8);
    const inputs = { t: target, p: predictions, m: mask, ...(weight && { w: weight }) };
    const [value, gradient] = evaluate([loss, known(slope, "gradient")], { inputs });
    expect([...known(gradient, "gradient").data].every(Number.isFinite)).toBe(true);
    return known(value, "loss").data[0];
  };
  it("are padding where they are masked", () => {
    expect(lossOf("binaryCrossentropy", values([2, 2, 2], 1, 0, -1, 7, 0, 1, 1, 0))).toBeGreaterThan(0);
    expect(lossOf("sparseCategoricalCrossentropy", values([2, 2], 1, -1, 0, 1))).toBeGreaterThan(0);
  });
  it("make the loss NaN, and no gradient, where they count", () => {
    expect(lossOf("binaryCrossentropy", values([2, 2, 2], 1, 0, 0, 0, 0, 2, 1, 0))).toBeNaN();
    expect(lossOf("sparseCategoricalCrossentropy", values([2, 2], 1, -1, 2, 1))).toBeNaN();
  });
  it("do no harm with weight 0", () => {
    const weight = values([2, 2], 1, 1, 0, 1);
    expect(lossOf("sparseCategoricalCrossentropy", values([2, 2], 1, 0, 9, 1), weight)).toBeGreaterThan(0);
  });
});

describe("NaN on masked steps reaches neither the loss nor a gradient", () => {
  const mask = values([2, 2], 1, 0, 1, 1);
  const targets = values([2, 2, 2], 1, 0, Number.NaN, Number.NaN, 0, 1, 1, 0);
  const predictions = values([2, 2, 2], 0.3, 0.7, Number.NaN, Number.NaN, 0.6, 0.4, 0.2, 0.8);
  for (const name of [
    "categoricalCrossentropy",
    "binaryCrossentropy",
    "meanSquaredError",
    "meanAbsoluteError",
  ] as const) {
    it(name, () => {
      const [t, p, m] = [input("t", [2, 2, 2]), input("p", [2, 2, 2]), input("m", [2, 2], "bool")];
      const { loss } = measured({ loss: name }, t, p.withMask(m));
      const [slope] = gradients(loss, [p]);
      const inputs = { t: targets, p: predictions, m: mask };
      const [value, gradient] = evaluate([loss, known(slope, "gradient")], { inputs });
      const each = lossesByName[name]().values(t, p, undefined);
      const perStep = known(evaluate([each], { inputs })[0], "values").data;
      const expected = ((perStep[0] ?? 0) + (perStep[2] ?? 0) + (perStep[3] ?? 0)) / 3;
      expect(known(value, "loss").data[0]).toBeCloseTo(expected, 12);
      expect([...known(gradient, "gradient").data].every(Number.isFinite)).toBe(true);
      expect([...known(gradient, "gradient").data].slice(2, 4)).toEqual([0, 0]);
    });
  }

  it("averages steps, not features, where the mask covers every axis", () => {
    const [t, p, m] = [input("t", [2, 2]), input("p", [2, 2]), input("m", [2, 2], "bool")];
    const { loss } = measured({ loss: "mse" }, t, p.withMask(m));
    const inputs = {
      t: values([2, 2], 1, Number.NaN, 3, 4),
      p: values([2, 2], 0, 0, 0, 0),
      m: values([2, 2], 1, 0, 1, 1),
    };
    expect(evaluate([loss], { inputs })[0]?.data[0]).toBeCloseTo((1 + 9 + 16) / 3, 12);
  });

  it("is 0 where every step is masked", () => {
    const [t, p, m] = [input("t", [1, 2, 1]), input("p", [1, 2, 1]), input("m", [1, 2], "bool")];
    const { loss } = measured({ loss: "mse" }, t, p.withMask(m));
    const inputs = { t: values([1, 2, 1], 1, 2), p: values([1, 2, 1], 3, 4), m: values([1, 2], 0, 0) };
    expect(evaluate([loss], { inputs })[0]?.data[0]).toBe(0);
  });
});

describe("a softmax or sigmoid as the last op is taken through its logits", () => {
  // Probabilities of 0 and 1 in float32 and float64 alike, whose logarithms the clipped form would cut off.
  const logits = values([1, 2], 800, -800);
  it.each([
    ["categoricalCrossentropy", softmax, values([1, 2], 0, 1), 1600],
    ["binaryCrossentropy", sigmoid, values([1, 2], 0, 1), 800],
  ] as const)("%s", (name, last, target, expected) => {
    const [t, x] = [input("t", [1, 2]), input("x", [1, 2])];
    const { loss } = measured({ loss: name }, t, last(x));
    expect(evaluate([loss], { inputs: { t: target, x: logits } })[0]?.data[0]).toBe(expected);
  });
});

describe("shapes that do not fit", () => {
  const measure = (
    loss: "mse" | "categoricalCrossentropy" | "sparseCategoricalCrossentropy",
    y: readonly number[],
    p: readonly number[],
  ) => measured({ loss }, input("y", [B, ...y]), input("p", [B, ...p]));
  it("are named with their fix", () => {
    expect(() => measure("mse", [3], [10])).toThrow(
      "meanSquaredError: received y of shape [B, 3] for a model whose output is [B, 10], expected y of shape [B, 10]",
    );
    expect(() => measure("categoricalCrossentropy", [], [10])).toThrow(
      'For class numbers use "sparseCategoricalCrossentropy"',
    );
    expect(() => measure("sparseCategoricalCrossentropy", [10], [10])).toThrow(
      'For one-hot rows use "categoricalCrossentropy"',
    );
    expect(() => measure("mse", [2], [5, 2])).toThrow("Set returnSequences: false");
    expect(() =>
      measured({ loss: "mse" }, input("y", [B, 2]), input("p", [B, 2]), input("w", [B, 3])),
    ).toThrow("received sampleWeight of shape [B, 3]");
  });
});

describe("names", () => {
  it("are resolved, and unknown ones answered with the nearest", () => {
    expect(() => new Objective({ loss: "categorical_crossentropy" as "mse" })).toThrow(
      'compile: received the unknown loss "categorical_crossentropy"',
    );
    expect(() => new Objective({ loss: "categorical_crossentropy" as "mse" })).toThrow(
      'Did you mean "categoricalCrossentropy"?',
    );
    expect(() => new Objective({ loss: "mse", optimizer: "adm" as "adam" })).toThrow('Did you mean "adam"?');
    expect(() => new Objective({ loss: "mse", metrics: ["accurracy" as "acc"] })).toThrow(
      'Did you mean "accuracy"?',
    );
  });
  it("appear in the logs as they were given", () => {
    const { names } = new Objective({
      loss: "mse",
      metrics: ["mae", "acc"],
      weightedMetrics: ["acc", "meanSquaredError"],
    });
    expect(names).toEqual(["loss", "mae", "acc", "weighted_acc", "meanSquaredError"]);
  });
});
