// How the recipe `sentiment` reads messages: it takes them apart, in a way of its own or in the tutorial's, and gives the parts
// their numbers.
import type { JsonObject, Tensor } from "rondo";
import { padSequences, Vocabulary } from "rondo/data";

/**
 * A word, in small letters, with what makes it a cashtag (`$spy`), a user (`@name`) or a tag (`#news`); a number with its signs
 * (`$2,400.50`, `10%`); `!` and `?`, and dots, as many as there are; any other sign, an emoji say, by itself.
 */
const token =
  /<url>|[$@#]?[\p{L}_][\p{L}\p{M}\p{N}_'’]*|\$?\p{N}+(?:[.,:]\p{N}+)*%?|[!?]+|\.\.+|[^\p{L}\p{N}\s]/gu;

/** All that a message has, in small letters; addresses alone are one and the same. */
const words = (text: string): string[] =>
  text
    .toLowerCase()
    .replaceAll(/https?:\/\/\S+/g, " <url> ")
    .match(token) ?? [];

const kinds = ["<TICKER>", "<USER>", "<LINK>", "<PRICE>", "<NUMBER>"];

/** What the tutorial puts in the place of each kind, in its order, and then what it leaves out. */
const replaced: readonly (readonly [pattern: RegExp, by: string])[] = [
  [/\$[a-z]+/g, " <TICKER> "],
  [/@\w+/g, " <USER> "],
  [/https?:\/\/\S+/g, " <LINK> "],
  [/\$(?!\d*\.?\d+%)\d*\.?\d+|(?!\d*\.?\d+%)\d*\.?\d+\$/g, " <PRICE> "],
  [/(?!\d*\.?\d+%)(?!\d*\.?\d+k)\d*\.?\d+/g, " <NUMBER> "],
  [/[-+]?\d+/g, " <NUMBER> "],
  [/&\w+/g, ""],
  [/\P{ASCII}/gu, ""],
  [/[!"#$%&'()*+,\-./:;=?@[\\\]^_`{|}~]/g, ""],
];

/** The tutorial's words: names and numbers of each kind are one and the same, and there are no signs. */
const entities = (text: string): string[] =>
  replaced
    .reduce((rest, [pattern, by]) => rest.replaceAll(pattern, by), text.toLowerCase())
    .split(/\s+/)
    .map((word) => (kinds.includes(word) ? word : word.replaceAll(/[<>]/g, "")))
    .filter((word) => word !== "");

/** The ways to take a message apart. */
const ways = { words, entities };

/** The tokens of a message; one without any is one unknown token. */
export function tokensOf(text: string, way: keyof typeof ways): readonly string[] {
  const tokens = ways[way](text);
  return tokens.length === 0 ? [""] : tokens;
}

/** What says how a message is read, of the recipe's options. */
export interface Reading {
  readonly tokens: keyof typeof ways;
  /** Numbers in the vector of a pair of neighbouring words; 0: pairs are not read. */
  readonly pairSize: number;
  readonly minCount: number;
  /** Words of a message at most. */
  readonly steps: number;
  readonly padding: "masked" | "unmasked";
}

/** Makes of messages what a model reads: the ids of their words and, for the pair that each makes with the next, of those. */
export class MessageReader {
  readonly #reading: Reading;
  /** Of `words` and, where those are read, of `pairs`: the names of what the model is given. */
  readonly vocabularies: Readonly<Record<string, Vocabulary>>;

  private constructor(reading: Reading, vocabularies: Readonly<Record<string, Vocabulary>>) {
    this.#reading = reading;
    this.vocabularies = vocabularies;
  }

  /** A reader that knows the words and pairs which come often enough in some messages. */
  static of(messages: readonly (readonly string[])[], reading: Reading): MessageReader {
    const { minCount, pairSize } = reading;
    return new MessageReader(reading, {
      words: Vocabulary.fromSequences(messages, { minCount }),
      ...(pairSize === 0 ? {} : { pairs: Vocabulary.fromSequences(messages.map(pairsOf), { minCount }) }),
    });
  }

  /** The reader that was saved with a run. */
  static fromJSON(preprocessing: JsonObject, reading: Reading): MessageReader {
    const entries = Object.entries(preprocessing).map(([name, json]) => [name, Vocabulary.fromJSON(json)]);
    return new MessageReader(reading, Object.fromEntries(entries));
  }

  toJSON(): JsonObject {
    return Object.fromEntries(
      Object.entries(this.vocabularies).map(([name, vocabulary]) => [name, vocabulary.toJSON()]),
    );
  }

  /** The ids of a message, filled up before its first word where the model reads the padding. */
  ids(tokens: readonly string[]): Readonly<Record<string, Int32Array>> {
    const { steps, padding } = this.#reading;
    return this.#byName((vocabulary, name) => {
      const ids = vocabulary.encode(name === "pairs" ? pairsOf(tokens) : tokens).subarray(0, steps);
      if (padding === "masked") return ids;
      const filled = new Int32Array(steps);
      filled.set(ids, steps - ids.length);
      return filled;
    });
  }

  /** The ids of several messages, filled up before their first words to the same length. */
  together(messages: readonly (readonly string[])[]): Readonly<Record<string, Tensor<"int32">>> {
    const ids = messages.map((tokens) => this.ids(tokens));
    return this.#byName((_, name) =>
      padSequences(
        ids.map((one) => one[name] ?? []),
        { maxlen: this.#reading.steps },
      ),
    );
  }

  #byName<T>(make: (vocabulary: Vocabulary, name: string) => T): Readonly<Record<string, T>> {
    return Object.fromEntries(
      Object.entries(this.vocabularies).map(([name, vocabulary]) => [name, make(vocabulary, name)]),
    );
  }
}

/** Each token with the next one. */
const pairsOf = (tokens: readonly string[]): string[] =>
  tokens.map((token, i) => `${token} ${tokens[i + 1] ?? ""}`);
