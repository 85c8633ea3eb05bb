import { type CsvRow, readRecords } from "../data/csv.js";
import { readLines } from "../data/text.js";
import { RondoError } from "../errors.js";
import { type ByteSource, readSource, sourceName } from "../files/chunks.js";

/** A line of an input, and its number from 1. */
export interface InputLine {
  readonly line: number;
  readonly text: string;
}

/** A row of a table by the names of its columns, and the number of the line on which it begins, from 1. */
export interface InputRow {
  readonly line: number;
  readonly fields: CsvRow;
}

/**
 * Something to predict for, as the user gave it: a file, or standard input. It is read once, as it comes, in one of these
 * ways; what is packed with gzip comes unpacked. Each throws a RondoError for what cannot be read.
 */
export class PredictInput {
  /** The path as it was given, or `standard input`. */
  readonly name: string;
  readonly #source: ByteSource;
  #opened: AsyncIterator<Uint8Array> | undefined;
  /** What was read to see how the input begins. */
  #begin: Uint8Array = new Uint8Array();

  constructor(name: string, source: ByteSource) {
    this.name = name;
    this.#source = source;
  }

  /** The first bytes, fewer where there are no more; they are read again by what follows. */
  async begin(count: number): Promise<Uint8Array> {
    const stream = this.#open();
    while (this.#begin.length < count) {
      const next = await stream.next();
      if (next.done === true) break;
      this.#begin = joined([this.#begin, next.value]);
    }
    return this.#begin.subarray(0, count);
  }

  /** The bytes as they come. */
  async *chunks(): AsyncGenerator<Uint8Array> {
    const stream = this.#open();
    try {
      if (this.#begin.length > 0) yield this.#begin;
      for (let next = await stream.next(); next.done !== true; next = await stream.next()) yield next.value;
    } finally {
      await stream.return?.();
    }
  }

  /** All bytes. */
  async bytes(): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    for await (const chunk of this.chunks()) parts.push(chunk);
    return joined(parts);
  }

  /** The lines of a text in UTF-8. An empty input is refused. */
  async *lines(): AsyncGenerator<InputLine> {
    let line = 0;
    const chunks = this.chunks();
    for await (const text of this.#named(chunks, readLines(chunks))) yield { line: ++line, text };
  }

  /** Whether the name is that of a CSV or TSV file. */
  get isTable(): boolean {
    return /\.(csv|tsv|tab)(\.gz)?$/i.test(this.name);
  }

  /** The rows of a CSV file, or of a TSV file where the name says so; the first row names the columns. */
  async *rows(): AsyncGenerator<InputRow> {
    const chunks = this.chunks();
    const delimiter = /\.(tsv|tab)(\.gz)?$/i.test(this.name) ? "\t" : ",";
    for await (const { columns, rows } of this.#named(chunks, readRecords("predict", chunks, { delimiter })))
      for (const { line, fields } of rows)
        yield { line, fields: Object.fromEntries(columns.map((name, i) => [name, fields[i] ?? ""])) };
  }

  /** The error for a part of this input: `received` and `expected` are phrases, `fix` is a sentence. */
  error(
    place: string,
    {
      received,
      expected,
      fix,
    }: { readonly received: string; readonly expected: string; readonly fix: string },
  ): RondoError {
    return new RondoError({ where: `${this.name}, ${place}`, received, expected, fix });
  }

  #open(): AsyncIterator<Uint8Array> {
    this.#opened ??= this.#named(this.#source, readSource("predict", this.#source));
    return this.#opened;
  }

  /** What is read of a source, whose errors get the input's name where the source has none. */
  async *#named<T>(source: ByteSource, items: AsyncIterable<T>): AsyncGenerator<T> {
    try {
      yield* items;
    } catch (error) {
      const unnamed = `read ${sourceName(source)}`;
      if (!(error instanceof RondoError) || error.where !== unnamed) throw error;
      const { received, expected, fix } = error;
      throw new RondoError({ where: `read ${this.name}`, received, expected, fix }, { cause: error });
    }
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
