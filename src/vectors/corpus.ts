import { randomBytes } from "node:crypto";
import { type FileHandle, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Breather, isRest } from "../breather.js";
import { detached, readText } from "../data/text.js";
import { RondoError } from "../errors.js";
import { type ByteSource, sourceName } from "../files/chunks.js";

export interface CorpusOptions {
  /** Whether words are read in small letters. */
  readonly lowercase: boolean;
  /** Words that come less often are left out, and what stands around them moves together. */
  readonly minCount: number;
  /** How many different words are counted at a time: where there are more, the rarest are forgotten. */
  readonly maxVocabulary: number;
  /** Where the temporary file lies: 4 bytes a word. Default: the system's folder for such files. */
  readonly folder?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Is told after every piece how many words were read. */
  readonly onRead?: ((words: number) => void) | undefined;
}

/** Words of one sentence at most, as in word2vec; what is longer is cut. */
const sentenceWords = 10_000;
/** Characters of a word: more are no text with spaces in it. */
const longestWord = 2 ** 20;

/** In the temporary file and in blocks: the end of a sentence. In `#ranks`: a word that is left out. */
const sentenceEnd = -1;
const leftOut = -2;

/**
 * A text that was read once, a sentence a line: its words that come often enough, the commonest first, and the text itself as
 * their numbers in a temporary file, so that it may be larger than memory and is read from wherever it comes only once.
 */
export class Corpus {
  readonly words: readonly string[];
  readonly counts: readonly number[];
  /** Of the text, those that are left out among them. */
  readonly tokens: number;
  readonly sentences: number;
  /** Words that are not left out, and ends of sentences. */
  readonly length: number;
  /** Different words that were forgotten while the text was read. */
  readonly forgotten: number;
  readonly #file: TemporaryFile;
  /** The row of each number in the file. */
  readonly #ranks: Int32Array;

  private constructor(counter: Counter, kept: readonly Counted[], sentences: number, file: TemporaryFile) {
    this.words = kept.map(({ word }) => word);
    this.counts = kept.map(({ count }) => count);
    this.tokens = counter.tokens;
    this.sentences = sentences;
    this.length = this.counts.reduce((sum, count) => sum + count, sentences);
    this.forgotten = counter.forgotten;
    this.#file = file;
    this.#ranks = new Int32Array(counter.numbers).fill(leftOut);
    for (const [rank, { number }] of kept.entries()) this.#ranks[number] = rank;
  }

  /**
   * Counts the words of a text.
   *
   * @throws RondoError for a text that is no UTF-8, is empty, or of which no word comes often enough; the signal's reason
   */
  static async read(where: string, source: ByteSource, options: CorpusOptions): Promise<Corpus> {
    const counter = new Counter(options.maxVocabulary);
    const file = await TemporaryFile.open(where, options.folder ?? tmpdir());
    try {
      const splitter = new Splitter(counter);
      /** A word that the next piece may go on with. */
      let open = "";
      for await (const piece of readText(where, source)) {
        options.signal?.throwIfAborted();
        const text = open + piece;
        const end = lastBreak(text);
        open = text.slice(end);
        if (open.length > longestWord) throw noSpaces(where, source);
        await file.append(splitter.numbers(lowered(text.slice(0, end), options.lowercase)));
        options.onRead?.(counter.tokens);
      }
      await file.append(splitter.numbers(`${lowered(open, options.lowercase)}\n`));
      options.onRead?.(counter.tokens);
      const kept = await counter.atLeast(options.minCount);
      if (kept.length === 0) throw noWords(where, source, (await counter.atLeast(1))[0], options.minCount);
      return new Corpus(counter, kept, splitter.sentences, file);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** The text as rows of its words, -1 after each sentence, in blocks of one size; the last is filled up with -1. */
  async *blocks(size: number): AsyncGenerator<Int32Array> {
    let block = new Int32Array(size);
    let filled = 0;
    for await (const numbers of this.#file.read()) {
      for (let i = 0; i < numbers.length; i++) {
        const number = numbers[i] ?? sentenceEnd;
        const rank = number === sentenceEnd ? sentenceEnd : (this.#ranks[number] ?? leftOut);
        if (rank === leftOut) continue;
        block[filled++] = rank;
        if (filled < size) continue;
        yield block;
        block = new Int32Array(size);
        filled = 0;
      }
    }
    if (filled > 0) yield block.fill(sentenceEnd, filled);
  }

  /** Deletes the temporary file. */
  close(): Promise<void> {
    return this.#file.close();
  }
}

/** How often each word came. A word has a number from when it first comes, or comes again after it was forgotten. */
class Counter {
  readonly #most: number;
  readonly #numbers = new Map<string, number>();
  /** By number. */
  readonly #counts: number[] = [];
  /** Words that come no more often are forgotten next. */
  #least = 0;
  tokens = 0;
  forgotten = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Number of numbers. */
  get numbers(): number {
    return this.#counts.length;
  }

  /** Of a word that is in the text once more. */
  add(word: string): number {
    this.tokens++;
    const known = this.#numbers.get(word);
    if (known !== undefined) {
      this.#counts[known] = (this.#counts[known] ?? 0) + 1;
      return known;
    }
    if (this.#numbers.size >= this.#most) this.#forget();
    this.#numbers.set(detached(word), this.#counts.length);
    return this.#counts.push(1) - 1;
  }

  /** Forgets the rarest words, until there is room for a quarter as many new ones. */
  #forget(): void {
    const before = this.#numbers.size;
    while (this.#numbers.size > 0.75 * this.#most) {
      this.#least++;
      for (const [word, number] of this.#numbers)
        if ((this.#counts[number] ?? 0) <= this.#least) this.#numbers.delete(word);
    }
    this.forgotten += before - this.#numbers.size;
  }

  /** The commonest first; of equally common ones, what came first. */
  async atLeast(least: number): Promise<readonly Counted[]> {
    const breather = new Breather();
    const found: Counted[] = [];
    let seen = 0;
    for (const [word, number] of this.#numbers) {
      const count = this.#counts[number] ?? 0;
      if (count >= least) found.push({ word, number, count });
      const rest = isRest(seen++) ? breather.tick() : undefined;
      if (rest !== undefined) await rest;
    }
    return found.sort((a, b) => b.count - a.count || a.number - b.number);
  }
}

interface Counted {
  readonly word: string;
  readonly number: number;
  readonly count: number;
}

/** Words as numbers, and where sentences end. */
class Splitter {
  readonly #counter: Counter;
  #inSentence = 0;
  sentences = 0;

  constructor(counter: Counter) {
    this.#counter = counter;
  }

  /** @param text that ends between words */
  numbers(text: string): Int32Array {
    // Every number is of a word or of the space after it, but for the cut of a sentence that is too long.
    const numbers = new Int32Array(text.length + Math.ceil(text.length / sentenceWords) + 1);
    let count = 0;
    const endSentence = () => {
      if (this.#inSentence === 0) return;
      numbers[count++] = sentenceEnd;
      this.#inSentence = 0;
      this.sentences++;
    };
    let start = 0;
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (!isSpace(code)) continue;
      if (at > start) {
        numbers[count++] = this.#counter.add(text.slice(start, at));
        if (++this.#inSentence === sentenceWords) endSentence();
      }
      start = at + 1;
      if (code === lineFeed) endSentence();
    }
    return numbers.subarray(0, count);
  }
}

const lineFeed = 10;

/** What `\s` matches. */
const isSpace = (code: number): boolean =>
  code <= 32 ? code === 32 || (code >= 9 && code <= 13) : code >= 160 && /\s/.test(String.fromCharCode(code));

/** Where the last space of a text ends; 0 where there is none. */
function lastBreak(text: string): number {
  let at = text.length;
  while (at > 0 && !isSpace(text.charCodeAt(at - 1))) at--;
  return at;
}

const lowered = (text: string, lowercase: boolean): string => (lowercase ? text.toLowerCase() : text);

/** Whole numbers in a file that is gone when it is closed, and on most systems when the process ends, however it does. */
class TemporaryFile {
  readonly #where: string;
  readonly #path: string;
  readonly #file: FileHandle;
  #bytes = 0;

  private constructor(where: string, path: string, file: FileHandle) {
    this.#where = where;
    this.#path = path;
    this.#file = file;
  }

  static async open(where: string, folder: string): Promise<TemporaryFile> {
    const path = join(folder, `.rondo-words-${randomBytes(6).toString("hex")}`);
    const file = await open(path, "wx+", 0o600).catch((error: unknown) => {
      throw noTemporaryFile(where, folder, error);
    });
    // What has no name any more lives as long as it is open, where the system allows that.
    await rm(path, { force: true }).catch(() => undefined);
    return new TemporaryFile(where, path, file);
  }

  async append(numbers: Int32Array): Promise<void> {
    const bytes = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await this.#file
        .write(bytes, at, bytes.length - at, this.#bytes)
        .catch((error: unknown) => {
          throw noTemporaryFile(this.#where, this.#path, error);
        });
      at += bytesWritten;
      this.#bytes += bytesWritten;
    }
  }

  /** All numbers, piece by piece. */
  async *read(): AsyncGenerator<Int32Array> {
    const numbers = new Int32Array(pieceNumbers);
    for (let at = 0; at < this.#bytes; ) {
      const wanted = Math.min(numbers.byteLength, this.#bytes - at);
      const { bytesRead } = await this.#file.read(new Uint8Array(numbers.buffer), 0, wanted, at);
      // Whole numbers: what the file ends with is one, and pieces of it are read again.
      const whole = bytesRead - (bytesRead % 4);
      if (whole === 0) throw noTemporaryFile(this.#where, this.#path, new Error("it is shorter than it was"));
      at += whole;
      yield numbers.subarray(0, whole / 4);
    }
  }

  async close(): Promise<void> {
    await this.#file.close().catch(() => undefined);
    await rm(this.#path, { force: true }).catch(() => undefined);
  }
}

const pieceNumbers = 2 ** 16;

const noTemporaryFile = (where: string, path: string, error: unknown): RondoError =>
  new RondoError(
    {
      where,
      received: `no temporary file at ${path} (${error instanceof Error ? error.message : String(error)})`,
      expected: "room for 4 bytes a word of the text",
      fix: "Free space there, or choose another folder",
    },
    { cause: error },
  );

const noSpaces = (where: string, source: ByteSource): RondoError =>
  new RondoError({
    where,
    received: `${sourceName(source)}, with a word of more than ${longestWord} characters`,
    expected: "words with spaces between them",
    fix: "Check the file, or put spaces between its words",
  });

function noWords(
  where: string,
  source: ByteSource,
  commonest: Counted | undefined,
  minCount: number,
): RondoError {
  return new RondoError({
    where,
    received:
      commonest === undefined
        ? `${sourceName(source)}, without a word`
        : `${sourceName(source)}, whose commonest word, ${JSON.stringify(commonest.word)}, comes ${times(commonest.count)}`,
    expected: commonest === undefined ? "text" : `words that come ${times(minCount)} or more`,
    fix:
      commonest === undefined
        ? "Check the file"
        : `Give more text, or set minCount to ${commonest.count} or less`,
  });
}

const times = (count: number): string => (count === 1 ? "once" : `${count} times`);
