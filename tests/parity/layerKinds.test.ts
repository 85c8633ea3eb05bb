import { describe, expect, it } from "vitest";
import { type Shape, symbol } from "../../src/graph/dim.js";
import type { SymbolicTensor } from "../../src/graph/ir.js";
import { add, mul } from "../../src/graph/ops/elementwise.js";
import { sum } from "../../src/graph/ops/reduce.js";
import { input, zeros } from "../../src/graph/ops/source.js";
import {
  callContext,
  type Inputs,
  type Layer,
  LayerNames,
  layers,
  type Weight,
} from "../../src/layers/index.js";
import { gradients } from "../../src/passes/autodiff.js";
import { type GoldenCase, type GoldenTensor, goldenError, loadGolden } from "../golden/load.js";
import { interpret, known, type Values } from "../reference.js";

// Goldens are float64 results stored as float32 (2^-24 of a value), the interpreter works in float64; Keras's batch
// statistics under a mask have 1e-7 added to their counts.
const TOLERANCE = 1e-6;

type Config = Readonly<Record<string, unknown>>;
interface Described {
  readonly kind: string;
  readonly config: Config;
}
const makers = layers as unknown as Readonly<Record<string, (options: Config) => Layer>>;
const make = ({ kind, config: { keepdims, layer, ...config } }: Described): Layer =>
  known(
    makers[kind],
    kind,
  )({
    ...config,
    ...(keepdims === undefined ? {} : { keepDims: keepdims }),
    ...(layer === undefined ? {} : { layer: make(layer as Described) }),
  });

const counts = (mask: GoldenTensor | undefined, step: number): boolean =>
  mask === undefined || mask.data[step] === 1;
/** Which steps count, of [B, T], for the masks of the inputs. */
type Steps = (masks: readonly (GoldenTensor | undefined)[], step: number) => boolean;

/**
 * Where masks make Rondo differ on purpose (docs/masks.md), and at which steps of the output it is still Keras's. Tests of
 * masks beside the layers say what it is there instead.
 */
const differences: readonly { readonly cases: RegExp; readonly same: Steps }[] = [
  {
    // What is masked in one input takes no part.
    cases: /^(add|subtract|average|maximum|minimum|concatenate\/(default|axis2)).*(masked|oneMasked|three)$/i,
    same: (masks, step) => masks.every((mask) => counts(mask, step)),
  },
  { cases: /^multiply/, same: (masks, step) => masks.some((mask) => counts(mask, step)) },
  // Only steps that count are pooled and normalised.
  { cases: /^globalMaxPooling1d\/(left|right|gaps|emptyRows)/, same: () => false },
  { cases: /^unitNormalization\/(axis1|axes12)/, same: () => false },
  // Rows without anything that counts.
  { cases: /^softmax\/(emptyRows|mask3)/, same: (masks, step) => counts(masks[0], step) },
];

/** What activityRegularization adds to the loss: by rows, for the steps that a mask lets count. */
function activityPenalty({ config, inputs }: GoldenCase, mask: GoldenTensor | undefined): number {
  const { shape, data } = known(inputs.x, "x");
  const counted = data.filter((_, i) => counts(mask, Math.floor(i / (shape.at(-1) ?? 1))));
  const { l1 = 0, l2 = 0 } = config as { readonly l1?: number; readonly l2?: number };
  return counted.reduce((sum, x) => sum + l1 * Math.abs(x) + l2 * x ** 2, 0) / (shape[0] ?? 1);
}

interface Replayed {
  readonly outputs: Readonly<Record<string, Values>>;
  readonly masked: Readonly<Record<string, boolean>>;
}

/**
 * All calls of a case in one graph: outputs, running statistics, penalties, masks, and gradients of the weighted sum.
 *
 * @param open whether the axes between rows and features are of open size while the layer is traced
 */
function replay(golden: GoldenCase, open = false): Replayed {
  const layer = make(golden);
  const bindings: Record<string, number> = {};
  const sizesOf = ({ shape }: GoldenTensor): Shape =>
    shape.map((size, axis) => {
      if (!open || axis === 0 || (axis > 1 && axis === shape.length - 1)) return size;
      bindings[`S${axis}`] = size;
      return symbol(`S${axis}`);
    });
  const given = Object.fromEntries(
    Object.entries(golden.inputs).map(([key, tensor]) => [
      key,
      input(`input ${key}`, sizesOf(tensor), key.startsWith("mask") ? "bool" : "float32"),
    ]),
  );
  const batches = golden.kind === "batchNormalization";
  const runs = batches ? ["1", "2", "3"] : [""];
  const xs = (run: string): Inputs => {
    const keys = batches ? [`x${run}`] : Object.keys(given).filter((key) => key.startsWith("x"));
    return keys.map((key) =>
      known(given[key], key).withMask(given[key.replace("x", "mask")]),
    ) as unknown as Inputs;
  };
  new LayerNames().add(layer);
  layer.build(xs("1"));
  const names = Object.keys(golden.weights);
  const weights = new Map<Weight, SymbolicTensor>(
    layer.weights().map((weight, i) => {
      const name = known(names[i], weight.name);
      expect(known(golden.weights[name], name).shape).toEqual(weight.shape);
      return [weight, input(`weight ${name}`, weight.shape)];
    }),
  );
  expect(weights.size).toBe(names.length);
  const values = new Map(weights);
  const outputs: Record<string, SymbolicTensor> = {};
  const masked: Record<string, boolean> = {};
  for (const run of runs) {
    const penalties: SymbolicTensor[] = [];
    const context = callContext({
      training: batches && run !== "3",
      random: { seed: input("seed", [2], "int32") },
      countDraw: () => 0,
      weight: (weight) => known(values.get(weight), weight.name),
      assign: (weight, value) => values.set(weight, value),
      addLoss: (value) => penalties.push(value),
      readState: () => zeros([]),
    });
    const made = layer.callChecked(xs(run), context);
    const y = known(made[0], "output");
    const found: Record<string, SymbolicTensor> = { [`output${run}`]: y.withMask(undefined) };
    if (penalties[0] !== undefined) found.penalty = penalties[0];
    let loss: SymbolicTensor = zeros([]);
    for (const [name, value] of Object.entries(found)) {
      loss = add(loss, sum(mul(value, input(`by ${name}`, value.shape))));
    }
    Object.assign(outputs, found);
    masked[`output${run}`] = y.mask !== undefined;
    if (y.mask !== undefined) outputs[`outputMask${run}`] = y.mask;
    if (batches && run !== "3") {
      const [mean, variance] = layer.weights().slice(-2);
      outputs[`movingMean${run}`] = known(mean && values.get(mean), "mean");
      outputs[`movingVariance${run}`] = known(variance && values.get(variance), "variance");
    }
    const targets: Record<string, SymbolicTensor> = {};
    for (const x of xs(run))
      targets[String(x.node.attrs && (x.node.attrs as { name: string }).name).slice(6)] = x;
    for (const [weight, name] of layer.weights().map((w, i) => [w, names[i]] as const))
      if (name !== undefined) targets[name + run] = known(weights.get(weight), name);
    const slopes = gradients(
      loss,
      Object.values(targets).map((x) => x.withMask(undefined)),
    );
    Object.entries(targets).forEach(([name, x], i) => {
      outputs[`gradient ${name}`] = slopes[i] ?? zeros(x.shape);
    });
  }
  const arrays: Record<string, Values> = {};
  const collect = (prefix: string, tensors: Readonly<Record<string, GoldenTensor>>) => {
    for (const [name, { shape, data }] of Object.entries(tensors))
      arrays[prefix + name] = { shape, data: Float64Array.from(data) };
  };
  collect("input ", golden.inputs);
  collect("weight ", golden.weights);
  collect("by ", golden.lossWeights);
  const graph = { name: golden.name, inputs: [], outputs, updates: [] };
  return { outputs: interpret(graph, { inputs: arrays, bindings }).outputs, masked };
}

const groups = [
  "embedding",
  "timeDistributed",
  "reshaping",
  "merging",
  "pooling",
  "windows",
  "normalization",
  "elementwiseLayers",
] as const;

/** Holds what was replayed to what Keras computed. */
function expectAgreement(golden: GoldenCase, { outputs, masked }: Replayed): void {
  const { name } = golden;
  const same = differences.find(({ cases: pattern }) => pattern.test(name))?.same;
  const masks = Object.keys(golden.inputs)
    .filter((key) => key.startsWith("x"))
    .map((key) => golden.inputs[key.replace("x", "mask")]);
  for (const [key, expected] of Object.entries(golden.outputs)) {
    if (key.startsWith("outputMask")) continue;
    const { shape, data } = known(outputs[key], key);
    expect(shape, key).toEqual(expected.shape);
    // Masked steps cost nothing; in Keras they cost what they hold.
    if (key === "penalty" && golden.inputs.mask !== undefined) {
      expect(data[0]).toBeCloseTo(activityPenalty(golden, golden.inputs.mask), 6);
      expect(expected.data[0]).toBeCloseTo(activityPenalty(golden, undefined), 6);
      continue;
    }
    const steps = Number(masks.find((mask) => mask !== undefined)?.data.length ?? 1);
    const width = data.length / steps;
    const kept = (values: ArrayLike<number>) =>
      Float32Array.from(values, (value, i) => (same?.(masks, Math.floor(i / width)) === false ? 0 : value));
    expect(goldenError(kept(data), { ...expected, data: kept(expected.data) }), key).toBeLessThan(TOLERANCE);
  }
  // Keras has no mask where every step counts in some input; it drops that of cropped steps, and keeps that of
  // the steps within a step.
  const mask = outputs.outputMask?.data ?? [];
  const expected = Array.from(golden.outputs.outputMask?.data ?? []);
  if (!/innerMask|^cropping1d/.test(name))
    expect(Array.from(mask)).toEqual(masked.output || expected.includes(0) ? expected : []);
  // Keras's gradients are those of a sum over masked steps too.
  if (
    masks.some((mask) => mask !== undefined) &&
    (same !== undefined || Object.values(masked).includes(true))
  )
    return;
  for (const [key, expected] of Object.entries(golden.gradients)) {
    const actual = known(outputs[`gradient ${key}`], key);
    expect(goldenError(actual.data, expected), key).toBeLessThan(TOLERANCE);
  }
}

describe.each(groups)("%s agree with Keras in float64", (group) => {
  it.each(loadGolden(group).map((golden) => [golden.name, golden] as const))("%s", (_name, golden) =>
    expectAgreement(golden, replay(golden)),
  );
});

describe("windows over axes of open size agree with Keras in float64", () => {
  const cases = loadGolden("windows").filter(({ kind }) => !kind.startsWith("convLstm"));
  it.each(cases.map((golden) => [golden.name, golden] as const))("%s", (_name, golden) =>
    expectAgreement(golden, replay(golden, true)),
  );
});
