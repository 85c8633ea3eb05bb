import { describe, expect, it } from "vitest";
import { atOnce, type Steps } from "../breather.js";
import * as ops from "../graph/build.js";
import { mul, symbol } from "../graph/dim.js";
import type { Graph, StateVariable, SymbolicTensor, Update } from "../graph/ir.js";
import { gradients } from "../passes/autodiff.js";
import { optimize } from "../passes/index.js";
import { planSteps } from "./compile.js";
import type { Lifetimes } from "./memory.js";
import { layScratch } from "./memory.js";
import type { Program } from "./program.js";
import { layoutState } from "./state.js";

// What planning costs, counted in steps and looks, not in time: four times the layers, about four times the work.

const B = symbol("B");
const H = 4;

type Layer = (x: SymbolicTensor, weights: SymbolicTensor) => SymbolicTensor;

/** A training step with momentum and weight decay: so many layers, each with H × H weights, side by side in one variable. */
function trainingStep(layers: number, layer: Layer): { graph: Graph; variables: StateVariable[] } {
  const size = layers * H * H;
  const [weights, velocity] = ["weights", "velocity"].map(
    (name): StateVariable => ({ name, shape: [size], dtype: "float32", role: "weight" }),
  ) as [StateVariable, StateVariable];
  const states = Array.from(
    { length: layers },
    (_, i): StateVariable => ({ name: `state ${i}`, shape: [H], dtype: "float32", role: "recurrent" }),
  );
  const all = ops.read(weights);
  const x = ops.input("x", [B, H]);
  const updates: Update[] = [];
  const kernels = Array.from({ length: layers }, (_, i) =>
    ops.reshape(ops.slice(all, [i * H * H], [H * H]), [H, H]),
  );
  let y = x;
  kernels.forEach((kernel, i) => {
    const variable = states[i];
    if (variable === undefined) throw new Error("no state");
    y = ops.add(layer(y, kernel), ops.read(variable));
    updates.push({ variable, value: ops.mul(ops.mean(y, 0), 0.5) });
  });
  const loss = ops.mean(ops.square(y));
  const slopes = gradients(loss, kernels).map((g, i) => {
    const kernel = kernels[i];
    if (g === undefined || kernel === undefined) throw new Error("no gradient");
    return ops.reshape(ops.add(ops.mul(kernel, 0.01), g), [-1]);
  });
  const next = ops.add(ops.mul(ops.read(velocity), 0.9), ops.concat(slopes, 0));
  updates.push({ variable: velocity, value: next }, { variable: weights, value: ops.sub(all, next) });
  const graph: Graph = { name: "step", inputs: [x], outputs: { loss }, updates };
  return { graph: optimize(graph), variables: [weights, velocity, ...states] };
}

function counted<R>(steps: Steps<R>): { count: number; result: R } {
  for (let count = 1; ; count++) {
    const step = steps.next();
    if (step.done === true) return { count, result: step.value };
  }
}

const dense: Layer = (x, w) => ops.tanh(ops.matMul(x, w));
const layers: Readonly<Record<string, Layer>> = {
  dense,
  residual: (x, w) => ops.add(x, ops.mul(dense(x, w), 0.5)),
  highway: (x, w) => {
    const gate = ops.sigmoid(ops.matMul(x, w));
    return ops.add(ops.mul(gate, dense(x, w)), ops.mul(ops.sub(1, gate), x));
  },
};

const options = (variables: readonly StateVariable[]) => ({
  bindings: { B: 8, T: 7 },
  layout: layoutState(variables),
  vectorWidth: 8,
});

describe.each(Object.entries(layers))("planning %s layers", (_, layer) => {
  const plans = [50, 200].map((n) => {
    const { graph, variables } = trainingStep(n, layer);
    return counted(planSteps(graph, options(variables)));
  });
  const [few, many] = plans.map(({ count }) => count) as [number, number];
  const [small, large] = plans.map(({ result }) => result) as [Program, Program];

  it("takes steps in proportion to their number", () => {
    expect(many / few).toBeLessThan(4.2);
  });

  it("makes programs of proportionate size", () => {
    expect(large.words.length / small.words.length).toBeLessThan(4.2);
    expect(large.scratchBytes / small.scratchBytes).toBeLessThan(4.2);
  });
});

describe("planning graphs without ladders", () => {
  const [x, w] = [ops.input("x", [B, H]), ops.input("w", [H, H])];
  const series = ops.input("series", [B, symbol("T"), H]);
  const tower = (from: SymbolicTensor, n: number): SymbolicTensor[] => {
    const values = [from];
    for (let i = 1; i < n; i++) values.push(dense(values[i - 1] ?? from, w));
    return values;
  };
  const total = (values: readonly SymbolicTensor[]) => ops.sum(ops.concat(values, 0));

  it.each<[string, (n: number) => SymbolicTensor]>([
    [
      "with long ways round",
      (n) => {
        const early = tower(x, n);
        let y = early.at(-1) ?? x;
        for (const skip of early) y = ops.add(skip, dense(y, w));
        return y;
      },
    ],
    [
      "of independent parts side by side",
      (n) => {
        const [left, right] = [tower(ops.sin(x), n), tower(ops.cos(x), n)];
        const sums = left.map((y, i) => ops.add(y, right[i] ?? y));
        return total([...left.slice(-1), ...right.slice(-1), ...sums]);
      },
    ],
    [
      "of windows with strides over an open axis",
      (n) => {
        // Halved and doubled in turns: the size is that of the first pair, however many there are.
        let y: SymbolicTensor = series;
        for (let i = 0; i < n; i++) {
          const half = ops.pool(y, { kind: "max", window: [2], padding: "same" });
          const [rows = 0, steps = 0] = half.shape;
          const pairs = ops.broadcastTo(ops.expandDims(half, 2), [rows, steps, 2, H]);
          y = ops.tanh(ops.reshape(pairs, [rows, mul(steps, 2), H]));
        }
        expect(`${y.shape[1]}`).toBe("2*floor((T+1)/2)");
        return y;
      },
    ],
  ])("%s takes steps in proportion to their size", (_, build) => {
    const [few, many] = [100, 400].map((n) => {
      const graph = { name: "graph", inputs: [x, w, series], outputs: { y: build(n) }, updates: [] };
      return counted(planSteps(optimize(graph), options([]))).count;
    }) as [number, number];
    expect(many / few).toBeLessThan(4.2);
  });
});

describe("laying out scratch memory", () => {
  it("looks at few of the buffers that lived before", () => {
    let looks = 0;
    const lives: Lifetimes = new Map();
    const n = 2000;
    const live = (bytes: number, first: number, last: number) => {
      const buffer = {
        bytes,
        region: "scratch" as const,
        index: 0,
        offset: 0,
        alias: undefined,
        scope: undefined,
      };
      lives.set(buffer, { first, last });
    };
    for (let i = 0; i < n; i++) {
      // Kept until the way back, and used on it for a moment.
      live(64, i, 2 * n - i);
      live(64, 2 * n - i, 2 * n - i + 1);
    }
    const steps = layScratch(lives, () => looks++);
    expect(atOnce(steps).bytes).toBe(64 * (n + 1));
    expect(looks).toBeLessThan(60 * lives.size);
  });
});

describe("deep graphs", () => {
  const depth = 20_000;
  const x = ops.input("x", [2, 2]);
  it.each<[string, (y: SymbolicTensor, i: number) => SymbolicTensor]>([
    ["kernels", (y) => ops.matMul(y, x)],
    ["elementwise", (y) => ops.tanh(y)],
    ["windows", (y, i) => (i % 2 === 0 ? ops.transpose(y) : ops.reverse(y, 0))],
  ])("of %s are planned", (_, grow) => {
    let y: SymbolicTensor = x;
    for (let i = 0; i < depth; i++) y = grow(y, i);
    const z = ops.add(y, x);
    const graph = optimize({ name: "deep", inputs: [x], outputs: { z }, updates: [] });
    const program = atOnce(planSteps(graph, { bindings: {}, layout: layoutState([]), vectorWidth: 8 }));
    expect(program.words.length).toBeGreaterThan(0);
  });

  it("are lowered within a loop", () => {
    const steps = ops.input("steps", [3, 2, 2]);
    const { states } = ops.scan({
      sequences: [steps],
      states: [{ shape: [2, 2], dtype: "float32" }],
      step: ([now = x], [state = x]) => {
        let y = state;
        for (let i = 0; i < depth; i++) y = ops.matMul(y, now);
        return { outputs: [], states: [y] };
      },
    });
    const [z = x] = states;
    const graph = optimize({ name: "deep", inputs: [steps], outputs: { z }, updates: [] });
    const program = atOnce(planSteps(graph, { bindings: {}, layout: layoutState([]), vectorWidth: 8 }));
    expect(program.words.length).toBeGreaterThan(depth);
  });
});
