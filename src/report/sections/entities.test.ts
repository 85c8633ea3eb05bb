import { describe, expect, it } from "vitest";
import { tagScheme } from "../../data/index.js";
import { drawEntities, entities } from "./entities.js";
import { drawTransitions, transitions } from "./transitions.js";

const tags = tagScheme("BIO", ["PER", "LOC"]);
const ids = (text: string) => tags.encode(text.split(" "));
const tokens = [
  ["Ada", "King", "in", "<Rome>"],
  ["a", "b"],
];
const truth = [ids("B-PER I-PER O B-LOC"), ids("O O")];
const predicted = [ids("B-PER O O B-LOC"), ids("O O")];

describe("entities", () => {
  const section = entities(truth, predicted, { tags, tokens, separator: " " });

  it("counts spans by type and marks them in sentences with mistakes", () => {
    const { kind, rows, total, shown, steps, accuracy } = section;
    expect([kind, steps, accuracy]).toEqual(["entities", 6, 5 / 6]);
    expect(rows.map(({ label, truth: t, predicted: p, correct }) => [label, t, p, correct])).toEqual([
      ["PER", 1, 1, 0],
      ["LOC", 1, 1, 1],
    ]);
    expect(total.f1).toBeCloseTo(0.5, 12);
    expect(shown).toEqual([
      {
        sample: 0,
        pieces: [
          { text: "Ada", mark: "wrong", label: "PER" },
          { text: "Ada King", mark: "missed", label: "PER" },
          { text: "in" },
          { text: "<Rome>", mark: "right", label: "LOC" },
        ],
      },
    ]);
  });

  it("draws marks by sign and by colour, and what conlleval prints", () => {
    const drawn = drawEntities(section).text;
    for (const part of ["✗", "○", "✓", 'class="wrong"', "&lt;Rome&gt;", "processed 6 tokens with 2 phrases"])
      expect(drawn).toContain(part);
    expect(drawn).not.toContain("undefined");
  });

  it("refuses sentences of different lengths, and takes how many to show", () => {
    expect(() => entities(truth, [ids("O")], { tags, tokens })).toThrow(/sentence 0.*without padding/s);
    expect(entities(truth, predicted, { tags, tokens, shown: 0 }).shown).toEqual([]);
  });
});

describe("transitions", () => {
  it("are drawn with their signs, and need a name for each tag", () => {
    const drawn = drawTransitions(
      transitions(
        [
          [1, -2],
          [-0.04, 0.5],
        ],
        ["O", "B-X"],
      ),
    ).text;
    expect(drawn).toContain('class="miss" style="--share: 1.000" title="O to B-X: -2.00"');
    expect(drawn).toContain("0.5");
    expect(drawn).toContain(">0.0</td>");
    expect(() => transitions([[1, 2]], ["O", "B-X"])).toThrow(/a name for each tag/);
  });
});
