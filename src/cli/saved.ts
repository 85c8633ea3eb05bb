import { existsSync } from "node:fs";
import { RondoError } from "../errors.js";
import { openRun, type StoredRun, version } from "../recipe/index.js";
import type { CommandContext } from "./command.js";

/**
 * The run in a folder. Says where another version of Rondo trained it.
 *
 * @param data the folder of the data, where that is not the one of the training
 */
export async function storedRun(
  path: string,
  { recipes }: CommandContext,
  data?: string | undefined,
): Promise<StoredRun> {
  if (recipes.some(({ name }) => name === path) && !existsSync(path)) {
    throw new RondoError({
      where: `run ${path}`,
      received: "the name of a recipe",
      expected: "the folder that a training wrote",
      fix: `Train it first: rondo train ${path}`,
    });
  }
  const run = await openRun(path, recipes, { data });
  const now = version();
  if (run.version !== now) {
    const then = run.version === undefined ? "an earlier version of Rondo" : `Rondo ${run.version}`;
    console.error(`rondo: ${path} was trained by ${then}; this is ${now}, whose figures may differ.`);
  }
  return run;
}
