import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EntityScores, readConll, type SchemeName, TagScheme, tagFaults, tagScheme } from "./index.js";

const bytes = (text: string) => new TextEncoder().encode(text);
async function sentencesOf(text: string | Uint8Array, options = {}) {
  const found = [];
  for await (const sentence of readConll(typeof text === "string" ? bytes(text) : text, options))
    found.push(sentence);
  return found;
}

describe("tagScheme", () => {
  it("numbers the tags: O, then those of each label", () => {
    expect(tagScheme("BIOES", ["PER", "LOC"]).tags).toEqual([
      "O",
      "B-PER",
      "I-PER",
      "E-PER",
      "S-PER",
      "B-LOC",
      "I-LOC",
      "E-LOC",
      "S-LOC",
    ]);
    expect(tagScheme("BMES", ["PER"]).tags).toEqual(["O", "B-PER", "M-PER", "E-PER", "S-PER"]);
    const bio = tagScheme("BIO", ["PER", "LOC"]);
    expect(bio.tags).toEqual(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]);
    expect([bio.size, bio.id("I-LOC"), bio.tag(3), bio.label(4), bio.part(4)]).toEqual([
      5,
      4,
      "B-LOC",
      1,
      "I",
    ]);
    expect(bio.decode(bio.encode(["O", "B-LOC"]))).toEqual(["O", "B-LOC"]);
  });

  it("says what may begin, follow and end", () => {
    const tags = tagScheme("BIOES", ["A", "B"]);
    const allowed = (from: string) => tags.tags.filter((to) => tags.follows(tags.id(from), tags.id(to)));
    expect(allowed("O")).toEqual(["O", "B-A", "S-A", "B-B", "S-B"]);
    expect(allowed("B-A")).toEqual(["I-A", "E-A"]);
    expect(allowed("I-B")).toEqual(["I-B", "E-B"]);
    expect(allowed("E-A")).toEqual(allowed("O"));
    expect(allowed("S-A")).toEqual(allowed("O"));
    expect(tags.tags.filter((tag) => tags.starts(tags.id(tag)))).toEqual(allowed("O"));
    expect(tags.tags.filter((tag) => tags.ends(tags.id(tag)))).toEqual(["O", "E-A", "S-A", "E-B", "S-B"]);
    const bio = tagScheme("BIO", ["A", "B"]);
    expect(bio.tags.filter((to) => bio.follows(bio.id("I-A"), bio.id(to)))).toEqual([
      "O",
      "B-A",
      "I-A",
      "B-B",
    ]);
    expect(bio.tags.filter((tag) => bio.ends(bio.id(tag)))).toEqual(bio.tags);
  });

  it("reads spans strictly, or as conlleval does", () => {
    const tags = tagScheme("BIO", ["A", "B"]);
    const broken = ["I-A", "I-A", "O", "B-A", "I-B", "B-B", "I-B"];
    expect(tags.spansOf(broken)).toEqual([
      { label: "A", start: 3, end: 4 },
      { label: "B", start: 5, end: 7 },
    ]);
    expect(tags.spansOf(broken, "conlleval")).toEqual([
      { label: "A", start: 0, end: 2 },
      { label: "A", start: 3, end: 4 },
      { label: "B", start: 4, end: 5 },
      { label: "B", start: 5, end: 7 },
    ]);
    expect(() => tags.spansOf(broken, "loose" as "strict")).toThrow(/strict/);
  });

  it("finds entities by UTF-16 units", () => {
    const tags = tagScheme("BIOES", ["PER"]);
    const tokens = ["𠮷", "田", "は", "👍"];
    const [entity] = tags.entitiesOf(tokens, ["B-PER", "E-PER", "O", "O"]);
    expect(entity).toEqual({ type: "PER", text: "𠮷田", start: 0, end: 3 });
    expect(tags.entitiesOf(["Ada", "King", "wrote"], ["O", "S-PER", "O"], { separator: " " })).toEqual([
      { type: "PER", text: "King", start: 4, end: 8 },
    ]);
  });

  it("finds in a text what its entities say, for any tags", () => {
    const tags = tagScheme("BIO", ["A", "B"]);
    const steps = fc.array(
      fc.tuple(fc.string({ minLength: 1, maxLength: 3 }), fc.constantFrom(...tags.tags)),
    );
    fc.assert(
      fc.property(steps, fc.constantFrom("", " "), (list, separator) => {
        const tokens = list.map(([token]) => token);
        const text = tokens.join(separator);
        const ids = list.map(([, tag]) => tag);
        for (const { text: own, start, end } of tags.entitiesOf(tokens, ids, {
          mode: "conlleval",
          separator,
        }))
          expect(text.slice(start, end)).toBe(own);
      }),
    );
  });

  it("is made from data, saved and read again", () => {
    const tags = TagScheme.fromTags("BMES", [
      ["B-X", "E-X"],
      ["O", "S-Y"],
    ]);
    expect(tags.labels).toEqual(["X", "Y"]);
    const again = TagScheme.fromJSON(JSON.stringify(tags));
    expect(again.tags).toEqual(tags.tags);
    expect(() => TagScheme.fromTags("BIO", [["B-X", "E-X"]])).toThrow(/"E-X".*Name the scheme/s);
  });

  it.each([
    [() => tagScheme("IOB" as SchemeName, ["A"]), /unknown|BIO/],
    [() => tagScheme("BIO", []), /no labels/],
    [() => tagScheme("BIO", ["A", "A"]), /A twice/],
    [() => tagScheme("BIO", ["A"]).id("B-a"), /Did you mean "B-A"/],
    [() => tagScheme("BIO", ["A"]).tag(3), /0 to 2/],
  ])("refuses what it cannot mean: %#", (make, message) => {
    expect(make).toThrow(message);
  });

  it("counts what breaks it", () => {
    const tags = tagScheme("BIOES", ["A"]);
    const sentences = [
      ["I-A", "E-A"],
      ["B-A", "O"],
      ["O", "B-A"],
      ["S-A", "O"],
    ];
    const { kinds, ...faults } = tagFaults(tags, sentences);
    expect(faults).toEqual({ sentences: 4, tokens: 8, broken: 3, starts: 1, transitions: 1, ends: 1 });
    expect([...kinds]).toEqual([
      ["I-A at the start", 1],
      ["B-A → O", 1],
      ["B-A at the end", 1],
    ]);
    expect(tags.breaks(["I-A", "E-A"])[0]).toEqual({ step: 0, kind: "start", from: "I-A", to: "I-A" });
  });
});

describe("EntityScores", () => {
  it("prints what conlleval prints", () => {
    const tags = tagScheme("BIO", ["PER", "LOC"]);
    const scores = new EntityScores(tags);
    scores.add(tags.encode(["B-PER", "I-PER", "O"]), tags.encode(["B-PER", "I-PER", "B-LOC"]));
    scores.add(tags.encode(["B-LOC", "O"]), tags.encode(["B-LOC", "O"]));
    expect(scores.report).toBe(
      [
        "processed 5 tokens with 2 phrases; found: 3 phrases; correct: 2.",
        "accuracy:  80.00%; precision:  66.67%; recall: 100.00%; FB1:  80.00",
        "              LOC: precision:  50.00%; recall: 100.00%; FB1:  66.67  2",
        "              PER: precision: 100.00%; recall: 100.00%; FB1: 100.00  1",
      ].join("\n"),
    );
  });
});

describe("readConll", () => {
  it("reads tokens and tags, sentence by sentence", async () => {
    const text = "-DOCSTART- -X- O\r\n\r\nEU NNP B-ORG\r\nrejects VBZ O\r\n\r\n\r\nPeter\tNNP\tB-PER";
    expect(await sentencesOf(text)).toEqual([
      { line: 3, tokens: ["EU", "rejects"], tags: ["B-ORG", "O"] },
      { line: 7, tokens: ["Peter"], tags: ["B-PER"] },
    ]);
    expect(await sentencesOf(text, { tagColumn: 1 })).toMatchObject([
      { tags: ["NNP", "VBZ"] },
      { tags: ["NNP"] },
    ]);
  });

  it("takes a separator, so that a token may be a space", async () => {
    const [first] = await sentencesOf("a\tO\n \tO\n", { separator: "\t" });
    expect(first?.tokens).toEqual(["a", " "]);
  });

  it.each([
    ["ragged lines", "a O\nb\n", {}, /1 column in line 2.*2 columns/s],
    ["one column", "a\nb\n", {}, /1 column in line 1.*token and its tag/s],
    ["no sentence", "\n\n", {}, /no sentence/],
    ["no byte", "", {}, /empty|no byte|0 bytes/],
    ["unknown tags", "a B-X\n", { tags: tagScheme("BIO", ["Y"]) }, /"B-X" in line 1/],
    ["another column", "a O\n", { tagColumn: 4 }, /columns 0 and 4/],
    ["another encoding", Uint8Array.of(0xff, 0x20, 0x4f, 0x0a), {}, /UTF-8|utf-8/],
  ])("refuses %s by file and line", async (_, text, options, message) => {
    await expect(sentencesOf(text, options)).rejects.toThrow(message);
  });
});
