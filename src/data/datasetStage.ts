import type { Breather } from "../breather.js";
import type { Json } from "../config/config.js";
import { RondoError, valueText, within } from "../errors.js";

/** Where one stage of a dataset stands, as JSON: counts and the positions of what it reads, never data. */
export interface Position {
  readonly stage: string;
  /** Counts; what they mean is the stage's. */
  readonly at: readonly number[];
  /** Of the stages that it reads. */
  readonly inputs: readonly Position[];
  /** Of a source that keeps a position of its own. */
  readonly own?: Json;
}

/** What random orders hang on. */
export interface Order {
  /** A whole number. */
  readonly seed: number;
  /** The number of the pass, from 0. */
  readonly epoch: number;
}

/** Where a pass through a dataset stands. All of it is JSON. */
export interface DatasetPosition extends Order {
  readonly at: Position;
}

/** One way through a dataset. */
export interface Pass extends Order {
  /** Lets the event loop turn, whatever the stages do. */
  readonly breather: Breather;
}

/** What can be gone through from its beginning or from a position: a source, or an operation on other stages. */
export interface Stage<T> {
  /** Elements of one pass: Infinity where there is no end, undefined where it is not known. */
  readonly size: number | undefined;
  open(pass: Pass, from: Position | undefined): Cursor<T>;
}

/** A stage that is being gone through. Nothing is read before it is asked for. */
export interface Cursor<T> {
  /** The next elements: at least one unless it has ended, at most so many. One call at a time. */
  next(most: number): Promise<readonly T[]>;
  /** From where the rest follows: what comes after the elements that were given. */
  position(): Position;
  /** Gives back files and generators that are open. */
  close(): Promise<void>;
}

/**
 * The counts of a position that a stage gave; those of its beginning where there is none.
 *
 * @throws RondoError where it is of another stage
 */
export function countsOf<C extends readonly number[] | []>(
  stage: string,
  from: Position | undefined,
  beginning: C,
): C {
  if (from === undefined) return beginning;
  const { at } = from;
  if (from.stage !== stage) throw otherDataset(stage, `a position in ${valueText(from.stage)}`);
  if (!Array.isArray(at) || at.length < beginning.length || !at.every(Number.isSafeInteger))
    throw otherDataset(stage, "a position without its counts");
  return at as readonly number[] as C;
}

/** The position of a stage that another one reads. */
export const inputOf = (from: Position | undefined, index = 0): Position | undefined => {
  if (from === undefined) return undefined;
  const input = from.inputs?.[index];
  if (input === undefined) throw otherDataset(from.stage, "a position without that of its input");
  return input;
};

const otherDataset = (stage: string, received: string): RondoError =>
  new RondoError({
    where: `dataset.iterator: ${stage}`,
    received,
    expected: "a position that a dataset of the same operations gave",
    fix: "Restore it into the dataset that was saved, made by the same calls",
  });

/** The error for an input that has fewer elements than a position says. */
export const shorter = (stage: string): RondoError =>
  otherDataset(stage, "fewer elements than there were when the position was saved");

/**
 * An error of a user's own function, with the place in the dataset. Rondo's keep their parts; any other becomes the cause.
 *
 * @param what whose it is: `the function`, `the generator`
 */
export function atElement(stage: string, what: string, element: number, error: unknown): RondoError {
  const where = `dataset.${stage}, element ${element}`;
  if (error instanceof RondoError) return within(where, error) as RondoError;
  const text = error instanceof Error ? error.message : valueText(error);
  return new RondoError(
    {
      where,
      received: `an error of ${what}: ${text}`,
      expected: `${what} to give its value`,
      fix: "See the error's cause",
    },
    { cause: error },
  );
}

export const isPromise = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
