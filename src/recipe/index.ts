export { batched, decimals } from "./answers.js";
export { type Agreement, type Comparison, compared } from "./comparison.js";
export { type InputLine, type InputRow, PredictInput } from "./inputs.js";
export {
  flagOf,
  type OptionValues,
  option,
  type RecipeOption,
  type RecipeOptions,
  written,
} from "./options.js";
export { type Reached, reachedBy, reachedText } from "./reached.js";
export { type Limits, type Reader, Unreadable } from "./readers.js";
export {
  defineRecipe,
  type GenerationWishes,
  type Recipe,
  type SavedModel,
  type SavedRun,
} from "./recipe.js";
export {
  type Findings,
  type FitOfRun,
  figuresText,
  type Outcome,
  Run,
  type RunModel,
  type RunOptions,
  type RunResult,
  type Steps,
} from "./run.js";
export { openRun, openUnfinished, type StoredResult, type StoredRun, type Unfinished } from "./saved.js";
export {
  boundText,
  counted,
  type Goal,
  type Goals,
  goalOf,
  goalsIn,
  goalsText,
  goalText,
  type RecipeDescription,
  type Settings,
  type Source,
  settingsOf,
  sourceText,
  type Training,
  type Wishes,
} from "./settings.js";
export { version } from "./version.js";
