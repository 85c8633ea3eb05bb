import type { JsonObject } from "../config/config.js";
import type { CustomObjects } from "../layers/index.js";
import type { GenerateOptions } from "../models/generate.js";
import type { Model } from "../models/model.js";
import type { Backend } from "../runtime/backend.js";
import type { PredictInput } from "./inputs.js";
import type { RecipeOptions } from "./options.js";
import type { Findings, Run } from "./run.js";
import type { RecipeDescription, Settings } from "./settings.js";

/** A model from a file: the recipe knows whether its inputs and outputs have names. */
export type SavedModel = Model & Model<string, string>;

/** What a run left in its folder, read again. */
export interface SavedRun<O extends RecipeOptions = RecipeOptions> {
  /** Those of the training. */
  readonly settings: Settings<O>;
  /** The trained model, with its loss and its optimizer; of several, the first. */
  readonly model: SavedModel;
  /** All models by name; one that is alone is called `model`. */
  readonly models: Readonly<Record<string, SavedModel>>;
  /** What the run finished with under this name: vocabularies, scalers and the like. Empty where there was nothing. */
  readonly preprocessing: JsonObject;
  readonly backend: Backend;
  /** Aborts when nobody wants the results any more. */
  readonly signal: AbortSignal;
}

/** One of the systems that Rondo comes with: a model, its data and the training that reaches its figure. */
export interface Recipe<O extends RecipeOptions = RecipeOptions> extends RecipeDescription<O> {
  /** For the help of `rondo predict`, in phrases. */
  readonly prediction: {
    /** What the inputs hold: `a number x on each line`. */
    readonly reads: string;
    /** What each line of the output is: `{ input, line, x, y }`. */
    readonly gives: string;
  };
  /** What the files of its models mention and only the recipe knows: functions of Lambda layers, layers of its own. */
  readonly custom?: CustomObjects;
  /** From data to evaluated model. Everything that is printed or written goes through `run`. */
  train(settings: Settings<O>, run: Run): Promise<void>;
  /**
   * Measures a trained model as the test of its training did: the same figures, to the bit, for which batch sizes must be
   * the same too.
   */
  evaluate(saved: SavedRun<O>): Promise<Findings>;
  /**
   * What the model says to each thing in the inputs, in their order, a few at a time as they come. An input may be larger
   * than memory, and need not end.
   *
   * @throws RondoError for what cannot be read, with its place: `numbers.txt, line 3: received …`
   */
  predict(saved: SavedRun<O>, inputs: readonly PredictInput[]): AsyncIterable<JsonObject>;
  /** Of language models: text that goes on from a prompt, as it is written. */
  generate?(saved: SavedRun<O>, wishes: GenerationWishes): AsyncIterable<string>;
}

/** How a text is written: what `generate` takes, but the model and its vocabulary. */
export type GenerationWishes = Omit<GenerateOptions, "model" | "vocabulary">;

/** A recipe with its own options typed in `settings.options`. */
export const defineRecipe = <O extends RecipeOptions>(recipe: Recipe<O>): Recipe => recipe;
