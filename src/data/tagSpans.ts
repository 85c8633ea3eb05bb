import { unknownName } from "../errors.js";

/** What a tag says of its step, whatever the letter: outside, or the begin, the inside, the end, the whole of a span. */
export type TagPart = "O" | "B" | "I" | "E" | "S";

/** What the reading of spans needs of a scheme. */
interface Tags {
  readonly scheme: string;
  readonly size: number;
  part(id: number): TagPart;
  label(id: number): number;
}

/** How tags that break their scheme are read: `strict`, they mark nothing; `conlleval`, what the CoNLL script takes them for. */
export type SpanMode = "strict" | "conlleval";

export const spanModes: readonly SpanMode[] = ["strict", "conlleval"];

/** Steps [start, end) of one label. */
export interface Span {
  readonly label: string;
  readonly start: number;
  readonly end: number;
}

/** A part of a text. */
export interface Entity {
  readonly type: string;
  readonly text: string;
  /** Where it begins and where it has ended, in UTF-16 units, as JavaScript's strings count: `text.slice(start, end)`. */
  readonly start: number;
  readonly end: number;
}

/** The entity of a span over tokens. */
export function entityOf(tokens: readonly string[], { label, start, end }: Span, separator = ""): Entity {
  const before = tokens.slice(0, start).reduce((sum, token) => sum + token.length + separator.length, 0);
  const text = tokens.slice(start, end).join(separator);
  return { type: label, text, start: before, end: before + text.length };
}

/** What a tag does after another, bits that add up: an open span goes on; one that ends here is one; one begins. */
const [goesOn, isOne, begins] = [1, 2, 4];

type Tagged = readonly [part: TagPart, label: number];

/** Whole spans alone: seqeval's strict mode. */
function strictRule(chains: boolean, [before, was]: Tagged, [part, label]: Tagged): number {
  if ("IE".includes(part) && "BI".includes(before) && was === label) return goesOn;
  return (!chains || "ES".includes(before) ? isOne : 0) + ("BS".includes(part) ? begins : 0);
}

/** The rules of conlleval (Tjong Kim Sang and Buchholz, "Introduction to the CoNLL-2000 shared task", 2000), with E and S. */
function conllRule([before, was]: Tagged, [part, label]: Tagged): number {
  const differs = was !== label;
  const ended = "ES".includes(before);
  const ends = before !== "O" && (ended || differs || "BSO".includes(part));
  const starts = "BS".includes(part) || (part !== "O" && (before === "O" || ended || differs));
  return (ends ? isOne : goesOn) + (starts ? begins : 0);
}

/**
 * How spans are read off tags: int32 [K + 2, K + 1], what a tag (column) does after another (row), K standing for the edges; last
 * row: the labels of the tags.
 */
export function spanRules(scheme: Tags, mode: SpanMode): Int32Array {
  if (!spanModes.includes(mode)) throw unknownName("spans", "mode", String(mode), spanModes);
  const K = scheme.size;
  const tagged = Array.from({ length: K + 1 }, (_, id): Tagged => [scheme.part(id), scheme.label(id)]);
  const rule = (from: Tagged, to: Tagged) =>
    mode === "strict" ? strictRule(scheme.scheme !== "BIO", from, to) : conllRule(from, to);
  return Int32Array.from([
    ...tagged.flatMap((from) => tagged.map((to) => rule(from, to))),
    ...tagged.map(([, label]) => label),
  ]);
}

/** The spans of ids below K by the rules; labels by number. */
export function spansIn(
  ids: ArrayLike<number>,
  K: number,
  rules: Int32Array,
): { readonly label: number; readonly start: number; readonly end: number }[] {
  const found: { label: number; start: number; end: number }[] = [];
  let open: { label: number; start: number } | undefined;
  let last = K;
  for (let step = 0; step <= ids.length; step++) {
    const tag = step < ids.length ? (ids[step] ?? K) : K;
    const rule = rules[last * (K + 1) + tag] ?? 0;
    if (open !== undefined && (rule & goesOn) === 0) {
      if ((rule & isOne) !== 0) found.push({ ...open, end: step });
      open = undefined;
    }
    if ((rule & begins) !== 0) open = { label: rules[(K + 1) * (K + 1) + tag] ?? -1, start: step };
    last = tag;
  }
  return found;
}
