import { words } from "../report/words.js";
import { flagOf, type OptionValues, type RecipeOptions, written } from "./options.js";

/** How long and how fast a recipe trains. */
export interface Training {
  /** How many epochs or steps, whichever is the recipe's `unit`. */
  readonly count: number;
  readonly batchSize: number;
  /** Where the learning rate begins. */
  readonly learningRate: number;
}

/** What a recipe can be told. */
export interface Settings<O extends RecipeOptions = RecipeOptions> extends Training {
  /** Weights, dropout, the order of the samples and data that are made follow from it. */
  readonly seed: number;
  /** The settings of the tutorial that the recipe follows exactly, without what Rondo's default adds. */
  readonly asInSource: boolean;
  /** Folder of the data; undefined: where the data set looks by itself. */
  readonly data: string | undefined;
  /** The recipe's own options. */
  readonly options: OptionValues<O>;
}

/** A figure and its bound: `testAccuracy`, at least 0.9789. */
export interface Goal<O extends RecipeOptions = RecipeOptions> {
  /** The figure's name among those that a run finishes with. */
  readonly figure: string;
  readonly bound: "at least" | "at most";
  readonly value: number;
  /** The name of another figure of the run, where `value` is a multiple of that. */
  readonly times?: string;
  /** The recipe's own options with which it is to be reached, by their values; default: all. */
  readonly where?: Partial<OptionValues<O>>;
}

/** A goal, or several for different values of options: the first that fits them counts. Where none fits there is none. */
export type Goals<O extends RecipeOptions = RecipeOptions> = Goal<O> | readonly Goal<O>[];

/** The tutorial that a recipe follows. */
export interface Source<O extends RecipeOptions = RecipeOptions> {
  /** What it is, in words that go on from "Follows". */
  readonly title: string;
  /** Where it is, if that is known. */
  readonly address?: string;
  readonly settings: Training;
  /** The recipe's own options where the tutorial has other values than the defaults. */
  readonly options?: Partial<OptionValues<O>>;
  /** What its settings reach, where that is not the recipe's `goal`; an empty list where nothing is known. */
  readonly goal?: Goals<O>;
}

/** What is known of a recipe before it trains. */
export interface RecipeDescription<O extends RecipeOptions = RecipeOptions> {
  /** As on the command line. */
  readonly name: string;
  /** One line. */
  readonly title: string;
  /** What the default adds to the tutorial's settings, in a sentence; shown by `rondo list`. */
  readonly adds?: string;
  /** What the defaults reach on the average over seeds. */
  readonly goal: Goals<O>;
  readonly source: Source<O>;
  /** What the length of a training is counted in. */
  readonly unit: "epoch" | "step";
  readonly defaults: Training;
  /** What this recipe alone can be told. */
  readonly options?: O;
}

/** What was asked of a recipe; what is left out is the recipe's own. */
export interface Wishes extends Partial<Training> {
  readonly seed: number;
  readonly asInSource?: boolean;
  readonly data?: string | undefined;
  readonly options?: Readonly<Record<string, unknown>>;
}

/** The settings of a run: the recipe's defaults, or its source's, and what was asked beyond them. */
export function settingsOf(recipe: RecipeDescription, wishes: Wishes): Settings {
  const { asInSource = false, seed, data, options, ...training } = wishes;
  const defaults = Object.entries(recipe.options ?? {}).map(([name, own]) => [name, own.default] as const);
  return {
    ...(asInSource ? recipe.source.settings : recipe.defaults),
    ...training,
    seed,
    asInSource,
    data,
    options: {
      ...Object.fromEntries(defaults),
      ...(asInSource ? recipe.source.options : {}),
      ...options,
    },
  };
}

/** The command that trains with these settings into a folder. */
export function commandOf(recipe: RecipeDescription, settings: Settings, folder: string): string {
  const { count, batchSize, learningRate, seed, asInSource, data, options } = settings;
  const flags = Object.entries({
    epochs: count,
    batchSize,
    learningRate,
    ...options,
    seed,
    ...(data === undefined ? {} : { data }),
    out: folder,
  }).map(([name, value]) => `--${flagOf(name)} ${quoted(written(value))}`);
  return ["rondo train", recipe.name, ...(asInSource ? ["--as-in-source"] : []), ...flags].join(" ");
}

/** A word of a command line. */
export const quoted = (text: string): string => (/^[\w.,:/=@+-]+$/.test(text) ? text : JSON.stringify(text));

/** The figure that these settings are to reach; undefined where the recipe has none for them. */
export function goalOf(
  { goal, source }: RecipeDescription,
  { asInSource, options }: Pick<Settings, "asInSource" | "options">,
): Goal | undefined {
  const fits = ({ where = {} }: Goal): boolean =>
    Object.entries(where).every(([name, value]) => written(options[name]) === written(value));
  return goalsIn(asInSource ? (source.goal ?? goal) : goal).find(fits);
}

/** Goals as a list. */
export const goalsIn = (goals: Goals): readonly Goal[] => ("figure" in goals ? [goals] : goals);

/** Goals in words, with the options on which they hang: `test F1 ≥ 0.93 (data-set resume-ner)`. */
export const goalsText = (goals: Goals): string =>
  goalsIn(goals)
    .map((goal) => {
      const options = Object.entries(goal.where ?? {}).map(
        ([name, value]) => `${flagOf(name)} ${written(value)}`,
      );
      return options.length === 0 ? goalText(goal) : `${goalText(goal)} (${options.join(", ")})`;
    })
    .join("; ");

/** A goal in words: `test accuracy ≥ 0.9789`. */
export const goalText = (goal: Goal): string => `${words(goal.figure)} ${boundText(goal)}`;

/** `≥ 0.9789`, `≤ 1.05 × least squares error`. */
export const boundText = ({ bound, value, times }: Goal): string =>
  `${bound === "at least" ? "≥" : "≤"} ${value}${times === undefined ? "" : ` × ${words(times)}`}`;

/** A tutorial in words, with its address where that is known. */
export const sourceText = ({ title, address }: Source): string =>
  address === undefined ? title : `${title}: ${address}`;

/** A length in words: `1 epoch`, `4,001 steps`. */
export const counted = (count: number, unit: RecipeDescription["unit"]): string =>
  `${count.toLocaleString("en")} ${unit}${count === 1 ? "" : "s"}`;
