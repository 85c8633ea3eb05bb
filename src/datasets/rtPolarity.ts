import { readLines } from "../data/text.js";
import { checkOptions } from "../errors.js";
import { type LocateOptions, locate, locateNames } from "./locate.js";
import { dataSets } from "./sets.js";
import { type LabelledTexts, labelledTexts, type Polarity, polarities } from "./texts.js";

/**
 * Sentences from film reviews, negative (0) ones first, then positive (1) ones. Their words, in small letters, and their
 * punctuation have spaces between them.
 *
 * @throws RondoError where a file is not there and cannot be downloaded, is empty, or is no UTF-8
 */
export async function rtPolarity(options: LocateOptions = {}): Promise<LabelledTexts<Polarity>> {
  checkOptions("rtPolarity", options, locateNames);
  const texts: string[] = [];
  const labels: number[] = [];
  for (const [label, path] of (await locate(dataSets.rtPolarity, options)).entries()) {
    for await (const line of readLines(path)) {
      const text = line.trim();
      if (text === "") continue;
      texts.push(text);
      labels.push(label);
    }
  }
  return labelledTexts(texts, labels, polarities);
}
