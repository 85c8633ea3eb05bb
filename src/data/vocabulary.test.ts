import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CharacterVocabulary, charactersOf } from "./characters.js";
import { Coverage } from "./coverage.js";
import { countTokens, Vocabulary } from "./vocabulary.js";

const tokens = fc.array(fc.constantFrom("a", "b", "c", "the", "__proto__", "toString", "2", "1"));

describe("vocabulary", () => {
  it("orders words by their counts, then by where they came first, after the reserved entries", () => {
    const vocabulary = Vocabulary.fromSequences([["2", "b", "1"], ["a", "1", "b"], ["c"]], {
      reserved: ["_END"],
    });
    expect(vocabulary.tokens).toEqual(["_PAD", "_UNK", "_END", "b", "1", "2", "a", "c"]);
    expect(vocabulary.counts).toEqual([0, 0, 0, 2, 2, 1, 1, 1]);
    expect(vocabulary.reservedSize).toBe(3);
  });

  it("keeps the commonest and those that came often enough", () => {
    const counts = countTokens([["a", "b", "b", "c", "c", "c"]]);
    const sizes = (options: object) => Vocabulary.fromCounts(counts, options).tokens;
    expect(sizes({ maxSize: 4 })).toEqual(["_PAD", "_UNK", "c", "b"]);
    expect(sizes({ minCount: 3 })).toEqual(["_PAD", "_UNK", "c"]);
    expect(sizes({ maxSize: 2, padding: null, unknown: null })).toEqual(["c", "b"]);
    expect(sizes({ maxSize: 2 })).toEqual(["_PAD", "_UNK"]);
    expect(() => sizes({ maxSize: 1 })).toThrow(/maxSize: 1, expected at least 2/);
  });

  it("takes a word that is a reserved entry for that entry", () => {
    const vocabulary = Vocabulary.fromSequences([["<unk>", "a", "<unk>"]], {
      padding: null,
      unknown: "<unk>",
    });
    expect(vocabulary.tokens).toEqual(["<unk>", "a"]);
    expect([...vocabulary.encode(["a", "<unk>", "b"])]).toEqual([1, 0, 0]);
  });

  it("gives back the tokens that it knows", () => {
    fc.assert(
      fc.property(fc.array(tokens), (texts) => {
        const vocabulary = Vocabulary.fromSequences(texts);
        for (const text of texts) expect(vocabulary.decode(vocabulary.encode(text))).toEqual(text);
      }),
    );
  });

  it("comes back from JSON the same", () => {
    fc.assert(
      fc.property(
        fc.array(tokens),
        fc.option(fc.constant("_P")),
        fc.option(fc.constant("2")),
        (texts, padding, unknown) => {
          const vocabulary = Vocabulary.fromSequences(texts, { padding, unknown });
          const again = Vocabulary.fromJSON(JSON.stringify(vocabulary));
          expect(again).toEqual(vocabulary);
          expect(JSON.stringify(again)).toBe(JSON.stringify(vocabulary));
        },
      ),
    );
  });

  it("encodes any tokens, leaves padding out, and counts unknown tokens", () => {
    const vocabulary = Vocabulary.fromSequences([["a", "b", "a"]]);
    const coverage = new Coverage();
    expect([...vocabulary.encode(new Set(["a", "x", "b"]), { coverage })]).toEqual([2, 1, 3]);
    expect([...vocabulary.encode(["y", "x"], { coverage })]).toEqual([1, 1]);
    expect(vocabulary.decode([2, 1, 0, 3, 0])).toEqual(["a", "_UNK", "b"]);
    expect(coverage.commonestUnknown(1)).toEqual([["x", 2]]);
    expect([coverage.shareOfWords, coverage.shareOfTokens]).toEqual([0.5, 0.4]);
    expect(String(coverage)).toBe(
      "2 of 4 words are known (50.0 %), 40.0 % of 5 tokens. Unknown: x (2), y (1). Texts without a known word: 1.",
    );
  });

  it("takes long sequences from generators", () => {
    const vocabulary = new Vocabulary(["a"], { padding: null });
    function* many() {
      for (let i = 0; i < 1000; i++) yield "a";
    }
    expect(vocabulary.encode(many())).toEqual(new Int32Array(1000).fill(1));
  });

  const known = new Vocabulary(["a"], { unknown: null });
  it.each<[string, () => unknown, RegExp]>([
    ["a text in place of its tokens", () => known.encode("a"), /received "a", expected tokens/],
    ["a text among sequences", () => countTokens(["ab"]), /expected tokens/],
    [
      "unknown tokens without an entry for them",
      () => known.encode(["a", "b"]),
      /the token "b" at position 1/,
    ],
    [
      "texts without a known word",
      () => new Vocabulary(["a"]).encode(["x", "y"], { requireKnown: true }),
      /not one is known: x y/,
    ],
    ["texts without a word", () => known.encode([], { requireKnown: true }), /received no tokens/],
    [
      "ids beyond its own",
      () => known.decode([1, 2]),
      /the id 2 at position 1, expected whole numbers from 0 to 1/,
    ],
    ["words that are there twice", () => new Vocabulary(["a", "b", "a"]), /"a" twice/],
    ["two reserved entries of one name", () => new Vocabulary([], { unknown: "_PAD" }), /"_PAD" twice/],
    [
      "an unknown option",
      () => Vocabulary.fromSequences([], { minCounts: 2 } as never),
      /Did you mean "minCount"/,
    ],
    ["damaged JSON", () => Vocabulary.fromJSON(JSON.stringify(known).slice(1)), /no JSON/],
    ["JSON of something else", () => Vocabulary.fromJSON("[3]"), /Vocabulary.fromJSON: received "\[3\]"/],
  ])("refuses %s", (_, act, message) => expect(act).toThrow(message));

  it.each([
    { words: ["a", 3] },
    { words: ["a", "a"] },
    { words: ["_PAD"] },
    { counts: [1, 2] },
    { counts: ["x"] },
    { size: 3 },
  ])("refuses JSON with %j", (change) => {
    const { class_name, config } = known.toJSON();
    expect(() => Vocabulary.fromJSON({ class_name, config: { ...config, ...change } })).toThrow();
  });
});

describe("character vocabulary", () => {
  it("knows code points and graphemes", () => {
    const family = "👩‍👩‍👧";
    expect([...charactersOf(`e\u0301${family}`)]).toHaveLength(7);
    expect([...charactersOf(`e\u0301${family}`, "grapheme")]).toEqual(["e\u0301", family]);
    const vocabulary = CharacterVocabulary.fromTexts([`ab${family}b`], { unit: "grapheme" });
    expect(vocabulary.vocabulary.tokens).toEqual(["b", "a", family]);
  });

  it("gives back every text, also after it was saved", () => {
    const texts = fc.array(
      fc.string({ unit: fc.constantFrom("a", "é", "e\u0301", "中", "😀", "\ud800", "\r\n", "🇩🇪") }),
    );
    fc.assert(
      fc.property(texts, fc.constantFrom("codePoint" as const, "grapheme" as const), (texts, unit) => {
        const vocabulary = CharacterVocabulary.fromTexts(texts, { unit, padding: "_PAD" });
        const again = CharacterVocabulary.fromJSON(JSON.stringify(vocabulary));
        for (const text of texts) {
          expect(again.encode(text)).toEqual(vocabulary.encode(text));
          expect(again.decode([...vocabulary.encode(text), 0])).toBe(text);
        }
      }),
    );
  });

  it("refuses characters that it has no entry for", () => {
    const vocabulary = CharacterVocabulary.fromTexts(["ab"]);
    expect(() => vocabulary.encode("abc")).toThrow(/the token "c" at position 2/);
    expect([...CharacterVocabulary.fromTexts(["ab"], { unknown: "\ufffd" }).encode("ac")]).toEqual([1, 0]);
    expect(() => CharacterVocabulary.fromTexts("ab" as never)).toThrow(/\[text\]/);
    expect(() => CharacterVocabulary.fromTexts(["ab"], { unit: "byte" as never })).toThrow(/unit "byte"/);
  });
});
