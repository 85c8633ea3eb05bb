export { type Recipe, Run, type RunOptions, type RunResult, type Settings } from "./run.js";
