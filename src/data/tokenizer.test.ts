import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { camelCase } from "../config/config.js";
import { Coverage } from "./coverage.js";
import { type MatrixMode, Tokenizer, textToWordSequence } from "./tokenizer.js";

type Pairs = readonly (readonly [string | number, string | number])[];

interface TokenizerCase {
  readonly options: Readonly<Record<string, unknown>>;
  readonly fits: readonly (readonly (string | readonly string[] | readonly number[])[])[];
  readonly documentCount: number;
  readonly wordCounts: Pairs;
  readonly wordDocs: Pairs;
  readonly wordIndex: Pairs;
  readonly indexWord: Pairs;
  readonly indexDocs: Pairs;
  readonly texts: readonly (string | readonly string[])[];
  readonly sequences: readonly (readonly number[])[];
  readonly textsAgain: readonly string[];
  readonly matrices: Readonly<Record<MatrixMode, readonly (readonly number[])[]>>;
  readonly json: string;
}

const golden: {
  readonly tokenizer: readonly TokenizerCase[];
  readonly words: readonly { text: string; options: object; words: string[] }[];
} = JSON.parse(readFileSync(new URL("../../tests/golden/preprocessing/keras.json", import.meta.url), "utf8"));

const inCamelCase = (options: object) =>
  Object.fromEntries(Object.entries(options).map(([name, value]) => [camelCase(name), value]));

const isSequences = (fit: readonly unknown[]): fit is readonly (readonly number[])[] =>
  Array.isArray(fit[0]) && typeof fit[0][0] === "number";

function fitted({ options, fits }: TokenizerCase): Tokenizer {
  const tokenizer = new Tokenizer(inCamelCase(options));
  for (const fit of fits)
    if (isSequences(fit)) tokenizer.fitOnSequences(fit);
    else tokenizer.fitOnTexts(fit as readonly (string | readonly string[])[]);
  return tokenizer;
}

const sorted = (pairs: Pairs) => [...pairs].sort(([a], [b]) => (a < b ? -1 : 1));

/** What Keras's JSON says, with the texts in it read; word_docs has no order. */
function meaning(json: unknown): unknown {
  const { class_name, config } = json as { class_name: string; config: Record<string, unknown> };
  const read = Object.entries(config).map(([name, value]) => [
    name,
    /^word_|^index_/.test(name) ? JSON.parse(String(value)) : value,
  ]);
  return { class_name, config: Object.fromEntries(read) };
}

describe.each(golden.tokenizer.map((one, i) => ({ name: `${i}: ${JSON.stringify(one.options)}`, one })))(
  "tokenizer, as Keras's, $name",
  ({ one }) => {
    const tokenizers: [string, Tokenizer][] = [
      ["fitted", fitted(one)],
      ["read from Keras's JSON", Tokenizer.fromJSON(one.json)],
      ["read from its own JSON", Tokenizer.fromJSON(JSON.stringify(fitted(one)))],
    ];

    it.each(tokenizers)("%s, counts and numbers words", (_, tokenizer) => {
      expect(tokenizer.documentCount).toBe(one.documentCount);
      expect([...tokenizer.wordCounts]).toEqual(one.wordCounts);
      expect([...tokenizer.wordIndex]).toEqual(one.wordIndex);
      expect([...tokenizer.indexWord]).toEqual(one.indexWord);
      expect(sorted([...tokenizer.wordDocs])).toEqual(sorted(one.wordDocs));
      expect(sorted([...tokenizer.indexDocs])).toEqual(sorted(one.indexDocs));
    });

    it.each(tokenizers)(
      "%s, turns texts into ids, ids into texts, and both into matrices",
      (_, tokenizer) => {
        expect(tokenizer.textsToSequences(one.texts)).toEqual(one.sequences);
        expect(tokenizer.sequencesToTexts([...one.sequences, [0, 1, 99]])).toEqual(one.textsAgain);
        for (const mode of ["binary", "count", "freq", "tfidf"] as const) {
          const { data, shape } = tokenizer.textsToMatrix(one.texts, mode);
          const [first = []] = one.matrices[mode];
          expect(shape).toEqual([one.texts.length, first.length]);
          expect(data).toEqual(Float32Array.from(one.matrices[mode].flat()));
        }
      },
    );

    it("writes Keras's JSON", () => {
      const [, [, tokenizer] = tokenizers[0] as never] = tokenizers;
      expect(meaning(JSON.parse(JSON.stringify(fitted(one))))).toEqual(meaning(JSON.parse(one.json)));
      expect(meaning(tokenizer.toJSON())).toEqual(meaning(JSON.parse(one.json)));
    });
  },
);

describe("tokenizer", () => {
  it("goes on after it was read as the one that was written", () => {
    const first = new Tokenizer({ oovToken: "?" });
    first.fitOnTexts(["10 2 b", "b a 2017 __proto__"]);
    const second = Tokenizer.fromJSON(JSON.stringify(first));
    for (const tokenizer of [first, second]) tokenizer.fitOnTexts(["constructor a 2 __proto__"]);
    expect([...second.wordIndex]).toEqual([...first.wordIndex]);
    expect(JSON.stringify(second)).toBe(JSON.stringify(first));
  });

  it("numbers texts that come one by one as texts that come together", () => {
    fc.assert(
      fc.property(fc.array(fc.array(fc.constantFrom("a", "b", "c", "1", "2"))), (texts) => {
        const together = new Tokenizer();
        const oneByOne = new Tokenizer();
        together.fitOnTexts(texts);
        for (const text of texts) {
          oneByOne.fitOnTexts([text]);
          expect(oneByOne.wordIndex.size).toBe(new Set([...oneByOne.wordCounts.keys()]).size);
        }
        expect(JSON.stringify(oneByOne)).toBe(JSON.stringify(together));
      }),
    );
  });

  it("gives the words back that it knows", () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.stringMatching(/^[a-z0-9']{1,4}$/), { minLength: 1 }), { minLength: 1 }),
        (texts) => {
          const joined = texts.map((words) => words.join(" "));
          const tokenizer = new Tokenizer();
          tokenizer.fitOnTexts(joined);
          expect(tokenizer.sequencesToTexts(tokenizer.textsToSequences(joined))).toEqual(joined);
        },
      ),
    );
  });

  it("counts what it does not know, and finds texts without a known word", () => {
    const tokenizer = new Tokenizer({ numWords: 3 });
    tokenizer.fitOnTexts(["a a a b b c"]);
    const coverage = new Coverage();
    const sequences = tokenizer.textsToSequences(["a b x", "c x y", ""], { coverage });
    expect(sequences).toEqual([[1, 2], [], []]);
    expect([...coverage.unknown]).toEqual([
      ["x", 2],
      ["c", 1],
      ["y", 1],
    ]);
    expect(coverage.textsWithoutKnown).toBe(2);
    expect(() => tokenizer.textsToSequences(["a", "c x y"], { requireKnown: true })).toThrow(
      "tokenizer.textsToSequences: text 1: received tokens of which not one is known: c x y",
    );
  });

  it("is a vocabulary of the same ids", () => {
    const tokenizer = new Tokenizer({ numWords: 4, oovToken: "<oov>" });
    tokenizer.fitOnTexts(["a a a b b c"]);
    const vocabulary = tokenizer.vocabulary();
    expect(vocabulary.tokens).toEqual(["_PAD", "<oov>", "a", "b"]);
    expect(vocabulary.counts).toEqual([0, 0, 3, 2]);
    expect([...vocabulary.encode(["b", "c", "a"])]).toEqual(tokenizer.textsToSequences(["b c a"])[0]);
  });

  it.each<[string, () => unknown, RegExp]>([
    [
      "an option that there is not",
      () => new Tokenizer({ numwords: 3 } as never),
      /"numwords".*Did you mean "numWords"/,
    ],
    ["no separator", () => new Tokenizer({ split: "" }), /split: "", expected text that is not empty/],
    ["one text in place of a list", () => new Tokenizer().fitOnTexts("a b"), /fitOnTexts\(\[text\]\)/],
    ["what is no text", () => new Tokenizer().fitOnTexts([3 as never]), /3 for text 0/],
    ["texts before it was fitted", () => new Tokenizer().textsToSequences(["a"]), /knows no words/],
    ["a matrix before it was fitted", () => new Tokenizer().sequencesToMatrix([[1]]), /knows no words/],
    [
      "tfidf before it was fitted",
      () => new Tokenizer({ numWords: 3 }).sequencesToMatrix([[1]], "tfidf"),
      /knows no words/,
    ],
    [
      "an unknown mode",
      () => new Tokenizer({ numWords: 3 }).sequencesToMatrix([[1]], "tf" as never),
      /mode "tf"/,
    ],
    [
      "what is no id",
      () => new Tokenizer({ numWords: 3 }).sequencesToMatrix([[1], [-1]]),
      /id -1 in sequence 1/,
    ],
    ["no JSON", () => Tokenizer.fromJSON("{"), /no JSON/],
    [
      "another object",
      () => Tokenizer.fromJSON({ class_name: "Vocabulary", config: {} }),
      /class Vocabulary/,
    ],
  ])("refuses %s", (_, act, message) => expect(act).toThrow(message));

  it.each([
    ["word_index", undefined],
    ["word_index", "[]"],
    ["word_index", "{"],
    ["word_counts", '{"a": -1}'],
    ["index_word", '{"1": 2}'],
    ["document_count", "3"],
    ["num_words", "3"],
    ["analyzer", "split"],
  ])("refuses JSON whose %s is %j", (name, value) => {
    const { class_name, config } = new Tokenizer().toJSON();
    const changed = JSON.stringify({ class_name, config: { ...config, [name]: value } });
    expect(() => Tokenizer.fromJSON(changed)).toThrow(/Tokenizer\.fromJSON: /);
  });
});

it.each(golden.words)("textToWordSequence($text, $options)", ({ text, options, words }) =>
  expect(textToWordSequence(text, options)).toEqual(words),
);
