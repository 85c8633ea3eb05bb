import { nearestName } from "../errors.js";

/** Reads a value as it is written on a command line. Throws `Unreadable` for a text that is none. */
export type Reader<T> = (text: string) => T;

/** What a reader throws; the message says what to give, in a sentence. */
export class Unreadable extends Error {
  override readonly name = "Unreadable";
}

/** A whole number of at least `least`; without `most`, as large as is exact. */
export function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER): Reader<number> {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && Number.isSafeInteger(value) && value >= least && value <= most) return value;
    const isBound = most < Number.MAX_SAFE_INTEGER || value > most;
    throw new Unreadable(
      `Give a whole number${isBound ? ` from ${least} to ${most}` : `, ${least} or larger`}.`,
    );
  };
}

/** The limits of a number; those that are left out do not bind. */
export interface Limits {
  readonly above?: number | undefined;
  readonly least?: number | undefined;
  readonly below?: number | undefined;
  readonly most?: number | undefined;
}

/** A finite number within limits. */
export function number(limits: Limits = {}): Reader<number> {
  const { above = Number.NEGATIVE_INFINITY, least = above, below = Number.POSITIVE_INFINITY } = limits;
  const { most = below } = limits;
  const words = Object.entries(limits).flatMap(([name, limit]) =>
    limit === undefined ? [] : [limitWords[name as keyof Limits](limit)],
  );
  return (text) => {
    const value = Number(text);
    const isWithin = value > above && value >= least && value < below && value <= most;
    if (text.trim() !== "" && Number.isFinite(value) && isWithin) return value;
    throw new Unreadable(`Give a number${words.length === 0 ? "" : ` ${words.join(" and ")}`}.`);
  };
}

const limitWords: Readonly<Record<keyof Limits, (limit: number) => string>> = {
  above: (limit) => `above ${limit}`,
  least: (limit) => `of at least ${limit}`,
  below: (limit) => `below ${limit}`,
  most: (limit) => `of at most ${limit}`,
};

/** One of some names. */
export function oneOf<const C extends string>(names: readonly C[]): Reader<C> {
  return (text) => {
    const found = names.find((name) => name === text);
    if (found !== undefined) return found;
    const nearest = nearestName(text, names);
    const hint = nearest === undefined ? "" : ` Did you mean ${nearest}?`;
    throw new Unreadable(`Give one of ${names.join(", ")}.${hint}`);
  };
}

/** At least one value, separated by commas. */
export function listOf<T>(read: Reader<T>): Reader<readonly T[]> {
  return (text) =>
    text.split(",").map((item) => {
      try {
        return read(item.trim());
      } catch (error) {
        if (!(error instanceof Unreadable) || !text.includes(",")) throw error;
        throw new Unreadable(`In the list, "${item.trim()}" does not fit. ${error.message}`);
      }
    });
}

/** A list in which nothing stands twice. */
export function distinct<T>(read: Reader<readonly T[]>): Reader<readonly T[]> {
  return (text) => {
    const values = read(text);
    const repeated = values.find((value, i) => values.indexOf(value) < i);
    if (repeated === undefined) return values;
    throw new Unreadable(`Give each once: ${String(repeated)} stands in the list twice.`);
  };
}
