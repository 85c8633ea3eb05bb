import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { figure, lineChart, niceTicks } from "./chart.js";

describe("niceTicks", () => {
  it.each([
    [0, 1, 5, [0, 0.2, 0.4, 0.6, 0.8, 1]],
    [0.04, 1.05, 5, [0, 0.5, 1, 1.5]],
    [1, 15, 8, [0, 2, 4, 6, 8, 10, 12, 14, 16]],
    [3, 3, 5, [3, 4]],
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

describe("figure", () => {
  it.each([
    [0.97893, "0.9789"],
    [0.00012345, "0.0001235"],
    [12345, "12,345"],
    [0.00001234, "1.234e-5"],
    [Number.NaN, "NaN"],
    [0, "0"],
  ])("writes %d as %s", (value, text) => {
    expect(figure(value)).toBe(text);
  });
});

describe("lineChart", () => {
  const chart = (values: (number | null)[], positions = [1, 2, 3]) =>
    lineChart("Loss", "epoch", positions, [{ name: "training", style: "train", values }]).text;
  const points = (text: string) =>
    [...text.matchAll(/points="([^"]*)"/g)].map(([, list = ""]) =>
      list.split(" ").map((pair) => pair.split(",").map(Number)),
    );

  it("places points in proportion, larger values higher", () => {
    const [[a, b, c] = []] = points(chart([1, 0, 0.5]));
    expect(a?.[0]).toBeLessThan(b?.[0] ?? 0);
    expect((a?.[0] ?? 0) + (c?.[0] ?? 0)).toBeCloseTo(2 * (b?.[0] ?? 0), 0);
    expect(a?.[1]).toBeLessThan(c?.[1] ?? 0);
    expect((a?.[1] ?? 0) + (b?.[1] ?? 0)).toBeCloseTo(2 * (c?.[1] ?? 0), 0);
  });

  it("skips what was not measured or is not finite", () => {
    expect(points(chart([1, null, 0.5]))[0]).toHaveLength(2);
    expect(points(chart([1, Number.NaN, Number.POSITIVE_INFINITY]))[0]).toHaveLength(1);
    expect(chart([Number.NaN, null, null])).toContain("Never a finite number");
  });

  it("draws dots for few points only", () => {
    const many = Array.from({ length: 500 }, (_, i) => i);
    expect(chart([3, 2, 1])).toContain("<title>training, epoch 2: 2</title>");
    expect(chart(many, many)).not.toContain("<circle");
    expect(points(chart(many, many))[0]).toHaveLength(500);
  });
});
