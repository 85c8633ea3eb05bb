/** Vectors of the words of a text, trained by skip-gram with negative sampling (Node). */
export type { VectorsOptions, VectorsSettings } from "./options.js";
export {
  type TrainedVectors,
  trainWordVectors,
  type VectorsProgress,
  type VectorsRun,
} from "./train.js";
