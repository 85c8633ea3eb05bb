/**
 * How much of some texts a vocabulary, or a table of vectors, knows. Counts what is encoded with it: make one, give it to
 * `encode` or `textsToSequences` as often as you like, and print it.
 */
export class Coverage {
  readonly #known = new Map<string, number>();
  readonly #unknown = new Map<string, number>();
  #textsWithoutKnown = 0;

  /** Words that are known, each with how often it came. */
  get known(): ReadonlyMap<string, number> {
    return this.#known;
  }

  /** Words that are not, each with how often it came; in the order in which they came first. */
  get unknown(): ReadonlyMap<string, number> {
    return this.#unknown;
  }

  /** How many texts had no known word at all. */
  get textsWithoutKnown(): number {
    return this.#textsWithoutKnown;
  }

  /** Of the different words, the share that is known; 1 where there are none. */
  get shareOfWords(): number {
    return share(this.#known.size, this.#unknown.size);
  }

  /** Of all words as often as they came, the share that is known; 1 where there are none. */
  get shareOfTokens(): number {
    return share(sumOf(this.#known), sumOf(this.#unknown));
  }

  /** Counts a word. */
  add(word: string, isKnown: boolean, count = 1): void {
    const counts = isKnown ? this.#known : this.#unknown;
    counts.set(word, (counts.get(word) ?? 0) + count);
  }

  /** Counts a text without a known word. */
  addTextWithoutKnown(): void {
    this.#textsWithoutKnown++;
  }

  /** The unknown words that came most often, each with its count; ties in the order in which they came first. */
  commonestUnknown(most = 10): readonly (readonly [word: string, count: number])[] {
    return [...this.#unknown].sort(([, a], [, b]) => b - a).slice(0, most);
  }

  /** For people: the shares, and the unknown words that came most often. */
  toString(): string {
    const words = this.#known.size + this.#unknown.size;
    const tokens = sumOf(this.#known) + sumOf(this.#unknown);
    const commonest = this.commonestUnknown();
    const listed = commonest.map(([word, count]) => `${word} (${inWords(count)})`).join(", ");
    const more = this.#unknown.size > commonest.length ? ", …" : "";
    return [
      `${inWords(this.#known.size)} of ${inWords(words)} words are known (${percent(this.shareOfWords)}),`,
      `${percent(this.shareOfTokens)} of ${inWords(tokens)} tokens.`,
      ...(listed === "" ? [] : [`Unknown: ${listed}${more}.`]),
      ...(this.#textsWithoutKnown === 0
        ? []
        : [`Texts without a known word: ${inWords(this.#textsWithoutKnown)}.`]),
    ].join(" ");
  }
}

const sumOf = (counts: ReadonlyMap<string, number>): number => {
  let sum = 0;
  for (const count of counts.values()) sum += count;
  return sum;
};

const share = (known: number, unknown: number): number => (unknown === 0 ? 1 : known / (known + unknown));
const inWords = (count: number): string => count.toLocaleString("en");
const percent = (part: number): string => `${(100 * part).toFixed(1)} %`;
