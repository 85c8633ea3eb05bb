import { checkOptions, RondoError } from "../errors.js";
import { readWholeFile } from "../files/files.js";
import { type LocateOptions, locate, locateNames } from "./locate.js";
import { dataSets } from "./sets.js";
import { readTar } from "./tar.js";
import { type LabelledTexts, labelledTexts, type Polarity, polarities } from "./texts.js";

/** The last folders of the classes, in their order. */
const folders = ["neg", "pos"] as const;

/**
 * Whole film reviews, a sentence a line, negative (0) ones first, then positive (1) ones, each in the order of their files'
 * names. Their words, in small letters, and their punctuation have spaces between them.
 *
 * @throws RondoError where the archive is not there and cannot be downloaded, is truncated, holds no reviews of a class, or
 *   one that is no UTF-8
 */
export async function reviewPolarity(options: LocateOptions = {}): Promise<LabelledTexts<Polarity>> {
  checkOptions("reviewPolarity", options, locateNames);
  const [path = ""] = await locate(dataSets.reviewPolarity, options);
  const files = readTar(await readWholeFile(path), path);
  const texts: string[] = [];
  const labels: number[] = [];
  for (const [label, folder] of folders.entries()) {
    const reviews = files.filter(({ name }) => name.endsWith(".txt") && name.split("/").at(-2) === folder);
    if (reviews.length === 0) {
      throw new RondoError({
        where: `read ${path}`,
        received: `no text in a folder ${folder}`,
        expected: `files in ${folders.join(" and ")} that end in .txt`,
        fix: "Put the published archive there",
      });
    }
    reviews.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const { name, bytes } of reviews) {
      texts.push(decoded(bytes, name, path));
      labels.push(label);
    }
  }
  return labelledTexts(texts, labels, polarities);
}

function decoded(bytes: Uint8Array, name: string, path: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new RondoError(
      {
        where: `read ${path}`,
        received: `${name}, which is no UTF-8`,
        expected: "texts in UTF-8",
        fix: "Put the published archive there, or write this text as UTF-8",
      },
      { cause },
    );
  }
}
