import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RondoError } from "../../errors.js";
import { tensor } from "../../tensor.js";
import { drawTagging, type TaggingOptions, tagging } from "./tagging.js";

const truth = [
  [0, 0, 1],
  [0, 1, 1],
];
const predicted = [
  [0, 0, 1],
  [0, 0, 1],
];

describe("tagging", () => {
  it("counts right steps and sequences that are right in every step", () => {
    expect(tagging(truth, predicted)).toMatchObject({
      names: ["0", "1"],
      steps: 6,
      right: 5,
      sequences: 2,
      whole: 1,
    });
  });

  it("takes a last axis of one feature, as classes are predicted", () => {
    const column = (rows: number[][]) => tensor(rows.map((row) => row.map((tag) => [tag])));
    expect(tagging(column(truth), column(predicted))).toEqual(tagging(truth, predicted));
  });

  it("counts and shows no steps that are masked, and no sequences without others", () => {
    const mask = [
      [1, 1, 0],
      [0, 0, 0],
    ];
    const found = tagging(truth, predicted, { mask, inputs: [["a", "b"], []] });
    expect(found).toMatchObject({ steps: 2, right: 2, sequences: 1, whole: 1 });
    expect(found.shown).toEqual([{ sample: 0, inputs: ["a", "b"], truth: [0, 0], predicted: [0, 0] }]);
  });

  it("takes a mask of booleans", () => {
    const mask = [
      [true, true, true],
      [true, false, true],
    ];
    expect(tagging(truth, predicted, { mask })).toMatchObject({ steps: 5, right: 5, whole: 2 });
  });

  it("is right everywhere where both are the same, and nowhere where they differ everywhere", () => {
    const rows = fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 })).chain(([N, T]) =>
      fc.array(fc.array(fc.integer({ min: 0, max: 3 }), { minLength: T, maxLength: T }), {
        minLength: N,
        maxLength: N,
      }),
    );
    fc.assert(
      fc.property(rows, (tags) => {
        const same = tagging(tags, tags);
        expect([same.right, same.whole]).toEqual([same.steps, tags.length]);
        const other = tagging(
          tags,
          tags.map((row) => row.map((tag) => tag + 1)),
        );
        expect([other.right, other.whole]).toEqual([0, 0]);
      }),
    );
  });

  it("shows as many sequences as asked, with inputs in two digits, and marks wrong tags", () => {
    const inputs = tensor([
      [[0.125], [0.5], [1]],
      [[0], [0.75], [0.25]],
    ]);
    const options = { names: ["low", "high"], inputs };
    const { text } = drawTagging(tagging(truth, predicted, options));
    expect(text.match(/<tbody>/g)).toHaveLength(2);
    expect(text).toContain("<td>0.13</td><td>0.50</td><td>1</td>");
    expect(text).toContain(
      '<th scope="row">predicted</th><td>low</td><td class="wrong" title="step 1: high taken for low">low</td><td>high</td>',
    );
    expect(text).toContain("5 of 6 steps (83.3 %) have the right tag; 1 of 2 sequences (50.0 %)");
    expect(tagging(truth, predicted, { ...options, sequences: 1 }).shown).toHaveLength(1);
    expect(drawTagging(tagging(truth, predicted, { sequences: 0 })).text).not.toContain("<table");
  });

  it("escapes what the steps hold", () => {
    const { text } = drawTagging(tagging([[0]], [[0]], { inputs: [["<b>"]], names: ["<i>"] }));
    expect(text).toContain("<td>&lt;b&gt;</td>");
    expect(text).toContain("<td>&lt;i&gt;</td>");
  });

  it.each([
    [truth, [[0, 0, 1]], {}, /predicted of shape \[1, 3\], expected \[2, 3\], as the truth/],
    [[0, 1], [0, 1], {}, /truth of shape \[2\], expected \[N, T\] or \[N, T, 1\]/],
    [
      truth,
      tensor([
        [[0.3], [0.4], [1]],
        [[0], [0], [1]],
      ]),
      {},
      /received 0.3.* among predicted.*predictClasses/,
    ],
    [[[-1]], [[0]], {}, /received -1 among truth/],
    [
      truth,
      predicted,
      { names: ["low"] },
      /length 1 for names, expected at least 2, because there is a tag 1/,
    ],
    [truth, predicted, { names: "lh" }, /received "lh" for names/],
    [truth, predicted, { mask: [[1, 1]] }, /mask of shape \[1, 2\]/],
    [truth, predicted, { inputs: [["a"]] }, /received inputs for 1 sequences/],
    [truth, predicted, { inputs: [["a", "b", "c", "d"], []] }, /received 4 inputs for sequence 0/],
    [truth, predicted, { inputs: [[1, 2]] }, /inputs of shape \[1, 2\]/],
    [truth, predicted, { sequences: -1 }, /sequences: -1/],
    [truth, predicted, { name: ["low"] }, /unknown option "name"/],
  ])("refuses what does not fit: %#", (given, model, options, message) => {
    const call = () =>
      tagging(given as number[][], model as number[][], options as unknown as TaggingOptions);
    expect(call).toThrow(message);
    expect(call).toThrow(RondoError);
  });
});
