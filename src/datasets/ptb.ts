import { readLines } from "../data/text.js";
import { checkOptions } from "../errors.js";
import { type LocateOptions, locate, locateNames } from "./locate.js";
import { dataSets } from "./sets.js";

/** Sentences as lists of words. */
export interface PennTreebank {
  /** 3,370 sentences, 70,390 words. */
  readonly validation: readonly (readonly string[])[];
  /** 3,761 sentences, 78,669 words. */
  readonly test: readonly (readonly string[])[];
}

/**
 * Sentences from the Wall Street Journal (Marcus et al., 1993) as Mikolov prepared them: words in small letters, numbers as `N`,
 * all but the 10,000 commonest words as `<unk>`. The validation and the test part; the training part is not public.
 *
 * @throws RondoError where a file is not there and cannot be downloaded, is empty, or is no UTF-8
 */
export async function ptb(options: LocateOptions = {}): Promise<PennTreebank> {
  checkOptions("ptb", options, locateNames);
  const [validation = [], test = []] = await Promise.all(
    (await locate(dataSets.ptb, options)).map(async (path) => {
      const sentences: string[][] = [];
      for await (const line of readLines(path)) {
        const words = line.trim().split(/\s+/);
        if (words[0] !== "") sentences.push(words);
      }
      return sentences;
    }),
  );
  return { validation, test };
}
