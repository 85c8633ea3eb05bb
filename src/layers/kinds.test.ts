import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { array, computed, refusal } from "../../tests/arrays.js";
import { interpret, known, type Values } from "../../tests/reference.js";
import { symbol } from "../graph/dim.js";
import type { SymbolicTensor } from "../graph/ir.js";
import { add, cast, mul, relu } from "../graph/ops/elementwise.js";
import { sum } from "../graph/ops/reduce.js";
import { input, zeros } from "../graph/ops/source.js";
import { gradients } from "../passes/autodiff.js";
import { trace } from "./context.case.js";
import {
  callContext,
  describe as describeComponent,
  type Json,
  type JsonObject,
  type Layer,
  layerFromConfig,
  layers,
} from "./index.js";
import { floats } from "./layer.js";

const B = symbol("B");
const T = symbol("T");
const [rows, steps, width] = [3, 4, 2];

interface Case {
  readonly name: string;
  readonly make: () => Layer;
  /** How many inputs; each with a mask of its own. */
  readonly inputs?: number;
  readonly training?: boolean;
}
const one = (name: string, make: () => Layer, training = false): Case => ({ name, make, training });
const merging = ["add", "subtract", "multiply", "average", "maximum", "minimum", "concatenate"] as const;
const cases: readonly Case[] = [
  ...merging.map((name) => ({ name, make: (): Layer => layers[name](), inputs: 2 })),
  { name: "concatenate over time", make: () => layers.concatenate({ axis: 1 }), inputs: 2 },
  { name: "dot over time", make: () => layers.dot({ axes: 1, normalize: true }), inputs: 2 },
  one("globalMaxPooling1d", () => layers.globalMaxPooling1d()),
  one("globalAveragePooling1d", () => layers.globalAveragePooling1d({ keepDims: true })),
  one("cropping1d", () => layers.cropping1d({ cropping: [1, 1] })),
  one("leakyReLU", () => layers.leakyReLU()),
  one("elu", () => layers.elu()),
  one("reLU", () => layers.reLU({ maxValue: 1 })),
  one("softmax", () => layers.softmax()),
  one("softmax over time", () => layers.softmax({ axis: 1 })),
  one("softmax over both", () => layers.softmax({ axis: [1, 2] })),
  one("gaussianNoise", () => layers.gaussianNoise({ stddev: 0.5 }), true),
  one("spatialDropout1d", () => layers.spatialDropout1d({ rate: 0.5 }), true),
  one("activityRegularization", () => layers.activityRegularization({ l1: 0.5, l2: 0.25 })),
  one("batchNormalization", () => layers.batchNormalization(), true),
  one("batchNormalization afterwards", () => layers.batchNormalization()),
  one("layerNormalization", () => layers.layerNormalization()),
  one("layerNormalization over time", () => layers.layerNormalization({ axis: [1, 2] })),
  one("unitNormalization", () => layers.unitNormalization()),
  one("unitNormalization over time", () => layers.unitNormalization({ axis: 1 })),
  one("timeDistributed dense", () => layers.timeDistributed({ layer: layers.dense({ units: 3 }) })),
  one(
    "timeDistributed batchNormalization",
    () => layers.timeDistributed({ layer: layers.batchNormalization() }),
    true,
  ),
  one("lambda", () => layers.lambda({ call: (x) => relu(x) })),
];

/** Everything that a layer gives: outputs at steps that count, penalties, running statistics, gradients. */
function effects({ make, inputs = 1, training = false }: Case, values: Record<string, Values>) {
  const layer = make();
  const given = Array.from({ length: inputs }, (_, i) =>
    input(`x${i}`, [rows, steps, width]).withMask(input(`mask${i}`, [rows, steps], "bool")),
  );
  const [first, ...others] = given;
  layer.build([known(first, "x"), ...others]);
  const outputs: Record<string, SymbolicTensor> = {};
  const penalties: SymbolicTensor[] = [];
  const context = callContext({
    training,
    random: { seed: input("seed", [2], "int32") },
    countDraw: () => 0,
    weight: ({ name, shape }) => input(name, shape),
    assign: ({ name }, value) => {
      outputs[name] = value;
    },
    addLoss: (value) => penalties.push(value),
    readState: () => zeros([]),
  });
  const y = known(layer.callChecked([known(first, "x"), ...others], context)[0], "output");
  // `sum` leaves masked steps out, as losses do. Weights of the steps, so that not all slopes are alike.
  const factors = input("factors", [rows, ...y.shape.slice(1)].map(Number));
  const loss = penalties.reduce((a, b) => add(a, b), sum(mul(y, factors)));
  outputs.loss = loss;
  const weights = layer.weights().filter(({ trainable }) => trainable);
  const targets = [...given.map((x) => x.withMask(undefined)), ...weights.map((w) => context.weight(w))];
  gradients(loss, targets).forEach((gradient, i) => {
    if (gradient !== undefined) outputs[`gradient ${i}`] = gradient;
  });
  outputs.output = sum(y, [...y.shape.keys()].slice(2));
  if (y.mask !== undefined) outputs.mask = cast(y.mask, "float32");
  const all = { ...values };
  for (const { name, shape } of layer.weights()) all[name] = filled(shape, (i) => 0.5 + 0.25 * i);
  all.factors = filled(factors.shape.map(Number), (i) => Math.sin(i + 1));
  all.seed = { shape: [2], data: Float64Array.of(3, 0) };
  const result: Record<string, Values> = interpret(
    { name: "effects", inputs: [], outputs, updates: [] },
    { inputs: all },
  ).outputs;
  const mask = result.mask?.data;
  // Sums of y over masked steps are nothing that counts.
  if (mask !== undefined && result.output !== undefined) {
    const { shape, data } = result.output;
    result.output = { shape, data: data.map((v, i) => (mask[i] === 0 ? 0 : v)) };
  }
  return result;
}

const filled = (shape: readonly number[], value: (i: number) => number): Values => ({
  shape,
  data: Float64Array.from({ length: shape.reduce((n, d) => n * d, 1) }, (_, i) => value(i)),
});

describe("what stands at masked steps changes nothing where it counts", () => {
  const numbers = fc.array(
    fc.double({ min: -2, max: 2, noNaN: true }).map((v) => Math.round(v * 64) / 64 + 0.005),
    {
      minLength: rows * steps * width,
      maxLength: rows * steps * width,
    },
  );
  const mask = fc.array(fc.integer({ min: 0, max: 1 }), { minLength: rows * steps, maxLength: rows * steps });
  it.each(cases.map((c) => [c.name, c] as const))("%s", (_name, layerCase) => {
    const count = layerCase.inputs ?? 1;
    const data = fc.tuple(
      fc.array(numbers, { minLength: count, maxLength: count }),
      fc.array(mask, { minLength: count, maxLength: count }),
    );
    fc.assert(
      fc.property(
        data,
        fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, 1000),
        ([xs, masks], filler) => {
          const values = (at: (x: number, counts: boolean) => number): Record<string, Values> =>
            Object.fromEntries(
              xs.flatMap((x, k) => [
                [`mask${k}`, { shape: [rows, steps], data: Float64Array.from(masks[k] ?? []) }],
                [
                  `x${k}`,
                  filled([rows, steps, width], (i) => at(x[i] ?? 0, masks[k]?.[Math.floor(i / width)] === 1)),
                ],
              ]),
            );
          const plain = effects(
            layerCase,
            values((x) => x),
          );
          const spoilt = effects(
            layerCase,
            values((x, counts) => (counts ? x : filler)),
          );
          for (const [name, { data: expected }] of Object.entries(plain)) {
            const actual = known(spoilt[name], name).data;
            const input_ = /^gradient (\d)$/.exec(name)?.[1];
            const counted =
              input_ !== undefined && Number(input_) < count ? masks[Number(input_)] : undefined;
            expected.forEach((value, i) => {
              if (counted !== undefined && counted[Math.floor(i / width)] === 0) return;
              expect(actual[i], `${name} ${i}`).toBeCloseTo(value, 9);
            });
          }
        },
      ),
      { numRuns: 10 },
    );
  });
});

describe("masks", () => {
  const mask = (values: readonly (readonly number[])[]) => array(values as number[][]);
  const xs = (values: readonly number[]) => ({
    shape: [1, values.length, 1],
    data: Float64Array.from(values),
  });

  it("of merged inputs count where one counts, and what is masked takes no part", () => {
    const a = input("a", [1, 4, 1]).withMask(input("m", [1, 4], "bool"));
    const b = input("b", [1, 4, 1]).withMask(input("n", [1, 4], "bool"));
    const inputs = {
      a: xs([1, 2, 3, 4]),
      b: xs([10, 20, 30, 40]),
      m: mask([[1, 1, 0, 0]]),
      n: mask([[1, 0, 1, 0]]),
    };
    const of = (layer: Layer) => {
      const y = known(trace(layer, a, { further: [b] }).outputs[0], "output");
      expect(computed(y.mask, inputs)).toEqual([[1, 1, 1, 0]]);
      return (computed(y, inputs) as number[][][])[0]?.map((step) => step[0]);
    };
    expect(of(layers.add())).toEqual([11, 2, 30, 0]);
    expect(of(layers.subtract())).toEqual([-9, 2, -30, 0]);
    expect(of(layers.multiply())).toEqual([10, 2, 30, 0]);
    expect(of(layers.average())).toEqual([5.5, 2, 30, 0]);
    expect(of(layers.maximum())).toEqual([10, 2, 30, 0]);
    expect(of(layers.minimum())).toEqual([1, 2, 30, 0]);
    expect(of(layers.concatenate())).toEqual([1, 2, 0, 0]);
  });

  it("are lost where one input has none, and the layer says so", () => {
    const a = input("a", [1, 2, 1]).withMask(input("m", [1, 2], "bool"));
    const { outputs, warnings } = trace(layers.add(), a, { further: [input("b", [1, 2, 1])] });
    expect(outputs[0]?.mask).toBeUndefined();
    expect(warnings).toEqual([
      'add "add" drops the mask: all time steps count after it, because one of its inputs has none',
    ]);
    const inputs = { a: xs([1, Number.NaN]), b: xs([10, 20]), m: mask([[1, 0]]) };
    expect(computed(outputs[0], inputs)).toEqual([[[11], [20]]]);
  });

  it("of rows without a step that counts give 0 when pooled", () => {
    const x = input("x", [1, 2, 1]).withMask(input("m", [1, 2], "bool"));
    const inputs = { x: xs([-5, Number.NaN]), m: mask([[0, 0]]) };
    expect(computed(trace(layers.globalMaxPooling1d(), x).outputs[0], inputs)).toEqual([[0]]);
    expect(computed(trace(layers.globalAveragePooling1d(), x).outputs[0], inputs)).toEqual([[0]]);
    const some = { ...inputs, m: mask([[1, 0]]) };
    expect(computed(trace(layers.globalMaxPooling1d(), x).outputs[0], some)).toEqual([[-5]]);
  });

  it("leave running statistics alone where nothing counts", () => {
    const { loss: _, ...after } = effects(
      known(
        cases.find(({ name }) => name === "batchNormalization"),
        "case",
      ),
      {
        x0: filled([rows, steps, width], () => 7),
        mask0: filled([rows, steps], () => 0),
      },
    );
    expect(Array.from(known(after.moving_mean, "mean").data)).toEqual([0.5, 0.75]);
    expect(Array.from(known(after.moving_variance, "variance").data)).toEqual([0.5, 0.75]);
  });
});

it.each<[string, () => Layer, number]>([
  ["repeatVector", () => layers.repeatVector({ n: 2 }), 2],
  ["permute", () => layers.permute({ dims: [2, 1] }), 3],
  ["zeroPadding1d", () => layers.zeroPadding1d(), 3],
  ["cropping1d", () => layers.cropping1d(), 3],
  ["globalMaxPooling1d", () => layers.globalMaxPooling1d(), 3],
  ["timeDistributed", () => layers.timeDistributed({ layer: layers.flatten() }), 4],
  ["activityRegularization", () => layers.activityRegularization({ l1: 1 }), 2],
])("%s hands ids on as they are", (_name, make, rank) => {
  const shape = [2, 5, 3, 2].slice(0, rank);
  expect(make().outputTypes([{ shape, dtype: "int32" }])[0]?.dtype).toBe("int32");
});

it.each<(typeof merging)[number]>(["add", "subtract", "multiply", "maximum", "minimum", "concatenate"])(
  "%s hands ids on as they are",
  (name) => {
    const ids = { shape: [2, 3], dtype: "int32" } as const;
    expect(layers[name]().outputTypes([ids, ids])[0]?.dtype).toBe("int32");
    expect(layers[name]().outputTypes([ids, { ...ids, dtype: "float32" }])[0]?.dtype).toBe("float32");
  },
);

describe("what does not fit is refused with its fix", () => {
  it.each<[() => unknown, string, string]>([
    [() => layers.repeatVector({ n: 2 }).build(floats([B, T, 3])), "repeatVector", "[batch, features]"],
    [() => layers.permute({ dims: [1, 3] }), "permute", "each of the axes from 1 on, once"],
    [() => layers.permute({ dims: [2, 1] }).build(floats([B, 3])), "permute", "an input of 3 axes"],
    [() => layers.zeroPadding1d({ padding: [1, -1] }), "zeroPadding1d", "a whole number from 0"],
    [() => layers.zeroPadding1d().build(floats([B, 3])), "zeroPadding1d", "[batch, time, features]"],
    [() => layers.cropping1d({ cropping: 2 }).build(floats([B, 4, 1])), "cropping1d", "fewer steps to crop"],
    [
      () => layers.globalMaxPooling1d().build(floats([B, 3])),
      "globalMaxPooling1d",
      "[batch, time, features]",
    ],
    [() => layers.add().build(floats([B, 3])), "add", "two or more"],
    [() => layers.subtract().build(floats([B, 3], [B, 3], [B, 3])), "subtract", "two"],
    [() => layers.add().outputTypes(floats([B, 3], [B, 4])), "add", "sizes that are equal or 1"],
    [
      () => layers.concatenate({ axis: 0 }).build(floats([B, 3], [B, 4])),
      "concatenate",
      "one of them but the batch",
    ],
    [() => layers.concatenate().build(floats([B, 3], [B, T, 4])), "concatenate", "the same number of axes"],
    [() => layers.dot({ axes: 1 }).build(floats([B, 3], [B, 4])), "dot", "of the same size"],
    [() => layers.dot({ axes: 0 }).build(floats([B, 3], [B, 3])), "dot", "but the batch"],
    [() => layers.reLU({ maxValue: -1 }), "reLU", "a number from 0, or null"],
    [() => layers.leakyReLU({ negativeSlope: -1 }), "leakyReLU", "a number from 0"],
    [() => layers.softmax({ axis: 3 }).build(floats([B, T, 2])), "softmax", "axes that the input has"],
    [() => layers.gaussianNoise({ stddev: 2 }), "gaussianNoise", "a number from 0 to 1"],
    [
      () => layers.spatialDropout1d({ rate: 0.5 }).build(floats([B, 2])),
      "spatialDropout1d",
      "[batch, time, features]",
    ],
    [() => layers.activityRegularization({ l1: -1 }), "activityRegularization", "a number from 0"],
    [
      () => layers.batchNormalization({ axis: 0 }).build(floats([B, 2])),
      "batchNormalization",
      "but for the batch axis",
    ],
    [
      () => layers.batchNormalization({ axis: 1 }).build(floats([B, T, 2])),
      "batchNormalization",
      "a known size of axis 1",
    ],
    [() => layers.layerNormalization({ axis: [] }), "layerNormalization", "an axis, or a list of axes"],
    [
      () => layers.unitNormalization({ axis: -4 }).build(floats([B, T, 2])),
      "unitNormalization",
      "axes that the input has",
    ],
    [() => layers.timeDistributed({ layer: 3 as never }), "timeDistributed", "a layer"],
    [
      () => layers.timeDistributed({ layer: layers.flatten() }).build(floats([B, 2])),
      "timeDistributed",
      "[batch, time, ..]",
    ],
    [() => layers.lambda({ call: 3 as never }), "lambda", "a function of ops"],
    [
      () => layers.lambda({ call: (x) => x, outputShape: [3] }).outputTypes(floats([B, 2])),
      "lambda",
      "the outputShape",
    ],
    [
      () => layers.lambda({ call: (() => 3) as never }).outputTypes(floats([B, 2])),
      "lambda",
      "a value made with ops",
    ],
    [() => layers.lambda({ call: (x) => x }).config(), "lambda", "a name under which"],
  ])("%s", (act, where, expected) => {
    const error = refusal(act);
    expect(error.where).toBe(where);
    expect(error.expected).toContain(expected);
  });
});

describe("timeDistributed", () => {
  it("has the layer itself, by its own name, and shares its weights", () => {
    const inner = layers.dense({ units: 3, name: "out" });
    const layer = layers.timeDistributed({ layer: inner, name: "steps" });
    layer.build(floats([B, T, 2]));
    expect(layer.weightEntries().map(({ path }) => path)).toEqual(["steps/out/kernel", "steps/out/bias"]);
    expect(layer.weights()).toEqual(inner.weights());
    const nested = layers.timeDistributed({
      layer: layers.timeDistributed({ layer: layers.dense({ units: 1 }) }),
    });
    nested.build(floats([B, T, 2, 2]));
    expect(nested.weightEntries()[0]?.path).toBe("timeDistributed/time_distributed/dense/kernel");
  });

  it("freezes the layer inside with it", () => {
    const layer = layers.timeDistributed({ layer: layers.dense({ units: 3 }) });
    layer.build(floats([B, T, 2]));
    layer.trainable = false;
    expect(layer.weightEntries().some(({ trainable }) => trainable)).toBe(false);
  });

  it.each(["softmax", "sigmoid"] as const)("leaves a %s the last op, for the loss to see", (activation) => {
    const layer = layers.timeDistributed({ layer: layers.dense({ units: 3, activation }) });
    expect(trace(layer, input("x", [B, T, 2])).outputs[0]?.node.op.name).toBe(activation);
  });

  it("keeps the mask of the steps through a layer that has no mask of its own", () => {
    const x = input("x", [B, T, 2, 3]).withMask(input("m", [B, T], "bool"));
    const inner: Layer[] = [
      layers.flatten(),
      layers.reshape({ targetShape: [6] }),
      layers.lstm({ units: 2 }),
    ];
    for (const layer of inner) {
      const { outputs, warnings } = trace(layers.timeDistributed({ layer }), x);
      expect(outputs[0]?.mask).toBe(x.mask);
      expect(warnings).toEqual([]);
    }
  });

  it("tells of a mask within the steps which steps have something that counts", () => {
    const x = input("x", [2, 2, 2, 1]).withMask(input("m", [2, 2, 2], "bool"));
    const layer = layers.timeDistributed({ layer: layers.globalMaxPooling1d() });
    const m = array([
      [
        [1, 0],
        [0, 0],
      ],
      [
        [1, 1],
        [0, 1],
      ],
    ]);
    const values = array([
      [
        [[1], [9]],
        [[9], [9]],
      ],
      [
        [[3], [4]],
        [[9], [-2]],
      ],
    ]);
    const y = trace(layer, x).outputs[0];
    expect(computed(y?.mask, { m })).toEqual([
      [1, 0],
      [1, 1],
    ]);
    expect(computed(y, { m, x: values })).toEqual([
      [[1], [0]],
      [[4], [-2]],
    ]);
  });
});

describe("lambda", () => {
  const halve = (x: SymbolicTensor) => mul(x, 0.5);
  it("computes what its function says, of several inputs too", () => {
    const x = input("x", [2]);
    expect(computed(trace(layers.lambda({ call: halve }), x).outputs[0], { x: array([2, 4]) })).toEqual([
      1, 2,
    ]);
    const sums = layers.lambda({ call: (a, b) => add(a, known(b, "b")) });
    expect(computed(trace(sums, x, { further: [x] }).outputs[0], { x: array([2, 4]) })).toEqual([4, 8]);
  });

  it("is found again by its registered name", () => {
    const layer = layers.lambda({ call: halve, registeredName: "halve", outputShape: [null] });
    const json = describeComponent(layer);
    const back = layerFromConfig(json, { halve });
    const x = input("x", [1, 2]);
    expect(computed(trace(back, x).outputs[0], { x: array([[2, 4]]) })).toEqual([[1, 2]]);
    const { received, fix } = refusal(() => layerFromConfig(json));
    expect(received).toBe('the function "halve", which is not known');
    expect(fix).toBe('Give it in custom: { "halve": (x) => … }');
    const again = { ...json, config: { ...(json.config as JsonObject), name: null } };
    expect(describeComponent(layerFromConfig(again, { halve }))).toEqual(again);
  });

  it.each<Json>([
    { module: "builtins", class_name: "function", config: "halve", registered_name: "function" },
    { module: "my", class_name: "function", config: "f", registered_name: "halve" },
    "halve",
  ])("of Keras is found: %j", (written) => {
    const config = { function: written, function_type: "function", module: "my", arguments: {}, mask: null };
    expect(layerFromConfig({ class_name: "Lambda", config }, { halve }).className).toBe("Lambda");
  });

  it.each<Json>([
    { class_name: "__lambda__", config: { code: "4wEA", defaults: null, closure: null } },
    ["4wEA", null, null],
  ])("that is marshalled is refused: %j", (written) => {
    const config = { function: written, arguments: {} };
    expect(refusal(() => layerFromConfig({ class_name: "Lambda", config })).received).toBe(
      "a Python function in the form in which Keras marshals it",
    );
  });

  it("with arguments is refused", () => {
    const config = { function: "halve", arguments: { by: 2 } };
    expect(refusal(() => layerFromConfig({ class_name: "Lambda", config }, { halve })).received).toBe(
      'the configuration key "arguments": {"by":2}',
    );
  });
});

/** As Keras 3.15.1 writes them, without the dtype policy. */
const written: readonly (readonly [string, JsonObject])[] = [
  [
    "TimeDistributed",
    {
      name: "t",
      trainable: true,
      layer: {
        module: "keras.layers",
        class_name: "Flatten",
        config: { name: "flatten", trainable: true, data_format: "channels_last" },
        registered_name: null,
      },
    },
  ],
  ["RepeatVector", { name: "r", trainable: true, n: 3 }],
  ["Permute", { name: "p", trainable: true, dims: [2, 1] }],
  ["ZeroPadding1D", { name: "z", trainable: true, padding: [1, 2], data_format: "channels_last" }],
  ["Cropping1D", { name: "c", trainable: true, cropping: [1, 1] }],
  ["Add", { name: "a", trainable: true }],
  ["Subtract", { name: "s", trainable: true }],
  ["Multiply", { name: "m", trainable: true }],
  ["Average", { name: "av", trainable: true }],
  ["Maximum", { name: "mx", trainable: true }],
  ["Minimum", { name: "mn", trainable: true }],
  ["Concatenate", { name: "cc", trainable: true, axis: 1 }],
  ["Dot", { name: "dt", trainable: true, axes: [2, 1], normalize: true }],
  ["GlobalMaxPooling1D", { name: "gm", trainable: true, data_format: "channels_last", keepdims: true }],
  ["GlobalAveragePooling1D", { name: "ga", trainable: true, data_format: "channels_last", keepdims: false }],
  ["LeakyReLU", { name: "lr", trainable: true, negative_slope: 0.2 }],
  ["ELU", { name: "el", alpha: 0.5, trainable: true }],
  ["ReLU", { name: "re", trainable: true, max_value: 6.0, negative_slope: 0.5, threshold: 0.25 }],
  ["Softmax", { name: "so", trainable: true, axis: [1, 2] }],
  ["GaussianNoise", { name: "gn", trainable: true, stddev: 0.5, seed: 3 }],
  ["SpatialDropout1D", { rate: 0.5, seed: null, name: "sd" }],
  ["ActivityRegularization", { name: "ar", trainable: true, l1: 0.1, l2: 0.2 }],
  [
    "BatchNormalization",
    {
      name: "bn",
      trainable: true,
      axis: -1,
      momentum: 0.9,
      epsilon: 0.001,
      center: true,
      scale: true,
      beta_initializer: {
        module: "keras.initializers",
        class_name: "Zeros",
        config: {},
        registered_name: null,
      },
      gamma_initializer: {
        module: "keras.initializers",
        class_name: "Ones",
        config: {},
        registered_name: null,
      },
      moving_mean_initializer: {
        module: "keras.initializers",
        class_name: "Zeros",
        config: {},
        registered_name: null,
      },
      moving_variance_initializer: {
        module: "keras.initializers",
        class_name: "Ones",
        config: {},
        registered_name: null,
      },
      beta_regularizer: null,
      gamma_regularizer: null,
      beta_constraint: null,
      gamma_constraint: null,
      synchronized: false,
      renorm: false,
      renorm_clipping: null,
      renorm_momentum: 0.99,
    },
  ],
  [
    "LayerNormalization",
    {
      name: "ln",
      trainable: true,
      axis: [1, 2],
      epsilon: 0.001,
      center: true,
      scale: true,
      rms_scaling: false,
      beta_initializer: {
        module: "keras.initializers",
        class_name: "Zeros",
        config: {},
        registered_name: null,
      },
      gamma_initializer: {
        module: "keras.initializers",
        class_name: "Ones",
        config: {},
        registered_name: null,
      },
      beta_regularizer: null,
      gamma_regularizer: null,
      beta_constraint: null,
      gamma_constraint: null,
    },
  ],
  ["UnitNormalization", { name: "un", trainable: true, axis: -1 }],
];

describe("configurations of Keras", () => {
  it.each(written)("of a %s are read, and written again as they were", (class_name, config) => {
    const back = layerFromConfig({ module: "keras.layers", class_name, config });
    const own = JSON.parse(JSON.stringify(back.config()));
    for (const [key, value] of Object.entries(config)) {
      // What asks for nothing is not written.
      if (!(key in own)) expect([null, false, 0.99, "channels_last"], key).toContain(value);
      else if (key === "layer") expect(own.layer).toMatchObject({ class_name: "Flatten" });
      else expect(own[key], key).toEqual(value);
    }
    const json = JSON.parse(JSON.stringify(describeComponent(back)));
    expect(describeComponent(layerFromConfig(json))).toEqual(json);
  });

  it("have unroll, which changes nothing", () => {
    const config = { units: 2, unroll: true };
    expect(layerFromConfig({ class_name: "LSTM", config }).config().unroll).toBe(true);
  });

  it.each<[string, JsonObject, JsonObject]>([
    ["LeakyReLU", { alpha: 0.25 }, { negative_slope: 0.25 }],
    ["GlobalMaxPooling1D", { data_format: "channels_last" }, { keepdims: false }],
    [
      "BatchNormalization",
      { synchronized: false, renorm: false, virtual_batch_size: null },
      { momentum: 0.99 },
    ],
  ])("of Keras 2: %s %j", (class_name, config, expected) => {
    expect(layerFromConfig({ class_name, config }).config()).toMatchObject(expected);
  });

  it.each<[string, JsonObject, string]>([
    ["BatchNormalization", { renorm: true }, "renorm"],
    ["BatchNormalization", { synchronized: true }, "synchronized"],
    ["ZeroPadding1D", { data_format: "channels_first" }, "data_format"],
  ])("are refused where they ask for more: %s %j", (class_name, config, key) => {
    expect(refusal(() => layerFromConfig({ class_name, config })).received).toContain(`"${key}"`);
  });
});
