export { type CellValues, type CellValuesOptions, cellValues } from "./cellValues.js";
export { canDraw, howToDraw } from "./drawing.js";
export {
  type AnyHistory,
  type Histories,
  historyCsv,
  historyJson,
  type NamedHistory,
  type RunHistory,
} from "./history.js";
export { type RunReport, renderReport } from "./report.js";
export {
  type Classification,
  type ClassificationOptions,
  type ClassScores,
  classification,
  classScores,
  type Mistake,
} from "./sections/classification.js";
export {
  type Entities,
  type EntitiesOptions,
  entities,
  type MarkedPiece,
  type MarkedSentence,
} from "./sections/entities.js";
export { type GatedCell, type Gates, type GatesOptions, gates } from "./sections/gates.js";
export {
  type GeneratedText,
  type Generation,
  type GenerationOptions,
  generation,
} from "./sections/generation.js";
export type { Section } from "./sections/index.js";
export {
  type LearningCurves,
  type LearningCurvesOptions,
  learningCurves,
} from "./sections/learningCurves.js";
export { type Fit, type Regression, type RegressionOptions, regression } from "./sections/regression.js";
export { type Roc, type RocOptions, type RocPoint, roc } from "./sections/roc.js";
export { type Table, type TableOptions, table } from "./sections/table.js";
export { type TaggedSequence, type Tagging, type TaggingOptions, tagging } from "./sections/tagging.js";
export { type Transitions, transitions } from "./sections/transitions.js";
