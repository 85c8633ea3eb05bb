import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { measureVectors, textOf, vectorsText } from "./vectors.mjs";

it("makes a text of so many words, common ones as often as in natural texts", () => {
  const text = textOf(50_000);
  const words = text.split(/\s+/).filter((word) => word !== "");
  expect(words.length).toBe(50_000);
  expect(textOf(50_000)).toBe(text);
  const count = (wanted: string) => words.filter((word) => word === wanted).length;
  expect(count("w1") / words.length).toBeCloseTo(Math.log(2) / Math.log(30_001), 2);
  expect(count("w1") / count("w20")).toBeGreaterThan(8);
});

it("measures Rondo, and says how to get gensim where there is none", async () => {
  const folder = mkdtempSync(join(tmpdir(), "rondo-bench-"));
  const text = join(folder, "text.txt");
  writeFileSync(text, textOf(20_000));
  const result = await measureVectors(
    { threads: 1, rounds: 2, pythons: ["/nowhere/python"], text },
    () => {},
  );
  rmSync(folder, { recursive: true });
  expect(result.figures).toMatchObject([{ name: "Rondo", threads: 1, failure: undefined }]);
  expect(result.figures[0]?.wordsPerSecond).toBeGreaterThan(1000);
  expect(result.ratio).toBeUndefined();
  expect(vectorsText(result)).toEqual([
    expect.stringMatching(/^Rondo \S+, 1 thread: [\d,]+ words\/s$/),
    expect.stringContaining("gensim was not found: python3 -m venv"),
  ]);
});

it("says how fast both are, and whether that is enough", () => {
  const figure = { failure: undefined, threads: 2, version: "1.0" };
  const lines = vectorsText({
    figures: [
      { ...figure, id: "rondo", name: "Rondo", wordsPerSecond: 1_234_567 },
      { ...figure, id: "gensim", name: "gensim", wordsPerSecond: 600_000 },
    ],
    ratio: 2.0576,
    missing: undefined,
  });
  expect(lines).toEqual([
    "Rondo 1.0, 2 threads: 1,234,567 words/s",
    "gensim 1.0, 2 threads: 600,000 words/s",
    "Rondo by gensim: 2.06 × (to reach: 1 ×, reached)",
  ]);
});
