import { describe, expect, it } from "vitest";
import * as ops from "../graph/build.js";
import type { Graph, StateVariable, SymbolicTensor } from "../graph/ir.js";
import { compile } from "./compile.js";
import { decode } from "./encode.js";
import { layoutState } from "./state.js";

// Where results go shows in the copies that a program makes: instructions `map` without a step.

const variable = (name: string): StateVariable => ({ name, shape: [4, 4], dtype: "float32", role: "slot" });
const [v, w] = [variable("v"), variable("w")];
const [x, old, other] = [ops.input("x", [4, 4]), ops.read(v), ops.read(w)];
const product = ops.matMul(x, x);

function copies(outputs: Readonly<Record<string, SymbolicTensor>>, updates: Graph["updates"] = []): number {
  const graph: Graph = { name: "graph", inputs: [x], outputs, updates };
  const { words } = compile(graph, { bindings: {}, layout: layoutState([v, w]), vectorWidth: 8 });
  return decode(words).filter(({ name, fields }) => name === "map" && fields.steps === 0).length;
}

describe("results", () => {
  it.each([
    ["the result of a kernel", { y: product }],
    ["the result of elementwise nodes", { y: ops.tanh(x), z: ops.mul(ops.tanh(x), 2) }],
    ["pieces of a concatenation", { y: ops.square(ops.concat([product, ops.tanh(x)], 0)) }],
    ["pieces in another shape", { y: ops.tanh(ops.concat([ops.reshape(product, [16]), ops.sum(x, 0)], 0)) }],
  ])("go straight where they must end: %s", (_, outputs) => {
    expect(copies(outputs)).toBe(0);
  });

  it.each([
    ["an input", { y: x }, 1],
    ["a window on another result", { y: ops.transpose(product) }, 1],
    ["one result for two ports", { y: product, z: product }, 1],
    ["pieces side by side in every row", { y: ops.tanh(ops.concat([product, ops.tanh(x)], 1)) }, 2],
    ["a piece that is there twice", { y: ops.tanh(ops.concat([product, product], 0)) }, 1],
  ])("are copied where no kernel can write them there: %s", (_, outputs, count) => {
    expect(copies(outputs)).toBe(count);
  });
});

describe("new values of states", () => {
  it.each([
    ["element by element", {}, ops.mul(old, 0.9)],
    ["that others read before", { y: ops.matMul(old, x), z: ops.tanh(old) }, ops.add(old, product)],
    ["of which no one reads the old one", {}, product],
  ])("overwrite the old ones: %s", (_, outputs, value) => {
    expect(copies(outputs, [{ variable: v, value }])).toBe(0);
  });

  it.each([
    ["elements from elsewhere", {}, ops.add(old, ops.transpose(old))],
    ["a kernel that reads the old one", {}, ops.matMul(old, x)],
    ["read after the new one", { y: ops.matMul(ops.mul(old, 2), old) }, ops.mul(old, 2)],
  ])("are brought there at the end: %s", (_, outputs, value) => {
    expect(copies(outputs, [{ variable: v, value }])).toBe(1);
  });

  it("that are each other's old ones are read before they are written", () => {
    const swap = [
      { variable: v, value: other },
      { variable: w, value: old },
    ];
    expect(copies({}, swap)).toBe(4);
  });
});
