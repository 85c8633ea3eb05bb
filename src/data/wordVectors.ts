import { readOptions } from "../config/config.js";
import { choice, integer } from "../config/fields.js";
import { checkCount, nearestName, RondoError, valueText } from "../errors.js";
import { shapeText, Tensor, type TensorLike, toTensor } from "../tensor.js";
import { Coverage } from "./coverage.js";
import { draws } from "./shuffle.js";
import type { Vocabulary } from "./vocabulary.js";

/** A word, a vector, or words to add and to subtract: king - man + woman is { positive: ["king", "woman"], negative: ["man"] }. */
export type SimilarTo =
  | string
  | ArrayLike<number>
  | { readonly positive: readonly string[]; readonly negative?: readonly string[] };

/** How `tableFor` fills a table. */
export interface TableOptions {
  /**
   * The rows of words without a vector: numbers as large as those of the vectors, evenly drawn with the same variance (the
   * default; Kim 2014, "Convolutional neural networks for sentence classification"); the mean of the vectors found; zeros.
   */
  readonly unknown?: "uniform" | "mean" | "zeros";
  /** On which the drawn numbers hang, with the row. Default: 0. */
  readonly seed?: number;
}

const tableFields = { unknown: choice("uniform", ["uniform", "mean", "zeros"]), seed: integer(0) };

/** The weights of an Embedding, and how much of the vocabulary has a vector. */
export interface EmbeddingTable {
  /** float32 [size of the vocabulary, dimension]. */
  readonly table: Tensor<"float32">;
  /** Of the vocabulary's words, as often as they came in what it was made from. */
  readonly coverage: Coverage;
}

/** Words and their vectors. V words, D numbers each. */
export class WordVectors {
  /** V words, in the order of their rows. */
  readonly words: readonly string[];
  /** D. */
  readonly dimension: number;
  /** [V, D]. */
  readonly data: Float32Array;
  readonly #rows: ReadonlyMap<string, number>;
  /** Euclidean lengths of the vectors, once they were needed. */
  #lengths: Float64Array | undefined;

  /**
   * @param vectors [V, D], shared where they are float32
   * @throws RondoError for words that are there twice, and where there is not one vector for each
   */
  constructor(words: readonly string[], vectors: TensorLike) {
    const where = "wordVectors";
    const { data, shape } = toTensor(where, vectors, undefined, "float32");
    const [rows, dimension] = shape;
    if (shape.length !== 2 || rows !== words.length || dimension === undefined || dimension === 0) {
      throw new RondoError({
        where,
        received: `vectors of shape ${shapeText(shape)} for ${words.length} words`,
        expected: `shape [${words.length}, D]`,
        fix: "Give one vector for each word",
      });
    }
    this.words = words;
    this.dimension = dimension;
    this.data = data as Float32Array;
    this.#rows = new Map(words.map((word, row) => [word, row]));
    if (this.#rows.size === words.length) return;
    const [twice = ""] = words.filter((word, row) => this.#rows.get(word) !== row);
    throw new RondoError({
      where,
      received: `the word ${JSON.stringify(twice)} twice`,
      expected: "every word once",
      fix: "Leave one of the two out",
    });
  }

  /** Number of words, V. */
  get size(): number {
    return this.words.length;
  }

  /** Whether a word has a vector. */
  has(word: string): boolean {
    return this.#rows.has(word);
  }

  /** The vector of a word, [D], in the memory of `data`; undefined where it has none. */
  get(word: string): Float32Array | undefined {
    const row = this.#rows.get(word);
    return row === undefined ? undefined : this.#vector(row);
  }

  /**
   * The cosine of the angle between the vectors of two words: 1 for the same direction.
   *
   * @throws RondoError for a word without a vector
   */
  similarity(a: string, b: string): number {
    const [first, second] = [a, b].map((word) => this.#rowOf("wordVectors.similarity", word));
    return this.#cosine(first ?? 0, unit(this.#vector(second ?? 0)));
  }

  /**
   * The words whose vectors make the smallest angles with the one asked for, and the cosines. Words are added and subtracted
   * as vectors of length 1; those that were asked with are left out.
   *
   * @param most how many; default 10
   * @throws RondoError for a word without a vector, and for a vector of another size
   */
  mostSimilar(to: SimilarTo, most = 10): (readonly [word: string, similarity: number])[] {
    const where = "wordVectors.mostSimilar";
    checkCount(where, "most", most, 1);
    const { vector, rows } = this.#query(where, to);
    const asked = new Set(rows);
    const best: { readonly row: number; readonly similarity: number }[] = [];
    for (let row = 0; row < this.size; row++) {
      if (asked.has(row)) continue;
      const similarity = this.#cosine(row, vector);
      const worst = best.length < most ? Number.NEGATIVE_INFINITY : (best.at(-1)?.similarity ?? 0);
      if (!(similarity > worst)) continue;
      const place = best.findIndex((other) => other.similarity < similarity);
      best.splice(place < 0 ? best.length : place, 0, { row, similarity });
      if (best.length > most) best.pop();
    }
    return best.map(({ row, similarity }) => [this.words[row] ?? "", similarity]);
  }

  /**
   * The weights of an Embedding for a vocabulary: its padding (`_PAD`, row 0) is zeros, a word has its vector, and what has
   * none begins as `unknown` says.
   *
   *     const { table, coverage } = vectors.tableFor(vocabulary);
   *     layers.embedding({ inputDim: vocabulary.size, outputDim: vectors.dimension, weights: [table], trainable: false });
   *
   * @throws RondoError where not one word of the vocabulary has a vector
   */
  tableFor(vocabulary: Vocabulary, options: TableOptions = {}): EmbeddingTable {
    const where = "wordVectors.tableFor";
    const { unknown, seed } = readOptions(tableFields, options, where);
    const { dimension } = this;
    const table = new Float32Array(vocabulary.size * dimension);
    const coverage = new Coverage();
    const isCounted = vocabulary.counts.some((count) => count > 0);
    const found: number[] = [];
    const missing: number[] = [];
    for (const [id, word] of vocabulary.tokens.entries()) {
      if (word === vocabulary.padding) continue;
      const vector = this.get(word);
      (vector === undefined ? missing : found).push(id);
      if (vector !== undefined) table.set(vector, id * dimension);
      if (id >= vocabulary.reservedSize)
        coverage.add(word, vector !== undefined, isCounted ? (vocabulary.counts[id] ?? 0) : 1);
    }
    if (found.length === 0) {
      throw new RondoError({
        where,
        received: `a vocabulary of which not one word has a vector: ${vocabulary.tokens.slice(vocabulary.reservedSize).slice(0, 5).join(" ")} …`,
        expected: `words like these: ${this.words.slice(0, 5).join(" ")} …`,
        fix: "Prepare the texts as those that the vectors were trained on: large and small letters, language",
      });
    }
    const fill = fillers[unknown](table, found, dimension, seed);
    for (const id of missing) fill(id);
    return { table: new Tensor(table, [vocabulary.size, dimension], "float32"), coverage };
  }

  #vector(row: number): Float32Array {
    return this.data.subarray(row * this.dimension, (row + 1) * this.dimension);
  }

  #rowOf(where: string, word: string): number {
    const row = this.#rows.get(word);
    if (row !== undefined) return row;
    const nearest = typeof word === "string" ? nearestName(word, this.words) : undefined;
    throw new RondoError({
      where,
      received: `${valueText(word)}, which has no vector`,
      expected: "a word that has one",
      fix: nearest === undefined ? "Ask with has(word) first" : `Did you mean "${nearest}"?`,
    });
  }

  /** The vector asked for, of length 1, and the rows of the words that it is made of. */
  #query(where: string, to: SimilarTo): { readonly vector: Float64Array; readonly rows: readonly number[] } {
    if (typeof to === "object" && !("positive" in to)) {
      if (to.length === this.dimension) return { vector: unit(to), rows: [] };
      throw new RondoError({
        where,
        received: `a vector of ${to.length} numbers`,
        expected: `${this.dimension}`,
        fix: "Give a vector of the size of these",
      });
    }
    const { positive, negative = [] } = typeof to === "string" ? { positive: [to] } : to;
    const terms = [
      ...positive.map((word) => ({ word, sign: 1 })),
      ...negative.map((word) => ({ word, sign: -1 })),
    ];
    const sum = new Float64Array(this.dimension);
    const rows = terms.map(({ word, sign }) => {
      const row = this.#rowOf(where, word);
      for (const [i, value] of unit(this.#vector(row)).entries()) sum[i] = (sum[i] ?? 0) + sign * value;
      return row;
    });
    return { vector: unit(sum), rows };
  }

  /** With a vector of length 1. */
  #cosine(row: number, vector: Float64Array): number {
    const { data, dimension } = this;
    this.#lengths ??= Float64Array.from(this.words, (_, i) => lengthOf(this.#vector(i)));
    let sum = 0;
    for (let i = 0, at = row * dimension; i < dimension; i++) sum += (data[at + i] ?? 0) * (vector[i] ?? 0);
    return sum / (this.#lengths[row] || 1);
  }
}

function lengthOf(vector: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < vector.length; i++) sum += (vector[i] ?? 0) ** 2;
  return Math.sqrt(sum);
}

/** The vector of length 1 in the same direction; zeros stay zeros. */
function unit(vector: ArrayLike<number>): Float64Array {
  const length = lengthOf(vector) || 1;
  return Float64Array.from(vector, (value) => value / length);
}

/** What fills the row of an id, once the rows of those found are there. */
type Filler = (
  table: Float32Array,
  found: readonly number[],
  dimension: number,
  seed: number,
) => (id: number) => void;

const fillers: Readonly<Record<Required<TableOptions>["unknown"], Filler>> = {
  zeros: () => () => undefined,
  mean(table, found, dimension) {
    const mean = Float64Array.from({ length: dimension }, (_, i) =>
      found.reduce((sum, id) => sum + (table[id * dimension + i] ?? 0) / found.length, 0),
    );
    return (id) => table.set(mean, id * dimension);
  },
  uniform(table, found, dimension, seed) {
    const rows = found.map((id) => table.subarray(id * dimension, (id + 1) * dimension));
    const count = rows.length * dimension;
    const sum = (of: (value: number) => number) =>
      rows.reduce((total, row) => row.reduce((part, value) => part + of(value), total), 0);
    const mean = sum((value) => value) / count;
    // A uniform distribution from -a to a has the variance a² / 3.
    const most = Math.sqrt((3 * sum((value) => (value - mean) ** 2)) / count);
    const draw = draws(seed, 0);
    return (id) => {
      for (let at = id * dimension; at < (id + 1) * dimension; at++) table[at] = most * (2 * draw(at) - 1);
    };
  },
};
