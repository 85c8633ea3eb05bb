export {
  counted,
  type Recipe,
  Run,
  type RunOptions,
  type RunResult,
  type Settings,
  type Training,
} from "./run.js";
