import type { Recipe } from "rondo/recipe";
import { recipe as bilstm } from "./bilstm.js";
import { recipe as bilstmCrf } from "./bilstm-crf.js";
import { recipe as charLm } from "./char-lm.js";
import { recipe as cnnLstm } from "./cnn-lstm.js";
import { recipe as doubleLstm } from "./double-lstm.js";
import { recipe as forecast } from "./forecast.js";
import { recipe as maskedLstm } from "./masked-lstm.js";
import { recipe as regression } from "./regression.js";
import { recipe as sentiment } from "./sentiment.js";
import { recipe as sequenceTagging } from "./sequence-tagging.js";
import { recipe as simpleRnn } from "./simple-rnn.js";
import { recipe as stackedLstm } from "./stacked-lstm.js";
import { recipe as wordLm } from "./word-lm.js";
import { recipe as wordVectors } from "./word-vectors.js";

export { results } from "./results.js";

export const recipes: readonly Recipe[] = [
  doubleLstm,
  bilstm,
  cnnLstm,
  simpleRnn,
  stackedLstm,
  regression,
  sequenceTagging,
  maskedLstm,
  sentiment,
  bilstmCrf,
  wordVectors,
  forecast,
  charLm,
  wordLm,
];
