import { Breather } from "../breather.js";
import { checkCount, RondoError, valueText } from "../errors.js";
import type { Cursor, DatasetPosition, Order, Stage } from "./datasetStage.js";

/** Elements one after the other, from a place that can be saved. */
export interface ElementIterator<T> extends AsyncIterableIterator<T, undefined> {
  /** The next element. */
  next(): Promise<IteratorResult<T, undefined>>;
  /** Gives back what is open: files, generators. */
  return(): Promise<IteratorResult<T, undefined>>;
  /** From where the rest follows, where it can tell; JSON, which `iterator` of its source goes on from. */
  state?(): DatasetPosition;
  /** Itself, for `for await`. */
  [Symbol.asyncIterator](): this;
}

/**
 * What can be gone through in passes. Where fit, evaluate and predict take a dataset, they take whatever has this; a
 * `Dataset` does.
 */
export interface ElementSource<T> {
  /** Elements of one pass: Infinity where there is no end, undefined where it is not known. */
  readonly size: number | undefined;
  /** One pass, or the rest of one, from what `state()` of its iterator gave. What is drawn in it follows from `seed` and `epoch`. */
  iterator(order: Order | DatasetPosition): ElementIterator<T>;
}

/** A pass through a dataset: `for await`, or `next()` by hand. Calls of `next` that overlap are answered in their order. */
export class DatasetIterator<T> implements ElementIterator<T> {
  readonly #order: Order;
  readonly #cursor: Cursor<T>;
  readonly #breather: Breather;
  #last: Promise<unknown> = Promise.resolve();
  #ended = false;

  constructor(stage: Stage<T>, start: Partial<DatasetPosition>) {
    const { seed = randomSeed(), epoch = 0, at } = start;
    const where = "dataset.iterator";
    checkCount(where, "seed", seed, Number.MIN_SAFE_INTEGER);
    checkCount(where, "epoch", epoch, 0);
    if (at !== undefined && (typeof at !== "object" || at === null)) {
      throw new RondoError({
        where,
        received: `at: ${valueText(at)}`,
        expected: "a position that an iterator's state() gave",
        fix: "Pass the whole of it: dataset.iterator(position)",
      });
    }
    this.#order = { seed, epoch };
    this.#breather = new Breather();
    this.#cursor = stage.open({ seed, epoch, breather: this.#breather }, at);
  }

  /**
   * From where the rest follows: `dataset.iterator(state)` gives what comes after the elements that this one has given, in
   * another process too, if the dataset is made by the same calls over the same data. It is JSON, and holds no data. What
   * restoring costs, each operation says.
   */
  state(): DatasetPosition {
    return { ...this.#order, at: this.#cursor.position() };
  }

  /** The next element. */
  next(): Promise<IteratorResult<T, undefined>> {
    return this.#inTurn(async () => {
      if (this.#ended) return { done: true, value: undefined };
      try {
        const turn = this.#breather.tick();
        if (turn !== undefined) await turn;
        const elements = await this.#cursor.next(1);
        if (elements.length > 0) return { done: false, value: elements[0] as T };
      } catch (error) {
        await this.#end().catch(() => undefined); // the first error says more
        throw error;
      }
      await this.#end();
      return { done: true, value: undefined };
    });
  }

  return(): Promise<IteratorResult<T, undefined>> {
    return this.#inTurn(async () => {
      if (!this.#ended) await this.#end();
      return { done: true, value: undefined };
    });
  }

  /** Itself, for `for await`. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  #end(): Promise<void> {
    this.#ended = true;
    return this.#cursor.close();
  }

  #inTurn<R>(work: () => Promise<R>): Promise<R> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }
}

/** 32 bits from the platform's generator. */
function randomSeed(): number {
  const [seed = 0] = crypto.getRandomValues(new Uint32Array(1));
  return seed;
}
