export {
  type Classification,
  type ClassScores,
  classification,
  classScores,
  type Mistake,
} from "./classification.js";
export { historyCsv, historyJson, type RunHistory } from "./history.js";
export { type RunReport, renderReport } from "./report.js";
