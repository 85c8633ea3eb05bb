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
export type { Section } from "./sections/index.js";
export {
  type LearningCurves,
  type LearningCurvesOptions,
  learningCurves,
} from "./sections/learningCurves.js";
