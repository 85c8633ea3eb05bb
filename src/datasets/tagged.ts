import { readConll, type TaggedSentence } from "../data/conll.js";
import { TagScheme } from "../data/tagScheme.js";
import { checkOptions } from "../errors.js";
import { type LocateOptions, locate, locateNames } from "./locate.js";
import { dataSets } from "./sets.js";

/** Sentences whose characters have tags. */
export interface TaggedSet {
  readonly train: readonly TaggedSentence[];
  readonly validation: readonly TaggedSentence[];
  readonly test: readonly TaggedSentence[];
  /** The tags of all. */
  readonly tags: TagScheme;
}

/**
 * Sentences of Chinese résumés as their publisher divides them, characters with BMES tags of eight types (CONT, EDU, LOC,
 * NAME, ORG, PRO, RACE, TITLE): Zhang and Yang, "Chinese NER using lattice LSTM", 2018.
 *
 * @throws RondoError where a file is not there and cannot be downloaded; with the line, for what is no such file
 */
export async function resumeNer(options: LocateOptions = {}): Promise<TaggedSet> {
  checkOptions("resumeNer", options, locateNames);
  const paths = await locate(dataSets.resumeNer, options);
  const [train = [], validation = [], test = []] = await Promise.all(paths.map((path) => sentences(path)));
  const tags = TagScheme.fromTags(
    "BMES",
    [...train, ...validation, ...test].map((one) => one.tags),
  );
  return { train, validation, test, tags };
}

/**
 * Chinese sentences, characters with BIO tags of persons (PER), places (LOC) and organisations (ORG), in the order of the
 * file; they have no parts.
 *
 * @throws RondoError where the file is not there and cannot be downloaded; with the line, for what is no such file
 */
export async function zhNer(
  options: LocateOptions = {},
): Promise<{ readonly sentences: readonly TaggedSentence[]; readonly tags: TagScheme }> {
  checkOptions("zhNer", options, locateNames);
  const [path = ""] = await locate(dataSets.zhNer, options);
  const all = await sentences(path);
  const tags = TagScheme.fromTags(
    "BIO",
    all.map((one) => one.tags),
  );
  return { sentences: all, tags };
}

async function sentences(path: string): Promise<TaggedSentence[]> {
  const all: TaggedSentence[] = [];
  for await (const sentence of readConll(path)) all.push(sentence);
  return all;
}
