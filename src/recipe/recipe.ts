import type { RecipeOptions } from "./options.js";
import type { Run } from "./run.js";
import type { RecipeDescription, Settings } from "./settings.js";

/** One of the systems that Rondo comes with: a model, its data and the training that reaches its figure. */
export interface Recipe<O extends RecipeOptions = RecipeOptions> extends RecipeDescription<O> {
  /** From data to evaluated model. Everything that is printed or written goes through `run`. */
  train(settings: Settings<O>, run: Run): Promise<void>;
}

/** A recipe with its own options typed in `settings.options`. */
export const defineRecipe = <O extends RecipeOptions>(recipe: Recipe<O>): Recipe => recipe;
