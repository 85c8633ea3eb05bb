import { type Fields, readOptions } from "../config/config.js";
import { optionalText, plain } from "../config/fields.js";
import { RondoError } from "../errors.js";
import { type ByteSource, sourceName } from "../files/chunks.js";
import { optionalScheme, type TagScheme } from "./tagScheme.js";
import { readLines, type TextOptions } from "./text.js";

/** A sentence of a file in CoNLL's form. */
export interface TaggedSentence {
  /** The line on which it begins, from 1. */
  readonly line: number;
  readonly tokens: readonly string[];
  readonly tags: readonly string[];
}

export interface ConllOptions extends TextOptions {
  /** What stands between the columns of a line; left out: spaces and tabs, as many as there are. */
  readonly separator?: string | null;
  /** Which column has the token, from 0, or from -1 backwards. Default: 0. */
  readonly tokenColumn?: number;
  /** Which column has the tag. Default: -1, the last. */
  readonly tagColumn?: number;
  /** Tags that are no others than those of this scheme; else an error names the line. Default: any. */
  readonly tags?: TagScheme | null;
}

const column = plain<number>(
  (x) => Number.isInteger(x),
  "the number of a column, from 0, or from -1 backwards",
);
const fields = {
  encoding: plain<string>((x) => typeof x === "string", "the name of an encoding").optional("utf-8"),
  separator: optionalText,
  tokenColumn: column.optional(0),
  tagColumn: column.optional(-1),
  tags: optionalScheme,
} satisfies Fields;

/**
 * The sentences of a file in the form of the CoNLL shared tasks, one after the other: a line for each token, its columns (the
 * token first, its tag last) with spaces or tabs between them, and empty lines between sentences. Lines that begin with
 * `-DOCSTART-` are left out.
 *
 * @throws RondoError, with the line, for lines with another number of columns than the first has, with a single column, and
 *   for tags that the scheme has not; for a file without a sentence; for bytes that are no text in this encoding
 */
export async function* readConll(
  source: ByteSource,
  options: ConllOptions = {},
): AsyncGenerator<TaggedSentence> {
  const {
    encoding,
    separator,
    tokenColumn,
    tagColumn,
    tags: scheme,
  } = readOptions(fields, options, "readConll");
  const where = `read ${sourceName(source)}`;
  const refuse = (received: string, expected: string, fix: string) =>
    new RondoError({ where, received, expected, fix });
  let width: number | undefined;
  let number = 0;
  let count = 0;
  let open: { line: number; tokens: string[]; tags: string[] } | undefined;
  for await (const text of readLines(source, { encoding })) {
    number++;
    if (text.trim() === "") {
      if (open !== undefined) yield open;
      open = undefined;
      continue;
    }
    const columns = separator === null ? text.trim().split(/[ \t]+/) : text.split(separator);
    if (columns[0] === "-DOCSTART-") continue;
    width ??= columns.length;
    if (columns.length < 2 || columns.length !== width) {
      throw refuse(
        `${columns.length} column${columns.length === 1 ? "" : "s"} in line ${number}: ${JSON.stringify(text.slice(0, 60))}`,
        width < 2 ? "a token and its tag on each line" : `${width} columns, as in the first line`,
        "Mend the line, or say in `separator` what stands between columns",
      );
    }
    const [token, tag] = [tokenColumn, tagColumn].map((at) => columns.at(at));
    if (token === undefined || tag === undefined)
      throw refuse(
        `${width} columns`,
        `columns ${tokenColumn} and ${tagColumn}`,
        "Change tokenColumn or tagColumn: the first column is 0, the last -1",
      );
    if (scheme !== null && !scheme.has(tag))
      throw refuse(
        `the tag ${JSON.stringify(tag)} in line ${number}`,
        `a tag of ${scheme.scheme} over ${scheme.labels.join(", ")}`,
        "Give its label to tagScheme, or mend the line",
      );
    if (open === undefined) {
      open = { line: number, tokens: [], tags: [] };
      count++;
    }
    open.tokens.push(token);
    open.tags.push(tag);
  }
  if (open !== undefined) yield open;
  if (count === 0)
    throw refuse(
      "no sentence",
      "a token and its tag on each line",
      "Check whether the file was written completely",
    );
}

/** Where the tags of some sentences break their scheme. */
export interface TagFaults {
  readonly sentences: number;
  readonly tokens: number;
  /** Sentences with a fault. */
  readonly broken: number;
  /** Tags that cannot be first, pairs that cannot follow one another, tags that cannot be last. */
  readonly starts: number;
  readonly transitions: number;
  readonly ends: number;
  /** How often each fault came, in words: `O → I-PER`. */
  readonly kinds: ReadonlyMap<string, number>;
}

/** Counts what breaks a scheme in data: training goes on with it, decoding never gives it. */
export function tagFaults(scheme: TagScheme, sentences: Iterable<readonly string[]>): TagFaults {
  const counts = { sentences: 0, tokens: 0, broken: 0, start: 0, transition: 0, end: 0 };
  const kinds = new Map<string, number>();
  for (const tags of sentences) {
    const breaks = scheme.breaks(tags);
    counts.sentences++;
    counts.tokens += tags.length;
    if (breaks.length > 0) counts.broken++;
    for (const { kind, from, to } of breaks) {
      counts[kind]++;
      const text = kind === "transition" ? `${from} → ${to}` : `${to} at the ${kind}`;
      kinds.set(text, (kinds.get(text) ?? 0) + 1);
    }
  }
  const { start: starts, transition: transitions, end: ends, ...rest } = counts;
  return { ...rest, starts, transitions, ends, kinds };
}
