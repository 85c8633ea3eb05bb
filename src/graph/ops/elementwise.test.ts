import { describe, expect, it } from "vitest";
import { array, computed, refusal } from "../../../tests/arrays.js";
import { gradients } from "../../passes/autodiff.js";
import * as ops from "../build.js";
import { symbol } from "../dim.js";

const x = ops.input("x", [2, 3]);
const n = ops.input("n", [3], "int32");
const u = ops.input("u", [3], "uint8");
const b = ops.input("b", [3], "bool");

describe("dtypes of operands", () => {
  it("become the greater of the two", () => {
    expect(ops.add(n, x).dtype).toBe("float32");
    expect(ops.add(b, u).dtype).toBe("uint8");
    expect(ops.maximum(u, n).dtype).toBe("int32");
    expect(ops.where(b, b, n).dtype).toBe("int32");
  });

  it("are those of the partner for numbers that it has", () => {
    expect(ops.add(n, 3).dtype).toBe("int32");
    expect(ops.add(u, 255).dtype).toBe("uint8");
    expect(ops.mul(n, 0.5).dtype).toBe("float32");
    expect(ops.add(x, 3).dtype).toBe("float32");
    expect(ops.add(1, 2).dtype).toBe("float32");
  });

  it("widen for numbers that the partner lacks, instead of wrapping them", () => {
    const u3 = { u: array([0, 200, 255]) };
    expect(ops.maximum(u, -1).dtype).toBe("int32");
    expect(computed(ops.less(u, 300), u3)).toEqual([1, 1, 1]);
    expect(computed(ops.sub(u, 256), u3)).toEqual([-256, -56, -1]);
    expect(ops.add(n, 2 ** 31).dtype).toBe("float32");
    expect(ops.where(b, n, Number.NaN).dtype).toBe("float32");
  });

  it("count bools as integers in arithmetic and keep them in logic", () => {
    const both = { b: array([0, 1, 1]), n: array([1, -2, 3]) };
    expect(ops.add(b, b).dtype).toBe("int32");
    expect(computed(ops.add(b, b), both)).toEqual([0, 2, 2]);
    expect(computed(ops.neg(b), both)).toEqual([0, -1, -1]);
    expect(computed(ops.sub(b, 1), both)).toEqual([-1, 0, 0]);
    expect(ops.maximum(b, b).dtype).toBe("int32");
    expect(ops.logicalNot(b).dtype).toBe("bool");
    expect(ops.where(b, b, b).dtype).toBe("bool");
    expect(ops.equalTo(b, b).dtype).toBe("bool");
  });

  it("wrap around in integer arithmetic", () => {
    const big = { n: array([2 ** 31 - 1, -(2 ** 31), 65536]), u: array([0, 200, 255]) };
    expect(computed(ops.add(n, 1), big)).toEqual([-(2 ** 31), -(2 ** 31) + 1, 65537]);
    expect(computed(ops.mul(n, n), big)).toEqual([1, 0, 0]);
    expect(computed(ops.add(u, 100), big)).toEqual([100, 44, 99]);
  });

  it.each([
    ["and", () => ops.logicalAnd(n, n)],
    ["not", () => ops.logicalNot(n)],
    ["not", () => ops.logicalNot(x)],
    ["exp", () => ops.exp(n)],
    ["isNaN", () => ops.isNaN(n)],
    ["pow", () => ops.pow(n, 2)],
    ["where", () => ops.where(n, x, x)],
  ])("that %s does not take are refused", (name, act) => {
    expect(refusal(act).where).toBe(name);
  });
});

describe("broadcasting", () => {
  it("follows NumPy's rules, symbols included", () => {
    const [B, T] = [symbol("B"), symbol("T")];
    const of = (...shape: Parameters<typeof ops.input>[1]) => ops.input("y", shape);
    expect(ops.add(of(B, 1, 3), of(T, 1)).shape).toEqual([B, T, 3]);
    expect(ops.add(of(0, 3), of(1, 3)).shape).toEqual([0, 3]);
    expect(ops.add(of(), of(B)).shape).toEqual([B]);
    expect(refusal(() => ops.add(of(B, 3), of(T, 3))).where).toBe("add");
    expect(refusal(() => ops.add(of(2), of(0))).received).toBe("shapes [2] and [0]");
  });
});

describe("gradients", () => {
  it("of pow by its base are 0 where the exponent is 0, also at 0", () => {
    const [a, e] = [ops.input("a", [3]), ops.input("e", [3])];
    const [da] = gradients(ops.sum(ops.pow(a, e)), [a]);
    expect(computed(da, { a: array([0, 0, 2]), e: array([0, 1, 0]) })).toEqual([0, 1, 0]);
  });

  it("give the first operand of maximum and minimum the gradient at a tie", () => {
    const [a, c] = [ops.input("a", [3]), ops.input("c", [3])];
    const at = { a: array([1, 2, 3]), c: array([2, 2, 2]) };
    expect(computed(gradients(ops.sum(ops.maximum(a, c)), [a])[0], at)).toEqual([0, 1, 1]);
    expect(computed(gradients(ops.sum(ops.minimum(a, c)), [a])[0], at)).toEqual([1, 1, 0]);
  });

  it("do not flow through the branch that was not selected, whatever it holds", () => {
    const a = ops.input("a", [2]);
    const safe = ops.where(ops.greater(a, 0), ops.log(ops.where(ops.greater(a, 0), a, 1)), 0);
    expect(computed(gradients(ops.sum(safe), [a])[0], { a: array([2, 0]) })).toEqual([0.5, 0]);
  });

  it("leave integers out", () => {
    const a = ops.input("a", [3]);
    expect(gradients(ops.sum(ops.mul(ops.cast(ops.cast(a, "int32"), "float32"), 2)), [a])).toEqual([
      undefined,
    ]);
  });
});
