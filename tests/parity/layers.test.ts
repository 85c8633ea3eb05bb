import { describe, expect, it } from "vitest";
import type { SymbolicTensor } from "../../src/graph/ir.js";
import { mul } from "../../src/graph/ops/elementwise.js";
import { sum } from "../../src/graph/ops/reduce.js";
import { input } from "../../src/graph/ops/source.js";
import { activations, layers } from "../../src/layers/index.js";
import { floats } from "../../src/layers/layer.js";
import { gradients } from "../../src/passes/autodiff.js";
import { goldenError, loadGolden } from "../golden/load.js";
import { evaluate, interpret, known } from "../reference.js";
import { layerCase } from "./layerCase.js";

// Goldens are float64 results stored as float32 (2^-24 of a value), the interpreter works in float64.
const TOLERANCE = 1e-6;
/** The interpreter is slow; larger layers are for the kernels. */
const LARGEST = 17;

const equations = activations as unknown as Readonly<
  Record<string, (x: SymbolicTensor, parameters: object) => SymbolicTensor>
>;

const groups = [
  "masks",
  "units",
  "options",
  "cellActivations",
  "keras2Activations",
  "stateful",
  "bidirectional",
  "stackedCells",
] as const;

describe.each(groups)("layers agree with Keras in float64: %s", (group) => {
  const cases = loadGolden(group).filter(
    ({ config, outputs }) => outputs.initialBias === undefined && !(Number(config.units) > LARGEST),
  );
  it.each(cases.map((golden) => [golden.name, golden] as const))("%s", (_name, golden) => {
    const { graph, inputs, expected } = layerCase(golden);
    const values = Object.entries(inputs).map(([name, { shape, data }]) => [
      name,
      { shape, data: Float64Array.from(data) },
    ]);
    const { outputs } = interpret(graph, { inputs: Object.fromEntries(values) });
    for (const [name, tensor] of Object.entries(expected)) {
      expect(goldenError(known(outputs[name], name).data, tensor), name).toBeLessThan(TOLERANCE);
    }
  });
});

describe("activations agree with Keras in float64", () => {
  const cases = loadGolden("activations");
  it.each(cases.map((golden) => [golden.name, golden] as const))(
    "%s",
    (caseName, { config, inputs, ...golden }) => {
      const { activation: name, ...parameters } = config;
      const equation = known(equations[String(name)], String(name));
      const { shape, data } = known(inputs.x, "x");
      const weights = known(golden.lossWeights.y, "weights");
      const x = input("x", shape);
      const y = equation(x, parameters);
      const [gradient] = gradients(sum(mul(y, input("w", weights.shape))), [x]);
      const given = {
        x: { shape, data: Float64Array.from(data) },
        w: { shape: weights.shape, data: Float64Array.from(weights.data) },
      };
      const [values, slopes] = evaluate([y, known(gradient, "gradient")], { inputs: given });
      const expected = known(golden.outputs.y, "y");
      // Keras 3.15 adds up the cumulative sums: its rows do not add up to 1.
      if (caseName === "sparsemax/asInKeras") {
        const sums = (y: ArrayLike<number>) =>
          Array.from({ length: shape[0] ?? 0 }, (_, row) =>
            Array.from(y)
              .slice(row * 8, row * 8 + 8)
              .reduce((a, b) => a + b, 0),
          );
        for (const sum of sums(known(values, "y").data)) expect(sum).toBeCloseTo(1, 12);
        expect(sums(expected.data).some((sum) => Math.abs(sum - 1) > 0.1)).toBe(true);
        return;
      }
      expect(goldenError(known(values, "y").data, expected)).toBeLessThan(TOLERANCE);
      expect(goldenError(known(slopes, "slopes").data, known(golden.gradients.x, "x"))).toBeLessThan(
        TOLERANCE,
      );
    },
  );

  it("sparsemax is the projection onto the simplex, ties and further axes included", () => {
    const rows = [1, 0.8, 0.1, 0, 0, 0, 3, 1, 2.5, -1, 4, 4];
    const x = { shape: [4, 3], data: Float64Array.from(rows) };
    const [y, columns] = evaluate(
      [activations.sparsemax(input("x", [4, 3])), activations.sparsemax(input("x", [4, 3]), { axis: 0 })],
      { inputs: { x } },
    );
    const expected = [0.6, 0.4, 0, 1 / 3, 1 / 3, 1 / 3, 0.75, 0, 0.25, 0, 0.5, 0.5];
    known(y, "y").data.forEach((value, i) => {
      expect(value).toBeCloseTo(known(expected[i], "value"), 12);
    });
    const first = [0, 3, 6, 9].map((i) => known(columns, "y").data[i]);
    expect(first).toEqual([0, 0, 1, 0]);
  });
});

it.each([true, false])("an LSTM's bias starts as Keras's with unitForgetBias: %s", (unitForgetBias) => {
  const golden = loadGolden("options").find((c) => c.name === `lstm/unitForgetBias-${unitForgetBias}/bias`);
  const layer = layers.lstm({ units: 3, unitForgetBias });
  layer.build(floats([1, 1, 2]));
  const bias = known(layer.weights()[2], "bias");
  const [values] = evaluate(
    [bias.initializer.values(bias.shape, { seed: input("seed", [2], "int32") }, 0)],
    {},
  );
  expect(goldenError(known(values, "bias").data, known(golden?.outputs.initialBias, "bias"))).toBe(0);
});
