/** What a recipe was measured to reach with some settings: a row of the table in docs/results.md. */
export interface Reached {
  /** The recipe's name. */
  readonly recipe: string;
  /** What was told to `rondo train` beside the recipe and the seed: `--layer bilstm`. */
  readonly options?: string;
  readonly seeds: readonly number[];
  /** What was measured, in words. */
  readonly figure: string;
  /** Its mean over the seeds, with the digits that it is known to. */
  readonly mean: string;
  /** Its values for the seeds, or their bounds. */
  readonly spread?: string;
  /** What was to be reached, and what that is; left out where nothing was. */
  readonly goal?: string;
  /** How long it took; left out where it is that of the row above. */
  readonly time?: string;
}

/** The command that gives a figure, with N for the seed. */
export const reachedBy = ({ recipe, options }: Reached): string =>
  ["rondo train", recipe, ...(options === undefined ? [] : [options]), "--seed N"].join(" ");

/** A figure in a sentence: `0.9379, entity F1 on the test sentences (mean of seeds 1, 2, 3)`. */
export function reachedText({ mean, figure, seeds, options }: Reached): string {
  const over = seeds.length === 1 ? `seed ${seeds[0]}` : `mean of seeds ${seeds.join(", ")}`;
  return `${mean}, ${figure} (${options === undefined ? "" : `${options}; `}${over})`;
}
