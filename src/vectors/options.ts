import type { OptionsOf, SettingsOf } from "../config/config.js";
import { amount, flag, integer, plain, positive, whole } from "../config/fields.js";

const upTo = (initial: number, most: number) =>
  plain<number>(
    (x) => Number.isInteger(x) && Number(x) >= 1 && Number(x) <= most,
    `a whole number from 1 to ${most}`,
  ).optional(initial);

/** How word vectors are trained, with gensim's defaults. */
export const vectorsFields = {
  /** Numbers of each vector. */
  vectorSize: whole(100),
  /** Words on either side of a word that count as its neighbours, at most; how many is drawn for each, from 1 to this. */
  window: upTo(5, 4096),
  /** Words that come less often are left out. */
  minCount: whole(5),
  /** Words drawn as no neighbours of a word, for each of its neighbours. */
  negative: upTo(5, 255),
  /** Words whose share of the text is larger are left out here and there, the more the more common they are; 0: none. */
  sample: amount(1e-3),
  /** Passes over the text. */
  epochs: whole(5),
  /** Falls in a straight line over all passes, from this */
  learningRate: positive(0.025),
  /** to this. */
  minLearningRate: amount(1e-4),
  /** All that is drawn follows from it. */
  seed: integer(1),
  /** Whether words are read in small letters. */
  lowercase: flag(false),
  /** Different words that are counted at a time; where a text has more, the rarest are forgotten. */
  maxVocabulary: whole(2 ** 22),
};

/** How word vectors are trained; what is left out is gensim's default. */
export type VectorsOptions = OptionsOf<typeof vectorsFields>;
export type VectorsSettings = SettingsOf<typeof vectorsFields>;
