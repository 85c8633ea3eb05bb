import { describe, expect, test } from "vitest";
import type { TypedArray } from "../../src/dtype.js";
import { skipGramWork } from "../../src/plan/sizes.js";
import { type Corpus, skipGram } from "../skipGram.js";
import { backendOf, expectSame, instructionSets, randomSource, runInstructions } from "./harness.js";

const at = (buffer: number, offset = 0) => ({ buffer, offset });

interface Case {
  readonly rounds: number;
  readonly roundWords: number;
  readonly lanes: number;
  readonly window: number;
  readonly negative: number;
  readonly rows: number;
  readonly cols: number;
}

/** Words with sentence ends among them, frequent ones first, and tables that have been trained a little. */
function corpusOf(c: Case, seed = 5): Corpus {
  const random = randomSource(seed);
  const word = () => (random() < 0.1 ? -1 : Math.floor(c.rows * random() ** 2));
  const table = () => Float32Array.from({ length: c.rows * c.cols }, () => random() - 0.5);
  const each = <T>(value: (row: number) => T) => Array.from({ length: c.rows }, (_, row) => value(row));
  return {
    words: Int32Array.from({ length: c.rounds * c.roundWords }, word),
    position: 2 ** 32 - 40, // passes into the upper half
    epoch: 3,
    seed: [-7, 12],
    rates: Float32Array.from({ length: c.rounds }, (_, round) => 0.05 / (round + 1)),
    keep: Float32Array.from(each(() => (random() < 0.3 ? 1 : random()))),
    probability: Float32Array.from(each(() => random())),
    alias: Int32Array.from(each(() => Math.floor(random() * c.rows))),
    input: table(),
    output: table(),
  };
}

/** The tables after the instruction. */
async function run(set: string, c: Case, corpus: Corpus, threads = 1): Promise<TypedArray[]> {
  const { words, position, epoch, seed, rates, keep, probability, alias, input, output } = corpus;
  const place = Int32Array.of(position | 0, Math.floor(position / 2 ** 32), epoch);
  const work = new Float32Array(skipGramWork(c));
  const buffers = [
    words,
    place,
    Int32Array.of(...seed),
    rates,
    keep,
    probability,
    alias,
    input,
    output,
    work,
  ];
  const results = await runInstructions(await backendOf(set, threads), buffers, (encoder) =>
    encoder.emit("skipGram", {
      ...c,
      words: at(0),
      place: at(1),
      seed: at(2),
      rates: at(3),
      keep: at(4),
      probability: at(5),
      alias: at(6),
      input: at(7),
      output: at(8),
      work: at(9),
    }),
  );
  return results.slice(7, 9);
}

/** The largest difference of two elements; NaN where one is. */
function distance(a: TypedArray | undefined, b: Float64Array): number {
  let most = a?.length === b.length ? 0 : Number.NaN;
  b.forEach((x, i) => {
    most = Math.max(most, Math.abs(x - (a?.[i] ?? Number.NaN)));
  });
  return most;
}

const usual: Case = { rounds: 3, roundWords: 96, lanes: 4, window: 3, negative: 5, rows: 50, cols: 48 };
const cases: readonly Case[] = [
  usual,
  { ...usual, lanes: 1 },
  { ...usual, lanes: 64, roundWords: 33 },
  { ...usual, negative: 1 },
  { ...usual, negative: 4, window: 1 },
  { ...usual, negative: 7, window: 200 },
  { ...usual, negative: 20, rows: 900, cols: 16 },
  { ...usual, rows: 2 },
  { ...usual, rows: 1 },
  { ...usual, cols: 304, roundWords: 200, rounds: 1 },
  { ...usual, roundWords: 1 },
  { ...usual, rounds: 0 },
];

describe.each(instructionSets)("skipGram on %s", (set) => {
  test.each(cases)("%o agrees with the twin", async (c) => {
    const corpus = corpusOf(c);
    const twin = skipGram(corpus, c);
    const [input, output] = await run(set, c, corpus);
    // Sums of some hundred steps in float32, of values near 1.
    expect(distance(input, twin.input)).toBeLessThan(2e-5);
    expect(distance(output, twin.output)).toBeLessThan(2e-5);
    if (c.rounds > 0 && c.roundWords > 1) expect(distance(corpus.input, twin.input)).toBeGreaterThan(1e-2);
  });

  test("neither the threads shows nor a cut into calls where a sentence ends", async () => {
    const c: Case = { ...usual, rounds: 6, roundWords: 512, lanes: 16, rows: 400, cols: 112 };
    const corpus = corpusOf(c);
    for (const end of [1, 4]) corpus.words[end * c.roundWords - 1] = -1;
    const [input, output] = await run(set, c, corpus);
    for (const threads of [2, 3, 5]) {
      const [sameInput, sameOutput] = await run(set, c, corpus, threads);
      expectSame(sameInput, input as Float32Array, `${threads} threads`);
      expectSame(sameOutput, output as Float32Array, `${threads} threads`);
    }
    let tables: TypedArray[] = [corpus.input, corpus.output];
    for (const [from, to] of [
      [0, 1],
      [1, 4],
      [4, 6],
    ] as const) {
      tables = await run(
        set,
        { ...c, rounds: to - from },
        {
          ...corpus,
          words: corpus.words.slice(from * c.roundWords, to * c.roundWords),
          position: corpus.position + from * c.roundWords,
          rates: corpus.rates.slice(from, to),
          input: tables[0] as Float32Array,
          output: tables[1] as Float32Array,
        },
      );
    }
    expectSame(tables[0], input as Float32Array, "three calls");
    expectSame(tables[1], output as Float32Array, "three calls");
  });

  test("another seed, epoch or position draws other words", async () => {
    const corpus = corpusOf(usual);
    const [input] = await run(set, usual, corpus);
    const others: Partial<Corpus>[] = [
      { seed: [-7, 13] },
      { epoch: 4 },
      { position: corpus.position - 2 ** 32 },
    ];
    for (const other of others) {
      const [different] = await run(set, usual, { ...corpus, ...other });
      expect(different?.some((x, i) => x !== input?.[i])).toBe(true);
    }
  });

  test.each([-2, 50, 2 ** 31 - 1])("the word %i stops the run", async (word) => {
    const corpus = corpusOf(usual);
    corpus.words[7] = word;
    await expect(run(set, usual, corpus)).rejects.toThrow(
      `received the id ${word} at position 7, expected ids from 0 to 49`,
    );
  });

  test.each([
    { cols: 40 },
    { negative: 0 },
    { negative: 256 },
    { window: 0 },
    { lanes: 65 },
    { rows: 0 },
    { roundWords: 0, rounds: 0 },
  ])("%o is refused", async (wrong) => {
    const corpus = corpusOf(usual);
    await expect(run(set, { ...usual, ...wrong }, corpus)).rejects.toThrow("skipGram");
  });
});
