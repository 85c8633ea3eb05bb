import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { linearAxis, logarithmicAxis, niceTicks, positionAxis, tickTexts } from "./axis.js";

describe("niceTicks", () => {
  it.each([
    [0, 1, 5, [0, 0.2, 0.4, 0.6, 0.8, 1]],
    [0.04, 1.05, 5, [0, 0.5, 1, 1.5]],
    [1, 15, 8, [0, 2, 4, 6, 8, 10, 12, 14, 16]],
    [3, 3, 5, [2, 3, 4]],
    [0.003, 0.003, 5, [0.002, 0.003, 0.004]],
    [0.0035, 0.0035, 5, [0.003, 0.004]],
    [0, 0, 5, [-1, 0, 1]],
    [2.3, 2.3 + 1e-15, 5, [2, 3]],
    [-0.3, 0.2, 5, [-0.3, -0.2, -0.1, 0, 0.1, 0.2]],
  ])("from %d to %d", (low, high, count, ticks) => {
    expect(niceTicks(low, high, count)).toEqual(ticks);
  });

  it("covers the range with few ticks", () => {
    const value = fc
      .double({ min: -1e9, max: 1e9, noNaN: true })
      .filter((x) => x === 0 || Math.abs(x) > 1e-9);
    fc.assert(
      fc.property(value, value, (a, b) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)];
        fc.pre(high === low || high - low > 1e-6 * Math.max(Math.abs(low), Math.abs(high)));
        const ticks = niceTicks(low, high, 5);
        const slack = 1e-6 * Math.max(high - low, Math.abs(high));
        expect(ticks[0]).toBeLessThanOrEqual(low + slack);
        expect(ticks.at(-1)).toBeGreaterThanOrEqual(high - slack);
        expect(ticks.length).toBeGreaterThan(1);
        expect(ticks.length).toBeLessThan(9);
      }),
    );
  });
});

describe("tickTexts", () => {
  it.each([
    [0, 1, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]],
    [0, 5e-9, ["0", "1e-9", "2e-9", "3e-9", "4e-9", "5e-9"]],
    [1.1e-7, 1.3e-7, ["1.10e-7", "1.15e-7", "1.30e-7"]],
    [0, 4000, ["0", "1,000", "2,000", "3,000", "4,000"]],
    [0, 3e9, ["0", "1e9", "2e9", "3e9"]],
    [0.97, 0.99, ["0.970", "0.975", "0.980", "0.985", "0.990"]],
  ])("tells the ticks from %d to %d apart", (low, high, texts) => {
    const all = tickTexts(niceTicks(low, high, 5));
    for (const text of texts) expect(all).toContain(text);
    expect(new Set(all).size).toBe(all.length);
  });
});

describe("linearAxis", () => {
  it("places values between its outer ticks", () => {
    const { ticks, place } = linearAxis(0.1, 0.9, 5);
    expect([ticks[0], ticks.at(-1)]).toEqual([0, 1]);
    expect([0, 0.25, 1].map(place)).toEqual([0, 0.25, 1]);
  });
});

describe("logarithmicAxis", () => {
  it.each([
    [0.3, 4, ["0.2", "0.5", "1", "2", "5"]],
    [0.012, 80, ["0.01", "0.1", "1", "10", "100"]],
    [1, 1, ["0.5", "1", "2"]],
    [3, 3, ["2", "5"]],
    [1e-12, 1, ["1e-12", "1e-10", "1e-8", "1e-6", "0.0001", "0.01", "1"]],
    [1e6, 1e8, ["1e6", "2e6", "5e6", "1e7", "2e7", "5e7", "1e8"]],
  ])("from %d to %d", (low, high, texts) => {
    expect(logarithmicAxis(low, high).texts).toEqual(texts);
  });

  it("makes equal factors equal lengths, within its ends", () => {
    const value = fc.double({ min: 1e-30, max: 1e30, noNaN: true });
    fc.assert(
      fc.property(value, value, (a, b) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)];
        const { ticks, texts, place } = logarithmicAxis(low, high);
        expect(place(low)).toBeGreaterThanOrEqual(-1e-9);
        expect(place(high)).toBeLessThanOrEqual(1 + 1e-9);
        expect(place(Math.sqrt(low) * Math.sqrt(high))).toBeCloseTo((place(low) + place(high)) / 2, 6);
        expect(ticks.length).toBeGreaterThan(1);
        expect(ticks.length).toBeLessThan(9);
        expect(new Set(texts).size).toBe(texts.length);
      }),
    );
  });
});

describe("positionAxis", () => {
  it("goes from the first position to the last", () => {
    const { place } = positionAxis(500, 4001);
    expect([500, 4001].map(place)).toEqual([0, 1]);
    expect(positionAxis(13, 13).place(13)).toBe(0.5);
  });
});
