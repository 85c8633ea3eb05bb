import { describe, expect, it } from "vitest";
import { parseOfKind, writeOfKind } from "../../src/config/configurable.js";
import { mul } from "../../src/graph/ops/elementwise.js";
import { sum } from "../../src/graph/ops/reduce.js";
import { input } from "../../src/graph/ops/source.js";
import { type Constraint, constrained, constraintKind } from "../../src/layers/constraints.js";
import { penaltyOf, type Regularizer, regularizerKind } from "../../src/layers/regularizers.js";
import { gradients } from "../../src/passes/autodiff.js";
import { rateOf, type Schedule } from "../../src/train/rate.js";
import { scheduleKind } from "../../src/train/schedules.js";
import { type GoldenCase, type GoldenTensor, goldenError, loadGolden } from "../golden/load.js";
import { evaluate, known, scalar } from "../reference.js";

const values = ({ shape, data }: GoldenTensor) => ({ shape, data: Float64Array.from(data) });

/** The object of a case, by way of its form in files. */
function made<T>(
  kind: typeof regularizerKind | typeof constraintKind | typeof scheduleKind,
  golden: GoldenCase,
): T {
  const { [kind.noun]: name, ...options } = golden.config;
  const make = known(kind.factories[String(name)], String(name)) as unknown as (options: object) => object;
  const json = known(writeOfKind<unknown>(kind as never, make(options)), "its form in files");
  return parseOfKind<unknown>(kind as never, json, "file") as T;
}

describe("regularizers agree with Keras", () => {
  for (const golden of loadGolden("regularizers")) {
    it(golden.name, () => {
      const given = known(golden.inputs.x, "x");
      const x = input("x", given.shape);
      const penalty = penaltyOf("x", made<Regularizer>(regularizerKind, golden), x);
      const inputs = { x: values(given) };
      const [value] = evaluate([penalty], { inputs });
      expect(
        goldenError(known(value, "penalty").data, known(golden.outputs.penalty, "penalty")),
      ).toBeLessThan(1e-6);
      const [slope] = gradients(penalty, [x]);
      const [found] = slope === undefined ? [] : evaluate([slope], { inputs });
      const slopes = found?.data ?? new Float64Array(given.data.length);
      expect(goldenError(slopes, known(golden.gradients.x, "gradient"))).toBeLessThan(1e-6);
    });
  }

  it("take a name of Keras's, and refuse what gives no number", () => {
    expect(parseOfKind(regularizerKind, "l1_l2", "file")).toMatchObject({ className: "L1L2" });
    const x = input("x", [2, 3]);
    expect(() => penaltyOf("x", { penalty: (given) => mul(given, 2) }, x)).toThrow(
      "regularizer of x: received float32 of shape [2, 3], expected one number",
    );
    expect(() => penaltyOf("x", { penalty: (given) => sum(given) }, x)).not.toThrow();
  });
});

describe("constraints agree with Keras", () => {
  for (const golden of loadGolden("constraints")) {
    it(golden.name, () => {
      const given = known(golden.inputs.x, "x");
      const found = constrained("x", made<Constraint>(constraintKind, golden), input("x", given.shape));
      const [value] = evaluate([found], { inputs: { x: values(given) } });
      expect(goldenError(known(value, "x").data, known(golden.outputs.x, "x"))).toBeLessThan(1e-6);
    });
  }

  it("keep the shape", () => {
    expect(() => constrained("w", { project: (w) => sum(w) }, input("w", [2]))).toThrow(
      "constraint of w: received float32 of shape [], expected float32 of shape [2]",
    );
  });
});

describe("schedules agree with Keras, in the program and as numbers", () => {
  for (const golden of loadGolden("schedules")) {
    it(golden.name, () => {
      const schedule = made<Schedule>(scheduleKind, golden);
      const rate = rateOf(schedule, input("step", []));
      const { data: steps } = known(golden.inputs.step, "step");
      const expected = known(golden.outputs.learningRate, "rate");
      const inProgram = Array.from(steps, (step) => {
        const [value] = evaluate([rate], { inputs: { step: scalar(step) } });
        return known(value, "rate").data[0] ?? Number.NaN;
      });
      expect(goldenError(inProgram, expected)).toBeLessThan(1e-6);
      const asNumbers = Array.from(steps, (step) => schedule.at?.(step) ?? Number.NaN);
      expect(goldenError(asNumbers, expected)).toBeLessThan(1e-6);
    });
  }
});
