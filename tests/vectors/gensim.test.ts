import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { trainWordVectors } from "../../src/vectors/index.js";
import { backendOf, instructionSets } from "../kernels/harness.js";

/** What generate_gensim.py wrote. */
interface Golden {
  readonly words: number;
  readonly sentences: number;
  readonly length: number;
  /** The last sentence. */
  readonly last: string;
  /** The correlation of gensim's cosines with its own under another seed. */
  readonly agreement: number;
  /** Of each pair of words. */
  readonly cosines: readonly number[];
}

const golden = JSON.parse(await readFile(new URL("gensim.json", import.meta.url), "utf8")) as Golden;

/** Words stand on a ring; a sentence keeps to a part of it. */
function sentences(): string[] {
  let state = 1;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return Array.from({ length: golden.sentences }, () => {
    const place = random();
    const word = () => {
      const at = place + 0.3 * (random() + random() + random() - 1.5);
      return `w${Math.floor((at - Math.floor(at)) * golden.words)}`;
    };
    return Array.from({ length: golden.length }, word).join(" ");
  });
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

function correlation(x: readonly number[], y: readonly number[]): number {
  const [mx, my] = [mean(x), mean(y)];
  const sum = (f: (a: number, b: number) => number) => mean(x.map((a, i) => f(a - mx, (y[i] ?? 0) - my)));
  return sum((a, b) => a * b) / Math.sqrt(sum((a) => a * a) * sum((_, b) => b * b));
}

const text = sentences();

test.each(instructionSets)("on %s, words are as near to each other as gensim finds them", async (set) => {
  expect(text.at(-1)).toBe(golden.last);
  const backend = await backendOf(set);
  const { vectors } = await trainWordVectors(new Blob([text.join("\n")]), { vectorSize: 50 }, { backend });
  const words = Array.from({ length: golden.words }, (_, i) => `w${i}`);
  const cosines = words.flatMap((a, i) => words.slice(i + 1).map((b) => vectors.similarity(a, b)));
  expect(correlation(cosines, golden.cosines)).toBeGreaterThan(golden.agreement - 0.005);
  // Lanes know of each other's steps a little late: 0.449 for gensim's 0.462.
  expect(Math.abs(mean(cosines) - mean(golden.cosines))).toBeLessThan(0.03);
});
