import { writeBytes } from "#files";
import { checkOptions, RondoError, unknownName, valueText, within } from "../errors.js";
import { type ByteSource, sourceName } from "../files/chunks.js";
import { parsed } from "./saved.js";
import { readWholeText } from "./text.js";

/** What is saved with a model, by name: vocabularies, tokenizers, scalers, and objects of your own that have `toJSON`. */
export type Preprocessing = Readonly<
  Record<
    string,
    {
      /** What its class makes it from again. */
      toJSON(): unknown;
    }
  >
>;

/** A class whose objects come back from what `JSON.stringify` wrote of them. */
export interface Restored<T> {
  /** From what `JSON.stringify` wrote. */
  fromJSON(json: unknown): T;
}

/**
 * The text of a file, `preprocessing.json` say, with what a model needs besides its weights.
 *
 * @param set `{ vocabulary, scaler }`: a name for each
 */
export function preprocessingText(set: Preprocessing): string {
  for (const [name, object] of Object.entries(set)) {
    if (typeof Object(object).toJSON === "function") continue;
    throw new RondoError({
      where: "preprocessing",
      received: `${valueText(object)} for ${name}`,
      expected: "objects with toJSON: a Vocabulary, a Tokenizer, a scaler …",
      fix: "Leave it out, or write it to a file of its own",
    });
  }
  return `${JSON.stringify(set, undefined, 1)}\n`;
}

/** Writes a set to one file, in Node; in a page, keep what `preprocessingText` gives. */
export const writePreprocessing = async (path: string, set: Preprocessing): Promise<void> =>
  writeBytes(path, new TextEncoder().encode(preprocessingText(set)));

/**
 * Reads a set from one file.
 *
 *     const { vocabulary, scaler } = await readPreprocessing("run/preprocessing.json", {
 *       vocabulary: Vocabulary,
 *       scaler: StandardScaler,
 *     });
 *
 * @param classes what to read, by its names: the class of each
 * @throws RondoError for a file that cannot be read or is no such file; for a name that it has not; for what is of another
 *   class or damaged
 */
export async function readPreprocessing<C extends Readonly<Record<string, Restored<unknown>>>>(
  source: ByteSource,
  classes: C,
): Promise<{ readonly [K in keyof C]: C[K] extends Restored<infer T> ? T : never }> {
  const where = `read ${sourceName(source)}`;
  const set = parsed(where, await readWholeText("readPreprocessing", source));
  checkOptions(where, set, Object.keys(Object(set)));
  const known = set as Readonly<Record<string, unknown>>;
  const objects = Object.entries(classes).map(([name, kind]) => {
    if (!Object.hasOwn(known, name)) throw unknownName(where, "object", name, Object.keys(known));
    try {
      return [name, kind.fromJSON(known[name])];
    } catch (error) {
      throw within(`${where}: ${name}`, error);
    }
  });
  return Object.fromEntries(objects);
}
