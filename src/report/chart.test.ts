import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { figure, lineChart, niceTicks, tickTexts } from "./chart.js";

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

describe("figure", () => {
  it.each([
    [0.97893, "0.9789"],
    [0.00012345, "0.0001235"],
    [12345, "12,345"],
    [0.00001234, "1.234e-5"],
    [Number.NaN, "NaN"],
    [1e9, "1.000e9"],
    [9_999_999, "9,999,999"],
    [0, "0"],
  ])("writes %d as %s", (value, text) => {
    expect(figure(value)).toBe(text);
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

  const attributes = (text: string, element: RegExp, name: string) =>
    [...text.matchAll(element)].map(([found]) =>
      Number(new RegExp(` ${name}="([^"%]*)%?"`).exec(found)?.[1]),
    );

  it("draws one position in the middle, and values that are equal between the outer ticks", () => {
    const text = chart([0.5], [13]);
    expect(points(text)[0]?.[0]?.[0]).toBe(50);
    expect(text).toMatch(/<text x="50%" [^>]*>13</);
    const ys = attributes(text, /<line [^>]*>/g, "y1");
    const [y = 0] = attributes(text, /<circle [^>]*>/g, "cy");
    expect(y).toBeGreaterThan(Math.min(...ys));
    expect(y).toBeLessThan(Math.max(...ys));
  });

  it.each([
    [1, 2],
    [1_000_001, 1_000_042],
    [500, 4001],
  ])("has whole-numbered ticks from %d to %d", (first, last) => {
    const ticks = [...chart([1, 2], [first, last]).matchAll(/text-anchor="middle">([\d,]+)</g)];
    expect(ticks.length).toBeGreaterThan(1);
    for (const [, tick = ""] of ticks) {
      expect(Number(tick.replaceAll(",", ""))).toBeGreaterThanOrEqual(first);
      expect(Number(tick.replaceAll(",", ""))).toBeLessThanOrEqual(last);
    }
  });

  it("gives labels room: within the plot, apart from each other, and as wide as their text", () => {
    const labelled = (a: number, b: number) => {
      const { text } = lineChart(
        "Loss",
        "epoch",
        [1, 2],
        [
          { name: "training", style: "train", values: [1, a] },
          { name: "validation", style: "heldOut", values: [0, b] },
        ],
      );
      return { text, ys: attributes(text, /<text class="\w+ label"[^>]*>/g, "y").sort((x, y) => x - y) };
    };
    const height = Number(/<svg height="(\d+)"/.exec(labelled(0, 0).text)?.[1]);
    for (const [a, b] of [
      [0, 0],
      [1, 1],
      [0.5, 0.5],
      [0.08, 0],
    ] as const) {
      const { ys } = labelled(a, b);
      expect(ys).toHaveLength(4);
      for (const [i, y] of ys.entries()) if (i > 0) expect(y - (ys[i - 1] ?? 0)).toBeGreaterThan(13);
      expect(ys[0]).toBeGreaterThan(0);
      expect(ys.at(-1)).toBeLessThanOrEqual(height);
    }
    const room = (text: string) => Number(/padding: 0 (\d+)px/.exec(text)?.[1]);
    expect(room(chart([1, 2, 1_234_567.5]))).toBeGreaterThan(room(chart([1, 2, 3])) + 40);
  });

  it("names lines only where there are several", () => {
    expect(chart([3, 2, 1])).not.toContain(">training</text>");
  });

  it("draws dots for few points only", () => {
    const many = Array.from({ length: 500 }, (_, i) => i);
    expect(chart([3, 2, 1])).toContain("<title>training, epoch 2: 2</title>");
    expect(chart(many, many)).not.toContain("<circle");
    expect(points(chart(many, many))[0]).toHaveLength(500);
  });
});
