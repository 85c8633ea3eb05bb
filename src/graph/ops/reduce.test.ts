import { describe, expect, it } from "vitest";
import { array, computed, refusal } from "../../../tests/arrays.js";
import { gradients } from "../../passes/autodiff.js";
import * as ops from "../build.js";

const x = ops.input("x", [2, 3]);
const n = ops.input("n", [2, 3], "int32");
const mask = ops.input("mask", [2, 3], "bool");

describe("reductions", () => {
  it("have dtypes of their own", () => {
    expect(ops.sum(ops.input("b", [3], "bool")).dtype).toBe("int32");
    expect(ops.max(ops.input("u", [3], "uint8")).dtype).toBe("int32");
    expect(ops.mean(n).dtype).toBe("float32");
    expect(ops.logSumExp(n).dtype).toBe("float32");
    expect(ops.argMax(x).dtype).toBe("int32");
  });

  it("keep their dtype where nothing is reduced", () => {
    const b = ops.input("b", [], "bool");
    expect(ops.sum(b).dtype).toBe("int32");
    expect(ops.mean(b).dtype).toBe("float32");
    expect(ops.logSumExp(b).dtype).toBe("float32");
    expect(ops.sum(x, []).node).toBe(x.node);
  });

  it("keep integers under a mask", () => {
    const values = {
      n: array([
        [5, -7, 9],
        [-1, -2, -3],
      ]),
      mask: array([
        [1, 1, 0],
        [0, 1, 1],
      ]),
    };
    const masked = n.withMask(mask);
    expect(ops.max(masked).dtype).toBe("int32");
    expect(computed(ops.max(masked, 1), values)).toEqual([5, -2]);
    expect(computed(ops.min(masked, 1), values)).toEqual([-7, -3]);
    expect(computed(ops.prod(masked, 1), values)).toEqual([-35, 6]);
    expect(computed(ops.argMax(masked, 1), values)).toEqual([0, 1]);
  });

  it.each([
    ["sum", () => ops.sum(x, 2)],
    ["mean", () => ops.mean(x, [0, -3])],
    ["argMax", () => ops.argMax(ops.input("s", []))],
    ["max", () => ops.max(x, 0.5)],
  ])("refuse axes that are not there: %s", (name, act) => {
    expect(refusal(act).where).toBe(name);
  });

  it("take an axis given twice once", () => {
    expect(ops.sum(x, [0, -2]).shape).toEqual([3]);
  });

  it("share the gradient of an extremum between equals", () => {
    const values = {
      x: array([
        [1, 4, 4],
        [2, 2, 2],
      ]),
    };
    expect(computed(gradients(ops.sum(ops.max(x, 1)), [x])[0], values)).toEqual([
      [0, 0.5, 0.5],
      [1 / 3, 1 / 3, 1 / 3],
    ]);
  });

  it("have the product of the others as the gradient of a product, zeros included", () => {
    const y = ops.input("y", [3, 3]);
    const values = {
      y: array([
        [2, 3, 4],
        [0, 3, 4],
        [0, 0, 4],
      ]),
    };
    expect(computed(gradients(ops.sum(ops.prod(y, 1)), [y])[0], values)).toEqual([
      [12, 8, 6],
      [12, 0, 0],
      [0, 0, 0],
    ]);
  });
});
