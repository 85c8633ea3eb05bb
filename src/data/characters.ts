import { readOptions } from "../config/config.js";
import { choice, plain } from "../config/fields.js";
import { checkList } from "../errors.js";
import { readSaved, type Saved, saved } from "./saved.js";
import { countTokens, type EncodeOptions, Vocabulary, type VocabularyOptions } from "./vocabulary.js";

/**
 * What counts as a character: a code point of Unicode, or a grapheme, which is what a reader takes for one (an emoji of
 * several code points, a letter with its accents) by the rules of Unicode that the JavaScript engine knows.
 */
export type CharacterUnit = "codePoint" | "grapheme";

const unitFields = { unit: choice("codePoint", ["codePoint", "grapheme"]) };
const savedFields = {
  ...unitFields,
  vocabulary: plain<Saved>((x) => typeof x === "object" && x !== null, "a vocabulary").required,
};

export interface CharacterOptions extends VocabularyOptions {
  /** Default: `codePoint`. */
  readonly unit?: CharacterUnit;
  /** Default: none. */
  readonly padding?: string | null;
  /** Default: none. */
  readonly unknown?: string | null;
}

/** The characters of a text, one after the other. Together they are the text. */
export function* charactersOf(text: string, unit: CharacterUnit = "codePoint"): Generator<string> {
  if (unit === "codePoint") yield* text;
  else
    for (const { segment } of new Intl.Segmenter("en", { granularity: "grapheme" }).segment(text))
      yield segment;
}

/** Characters and their ids. */
export class CharacterVocabulary {
  /** The characters as tokens. */
  readonly vocabulary: Vocabulary;
  readonly unit: CharacterUnit;

  /** @param vocabulary its words are characters of this unit */
  constructor(vocabulary: Vocabulary, options: { readonly unit?: CharacterUnit } = {}) {
    this.vocabulary = vocabulary;
    this.unit = readOptions(unitFields, options, "characterVocabulary").unit;
  }

  /**
   * The characters of some texts, the commonest first; those that came equally often in the order in which they came first.
   *
   * @throws RondoError for options that do not fit
   */
  static fromTexts(texts: readonly string[], options: CharacterOptions = {}): CharacterVocabulary {
    const where = "CharacterVocabulary.fromTexts";
    checkList(where, texts, "a list of texts", "Write it as a list, also for one text: [text]");
    const { unit, ...limits } = options;
    const kept = new CharacterVocabulary(new Vocabulary([]), unit === undefined ? {} : { unit });
    const counts = countTokens(texts.map((text) => charactersOf(text, kept.unit)));
    const vocabulary = Vocabulary.fromCounts(counts, { padding: null, unknown: null, ...limits });
    return new CharacterVocabulary(vocabulary, { unit: kept.unit });
  }

  /**
   * A character vocabulary from what `JSON.stringify` wrote of it.
   *
   * @throws RondoError for what is none
   */
  static fromJSON(json: unknown): CharacterVocabulary {
    const { vocabulary, unit } = readSaved("CharacterVocabulary", savedFields, json);
    return new CharacterVocabulary(Vocabulary.fromJSON(vocabulary), { unit });
  }

  /** Number of entries, reserved ones included. */
  get size(): number {
    return this.vocabulary.size;
  }

  /**
   * The ids of the characters of a text.
   *
   * @throws RondoError for an unknown character where there is no entry for those; with `requireKnown` where none is known
   */
  encode(text: string, options: EncodeOptions = {}): Int32Array {
    return this.vocabulary.encode(charactersOf(text, this.unit), options);
  }

  /**
   * The text of ids, without padding.
   *
   * @throws RondoError for an id that has no character
   */
  decode(ids: Iterable<number>): string {
    return this.vocabulary.decode(ids).join("");
  }

  /** What `JSON.stringify` writes; `fromJSON` reads it. */
  toJSON(): Saved {
    return saved("CharacterVocabulary", savedFields, {
      unit: this.unit,
      vocabulary: this.vocabulary.toJSON(),
    });
  }
}
