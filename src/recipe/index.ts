export {
  counted,
  type Recipe,
  Run,
  type RunOptions,
  type RunResult,
  type Settings,
  type Source,
  sourceText,
  type Training,
} from "./run.js";
