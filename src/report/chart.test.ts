import { describe, expect, it } from "vitest";
import { plot, type Series, tone } from "./chart.js";

describe("plot", () => {
  const line = (
    name: string,
    values: readonly (number | null)[],
    positions: readonly number[] = [1, 2, 3],
  ) => ({
    name,
    style: "train",
    points: positions.map((x, i) => ({ x, y: values[i] ?? Number.NaN })),
  });
  const draw = (lines: readonly Series[], options: { readonly logarithmic?: boolean } = {}) =>
    plot({ title: "Loss", across: "epoch", counts: true, lines, ...options }).text;
  const chart = (values: (number | null)[], positions = [1, 2, 3]) =>
    draw([line("training", values, positions)]);
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
      const text = draw([line("training", [1, a], [1, 2]), line("validation", [0, b], [1, 2])]);
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

  it("has a legend with the last values instead of labels where lines are many", () => {
    const text = draw(Array.from({ length: 7 }, (_, i) => line(`run ${i}`, [1, 2, i + 0.5])));
    expect(text.match(/<li /g)).toHaveLength(7);
    expect(text).toMatch(/run 3 <span class="soft">3\.500</);
    expect(text).not.toContain('label"');
    expect(text).not.toContain("<circle");
    expect(draw([line("a", [1]), line("b", [2]), line("c", [3])])).not.toContain("<li ");
  });

  it("goes over the positions of all lines", () => {
    const [short = [], long = []] = points(draw([line("a", [1, 2], [1, 2]), line("b", [1, 2], [1, 4])]));
    expect(short.map(([x]) => x)).toEqual([0, 33.33]);
    expect(long.map(([x]) => x)).toEqual([0, 100]);
  });

  it("gives equal factors equal heights on a logarithmic axis, and leaves out what is not above 0", () => {
    const text = draw([line("training", [100, 10, 1, 0, -1], [1, 2, 3, 4, 5])], { logarithmic: true });
    const [found = []] = points(text);
    expect(found).toHaveLength(3);
    const [a, b, c] = found.map(([, y]) => y ?? Number.NaN);
    expect((a ?? 0) + (c ?? 0)).toBeCloseTo(2 * (b ?? 0), 1);
    expect(draw([line("training", [0, -1])], { logarithmic: true })).toContain(
      "Never a finite number above 0",
    );
  });

  it("draws clouds of dots under lines, over round numbers, with a legend", () => {
    const dots = { name: "samples", style: "train", points: [0.2, 0.7, 1.3].map((x) => ({ x, y: x })) };
    const { text } = plot({ title: "Fit", across: "x", lines: [line("fit", [0, 1], [0, 1])], dots: [dots] });
    expect(text.match(/<circle cx="\d/g)).toHaveLength(4); // one of them in the legend
    expect(text.indexOf("cloud")).toBeLessThan(text.lastIndexOf("<polyline"));
    expect(text.match(/<li /g)).toHaveLength(2);
    expect(text).toMatch(/text-anchor="middle">1\.5</);
  });

  it("has eight tones", () => expect([0, 7, 8].map(tone)).toEqual(["tone0", "tone7", "tone0"]));
});
