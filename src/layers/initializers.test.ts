import { describe, expect, it } from "vitest";
import { refusal } from "../../tests/arrays.js";
import { evaluate, known } from "../../tests/reference.js";
import { fill, input } from "../graph/ops/source.js";
import { type JsonObject, layerFromConfig, layers } from "./index.js";
import { type Initializer, initializer, initializers } from "./initializers.js";
import { floats } from "./layer.js";

const source = { seed: input("seed", [2], "int32") };

/** Values of an initializer for a model's seed. */
function draw(init: Initializer, shape: readonly number[], seed = 1, stream = 5): Float64Array {
  const given = { seed: { shape: [2], data: Float64Array.of(seed, 0) } };
  return known(evaluate([init.values(shape, source, stream)], { inputs: given })[0], "values").data;
}
const mean = (x: Float64Array): number => x.reduce((s, v) => s + v, 0) / x.length;
const deviation = (x: Float64Array): number => Math.sqrt(mean(x.map((v) => v * v)) - mean(x) ** 2);

describe("variance scaling", () => {
  // [3, 5, 40, 60] is a convolution's kernel: 15 taps, so 600 inputs and 900 outputs a unit.
  it.each([
    ["glorotUniform", [400, 600], 2 / 1000],
    ["glorotNormal", [400, 600], 2 / 1000],
    ["heUniform", [400, 600], 2 / 400],
    ["heNormal", [400, 600], 2 / 400],
    ["lecunUniform", [400, 600], 1 / 400],
    ["lecunNormal", [400, 600], 1 / 400],
    ["glorotUniform", [3, 5, 40, 60], 2 / 1500],
    ["heNormal", [3, 5, 40, 60], 2 / 600],
  ] as const)("%s of %j has the variance %f", (name, shape, variance) => {
    const values = draw(initializers[name](), shape);
    // Standard errors of mean and deviation over n values are below 1/√n of the deviation.
    const tolerance = 5 / Math.sqrt(values.length);
    expect(Math.abs(mean(values)) / Math.sqrt(variance)).toBeLessThan(tolerance);
    expect(Math.abs(deviation(values) / Math.sqrt(variance) - 1)).toBeLessThan(tolerance);
    const bound = name.endsWith("Uniform") ? Math.sqrt(3 * variance) : (2 * Math.sqrt(variance)) / 0.8796;
    const largest = values.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    expect(largest).toBeLessThanOrEqual(bound);
    expect(largest).toBeGreaterThan(0.99 * bound);
  });

  it("takes scale, mode and distribution", () => {
    const init = initializers.varianceScaling({
      scale: 3,
      mode: "fanOut",
      distribution: "untruncatedNormal",
    });
    expect(deviation(draw(init, [100, 500]))).toBeCloseTo(Math.sqrt(3 / 500), 3);
    expect(init.config).toEqual({
      scale: 3,
      mode: "fan_out",
      distribution: "untruncated_normal",
      seed: null,
    });
  });
});

describe("the other initializers", () => {
  it("give constants", () => {
    expect([...draw(initializers.zeros(), [2])]).toEqual([0, 0]);
    expect([...draw(initializers.ones(), [2])]).toEqual([1, 1]);
    expect([...draw(initializers.constant({ value: 0.5 }), [2])]).toEqual([0.5, 0.5]);
    expect([...draw(initializers.identity({ gain: 2 }), [2, 3])]).toEqual([2, 0, 0, 0, 2, 0]);
  });

  it("draw from the distribution asked for", () => {
    const uniform = draw(initializers.randomUniform({ minval: 1, maxval: 3 }), [10_000]);
    expect(mean(uniform)).toBeCloseTo(2, 1);
    expect(Math.min(...uniform)).toBeGreaterThanOrEqual(1);
    const normal = draw(initializers.randomNormal({ mean: 4, stddev: 0.5 }), [10_000]);
    expect(mean(normal)).toBeCloseTo(4, 1);
    expect(deviation(normal)).toBeCloseTo(0.5, 1);
    const truncated = draw(initializers.truncatedNormal({ stddev: 0.5 }), [10_000]);
    expect(Math.max(...truncated)).toBeLessThanOrEqual(1);
  });

  it.each([[[6, 4]], [[4, 6]], [[2, 3, 4]]])("orthogonal: %j has orthonormal rows or columns", (shape) => {
    const cols = known(shape.at(-1), "cols");
    const q = draw(initializers.orthogonal({ gain: 2 }), shape);
    const rows = q.length / cols;
    const at = (i: number, j: number): number =>
      known(q[rows <= cols ? i * cols + j : j * cols + i], "element");
    const [few, many] = [Math.min(rows, cols), Math.max(rows, cols)];
    for (let a = 0; a < few; a++) {
      for (let b = 0; b < few; b++) {
        let dot = 0;
        for (let k = 0; k < many; k++) dot += at(a, k) * at(b, k);
        expect(dot).toBeCloseTo(a === b ? 4 : 0, 5);
      }
    }
  });

  it("refuse shapes they cannot fill", () => {
    expect(() => draw(initializers.orthogonal(), [3])).toThrow("orthogonal: received weights of shape [3]");
    expect(() => draw(initializers.identity(), [3])).toThrow("identity: received weights of shape [3]");
  });
});

describe("options", () => {
  it.each<[string, () => unknown, RegExp]>([
    [
      "a number",
      () => initializers.constant(3 as never),
      /constant: received 3 for its options, .*\{ value: … \}/,
    ],
    ["null", () => initializers.zeros(null as never), /zeros: received null for its options/],
    ["a scale of 0", () => initializers.varianceScaling({ scale: 0 }), /scale: 0, expected a number above 0/],
    [
      "a negative scale",
      () => initializers.varianceScaling({ scale: -1 }),
      /scale: -1, expected a number above 0/,
    ],
    ["text", () => initializers.randomNormal({ stddev: "1" as never }), /stddev: "1", expected a number/],
    ["a list", () => initializers.orthogonal({ gain: [1] as never }), /gain: \[1\], expected a number/],
    [
      "null in a file",
      () => initializers.constant.fromConfig({ value: null }),
      /value: null, expected a number/,
    ],
  ])("may not be %s", (_, make, message) => {
    expect(refusal(make).message).toMatch(message);
  });
});

describe("seeds", () => {
  const same = (a: Float64Array, b: Float64Array) => a.every((v, i) => v === b[i]);
  it("of the model and streams change the values", () => {
    const init = initializers.glorotUniform();
    const first = draw(init, [3, 3]);
    expect(same(first, draw(init, [3, 3]))).toBe(true);
    expect(same(first, draw(init, [3, 3], 2))).toBe(false);
    expect(same(first, draw(init, [3, 3], 1, 6))).toBe(false);
  });
  it("of an initializer's own settle them", () => {
    const init = initializers.glorotUniform({ seed: 7 });
    expect(same(draw(init, [3, 3]), draw(init, [3, 3], 2, 6))).toBe(true);
    expect(same(draw(init, [3, 3]), draw(initializers.glorotUniform({ seed: 8 }), [3, 3]))).toBe(false);
  });
});

describe("as a field", () => {
  const field = initializer("glorotUniform");
  const reader = { component: () => undefined, hardSigmoid: () => "hardSigmoid" as const };
  it("takes names and objects, and names the nearest", () => {
    expect(field.read("heNormal", "dense", "kernelInitializer").className).toBe("HeNormal");
    const own = initializers.constant({ value: 3 });
    expect(field.read(own, "dense", "kernelInitializer")).toBe(own);
    expect(() => field.read("glorotUnifrom" as "zeros", "dense", "kernelInitializer")).toThrow(
      'dense: received the unknown kernelInitializer "glorotUnifrom"',
    );
    expect(() => field.read("glorotUnifrom" as "zeros", "dense", "x")).toThrow(
      'Did you mean "glorotUniform"?',
    );
  });
  it.each<[unknown, string]>([
    [null, "dense: received kernelInitializer: null, expected the name of an initializer"],
    [0, "dense: received kernelInitializer: 0, expected the name of an initializer"],
    [{ values: 0 }, "dense: received kernelInitializer: an object"],
    [initializers.zeros, "Call it: initializers.zeros()"],
    ["toString", 'the unknown kernelInitializer "toString"'],
  ])("refuses %s", (given, message) => {
    const options = { units: 1, kernelInitializer: given as "zeros" };
    expect(refusal(() => layers.dense(options)).message).toContain(message);
  });
  it("is refused in Keras's form where it names nothing", () => {
    const of = (kernel_initializer: JsonObject) => () =>
      layerFromConfig({ class_name: "Dense", config: { units: 1, kernel_initializer } });
    expect(refusal(of({ class_name: "HeNormul" })).fix).toBe('Did you mean "heNormal"?');
    expect(refusal(of({})).received).toBe("kernelInitializer: an object");
  });
  it.each<[string, Initializer | "orthogonal", string]>([
    ["a matrix's", "orthogonal", "orthogonal: received weights of shape [2], expected at least two axes"],
    [
      "one of another shape",
      { className: "Mine", config: {}, values: () => fill([3], 0) },
      "Mine: received values of shape [3], expected values of shape [2]",
    ],
    [
      "one without values",
      { className: "Mine", config: {}, values: () => undefined as never },
      "Mine: received nothing, expected values of shape [2]",
    ],
  ])("names layer and weights where it does not fit: %s", (_, biasInitializer, message) => {
    const layer = layers.dense({ units: 2, name: "out", biasInitializer });
    expect(refusal(() => layer.build(floats([1, 4]))).message).toContain(`dense "out": bias: ${message}`);
  });
  it("names the layer around a cell", () => {
    const layer = layers.gru({ units: 2, biasInitializer: "orthogonal", resetAfter: false });
    expect(refusal(() => layer.build(floats([1, 3, 4]))).where).toBe(
      'gru: gruCell "gru_cell": bias: orthogonal',
    );
  });
  it("makes the round trip through Keras's form", () => {
    for (const given of [
      initializers.orthogonal({ gain: 2, seed: 3 }),
      initializers.varianceScaling({ mode: "fanAvg" }),
    ]) {
      const json = field.write(given, "dense");
      expect(json).toMatchObject({ module: "keras.initializers", class_name: given.className });
      const back = field.read(field.parse(json ?? null, reader, "dense"), "dense", "kernelInitializer");
      expect([back.className, back.config]).toEqual([given.className, given.config]);
    }
    const plain = field.read(field.parse("he_normal", reader, "dense"), "dense", "kernelInitializer");
    expect(plain.className).toBe("HeNormal");
  });
});
