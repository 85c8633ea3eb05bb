import type { CharacterVocabulary } from "../data/characters.js";
import type { Vocabulary } from "../data/vocabulary.js";
import { checkCount, checkOptions, RondoError, valueText } from "../errors.js";
import { Tensor } from "../tensor.js";
import type { Model } from "./model.js";
import { checkSampling, type SamplingOptions, samplingNames } from "./sampling.js";

/** What turns text to ids and back: of characters, or of words with spaces between them. */
export type TextVocabulary =
  | Pick<CharacterVocabulary, "encode" | "decode">
  | Pick<Vocabulary, "encode" | "decode">;

export interface GenerateOptions extends SamplingOptions {
  /**
   * A language model: ids [batch, T], or one-hot rows [batch, T, ids], to the probabilities (or logits) of the id that comes
   * next, [batch, T, ids] or [batch, ids].
   */
  readonly model: Model;
  /** The one whose ids the model was trained on. */
  readonly vocabulary: TextVocabulary;
  /** The text that is gone on from, of one character or word at least. Default: a line break. */
  readonly prompt?: string;
  /** How many characters or words are written. Default: 500. */
  readonly length?: number;
  /** What the draws follow from; default: another text each time. */
  readonly seed?: number;
  /** Ends it, with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

const names = [...samplingNames, "model", "vocabulary", "prompt", "length", "signal"];

/**
 * Text that goes on from a prompt, as it is written: a character or a word (with a space before it) at a time.
 *
 * ```ts
 * for await (const text of generate({ model, vocabulary, prompt: "ROMEO:", temperature: 0.8 })) print(text);
 * ```
 *
 * @throws RondoError for options that do not fit, and characters of the prompt that the vocabulary has not
 */
export async function* generate(options: GenerateOptions): AsyncGenerator<string> {
  const where = "generate";
  checkOptions(where, options, names);
  const { model, vocabulary, prompt = "\n", length = 500, seed = anySeed(), signal } = options;
  const { temperature, topK, topP } = options;
  const sampling = {
    seed,
    ...(temperature === undefined ? {} : { temperature }),
    ...(topK === undefined ? {} : { topK }),
    ...(topP === undefined ? {} : { topP }),
  };
  checkSampling(where, sampling);
  checkCount(where, "length", length, 0);
  const { encode, decode } = textOf(vocabulary);
  const begin = encode(prompt);
  if (begin.length === 0) {
    throw new RondoError({
      where,
      received: `prompt: ${valueText(prompt)}`,
      expected: "one character or word at least",
      fix: "Give the beginning of the text",
    });
  }
  const session = await model.session();
  // One-hot rows where the model takes those.
  const [, , width] = model.inputShape ?? [];
  const input = (ids: Int32Array, single: boolean): Tensor => {
    const shape = single ? [1] : [1, ids.length];
    return typeof width === "number" ? oneHot(ids, [...shape, width]) : new Tensor(ids, shape, "int32");
  };
  let next = input(begin, false);
  for (let i = 0; i < length; i++) {
    signal?.throwIfAborted();
    const ids = await session.sample(next, sampling);
    yield decode(ids);
    next = input(ids, true);
  }
}

/** 32 bits from the platform's generator. */
const anySeed = (): number => crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;

/** Text to ids, and an id to text. */
function textOf(vocabulary: TextVocabulary): {
  encode(text: string): Int32Array;
  decode(ids: Int32Array): string;
} {
  const ofWords = (given: TextVocabulary): given is Pick<Vocabulary, "encode" | "decode"> =>
    Array.isArray(given.decode([]));
  if (!ofWords(vocabulary))
    return { encode: (text) => vocabulary.encode(text), decode: (ids) => vocabulary.decode(ids) };
  return {
    encode: (text) =>
      vocabulary.encode(
        text
          .trim()
          .split(/\s+/)
          .filter((word) => word !== ""),
      ),
    decode: (ids) => ` ${vocabulary.decode(ids).join(" ")}`,
  };
}

function oneHot(ids: Int32Array, shape: readonly number[]): Tensor {
  const width = shape.at(-1) ?? 1;
  const data = new Float32Array(ids.length * width);
  ids.forEach((id, i) => {
    data[i * width + id] = 1;
  });
  return new Tensor(data, shape, "float32");
}
