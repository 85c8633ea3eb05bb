import { describe, expect, it } from "vitest";
import { array, computed, refusal } from "../../../tests/arrays.js";
import { compile } from "../../plan/compile.js";
import { layoutState } from "../../plan/state.js";
import * as ops from "../build.js";
import { add, symbol } from "../dim.js";

const [B, T] = [symbol("B"), symbol("T")];
const x = ops.input("x", [2, 5]);
const s = ops.input("s", [B, T, 4]);

describe("reshape", () => {
  it("works out one size, also from sums of symbols", () => {
    expect(`${ops.reshape(s, [-1, 2]).shape}`).toBe("2*B*T,2");
    const longer = ops.input("y", [B, add(T, 1), 4]);
    expect(`${ops.reshape(longer, [add(T, 1), -1]).shape}`).toBe("T+1,4*B");
  });

  it("refuses what does not fit", () => {
    expect(refusal(() => ops.reshape(x, [3, 3])).where).toBe("reshape");
    expect(refusal(() => ops.reshape(x, [3, -1])).where).toBe("reshape");
    expect(refusal(() => ops.reshape(s, [T, -1, -1])).where).toBe("reshape");
    expect(refusal(() => ops.reshape(ops.input("z", [0, 3]), [0, -1])).where).toBe("reshape");
  });
});

describe("axes of size 1", () => {
  it("go where the axis says", () => {
    expect(ops.expandDims(x, 0).shape).toEqual([1, 2, 5]);
    expect(ops.expandDims(x, -1).shape).toEqual([2, 5, 1]);
    expect(ops.expandDims(x, -3).shape).toEqual([1, 2, 5]);
    expect(ops.squeeze(ops.input("y", [1, 2, 1])).shape).toEqual([2]);
    expect(ops.squeeze(ops.input("y", [1, 2, 1]), [-1]).shape).toEqual([1, 2]);
  });

  it("are refused elsewhere", () => {
    expect(refusal(() => ops.expandDims(x, 3)).where).toBe("expandDims");
    expect(refusal(() => ops.expandDims(x, -4)).where).toBe("expandDims");
    refusal(() => ops.squeeze(x, [1]));
  });
});

describe("slice", () => {
  it("counts from the end and takes the rest", () => {
    const values = {
      x: array([
        [0, 1, 2, 3, 4],
        [5, 6, 7, 8, 9],
      ]),
    };
    expect(computed(ops.slice(x, [1, -2]), values)).toEqual([[8, 9]]);
    expect(computed(ops.slice(x, [0, 1], [-1, 2]), values)).toEqual([
      [1, 2],
      [6, 7],
    ]);
    expect(`${ops.slice(s, [0, -3]).shape}`).toBe("B,3,4");
    expect(`${ops.slice(s, [0, 5]).shape}`).toBe("B,T-5,4");
    expect(ops.slice(x, [0, 0], [2, 5])).toBe(x);
  });

  it.each([
    ["past the end", () => ops.slice(x, [0, 1], [2, 5])],
    ["past the end of a symbolic axis", () => ops.slice(s, [0, 1], [B, T])],
    ["before the beginning", () => ops.slice(x, [0, -6])],
    ["of more axes than there are", () => ops.slice(x, [0, 0, 1])],
    ["of a negative size", () => ops.slice(x, [0], [-2])],
  ])("refuses a block %s", (_, act) => {
    expect(refusal(act).where).toBe("slice");
  });

  it("refuses what the sizes of a batch do not leave, once they are known", () => {
    const late = ops.slice(s, [0, 5]);
    const graph = { name: "late", inputs: [s], outputs: { late }, updates: [] };
    const plan = (steps: number) =>
      compile(graph, { bindings: { B: 2, T: steps }, layout: layoutState([]), vectorWidth: 8 });
    expect(plan(6).outputs[0]?.shape).toEqual([2, 1, 4]);
    expect(plan(5).outputs[0]?.shape).toEqual([2, 0, 4]);
    expect(refusal(() => plan(3)).received).toContain("T-5 = -2");
  });

  it("may begin at a symbol", () => {
    expect(ops.slice(x, [0, T]).shape.map(String)).toEqual(["2", "-T+5"]);
  });
});

describe("other rearrangements", () => {
  it("reverse an axis given twice once", () => {
    expect(computed(ops.reverse(ops.input("y", [3]), [0, -1]), { y: array([1, 2, 3]) })).toEqual([3, 2, 1]);
  });

  it("split into pieces that add up", () => {
    const values = {
      x: array([
        [0, 1, 2, 3, 4],
        [5, 6, 7, 8, 9],
      ]),
    };
    expect(ops.split(x, [1, 4]).map((y) => computed(y, values))).toEqual([
      [[0], [5]],
      [
        [1, 2, 3, 4],
        [6, 7, 8, 9],
      ],
    ]);
    expect(refusal(() => ops.split(x, [2, 2])).where).toBe("split");
  });

  it("pad with a value", () => {
    const y = ops.input("y", [2]);
    expect(computed(ops.pad(y, [[1, 2]], 7), { y: array([1, 2]) })).toEqual([7, 1, 2, 7, 7]);
    expect(refusal(() => ops.pad(y, [[-1, 0]])).where).toBe("pad");
    expect(
      refusal(() =>
        ops.pad(y, [
          [0, 0],
          [1, 1],
        ]),
      ).where,
    ).toBe("pad");
  });

  it.each([
    ["transpose", () => ops.transpose(x, [0, 0])],
    ["transpose", () => ops.transpose(x, [0])],
    ["broadcastTo", () => ops.broadcastTo(x, [2, 1])],
    ["concat", () => ops.concat([x, ops.input("y", [2, 5], "int32")])],
    ["concat", () => ops.concat([x, s])],
    ["concat", () => ops.concat([])],
    ["reverse", () => ops.reverse(x, 2)],
  ])("are refused where they do not fit: %s", (name, act) => {
    expect(refusal(act).where).toBe(name);
  });
});
