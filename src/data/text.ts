import { RondoError, valueText } from "../errors.js";
import { type ByteSource, readSource, sourceName } from "../files/chunks.js";

/** What text files have in common. */
export interface TextOptions {
  /** Any that `TextDecoder` knows, for example `windows-1252`, `utf-16le`, `gb18030`. Default: `utf-8`. */
  readonly encoding?: string;
}

/**
 * The text of a source as it comes, without a byte order mark.
 *
 * @throws RondoError for a source without a byte; with the byte and the line, for bytes that are no text in this encoding
 */
export async function* readText(
  where: string,
  source: ByteSource,
  encoding = "utf-8",
): AsyncGenerator<string> {
  const decoder = new Decoder(where, sourceName(source), encoding);
  for await (const chunk of readSource(where, source)) {
    const text = decoder.decode(chunk);
    if (text !== "") yield text;
  }
  const rest = decoder.end();
  if (rest !== "") yield rest;
}

/** The whole text of a source. */
export async function readWholeText(where: string, source: ByteSource): Promise<string> {
  const parts: string[] = [];
  for await (const part of readText(where, source)) parts.push(part);
  return parts.join("");
}

/** Characters of the longest line: close to what a string can hold. */
const longestLine = 2 ** 28;

/**
 * The lines of a text without their ends (`\n` or `\r\n`), one after the other, so that a file may be larger than memory.
 *
 * @throws RondoError for an empty file; with the byte and the line, for bytes that are no text in this encoding
 */
export async function* readLines(source: ByteSource, options: TextOptions = {}): AsyncGenerator<string> {
  /** Of the line that is not complete yet. */
  let open: string[] = [];
  let length = 0;
  let count = 0;
  const line = (end: string): string => {
    const text = open.length === 0 ? end : open.join("") + end;
    open = [];
    length = 0;
    count++;
    return text.endsWith("\r") ? text.slice(0, -1) : text;
  };
  for await (const text of readText("readLines", source, options.encoding)) {
    const parts = text.split("\n");
    const last = parts.pop() ?? "";
    for (const part of parts) yield line(part);
    open.push(last);
    length += last.length;
    if (length <= longestLine) continue;
    throw new RondoError({
      where: `read ${sourceName(source)}`,
      received: `more than ${longestLine} characters in line ${count + 1}`,
      expected: "lines of text",
      fix: "Cut the text into lines, or read it piece by piece",
    });
  }
  if (length > 0) yield line("");
}

/**
 * The text by itself. (A piece of a larger string may keep all of that in memory: what is kept of a file that is read piece
 * by piece would keep the file.)
 */
export const detached = (text: string): string => (text.length < shortest ? text : ` ${text}`.slice(1));

/** V8 copies shorter pieces. */
const shortest = 13;

/** Bytes that come piece by piece as text. */
class Decoder {
  readonly #name: string;
  readonly #decoder: TextDecoder;
  /** The last bytes before the piece: a character may lie across. */
  #last: Uint8Array = new Uint8Array();
  #bytes = 0;
  #lines = 0;

  constructor(where: string, name: string, encoding: string) {
    this.#name = name;
    try {
      this.#decoder = new TextDecoder(encoding, { fatal: true });
    } catch {
      throw new RondoError({
        where,
        received: `encoding: ${valueText(encoding)}`,
        expected: "an encoding that TextDecoder knows",
        fix: 'Use for example "utf-8", "utf-16le", "windows-1252", "gb18030"',
      });
    }
  }

  decode(chunk: Uint8Array): string {
    let text: string;
    try {
      text = this.#decoder.decode(chunk, { stream: true });
    } catch (cause) {
      throw this.#invalid(chunk, cause);
    }
    this.#bytes += chunk.length;
    this.#lines += countOf(chunk, lineFeed);
    this.#last = (chunk.length < 3 ? joined(this.#last, chunk) : chunk).slice(-3);
    return text;
  }

  /** What is left when all bytes are there. */
  end(): string {
    if (this.#bytes === 0) {
      throw new RondoError({
        where: `read ${this.#name}`,
        received: "an empty file",
        expected: "text",
        fix: "Check the path, and whether the file was written completely",
      });
    }
    try {
      return this.#decoder.decode();
    } catch (cause) {
      throw this.#invalid(new Uint8Array(), cause);
    }
  }

  #invalid(chunk: Uint8Array, cause: unknown): RondoError {
    const { encoding } = this.#decoder;
    const unfinished = unfinishedBytes(this.#last);
    const bytes = joined(this.#last.subarray(this.#last.length - unfinished), chunk);
    const at = encoding === "utf-8" ? validBytes(bytes) : 0;
    const byte = this.#bytes - unfinished + at;
    const line = this.#lines + countOf(bytes.subarray(0, at), lineFeed) + 1;
    const isUtf16 = byte === 0 && /^(255,254|254,255)/.test(bytes.subarray(0, 2).join());
    return new RondoError(
      {
        where: `read ${this.#name}`,
        received:
          encoding === "utf-8"
            ? `the byte 0x${(bytes[at] ?? 0).toString(16).padStart(2, "0")} at byte ${byte}, in line ${line}, where no character of UTF-8 is`
            : `bytes that are no ${encoding}, in line ${line} or after it`,
        expected: `text in ${encoding}`,
        fix: isUtf16
          ? `The file begins like one in UTF-16: give { encoding: "${bytes[0] === 255 ? "utf-16le" : "utf-16be"}" }`
          : 'Save the file as UTF-8, or give its encoding, for example { encoding: "windows-1252" }',
      },
      { cause },
    );
  }
}

const lineFeed = 10;

function countOf(bytes: Uint8Array, byte: number): number {
  let count = 0;
  for (let at = bytes.indexOf(byte); at >= 0; at = bytes.indexOf(byte, at + 1)) count++;
  return count;
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}

/** Bytes of the character that a first byte of UTF-8 begins; 0 where it begins none. */
const characterBytes = (first: number): number => {
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
};

/** How many of the last bytes begin a character of UTF-8 and do not end it. */
function unfinishedBytes(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte >= 0xc0) return characterBytes(byte) > back ? back : 0;
  }
  return 0;
}

/** How many bytes from the beginning are whole characters of UTF-8 (The Unicode Standard, table 3-7). */
function validBytes(bytes: Uint8Array): number {
  let at = 0;
  while (at < bytes.length) {
    const first = bytes[at] ?? 0;
    const count = characterBytes(first);
    const second = bytes[at + 1] ?? 0;
    const least = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
    const most = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
    if (count === 0 || at + count > bytes.length) return at;
    if (count > 1 && (second < least || second > most)) return at;
    for (let i = 2; i < count; i++) if (((bytes[at + i] ?? 0) & 0xc0) !== 0x80) return at;
    at += count;
  }
  return at;
}
