import { distinct, type Limits, listOf, number, oneOf, type Reader, wholeNumber } from "./readers.js";

/** Something that one recipe alone can be told: `--units 64`. */
export interface RecipeOption<T = unknown> {
  /** A phrase for the help. */
  readonly description: string;
  readonly default: T;
  /** What stands for the value in the help: `n`, `name`. */
  readonly placeholder: string;
  /** The names to choose from, where there are such. */
  readonly choices?: readonly string[];
  /** From the text on the command line. */
  readonly read: Reader<T>;
}

/** The options of a recipe by name in camelCase: `lstmSizes` is `--lstm-sizes` on the command line. */
export type RecipeOptions = Readonly<Record<string, RecipeOption>>;

/** What the options of a recipe were set to. */
export type OptionValues<O extends RecipeOptions> = {
  readonly [K in keyof O]: O[K] extends RecipeOption<infer T> ? T : never;
};

interface Described<T> {
  /** A phrase for the help, for example "units of each LSTM layer". */
  readonly description: string;
  readonly default: T;
}

/** Makers of options; their values are typed in `settings.options`. */
export const option = {
  /** A whole number from `least` (default 1) to `most`. */
  wholeNumber: (
    given: Described<number> & { readonly least?: number; readonly most?: number },
  ): RecipeOption<number> => ({
    ...described(given, "n"),
    read: wholeNumber(given.least ?? 1, given.most),
  }),

  /** A number within `above`, `least`, `below`, `most`. */
  number: (given: Described<number> & Limits): RecipeOption<number> => {
    const { description: _, default: __, ...limits } = given;
    return { ...described(given, "x"), read: number(limits) };
  },

  /** One of the names in `of`. */
  choice: <const C extends string>(
    given: Described<NoInfer<C>> & { readonly of: readonly C[] },
  ): RecipeOption<C> => ({
    ...described<C>(given, "name"),
    choices: given.of,
    read: oneOf(given.of),
  }),

  /** Some of the names in `of`, each once, separated by commas. */
  choices: <const C extends string>(
    given: Described<readonly NoInfer<C>[]> & { readonly of: readonly C[] },
  ): RecipeOption<readonly C[]> => ({
    ...described<readonly C[]>(given, "name,…"),
    choices: given.of,
    read: distinct(listOf(oneOf(given.of))),
  }),

  /** Whole numbers from `least` (default 1) to `most`, separated by commas. */
  wholeNumbers: (
    given: Described<readonly number[]> & { readonly least?: number; readonly most?: number },
  ): RecipeOption<readonly number[]> => ({
    ...described(given, "n,…"),
    read: listOf(wholeNumber(given.least ?? 1, given.most)),
  }),

  /** Numbers within `above`, `least`, `below`, `most`, separated by commas. */
  numbers: (given: Described<readonly number[]> & Limits): RecipeOption<readonly number[]> => {
    const { description: _, default: __, ...limits } = given;
    return { ...described(given, "x,…"), read: listOf(number(limits)) };
  },
};

const described = <T>(given: Described<T>, placeholder: string) => ({
  description: given.description,
  default: given.default,
  placeholder,
});

/** An option's name on the command line, without its dashes. */
export const flagOf = (name: string): string =>
  name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** An option's value as it is written on the command line. */
export const written = (value: unknown): string => (Array.isArray(value) ? value.join(",") : String(value));
