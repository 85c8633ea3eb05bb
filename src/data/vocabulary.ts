import { readOptions, type SettingsOf } from "../config/config.js";
import { optionalCount, plain, texts, whole } from "../config/fields.js";
import { RondoError, valueText } from "../errors.js";
import type { Coverage } from "./coverage.js";
import { damaged, readSaved, reals, type Saved, saved, someTexts } from "./saved.js";
import { detached } from "./text.js";

const entry = plain<string | null>((x) => x === null || typeof x === "string", "text, or null");

/** The entries that stand before the words. */
const reservedFields = {
  padding: entry.optional("_PAD"),
  unknown: entry.optional("_UNK"),
  reserved: texts,
};
const limitFields = { maxSize: optionalCount(1), minCount: whole(1) };
const savedFields = { ...reservedFields, words: someTexts, counts: reals };

/** The entries of a vocabulary that stand before its words, in this order. */
export interface ReservedEntries {
  /** Entry 0, which fills sequences up; `null`: none. Default: `_PAD`. */
  readonly padding?: string | null;
  /** The next entry, which stands for every token that has none; `null`: none. Default: `_UNK`. */
  readonly unknown?: string | null;
  /** Further entries: the beginning and the end of a text, say. */
  readonly reserved?: readonly string[];
}

/** Which tokens become words of a vocabulary. */
export interface VocabularyOptions extends ReservedEntries {
  /** Entries altogether, reserved ones included; left out: all tokens. */
  readonly maxSize?: number | null;
  /** How often a token must come. Default: 1. */
  readonly minCount?: number;
}

/** How tokens become ids. */
export interface EncodeOptions {
  /** Counts which tokens were known. */
  readonly coverage?: Coverage;
  /** Whether tokens of which not one is known are an error. Default: false. */
  readonly requireKnown?: boolean;
}

/** How often each token comes, in the order in which they came first; added to `counts` where they are given. */
export function countTokens(
  sequences: Iterable<Iterable<string>>,
  counts: Map<string, number> = new Map(),
): Map<string, number> {
  for (const tokens of sequences) {
    refuseText("countTokens", tokens);
    for (const token of tokens) {
      const count = counts.get(token);
      if (count === undefined) counts.set(detached(token), 1);
      else counts.set(token, count + 1);
    }
  }
  return counts;
}

/** Tokens and their ids: reserved entries, then words. */
export class Vocabulary {
  /** All entries, each at its id. */
  readonly tokens: readonly string[];
  /** How often each word came in what the vocabulary was made from; 0 for reserved entries, and where it is not known. */
  readonly counts: readonly number[];
  /** The entry that fills sequences up, id 0. */
  readonly padding: string | null;
  /** The entry that stands for tokens that have none. */
  readonly unknown: string | null;
  readonly #settings: SettingsOf<typeof savedFields>;
  readonly #ids: ReadonlyMap<string, number>;

  /**
   * Words in the order of their ids, after the reserved entries. (`fromCounts` and `fromSequences` choose and order them.)
   *
   * @param words a word that is a reserved entry, too, is that entry
   * @param counts how often each word came, where that is known
   * @throws RondoError for entries that are there twice
   */
  constructor(words: Iterable<string>, options: ReservedEntries = {}, counts: readonly number[] = []) {
    const where = "vocabulary";
    const settings = readOptions(reservedFields, options, where);
    const { padding, unknown, reserved } = settings;
    const before = [padding, unknown].filter((token) => token !== null).concat(reserved);
    const isReserved = new Set(before);
    refuseText(where, words);
    const kept = [...words].flatMap((word, i) =>
      isReserved.has(word) ? [] : [{ word, count: counts[i] ?? 0 }],
    );
    this.tokens = [...before, ...kept.map(({ word }) => word)];
    this.counts = [...before.map(() => 0), ...kept.map(({ count }) => count)];
    this.padding = padding;
    this.unknown = unknown;
    this.#ids = new Map(this.tokens.map((token, id) => [token, id]));
    this.#settings = {
      ...settings,
      words: kept.map(({ word }) => word),
      counts: kept.map(({ count }) => count),
    };
    if (this.#ids.size === this.tokens.length) return;
    const [twice = ""] = this.tokens.filter((token, id) => this.#ids.get(token) !== id);
    throw new RondoError({
      where,
      received: `${JSON.stringify(twice)} twice`,
      expected: "every entry once",
      fix: "Take it out of the words or of the reserved entries: [...new Set(words)]",
    });
  }

  /**
   * The commonest tokens: in the order of their counts, those of equal counts in the order of the map.
   *
   * @throws RondoError for options that do not fit
   */
  static fromCounts(counts: ReadonlyMap<string, number>, options: VocabularyOptions = {}): Vocabulary {
    const where = "Vocabulary.fromCounts";
    const { maxSize, minCount, ...reserved } = readOptions(
      { ...reservedFields, ...limitFields },
      options,
      where,
    );
    const before = new Vocabulary([], reserved);
    const common = [...counts].filter(([token, count]) => count >= minCount && !before.has(token));
    common.sort(([, a], [, b]) => b - a);
    const room = maxSize === null ? common.length : maxSize - before.size;
    if (room < 0) {
      throw new RondoError({
        where,
        received: `maxSize: ${maxSize}`,
        expected: `at least ${before.size}, for the reserved entries ${before.tokens.join(", ")}`,
        fix: "Choose a larger size, or leave reserved entries out: { padding: null, unknown: null }",
      });
    }
    const kept = common.slice(0, room);
    return new Vocabulary(
      kept.map(([token]) => token),
      reserved,
      kept.map(([, count]) => count),
    );
  }

  /** `fromCounts` of the tokens of some texts. */
  static fromSequences(sequences: Iterable<Iterable<string>>, options: VocabularyOptions = {}): Vocabulary {
    return Vocabulary.fromCounts(countTokens(sequences), options);
  }

  /**
   * A vocabulary from what `JSON.stringify` wrote of it.
   *
   * @throws RondoError for what is no vocabulary
   */
  static fromJSON(json: unknown): Vocabulary {
    const { words, counts, ...reserved } = readSaved("Vocabulary", savedFields, json);
    if (counts.length !== words.length)
      throw damaged("Vocabulary", `${counts.length} counts for ${words.length} words`, "one for each");
    const vocabulary = new Vocabulary(words, reserved, counts);
    if (vocabulary.#settings.words.length !== words.length)
      throw damaged("Vocabulary", "a reserved entry among the words", "words alone");
    return vocabulary;
  }

  /** Number of entries, reserved ones included: `inputDim` of an Embedding. */
  get size(): number {
    return this.tokens.length;
  }

  /** How many entries are reserved: the id of the first word. */
  get reservedSize(): number {
    return this.size - this.#settings.words.length;
  }

  /** Whether a token has an entry of its own. */
  has(token: string): boolean {
    return this.#ids.has(token);
  }

  /** The id of a token; that of the unknown entry where it has none, undefined where there is no such entry either. */
  id(token: string): number | undefined {
    return this.#ids.get(token) ?? (this.unknown === null ? undefined : this.#ids.get(this.unknown));
  }

  /**
   * The ids of the tokens of a text.
   *
   * @throws RondoError for an unknown token where there is no entry for those, with `requireKnown` where none is known
   */
  encode(tokens: Iterable<string>, options: EncodeOptions = {}): Int32Array {
    refuseText("vocabulary.encode", tokens);
    const { coverage, requireKnown = false } = options;
    let ids = new Int32Array(Array.isArray(tokens) ? tokens.length : 16);
    let place = 0;
    let isKnown = false;
    /** For an error. */
    const first: string[] = [];
    for (const token of tokens) {
      const id = this.id(token);
      if (id === undefined) throw this.#noEntry(token, place);
      if (place === ids.length) ids = grown(ids);
      ids[place++] = id;
      const own = this.#ids.has(token);
      isKnown ||= own;
      coverage?.add(token, own);
      if (first.length < shown) first.push(token);
    }
    if (!isKnown) coverage?.addTextWithoutKnown();
    if (!isKnown && requireKnown) throw withoutKnown("vocabulary.encode", first);
    return ids.length === place ? ids : ids.slice(0, place);
  }

  /**
   * The tokens of ids. Padding stands for none and is left out.
   *
   * @throws RondoError for an id that has no token
   */
  decode(ids: Iterable<number>): string[] {
    const tokens: string[] = [];
    let place = 0;
    for (const id of ids) {
      const token = this.tokens[id];
      if (token === undefined) {
        throw new RondoError({
          where: "vocabulary.decode",
          received: `the id ${valueText(id)} at position ${place}`,
          expected: `whole numbers from 0 to ${this.size - 1}`,
          fix: "Decode with the vocabulary that encoded, one sequence at a time",
        });
      }
      if (token !== this.padding) tokens.push(token);
      place++;
    }
    return tokens;
  }

  /** What `JSON.stringify` writes; `fromJSON` reads it. */
  toJSON(): Saved {
    return saved("Vocabulary", savedFields, this.#settings);
  }

  #noEntry(token: string, place: number): RondoError {
    return new RondoError({
      where: "vocabulary.encode",
      received: `the token ${JSON.stringify(token)} at position ${place}, which is not in the vocabulary`,
      expected: "tokens that are: there is no entry for unknown ones",
      fix: 'Make the vocabulary from these tokens, too, or with an entry for unknown ones: { unknown: "_UNK" }',
    });
  }
}

/** Refuses a text where its tokens are needed: it would be taken apart into characters. */
function refuseText(where: string, tokens: unknown): void {
  if (typeof tokens !== "string" && typeof Object(tokens)[Symbol.iterator] === "function") return;
  throw new RondoError({
    where,
    received: valueText(tokens).slice(0, 60),
    expected: "tokens",
    fix: 'Take the text apart first, with textToWordSequence(text) or text.split(" "), say; for characters use CharacterVocabulary',
  });
}

function grown(ids: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(2 * ids.length);
  larger.set(ids);
  return larger;
}

/** How many tokens of a text an error shows. */
const shown = 5;

/** The error for a text of which not one token is known. */
export const withoutKnown = (where: string, tokens: readonly string[]): RondoError =>
  new RondoError({
    where,
    received:
      tokens.length === 0
        ? "no tokens"
        : `tokens of which not one is known: ${tokens.slice(0, shown).join(" ")} …`,
    expected: "at least one known token",
    fix: "Check that the text was prepared like those that the vocabulary was made from, or leave it out",
  });
