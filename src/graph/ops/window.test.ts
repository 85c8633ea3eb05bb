import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bind, symbol } from "../dim.js";
import { type AxisWindow, windowsOn } from "./window.js";

const T = symbol("T");
const windows: fc.Arbitrary<AxisWindow> = fc.record({
  reach: fc.integer({ min: 1, max: 7 }),
  stride: fc.integer({ min: 1, max: 9 }),
  padding: fc.oneof(
    fc.constantFrom("valid" as const, "same" as const),
    fc.tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 4 })),
  ),
});

describe("windows on an axis", () => {
  it("are as many on an open one as on one of the size that it gets", () => {
    fc.assert(
      fc.property(windows, fc.integer({ min: 7, max: 40 }), (window, size) => {
        const open = windowsOn("windows", T, window);
        const fixed = windowsOn("windows", size, window);
        expect(bind(open.out, { T: size })).toBe(fixed.out);
        expect(bind(open.before, { T: size })).toBe(fixed.before);
      }),
      { numRuns: 500, seed: 3 },
    );
  });

  it.each([
    // By hand: TensorFlow's "same" puts max((out − 1) · stride + reach − size, 0) around, the smaller half before.
    [5, { reach: 3, stride: 2, padding: "same" }, 3, 1],
    [6, { reach: 3, stride: 2, padding: "same" }, 3, 0],
    [7, { reach: 5, stride: 4, padding: "same" }, 2, 1],
    [8, { reach: 3, stride: 5, padding: "same" }, 2, 0],
    [6, { reach: 3, stride: 5, padding: "same" }, 2, 1],
    [5, { reach: 4, stride: 2, padding: "valid" }, 1, 0],
    [3, { reach: 3, stride: 2, padding: [2, 1] }, 2, 2],
  ] as const)("%i: %j", (size, window, out, before) => {
    expect(windowsOn("windows", size, window)).toEqual({ out, before });
    const open = windowsOn("windows", T, window);
    expect([bind(open.out, { T: size }), bind(open.before, { T: size })]).toEqual([out, before]);
  });

  it("are not fewer than one", () => {
    const refused = () => windowsOn("pool", 2, { reach: 3, stride: 2, padding: "valid" });
    expect(refused).toThrow(
      /pool: received an axis of 2 for windows that reach over 3, expected at least one/,
    );
  });
});
