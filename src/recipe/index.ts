export type { Recipe, Settings } from "./recipe.js";
export { Run, type RunOptions, type RunResult } from "./run.js";
