import { expect, it } from "vitest";
import { gradients } from "../passes/autodiff.js";
import * as ops from "./build.js";
import { symbol } from "./dim.js";
import type { Graph, StateVariable } from "./ir.js";
import { printGraph } from "./print.js";

const [B, T] = [symbol("B"), symbol("T")];

it("prints a training step", () => {
  const w: StateVariable = { name: "dense/kernel", shape: [3, 2], dtype: "float32", role: "weight" };
  const x = ops.input("x", [B, 3]);
  const kernel = ops.read(w);
  const loss = ops.mean(ops.square(ops.matMul(x, kernel)));
  const [g = kernel] = gradients(loss, [kernel]);
  const graph: Graph = {
    name: "step",
    inputs: [x],
    outputs: { loss },
    updates: [{ variable: w, value: ops.sub(kernel, ops.mul(g, 0.01)) }],
  };
  expect(`\n${printGraph(graph)}`).toMatchInlineSnapshot(`
    "
    step(x: float32[B, 3])
      %0 = input x : float32[B, 3]
      %1 = state dense/kernel : float32[3, 2]
      %2 = matmul %0 %1 : float32[B, 2]
      %3 = square %2 : float32[B, 2]
      %4 = mean axes=[0, 1] %3 : float32[]
      %5 = transpose perm=[1, 0] %0 : float32[3, B]
      %6 = constant {1} : float32[]
      %7 = size size=2*B : float32[]
      %8 = div %6 %7 : float32[]
      %9 = reshape %8 : float32[1, 1]
      %10 = broadcastTo %9 : float32[B, 2]
      %11 = constant {2} : float32[]
      %12 = mul %2 %11 : float32[B, 2]
      %13 = mul %10 %12 : float32[B, 2]
      %14 = matmul %5 %13 : float32[3, 2]
      %15 = constant {0.01} : float32[]
      %16 = mul %14 %15 : float32[3, 2]
      %17 = sub %1 %16 : float32[3, 2]
      loss = %4
      dense/kernel := %17
    "
  `);
});

it("prints scans with their bodies, and masks", () => {
  const x = ops.input("x", [T, B, 2]);
  const mask = ops.input("mask", [T, B], "bool");
  const weights = ops.constant(
    Float32Array.from({ length: 10 }, (_, i) => i / 3),
    [2, 5],
    "float32",
  );
  const { outputs, states } = ops.scan({
    sequences: [x],
    states: [{ shape: [B, 5], dtype: "float32" }],
    step([now = x], [h = x]) {
      const inner = ops.scan({
        sequences: [now],
        states: [{ shape: [], dtype: "float32" }],
        step: ([row = x], [sum = x]) => ({ outputs: [], states: [ops.add(sum, ops.max(row))] }),
      });
      const next = ops.tanh(ops.add(ops.matMul(now, weights), ops.mul(h, inner.states[0] ?? h)));
      return { outputs: [next], states: [next] };
    },
  });
  const [y = x, last = x] = [...outputs, ...states];
  const graph: Graph = {
    name: "run",
    inputs: [x, mask],
    outputs: { y: y.withMask(mask), last },
    updates: [],
  };
  expect(`\n${printGraph(graph)}`).toMatchInlineSnapshot(`
    "
    run(x: float32[T, B, 2], mask: bool[T, B])
      %0 = input x : float32[T, B, 2]
      %1 = constant {0} : float32[]
      %2 = broadcastTo %1 : float32[B, 5]
      %3 = constant {0, 0.333333, 0.666667, 1, 1.33333, 1.66667, 2, 2.33333, …} : float32[2, 5]
      %4 = scan length=T %0 %2 %3 : float32[T, B, 5], float32[B, 5], float32[T, B, 5]
        %0 = sequence : float32[B, 2]
        %1 = state : float32[B, 5]
        %2 = constant : float32[2, 5]
        %3 = matmul %0 %2 : float32[B, 5]
        %4 = constant {0} : float32[]
        %5 = scan length=B %0 %4 : float32[], float32[B]
          %0 = sequence : float32[2]
          %1 = state : float32[]
          %2 = max axes=[0] %0 : float32[]
          %3 = add %1 %2 : float32[]
          outputs, states %3
        %6 = mul %1 %5.0 : float32[B, 5]
        %7 = add %3 %6 : float32[B, 5]
        %8 = tanh %7 : float32[B, 5]
        outputs %8, states %8
      %5 = input mask : bool[T, B]
      y = %4.0 masked by %5
      last = %4.1
    "
  `);
});

it("gives the same graph the same text", () => {
  const build = (): Graph => {
    const x = ops.input("x", [B]);
    return { name: "g", inputs: [x], outputs: { y: ops.add(ops.exp(x), ops.scalar(-0)) }, updates: [] };
  };
  expect(printGraph(build())).toBe(printGraph(build()));
  expect(printGraph(build())).toContain("constant {-0} : float32[]");
});
