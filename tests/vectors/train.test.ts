import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type TrainedVectors, trainWordVectors } from "../../src/vectors/index.js";
import type { VectorsOptions } from "../../src/vectors/options.js";
import { backendOf, expectSame, instructionSets, randomSource } from "../kernels/harness.js";

const topics = ["sea", "town"].map((topic) => Array.from({ length: 40 }, (_, i) => `${topic}${i}`));
const between = ["the", "a", "of", "and", "is"];

/** Sentences that keep to one of two topics, with words between that belong to neither. */
function sentences(count: number, seed = 3): string {
  const random = randomSource(seed);
  const oneOf = (words: readonly string[]) => words[Math.floor(random() ** 2 * words.length)] ?? "";
  const lines = Array.from({ length: count }, (_, i) =>
    Array.from({ length: 6 + Math.floor(random() * 8) }, () =>
      oneOf(random() < 0.3 ? between : (topics[i % 2] ?? [])),
    ).join(" "),
  );
  return `${lines.join("\n")}\n`;
}

const text = sentences(3000);
const small: VectorsOptions = { vectorSize: 20, epochs: 2, minCount: 1, seed: 9 };

async function trained(
  set: string,
  options: VectorsOptions = small,
  { threads = 1, of = text }: { threads?: number; of?: string } = {},
): Promise<TrainedVectors> {
  return trainWordVectors(new Blob([of]), options, { backend: await backendOf(set, threads) });
}

/** The mean cosine of words of one topic, and of words of both. */
function cosines({ vectors }: TrainedVectors): { within: number; across: number } {
  const pairs = { within: [] as number[], across: [] as number[] };
  const all = topics.flatMap((words, topic) => words.map((word) => ({ word, topic })));
  for (const [i, a] of all.entries())
    for (const b of all.slice(0, i))
      pairs[a.topic === b.topic ? "within" : "across"].push(vectors.similarity(a.word, b.word));
  const mean = (values: readonly number[]) => values.reduce((x, y) => x + y, 0) / values.length;
  return { within: mean(pairs.within), across: mean(pairs.across) };
}

/** The largest difference of two vectors' numbers. */
const distance = (a: TrainedVectors, b: TrainedVectors): number =>
  a.vectors.data.reduce((most, x, i) => Math.max(most, Math.abs(x - (b.vectors.data[i] ?? Number.NaN))), 0);

describe.each(instructionSets)("word vectors on %s", (set) => {
  test("words of one topic are nearer to each other", async () => {
    const result = await trained(set, { ...small, epochs: 5 });
    const { within, across } = cosines(result);
    expect(within).toBeGreaterThan(0.5);
    expect(within - across).toBeGreaterThan(0.4);
    expect(result.vectors.mostSimilar("sea0", 5).every(([word]) => word.startsWith("sea"))).toBe(true);
    expect(result).toMatchObject({ sentences: 3000, forgotten: 0 });
    expect(result.vectors.words.slice(0, 2).sort()).toEqual(["a", "the"]);
    expect(result.counts[0]).toBeGreaterThan(result.counts.at(-1) ?? 0);
  });

  test("the same bits with 1, 2 and 3 threads, and every time", async () => {
    const one = await trained(set);
    for (const threads of [1, 2, 3])
      expectSame(
        (await trained(set, small, { threads })).vectors.data,
        one.vectors.data,
        `${threads} threads`,
      );
  });

  test("the same bits however the text comes in pieces", async () => {
    async function* pieces() {
      const bytes = new TextEncoder().encode(text);
      for (let at = 0, size = 1; at < bytes.length; at += size, size = (size * 7) % 4001)
        yield bytes.subarray(at, at + size);
    }
    const backend = await backendOf(set);
    const whole = await trained(set);
    const other = await trainWordVectors(pieces(), small, { backend });
    expectSame(other.vectors.data, whole.vectors.data);
  });

  test("about the same numbers as on the first instruction set", async () => {
    const options = { ...small, epochs: 1 };
    const [here, first] = [await trained(set, options), await trained(instructionSets[0] ?? set, options)];
    expect(here.vectors.words).toEqual(first.vectors.words);
    // Rounding, and what 20,000 steps make of it.
    expect(distance(here, first)).toBeLessThan(1e-3);
  });
});

const [anySet = "simd128"] = instructionSets;

describe("word vectors", () => {
  test("another seed gives other vectors", async () => {
    const [a, b, high] = [
      await trained(anySet),
      await trained(anySet, { ...small, seed: 10 }),
      await trained(anySet, { ...small, seed: 9 + 2 ** 32 }),
    ];
    expect(distance(a, b)).toBeGreaterThan(0.1);
    expect(distance(a, high)).toBeGreaterThan(0.1);
  });

  test("no step is without effect: first vectors are even within 1/D, and training moves them", async () => {
    const still = await trained(anySet, { ...small, learningRate: 1e-30, minLearningRate: 0 });
    const { data } = still.vectors;
    expect(Math.max(...data)).toBeGreaterThan(0.95 / 20);
    expect(data.every((x) => Math.abs(x) <= 1 / 20)).toBe(true);
    const mean = data.reduce((sum, x) => sum + x, 0) / data.length;
    const variance = data.reduce((sum, x) => sum + x * x, 0) / data.length;
    expect(Math.abs(mean)).toBeLessThan(0.005);
    expect(variance * 3 * 20 ** 2).toBeCloseTo(1, 1);
    expect(distance(still, await trained(anySet))).toBeGreaterThan(0.1);
  });

  test.each([
    ["two words", "a b a b b a\n".repeat(4000), {}],
    ["one word", "a a a a a a a\n".repeat(1000), {}],
    [
      "a high learning rate, a wide window, many negatives",
      text,
      { learningRate: 0.2, window: 20, negative: 30 },
    ],
    ["all words kept", text, { sample: 0, epochs: 5 }],
  ])("%s: vectors stay small", async (_, of, options) => {
    const { vectors } = await trained(anySet, { ...small, ...options }, { of });
    expect(vectors.data.every((x) => Math.abs(x) < 20)).toBe(true);
  });

  test("a learning rate that is too high is told", async () => {
    await expect(trained(anySet, { ...small, learningRate: 1e30 })).rejects.toThrow("Lower learningRate");
  });

  test.each([
    { vectorSize: 0 },
    { window: 4097 },
    { negative: 256 },
    { negative: 0 },
    { learningRate: 0 },
    { epochs: 0 },
    { sample: -1 },
    { seed: 0.5 },
    { vectorsize: 3 },
  ])("the options %o are refused", async (options) => {
    await expect(trained(anySet, options as VectorsOptions)).rejects.toThrow(
      `trainWordVectors: received ${"vectorsize" in options ? "the unknown option" : Object.keys(options)[0]}`,
    );
  });

  test("progress grows to its end, and an aborted training leaves nothing behind", async () => {
    const backend = await backendOf(anySet);
    const folder = await mkdtemp(join(tmpdir(), "rondo-vectors-"));
    const shares: number[] = [];
    let read = 0;
    const whole = await trainWordVectors(new Blob([text]), small, {
      backend,
      folder,
      onProgress(progress) {
        if (progress.phase === "reading") read = progress.words;
        else shares.push(progress.share);
      },
    });
    expect(read).toBe(whole.tokens);
    expect(shares.at(-1)).toBe(1);
    expect(shares.length).toBeGreaterThan(3);
    expect([...shares].sort((a, b) => a - b)).toEqual(shares);

    for (const when of ["reading", "training"]) {
      const abort = new AbortController();
      const run = trainWordVectors(new Blob([text]), small, {
        backend,
        folder,
        signal: abort.signal,
        onProgress: ({ phase }) => phase === when && abort.abort(new Error(`stopped while ${when}`)),
      });
      await expect(run).rejects.toThrow(`stopped while ${when}`);
    }
    expect(await readdir(folder)).toEqual([]);
    await rm(folder, { recursive: true });
  });
});
