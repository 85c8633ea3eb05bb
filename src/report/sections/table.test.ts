import { describe, expect, it } from "vitest";
import { RondoError } from "../../errors.js";
import { drawTable, type TableOptions, table } from "./table.js";

const losses: TableOptions = {
  title: "Loss <MAE>",
  columns: ["targets", "reported", "by hand", "verdict"],
  rows: [
    ["with a mask", 0.12345678, 1234.5, "equal"],
    ["NaN as padding", Number.NaN, 3, "-"],
  ],
};

describe("table", () => {
  it("writes numbers with four digits at the right, texts as they are, escaped", () => {
    const { text } = drawTable(table({ ...losses, note: "a & b" }));
    expect(text).toContain("<h2>Loss &lt;MAE&gt;</h2>");
    expect(text).toContain('<p class="soft">a &amp; b</p>');
    expect(text).toContain(
      '<tr><th scope="row">with a mask</th><td class="number">0.1235</td><td class="number">1,235</td><td>equal</td></tr>',
    );
    expect(text).toContain('<th>targets</th><th class="number">reported</th>');
    expect(text).toContain('<td class="number">NaN</td>');
  });

  it.each([["0.001"], ["1,234"], ["-1.2e-7"], ["97.9 %"]])("takes %s for a number", (text) => {
    expect(drawTable(table({ title: "T", columns: ["a", "b"], rows: [["x", text]] })).text).toContain(
      `<td class="number">${text}</td>`,
    );
  });

  it("is plain data", () => expect(table(losses)).toEqual({ kind: "table", ...losses }));

  it.each([
    [{ ...losses, rows: [["a", 1]] }, /2 cells for row 0, expected 4, one for each of targets, reported/],
    [{ ...losses, rows: [1] }, /received 1 for row 0/],
    [{ ...losses, rows: undefined }, /received undefined for rows/],
    [{ ...losses, title: 3 }, /received 3 for title/],
    [{ ...losses, head: [] }, /unknown option "head"/],
  ])("refuses what does not fit: %#", (given, message) => {
    const call = () => table(given as unknown as TableOptions);
    expect(call).toThrow(message);
    expect(call).toThrow(RondoError);
  });
});
