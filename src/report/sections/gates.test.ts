import { describe, expect, it } from "vitest";
import { RondoError } from "../../errors.js";
import { Tensor } from "../../tensor.js";
import type { CellValues } from "../cellValues.js";
import { drawGates, type GatesOptions, gates } from "./gates.js";

// N samples, T time steps, H units.

/** Values of a cell that are all different: sample, step and unit can be told from each. */
function cell(N: number, T: number, H: number, mask?: readonly number[]): CellValues {
  const values = (sign: number) =>
    new Tensor(
      Float32Array.from({ length: N * T * H }, (_, i) => (sign * (i + 1)) / 64),
      [N, T, H],
      "float32",
    );
  return {
    layer: "lstm",
    cell: "LSTMCell",
    values: { i: values(1), h: values(-1) },
    ...(mask === undefined ? {} : { mask: new Tensor(Float32Array.from(mask), [N, T], "float32") }),
  };
}

describe("gates", () => {
  it("speaks of states where a cell has no gates", () => {
    const { h } = cell(1, 2, 2).values;
    const simple = { ...cell(1, 2, 2), cell: "SimpleRNNCell", values: h === undefined ? {} : { h } };
    expect(gates([simple]).title).toBe("States over time");
    expect(gates([simple], { title: "Within" }).title).toBe("Within");
  });

  it("takes the steps of one sample as plain data", () => {
    expect(gates([cell(2, 3, 2)], { sample: 1, steps: ["a", "b", 0.5] })).toEqual({
      kind: "gates",
      title: "Gates over time",
      steps: ["a", "b", "0.5"],
      cells: [
        {
          layer: "lstm",
          cell: "LSTMCell",
          values: {
            i: [
              [7, 8],
              [9, 10],
              [11, 12],
            ].map((row) => row.map((value) => value / 64)),
            h: [
              [-7, -8],
              [-9, -10],
              [-11, -12],
            ].map((row) => row.map((value) => value / 64)),
          },
        },
      ],
    });
  });

  it("leaves out the end that does not count, and has NaN at other steps that do not", () => {
    const masked = cell(2, 4, 1, [1, 1, 1, 1, 1, 0, 1, 0]);
    const section = gates([masked], { sample: 1 });
    expect(section.steps).toEqual(["1", "2", "3"]);
    expect(section.cells[0]?.values.i).toEqual([[5 / 64], [Number.NaN], [7 / 64]]);
    expect(gates([masked], { sample: 1, steps: ["a", "b", "c", "d"] }).steps).toEqual(["a", "b", "c"]);
    expect(gates([masked], { sample: 1, steps: ["a", "b", "c"] }).steps).toEqual(["a", "b", "c"]);
    expect(gates([cell(1, 2, 1, [0, 0])]).steps).toEqual([]);
  });

  it("draws few units as lines with gaps, and their values as a table", async () => {
    const { text } = await drawGates(gates([cell(1, 4, 2, [1, 0, 1, 1])], { steps: ["x", "<y>", "z", "w"] }));
    expect(text).toContain("<h3>lstm: LSTM of 2 units</h3>");
    expect(text).toContain("<figcaption>Input gate i</figcaption>");
    expect(text).toContain("<figcaption>Hidden state h</figcaption>");
    const wide = text.slice(text.indexOf('class="wide"'));
    expect(wide.match(/mark-line[^>]*><path d="M[^M]*M[^M]*L[^M"]*"/)).not.toBeNull();
    expect(text).toContain("<th>value</th><th>step</th><th>input</th>");
    expect(text).toContain('<td>2</td><td>&lt;y&gt;</td><td class="number"></td><td class="number"></td>');
    expect(text).toContain(
      '<td>1</td><td>x</td><td class="number">0.01563</td><td class="number">0.03125</td>',
    );
    expect(text).not.toContain("<image");
  });

  it("draws many units as a heat map, told in words and summed up in a table", async () => {
    const { text } = await drawGates(
      gates([cell(1, 3, 64)], { note: "The first <one>.", picture: [[0, 1]] }),
    );
    expect(text).toContain("The first &lt;one&gt;.");
    expect(text.match(/<image [^>]*href="data:image\/png;base64,/g)).toHaveLength(4); // two sizes each
    expect(text).toContain('alt="the input"');
    expect(text).toContain("Input gate i, full colour at ±3");
    expect(text).toContain(
      "Input gate i of 64 units over 3 time steps: from 0.01563 to 3, 1.508 in the mean; the mean of the units goes from 0.5078 to 2.508",
    );
    expect(text).toContain(
      '<th class="number">least</th><th class="number">mean</th><th class="number">most</th>',
    );
    expect(text).toContain(
      '<td>1</td><td>1</td><td class="number">0.01563</td><td class="number">0.5078</td><td class="number">1</td>',
    );
  });

  it("draws one step, and nothing where no step counts", async () => {
    expect((await drawGates(gates([cell(1, 1, 20)]))).text).toContain("<image");
    expect((await drawGates(gates([cell(1, 1, 1)]))).text).toContain("mark-symbol");
    expect((await drawGates(gates([cell(1, 2, 1, [0, 0])]))).text).toBe("");
  });

  it.each([
    [{ sample: 2 }, /received sample 2, expected one of 2, counted from 0/],
    [{ sample: -1 }, /sample: -1/],
    [{ steps: ["a"] }, /received 1 labels for steps, expected 3/],
    [{ steps: "abc" }, /received "abc" for steps/],
    [{ picture: [1, 2] }, /a picture of shape \[2\], expected \[height, width\]/],
    [{ step: [] }, /unknown option "step".*Did you mean "steps"/],
  ])("refuses what does not fit: %#", (options, message) => {
    const call = () => gates([cell(2, 3, 2)], options as unknown as GatesOptions);
    expect(call).toThrow(message);
    expect(call).toThrow(RondoError);
  });

  it("says that values must be awaited", () => {
    expect(() => gates(Promise.resolve([]) as unknown as CellValues[])).toThrow(/await it first/);
  });
});
