import { describe, expect, it } from "vitest";
import { looks, plot, type Series, tone } from "./chart.js";

const line = (
  name: string,
  values: readonly (number | null)[],
  positions: readonly number[] = [1, 2, 3],
): Series => ({
  name,
  look: looks.training,
  points: positions.map((x, i) => ({ x, y: values[i] ?? Number.NaN })),
});
const draw = async (lines: readonly Series[], options: { readonly logarithmic?: boolean } = {}) =>
  (await plot({ title: "Loss", across: "epoch", counts: true, lines, ...options })).text;
const chart = (values: (number | null)[], positions = [1, 2, 3]) =>
  draw([line("training", values, positions)]);

/** The wide one of the two pictures of a plot. */
const wide = (text: string): string => text.slice(text.indexOf('<div class="wide"'));
/** The pieces of each line: points that are joined. */
const lines = (text: string) =>
  [...wide(text).matchAll(/mark-line role-mark[^>]*><path d="([^"]*)"/g)].map(([, path = ""]) =>
    path
      .split("M")
      .slice(1)
      .map((piece) =>
        piece
          .replace("Z", "")
          .split("L")
          .map((pair) => pair.split(",").map(Number)),
      ),
  );
/** The places of the signs, by series. */
const signs = (text: string) =>
  [...wide(text).matchAll(/mark-symbol role-mark[^>]*>(.*?)<\/g>/g)].map(([, marks = ""]) =>
    [...marks.matchAll(/translate\(([^)]*)\)/g)].map(([, pair = ""]) => pair.split(",").map(Number)),
  );
/** The labels of an axis: 0 that across, 1 that down. */
const labels = (text: string, axis: number) =>
  [...([...wide(text).matchAll(/role-axis-label[^>]*>(.*?)<\/g>/g)][axis]?.[1] ?? "").matchAll(/>([^<]+)</g)]
    .map(([, label = ""]) => label)
    .filter((label) => label !== "");

describe("plot", () => {
  it("places points in proportion, larger values higher", async () => {
    const [[[a, b, c] = []] = []] = lines(await chart([1, 0, 0.5]));
    expect(a?.[0]).toBeLessThan(b?.[0] ?? 0);
    expect((a?.[0] ?? 0) + (c?.[0] ?? 0)).toBeCloseTo(2 * (b?.[0] ?? 0), 0);
    expect(a?.[1]).toBeLessThan(c?.[1] ?? 0);
    expect((a?.[1] ?? 0) + (b?.[1] ?? 0)).toBeCloseTo(2 * (c?.[1] ?? 0), 0);
  });

  it("has gaps where nothing was measured or it is not finite, and signs on points between gaps", async () => {
    const text = await chart(
      [1, null, 0.5, 0.4, Number.NaN, 2, Number.POSITIVE_INFINITY],
      [1, 2, 3, 4, 5, 6, 7],
    );
    expect(lines(text)[0]?.map((piece) => piece.length)).toEqual([1, 2, 1]);
    expect(signs(text)[0]).toHaveLength(4);
    const many = Array.from({ length: 500 }, (_, i) => (i % 100 === 7 ? i : Number.NaN));
    const alone = await chart(
      many,
      many.map((_, i) => i),
    );
    expect(signs(alone)[0]).toHaveLength(5);
  });

  it("says where nothing can be drawn", async () => {
    expect(await chart([Number.NaN, null, null])).toContain("Never a finite number.");
    expect(await draw([line("training", [0, -1])], { logarithmic: true })).toContain(
      "Never a finite number above 0",
    );
  });

  it("draws one position in the middle, and one value between the outer ticks", async () => {
    const text = await chart([0.5], [13]);
    expect(labels(text, 0)).toEqual(["13"]);
    const [[sign] = []] = signs(text);
    const rows = [...wide(text).matchAll(/<line transform="translate\(0,([\d.]+)\)" x2="([\d.]+)"/g)];
    const width = Number(rows[0]?.[2]);
    expect(sign?.[0]).toBeCloseTo(width / 2, 0);
    const heights = rows.map(([, y]) => Number(y));
    expect(sign?.[1]).toBeGreaterThan(Math.min(...heights));
    expect(sign?.[1]).toBeLessThan(Math.max(...heights));
  });

  it.each([
    [1, 2],
    [1_000_001, 1_000_042],
    [500, 4001],
  ])("has whole-numbered ticks from %d to %d", async (first, last) => {
    const ticks = labels(await chart([1, 2], [first, last]), 0);
    expect(ticks.length).toBeGreaterThan(1);
    for (const tick of ticks) {
      expect(tick).toMatch(/^[\d,]+$/);
      expect(Number(tick.replaceAll(",", ""))).toBeGreaterThanOrEqual(first);
      expect(Number(tick.replaceAll(",", ""))).toBeLessThanOrEqual(last);
    }
  });

  it.each([
    [[1e9, 3e9], "3e+9"],
    [[1e-7, 2e-7], "2e-7"],
    [[0.97, 0.99], "0.990"],
    [[0, 40], "40"],
  ])("writes values short: %j", async (values, label) => {
    expect(labels(await chart(values, [1, 2]), 1)).toContain(label);
  });

  it("names its series, with the last value of what counts, and tells readers who do not see it", async () => {
    const text = await draw([line("a <b>", [3, 2, 1]), line("c", [1, 2, Number.NaN])]);
    expect(text).toMatch(/a &lt;b&gt; <span class="soft">1</);
    expect(text).toMatch(/<span>c <span class="soft">2</);
    expect(text.match(/role="img"/g)).toHaveLength(2);
    expect(text).toContain(
      'aria-label="Loss by epoch. a &lt;b&gt;: from 3 at epoch 1 to 1 at epoch 3; c: from 1 at epoch 1 to 2 at epoch 2"',
    );
  });

  it("has a sign at every point of a short course, and at some where there are many", async () => {
    const many = Array.from({ length: 500 }, (_, i) => i);
    expect(signs(await chart([3, 2, 1]))[0]).toHaveLength(3);
    expect(signs(await chart(many, many))[0]).toHaveLength(10);
    const crowd = await draw(Array.from({ length: 7 }, (_, i) => line(`run ${i}`, many, many)));
    expect(signs(crowd).map(({ length }) => length)).toEqual(Array(7).fill(10));
    expect(lines(crowd)).toHaveLength(7);
  });

  it("goes over the positions of all lines", async () => {
    const text = await draw([line("a", [1, 2], [1, 2]), line("b", [1, 2], [1, 4])]);
    const [short, long] = lines(text).map(([piece = []]) => piece.map(([x]) => x ?? 0));
    expect(short?.[0]).toBe(long?.[0]);
    expect(3 * (short?.[1] ?? 0)).toBeCloseTo(long?.[1] ?? 0, 1);
  });

  it("gives equal factors equal heights on a logarithmic axis, and has gaps at what is not above 0", async () => {
    const text = await draw([line("training", [100, 10, 1, 0, 5], [1, 2, 3, 4, 5])], { logarithmic: true });
    const [[found = [], alone] = []] = lines(text);
    expect(found).toHaveLength(3);
    expect(alone).toHaveLength(1);
    const [a, b, c] = found.map(([, y]) => y ?? Number.NaN);
    expect((a ?? 0) + (c ?? 0)).toBeCloseTo(2 * (b ?? 0), 1);
    expect(labels(text, 1)).toEqual(["1", "10", "100"]);
  });

  it("draws clouds of dots under lines, over the range that it is given", async () => {
    const dots = { ...line("samples", [0.2, 0.7, 0.8, 0.9], [0.2, 0.7, 0.8, 0.9]), look: tone(1) };
    const { text } = await plot({
      title: "Fit",
      across: "x",
      range: [0, 1],
      lines: [line("fit", [0, 1], [0, 1])],
      dots: [dots],
    });
    expect(signs(text)[0]).toHaveLength(4);
    expect(wide(text).indexOf("mark-symbol")).toBeLessThan(wide(text).indexOf("mark-line"));
    expect(text.match(/<li>/g)).toHaveLength(2);
    expect(labels(text, 0).at(-1)).toBe("1.0");
  });

  it("takes its colours from the page, and is the same whenever it is drawn", async () => {
    const text = await chart([3, 2, 1]);
    expect(text).toContain('stroke="var(--train)"');
    expect(
      text.replaceAll(/fill="(none|transparent|var\(--[\w-]+\))"|stroke="var\(--[\w-]+\)"/g, ""),
    ).not.toMatch(/(fill|stroke)="/);
    expect(text).not.toMatch(/ id="|url\(/);
    await draw([line("another", [1])]);
    expect(await chart([3, 2, 1])).toBe(text);
  });

  it("has 24 looks, of which none is told by colour alone from its neighbours", () => {
    const all = Array.from({ length: 24 }, (_, i) => tone(i));
    expect(new Set(all.map((look) => JSON.stringify(look))).size).toBe(24);
    expect(new Set(all.slice(0, 12).map(({ dashes, sign }) => JSON.stringify([dashes, sign]))).size).toBe(12);
    expect(tone(24)).toEqual(tone(0));
  });
});
