import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { execute } from "../../tests/execute.js";
import * as ops from "../graph/build.js";
import { symbol } from "../graph/dim.js";
import type { Graph, StateVariable } from "../graph/ir.js";
import { gradients } from "../passes/autodiff.js";
import type { Backend } from "../runtime/backend.js";
import { createBackend } from "../runtime/select.js";
import { compile } from "./compile.js";
import { decode } from "./encode.js";
import { layoutState } from "./state.js";

const B = symbol("B");
let backend: Backend;
beforeAll(async () => {
  backend = await createBackend({ warn: () => undefined });
});
afterAll(() => backend.close());

/** Logistic regression with momentum: state in place, gradients side by side. */
function step(): { graph: Graph; flat: StateVariable; velocity: StateVariable } {
  const flat: StateVariable = { name: "weights", shape: [8], dtype: "float32", role: "weight" };
  const velocity: StateVariable = { name: "velocity", shape: [8], dtype: "float32", role: "slot" };
  const [x, y] = [ops.input("x", [B, 3]), ops.input("y", [B, 2])];
  const all = ops.read(flat);
  const kernel = ops.reshape(ops.slice(all, [0], [6]), [3, 2]);
  const bias = ops.slice(all, [6], [2]);
  const error = ops.sub(ops.add(ops.matMul(x, kernel), bias), y);
  const loss = ops.mean(ops.square(error));
  const grads = gradients(loss, [kernel, bias]).map((g) => {
    if (g === undefined) throw new Error("no gradient");
    return ops.reshape(g, [-1]);
  });
  const next = ops.add(ops.mul(ops.read(velocity), 0.9), ops.concat(grads, 0));
  return {
    flat,
    velocity,
    graph: {
      name: "step",
      inputs: [x, y],
      outputs: { loss },
      updates: [
        { variable: velocity, value: next },
        { variable: flat, value: ops.sub(all, ops.mul(next, 0.1)) },
      ],
    },
  };
}

describe("compile", () => {
  it("runs a training step with its updates in place", async () => {
    const { graph, flat, velocity } = step();
    const x = Float32Array.of(1, 2, 3, -1, 0.5, 2);
    const y = Float32Array.of(1, 0, 0, 1);
    const w = Float32Array.of(0.1, -0.2, 0.3, 0.4, -0.5, 0.6, 0.05, -0.05);
    const { outputs, state } = await execute(graph, [x, y], { B: 2 }, backend, new Map([[flat, w]]));
    // By hand, in float64.
    const error = [0, 1].map((b) =>
      [0, 1].map(
        (j) =>
          [0, 1, 2].reduce((s, i) => s + (x[b * 3 + i] ?? 0) * (w[i * 2 + j] ?? 0), w[6 + j] ?? 0) -
          (y[b * 2 + j] ?? 0),
      ),
    );
    const at = (b: number, j: number) => error[b]?.[j] ?? 0;
    expect(outputs.loss?.[0]).toBeCloseTo(
      (at(0, 0) ** 2 + at(0, 1) ** 2 + at(1, 0) ** 2 + at(1, 1) ** 2) / 4,
      5,
    );
    for (let i = 0; i < 8; i++) {
      const j = i % 2;
      const g =
        i < 6
          ? [0, 1].reduce((s, b) => s + (x[b * 3 + (i >> 1)] ?? 0) * at(b, j) * 0.5, 0)
          : (at(0, j) + at(1, j)) * 0.5;
      expect(state.get(velocity)?.[i]).toBeCloseTo(g, 5);
      expect(state.get(flat)?.[i]).toBeCloseTo((w[i] ?? 0) - 0.1 * g, 5);
    }
  });

  it("updates the state with one fused instruction and copies no gradient", () => {
    const { graph, flat, velocity } = step();
    const program = compile(graph, {
      bindings: { B: 4 },
      layout: layoutState([flat, velocity]),
      vectorWidth: 8,
    });
    const names = decode(program.words).map((i) => i.name);
    const writers = names.filter((name) => name === "map").length;
    expect(names).toContain("matmul");
    // error; the square for the loss and its gradient share one; the update: nothing is copied.
    expect(writers).toBeLessThanOrEqual(3);
  });

  it("runs a general scan over time, forwards and its gradient backwards", async () => {
    const x = ops.input("x", [4, B, 2]);
    const { outputs, states } = ops.scan({
      sequences: [x],
      states: [{ shape: [B, 2], dtype: "float32" }],
      step([now], [sum]) {
        if (now === undefined || sum === undefined) throw new Error("operands");
        const next = ops.add(ops.mul(sum, 0.5), now);
        return { outputs: [ops.square(next)], states: [next] };
      },
    });
    const [ys] = outputs;
    const [last] = states;
    if (ys === undefined || last === undefined) throw new Error("results");
    const loss = ops.sum(ys);
    const [dx] = gradients(loss, [x]);
    if (dx === undefined) throw new Error("no gradient");
    const data = Float32Array.from({ length: 8 }, (_, i) => i - 3);
    const graph: Graph = { name: "scan", inputs: [x], outputs: { ys, last, dx, loss }, updates: [] };
    const result = await execute(graph, [data], { B: 1 }, backend);
    const sums: number[][] = [];
    for (let t = 0; t < 4; t++)
      sums.push([0, 1].map((j) => 0.5 * (sums[t - 1]?.[j] ?? 0) + (data[t * 2 + j] ?? 0)));
    expect([...(result.outputs.ys ?? [])]).toEqual(sums.flat().map((s) => s * s));
    expect([...(result.outputs.last ?? [])]).toEqual(sums[3]);
    const want = [0, 1, 2, 3].map((t) =>
      [0, 1].map((j) => {
        let g = 0;
        for (let u = 3; u >= t; u--) g += 2 * (sums[u]?.[j] ?? 0) * 0.5 ** (u - t);
        return g;
      }),
    );
    expect([...(result.outputs.dx ?? [])]).toEqual(want.flat());
  });
});
