import { describe, expect, it } from "vitest";
import { compared } from "./comparison.js";

const avx2 = "native avx2, 2 threads";
const wasm = "wasm relaxed-simd, 1 thread";
const compare = (now: Record<string, number>, then: Record<string, number>, on = avx2) =>
  compared({ figures: now }, on, { backend: "native avx2, 16 threads", figures: then });

describe("compared", () => {
  it.each([
    ["the same", { a: 0.1 }, { a: 0.1 }, avx2, "same"],
    ["the same elsewhere", { a: 0.1 }, { a: 0.1 }, wasm, "same"],
    ["not a number, as before", { a: Number.POSITIVE_INFINITY }, { a: Number.NaN }, avx2, "same"],
    ["rounded by another instruction set", { a: 0.9789 }, { a: 0.9788 }, wasm, "rounding"],
    ["as small as rounding itself", { a: 1e-8 }, { a: 3e-8 }, wasm, "rounding"],
    ["rounded by the same instruction set", { a: 0.1 }, { a: 0.1 + 2 ** -50 }, avx2, "different"],
    ["others", { a: 0.9789 }, { a: 0.97 }, wasm, "different"],
    ["no number any more", { a: Number.NaN }, { a: 0.97 }, wasm, "different"],
    ["a number only now", { a: 0.97 }, { a: Number.NaN }, wasm, "different"],
    ["not there any more", {}, { a: 0.97 }, avx2, "different"],
    ["not there before", { a: 0.1, b: 0.2 }, { a: 0.1 }, avx2, "different"],
  ] as const)("finds figures that are %s", (_, now, then, on, agreement) => {
    expect(compare(now, then, on).agreement).toBe(agreement);
  });

  it("has the figures in the order of the training", () => {
    const { figures } = compare({ testLoss: 2, testAccuracy: 1 }, { testAccuracy: 1, testLoss: 2 });
    expect(Object.keys(figures)).toEqual(["testAccuracy", "testLoss"]);
  });

  it("says in words what is other, with all digits", () => {
    const now = { testAccuracy: 0.9, testLoss: 0.25, spare: 1 };
    const { text } = compare(now, { testAccuracy: 0.90000000001, testLoss: 0.25, lost: 3 }, avx2);
    expect(text).toContain(
      "test accuracy 0.9, after the training 0.90000000001; lost none, after the training 3; spare 1, after the training none.",
    );
    expect(text).not.toContain("test loss");
    expect(compare({ a: 1 }, { a: 2 }, wasm).text).toContain(`evaluated on ${wasm}`);
  });
});
