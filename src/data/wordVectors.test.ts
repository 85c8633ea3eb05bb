import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ReadVectorsOptions, readWordVectors } from "./readVectors.js";
import { pieces } from "./streams.case.js";
import { Vocabulary } from "./vocabulary.js";
import { WordVectors } from "./wordVectors.js";
import { encodeWordVectors, writeWordVectors } from "./writeVectors.js";

const file = (name: string) =>
  fileURLToPath(new URL(`../../tests/golden/preprocessing/${name}`, import.meta.url));

const golden: {
  readonly words: readonly string[];
  readonly vectors: readonly (readonly number[])[];
  readonly similarity: readonly (readonly [string, string, number])[];
  readonly mostSimilar: readonly {
    readonly positive: readonly string[];
    readonly negative: readonly string[];
    readonly nearest: readonly (readonly [string, number])[];
  }[];
} = JSON.parse(readFileSync(file("vectors.json"), "utf8"));

const read = (content: string | Uint8Array, options?: ReadVectorsOptions, size?: number) =>
  readWordVectors(pieces(content, size), options);

describe("word vectors as gensim writes them", () => {
  it.each(["vectors.txt", "vectors.bin"])("are read from %s, packed and in pieces, too", async (name) => {
    const bytes = readFileSync(file(name));
    for (const source of [file(name), bytes, pieces(bytes, 1), pieces(gzipSync(bytes), 7)]) {
      const vectors = await readWordVectors(source);
      expect(vectors.words).toEqual(golden.words);
      expect(vectors.data).toEqual(Float32Array.from(golden.vectors.flat()));
      expect(vectors.dimension).toBe(5);
    }
  });

  it("have the same neighbours", async () => {
    const vectors = await readWordVectors(file("vectors.bin"));
    for (const [a, b, cosine] of golden.similarity) expect(vectors.similarity(a, b)).toBeCloseTo(cosine, 6);
    for (const { positive, negative, nearest } of golden.mostSimilar) {
      const found = vectors.mostSimilar({ positive, negative }, 4);
      expect(found.map(([word]) => word)).toEqual(nearest.map(([word]) => word));
      for (const [i, [, cosine]] of nearest.entries()) expect(found[i]?.[1]).toBeCloseTo(cosine, 6);
    }
    const [king] = golden.mostSimilar;
    expect(vectors.mostSimilar("king", 4).map(([word]) => word)).toEqual(king?.nearest.map(([word]) => word));
    expect(vectors.mostSimilar(vectors.get("king") ?? [], 1)[0]?.[0]).toBe("king");
    expect(vectors.mostSimilar("king", 99)).toHaveLength(11);
  });

  it("are written as gensim writes them", async () => {
    const vectors = await readWordVectors(file("vectors.bin"));
    const lines = (bytes: Uint8Array) => new TextDecoder().decode(bytes).split("\n");
    const written = lines(await encodeWordVectors(vectors));
    const theirs = lines(readFileSync(file("vectors.txt")));
    // Python writes the exponent of 1e-07 with two digits.
    expect(written).toEqual(theirs.map((line) => line.replaceAll(/e-0(?=\d\b)/g, "e-")));
  });
});

describe("readWordVectors", () => {
  it.each([
    ["GloVe", "the 1 2\nof 3 4e-1\n", undefined],
    ["fastText", "2 2\nthe 1 2 \nof 3 0.4 \n", undefined],
    ["word2vec without an end", "2 2\r\nthe 1 2\r\nof 3 0.4", undefined],
    ["GloVe by name", "the 1 2\nof 3 .4\n\n", "glove"],
  ] as const)("reads %s", async (_, text, format) => {
    const vectors = await read(text, format === undefined ? {} : { format }, 5);
    expect(vectors.words).toEqual(["the", "of"]);
    expect(vectors.data).toEqual(Float32Array.of(1, 2, 3, 0.4));
  });

  it("takes words with spaces, as GloVe has them, and of a word that is there twice the first", async () => {
    const vectors = await read(
      ". . . 1 2 3\nat name@domain.com 4 5 6\nthe 1 1 1\nthe 2 2 2\n".replace(". . . 1", "a 0 0 0\n. . . 1"),
    );
    expect(vectors.words).toEqual(["a", ". . .", "at name@domain.com", "the"]);
    expect(vectors.get("the")).toEqual(Float32Array.of(1, 1, 1));
  });

  it("keeps what is asked for", async () => {
    const text = "4 1\na 1\nb 2\nc 3\nd 4\n";
    expect((await read(text, { limit: 2 })).words).toEqual(["a", "b"]);
    expect((await read(text, { only: new Vocabulary(["c", "x", "b"]) })).words).toEqual(["b", "c"]);
    const binary = await encodeWordVectors(await read(text), "word2vecBinary");
    expect((await read(binary, { only: new Set(["d"]), format: "word2vecBinary" })).data).toEqual(
      Float32Array.of(4),
    );
    expect((await read(binary, { limit: 3, format: "word2vecBinary" })).size).toBe(3);
    await expect(read(text, { only: new Set(["A"]) })).rejects.toThrow(
      /4 words of which not one is asked for/,
    );
  });

  it("reads back what was written, bit for bit", async () => {
    const word = fc.string({
      unit: fc.constantFrom("a", "é", "中", "😀", "1", "\u00a0", "\u0085"),
      minLength: 1,
    });
    const cases = fc
      .integer({ min: 1, max: 4 })
      .chain((dimension) =>
        fc.tuple(
          fc.uniqueArray(word, { minLength: 1, maxLength: 6 }),
          fc.constant(dimension),
          fc.infiniteStream(fc.float({ noNaN: true, noDefaultInfinity: true })),
          fc.constantFrom("word2vec" as const, "word2vecBinary" as const),
          fc.integer({ min: 1, max: 60 }),
        ),
      );
    await fc.assert(
      fc.asyncProperty(cases, async ([words, dimension, numbers, format, size]) => {
        const values = Array.from({ length: words.length * dimension }, () => numbers.next().value ?? 0);
        const vectors = new WordVectors(words, {
          data: Float32Array.from(values),
          shape: [words.length, dimension],
        });
        const again = await read(await encodeWordVectors(vectors, format), { format }, size);
        expect(again.words).toEqual(words);
        expect(again.data).toEqual(vectors.data);
      }),
    );
  });

  it.each<[string, string | Uint8Array, ReadVectorsOptions, RegExp]>([
    [
      "a short line",
      "2 3\na 1 2 3\nbc 1 2\n",
      {},
      /2 numbers in line 3, for the word "bc".*expected 3, as the first line says/,
    ],
    [
      "a long line",
      "a 1 2\nb 1 2 3\n",
      {},
      /3 numbers in line 2, for the word "b".*expected 2, as in the first line/,
    ],
    ["what is no number", "a 1 2\nb 1 x\n", {}, /"x" in line 2, where a number should be/],
    [
      "fewer words than it says",
      "3 1\na 1\nb 2\n",
      {},
      /received 2 words, expected 3, as the first line says/,
    ],
    ["more words than it says", "1 1\na 1\nb 2\n", {}, /received 2 words, expected 1/],
    [
      "a binary file that breaks off",
      readFileSync(file("vectors.bin")).subarray(0, 100),
      {},
      /received \d whole ones, expected 12/,
    ],
    [
      "a header that is missing",
      "a 1 2\n",
      { format: "fastText" },
      /"a 1 2" in line 1, expected the number of words/,
    ],
    ["no word", "1 2\n", {}, /received 0 words, expected 1|no words/],
    ["an empty file", "", {}, /no words/],
    ["lines of words alone", "a\nb\n", {}, /"a" in line 1, without numbers/],
    [
      "words that are no UTF-8",
      Buffer.from("a 1\n\xe9 2\n", "latin1"),
      { format: "glove" },
      /bytes in line 2 that are not UTF-8/,
    ],
    [
      "a model of gensim",
      Uint8Array.of(0x80, 4, 0x95, 1),
      {},
      /pickle.*gensim\.utils import SaveLoad; m = SaveLoad\.load\("the file"\).*save_word2vec_format/,
    ],
    [
      "the arrays of a model of gensim",
      Buffer.from("\x93NUMPY\x01", "latin1"),
      {},
      /NumPy.*save_word2vec_format/,
    ],
    ["a model of fastText", Uint8Array.of(0xba, 0x16, 0x4f, 0x2f, 12), {}, /fastText.*load_facebook_vectors/],
    ["an unknown format", "a 1\n", { format: "gensim" as never }, /format "gensim"/],
    ["a list of words", "a 1\n", { only: ["a"] as never }, /only: \["a"\].*a Set/],
    ["no limit", "a 1\n", { limit: 0 }, /limit: 0/],
  ])("refuses %s", async (_, content, options, message) => {
    await expect(read(content, options)).rejects.toThrow(message);
    await expect(read(content, options, 2)).rejects.toThrow(message);
  });
});

describe("writeWordVectors", () => {
  it("writes a file", async () => {
    const folder = mkdtempSync(join(tmpdir(), "rondo-vectors-"));
    const path = join(folder, "a.bin");
    const vectors = new WordVectors(["a", "b"], [[1], [2]]);
    await writeWordVectors(path, vectors, "word2vecBinary");
    expect((await readWordVectors(path)).get("b")).toEqual(Float32Array.of(2));
    rmSync(folder, { recursive: true });
  });

  it("refuses words that the format cannot hold, and formats that it does not know", async () => {
    await expect(encodeWordVectors(new WordVectors(["a b"], [[1]]))).rejects.toThrow(/the word "a b"/);
    await expect(encodeWordVectors(new WordVectors(["a"], [[1]]), "glove" as never)).rejects.toThrow(
      /format "glove"/,
    );
  });
});

describe("tableFor", () => {
  const vectors = new WordVectors(
    ["the", "film", "_PAD"],
    [
      [1, 2],
      [3, -6],
      [9, 9],
    ],
  );
  const vocabulary = Vocabulary.fromCounts(
    new Map([
      ["the", 6],
      ["bad", 3],
      ["film", 1],
    ]),
    { reserved: ["_END"] },
  );

  it("has zeros for padding, the vectors of words that have one, and a report", () => {
    const { table, coverage } = vectors.tableFor(vocabulary, { unknown: "zeros" });
    expect(vocabulary.tokens).toEqual(["_PAD", "_UNK", "_END", "the", "bad", "film"]);
    expect(table.array()).toEqual([
      [0, 0],
      [0, 0],
      [0, 0],
      [1, 2],
      [0, 0],
      [3, -6],
    ]);
    expect([coverage.known.size, coverage.shareOfTokens, [...coverage.unknown]]).toEqual([
      2,
      0.7,
      [["bad", 3]],
    ]);
    expect(String(coverage)).toBe("2 of 3 words are known (66.7 %), 70.0 % of 10 tokens. Unknown: bad (3).");
  });

  it("begins what has no vector at the mean, or as widely as the vectors found", () => {
    expect(vectors.tableFor(vocabulary, { unknown: "mean" }).table.rows(4, 5).array()).toEqual([[2, -2]]);
    const { table } = vectors.tableFor(vocabulary);
    // The numbers found are 1, 2, 3, -6: variance 12.5.
    const most = Math.sqrt(3 * 12.5);
    const drawn = [...table.rows(1, 3).data, ...table.rows(4, 5).data];
    expect(drawn.every((value) => value !== 0 && Math.abs(value) < most)).toBe(true);
    expect(new Set(drawn).size).toBe(6);
    expect(vectors.tableFor(vocabulary, { seed: 0 }).table).toEqual(table);
    expect(vectors.tableFor(vocabulary, { seed: 1 }).table).not.toEqual(table);
    expect(table.rows(0, 1).array()).toEqual([[0, 0]]);
  });

  it("draws with the variance of the vectors", () => {
    const many = new Vocabulary(["the", "film", ...Array.from({ length: 4000 }, (_, i) => `unknown${i}`)]);
    const drawn = vectors.tableFor(many).table.rows(4).data;
    const mean = drawn.reduce((sum, value) => sum + value / drawn.length, 0);
    const variance = drawn.reduce((sum, value) => sum + (value - mean) ** 2 / drawn.length, 0);
    expect(Math.abs(mean)).toBeLessThan(0.15); // 4 standard errors
    expect(variance / 12.5).toBeCloseTo(1, 1);
  });

  it("counts each word once where a vocabulary has no counts", () => {
    expect(vectors.tableFor(new Vocabulary(["the", "bad"])).coverage.shareOfTokens).toBe(0.5);
  });

  it.each<[string, () => unknown, RegExp]>([
    [
      "a vocabulary without a known word",
      () => vectors.tableFor(new Vocabulary(["The"])),
      /not one word has a vector: The …, expected words like these: the film/,
    ],
    ["one vector too few", () => new WordVectors(["a", "b"], [[1, 2]]), /shape \[1, 2\] for 2 words/],
    ["a word twice", () => new WordVectors(["a", "a"], [[1], [2]]), /"a" twice/],
    [
      "a word without a vector",
      () => vectors.similarity("the", "films"),
      /"films", which has no vector.*Did you mean "film"/,
    ],
    ["another word without a vector", () => vectors.mostSimilar("xyzzy"), /has\(word\)/],
    ["a vector of another size", () => vectors.mostSimilar([1]), /a vector of 1 numbers, expected 2/],
    ["no neighbours", () => vectors.mostSimilar("the", 0), /most: 0/],
  ])("refuses %s", (_, act, message) => expect(act).toThrow(message));
});
