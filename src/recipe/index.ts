export {
  flagOf,
  type OptionValues,
  option,
  type RecipeOption,
  type RecipeOptions,
  written,
} from "./options.js";
export { type Limits, type Reader, Unreadable } from "./readers.js";
export { defineRecipe, type Recipe } from "./recipe.js";
export {
  type Findings,
  type Outcome,
  Run,
  type RunModel,
  type RunOptions,
  type RunResult,
} from "./run.js";
export {
  boundText,
  counted,
  type Goal,
  goalOf,
  goalText,
  type RecipeDescription,
  type Settings,
  type Source,
  settingsOf,
  sourceText,
  type Training,
  type Wishes,
} from "./settings.js";
