import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ByteSource } from "../files/chunks.js";
import { Corpus, type CorpusOptions } from "./corpus.js";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "rondo-corpus-"));
});
afterAll(() => rm(folder, { recursive: true }));

const usual = { lowercase: false, minCount: 1, maxVocabulary: 1000 };

/** A text in pieces of so many bytes. */
async function* inPieces(text: string, bytes: number): AsyncGenerator<Uint8Array> {
  const all = new TextEncoder().encode(text);
  for (let at = 0; at < all.length; at += bytes) yield all.subarray(at, at + bytes);
}

/** The sentences that training sees, joined from blocks. */
async function sentencesOf(
  source: ByteSource,
  options: Partial<CorpusOptions> = {},
  size = 7,
): Promise<{ corpus: Corpus; sentences: string[] }> {
  const corpus = await Corpus.read("test", source, { ...usual, folder, ...options });
  const rows: number[] = [];
  for await (const block of corpus.blocks(size)) {
    expect(block.length).toBe(size);
    rows.push(...block);
  }
  const words = rows.map((row) => (row < 0 ? "\n" : (corpus.words[row] ?? "?")));
  await corpus.close();
  return {
    corpus,
    sentences: words
      .join(" ")
      .split("\n")
      .map((s) => s.trim())
      .filter((s) => s !== ""),
  };
}

const text = "the cat sat\n\n  the dog\tsat on the mat \r\nthe\u00a0cat\u3000ran\nlast line, no end";
const expected = ["the cat sat", "the dog sat on the mat", "the cat ran", "last line, no end"];

describe("Corpus", () => {
  test.each([1, 2, 3, 5, 1000])("words and sentences of a text in pieces of %i bytes", async (bytes) => {
    const { corpus, sentences } = await sentencesOf(inPieces(text, bytes));
    expect(sentences).toEqual(expected);
    expect(corpus.words.slice(0, 3)).toEqual(["the", "cat", "sat"]);
    expect(corpus.counts.slice(0, 4)).toEqual([4, 2, 2, 1]);
    expect(corpus).toMatchObject({ tokens: 16, sentences: 4, length: 20, forgotten: 0 });
  });

  test("the same of a file, packed or not", async () => {
    const paths = [join(folder, "text.txt"), join(folder, "text.txt.gz")] as const;
    await writeFile(paths[0], text);
    await writeFile(paths[1], gzipSync(text));
    for (const path of paths) expect((await sentencesOf(path)).sentences).toEqual(expected);
  });

  test("rare words are left out, and what stands around them moves together", async () => {
    const { corpus, sentences } = await sentencesOf(new Blob([text]), { minCount: 2 });
    expect(sentences).toEqual(["the cat sat", "the sat the", "the cat"]);
    expect(corpus).toMatchObject({ words: ["the", "cat", "sat"], tokens: 16, length: 12 });
  });

  test("words in small letters, where pieces cut them too", async () => {
    for (const bytes of [1, 4, 100]) {
      const { corpus } = await sentencesOf(inPieces("Der ΣΑΣ der DER\nÄrger ärger", bytes), {
        lowercase: true,
      });
      expect(corpus.words).toEqual(["der", "ärger", "σας"]);
    }
  });

  test("sentences are cut after 10,000 words", async () => {
    const long = Array.from({ length: 25_000 }, (_, i) => (i % 10_000 === 0 ? "first" : "more")).join(" ");
    const { corpus, sentences } = await sentencesOf(inPieces(long, 999), {}, 4096);
    expect(corpus.sentences).toBe(3);
    expect(sentences.map((s) => s.split(" ").length)).toEqual([10_000, 10_000, 5000]);
    expect(sentences.every((s) => s.startsWith("first more"))).toBe(true);
  });

  test("of too many different words the rarest are forgotten", async () => {
    const rare = (from: number) => Array.from({ length: 90 }, (_, i) => `rare${from + i}`).join(" ");
    const lines = [
      `often often often ${rare(0)}`,
      `often again again ${rare(100)}`,
      `often again ${rare(200)}`,
    ];
    const { corpus, sentences } = await sentencesOf(new Blob([lines.join("\n")]), {
      maxVocabulary: 100,
      minCount: 2,
    });
    expect(corpus.words).toEqual(["often", "again"]);
    expect(corpus.counts).toEqual([5, 3]);
    expect(sentences).toEqual(["often often often", "often again again", "often again"]);
    expect(corpus.forgotten).toBeGreaterThan(100);
    expect(corpus.tokens).toBe(278);
  });

  test("it is read as often as wanted, and leaves nothing behind", async () => {
    const own = await mkdtemp(join(folder, "own-"));
    const corpus = await Corpus.read("test", new Blob([text]), { ...usual, folder: own });
    const passes: number[][] = [[], []];
    for (const pass of passes) for await (const block of corpus.blocks(5)) pass.push(...block);
    expect(passes[0]).toEqual(passes[1]);
    await corpus.close();
    expect(await readdir(own)).toEqual([]);
  });

  test.each([
    ["an empty file", "", "read the file: received an empty file"],
    ["spaces alone", " \n \n", "without a word"],
    [
      "rare words",
      "a b a",
      'whose commonest word, "a", comes 2 times, expected words that come 3 times or more',
    ],
  ])("%s", async (_, given, message) => {
    const own = await mkdtemp(join(folder, "own-"));
    await expect(
      Corpus.read("test", new Blob([given]), { ...usual, minCount: 3, folder: own }),
    ).rejects.toThrow(message);
    expect(await readdir(own)).toEqual([]);
  });

  test("bytes that are no UTF-8 are named with their line", async () => {
    const bytes = new Uint8Array([...new TextEncoder().encode("one\ntwo\nthr"), 0xe4, 0x65, 0x0a]);
    await expect(Corpus.read("test", bytes, { ...usual, folder })).rejects.toThrow(
      "byte 0xe4 at byte 11, in line 3",
    );
  });

  test("what has no spaces is no text", async () => {
    async function* endless() {
      for (let i = 0; i < 100; i++) yield new Uint8Array(2 ** 16).fill(120);
    }
    await expect(Corpus.read("test", endless(), { ...usual, folder })).rejects.toThrow(
      "with a word of more than 1048576 characters",
    );
  });

  test("a folder that is not there is named", async () => {
    const missing = join(folder, "missing");
    await expect(Corpus.read("test", new Blob([text]), { ...usual, folder: missing })).rejects.toThrow(
      missing,
    );
  });
});
