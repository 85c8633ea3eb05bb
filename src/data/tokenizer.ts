import { parseConfig, readOptions, type SettingsOf, writeConfig } from "../config/config.js";
import { noComponents } from "../config/configurable.js";
import { flag, optionalCount, optionalText, plain } from "../config/fields.js";
import { checkOptions, RondoError, unknownName, valueText } from "../errors.js";
import { Tensor } from "../tensor.js";
import { configOf, damaged, parsed, type Saved } from "./saved.js";
import { detached } from "./text.js";
import { type EncodeOptions, Vocabulary, withoutKnown } from "./vocabulary.js";

/** Keras's: punctuation but for the apostrophe, tabs and line ends. */
const defaultFilters = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n';

const text = (expected: string, accepts: (text: string) => boolean) =>
  plain<string>((x) => typeof x === "string" && accepts(x), expected);

const wordFields = {
  filters: text("text", () => true).optional(defaultFilters),
  lower: flag(true),
  split: text("text that is not empty", (x) => x !== "").optional(" "),
};

const tokenizerFields = {
  numWords: optionalCount(1),
  ...wordFields,
  charLevel: flag(false),
  oovToken: optionalText,
};

/** How a text is taken apart into words. */
export interface WordOptions {
  /** Characters that `split` takes the place of. Default: punctuation but for the apostrophe, tabs and line ends. */
  readonly filters?: string;
  /** Whether the text is lowercased first. Default: true. */
  readonly lower?: boolean;
  /** What stands between words. Default: a space. */
  readonly split?: string;
}

export interface TokenizerOptions extends WordOptions {
  /** Only ids below it are used: the `numWords` - 1 commonest words. Left out: all. */
  readonly numWords?: number | null;
  /** Whether every character (code point) is a token. `filters` and `split` have no part in that. Default: false. */
  readonly charLevel?: boolean;
  /** A word of id 1 that stands for all unknown ones. Left out: unknown words are left out. */
  readonly oovToken?: string | null;
}

/** How a matrix says which words a text has: whether, how often, as what share of its words, or weighted by their rarity. */
export type MatrixMode = "binary" | "count" | "freq" | "tfidf";

/** A text, or one that is taken apart already. */
export type TokenizerText = string | readonly string[];

/** The words of a text, Keras's `text_to_word_sequence`. */
export function textToWordSequence(text: string, options: WordOptions = {}): string[] {
  return wordsOf(text, readOptions(wordFields, options, "textToWordSequence"));
}

function wordsOf(text: string, { filters, lower, split }: SettingsOf<typeof wordFields>): string[] {
  const filtered = new Set(filters);
  let result = "";
  for (const character of lower ? text.toLowerCase() : text)
    result += filtered.has(character) ? split : character;
  return result.split(split).filter((word) => word !== "");
}

/**
 * Keras's Tokenizer: texts to ids of words, the commonest first, from 1. Id 0 stands for no word. Its options, its results
 * and its JSON are Keras's.
 */
export class Tokenizer {
  readonly #settings: SettingsOf<typeof tokenizerFields>;
  #documentCount = 0;
  #wordCounts = new Map<string, number>();
  #wordDocs = new Map<string, number>();
  #indexDocs = new Map<number, number>();
  #wordIndex = new Map<string, number>();
  #indexWord = new Map<number, string>();
  /** Whether texts were fitted since the words were numbered. */
  #isStale = false;

  /** @throws RondoError for options that do not fit */
  constructor(options: TokenizerOptions = {}) {
    this.#settings = readOptions(tokenizerFields, options, "tokenizer");
  }

  /**
   * A tokenizer from what `JSON.stringify` wrote of it, or Keras's `to_json`.
   *
   * @throws RondoError for what is no tokenizer
   */
  static fromJSON(json: unknown): Tokenizer {
    const {
      document_count: documentCount,
      word_counts: wordCounts,
      word_docs: wordDocs,
      index_docs: indexDocs,
      index_word: indexWord,
      word_index: wordIndex,
      ...options
    } = configOf("Tokenizer", json);
    const where = "Tokenizer.fromJSON";
    const given = parseConfig(tokenizerFields, options, noComponents(where), where);
    const tokenizer = new Tokenizer(readOptions(tokenizerFields, given, where));
    if (!isCount(documentCount))
      throw damaged("Tokenizer", `document_count: ${valueText(documentCount)}`, "a whole number from 0");
    tokenizer.#documentCount = documentCount;
    tokenizer.#wordCounts = entriesOf("word_counts", wordCounts, isCount);
    tokenizer.#wordDocs = entriesOf("word_docs", wordDocs, isCount);
    tokenizer.#indexDocs = numbered(entriesOf("index_docs", indexDocs, isCount));
    tokenizer.#wordIndex = entriesOf("word_index", wordIndex, isCount);
    tokenizer.#indexWord = numbered(entriesOf("index_word", indexWord, isText));
    return tokenizer;
  }

  /** How many texts, and sequences, it was fitted on. */
  get documentCount(): number {
    return this.#documentCount;
  }

  /** How often each word came, in the order in which they came first. */
  get wordCounts(): ReadonlyMap<string, number> {
    return this.#wordCounts;
  }

  /** In how many texts each word came. */
  get wordDocs(): ReadonlyMap<string, number> {
    return this.#wordDocs;
  }

  /** The id of each word, in the order of ids; of all words, whatever `numWords` is. */
  get wordIndex(): ReadonlyMap<string, number> {
    this.#number();
    return this.#wordIndex;
  }

  /** The word of each id. */
  get indexWord(): ReadonlyMap<number, string> {
    this.#number();
    return this.#indexWord;
  }

  /** In how many texts and sequences each id came. */
  get indexDocs(): ReadonlyMap<number, number> {
    this.#number();
    return this.#indexDocs;
  }

  /** Counts the words of texts. May be called again and again; the ids are those of all texts together. */
  fitOnTexts(texts: Iterable<TokenizerText>): void {
    for (const text of textsIn("fitOnTexts", texts)) {
      const words = this.#words(text);
      this.#documentCount++;
      for (const word of words) add(this.#wordCounts, word);
      for (const word of new Set(words)) add(this.#wordDocs, word);
      this.#isStale = true;
    }
  }

  /** Counts in how many sequences each id comes, which `tfidf` asks for. */
  fitOnSequences(sequences: Iterable<Iterable<number>>): void {
    this.#number();
    for (const sequence of sequences) {
      this.#documentCount++;
      for (const id of new Set(sequence)) this.#indexDocs.set(id, (this.#indexDocs.get(id) ?? 0) + 1);
    }
  }

  /**
   * The ids of the words of texts. Unknown words are left out, or are `oovToken`.
   *
   * @throws RondoError before it was fitted; with `requireKnown` for a text without a known word
   */
  textsToSequences(texts: Iterable<TokenizerText>, options: EncodeOptions = {}): number[][] {
    const where = "tokenizer.textsToSequences";
    checkOptions(where, options, ["coverage", "requireKnown"]);
    const { coverage, requireKnown = false } = options;
    if (this.wordIndex.size === 0) throw unfitted(where);
    const sequences: number[][] = [];
    for (const text of textsIn("textsToSequences", texts)) {
      const words = this.#words(text);
      const ids: number[] = [];
      let hasKnown = false;
      for (const word of words) {
        const isKnown = this.#isUsed(this.#wordIndex.get(word));
        hasKnown ||= isKnown;
        coverage?.add(word, isKnown);
        const id = isKnown ? this.#wordIndex.get(word) : this.#oovId;
        if (id !== undefined) ids.push(id);
      }
      if (!hasKnown) coverage?.addTextWithoutKnown();
      if (!hasKnown && requireKnown) throw withoutKnown(`${where}: text ${sequences.length}`, words);
      sequences.push(ids);
    }
    return sequences;
  }

  /** The words of ids, joined by spaces. Ids without a word are left out, or are `oovToken`. */
  sequencesToTexts(sequences: Iterable<Iterable<number>>): string[] {
    const { indexWord } = this;
    const unknown = this.#oovId === undefined ? undefined : indexWord.get(this.#oovId);
    return Array.from(sequences, (sequence) =>
      Array.from(sequence, (id) => (this.#isUsed(id) ? (indexWord.get(id) ?? unknown) : unknown))
        .filter((word) => word !== undefined)
        .join(" "),
    );
  }

  /** `sequencesToMatrix` of `textsToSequences`. */
  textsToMatrix(texts: Iterable<TokenizerText>, mode: MatrixMode = "binary"): Tensor<"float32"> {
    return this.sequencesToMatrix(this.textsToSequences(texts), mode);
  }

  /**
   * One row for each sequence, one column for each id; column 0 stays empty.
   *
   * @returns float32 [sequences, numWords], or, where that is left out, [sequences, words + 1]
   * @throws RondoError where neither `numWords` nor texts say how many columns there are; for `tfidf` before it was fitted;
   *   for ids that are no whole numbers from 0
   */
  sequencesToMatrix(sequences: Iterable<Iterable<number>>, mode: MatrixMode = "binary"): Tensor<"float32"> {
    const where = "tokenizer.sequencesToMatrix";
    const { indexDocs } = this;
    if (!Object.hasOwn(weights, mode)) throw unknownName(where, "mode", String(mode), Object.keys(weights));
    if (this.#settings.numWords === null && this.#wordIndex.size === 0) throw unfitted(where);
    if (mode === "tfidf" && this.#documentCount === 0) throw unfitted(where);
    const columns = this.#settings.numWords ?? this.#wordIndex.size + 1;
    const rows = Array.from(sequences, (sequence) => [...sequence]);
    const data = new Float32Array(rows.length * columns);
    for (const [row, ids] of rows.entries()) {
      const counts = new Map<number, number>();
      for (const id of ids) {
        if (!(Number.isInteger(id) && id >= 0)) throw noId(where, id, row);
        if (id < columns) counts.set(id, (counts.get(id) ?? 0) + 1);
      }
      for (const [id, count] of counts) {
        const rarity = Math.log(1 + this.#documentCount / (1 + (indexDocs.get(id) ?? 0)));
        data[row * columns + id] = weights[mode](count, ids.length, rarity);
      }
    }
    return new Tensor(data, [rows.length, columns], "float32");
  }

  /** The words that have ids, as a vocabulary of the same ids: padding at 0, `oovToken` for unknown words. */
  vocabulary(padding = "_PAD"): Vocabulary {
    const words = [...this.wordIndex].filter(([, id]) => this.#isUsed(id)).sort(([, a], [, b]) => a - b);
    const known = words.map(([word]) => word);
    return new Vocabulary(
      known,
      { padding, unknown: this.#settings.oovToken },
      known.map((word) => this.#wordCounts.get(word) ?? 0),
    );
  }

  /** What `JSON.stringify` writes: what Keras's `to_json` does, which `tokenizer_from_json` reads. */
  toJSON(): Saved {
    this.#number();
    return {
      class_name: "Tokenizer",
      config: {
        ...writeConfig(tokenizerFields, this.#settings, "tokenizer"),
        document_count: this.#documentCount,
        word_counts: objectText(this.#wordCounts),
        word_docs: objectText(this.#wordDocs),
        index_docs: objectText(this.#indexDocs),
        index_word: objectText(this.#indexWord),
        word_index: objectText(this.#wordIndex),
      },
    };
  }

  #words(text: TokenizerText): readonly string[] {
    const { charLevel, lower } = this.#settings;
    if (typeof text !== "string") return lower ? text.map((word) => word.toLowerCase()) : text;
    return charLevel ? [...(lower ? text.toLowerCase() : text)] : wordsOf(text, this.#settings);
  }

  get #oovId(): number | undefined {
    const { oovToken } = this.#settings;
    return oovToken === null ? undefined : this.wordIndex.get(oovToken);
  }

  #isUsed(id: number | undefined): boolean {
    return id !== undefined && id < (this.#settings.numWords ?? Number.POSITIVE_INFINITY);
  }

  /** Numbers the words anew after further texts. */
  #number(): void {
    if (!this.#isStale) return;
    this.#isStale = false;
    const { oovToken } = this.#settings;
    const words = [...this.#wordCounts].sort(([, a], [, b]) => b - a).map(([word]) => word);
    if (oovToken !== null) words.unshift(oovToken);
    this.#wordIndex = new Map(words.map((word, i) => [word, i + 1]));
    this.#indexWord = new Map([...this.#wordIndex].map(([word, id]) => [id, word]));
    const docs = new Map(this.#indexDocs);
    for (const [word, count] of this.#wordDocs) docs.set(this.#wordIndex.get(word) ?? 0, count);
    this.#indexDocs = new Map([...docs].sort(([a], [b]) => a - b));
  }
}

/** What stands in a matrix for a word that comes so often in a text of so many words. */
const weights: Readonly<Record<MatrixMode, (count: number, words: number, rarity: number) => number>> = {
  binary: () => 1,
  count: (count) => count,
  freq: (count, words) => count / words,
  tfidf: (count, _, rarity) => (1 + Math.log(count)) * rarity,
};

function add(counts: Map<string, number>, word: string): void {
  const count = counts.get(word);
  if (count === undefined) counts.set(detached(word), 1);
  else counts.set(word, count + 1);
}

/** Refuses what are no texts: one text would be taken apart into characters. */
function* textsIn(method: string, texts: Iterable<TokenizerText>): Generator<TokenizerText> {
  const refused = (received: string) =>
    new RondoError({
      where: `tokenizer.${method}`,
      received,
      expected: "texts, or lists of their words",
      fix: `Write it as a list, also for one text: tokenizer.${method}([text])`,
    });
  if (typeof texts === "string" || typeof Object(texts)[Symbol.iterator] !== "function")
    throw refused(valueText(texts).slice(0, 60));
  let place = 0;
  for (const text of texts) {
    if (!isText(text) && !(Array.isArray(text) && text.every(isText)))
      throw refused(`${valueText(text)} for text ${place}`);
    yield text;
    place++;
  }
}

const unfitted = (where: string): RondoError =>
  new RondoError({
    where,
    received: "a tokenizer that knows no words",
    expected: "one that was fitted",
    fix: "Call tokenizer.fitOnTexts(texts) first, with texts of the training data",
  });

const noId = (where: string, id: unknown, row: number): RondoError =>
  new RondoError({
    where,
    received: `the id ${valueText(id)} in sequence ${row}`,
    expected: "whole numbers from 0",
    fix: "Pass what textsToSequences gives",
  });

/** A map as the text of a JSON object in its own order; an object would put keys that look like numbers first. */
const objectText = (map: ReadonlyMap<string | number, string | number>): string =>
  `{${[...map].map(([key, value]) => `${JSON.stringify(String(key))}: ${JSON.stringify(value)}`).join(", ")}}`;

/** A member of a JSON object whose values are no objects. */
const member = /("(?:[^"\\]|\\.)*")\s*:\s*("(?:[^"\\]|\\.)*"|[^,}\s]+)/g;

/** The members of the text of a JSON object in their own order, all of which `accepts` takes. */
function entriesOf<V>(name: string, text: unknown, accepts: (value: unknown) => value is V): Map<string, V> {
  const wrong = (received: string) =>
    damaged("Tokenizer", `${name}: ${received}`, "the text of a JSON object");
  if (typeof text !== "string") throw wrong(valueText(text));
  const whole = parsed(`Tokenizer.fromJSON: ${name}`, text);
  if (typeof whole !== "object" || whole === null || Array.isArray(whole)) throw wrong(text.slice(0, 60));
  const entries = new Map<string, V>();
  for (const [, key = "", written = ""] of text.matchAll(member)) {
    const value: unknown = whole[JSON.parse(key) as keyof typeof whole];
    if (!accepts(value)) throw wrong(`${written.slice(0, 60)} for ${key}`);
    entries.set(JSON.parse(key), value);
  }
  return entries;
}

const isCount = (value: unknown): value is number => Number.isInteger(value) && Number(value) >= 0;
const isText = (value: unknown): value is string => typeof value === "string";

/** With keys that are the numbers which JSON has as texts. */
const numbered = <V>(entries: ReadonlyMap<string, V>): Map<number, V> =>
  new Map([...entries].map(([key, value]) => [Number(key), value]));
