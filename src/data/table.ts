import { invalid } from "../config/config.js";
import { checkList, checkOptions, namesOf, RondoError, unknownName } from "../errors.js";
import { type ByteSource, sourceName } from "../files/chunks.js";
import { Tensor } from "../tensor.js";
import { type CsvFormat, readRecords } from "./csv.js";
import { detached } from "./text.js";

/** What a column holds: numbers, whole numbers, or what stands there. */
export type ColumnKind = "float32" | "int32" | "text";

/** The values of a column of each kind. Missing ones are NaN in float32 and "" in text. */
export interface ColumnData {
  readonly float32: Float32Array;
  readonly int32: Int32Array;
  readonly text: readonly string[];
}

export interface ReadTableOptions<C extends Readonly<Record<string, ColumnKind>>> extends CsvFormat {
  /** The columns to read, by their names in the file. */
  readonly columns: C;
  /** As for `readCsv`; without names, columns go by their numbers from 0. */
  readonly header?: boolean | readonly string[];
  /** What stands where a value is missing. Default: what pandas takes for it, "", NA, NaN, null and their like. */
  readonly missing?: readonly string[];
}

const optionNames = namesOf<ReadTableOptions<Readonly<Record<string, ColumnKind>>>>({
  columns: true,
  header: true,
  missing: true,
  delimiter: true,
  quotes: true,
  encoding: true,
});

/** The default of pandas.read_csv's na_values. */
const missingWords: readonly string[] =
  ",#N/A,#N/A N/A,#NA,-1.#IND,-1.#QNAN,-NaN,-nan,1.#IND,1.#QNAN,<NA>,N/A,NA,NULL,NaN,None,n/a,nan,null".split(
    ",",
  );

/** Columns of a file in memory. */
export class Table<C extends Readonly<Record<string, ColumnKind>>> {
  /** Number of rows. */
  readonly rows: number;
  /** The columns that were read, by name. */
  readonly columns: { readonly [K in keyof C]: ColumnData[C[K]] };
  /** How many values each of them misses. */
  readonly missing: { readonly [K in keyof C]: number };

  /** @internal */
  constructor(rows: number, columns: Table<C>["columns"], missing: Table<C>["missing"]) {
    this.rows = rows;
    this.columns = columns;
    this.missing = missing;
  }

  /**
   * Columns of numbers side by side.
   *
   * @param names default: all columns of numbers, in the order in which they were asked for
   * @returns float32 [rows, columns]
   * @throws RondoError for a name that is no column of numbers
   */
  matrix(names?: readonly (keyof C & string)[]): Tensor<"float32"> {
    const columns: Readonly<Record<string, ColumnData[ColumnKind]>> = this.columns;
    const numeric = Object.keys(columns).filter((name) => ArrayBuffer.isView(columns[name]));
    const chosen: readonly string[] = names ?? numeric;
    const data = new Float32Array(this.rows * chosen.length);
    for (const [i, name] of chosen.entries()) {
      const values = columns[name];
      if (values === undefined || !ArrayBuffer.isView(values))
        throw unknownName("table.matrix", "column of numbers", name, numeric);
      for (let row = 0; row < this.rows; row++) data[row * chosen.length + i] = Number(values[row]);
    }
    return new Tensor(data, [this.rows, chosen.length], "float32");
  }
}

/**
 * Columns of a CSV or TSV file, read piece by piece: what is kept in memory are the columns that are asked for.
 *
 * @throws RondoError what `readCsv` throws; with line and column, for what is no number, and for a missing whole number;
 *   for a column that the file has not
 */
export async function readTable<const C extends Readonly<Record<string, ColumnKind>>>(
  source: ByteSource,
  options: ReadTableOptions<C>,
): Promise<Table<C>> {
  checkOptions("readTable", options, optionNames);
  const { columns: kinds, missing = missingWords, ...format } = options;
  if (typeof kinds !== "object" || kinds === null || Array.isArray(kinds))
    throw invalid(
      "readTable",
      "columns",
      kinds,
      "kinds by name",
      'Write for example columns: { x: "float32" }',
    );
  checkList("readTable", missing, "a list of texts", 'Write for example missing: ["NA", ""]', " for missing");
  const columns = Object.entries(kinds).map(([name, kind]) => columnOf(sourceName(source), name, kind));
  const isMissing = new Set(missing);
  let rows = 0;
  for await (const { columns: names, rows: records } of readRecords("readTable", source, format)) {
    const places = columns.map(({ name }) => placeOf(name, names));
    for (const { line, fields } of records)
      for (const [i, column] of columns.entries()) {
        const field = fields[places[i] ?? -1] ?? "";
        if (isMissing.has(field)) column.addMissing(line);
        else column.add(field, line);
      }
    rows += records.length;
  }
  const collect = (of: (column: Column) => unknown) =>
    Object.fromEntries(columns.map((column) => [column.name, of(column)]));
  return new Table<C>(
    rows,
    collect((column) => column.values()) as Table<C>["columns"],
    collect((column) => column.missing) as Table<C>["missing"],
  );
}

function placeOf(name: string, names: readonly string[]): number {
  const place = names.indexOf(name);
  if (place < 0) throw unknownName("readTable", "column", name, names);
  return place;
}

/** A column that grows row by row. */
interface Column {
  readonly name: string;
  readonly missing: number;
  add(field: string, line: number): void;
  addMissing(line: number): void;
  values(): ColumnData[ColumnKind];
}

function columnOf(file: string, name: string, kind: ColumnKind): Column {
  if (kind === "text") return new Texts(name);
  if (!Object.hasOwn(numbers, kind))
    throw unknownName("readTable", "kind of column", String(kind), [...Object.keys(numbers), "text"]);
  return new Numbers(file, name, kind);
}

class Texts implements Column {
  readonly name: string;
  missing = 0;
  readonly #texts: string[] = [];

  constructor(name: string) {
    this.name = name;
  }

  add(field: string): void {
    this.#texts.push(detached(field));
  }

  addMissing(): void {
    this.missing++;
    this.#texts.push("");
  }

  values(): readonly string[] {
    return this.#texts;
  }
}

const numbers = {
  float32: {
    array: (length: number) => new Float32Array(length),
    isOne: (value: number) => !Number.isNaN(value),
    expected: "a number",
  },
  int32: {
    array: (length: number) => new Int32Array(length),
    isOne: (value: number) => (value | 0) === value,
    expected: "a whole number from -2147483648 to 2147483647",
  },
} as const;

class Numbers implements Column {
  readonly name: string;
  missing = 0;
  readonly #file: string;
  readonly #kind: keyof typeof numbers;
  #values: Float32Array | Int32Array;
  #count = 0;

  constructor(file: string, name: string, kind: keyof typeof numbers) {
    this.#file = file;
    this.name = name;
    this.#kind = kind;
    this.#values = numbers[kind].array(1024);
  }

  add(field: string, line: number): void {
    const value = Number(field);
    if (!numbers[this.#kind].isOne(value) || field.trim() === "") {
      const text = JSON.stringify(field.slice(0, 40));
      throw this.#refused(text, line, `say that it stands for a missing value, { missing: [${text}, …] }`);
    }
    this.#push(value);
  }

  addMissing(line: number): void {
    if (this.#kind === "int32")
      throw this.#refused("a missing value", line, 'read it as "float32", with NaN there');
    this.missing++;
    this.#push(Number.NaN);
  }

  values(): Float32Array | Int32Array {
    return this.#values.slice(0, this.#count);
  }

  #push(value: number): void {
    if (this.#count === this.#values.length) {
      const grown = numbers[this.#kind].array(2 * this.#count);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.#count++] = value;
  }

  #refused(received: string, line: number, remedy: string): RondoError {
    return new RondoError({
      where: `read ${this.#file}`,
      received: `${received} in line ${line} for the column ${JSON.stringify(this.name)}`,
      expected: numbers[this.#kind].expected,
      fix: `Mend the line, ${remedy}, or read the column as "text"`,
    });
  }
}
