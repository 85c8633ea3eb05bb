import { describe, expect, it } from "vitest";
import { parseOfKind, writeOfKind } from "../../src/config/configurable.js";
import type { SymbolicTensor } from "../../src/graph/ir.js";
import { input } from "../../src/graph/ops/source.js";
import { gradients } from "../../src/passes/autodiff.js";
import { lossesByName, lossKind, resolveLoss } from "../../src/train/losses.js";
import { type GoldenCase, type GoldenTensor, goldenError, loadGolden } from "../golden/load.js";
import { evaluate, known, type Values } from "../reference.js";
import { measured } from "./measured.js";

const values = ({ shape, data }: GoldenTensor): Values => ({ shape, data: Float64Array.from(data) });

/** The case's tensors as graph inputs, and as values for the interpreter. */
function bindInputs({ inputs }: GoldenCase) {
  const symbolic: Record<string, SymbolicTensor> = {};
  for (const [name, { shape }] of Object.entries(inputs))
    symbolic[name] = input(name, shape, name === "mask" ? "bool" : "float32");
  const run = { inputs: Object.fromEntries(Object.entries(inputs).map(([name, x]) => [name, values(x)])) };
  return { symbolic, run };
}

/** Whose axis is that of the samples, which no loss may reduce; Keras does. */
const refused = (name: string) => name === "cosineSimilarity/axis";

describe.each(["losses", "lossKinds"] as const)("%s agree with Keras", (group) => {
  for (const golden of loadGolden(group)) {
    it(golden.name, () => {
      const { loss, ...options } = golden.config;
      const make = known(lossesByName[loss as keyof typeof lossesByName], String(loss));
      const measure = make(options as never);
      const { symbolic, run } = bindInputs(golden);
      const yTrue = known(symbolic.yTrue, "yTrue");
      const yPred = known(symbolic.yPred, "yPred").withMask(symbolic.mask);
      if (refused(golden.name)) {
        expect(() => measured({ loss: measure }, yTrue, yPred)).toThrow(
          "cosineSimilarity: received axis: -2, the axis of the samples of an output of shape [5, 4]",
        );
        return;
      }
      const close = (value: Values | undefined, expected: GoldenTensor | undefined, tolerance: number) =>
        expect(goldenError(known(value, "value").data, known(expected, "expected"))).toBeLessThan(tolerance);
      if (symbolic.mask === undefined) {
        const each = measure.values(yTrue, yPred, undefined);
        close(evaluate([each], run)[0], golden.outputs.perSample, 1e-6);
      }
      if (options.reduction === "none") {
        expect(() => measured({ loss: measure }, yTrue, yPred)).toThrow('with reduction: "none"');
        return;
      }
      const { loss: value } = measured({ loss: measure }, yTrue, yPred, symbolic.sampleWeight);
      const [gradient] = gradients(value, [yPred]);
      const [total, slope] = evaluate([value, known(gradient, "gradient")], run);
      close(total, golden.outputs.loss, 1e-6);
      close(slope, golden.gradients.yPred, 2e-6);
    });
  }
});

it("a loss along the axis of the samples is refused, also where there are as many as features", () => {
  const [t, p] = [input("t", [4, 4]), input("p", [4, 4])];
  const along = (axis: number) => () => measured({ loss: lossesByName.cosineSimilarity({ axis }) }, t, p);
  expect(along(0)).toThrow("one value for each sample, of an axis within it");
  expect(along(1)).not.toThrow();
});

it("a mean over weights that add up to less than 1 is one", () => {
  const [t, p, w] = [input("t", [2, 1]), input("p", [2, 1]), input("w", [2])];
  const loss = lossesByName.meanSquaredError({ reduction: "meanWithSampleWeight" });
  const of = (values: readonly number[], shape: readonly number[]) => ({
    shape,
    data: Float64Array.from(values),
  });
  const inputs = { t: of([0, 0], [2, 1]), p: of([1, 2], [2, 1]), w: of([0.1, 0.3], [2]) };
  const [value] = evaluate([measured({ loss }, t, p, w).loss], { inputs });
  expect(known(value, "loss").data[0]).toBeCloseTo((0.1 + 4 * 0.3) / 0.4, 6);
});

describe("the configurations of losses", () => {
  it("are Keras's, and read back", () => {
    const huber = lossesByName.huber({ delta: 2, reduction: "meanWithSampleWeight" });
    expect([huber.className, huber.config]).toEqual([
      "Huber",
      { delta: 2, reduction: "mean_with_sample_weight", name: "huber" },
    ]);
    const json = writeOfKind(lossKind, huber);
    expect(Object(parseOfKind(lossKind, known(json, "json"), "loss")).config).toEqual(huber.config);
  });
  it.each([
    ["mean_squared_error", "meanSquaredError"],
    ["MSE", "meanSquaredError"],
    ["KLD", "klDivergence"],
    ["kullback_leibler_divergence", "kullbackLeiblerDivergence"],
    ["cosine_proximity", "cosineSimilarity"],
    ["logcosh", "logCosh"],
    ["keras.losses.SparseCategoricalCrossentropy", "sparseCategoricalCrossentropy"],
  ])("are found by the name %s", (name, expected) => {
    expect(Object(parseOfKind(lossKind, name, "loss")).name).toBe(expected);
  });
  it("say what is wrong with an option", () => {
    expect(() => lossesByName.huber({ dleta: 2 } as never)).toThrow('Did you mean "delta"?');
    expect(() => lossesByName.binaryCrossentropy({ axis: 1 })).toThrow("axis: 1");
    expect(() => lossesByName.mse({ reduction: "summ" as never })).toThrow('Did you mean "sum"?');
    expect(() => resolveLoss(lossesByName.mse as never)).toThrow("Call it: losses.");
  });
});
