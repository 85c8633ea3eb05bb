import { type Field, invalid, type JsonObject, readOptions } from "../config/config.js";
import { choice } from "../config/fields.js";
import { nearestName, RondoError, unknownName, valueText } from "../errors.js";
import { readSaved, type Saved, saved, someTexts } from "./saved.js";
import {
  type Entity,
  entityOf,
  type Span,
  type SpanMode,
  spanRules,
  spansIn,
  type TagPart,
} from "./tagSpans.js";

/** The parts that each scheme has besides O, in the order of its tags, with their letters. */
const letters = {
  BIO: { B: "B", I: "I" },
  BIOES: { B: "B", I: "I", E: "E", S: "S" },
  BMES: { B: "B", I: "M", E: "E", S: "S" },
} as const satisfies Record<string, Partial<Record<Exclude<TagPart, "O">, string>>>;

/** How entities are told by tags. */
export type SchemeName = keyof typeof letters;
const names = Object.keys(letters) as SchemeName[];

const savedFields = { scheme: choice<SchemeName>("BIOES", names), labels: someTexts };

/** A place at which tags break the rules of their scheme. */
export interface TagBreak {
  /** The step at which it shows; for `end` the last one. */
  readonly step: number;
  /** Which of them: a tag that cannot be first, two that cannot follow one another, one that cannot be last. */
  readonly kind: "start" | "transition" | "end";
  /** The tag before, for a transition; else the tag. */
  readonly from: string;
  /** The tag after, for a transition; else the tag. */
  readonly to: string;
}

/**
 * The tags of a scheme over labels: `O`, then for each label in its order B, I, E and S (BIOES), B, M, E and S (BMES, the same
 * with another letter) or B and I (BIO), written `B-PER`.
 *
 * ```ts
 * const tags = tagScheme("BIOES", ["PER", "LOC"]);
 * tags.size; // 9
 * tags.encode(["B-PER", "E-PER", "O"]); // 1, 3, 0
 * tags.spansOf(["B-PER", "E-PER", "O"]); // one span: PER from 0 to 2
 * ```
 */
export class TagScheme {
  readonly scheme: SchemeName;
  readonly labels: readonly string[];
  /** All tags, each at its id. */
  readonly tags: readonly string[];
  readonly #parts: readonly TagPart[];
  readonly #ids: ReadonlyMap<string, number>;

  /** @throws RondoError for an unknown scheme, and for labels that are empty, there twice, or none */
  constructor(scheme: SchemeName, labels: readonly string[]) {
    const where = "tagScheme";
    if (!names.includes(scheme)) throw unknownName(where, "scheme", String(scheme), names);
    const given = readOptions(savedFields, { scheme, labels }, where);
    const wrong = given.labels.find((label, i) => label === "" || given.labels.indexOf(label) < i);
    if (given.labels.length === 0 || wrong !== undefined) {
      throw new RondoError({
        where,
        received:
          wrong === undefined ? "no labels" : wrong === "" ? "an empty label" : `the label ${wrong} twice`,
        expected: "the names of the entities' types, each once",
        fix: 'Write for example tagScheme("BIOES", ["PER", "LOC", "ORG"])',
      });
    }
    const parts = Object.entries(letters[scheme]) as [TagPart, string][];
    this.scheme = scheme;
    this.labels = Object.freeze([...given.labels]);
    this.tags = ["O", ...this.labels.flatMap((label) => parts.map(([, letter]) => `${letter}-${label}`))];
    this.#parts = ["O", ...this.labels.flatMap(() => parts.map(([part]) => part))];
    this.#ids = new Map(this.tags.map((tag, id) => [tag, id]));
  }

  /**
   * The scheme whose tags some sentences have: labels in the order in which they come first.
   *
   * @throws RondoError for a tag that is none of the scheme's
   */
  static fromTags(scheme: SchemeName, sentences: Iterable<readonly string[]>): TagScheme {
    if (!names.includes(scheme)) throw unknownName("TagScheme.fromTags", "scheme", String(scheme), names);
    const labels = new Set<string>();
    const known: readonly string[] = Object.values(letters[scheme]);
    for (const sentence of sentences)
      for (const tag of sentence) {
        if (tag === "O") continue;
        if (tag[1] !== "-" || tag.length < 3 || !known.includes(tag[0] ?? "")) {
          throw new RondoError({
            where: "TagScheme.fromTags",
            received: `the tag ${JSON.stringify(tag)}`,
            expected: `O, or ${known.join(", ")} with a label, as in ${known[0]}-PER`,
            fix: "Name the scheme that the data has, or mend the data",
          });
        }
        labels.add(tag.slice(2));
      }
    return new TagScheme(scheme, [...labels]);
  }

  /** The scheme that `JSON.stringify` wrote. */
  static fromJSON(json: unknown): TagScheme {
    const { scheme, labels } = readSaved("TagScheme", savedFields, json);
    return new TagScheme(scheme, labels);
  }

  /** What `fromJSON` makes the scheme from. */
  toJSON(): Saved {
    return saved("TagScheme", savedFields, { scheme: this.scheme, labels: this.labels });
  }

  /** Number of tags: what the layer before a CRF has as units. */
  get size(): number {
    return this.tags.length;
  }

  /** @throws RondoError for an unknown tag, with the nearest */
  id(tag: string): number {
    const id = this.#ids.get(tag);
    if (id !== undefined) return id;
    const nearest = nearestName(tag, this.tags);
    throw new RondoError({
      where: "tagScheme",
      received: `the tag ${valueText(tag)}`,
      expected: `a tag of ${this.scheme} over ${this.labels.join(", ")}`,
      fix:
        nearest === undefined
          ? "Give its label to tagScheme, or mend the data"
          : `Did you mean "${nearest}"?`,
    });
  }

  /** @throws RondoError for what is no id of a tag */
  tag(id: number): string {
    const tag = this.tags[id];
    if (tag !== undefined) return tag;
    throw new RondoError({
      where: "tagScheme",
      received: `${id} for a tag`,
      expected: `whole numbers from 0 to ${this.size - 1}`,
      fix: "Pass what a layer with this scheme gives",
    });
  }

  /** Whether there is such a tag. */
  has(tag: string): boolean {
    return this.#ids.has(tag);
  }

  /** The ids of tags. */
  encode(tags: readonly string[]): Int32Array {
    return Int32Array.from(tags, (tag) => this.id(tag));
  }

  /** The tags of ids. */
  decode(ids: Iterable<number>): string[] {
    return Array.from(ids, (id) => this.tag(id));
  }

  /** What a tag says of its step. */
  part(id: number): TagPart {
    return this.#parts[id] ?? "O";
  }

  /** The number of its label; -1 for O. */
  label(id: number): number {
    return id <= 0 || id >= this.size ? -1 : Math.floor((id - 1) / Object.keys(letters[this.scheme]).length);
  }

  /** Whether a sequence may begin with a tag. */
  starts(id: number): boolean {
    return !"IE".includes(this.part(id));
  }

  /** Whether a sequence may end with a tag. */
  ends(id: number): boolean {
    return this.scheme === "BIO" || !"BI".includes(this.part(id));
  }

  /** Whether a tag may come after another. */
  follows(from: number, to: number): boolean {
    const open = "BI".includes(this.part(from));
    if ("IE".includes(this.part(to))) return open && this.label(from) === this.label(to);
    return this.ends(from);
  }

  /** What is not allowed, in the order of the steps; nothing for a sound sequence. */
  breaks(tags: readonly string[]): TagBreak[] {
    const ids = this.encode(tags);
    const found: TagBreak[] = [];
    ids.forEach((id, step) => {
      const [from, to] = [tags[step - 1] ?? "", tags[step] ?? ""];
      if (step === 0) {
        if (!this.starts(id)) found.push({ step, kind: "start", from: to, to });
      } else if (!this.follows(ids[step - 1] ?? 0, id)) found.push({ step, kind: "transition", from, to });
      if (step === ids.length - 1 && !this.ends(id)) found.push({ step, kind: "end", from: to, to });
    });
    return found;
  }

  /**
   * The spans that tags mark, each [start, end) in steps.
   *
   * @param tags tags, or their ids
   * @param mode `strict` (the default): whole spans alone, as the scheme has them; `conlleval`: as the script of the CoNLL
   *   shared tasks reads broken tags, too
   */
  spansOf(tags: readonly string[] | Int32Array, mode: SpanMode = "strict"): Span[] {
    const ids = tags instanceof Int32Array ? tags : this.encode(tags);
    const rules = spanRules(this, mode);
    return spansIn(ids, this.size, rules).map(({ label, start, end }) => ({
      label: this.labels[label] ?? "",
      start,
      end,
    }));
  }

  /**
   * The entities that tags mark in a text of tokens.
   *
   * @param separator what stands between tokens in the text; default nothing, for characters
   */
  entitiesOf(
    tokens: readonly string[],
    tags: readonly string[] | Int32Array,
    { mode = "strict", separator = "" }: { readonly mode?: SpanMode; readonly separator?: string } = {},
  ): Entity[] {
    return this.spansOf(tags, mode).map((span) => entityOf(tokens, span, separator));
  }
}

/** The tags of a scheme over labels, in an order that is always the same: see `TagScheme`. */
export const tagScheme = (scheme: SchemeName, labels: readonly string[]): TagScheme =>
  new TagScheme(scheme, labels);

/** A tag scheme, or null (the default). */
export const optionalScheme: Field<TagScheme | null, TagScheme | null, false> = {
  required: false,
  initial: null,
  read(given, where, name) {
    if (given === null || given instanceof TagScheme) return given;
    throw invalid(where, name, given, "what tagScheme gives");
  },
  write: (value) => (value === null ? null : (value.toJSON() as unknown as JsonObject)),
  parse: (json) => (json === null ? null : TagScheme.fromJSON(json)),
};
