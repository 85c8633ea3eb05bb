import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from "vitest";
import { type CsvRow, csvText, type ReadCsvOptions, readCsv } from "./csv.js";
import { collect, pieces } from "./streams.case.js";
import { readTable } from "./table.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "rondo-csv-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function rowsOf(text: string | Uint8Array, options: ReadCsvOptions = {}, size?: number) {
  return collect(readCsv(pieces(text, size), options));
}

const listsOf = (text: string, options: ReadCsvOptions = {}, size?: number) =>
  collect(readCsv(pieces(text, size), { ...options, header: false }));

describe("readCsv", () => {
  it("gives rows by the names in the header, with quoted fields over lines", async () => {
    const text = 'id,text\r\n1,"a, ""b""\nc"\r\n\r\n2,\r\n3,"x"';
    expect(await rowsOf(text)).toEqual([
      { id: "1", text: 'a, "b"\nc' },
      { id: "2", text: "" },
      { id: "3", text: "x" },
    ]);
    expectTypeOf(readCsv("a.csv")).toEqualTypeOf<AsyncGenerator<CsvRow>>();
    expectTypeOf(readCsv("a.csv", { header: false })).toEqualTypeOf<AsyncGenerator<readonly string[]>>();
  });

  it.each([
    [
      "a,b\n1,2\n",
      { header: ["x", "y"] },
      [
        { x: "a", y: "b" },
        { x: "1", y: "2" },
      ],
    ],
    ["a;b\n1;2", { delimiter: ";" }, [{ a: "1", b: "2" }]],
    [
      'a,b\n"1,2"\n"3,4',
      { quotes: false },
      [
        { a: '"1', b: '2"' },
        { a: '"3', b: "4" },
      ],
    ],
    [
      "\ufeffa,b\r1,2\r3,4",
      {},
      [
        { a: "1", b: "2" },
        { a: "3", b: "4" },
      ],
    ],
    ["\n\na,b\n", {}, []],
    ["a\n1\n\n3\n", {}, [{ a: "1" }, { a: "" }, { a: "3" }]],
    [
      "__proto__,constructor\n1,2",
      {},
      [
        Object.fromEntries([
          ["__proto__", "1"],
          ["constructor", "2"],
        ]),
      ],
    ],
  ] as const)("reads %j with %j", async (text, options, rows) => {
    expect(await rowsOf(text, options)).toEqual(rows);
    expect(await rowsOf(text, options, 1)).toEqual(rows);
  });

  it("takes tabs for .tsv, and unpacks gzip", async () => {
    writeFileSync(join(folder, "a.tsv.gz"), gzipSync("a\tb\n1,5\t2\n"));
    writeFileSync(join(folder, "a.csv"), "a,b\n1,2\n");
    expect(await collect(readCsv(join(folder, "a.tsv.gz")))).toEqual([{ a: "1,5", b: "2" }]);
    expect(await collect(readCsv(new URL(`file://${folder}/a.csv`)))).toEqual([{ a: "1", b: "2" }]);
    expect(await collect(readCsv(new Blob(["a\n1\n"])))).toEqual([{ a: "1" }]);
  });

  it("reads back what csvText wrote, however it comes in pieces", async () => {
    const field = fc.string({
      unit: fc.constantFrom('"', ",", ";", "\n", "\r", "\r\n", " ", "a", "é", "😀"),
    });
    const rows = fc
      .integer({ min: 2, max: 4 })
      .chain((width) => fc.array(fc.array(field, { minLength: width, maxLength: width }), { minLength: 1 }));
    await fc.assert(
      fc.asyncProperty(
        rows,
        fc.constantFrom(",", ";", "\t"),
        fc.integer({ min: 1, max: 40 }),
        async (rows, delimiter, size) => {
          expect(await listsOf(csvText(rows, { delimiter }), { delimiter }, size)).toEqual(rows);
        },
      ),
    );
  });

  it("gives the same rows and the same error of any text, however it comes in pieces", async () => {
    const text = fc.string({ unit: fc.constantFrom('"', '""', ",", "\n", "\r", "\r\n", " ", "a", "é") });
    const outcome = async (text: string, size: number, options: ReadCsvOptions) => {
      const rows: unknown[] = [];
      try {
        for await (const row of readCsv(pieces(text, size), options)) rows.push(row);
      } catch (error) {
        return [rows, String(error)];
      }
      return [rows];
    };
    await fc.assert(
      fc.asyncProperty(text, fc.integer({ min: 1, max: 9 }), fc.boolean(), async (text, size, quotes) => {
        expect(await outcome(text, size, { quotes })).toEqual(await outcome(text, 1000, { quotes }));
      }),
    );
  });

  it.each([
    ["a,b\n1,2\n3\n", {}, "read the file: received 1 field in line 3, expected 2, as in line 1"],
    ['a,b\n"1\n\n",2\n1,2,3', {}, "3 fields in line 5"],
    ["1,2\n1", { header: ["x", "y"] }, "1 field in line 2, expected 2, as options.header names them"],
    ['a,b\n1,"2\n3,4\n', {}, "a quote that is not closed, in the row that begins in line 2"],
    ['a,b\n1,2\n1,"2"x\n3,"4"\n', {}, "text after a closing quote, in the row that begins in line 3"],
    ["a,b,a\n", {}, 'two columns with the name "a", in line 1'],
    ["", {}, "an empty file"],
    ["\n\n", {}, "blank lines alone"],
    ["a,b\n1,2", { delimiter: "ab" }, 'delimiter: "ab"'],
    ["a,b\n1,2", { headers: true }, 'Did you mean "header"?'],
    ["a,b\n1,2", { encoding: "utf-7" }, 'encoding: "utf-7"'],
  ])("refuses %j with %j", async (text, options, message) => {
    await expect(rowsOf(text, options as ReadCsvOptions)).rejects.toThrow(message);
    await expect(rowsOf(text, options as ReadCsvOptions, 3)).rejects.toThrow(message);
  });

  it("names the file, and the line of what is no UTF-8", async () => {
    writeFileSync(join(folder, "latin.csv"), Buffer.from("a,b\n1,2\n3,caf\xe9\n", "latin1"));
    const path = join(folder, "latin.csv");
    await expect(collect(readCsv(path))).rejects.toThrow(
      `read ${path}: received the byte 0xe9 at byte 13, in line 3, where no character of UTF-8 is`,
    );
    expect(await collect(readCsv(path, { encoding: "windows-1252" }))).toContainEqual({
      a: "3",
      b: "café",
    });
    await expect(collect(readCsv(join(folder, "no.csv")))).rejects.toThrow(/no\.csv: received no such file/);
  });

  it("stops reading where its caller stops", async () => {
    let read = 0;
    let closed = false;
    async function* endless() {
      try {
        for (;;) {
          read++;
          yield new TextEncoder().encode("a,b\n1,2\n");
        }
      } finally {
        closed = true;
      }
    }
    for await (const row of readCsv(endless())) {
      expect(row).toEqual({ a: "1", b: "2" });
      break;
    }
    expect([read, closed]).toEqual([1, true]);
  });

  it("gives up a quote that nobody closes", async () => {
    const open = `a,b\n1,2\n1,"${"x".repeat(2 ** 18)}`;
    async function* endless() {
      yield new TextEncoder().encode(open);
      for (;;) yield new TextEncoder().encode("x".repeat(2 ** 22));
    }
    await expect(collect(readCsv(endless()))).rejects.toThrow(/not closed, in the row that begins in line 3/);
  });
});

describe("csvText", () => {
  it("writes lists, and fields by name", () => {
    expect(
      csvText([
        [1, "a,b", null, true],
        [0.1, '"', undefined, Number.NaN],
      ]),
    ).toBe('1,"a,b",,true\r\n0.1,"""",,NaN\r\n');
    expect(
      csvText(
        [
          { a: 1, b: "x" },
          { b: "y", a: 2 },
        ],
        { delimiter: "\t" },
      ),
    ).toBe("a\tb\r\n1\tx\r\n2\ty\r\n");
    expect(csvText([{ a: 1 }], { header: ["b", "a"] })).toBe("b,a\r\n,1\r\n");
    expect(csvText([], { header: ["a", "b"] })).toBe("a,b\r\n");
    expect(csvText([])).toBe("");
  });

  it.each<[string, () => unknown, RegExp]>([
    ["ragged rows", () => csvText([[1, 2], [3]]), /1 field in row 1, expected 2, as in row 0/],
    [
      "columns that the header has not",
      () => csvText([{ a: 1 }, { c: 1 }]),
      /the column "c" in row 1, expected the columns a/,
    ],
    ["quotes between fields", () => csvText([[1]], { delimiter: '"' }), /delimiter/],
  ])("refuses %s", (_, act, message) => expect(act).toThrow(message));
});

describe("readTable", () => {
  const text = "when,pm,wind,n\n1,NA,NW,3\n2,10.5,,4\n3,-1e2,NA,-5\n";
  const columns = { pm: "float32", wind: "text", n: "int32" } as const;

  it("reads columns of numbers and texts, with what is missing", async () => {
    const table = await readTable(pieces(text, 5), { columns });
    expect(table.rows).toBe(3);
    expect(table.columns).toEqual({
      pm: Float32Array.of(Number.NaN, 10.5, -100),
      wind: ["NW", "", ""],
      n: Int32Array.of(3, 4, -5),
    });
    expect(table.missing).toEqual({ pm: 1, wind: 2, n: 0 });
    expect(table.matrix(["n", "pm"]).array()).toEqual([
      [3, Number.NaN],
      [4, 10.5],
      [-5, -100],
    ]);
    expect(table.matrix().shape).toEqual([3, 2]);
    expectTypeOf(table.columns.wind).toEqualTypeOf<readonly string[]>();
    expectTypeOf(table.columns.pm).toEqualTypeOf<Float32Array>();
    expect(() => table.matrix(["wind"])).toThrow(/column of numbers "wind"/);
  });

  it("reads columns by their numbers where they have no names, and grows with the file", async () => {
    const many = Array.from({ length: 5000 }, (_, i) => `${i},x`).join("\n");
    const { columns } = await readTable(pieces(many, 1000), { header: false, columns: { 0: "float32" } });
    expect(columns[0]).toEqual(Float32Array.from({ length: 5000 }, (_, i) => i));
  });

  it.each<[string, string, object, RegExp]>([
    [
      "what is no number",
      "a\n1\nx\n",
      {},
      /"x" in line 3 for the column "a", expected a number.*missing: \["x", …\]/,
    ],
    ["a blank number", "a,b\n ,1\n", {}, /" " in line 2 for the column "a"/],
    [
      "a fraction for a whole number",
      "a\n0.5\n",
      { columns: { a: "int32" } },
      /"0.5" in line 2.*whole number/,
    ],
    ["a missing whole number", "a,b\n1,\n,2\n", { columns: { a: "int32" } }, /a missing value in line 3/],
    [
      "a column that there is not",
      "a,bc\n1,2\n",
      { columns: { abc: "text" } },
      /unknown column "abc", expected one of a, bc/,
    ],
    ["an unknown kind", "a\n1\n", { columns: { a: "float64" } }, /kind of column "float64"/],
    ["a list of columns", "a\n1\n", { columns: ["a"] }, /columns: \["a"\]/],
    ["ragged rows", "a\n1\n1,2\n", {}, /2 fields in line 3/],
  ])("refuses %s", async (_, text, options, message) => {
    await expect(readTable(pieces(text), { columns: { a: "float32" }, ...options })).rejects.toThrow(message);
  });

  it("takes for missing what it is told", async () => {
    const { missing, columns } = await readTable(pieces("a\n-999\n1\n"), {
      columns: { a: "float32" },
      missing: ["-999"],
    });
    expect([missing.a, columns.a]).toEqual([1, Float32Array.of(Number.NaN, 1)]);
  });
});
