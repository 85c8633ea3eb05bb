export {
  type Classification,
  type ClassificationOptions,
  type ClassScores,
  classification,
  classScores,
  type Mistake,
} from "./classification.js";
export { type AnyHistory, historyCsv, historyJson, type RunHistory } from "./history.js";
export { type RunReport, renderReport } from "./report.js";
