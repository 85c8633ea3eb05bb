import Papa from "papaparse";
import { checkList, checkOptions, namesOf, RondoError, valueText } from "../errors.js";
import { type ByteSource, sourceName } from "../files/chunks.js";
import { type CsvRecord, parseRows } from "./csvRows.js";
import { readText, type TextOptions } from "./text.js";

/** How the fields of a file are told apart. */
export interface CsvFormat extends TextOptions {
  /** Between fields. Default: a tab for names that end in `.tsv` or `.tab`, packed or not; else a comma. */
  readonly delimiter?: string;
  /** Whether `"` begins and ends fields that hold delimiters, line ends and, doubled, quotes. Default: true. */
  readonly quotes?: boolean;
}

export interface ReadCsvOptions extends CsvFormat {
  /**
   * True (the default): the first row names the columns. False: there is no such row, and rows are lists. A list: there is
   * no such row, and these are the names.
   */
  readonly header?: boolean | readonly string[];
}

/** The fields of a row by the names of their columns. */
export type CsvRow = Readonly<Record<string, string>>;

const readNames = namesOf<ReadCsvOptions>({ header: true, delimiter: true, quotes: true, encoding: true });

/**
 * The rows of a CSV or TSV file (RFC 4180), one after the other, so that a file may be larger than memory. Fields are text,
 * as they stand in the file; a field in quotes may go over lines. Lines end in `\n`, `\r\n` or `\r`, as the first one does.
 * Lines without a character are no rows, unless there is one column.
 *
 * @throws RondoError, with the line, for rows of different numbers of fields, for quotes that are not closed and for bytes
 *   that are no text in the encoding; for an empty file; for columns of the same name
 */
export function readCsv(
  source: ByteSource,
  options: ReadCsvOptions & { readonly header: false },
): AsyncGenerator<readonly string[]>;
export function readCsv(source: ByteSource, options?: ReadCsvOptions): AsyncGenerator<CsvRow>;
export async function* readCsv(
  source: ByteSource,
  options: ReadCsvOptions = {},
): AsyncGenerator<CsvRow | readonly string[]> {
  checkOptions("readCsv", options, readNames);
  for await (const { columns, rows } of readRecords("readCsv", source, options))
    if (options.header === false) for (const { fields } of rows) yield fields;
    else
      for (const { fields } of rows)
        yield Object.fromEntries(columns.map((name, i) => [name, fields[i] ?? ""]));
}

/** Rows that were read together, and the names of their columns: their numbers from 0 where they have none. */
export interface CsvRecords {
  readonly columns: readonly string[];
  readonly rows: readonly CsvRecord[];
}

/** `readCsv` for an operation that looks at columns and lines. There is at least one result, which may have no rows. */
export async function* readRecords(
  where: string,
  source: ByteSource,
  options: ReadCsvOptions,
): AsyncGenerator<CsvRecords> {
  const name = sourceName(source);
  const { header = true, quotes = true, delimiter = delimiterOf(name) } = options;
  checkDelimiter(where, delimiter, quotes);
  let columns = typeof header === "boolean" ? undefined : checkNames(where, header);
  let columnsFrom = "as options.header names them";
  for await (const records of parseRows(name, readText(where, source, options.encoding), delimiter, quotes)) {
    const rows: CsvRecord[] = [];
    let ragged: CsvRecord | undefined;
    for (const record of records) {
      const { line, fields } = record;
      const isBlank = fields.length === 1 && fields[0] === "";
      if (columns === undefined && isBlank) continue;
      if (columns === undefined) {
        columns = header === true ? fields : fields.map((_, i) => String(i));
        columnsFrom = `as in line ${line}`;
        checkColumns(`read ${name}`, columns, `in line ${line}`);
        if (header === true) continue;
      }
      if (fields.length === columns.length) rows.push(record);
      else if (!isBlank) {
        ragged = record;
        break;
      }
    }
    if (columns === undefined) continue;
    yield { columns, rows };
    if (ragged === undefined) continue;
    throw new RondoError({
      where: `read ${name}`,
      received: `${counted(ragged.fields.length, "field")} in line ${ragged.line}`,
      expected: `${columns.length}, ${columnsFrom}`,
      fix: `Mend the line, or give its delimiter or { quotes: false } where ${JSON.stringify(delimiter)} and quotes mean something else`,
    });
  }
  if (columns !== undefined) return;
  throw new RondoError({
    where: `read ${name}`,
    received: "blank lines alone",
    expected: "rows",
    fix: "Check whether the file was written completely",
  });
}

/** How `csvText` writes. */
export interface CsvTextOptions extends Pick<CsvFormat, "delimiter"> {
  /** The columns, in their order, with which the text begins. Left out: the names in the first row, or none for lists. */
  readonly header?: readonly string[];
}

/** What stands in a field. Numbers are written so that reading them gives the same; null and undefined are empty. */
export type CsvValue = string | number | boolean | null | undefined;

/**
 * Rows as the text of a CSV file (RFC 4180), which `readCsv` reads back: fields in quotes where they need them, lines that
 * end in `\r\n`.
 *
 * @param rows lists of fields, or fields by the names of their columns
 * @throws RondoError for rows of different numbers of fields, and for names that the header has not
 */
export function csvText(
  rows: Iterable<readonly CsvValue[] | Readonly<Record<string, CsvValue>>>,
  options: CsvTextOptions = {},
): string {
  checkOptions("csvText", options, ["header", "delimiter"]);
  const { delimiter = "," } = options;
  checkDelimiter("csvText", delimiter, true);
  const all = [...rows];
  const [first] = all;
  const header = options.header ?? (first === undefined || isList(first) ? undefined : Object.keys(first));
  const lists = all.map((row) => (isList(row) ? row : (header?.map((name) => row[name]) ?? [])));
  const width = header?.length ?? lists[0]?.length ?? 0;
  for (const [i, row] of all.entries()) {
    const names = isList(row) ? [] : Object.keys(row);
    const unknown = names.find((name) => header?.includes(name) !== true);
    const count = lists[i]?.length ?? 0;
    if (unknown === undefined && count === width) continue;
    throw new RondoError({
      where: "csvText",
      received:
        unknown === undefined
          ? `${counted(count, "field")} in row ${i}`
          : `the column "${unknown}" in row ${i}`,
      expected: header === undefined ? `${width}, as in row 0` : `the columns ${header.join(", ")}`,
      fix: "Give every row the same columns",
    });
  }
  const text = Papa.unparse(header === undefined ? lists : [header, ...lists], {
    delimiter,
    newline: rowEnd,
  });
  return text === "" && lists.length === 0 ? "" : `${text}${rowEnd}`;
}

const rowEnd = "\r\n";
const isList = (row: unknown): row is readonly CsvValue[] => Array.isArray(row);
const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;

const delimiterOf = (name: string): string => (/\.(tsv|tab)(\.gz)?$/i.test(name) ? "\t" : ",");

function checkDelimiter(where: string, delimiter: string, quotes: boolean): void {
  const isCharacter = typeof delimiter === "string" && delimiter.length === 1;
  if (isCharacter && !/[\r\n\ufeff]/.test(delimiter) && !(quotes && delimiter === '"')) return;
  throw new RondoError({
    where,
    received: `delimiter: ${valueText(delimiter)}`,
    expected: "one character that is no quote and no line end",
    fix: 'Write for example delimiter: ";"',
  });
}

function checkNames(where: string, names: readonly string[]): readonly string[] {
  checkList(
    where,
    names,
    "true, false or a list of names",
    'Write for example header: ["x", "y"]',
    " for header",
  );
  return checkColumns(where, names, "in options.header");
}

function checkColumns(where: string, names: readonly string[], place: string): readonly string[] {
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice === undefined) return names;
  throw new RondoError({
    where,
    received: `two columns with the name ${JSON.stringify(twice)}, ${place}`,
    expected: "names that differ",
    fix: 'Rename one of them, or give names of your own: { header: ["…"] }',
  });
}
