import { describe, expect, it } from "vitest";
import { type SymbolicTensor, topological } from "../../src/graph/ir.js";
import { mul } from "../../src/graph/ops/elementwise.js";
import { mean } from "../../src/graph/ops/reduce.js";
import { input } from "../../src/graph/ops/source.js";
import type { TableKind } from "../../src/layers/component.js";
import { optimizerKind } from "../../src/train/optimizers/index.js";
import type { Optimizer } from "../../src/train/optimizers/optimizer.js";
import { keepsSeen, seenSlot, slotsOf, updateGroups } from "../../src/train/optimizers/update.js";
import { type GoldenCase, goldenError, loadGolden } from "../golden/load.js";
import { evaluate, known, scalar, type Values } from "../reference.js";

const [R, D, N, steps] = [9, 3, 6, 10];

function optimizerOf({ config: { optimizer, ...options } }: GoldenCase): Optimizer {
  const factory = known(optimizerKind.factories[String(optimizer)], String(optimizer)) as unknown;
  return (factory as (options: object) => Optimizer)(options);
}

/** The update of a table, of which ids name rows, and of a bias, step after step; and the graph of a step. */
function train(golden: GoldenCase, optimizer: Optimizer) {
  const { a, b } = golden.weights;
  const state = new Map<string, Values>();
  const hold = (name: string, shape: readonly number[], data: Iterable<number>) =>
    void state.set(name, { shape, data: Float64Array.from(data) });
  const parts = [
    { name: "a", shape: [R, D], size: R * D, table: "whole" as TableKind },
    { name: "b", shape: [D], size: D, table: null },
  ];
  const groups = parts.map(({ name, shape, size, table }, k) => {
    hold(name, [size], known(k === 0 ? a : b, name).data);
    for (const slot of slotsOf(optimizer, 1))
      hold(
        `${name} ${slot.name}`,
        slot.scalar ? [] : [size],
        Array(slot.scalar ? 1 : size).fill(slot.initial),
      );
    if (keepsSeen(optimizer, table)) hold(`${name} ${seenSlot}`, [R], Array(R).fill(0));
    return {
      parameters: input(name, [size]),
      weights: [{ name, shape, offset: 0, size, constraint: null, table }],
      gradients: [table === null ? [input("gradient", shape)] : []],
      named:
        table === null
          ? undefined
          : { ids: input("ids", [N], "int32"), gradients: input("rows", [N, D]), lazy: false },
      slot: (slot: string) => input(`${name} ${slot}`, known(state.get(`${name} ${slot}`), slot).shape),
    };
  });
  const updated = updateGroups(optimizer, groups, {
    learningRate: input("rate", []),
    steps: input("step", []),
  });
  const results = new Map<string, SymbolicTensor>();
  updated.forEach(({ parameters, slots }, k) => {
    const { name } = known(parts[k], "part");
    results.set(name, parameters);
    for (const [slot, value] of Object.entries(slots)) results.set(`${name} ${slot}`, value);
  });
  expect([...results.keys()].sort()).toEqual([...state.keys()].sort());
  const rows = (key: string, step: number, shape: readonly number[]): Values => {
    const size = shape.reduce((p, d) => p * d, 1);
    const { data } = known(golden.inputs[key], key);
    return { shape, data: Float64Array.from(data.slice(step * size, (step + 1) * size)) };
  };
  const weights: Float64Array[] = [];
  for (let step = 0; step < steps; step++) {
    const inputs = {
      ...Object.fromEntries(state),
      ids: rows("ids", step, [N]),
      rows: rows("rows", step, [N, D]),
      gradient: rows("gradient.b", step, [D]),
      rate: scalar(Number(optimizer.learningRate)),
      step: scalar(step),
    };
    const values = evaluate([...results.values()], { inputs });
    for (const [at, key] of [...results.keys()].entries()) state.set(key, known(values[at], key));
    weights.push(Float64Array.from(["a", "b"].flatMap((key) => [...known(state.get(key), key).data])));
  }
  return { weights, ops: new Set(topological(results.values()).map(({ op }) => op.name)), results };
}

describe("tables are updated as Keras updates them as a whole, over ten steps", () => {
  for (const golden of loadGolden("tables")) {
    const optimizer = optimizerOf(golden);
    it(golden.name, () => {
      const { weights } = train(golden, optimizer);
      for (const [i, found] of weights.entries()) {
        const expected = (["a", "b"] as const).flatMap((key) => {
          const { data } = known(golden.outputs[key], key);
          const size = data.length / steps;
          return [...data.slice(i * size, (i + 1) * size)];
        });
        const tensor = { shape: [expected.length], data: Float32Array.from(expected), stride: 1 };
        expect(goldenError(found, tensor)).toBeLessThan(1e-6);
      }
    });

    it(`${golden.name}: no gradient of the table's size is made, but where each step is needed`, () => {
      const { ops } = train(golden, optimizer);
      const whole = optimizer.useEma === true || optimizer.gradientAccumulationSteps !== null;
      expect(ops.has("scatterAdd")).toBe(whole);
      expect(ops.has("eachRow")).toBe(!whole);
    });
  }

  it("an optimizer of one's own that is no rule for each parameter by itself gets the whole table", () => {
    const golden = known(loadGolden("tables")[0], "a case");
    const sgd = optimizerOf(golden);
    const own: Optimizer = {
      ...sgd,
      update: (context) =>
        sgd.update({ ...context, gradients: mul(context.gradients, mean(context.gradients)) }),
    };
    const { ops } = train(golden, own);
    expect(ops.has("scatterAdd")).toBe(true);
    expect(ops.has("eachRow")).toBe(false);
  });
});
