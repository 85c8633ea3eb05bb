import { invalid } from "../config/config.js";
import { choice } from "../config/fields.js";
import { checkCount, checkOptions, namesOf, RondoError } from "../errors.js";
import { type ByteSource, readSource, sourceName } from "../files/chunks.js";
import { Tensor } from "../tensor.js";
import { detached } from "./text.js";
import { WordVectors } from "./wordVectors.js";

/**
 * How files hold word vectors. In text, a line has a word and its numbers; before them, word2vec and fastText have a line
 * with the number of words and their dimension, GloVe has not. `word2vecBinary` has that line, too, and then each word, a
 * space, and the numbers as float32.
 */
export type VectorFormat = "word2vec" | "word2vecBinary" | "glove" | "fastText";

const formats = choice<VectorFormat>("word2vec", ["word2vec", "word2vecBinary", "glove", "fastText"]);

/** Options of `readWordVectors`. */
export interface ReadVectorsOptions {
  /** Left out: what the file looks like. */
  readonly format?: VectorFormat;
  /** Only these words are kept, so that a large file takes little memory: a vocabulary, a Set, a Map. */
  readonly only?: {
    /** Whether the vector of a word is kept. */
    has(word: string): boolean;
  };
  /** Only so many words from the beginning of the file, where the commonest are, are looked at. */
  readonly limit?: number;
}

const readNames = namesOf<ReadVectorsOptions>({ format: true, only: true, limit: true });

/**
 * Reads word vectors in the formats of word2vec, GloVe and fastText (`.vec`), packed with gzip or not, piece by piece. Of a
 * word that is there twice the first vector holds.
 *
 * @throws RondoError, with the line, for a line whose size differs or that holds what is no number; for fewer or more words
 *   than the first line says; for a pickle of gensim and a model of fastText, with the line of Python that exports them
 */
export async function readWordVectors(
  source: ByteSource,
  options: ReadVectorsOptions = {},
): Promise<WordVectors> {
  const where = "readWordVectors";
  checkOptions(where, options, readNames);
  const { format: asked, only, limit = Number.POSITIVE_INFINITY } = options;
  if (asked !== undefined) formats.read(asked, where, "format");
  if (only !== undefined && typeof Object(only).has !== "function")
    throw invalid(where, "only", only, "what has a method has(word)", "Give a vocabulary, a Set or a Map");
  if (limit !== Number.POSITIVE_INFINITY) checkCount(where, "limit", limit, 1);
  const file = new VectorFile(sourceName(source), readSource(where, source));
  try {
    while (file.ahead.length < lookedAt && (await file.more()));
    refuseOthers(file);
    const format = asked ?? formatOf(file.ahead);
    const found = new Found(file.name, only, limit);
    if (format === "word2vecBinary") await readBinary(file, found);
    else await readTextual(file, found, format !== "glove");
    return found.vectors();
  } finally {
    await file.close();
  }
}

/** How much of a file is there before its format is guessed. */
const lookedAt = 4096;
/** The longest line, or word with its numbers: a longer one is none. */
const longest = 2 ** 24;

const lineFeed = 10;
const space = 32;
const header = /^(\d+) (\d+)[ \t\r]*$/;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A file that is read piece by piece. */
class VectorFile {
  readonly name: string;
  readonly #chunks: AsyncGenerator<Uint8Array>;
  /** What was read and not taken. */
  ahead: Uint8Array = new Uint8Array();

  constructor(name: string, chunks: AsyncGenerator<Uint8Array>) {
    this.name = name;
    this.#chunks = chunks;
  }

  /** Reads on; false at the end of the file. */
  async more(): Promise<boolean> {
    const next = await this.#chunks.next();
    if (next.done === true) return false;
    this.ahead = joined(this.ahead, next.value);
    return true;
  }

  /** So many bytes, and those after them are next. */
  take(count: number): Uint8Array {
    const taken = this.ahead.subarray(0, count);
    this.ahead = this.ahead.subarray(count);
    return taken;
  }

  /** The next line without its end; undefined after the last one. */
  async line(): Promise<Uint8Array | undefined> {
    for (;;) {
      const line = this.lineAhead();
      if (line !== undefined) return line;
      if (this.ahead.length > longest) throw noVectors(this, `a line of more than ${longest} bytes`);
      if (!(await this.more())) return this.ahead.length === 0 ? undefined : this.take(this.ahead.length);
    }
  }

  /** The next line if it is there. */
  lineAhead(): Uint8Array | undefined {
    const end = this.ahead.indexOf(lineFeed);
    return end < 0 ? undefined : this.take(end + 1).subarray(0, end);
  }

  close(): Promise<unknown> {
    return this.#chunks.return(undefined);
  }
}

/** The words that are kept, and their vectors. */
class Found {
  readonly #name: string;
  readonly #only: { has(word: string): boolean } | undefined;
  readonly #limit: number;
  readonly #rows = new Map<string, number>();
  #data: Float32Array = new Float32Array();
  #dimension = 0;
  /** Words looked at. */
  count = 0;

  constructor(name: string, only: { has(word: string): boolean } | undefined, limit: number) {
    this.#name = name;
    this.#only = only;
    this.#limit = limit;
  }

  get isFull(): boolean {
    return this.count >= this.#limit;
  }

  /** Where the vector of a word belongs; undefined where it is not kept. */
  room(word: string, dimension: number): Float32Array | undefined {
    this.count++;
    if (this.#rows.has(word) || this.#only?.has(word) === false) return undefined;
    this.#dimension = dimension;
    const row = this.#rows.size;
    this.#rows.set(detached(word), row);
    if ((row + 1) * dimension > this.#data.length) {
      const larger = new Float32Array(Math.max(64, 2 * row) * dimension);
      larger.set(this.#data);
      this.#data = larger;
    }
    return this.#data.subarray(row * dimension, (row + 1) * dimension);
  }

  vectors(): WordVectors {
    if (this.#rows.size === 0) {
      throw new RondoError({
        where: `read ${this.#name}`,
        received: this.count === 0 ? "no words" : `${this.count} words of which not one is asked for`,
        expected: "words and their vectors",
        fix:
          this.count === 0
            ? "Check whether the file was written completely"
            : "Compare the words asked for with those of the file: large and small letters, language",
      });
    }
    const used = this.#data.slice(0, this.#rows.size * this.#dimension);
    return new WordVectors(
      [...this.#rows.keys()],
      new Tensor(used, [this.#rows.size, this.#dimension], "float32"),
    );
  }
}

const isNumber = (text: string): boolean => text !== "" && !Number.isNaN(Number(text));

async function readTextual(file: VectorFile, found: Found, hasHeader: boolean): Promise<void> {
  const said = hasHeader ? await readHeader(file) : undefined;
  let dimension = said?.dimension;
  for (let number = hasHeader ? 2 : 1; !found.isFull; number++) {
    const line = file.lineAhead() ?? (await file.line());
    if (line === undefined) break;
    const text = decoded(file, line, `line ${number}`).trimEnd();
    if (text === "") continue;
    const parts = text.split(" ");
    dimension ??= parts.length - 1;
    if (dimension === 0) throw noVectors(file, `${JSON.stringify(text)} in line ${number}, without numbers`);
    const before = parts.length - dimension;
    // Some words of GloVe have spaces: ". . .".
    if (before < 1 || (before > 1 && parts.slice(1, before).some(isNumber))) {
      const source = hasHeader ? "as the first line says" : "as in the first line";
      throw new RondoError({
        where: `read ${file.name}`,
        received: `${parts.length - 1} numbers in line ${number}, for the word ${JSON.stringify(parts[0])}`,
        expected: `${dimension}, ${source}`,
        fix: "Download or write the file again: the line is damaged",
      });
    }
    const vector = found.room(parts.slice(0, before).join(" "), dimension);
    for (let i = 0; vector !== undefined && i < dimension; i++) {
      const part = parts[before + i] ?? "";
      if (!isNumber(part))
        throw noVectors(file, `${JSON.stringify(part)} in line ${number}, where a number should be`);
      vector[i] = Number(part);
    }
  }
  if (said !== undefined && !found.isFull && found.count !== said.count)
    throw wrongCount(file, `${found.count} words`, said.count);
}

async function readBinary(file: VectorFile, found: Found): Promise<void> {
  const { count, dimension } = await readHeader(file);
  const bytes = 4 * dimension;
  while (found.count < count && !found.isFull) {
    // Some writers end a vector with a line end.
    while (file.ahead[0] === lineFeed) file.take(1);
    const end = file.ahead.indexOf(space);
    if (end < 0 || file.ahead.length < end + 1 + bytes) {
      if (end < 0 && file.ahead.length > longest)
        throw noVectors(file, `no word within ${longest} bytes, after ${found.count} words`);
      if (await file.more()) continue;
      throw wrongCount(file, `${found.count} whole ones`, count);
    }
    const word = decoded(file, file.take(end + 1).subarray(0, end), `word ${found.count + 1}`);
    const numbers = file.take(bytes);
    const vector = found.room(word, dimension);
    if (vector === undefined) continue;
    const view = new DataView(numbers.buffer, numbers.byteOffset, numbers.byteLength);
    for (let i = 0; i < dimension; i++) vector[i] = view.getFloat32(4 * i, true);
  }
}

/** The first line: the number of words and their dimension. */
async function readHeader(file: VectorFile): Promise<{ readonly count: number; readonly dimension: number }> {
  const line = (await file.line()) ?? new Uint8Array();
  const [, count, dimension] = header.exec(latin(line)) ?? [];
  if (Number(dimension) > 0) return { count: Number(count), dimension: Number(dimension) };
  throw new RondoError({
    where: `read ${file.name}`,
    received: `${JSON.stringify(latin(line).slice(0, 40))} in line 1`,
    expected: "the number of words and their dimension, as word2vec and fastText write them",
    fix: 'Leave format out, or give format: "glove" for a file without that line',
  });
}

/** What a file looks like: without a header it is GloVe's; after one, what is no text is binary. */
function formatOf(ahead: Uint8Array): VectorFormat {
  const end = ahead.indexOf(lineFeed);
  if (end < 0 || !header.test(latin(ahead.subarray(0, end)))) return "glove";
  const rest = ahead.subarray(end + 1, lookedAt);
  try {
    // The last bytes may be the beginning of a character.
    new TextDecoder("utf-8", { fatal: true }).decode(rest, { stream: true });
  } catch {
    return "word2vecBinary";
  }
  return rest.some((byte) => byte < 9 || (byte > 13 && byte < space)) ? "word2vecBinary" : "word2vec";
}

/** What begins the files that are often taken for these, and how Python makes one of these of them. */
const others: readonly {
  readonly begins: readonly (readonly number[])[];
  readonly what: string;
  readonly fix: (name: string) => string;
}[] = [
  {
    begins: [2, 3, 4, 5].map((version) => [0x80, version]),
    what: "a pickle of Python, as gensim's save writes it",
    fix: (name) =>
      `Export it in Python: from gensim.utils import SaveLoad; m = SaveLoad.load(${name}); getattr(m, "wv", m).save_word2vec_format("vectors.bin", binary=True)`,
  },
  {
    begins: [[0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]],
    what: "an array of NumPy, a part of what gensim's save writes",
    fix: () =>
      'Export the file beside it in Python: from gensim.utils import SaveLoad; m = SaveLoad.load("FILE.model"); getattr(m, "wv", m).save_word2vec_format("vectors.bin", binary=True)',
  },
  {
    begins: [[0xba, 0x16, 0x4f, 0x2f]],
    what: "a model of fastText",
    fix: (name) =>
      `Take the file .vec beside it, or export it in Python: from gensim.models.fasttext import load_facebook_vectors; load_facebook_vectors(${name}).save_word2vec_format("vectors.bin", binary=True)`,
  },
];

function refuseOthers({ name, ahead }: VectorFile): void {
  const other = others.find(({ begins }) =>
    begins.some((bytes) => bytes.every((byte, i) => ahead[i] === byte)),
  );
  if (other === undefined) return;
  throw new RondoError({
    where: `read ${name}`,
    received: other.what,
    expected: "word vectors in a format of word2vec, GloVe or fastText (.vec)",
    fix: other.fix(JSON.stringify(name)),
  });
}

/** Bytes as characters of the same numbers. */
const latin = (bytes: Uint8Array): string => String.fromCharCode(...bytes.subarray(0, 64));

function decoded({ name }: VectorFile, bytes: Uint8Array, place: string): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new RondoError(
      {
        where: `read ${name}`,
        received: `bytes in ${place} that are not UTF-8`,
        expected: "words in UTF-8",
        fix: 'Give the file\'s format where it is another one, for example { format: "word2vecBinary" }, or write it anew in UTF-8',
      },
      { cause },
    );
  }
}

const noVectors = ({ name }: VectorFile, received: string): RondoError =>
  new RondoError({
    where: `read ${name}`,
    received,
    expected: "words and their vectors",
    fix: 'Give the file\'s format where it is another one, for example { format: "word2vecBinary" }',
  });

const wrongCount = ({ name }: VectorFile, received: string, count: number): RondoError =>
  new RondoError({
    where: `read ${name}`,
    received,
    expected: `${count}, as the first line says`,
    fix: "Download or write the file again: it is not complete, or its first line is wrong",
  });

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  if (first.length === 0) return second;
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}
