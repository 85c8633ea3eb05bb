import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseOfKind, writeOfKind } from "../../src/config/configurable.js";
import { input } from "../../src/graph/ops/source.js";
import { accumulation, type Metric } from "../../src/train/measure.js";
import { metricKind, metricsByName, resolveMetric } from "../../src/train/metrics/index.js";
import { makeReport, Totals } from "../../src/train/report.js";
import { type GoldenTensor, goldenError, loadGolden } from "../golden/load.js";
import { evaluate, known, type Values } from "../reference.js";

interface Batch {
  readonly t: Values;
  readonly p: Values;
  readonly w?: Values | undefined;
  readonly mask?: Values | undefined;
}

/** The figures of a metric after each batch. */
function figuresOf(metric: Metric, batches: readonly Batch[]): number[][] {
  let totals: Totals | undefined;
  return batches.map(({ t, p, w, mask }) => {
    const added = accumulation(
      metric,
      input("t", t.shape),
      input("p", p.shape).withMask(mask && input("mask", mask.shape, "bool")),
      w && input("w", w.shape),
    );
    totals ??= new Totals(makeReport(() => 0, [], [{ name: "metric", accumulation: added }]));
    const inputs = { t, p, ...(w && { w }), ...(mask && { mask }) };
    totals.add(known(evaluate([added.values], { inputs })[0], "accumulators").data);
    return totals.figures().slice(1);
  });
}

const values = ({ shape, data }: GoldenTensor): Values => ({ shape, data: Float64Array.from(data) });

describe("metrics agree with Keras", () => {
  for (const golden of loadGolden("metrics")) {
    const { metric: name, ...options } = golden.config;
    it(golden.name, () => {
      const metric = known(metricsByName[name as keyof typeof metricsByName], String(name))(options as never);
      const { inputs } = golden;
      const batches = [1, 2].flatMap((i): Batch[] => {
        const [t, p, w] = [inputs[`yTrue${i}`], inputs[`yPred${i}`], inputs[`sampleWeight${i}`]];
        return t && p ? [{ t: values(t), p: values(p), w: w && values(w) }] : [];
      });
      // Along the axis of the samples, which no metric may reduce; Keras does.
      if (golden.name === "cosineSimilarity/axis/edges") {
        expect(() => figuresOf(metric, batches)).toThrow(
          "cosineSimilarity: received axis: -2, the axis of the samples of an output of shape [7, 3]",
        );
        return;
      }
      figuresOf(metric, batches).forEach((figures, i) => {
        const expected = known(golden.outputs[`result${i + 1}`], "result");
        expect(goldenError(figures, expected)).toBeLessThan(1e-5);
      });
    });
  }
});

const [N, T, C] = [6, 3, 3];
const numbers = (n: number, min: number, max: number) =>
  fc.array(fc.double({ min, max, noNaN: true }), { minLength: n, maxLength: n });

/** Metrics by name with the targets that they take. */
const kinds: readonly (readonly [keyof typeof metricsByName, "bits" | "oneHot" | "classes", object?])[] = [
  ["meanSquaredError", "bits"],
  ["rootMeanSquaredError", "bits"],
  ["logCoshError", "bits"],
  ["cosineSimilarity", "bits"],
  ["binaryAccuracy", "bits"],
  ["binaryCrossentropy", "bits"],
  ["precision", "bits"],
  ["recall", "bits", { thresholds: [0.2, 0.6] }],
  ["auc", "bits"],
  ["auc", "bits", { curve: "PR", multiLabel: true }],
  ["r2Score", "bits", { classAggregation: null }],
  ["f1Score", "oneHot", { average: "macro" }],
  ["f1Score", "oneHot", { average: null }],
  ["categoricalAccuracy", "oneHot"],
  ["topKCategoricalAccuracy", "oneHot", { k: 2 }],
  ["sparseTopKCategoricalAccuracy", "classes", { k: 2 }],
  ["sparseCategoricalCrossentropy", "classes", { ignoreClass: 1 }],
  ["perplexity", "classes"],
];

describe("cutting and padding the data changes no figure", () => {
  it.each(kinds.map(([name, target, options = {}]) => ({ name, target, options })))(
    "$name of $target $options",
    ({ name, target, options }) => {
      const metric = metricsByName[name](options as never);
      fc.assert(
        fc.property(
          numbers(N * T * C, 0.01, 0.99),
          fc.array(fc.nat(C - 1), { minLength: N * T, maxLength: N * T }),
          numbers(N * T, 0.1, 2),
          fc.array(fc.integer({ min: 1, max: T }), { minLength: N, maxLength: N }),
          fc.integer({ min: 1, max: N - 1 }),
          (p, labels, w, lengths, cut) => {
            const wide = target === "classes" ? [] : [C];
            const t =
              target === "classes" ? labels : labels.flatMap((l) => [0, 1, 2].map((c) => (c === l ? 1 : 0)));
            const per = (x: readonly number[]) => x.length / N;
            const rows = (from: number, to: number): Batch => {
              const n = to - from;
              const of = (x: readonly number[], ...shape: number[]): Values => ({
                shape: [n, T, ...shape],
                data: Float64Array.from(x.slice(from * per(x), to * per(x)), (v, i) => {
                  const step = Math.floor(i / (per(x) / T)) % T;
                  const row = from + Math.floor(i / per(x));
                  const masked = step >= (lengths[row] ?? 0);
                  return masked ? (target === "classes" && x === t ? -1 : Number.NaN) : v;
                }),
              });
              const mask = Array.from({ length: n * T }, (_, i) =>
                i % T < (lengths[from + Math.floor(i / T)] ?? 0) ? 1 : 0,
              );
              return {
                t: of(t, ...wide),
                p: of(p, C),
                w: { shape: [n, T], data: Float64Array.from(w.slice(from * T, to * T)) },
                mask: { shape: [n, T], data: Float64Array.from(mask) },
              };
            };
            const whole = known(figuresOf(metric, [rows(0, N)])[0], "figures");
            const parts = known(figuresOf(metric, [rows(0, cut), rows(cut, N)])[1], "figures");
            // The same steps without padding, each a sample of its own.
            const kept = Array.from({ length: N * T }, (_, i) => i).filter(
              (i) => i % T < (lengths[Math.floor(i / T)] ?? 0),
            );
            const at = (x: readonly number[], ...shape: number[]): Values => {
              const width = x.length / (N * T);
              return {
                shape: [kept.length, ...shape],
                data: Float64Array.from(kept.flatMap((i) => x.slice(i * width, (i + 1) * width))),
              };
            };
            const bare = known(
              figuresOf(metric, [{ t: at(t, ...wide), p: at(p, C), w: at(w) }])[0],
              "figures",
            );
            for (const [i, figure] of whole.entries()) {
              if (Number.isNaN(figure)) continue;
              expect(parts[i]).toBeCloseTo(figure, 6);
              expect(bare[i]).toBeCloseTo(figure, 6);
            }
          },
        ),
        { numRuns: 12 },
      );
    },
  );
});

describe("the configurations of metrics", () => {
  it("are Keras's, and read back", () => {
    const auc = metricsByName.auc({ curve: "PR", thresholds: [0.5], name: "area" });
    expect(auc.config).toEqual({
      num_thresholds: 200,
      curve: "PR",
      summation_method: "interpolation",
      thresholds: [0.5],
      multi_label: false,
      num_labels: null,
      label_weights: null,
      from_logits: false,
      name: "area",
    });
    const json = writeOfKind(metricKind, auc);
    expect(Object(parseOfKind(metricKind, known(json, "json"), "metric")).config).toEqual(auc.config);
    const r2 = metricsByName.r2Score({ classAggregation: "varianceWeightedAverage" });
    const again = parseOfKind(metricKind, known(writeOfKind(metricKind, r2), "json"), "metric");
    expect(Object(again).config).toEqual({ ...r2.config, class_aggregation: "variance_weighted_average" });
  });
  it("say what is wrong with an option", () => {
    expect(() => metricsByName.precision({ thresholds: 2 })).toThrow("thresholds: 2");
    expect(() => metricsByName.f1Score({ average: "makro" as never })).toThrow('Did you mean "macro"?');
    expect(() => metricsByName.topKCategoricalAccuracy({ k: 0 })).toThrow("k: 0");
  });
});

it("R² holds where targets lie far from 0", () => {
  const at = (xs: readonly number[]): Values => ({ shape: [xs.length, 1], data: Float64Array.from(xs) });
  const t = [10_000, 10_001, 10_002, 10_003];
  const [, [figure] = []] = figuresOf(metricsByName.r2Score(), [
    { t: at(t.slice(0, 2)), p: at([10_000.5, 10_001]) },
    { t: at(t.slice(2)), p: at([10_002, 10_002.5]) },
  ]);
  expect(figure).toBeCloseTo(0.9, 6);
});

describe("accuracy", () => {
  const at = (shape: readonly number[], xs: readonly number[]): Values => ({
    shape,
    data: Float64Array.from(xs),
  });
  const metric = metricsByName.accuracy();

  it("is the share of equal numbers, by weight, of what is not masked", () => {
    const t = at([2, 3, 1], [1, 2, 3, 4, 5, Number.NaN]);
    const p = at([2, 3, 1], [1, 0, 3, 4, Number.NaN, Number.NaN]);
    const mask = at([2, 3], [1, 1, 0, 1, 1, 0]);
    expect(figuresOf(metric, [{ t, p }])).toEqual([[3 / 6]]);
    expect(figuresOf(metric, [{ t, p, mask }])).toEqual([[2 / 4]]);
    expect(figuresOf(metric, [{ t, p, mask, w: at([2], [3, 1]) }])).toEqual([[(3 + 1) / (3 + 3 + 1 + 1)]]);
    const w = at([2, 3], [4, 2, 9, 1, 1, 9]);
    const [, [later] = []] = figuresOf(metric, [
      { t, p, mask, w },
      { t, p, mask },
    ]);
    expect(later).toBeCloseTo((5 + 2) / (8 + 4), 12);
    // A target without the last axis, and numbers without any.
    expect(figuresOf(metric, [{ t: at([2], [1, 2]), p: at([2, 1], [1, 3]) }])).toEqual([[0.5]]);
    expect(figuresOf(metric, [{ t: at([2], [1, 2]), p: at([2], [1, 3]), w: at([2], [3, 1]) }])).toEqual([
      [0.75],
    ]);
  });

  it("is Keras's class Accuracy in files, and no meaning of the name", () => {
    const json = writeOfKind(metricKind, metric);
    expect(json).toEqual({
      module: "keras.metrics",
      class_name: "Accuracy",
      config: { name: "accuracy" },
      registered_name: null,
    });
    expect(
      parseOfKind(metricKind, { ...Object(json), config: { name: "accuracy", dtype: "float32" } }, "file"),
    ).toEqual(metric);
    const [rows, classes] = [input("rows", [2, 3]), input("classes", [2])];
    const named = (y: typeof rows) => Object(resolveMetric("accuracy", y, rows)).className;
    expect([named(rows), named(classes)]).toEqual(["CategoricalAccuracy", "SparseCategoricalAccuracy"]);
    expect(resolveMetric(metric, rows, rows)).toBe(metric);
  });
});

it("a target that is no class is among no k", () => {
  const t: Values = { shape: [2], data: Float64Array.of(-1, 3) };
  const p: Values = { shape: [2, 3], data: Float64Array.of(-1, -2, -3, 0.1, 0.2, 0.3) };
  const metric = metricsByName.sparseTopKCategoricalAccuracy({ k: 3 });
  expect(figuresOf(metric, [{ t, p }])[0]).toEqual([0]);
});
