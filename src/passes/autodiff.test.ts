import { describe, expect, it } from "vitest";
import { array, computed, refusal } from "../../tests/arrays.js";
import * as ops from "../graph/build.js";
import { topological } from "../graph/ir.js";
import { gradients, vjp } from "./autodiff.js";

const x = ops.input("x", [3]);
const y = ops.input("y", [3]);
const values = { x: array([1, 2, 3]), y: array([4, 5, 6]) };

describe("gradients", () => {
  it("add up over every way to a target", () => {
    const loss = ops.sum(ops.add(ops.mul(x, y), ops.mul(x, x)));
    const [dx, dy] = gradients(loss, [x, y]);
    expect(computed(dx, values)).toEqual([6, 9, 12]);
    expect(computed(dy, values)).toEqual([1, 2, 3]);
  });

  it("are undefined where the loss does not depend on a target", () => {
    expect(gradients(ops.sum(x), [y])).toEqual([undefined]);
    expect(gradients(ops.sum(ops.stopGradient(x)), [x])).toEqual([undefined]);
    expect(gradients(ops.sum(ops.floor(x)), [x])).toEqual([undefined]);
  });

  it("of a value by itself are 1", () => {
    const loss = ops.sum(x);
    expect(computed(gradients(loss, [loss])[0])).toBe(1);
  });

  it("are taken by values inside the graph too", () => {
    const inner = ops.mul(x, 2);
    const [d, dx] = gradients(ops.sum(ops.square(inner)), [inner, x]);
    expect(computed(d, values)).toEqual([4, 8, 12]);
    expect(computed(dx, values)).toEqual([8, 16, 24]);
  });

  it("make no nodes for what no target needs", () => {
    const [dx] = gradients(ops.sum(ops.mul(ops.exp(x), ops.tanh(y))), [x]);
    const names = topological([dx ?? expect.unreachable()]).map((n) => n.op.name);
    expect(names.filter((name) => name === "square")).toEqual([]);
  });

  it("are differentiable again", () => {
    const [dx] = gradients(ops.sum(ops.mul(ops.square(x), x)), [x]);
    const [ddx] = gradients(ops.sum(dx ?? expect.unreachable()), [x]);
    expect(computed(ddx, values)).toEqual([6, 12, 18]);
  });

  it("do not overflow the stack in deep graphs", () => {
    let deep = x;
    for (let i = 0; i < 20_000; i++) deep = ops.add(deep, y);
    const [dy] = gradients(ops.sum(deep), [y]);
    expect(computed(dy, values)).toEqual([20_000, 20_000, 20_000]);
  });

  it("need one float32 number to start from", () => {
    expect(refusal(() => gradients(x, [x])).where).toBe("gradients");
    expect(refusal(() => gradients(ops.sum(ops.input("n", [2], "int32")), [x])).where).toBe("gradients");
  });
});

describe("vjp", () => {
  it("starts from several values at once", () => {
    const [dx] = vjp(
      [
        [ops.mul(x, 2), ops.ones([3])],
        [ops.mul(x, x), y],
      ],
      [x],
    );
    expect(computed(dx, values)).toEqual([10, 22, 38]);
  });

  it("adds up seeds of the same value, also of a target", () => {
    const [dx] = vjp(
      [
        [x, y],
        [x, y],
      ],
      [x],
    );
    expect(computed(dx, values)).toEqual([8, 10, 12]);
  });
});
