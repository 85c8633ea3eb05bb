import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RondoError } from "../../errors.js";
import { tensor } from "../../tensor.js";
import { drawRegression, type RegressionOptions, regression } from "./regression.js";

describe("regression", () => {
  it("scores each fit, by hand: errors of -1, 0, 2 where the variance is 2/3", () => {
    const { fits } = regression([1, 2, 3], [1, 2, 3], {
      model: [0, 2, 5],
      mean: [2, 2, 2],
      exact: [1, 2, 3],
    });
    expect(fits.map(({ name }) => name)).toEqual(["model", "mean", "exact"]);
    expect(fits[0]?.meanSquaredError).toBeCloseTo(5 / 3, 12);
    expect(fits[0]?.meanAbsoluteError).toBe(1);
    expect(fits[0]?.r2).toBeCloseTo(1 - 5 / 2, 12);
    expect(fits[1]?.r2).toBeCloseTo(0, 12);
    expect(fits[2]).toMatchObject({ meanSquaredError: 0, meanAbsoluteError: 0, r2: 1 });
    expect(regression([1, 2], [3, 3], { model: [3, 3] }).fits[0]?.r2).toBeNaN();
  });

  it("puts samples in the order of their inputs, whatever shape they have", () => {
    const found = regression(tensor([[[3]], [[1]], [[2]]]), tensor([[30], [10], [20]]), {
      model: [31, 11, 21],
    });
    expect(found).toMatchObject({ inputs: [1, 2, 3], truth: [10, 20, 30], fits: [{ values: [11, 21, 31] }] });
  });

  it("does not depend on the order of the samples", () => {
    const number = fc.integer({ min: -1000, max: 1000 });
    fc.assert(
      fc.property(fc.array(fc.tuple(number, number, number), { minLength: 1 }), (rows) => {
        const column = (i: 0 | 1 | 2, all: readonly (readonly [number, number, number])[]) =>
          all.map((row) => row[i]);
        const score = (all: typeof rows) =>
          regression(column(0, all), column(1, all), { model: column(2, all) }).fits[0]?.meanSquaredError;
        expect(score(rows.toReversed())).toBeCloseTo(score(rows) ?? Number.NaN, 6);
      }),
    );
  });

  it("draws the samples as dots and each fit as a line, with a table of errors", async () => {
    const { text } = await drawRegression(
      regression([1, 2, 3], [1, 2, 3], { LSTM: [0, 2, 5], "least squares": [1, 2, 3] }, { input: "length" }),
    );
    const wide = text.slice(text.indexOf('class="wide"'));
    const [dots = ""] = /mark-symbol.*?<\/g>/.exec(wide) ?? [];
    expect(dots.match(/translate/g)).toHaveLength(3);
    expect(wide.match(/mark-line/g)).toHaveLength(2);
    expect(text).toContain(">length</text>");
    expect(text).toContain('<th scope="row">LSTM</th><td class="number">1.667</td><td class="number">1</td>');
  });

  it("draws some of very many samples and says so", async () => {
    const many = Array.from({ length: 2500 }, (_, i) => i);
    const { text } = await drawRegression(regression(many, many, { model: many }));
    expect(text).toContain("one of 3");
    const [dots = ""] = /mark-symbol.*?<\/g>/.exec(text.slice(text.indexOf('class="wide"'))) ?? [];
    expect(dots.match(/translate/g)).toHaveLength(834);
  });

  it.each([
    [[1, 2], [1], { model: [1, 2] }, {}, /inputs of 2 samples and truth of shape \[1\]/],
    [[1, 2], [1, 2], { model: [1] }, {}, /inputs of 2 samples and model of shape \[1\]/],
    [[], [], { model: [] }, {}, /expected at least one sample/],
    [[1], [1], { model: [1] }, { titel: "Fit" }, /unknown option "titel".*Did you mean "title"/],
    [[1], ["a"], { model: [1] }, {}, /regression, truth/],
    [[1], [1], undefined, {}, /regression: received undefined/],
  ])("refuses what does not fit: %#", (inputs, truth, fits, options, message) => {
    const call = () =>
      regression(inputs, truth as number[], fits as Record<string, number[]>, options as RegressionOptions);
    expect(call).toThrow(message);
    expect(call).toThrow(RondoError);
  });
});
