import type { Breather } from "../breather.js";
import type { Json } from "../config/config.js";
import { RondoError, valueText } from "../errors.js";
import { sizeOf, Tensor, type TensorLike } from "../tensor.js";
import { isNamed, pathText, readTensor } from "./datasetElement.js";
import {
  atElement,
  type Cursor,
  countsOf,
  isPromise,
  type Pass,
  type Position,
  type Stage,
} from "./datasetStage.js";

/** Elements in a list. */
export class ListStage<T> implements Stage<T> {
  readonly #elements: readonly T[];

  constructor(elements: readonly T[]) {
    this.#elements = elements;
  }

  get size(): number {
    return this.#elements.length;
  }

  open(_pass: Pass, from: Position | undefined): Cursor<T> {
    let [at] = countsOf("fromIterable", from, [0]);
    return {
      next: async (most) => {
        const elements = this.#elements.slice(at, at + most);
        at += elements.length;
        return elements;
      },
      position: () => ({ stage: "fromIterable", at: [at], inputs: [] }),
      close: async () => {},
    };
  }
}

/** One element for each row of arrays, which share their memory. */
export class SlicesStage implements Stage<unknown> {
  readonly size: number;
  readonly #arrays: unknown;
  #read: Promise<unknown> | undefined;

  /** @throws RondoError for arrays whose numbers of rows differ */
  constructor(arrays: unknown) {
    const counts = new Map<string, number>();
    const visit = (path: readonly string[], given: unknown): void => {
      if (isNamed(given)) for (const [name, inner] of Object.entries(given)) visit([...path, name], inner);
      else if (given !== undefined) counts.set(pathText(path), rowsOf(pathText(path), given));
    };
    visit([], arrays);
    const [first] = counts.values();
    if (first === undefined || [...counts.values()].some((count) => count !== first)) {
      throw new RondoError({
        where: "dataset.fromTensorSlices",
        received: [...counts].map(([name, count]) => `${count} rows in ${name}`).join(", ") || "no arrays",
        expected: "arrays with the same number of rows",
        fix: "Give one row of each for every element",
      });
    }
    this.size = first;
    this.#arrays = arrays;
  }

  open(_pass: Pass, from: Position | undefined): Cursor<unknown> {
    let [at] = countsOf("fromTensorSlices", from, [0]);
    return {
      next: async (most) => {
        this.#read ??= readArrays([], this.#arrays);
        const arrays = await this.#read;
        const end = Math.min(this.size, at + most);
        const rows: unknown[] = [];
        while (at < end) rows.push(rowOf(arrays, at++));
        return rows;
      },
      position: () => ({ stage: "fromTensorSlices", at: [at], inputs: [] }),
      close: async () => {},
    };
  }
}

/** Without reading it. */
function rowsOf(name: string, given: unknown): number {
  if (typeof given === "object" && given !== null) {
    if ("shape" in given && "data" in given) {
      const { shape } = given as { readonly shape: readonly number[] };
      if (shape[0] !== undefined) return shape[0];
    } else if (Array.isArray(given) || ArrayBuffer.isView(given)) return (given as readonly unknown[]).length;
  }
  throw new RondoError({
    where: "dataset.fromTensorSlices",
    received: `${valueText(given)} for ${name}`,
    expected: "an array with one row for each element",
    fix: "Give arrays [N, ..], or one list of numbers [N]",
  });
}

async function readArrays(path: readonly string[], given: unknown): Promise<unknown> {
  if (!isNamed(given))
    return given && readTensor(`dataset.fromTensorSlices: ${pathText(path)}`, given as TensorLike);
  const read: Record<string, unknown> = {};
  for (const [name, inner] of Object.entries(given))
    if (inner !== undefined) read[name] = await readArrays([...path, name], inner);
  return read;
}

function rowOf(arrays: unknown, row: number): unknown {
  if (arrays instanceof Tensor) {
    const shape = arrays.shape.slice(1);
    const width = sizeOf(shape);
    return new Tensor(arrays.data.subarray(row * width, (row + 1) * width), shape, arrays.dtype);
  }
  const element: Record<string, unknown> = {};
  for (const name in arrays as object) element[name] = rowOf((arrays as Record<string, unknown>)[name], row);
  return element;
}

/** What gives elements one by one. */
export type AnyIterable<T> = Iterable<T | PromiseLike<T>> | AsyncIterable<T>;

/** What a generator's function may return. */
export type Generated<T> = AnyIterable<T> | AnyIterator<T>;

/**
 * An iterator that knows where it stands. A generator's function is given what `state` said, and gives an iterator that
 * goes on from there.
 */
export interface Restorable {
  /** From where the rest follows: what comes after the elements that were given. JSON, and never the data itself. */
  state(): Json;
}

/** An iterator, asynchronous or not, or now this and now that. */
export interface AnyIterator<T> extends Partial<Restorable> {
  /** The next element. */
  next(): IteratorResult<T | PromiseLike<T>> | Promise<IteratorResult<T>>;
  /** Ends the pass. */
  return?(): unknown;
  /** Where it stands, as JSON, where it knows. */
  state?(): Json;
}

function iteratorOf<T>(stage: string, given: Generated<T>): AnyIterator<T> {
  const source: Partial<AsyncIterable<T> & Iterable<T> & AnyIterator<T>> = Object(given);
  if (source[Symbol.asyncIterator] !== undefined) return (source as AsyncIterable<T>)[Symbol.asyncIterator]();
  if (source[Symbol.iterator] !== undefined) return (source as Iterable<T>)[Symbol.iterator]();
  if (typeof source.next === "function") return source as AnyIterator<T>;
  throw new RondoError({
    where: `dataset.${stage}`,
    received: valueText(given),
    expected: "an iterable or an iterator",
    fix: "Write for example Dataset.fromGenerator(function* () { yield { x, y }; })",
  });
}

/** What iterators give that are begun anew in each pass. */
export class GeneratedStage<T> implements Stage<T> {
  readonly size = undefined;
  readonly #name: string;
  readonly #make: (state?: Json) => Generated<T> | PromiseLike<Generated<T>>;
  /** Whether there can be one pass only. */
  readonly #once: boolean;
  /** The iterator of the pass before. */
  #last: WeakRef<object> | undefined;
  #gaveSome = false;

  /** @param make begins a pass, or goes on from where an iterator of its own said that it stood */
  constructor(
    name: string,
    make: (state?: Json) => Generated<T> | PromiseLike<Generated<T>>,
    options: { readonly once?: boolean } = {},
  ) {
    this.#name = name;
    this.#make = make;
    this.#once = options.once ?? false;
  }

  open({ breather }: Pass, from: Position | undefined): Cursor<T> {
    const stage = this.#name;
    let [given] = countsOf(stage, from, [0]);
    let iterator: AnyIterator<T> | undefined;
    let ended = false;
    const begin = async (): Promise<AnyIterator<T>> => {
      const begun = await this.#begin(stage, from?.own);
      if (from !== undefined && from.own === undefined) await this.#skip(begun, given, breather);
      iterator = begun;
      return begun;
    };
    const end = async () => {
      if (ended) return;
      ended = true;
      await iterator?.return?.();
    };
    return {
      next: async (most) => {
        if (ended) return [];
        const source = iterator ?? (await begin());
        const elements: T[] = [];
        try {
          while (elements.length < most) {
            const step = source.next();
            const { done, value } = isPromise(step) ? await step : step;
            if (done === true) {
              ended = true;
              break;
            }
            elements.push(isPromise(value) ? await value : value);
            const turn = breather.tick();
            if (turn !== undefined) await turn;
          }
        } catch (error) {
          ended = true;
          throw atElement(stage, "the generator", given + elements.length, error);
        }
        if (given + elements.length > 0) this.#gaveSome = true;
        else if (this.#gaveSome) throw exhausted(stage);
        given += elements.length;
        return elements;
      },
      position: () => {
        const own = iterator === undefined ? from?.own : iterator.state?.();
        return { stage, at: [given], inputs: [], ...(own === undefined ? {} : { own }) };
      },
      close: end,
    };
  }

  async #begin(stage: string, state: Json | undefined): Promise<AnyIterator<T>> {
    if (this.#once && this.#last !== undefined) throw exhausted(stage);
    let iterator: AnyIterator<T>;
    try {
      iterator = iteratorOf(stage, await this.#make(state));
    } catch (error) {
      throw atElement(stage, "the generator", 0, error);
    }
    if (this.#last?.deref() === iterator) throw exhausted(stage);
    this.#last = new WeakRef(iterator);
    return iterator;
  }

  /** Gives up what came before a position that the iterator does not know. */
  async #skip(iterator: AnyIterator<T>, count: number, breather: Breather): Promise<void> {
    for (let i = 0; i < count; i++) {
      try {
        const { done, value } = await iterator.next();
        await value;
        if (done === true) return;
      } catch (error) {
        throw atElement(this.#name, "the generator", i, error);
      }
      await breather.tick();
    }
  }
}

const exhausted = (stage: string): RondoError =>
  new RondoError({
    where: `dataset.${stage}`,
    received: "a second pass over an iterator that can be gone through once",
    expected: "a new iterator for each pass",
    fix: "Give what can be read again: a function that makes the iterator, Dataset.fromGenerator(() => …), or a path or Blob",
  });
