import { RondoError } from "../errors.js";
import { type ByteSource, readSource, sourceName } from "../files/chunks.js";
import type { AnyIterator } from "./datasetSources.js";

const lineFeed = 10;
const end: IteratorResult<string> = { done: true, value: undefined };

/**
 * The lines of a text in UTF-8, without their ends (`\n`, `\r\n`) and without a byte order mark. The end of the last line
 * begins no further one.
 *
 * To restore a position, the bytes before it are read, unpacked and dropped, but not decoded.
 */
export class TextLines implements AnyIterator<string> {
  readonly #source: ByteSource;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  #chunks: AsyncIterator<Uint8Array> | undefined;
  /** Lines that were decoded together, and how many of them were given. */
  #lines: readonly string[] = [];
  #given: number;
  /** Bytes before the first of them, and before what follows them. */
  #begin: number;
  #end: number;
  /** Lines before the first of them. */
  #before: number;
  /** What was read of the line that follows them. */
  #open: Uint8Array[] = [];

  /** @param state what `state` said */
  constructor(source: ByteSource, state?: unknown) {
    const [begin = 0, before = 0, given = 0] = Array.isArray(state) ? state.map(Number) : [];
    this.#source = source;
    this.#begin = begin;
    this.#end = begin;
    this.#before = before;
    this.#given = given;
  }

  /** Bytes and lines before those that were decoded together, and how many of these were given. */
  state(): readonly number[] {
    return [this.#begin, this.#before, this.#given];
  }

  next(): IteratorResult<string> | Promise<IteratorResult<string>> {
    return this.#given < this.#lines.length ? this.#line() : this.#further();
  }

  async return(): Promise<void> {
    await this.#chunks?.return?.();
  }

  #line(): IteratorResult<string> {
    const line = this.#lines[this.#given++] ?? "";
    return { done: false, value: line.endsWith("\r") ? line.slice(0, -1) : line };
  }

  /** Decodes what is read at a time, as far as its lines are complete. */
  async #further(): Promise<IteratorResult<string>> {
    this.#chunks ??= this.#bytesFrom(this.#begin);
    // A position may have given more lines than are decoded together this time.
    while (this.#given >= this.#lines.length) {
      const next = await this.#chunks.next();
      if (next.done === true) {
        const rest = joined(this.#open);
        this.#open = [];
        if (rest.length === 0) return end;
        this.#decode(rest);
        continue;
      }
      const cut = next.value.lastIndexOf(lineFeed) + 1;
      if (cut > 0) {
        this.#decode(joined([...this.#open, next.value.subarray(0, cut)]));
        this.#open = [];
      }
      if (cut < next.value.length) this.#open.push(next.value.slice(cut));
    }
    return this.#line();
  }

  #decode(bytes: Uint8Array): void {
    const lines = this.#text(bytes).split("\n");
    if (lines.at(-1) === "") lines.pop();
    if (this.#end === 0 && lines[0]?.startsWith("\ufeff")) lines[0] = lines[0].slice(1);
    this.#given -= this.#lines.length;
    this.#before += this.#lines.length;
    this.#lines = lines;
    this.#begin = this.#end;
    this.#end += bytes.length;
  }

  #text(bytes: Uint8Array): string {
    try {
      return this.#decoder.decode(bytes);
    } catch (cause) {
      let [line, begin] = [this.#before + this.#lines.length, 0];
      for (let i = 0; i < bytes.length; i = begin) {
        begin = bytes.indexOf(lineFeed, i) + 1 || bytes.length;
        line++;
        try {
          this.#decoder.decode(bytes.subarray(i, begin));
        } catch {
          break;
        }
      }
      throw new RondoError(
        {
          where: `read ${sourceName(this.#source)}`,
          received: `bytes in line ${line} that are not UTF-8`,
          expected: "text in UTF-8",
          fix: "Save the file as UTF-8, or decode it and give new Blob([text])",
        },
        { cause },
      );
    }
  }

  async *#bytesFrom(begin: number): AsyncGenerator<Uint8Array> {
    let place = 0;
    for await (const chunk of readSource("Dataset.fromTextLines", this.#source)) {
      place += chunk.length;
      if (place > begin)
        yield place - begin < chunk.length ? chunk.subarray(chunk.length - (place - begin)) : chunk;
    }
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [first, ...others] = parts;
  if (first !== undefined && others.length === 0) return first;
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
