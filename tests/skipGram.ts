// Skip-gram with negative sampling as the instruction `skipGram` defines it, in float64.
import { type Block, philox } from "./philox.js";

/** What the instruction reads: the words of all rounds, where they stand, and the tables [rows, cols] before it. */
export interface Corpus {
  readonly words: Int32Array;
  readonly position: number;
  readonly epoch: number;
  readonly seed: readonly [number, number];
  readonly rates: Float32Array;
  readonly keep: Float32Array;
  readonly probability: Float32Array;
  readonly alias: Int32Array;
  readonly input: Float32Array;
  readonly output: Float32Array;
}

export interface Shape {
  readonly rounds: number;
  readonly roundWords: number;
  readonly lanes: number;
  readonly window: number;
  readonly negative: number;
  readonly rows: number;
  readonly cols: number;
}

/** A kept word: where it stands, its negatives, and its contexts. */
interface Centre {
  readonly at: number;
  readonly word: number;
  readonly negatives: readonly number[];
  readonly contexts: readonly number[];
}

/** The tables after all rounds. */
export function skipGram(corpus: Corpus, shape: Shape): { input: Float64Array; output: Float64Array } {
  const tables = { input: Float64Array.from(corpus.input), output: Float64Array.from(corpus.output) };
  const all = centresOf(corpus, shape);
  for (let round = 0; round < shape.rounds; round++) {
    const centres = all.filter(({ at }) => Math.floor(at / shape.roundWords) === round);
    const before = { input: tables.input.slice(), output: tables.output.slice() };
    for (let lane = 0; lane < shape.lanes; lane++) {
      const own = { input: before.input.slice(), output: before.output.slice() };
      const from = Math.floor((lane * centres.length) / shape.lanes);
      const to = Math.floor(((lane + 1) * centres.length) / shape.lanes);
      for (const centre of centres.slice(from, to)) {
        for (const context of centre.contexts)
          step(own, shape.cols, context, centre, corpus.rates[round] ?? 0);
      }
      for (const name of ["input", "output"] as const) {
        own[name].forEach((x, i) => {
          tables[name][i] = (tables[name][i] ?? 0) + x - (before[name][i] ?? 0);
        });
      }
    }
  }
  return tables;
}

/** One context of a centre: logistic regression on the centre (1) and its negatives (0). */
function step(
  tables: { readonly input: Float64Array; readonly output: Float64Array },
  cols: number,
  context: number,
  { word, negatives }: Centre,
  rate: number,
): void {
  const x = tables.input.subarray(context * cols, (context + 1) * cols);
  const targets = [word, ...negatives].map((o) => tables.output.subarray(o * cols, (o + 1) * cols));
  const slopes = targets.map((y, i) => {
    const score = y.reduce((sum, value, d) => sum + value * (x[d] ?? 0), 0);
    return rate * ((i === 0 ? 1 : 0) - 1 / (1 + Math.exp(-score)));
  });
  const error = new Float64Array(cols);
  targets.forEach((y, i) => {
    const g = slopes[i] ?? 0;
    y.forEach((value, d) => {
      error[d] = (error[d] ?? 0) + g * value;
      y[d] = value + g * (x[d] ?? 0);
    });
  });
  error.forEach((value, d) => {
    x[d] = (x[d] ?? 0) + value;
  });
}

/** The kept words. */
function centresOf(corpus: Corpus, shape: Shape): Centre[] {
  const kept: { word: number; at: number; sentence: number; window: number }[] = [];
  let sentence = 0;
  for (const [at, word] of corpus.words.entries()) {
    if (word < 0) sentence++;
    else {
      const [u, v] = draw(corpus, at, 0);
      if ((u >>> 8) / 2 ** 24 >= (corpus.keep[word] ?? 0)) continue;
      kept.push({ word, at, sentence, window: 1 + Math.floor((v / 2 ** 32) * shape.window) });
    }
  }
  return kept.map(({ word, at, sentence, window }, i) => {
    const near = kept.slice(Math.max(0, i - window), i + window + 1);
    return {
      at,
      word,
      negatives: negativesOf(corpus, shape, at).filter((negative) => negative !== word),
      contexts: near.flatMap((other) => (other.at !== at && other.sentence === sentence ? [other.word] : [])),
    };
  });
}

function negativesOf(corpus: Corpus, { negative, rows }: Shape, at: number): number[] {
  const blocks = Array.from({ length: Math.ceil(negative / 4) }, (_, i) => draw(corpus, at, 1 + i));
  return blocks
    .flat()
    .slice(0, negative)
    .map((word) => {
      const point = BigInt(word) * BigInt(rows);
      const cell = Number(point >> 32n);
      const rest = Number((point & 0xffffffffn) >> 8n) / 2 ** 24;
      return rest < (corpus.probability[cell] ?? 0) ? cell : (corpus.alias[cell] ?? 0);
    });
}

function draw({ position, epoch, seed }: Corpus, at: number, block: number): Block {
  const place = position + at;
  return philox([place >>> 0, Math.floor(place / 2 ** 32), epoch, block], [seed[0] >>> 0, seed[1] >>> 0]);
}
