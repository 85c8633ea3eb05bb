import type { Json, JsonObject } from "../config/config.js";
import { RondoError, unknownName, valueText } from "../errors.js";
import { loadModel } from "../models/open.js";
import type { RunHistory } from "../report/history.js";
import type { Backend } from "../runtime/backend.js";
import { RunFolder } from "./folder.js";
import { written } from "./options.js";
import { number, oneOf, type Reader, Unreadable, wholeNumber } from "./readers.js";
import type { Recipe, SavedModel, SavedRun } from "./recipe.js";
import { commandOf, quoted, type Settings } from "./settings.js";

/** A run in its folder. */
export interface StoredRun {
  readonly recipe: Recipe;
  readonly settings: Settings;
  /** The version of Rondo that trained it; undefined where the run does not say. */
  readonly version: string | undefined;
  /** The figures of the training, and the backend that computed them. */
  result(): Promise<StoredResult>;
  /** What was measured while training, by the names of the trainings; one that is alone has the name "". */
  history(): Promise<Readonly<Record<string, RunHistory>>>;
  /** The models and what belongs to them. */
  load(on: { readonly backend: Backend; readonly signal: AbortSignal }): Promise<SavedRun>;
}

/** What a run found on the trained model. */
export interface StoredResult {
  readonly backend: string;
  /** By name; NaN where the figure was no finite number, which JSON does not hold. */
  readonly figures: Readonly<Record<string, number>>;
}

/**
 * Reads the settings of a run.
 *
 * @param data the folder of the data, where that is not the one of the training
 * @throws RondoError where the folder is none of a run, or a file in it is missing or damaged: which, what it holds, and the
 *   command that trains the same again
 */
export async function openRun(
  path: string,
  recipes: readonly Recipe[],
  { data }: { readonly data?: string | undefined } = {},
): Promise<StoredRun> {
  const unknown = new RunFolder(path);
  const config = await unknown.config();
  const recipe = recipeOf(unknown, config, recipes);
  const settings = settingsIn(unknown, recipe, config);
  const folder = new RunFolder(
    path,
    `Copy the file back, or train the same again: ${commandOf(recipe, settings, path)}`,
  );
  return {
    recipe,
    settings: data === undefined ? settings : { ...settings, data },
    version: typeof config.rondo === "string" ? config.rondo : undefined,
    result: async () => resultIn(folder, await folder.result()),
    history: async () => historiesIn(folder, await folder.history()),
    async load({ backend, signal }) {
      const preprocessing = await folder.preprocessing();
      const { custom = {} } = recipe;
      const models = await folder.models(async (file) => {
        const loaded: unknown = await loadModel(file, { backend, custom });
        return loaded as SavedModel;
      });
      const [model] = Object.values(models);
      if (model === undefined) throw folder.fault("a config.json without models", "at least one");
      return { settings, model, models, preprocessing, backend, signal };
    },
  };
}

/** A run that has not finished. */
export type Unfinished = Pick<StoredRun, "recipe" | "settings">;

/**
 * Reads the settings of a run that was begun in a folder, so that it goes on.
 *
 * @throws RondoError for a run that has finished, and where the folder is none of a run or its settings are missing or damaged
 */
export async function openUnfinished(path: string, recipes: readonly Recipe[]): Promise<Unfinished> {
  const folder = new RunFolder(path, "Copy the file back, or train again into another folder");
  if (folder.isFinished) {
    throw new RondoError({
      where: `run ${path}`,
      received: "a run that has finished",
      expected: "one that was interrupted",
      fix: `Nothing is left to be trained; use it: rondo predict ${quoted(path)} <input>`,
    });
  }
  const config = await folder.begunConfig();
  const recipe = recipeOf(folder, config, recipes);
  return { recipe, settings: settingsIn(folder, recipe, config) };
}

function recipeOf(folder: RunFolder, config: JsonObject, recipes: readonly Recipe[]): Recipe {
  const recipe = recipes.find(({ name }) => name === config.recipe);
  if (recipe !== undefined) return recipe;
  if (typeof config.recipe !== "string")
    throw folder.fault("a config.json that names no recipe", "one that does");
  throw unknownName(
    `run ${folder.path}`,
    "recipe",
    config.recipe,
    recipes.map(({ name }) => name),
  );
}

/** The settings in a run's configuration, held against what the recipe can be told. */
function settingsIn(folder: RunFolder, recipe: Recipe, config: JsonObject): Settings {
  const read = <T>(name: string, value: Json | undefined, reader: Reader<T>): T => {
    try {
      return reader(value === undefined ? "" : written(value));
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      const received = value === undefined ? `no ${name}` : `${name}: ${JSON.stringify(value)}`;
      throw folder.fault(
        `${received} in config.json`,
        `what the recipe ${recipe.name} can be told (${error.message})`,
        error,
      );
    }
  };
  const { data = null, options = {} } = config;
  const own = Object(options) as JsonObject;
  const unknown = Object.keys(own).find((name) => !Object.hasOwn(recipe.options ?? {}, name));
  if (unknown !== undefined)
    throw folder.fault(`the option ${unknown} in config.json`, `one that the recipe ${recipe.name} has`);
  if (data !== null && typeof data !== "string")
    throw folder.fault(`data: ${valueText(data)} in config.json`, "a folder or null");
  return {
    count: read("count", config.count, wholeNumber(1)),
    batchSize: read("batchSize", config.batchSize, wholeNumber(1)),
    learningRate: read("learningRate", config.learningRate, number({ above: 0 })),
    seed: read("seed", config.seed, wholeNumber(0)),
    asInSource: read("asInSource", config.asInSource, oneOf(["true", "false"])) === "true",
    data: data ?? undefined,
    options: Object.fromEntries(
      Object.entries(recipe.options ?? {}).map(([name, option]) => [
        name,
        // A run of an earlier version may lack an option that the recipe has since.
        Object.hasOwn(own, name) ? read(`the option ${name}`, own[name], option.read) : option.default,
      ]),
    ),
  };
}

/** The trainings of a history.json, as `historyJson` writes them. */
function historiesIn(folder: RunFolder, json: JsonObject): Record<string, RunHistory> {
  const alone = historyIn(json);
  if (alone !== undefined) return { "": alone };
  const all = Object.entries(json).map(([name, one]) => [name, historyIn(one)] as const);
  if (all.length > 0 && all.every((entry): entry is [string, RunHistory] => entry[1] !== undefined))
    return Object.fromEntries(all);
  throw folder.fault("a history.json of another form", "lists of figures by epoch or step");
}

function historyIn(json: Json): RunHistory | undefined {
  const { epoch, step, ...values } = Object(json) as JsonObject;
  const positions = epoch ?? step;
  const isColumn = (list: Json | undefined): list is (number | null)[] =>
    Array.isArray(list) && list.every((value) => value === null || typeof value === "number");
  if (!isColumn(positions) || !Object.values(values).every(isColumn)) return undefined;
  return {
    unit: epoch === undefined ? "step" : "epoch",
    positions: positions.map(Number),
    values: values as Readonly<Record<string, (number | null)[]>>,
  };
}

function resultIn(folder: RunFolder, { backend, figures }: JsonObject): StoredResult {
  const entries = Object.entries(Object(figures) as JsonObject);
  const isNumber = ([, value]: readonly [string, Json]) => typeof value === "number" || value === null;
  if (typeof backend !== "string" || entries.length === 0 || !entries.every(isNumber))
    throw folder.fault("a result.json without backend and figures", "the figures of the training");
  return {
    backend,
    figures: Object.fromEntries(
      entries.map(([name, value]) => [name, value === null ? Number.NaN : Number(value)]),
    ),
  };
}
