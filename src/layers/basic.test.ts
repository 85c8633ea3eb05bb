import { describe, expect, it } from "vitest";
import { array, computed, refusal } from "../../tests/arrays.js";
import { symbol } from "../graph/dim.js";
import type { SymbolicTensor } from "../graph/ir.js";
import { add, relu } from "../graph/ops/elementwise.js";
import { sum } from "../graph/ops/reduce.js";
import { input } from "../graph/ops/source.js";
import { gradients } from "../passes/autodiff.js";
import { trace } from "./context.case.js";
import { activations, layerFromConfig, layers } from "./index.js";
import { floats } from "./layer.js";

const B = symbol("B");
const T = symbol("T");
const sizes = (shape: readonly unknown[] | undefined) => shape?.map(String);

describe("dense", () => {
  it("is activation(x W + b) over the last axis", () => {
    const inputs = {
      x: array([[[1, 2]], [[-3, 4]]]),
      kernel: array([
        [1, 0, 2],
        [0, -1, 1],
      ]),
      bias: array([0, 1, -1]),
    };
    const layer = layers.dense({ units: 3, activation: "relu" });
    const { outputs } = trace(layer, input("x", [2, 1, 2]));
    expect(computed(outputs[0], inputs)).toEqual([[[1, 0, 3]], [[0, 0, 0]]]);
    const bare = layers.dense({ units: 3, useBias: false });
    expect(computed(trace(bare, input("x", [2, 1, 2])).outputs[0], inputs)).toEqual([
      [[1, -2, 4]],
      [[-3, -4, -2]],
    ]);
    expect(bare.weights().map(({ name }) => name)).toEqual(["kernel"]);
  });

  it("keeps open sizes and the mask", () => {
    const mask = input("mask", [B, T], "bool");
    const { outputs } = trace(layers.dense({ units: 3 }), input("x", [B, T, 2]).withMask(mask));
    expect(sizes(outputs[0]?.shape)).toEqual(["B", "T", "3"]);
    expect(outputs[0]?.mask).toBe(mask);
  });

  it("refuses inputs without features", () => {
    const { where, received, expected } = refusal(() => layers.dense({ units: 3 }).build(floats([B])));
    expect([where, received, expected]).toEqual(["dense", "[batch]", "[batch, .., features]"]);
    expect(refusal(() => layers.dense({ units: 3 }).build(floats([B, T]))).expected).toBe(
      "a last axis of known size",
    );
  });
});

describe("activation", () => {
  it("takes names, parameters and functions", () => {
    const x = input("x", [3]);
    const inputs = { x: array([-2, 0.5, 3]) };
    const of = (layer: Parameters<typeof trace>[0]) => computed(trace(layer, x).outputs[0], inputs);
    expect(of(layers.activation({ activation: "linear" }))).toEqual([-2, 0.5, 3]);
    expect(of(layers.activation({ activation: "relu" }))).toEqual([0, 0.5, 3]);
    expect(of(layers.activation({ activation: { name: "relu", negativeSlope: 0.5, maxValue: 2 } }))).toEqual([
      -1, 0.5, 2,
    ]);
    expect(of(layers.activation({ activation: { name: "relu", threshold: 1, negativeSlope: 0.5 } }))).toEqual(
      [-1.5, -0.25, 3],
    );
    expect(
      of(layers.activation({ activation: { name: "threshold", threshold: 1, defaultValue: 9 } })),
    ).toEqual([9, 9, 3]);
    expect(of(layers.activation({ activation: { name: "leakyRelu", negativeSlope: 0.25 } }))).toEqual([
      -0.5, 0.5, 3,
    ]);
    expect(of(layers.activation({ activation: { name: "hardShrink", threshold: 2.5 } }))).toEqual([0, 0, 3]);
    expect(of(layers.activation({ activation: (y) => relu(y) }))).toEqual([0, 0.5, 3]);
  });

  it("names the nearest of an unknown name", () => {
    const error = refusal(() => layers.dense({ units: 1, activation: "hard_sigmiod" as "relu" }));
    expect([error.received, error.fix]).toEqual([
      'the unknown activation "hard_sigmiod"',
      'Did you mean "hardSigmoid"?',
    ]);
    expect(refusal(() => layers.activation({ activation: "toString" as "relu" })).received).toContain(
      "toString",
    );
    expect(refusal(() => layers.activation({ activation: "threshold" as "relu" })).fix).toContain(
      "defaultValue: 0",
    );
  });

  // The slopes of Keras 3.15.1 where the pieces of a function meet (of celu, which is smooth, the slope itself).
  it.each<[keyof typeof activations | object, readonly number[], readonly number[]]>([
    ["relu6", [0, 6], [0, 0]],
    ["hardTanh", [-1, 1], [1, 1]],
    ["hardSigmoid", [-3, 3], [0, 0]],
    ["hardSigmoidKeras2", [-2.51, -2.49, 2.49, 2.51], [0, 0.2, 0.2, 0]],
    ["hardSilu", [-3, 3], [0, 1]],
    ["sparseSigmoid", [-1, 1], [0, 0]],
    ["celu", [0], [1]],
    ["elu", [0], [1]],
    ["leakyRelu", [0], [0.2]],
    [{ name: "elu", alpha: 0.5 }, [0], [0.5]],
    [{ name: "relu", negativeSlope: 0.5 }, [0], [0.5]],
    [{ name: "relu", maxValue: 6 }, [0, 6], [0, 0]],
    [{ name: "relu", maxValue: 5 }, [0, 5], [0, 1]],
    [{ name: "relu", negativeSlope: 0.5, maxValue: 6, threshold: 1 }, [6], [1]],
  ])("%j has Keras's slope at %j: %j", (activation, at, slopes) => {
    const x = input("x", [at.length]);
    const layer = layers.activation({ activation: activation as "relu" });
    const [slope] = gradients(sum(trace(layer, x).outputs[0] ?? x), [x]);
    expect(computed(slope, { x: array(at) })).toEqual(slopes.map((s) => expect.closeTo(s, 6)));
  });

  // keras.activations.relu(x, negative_slope, max_value, threshold) of Keras 3.15.1.
  it.each<[number, number | null, number, readonly number[]]>([
    [0, null, 0, [0, 0, 0, 0.5, 1.5, 7]],
    [0, null, 1, [0, 0, 0, 0, 1.5, 7]],
    [0, null, -1, [0, 0, -0.5, 0.5, 1.5, 7]],
    [0, 2, 0, [0, 0, 0, 0.5, 1.5, 2]],
    [0, 2, -1, [0, 0, 0, 0.5, 1.5, 2]],
    [0, 2, 3, [0, 0, 0, 0, 0, 2]],
    [0, -1, 0, [0, 0, 0, 0, 0, 0]],
    [0.5, null, 0, [-1.5, -0.5, -0.25, 0.5, 1.5, 7]],
    [0.5, null, -1, [-1, 0, -0.5, 0.5, 1.5, 7]],
    [0.5, 2, -1, [-1, 0, 0, 0.5, 1.5, 2]],
    [0.5, 6, 1, [-2, -1, -0.75, -0.25, 1.5, 6]],
    [0.5, 2, 3, [-3, -2, -1.75, -1.25, -0.75, 2]],
    [-0.5, 2, 1, [2, 1, 0.75, 0.25, 1.5, 2]],
  ])(
    "relu with negativeSlope %s, maxValue %s, threshold %s is Keras's",
    (negativeSlope, maxValue, threshold, y) => {
      const parameters = { negativeSlope, maxValue, threshold };
      const given = input("x", [6]);
      const layer = layers.activation({ activation: { name: "relu", ...parameters } });
      for (const result of [activations.relu(given, parameters), trace(layer, given).outputs[0]]) {
        const values = computed(result, { x: array([-3, -1, -0.5, 0.5, 1.5, 7]) }) as number[];
        expect(values.map((value) => value + 0)).toEqual(y); // −0 + 0 is 0
      }
    },
  );

  it("that is null is linear, as option and in Keras's configurations", () => {
    expect(layers.lstm({ units: 1, recurrentActivation: null }).config()).toMatchObject({
      activation: "tanh",
      recurrent_activation: "linear",
    });
    const json = { class_name: "Dense", config: { units: 1, activation: null } };
    expect(layerFromConfig(json).config()).toMatchObject({ activation: "linear" });
  });

  it.each<[unknown, string]>([
    [3, "dense: received activation: 3, expected the name of an activation"],
    [{}, "dense: received activation: an object, expected the name of an activation"],
    [["relu"], 'dense: received activation: ["relu"], expected the name'],
    [{ name: "rleu", threshold: 1 }, 'dense: received the unknown activation "rleu"'],
    [{ name: "threshold", threshold: 1 }, "dense: threshold: received no defaultValue"],
    [{ name: "elu", alhpa: 0.5 }, 'dense: elu: received the unknown option "alhpa"'],
    [{ name: "elu", alhpa: 0.5 }, 'Did you mean "alpha"?'],
    [{ name: "elu", alpha: "0.5" }, 'dense: elu: received alpha: "0.5", expected a number'],
    [{ name: "softmax", axis: 0.5 }, "dense: softmax: received axis: 0.5, expected a whole number"],
  ])("refuses %j", (activation, message) => {
    expect(refusal(() => layers.dense({ units: 1, activation: activation as "relu" })).message).toContain(
      message,
    );
  });

  it.each<[string, unknown, string]>([
    ["computes with numbers", Math.tanh, "activation: received a number from the function tanh"],
    ["gives nothing", () => undefined, "activation: received nothing from a function"],
    [
      "calls methods that values do not have",
      (y: { tanh(): unknown }) => y.tanh(),
      'activation: received "TypeError: y.tanh is not a function" from a function',
    ],
    [
      "mixes in host data",
      (y: SymbolicTensor) => add(y, [1] as never),
      "activation: add: received a list as an operand",
    ],
  ])("names the layer and the option where a function %s", (_, activation, message) => {
    const layer = layers.dense({ units: 1, name: "out", activation: activation as "relu" });
    expect(refusal(() => layer.outputTypes(floats([B, 2]))).message).toContain(`dense "out": ${message}`);
  });

  it("refuses a glu over an odd axis", () => {
    const layer = layers.activation({ activation: "glu" });
    expect(refusal(() => trace(layer, input("x", [2, 3]))).received).toBe("an axis of size 3");
  });

  it("that is a function has no configuration", () => {
    const layer = layers.activation({ activation: (y) => y });
    expect(refusal(() => layer.config()).received).toBe("an activation that is a function");
  });
});

describe("flatten and reshape", () => {
  it("change the shape of each sample", () => {
    expect(trace(layers.flatten(), input("x", [B, 3, 4])).outputs[0]?.shape.map(String)).toEqual(["B", "12"]);
    expect(trace(layers.flatten(), input("x", [B])).outputs[0]?.shape.map(String)).toEqual(["B", "1"]);
    const reshaped = (target: readonly number[], ...shape: number[]) =>
      sizes(trace(layers.reshape({ targetShape: target }), input("x", [B, ...shape])).outputs[0]?.shape);
    expect(reshaped([6, 2], 3, 4)).toEqual(["B", "6", "2"]);
    expect(reshaped([-1, 2], 3, 4)).toEqual(["B", "6", "2"]);
    expect(
      sizes(trace(layers.reshape({ targetShape: [-1, 2] }), input("x", [B, T, 4])).outputs[0]?.shape),
    ).toEqual(["B", "2*T", "2"]);
  });

  it("drop a mask, and say so", () => {
    const x = input("x", [B, 3, 4]).withMask(input("mask", [B, 3], "bool"));
    for (const layer of [layers.flatten(), layers.reshape({ targetShape: [4, 3] })]) {
      const { outputs, warnings } = trace(layer, x);
      expect(outputs[0]?.mask).toBeUndefined();
      expect(warnings).toEqual([`${layer.where} drops the mask: all time steps count after it`]);
    }
  });

  it("refuse a target of another size", () => {
    const { where, received, expected } = refusal(() =>
      trace(layers.reshape({ targetShape: [5, 2] }), input("x", [B, 3, 4])),
    );
    expect([where, received, expected]).toEqual([
      'reshape "reshape"',
      "[batch, 3, 4], 12 elements a sample",
      "as many elements as targetShape [5, 2], 10",
    ]);
    expect(
      refusal(() => layers.reshape({ targetShape: [5, -1] }).build(floats([B, 3, 4]))).expected,
    ).toContain("can hold");
    expect(refusal(() => layers.reshape({ targetShape: [-1, -1] })).received).toContain("targetShape");
  });
});

describe("dropout", () => {
  const x = input("x", [50, 4]);
  const inputs = { x: array(Array.from({ length: 50 }, () => [1, 1, 1, 1])) };
  const draw = (layer: ReturnType<typeof layers.dropout>, seed: number) =>
    computed(trace(layer, x, { training: true }).outputs[0], {
      ...inputs,
      seed: array([seed, 0]),
    }) as number[][];

  it("does nothing outside training", () => {
    expect(trace(layers.dropout({ rate: 0.5 }), x).outputs[0]).toBe(x);
  });

  it("zeroes a fraction and scales the rest", () => {
    const values = draw(layers.dropout({ rate: 0.25 }), 1).flat();
    expect(new Set(values)).toEqual(new Set([0, 1 / 0.75]));
    const dropped = values.filter((v) => v === 0).length / values.length;
    // Five standard errors of a fraction of 0.25 in 200 draws.
    expect(Math.abs(dropped - 0.25)).toBeLessThan(0.16);
  });

  it("shares draws along axes of noiseShape 1", () => {
    const rows = draw(layers.dropout({ rate: 0.5, noiseShape: [null, 1] }), 1);
    expect(rows.every((row) => new Set(row).size === 1)).toBe(true);
    expect(new Set(rows.flat()).size).toBe(2);
    const layer = layers.dropout({ rate: 0.5, noiseShape: [null, 1, 1] });
    expect(refusal(() => layer.build(floats([50, 4]))).received).toContain("noiseShape [null, 1, 1]");
  });

  it("draws by the model's seed and the layer's name, or by a seed of its own", () => {
    const plain = (name: string, seed: number) => draw(layers.dropout({ rate: 0.5, name }), seed);
    expect(plain("a", 1)).toEqual(plain("a", 1));
    expect(plain("a", 1)).not.toEqual(plain("b", 1));
    expect(plain("a", 1)).not.toEqual(plain("a", 2));
    const own = (name: string, seed: number) => draw(layers.dropout({ rate: 0.5, name, seed: 9 }), seed);
    expect(own("a", 1)).toEqual(own("b", 2));
  });
});

describe("masking", () => {
  it.each([
    [undefined, 0],
    [-1, -1],
    [Number.NaN, Number.NaN],
  ])("maskValue %s: marks the steps whose features all have it, and clears them", (maskValue, value) => {
    const layer = layers.masking(maskValue === undefined ? {} : { maskValue });
    const { outputs } = trace(layer, input("x", [1, 3, 2]));
    const inputs = {
      x: array([
        [
          [value, value],
          [value, 5],
          [6, 7],
        ],
      ]),
    };
    expect(computed(outputs[0]?.mask, inputs)).toEqual([[0, 1, 1]]);
    expect(computed(outputs[0]?.withMask(undefined), inputs)).toEqual([
      [
        [0, 0],
        [value, 5],
        [6, 7],
      ],
    ]);
  });

  it("needs time steps", () => {
    const error = refusal(() => layers.masking().build(floats([B, 3])));
    expect([error.received, error.expected]).toEqual(["[batch, 3]", "[batch, time, features]"]);
  });
});
