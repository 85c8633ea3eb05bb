import { describe, expect, it } from "vitest";
import type { SymbolicTensor } from "../../src/graph/ir.js";
import { input } from "../../src/graph/ops/source.js";
import { gradients } from "../../src/passes/autodiff.js";
import { lossesByName } from "../../src/train/losses.js";
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

describe("losses agree with Keras", () => {
  for (const golden of loadGolden("losses")) {
    it(golden.name, () => {
      const { loss, ...options } = golden.config;
      const make = known(lossesByName[loss as keyof typeof lossesByName], String(loss));
      const { symbolic, run } = bindInputs(golden);
      const yTrue = known(symbolic.yTrue, "yTrue");
      const yPred = known(symbolic.yPred, "yPred").withMask(symbolic.mask);
      const { loss: value } = measured({ loss: make(options) }, yTrue, yPred, symbolic.sampleWeight);
      const [gradient] = gradients(value, [yPred]);
      const [total, slope] = evaluate([value, known(gradient, "gradient")], run);
      expect(goldenError(known(total, "loss").data, known(golden.outputs.loss, "loss"))).toBeLessThan(1e-6);
      expect(goldenError(known(slope, "slope").data, known(golden.gradients.yPred, "slope"))).toBeLessThan(
        2e-6,
      );
      if (symbolic.mask === undefined) {
        const each = make(options).values(yTrue, yPred, undefined);
        expect(
          goldenError(
            known(evaluate([each], run)[0], "values").data,
            known(golden.outputs.perSample, "values"),
          ),
        ).toBeLessThan(1e-6);
      }
    });
  }
});
