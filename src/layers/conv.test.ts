import { describe, expect, it } from "vitest";
import { refusal } from "../../tests/arrays.js";
import { evaluate, known, type Values } from "../../tests/reference.js";
import { symbol } from "../graph/dim.js";
import { topological } from "../graph/ir.js";
import { mul } from "../graph/ops/elementwise.js";
import { sum } from "../graph/ops/reduce.js";
import { input } from "../graph/ops/source.js";
import { gradients } from "../passes/autodiff.js";
import { optimize } from "../passes/index.js";
import { trace } from "./context.case.js";
import { type JsonObject, type Layer, layerFromConfig, layers } from "./index.js";
import { floats } from "./layer.js";

const B = symbol("B");
const T = symbol("T");

const picturesOf = (channels: number) => floats([B, 8, 6, channels]);
const message = (make: () => unknown): string => {
  const { received, expected, fix } = refusal(make);
  return `${received} | ${expected} | ${fix}`;
};

describe("shapes", () => {
  it.each<[string, () => Layer, readonly (number | typeof T)[], readonly (string | number)[]]>([
    ["conv1d", () => layers.conv1d({ filters: 5, kernelSize: 3 }), [T, 2], ["T-2", 5]],
    [
      "strides",
      () => layers.conv1d({ filters: 5, kernelSize: 3, strides: 2 }),
      [T, 2],
      ["floor((T+1)/2)-1", 5],
    ],
    [
      "strides, same",
      () => layers.conv1d({ filters: 5, kernelSize: 3, strides: 2, padding: "same" }),
      [T, 2],
      ["floor((T+1)/2)", 5],
    ],
    ["maxPooling1d", () => layers.maxPooling1d(), [T, 3], ["floor(T/2)", 3]],
    ["causal", () => layers.conv1d({ filters: 5, kernelSize: 3, padding: "causal" }), [T, 2], ["T", 5]],
    ["conv2d", () => layers.conv2d({ filters: 5, kernelSize: [3, 2], strides: 2 }), [8, 6, 1], [3, 3, 5]],
    [
      "same",
      () => layers.conv2d({ filters: 5, kernelSize: 3, strides: 3, padding: "same" }),
      [8, 6, 1],
      [3, 2, 5],
    ],
    ["maxPooling2d", () => layers.maxPooling2d({ padding: "same" }), [7, 6, 3], [4, 3, 3]],
    ["maxPooling3d", () => layers.maxPooling3d({ poolSize: [1, 2, 3] }), [4, 6, 6, 2], [4, 3, 2, 2]],
    ["averagePooling1d", () => layers.averagePooling1d({ strides: 1 }), [T, 3], ["T-1", 3]],
    ["zeroPadding2d", () => layers.zeroPadding2d({ padding: [1, 2] }), [8, 6, 1], [10, 10, 1]],
    ["cropping2d", () => layers.cropping2d({ cropping: 2 }), [8, 6, 1], [4, 2, 1]],
    ["upSampling2d", () => layers.upSampling2d(), [8, 6, 1], [16, 12, 1]],
    ["convLstm2d", () => layers.convLstm2d({ filters: 3, kernelSize: 3 }), [T, 8, 6, 1], [6, 4, 3]],
    [
      "convLstm1d",
      () => layers.convLstm1d({ filters: 3, kernelSize: 3, returnSequences: true }),
      [T, 8, 1],
      ["T", 6, 3],
    ],
  ])("of %s", (_name, make, given, expected) => {
    const [y] = make().outputTypes(floats([B, ...given]));
    expect(y?.shape.slice(1).map((d) => (typeof d === "number" ? d : String(d)))).toEqual(expected);
  });
});

describe("what does not fit", () => {
  const conv = (options: object) => layers.conv2d({ filters: 4, kernelSize: 3, ...options });
  it.each<[string, () => unknown, string]>([
    ["strides and dilation", () => conv({ strides: 2, dilationRate: 2 }), "one of them to be 1"],
    ["filters and groups", () => conv({ groups: 3 }), "Take 6 filters"],
    ["channels and groups", () => conv({ groups: 2 }).build(picturesOf(3)), "3 channels in 2 groups"],
    ["a kernel of three sizes", () => conv({ kernelSize: [1, 2, 3] }), "2 of them in a list"],
    ["padding of another kind", () => conv({ padding: "causal" as never }), "causal"],
    ["a sequence of pictures", () => conv({}).build(floats([B, 4, 8, 6, 1])), "timeDistributed"],
    ["no channels", () => conv({}).build(floats([B, 8, 6])), "an axis of channels"],
    ["a row of numbers", () => conv({}).build(floats([B, 48])), "reshape({ targetShape"],
    ["open channels", () => conv({}).build(floats([B, 8, 6, T])), "a last axis of known size"],
    [
      "a window too large",
      () => conv({ kernelSize: 9 }).outputTypes(picturesOf(1)),
      "windows that reach over 9",
    ],
    ["one vector a sample", () => layers.maxPooling1d().build(floats([B, 3])), "returnSequences"],
    [
      "more cropped than there is",
      () => layers.cropping2d({ cropping: 3 }).build(picturesOf(1)),
      "Crop less",
    ],
    [
      "a sequence without channels",
      () => layers.convLstm2d({ filters: 1, kernelSize: 1 }).build(floats([B, T, 8, 6])),
      "reshape adds an axis",
    ],
    [
      "pictures of open size in convLstm2d",
      () => layers.convLstm2d({ filters: 1, kernelSize: 1 }).build(floats([B, 4, T, 6, 1])),
      "known sizes of all axes",
    ],
  ])("%s is told", (_name, make, expected) => {
    expect(message(make)).toContain(expected);
  });

  it("channels in front are refused in files too", () => {
    const config: JsonObject = { filters: 2, kernel_size: [3, 3], data_format: "channels_first" };
    expect(message(() => layerFromConfig({ class_name: "Conv2D", config }))).toContain('"channelsFirst"');
    expect(() =>
      layerFromConfig({ class_name: "Conv2D", config: { ...config, data_format: "channels_last" } }),
    ).not.toThrow();
  });
});

describe("masks", () => {
  const kernelOf = (layer: Layer, shape: readonly number[], maskShape: readonly number[], hole: number) => {
    const mask = input("mask", maskShape, "bool");
    const { outputs, warnings } = trace(layer, input("x", shape).withMask(mask));
    const y = known(outputs[0], "output");
    const kernel = known(
      topological([y])
        .flatMap((node) => node.inputs)
        .find(({ node }) => (node.attrs as { name?: string }).name === "kernel"),
      "kernel",
    );
    const [slope] = gradients(sum(mul(y, y)), [kernel]);
    const filled = (own: readonly number[], value: (i: number) => number): Values => {
      const data = Float64Array.from({ length: own.reduce((p, d) => p * d, 1) }, (_, i) => value(i));
      return { shape: own, data };
    };
    const steps = maskShape.reduce((p, d) => p * d, 1);
    const width = shape.reduce((p, d) => p * d, 1) / steps;
    const counts = (step: number): boolean => step % 3 !== 1;
    const inputs = {
      mask: filled(maskShape, (i) => Number(counts(i))),
      x: filled(shape, (i) => (counts(Math.floor(i / width)) ? Math.sin(i) : hole)),
      ...Object.fromEntries(
        layer.weights().map((weight) => [weight.name, filled(weight.shape, (i) => Math.cos(i))]),
      ),
    };
    return { slope: known(evaluate([known(slope, "slope")], { inputs })[0], "slope").data, warnings };
  };

  it.each([Number.NaN, Number.POSITIVE_INFINITY])("%s at masked steps counts as 0", (hole) => {
    const conv = () => layers.conv1d({ filters: 2, kernelSize: 3, padding: "same" });
    const with0 = kernelOf(conv(), [2, 6, 3], [2, 6], 0);
    const withHole = kernelOf(conv(), [2, 6, 3], [2, 6], hole);
    expect(withHole.slope.every(Number.isFinite)).toBe(true);
    expect(withHole.slope).toEqual(with0.slope);
    expect(withHole.warnings).toEqual([expect.stringContaining("drops the mask")]);
  });

  it("of steps keep rows out of the kernel's gradient within timeDistributed", () => {
    const layer = () => layers.timeDistributed({ layer: layers.conv2d({ filters: 2, kernelSize: 2 }) });
    const result = kernelOf(layer(), [2, 3, 3, 3, 1], [2, 3], Number.NaN);
    expect(result.slope.every(Number.isFinite)).toBe(true);
    expect(result.warnings).toEqual([]);
  });

  it("other values at masked steps stay, as in Keras", () => {
    const conv = () => layers.conv1d({ filters: 2, kernelSize: 3, padding: "same" });
    expect(kernelOf(conv(), [2, 6, 3], [2, 6], 5).slope).not.toEqual(
      kernelOf(conv(), [2, 6, 3], [2, 6], 0).slope,
    );
  });
});

describe("within a loop", () => {
  it("kernels are packed once, before it", () => {
    const layer = layers.convLstm2d({ filters: 2, kernelSize: 2 });
    const { outputs } = trace(layer, input("x", [2, 3, 4, 4, 1]));
    const y = known(outputs[0], "output");
    const loss = sum(mul(y, y));
    const kernels = topological([y])
      .flatMap((node) => node.inputs)
      .filter(({ node }) => /kernel$/.test((node.attrs as { name?: string }).name ?? ""));
    const found = gradients(loss, [known(kernels[0], "kernel")]);
    const graph = optimize({
      name: "step",
      inputs: [],
      outputs: { loss, slope: known(found[0], "slope") },
      updates: [],
    });
    const all = topological(Object.values(graph.outputs));
    const bodies = all.flatMap(({ attrs }) =>
      "body" in attrs ? [(attrs as { body: { outputs: []; newStates: [] } }).body] : [],
    );
    expect(bodies.length).toBeGreaterThan(1);
    const inside = bodies.flatMap(({ outputs: ys, newStates }) => topological([...ys, ...newStates]));
    expect(inside.filter(({ op }) => op.name === "conv").length).toBeGreaterThan(3);
    expect(inside.filter(({ op }) => op.name === "layOut")).toEqual([]);
    expect(all.filter(({ op }) => op.name === "layOut").length).toBeGreaterThanOrEqual(3);
  });
});
