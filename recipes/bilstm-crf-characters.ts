// How the recipe `bilstm-crf` reads sentences: characters, and each character with the next one.
import type { JsonObject, Tensor } from "rondo";
import { padSequences, Vocabulary } from "rondo/data";

/** Stands after the last character of a sentence in its last pair. */
const end = "\n";

const pairsOf = (characters: readonly string[]): string[] =>
  characters.map((character, i) => character + (characters[i + 1] ?? end));

/** Makes of sentences what a model reads: ids of characters and, where those are read, of pairs of neighbours. */
export class CharacterReader {
  /** Of `characters` and of `bigrams`: the names of what the model is given. */
  readonly vocabularies: Readonly<Record<string, Vocabulary>>;

  private constructor(vocabularies: Readonly<Record<string, Vocabulary>>) {
    this.vocabularies = vocabularies;
  }

  /** A reader that knows the characters and pairs that come at least twice in some sentences. */
  static of(
    sentences: readonly (readonly string[])[],
    { bigrams }: { readonly bigrams: boolean },
  ): CharacterReader {
    const minCount = 2;
    return new CharacterReader({
      characters: Vocabulary.fromSequences(sentences, { minCount }),
      ...(bigrams ? { bigrams: Vocabulary.fromSequences(sentences.map(pairsOf), { minCount }) } : {}),
    });
  }

  /** The reader that was saved with a run. */
  static fromJSON({ characters, bigrams }: JsonObject): CharacterReader {
    const read = (json: unknown) => Vocabulary.fromJSON(json);
    return new CharacterReader({
      characters: read(characters),
      ...(bigrams === undefined ? {} : { bigrams: read(bigrams) }),
    });
  }

  toJSON(): JsonObject {
    return Object.fromEntries(
      Object.entries(this.vocabularies).map(([name, vocabulary]) => [name, vocabulary.toJSON()]),
    );
  }

  /** The ids of a sentence. */
  ids(characters: readonly string[]): Readonly<Record<string, Int32Array>> {
    return this.#byName((vocabulary, name) =>
      vocabulary.encode(name === "bigrams" ? pairsOf(characters) : characters),
    );
  }

  /** The ids of several sentences, filled up behind to the same length. */
  together(sentences: readonly (readonly string[])[]): Readonly<Record<string, Tensor<"int32">>> {
    const ids = sentences.map((one) => this.ids(one));
    return this.#byName((_, name) =>
      padSequences(
        ids.map((one) => one[name] ?? []),
        { padding: "post" },
      ),
    );
  }

  #byName<T>(make: (vocabulary: Vocabulary, name: string) => T): Readonly<Record<string, T>> {
    return Object.fromEntries(
      Object.entries(this.vocabularies).map(([name, vocabulary]) => [name, make(vocabulary, name)]),
    );
  }
}
