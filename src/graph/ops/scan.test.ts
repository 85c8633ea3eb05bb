import { describe, expect, it } from "vitest";
import { array, computed, refusal } from "../../../tests/arrays.js";
import { gradients } from "../../passes/autodiff.js";
import * as ops from "../build.js";
import { symbol } from "../dim.js";
import { type Node, rootsOf, type SymbolicTensor, topological } from "../ir.js";

const [B, T] = [symbol("B"), symbol("T")];
const present = <X>(x: X | undefined): X => x ?? expect.unreachable("an operand is missing");

/** Sums over time, with what `options` say of it. */
function runningSum(x: SymbolicTensor, mask?: SymbolicTensor): ops.Scanned {
  return ops.scan({
    sequences: [x],
    states: [{ shape: x.shape.slice(1), dtype: x.dtype }],
    mask,
    step([now], [sum]) {
      const next = ops.add(present(now), present(sum));
      return { outputs: [next], states: [next] };
    },
  });
}

describe("scan", () => {
  it("has sequences in front and states without time", () => {
    const { outputs, states } = runningSum(ops.input("x", [T, B, 3]));
    expect(`${outputs[0]?.shape}`).toBe("T,B,3");
    expect(`${states[0]?.shape}`).toBe("B,3");
  });

  it("gives the initial state after no steps", () => {
    const { outputs, states } = runningSum(ops.input("x", [0, 2]));
    const none = { x: { shape: [0, 2], data: new Float64Array() } };
    expect(computed(outputs[0], none)).toEqual([]);
    expect(computed(states[0], none)).toEqual([0, 0]);
  });

  it("carries states and outputs over masked steps, whose values it does not read", () => {
    const x = ops.input("x", [4, 2]);
    const mask = ops.input("mask", [4, 2], "bool");
    const { outputs, states } = runningSum(x, mask);
    const values = {
      x: array([
        [Number.NaN, 1],
        [2, Number.NaN],
        [Number.NaN, 4],
        [8, Number.NaN],
      ]),
      mask: array([
        [0, 1],
        [1, 0],
        [0, 1],
        [1, 0],
      ]),
    };
    expect(computed(outputs[0], values)).toEqual([
      [0, 1],
      [2, 1],
      [2, 5],
      [10, 5],
    ]);
    expect(computed(states[0], values)).toEqual([10, 5]);
    const loss = ops.sum(ops.square(present(outputs[0])));
    expect(computed(gradients(loss, [x])[0], values)).toEqual([
      [0, 24],
      [28, 0],
      [0, 20],
      [20, 0],
    ]);
  });

  it("keeps the dtypes of masked bool and integer sequences", () => {
    const mask = ops.input("mask", [3], "bool");
    for (const dtype of ["bool", "uint8", "int32", "float32"] as const) {
      ops.scan({
        sequences: [ops.input("x", [3], dtype)],
        states: [],
        mask,
        step([now]) {
          expect(present(now).dtype).toBe(dtype);
          return { outputs: [present(now)], states: [] };
        },
      });
    }
  });

  it("passes along only those outputs of an outer node that the step uses", () => {
    const outer = runningSum(ops.input("x", [T, B]));
    const { outputs } = ops.scan({
      sequences: [ops.input("y", [T, B])],
      states: [],
      step: ([now]) => ({ outputs: [ops.mul(present(now), present(outer.states[0]))], states: [] }),
    });
    const { node } = present(outputs[0]);
    expect(node.inputs.length).toBe(2);
    expect(node.inputs[1]?.index).toBe(1);
  });

  it("computes once what does not depend on the step", () => {
    const w = ops.input("w", [3]);
    const { outputs } = ops.scan({
      sequences: [ops.input("x", [T, 3])],
      states: [],
      step: ([now]) => ({ outputs: [ops.mul(present(now), ops.exp(w))], states: [] }),
    });
    const names = (nodes: readonly Node[]) => nodes.map((n) => n.op.name);
    const { node } = present(outputs[0]);
    const { body } = node.attrs as ops.ScanAttrs;
    expect(names(topological(body.outputs))).toEqual(["input", "input", "mul"]);
    expect(names(topological(node.inputs))).toContain("exp");
    expect(
      names(topological(rootsOf({ name: "", inputs: [], outputs: { y: present(outputs[0]) }, updates: [] }))),
    ).toContain("exp");
  });

  it.each([
    ["no sequence", {}],
    ["sequences of different lengths", { sequences: [ops.input("x", [3, 2]), ops.input("y", [4, 2])] }],
    ["sequences without time", { sequences: [ops.input("x", [])] }],
    ["a mask of another length", { mask: ops.input("m", [4, 2], "bool") }],
    ["a mask of other rows", { mask: ops.input("m", [3, 5], "bool") }],
    ["a mask of more axes than a sequence has", { mask: ops.input("m", [3, 2, 1], "bool") }],
    ["a mask of numbers", { mask: ops.input("m", [3, 2]) }],
    ["a masked sequence", { sequences: [ops.input("x", [3, 2]).withMask(ops.input("m", [3, 2], "bool"))] }],
    ["a masked state", { states: [ops.input("s", [2]).withMask(ops.input("m", [2], "bool"))] }],
    ["a masked constant", { constants: [ops.input("c", [2]).withMask(ops.input("m", [2], "bool"))] }],
    ["a step that changes a state's shape", { states: [ops.input("s", [5])] }],
    ["a step that changes a state's dtype", { states: [ops.input("s", [2], "int32")] }],
    ["a step with too many states", { states: [] }],
  ] satisfies [string, Partial<ops.ScanOptions>][])("refuses %s", (name, options) => {
    const given: ops.ScanOptions = {
      sequences: name === "no sequence" ? [] : [ops.input("x", [3, 2])],
      states: [{ shape: [2], dtype: "float32" }],
      step: ([now]) => ({ outputs: [], states: [present(now)] }),
      ...options,
    };
    expect(refusal(() => ops.scan(given)).where).toBe("scan");
  });

  it("refuses a step that returns too few states", () => {
    const given: ops.ScanOptions = {
      sequences: [ops.input("x", [3, 2])],
      states: [{ shape: [2], dtype: "float32" }],
      step: ([now]) => ({ outputs: [present(now)], states: [] }),
    };
    expect(refusal(() => ops.scan(given)).where).toBe("scan");
  });
});

describe("seenSoFar", () => {
  it("holds from the first step that counts", () => {
    const mask = ops.input("mask", [3, 2], "bool");
    const values = {
      mask: array([
        [0, 1],
        [1, 0],
        [0, 0],
      ]),
    };
    expect(computed(ops.seenSoFar(mask), values)).toEqual([
      [0, 1],
      [1, 1],
      [1, 1],
    ]);
  });
});
