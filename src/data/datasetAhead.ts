import { Breather } from "../breather.js";
import { checkCount } from "../errors.js";
import { chunk } from "./datasetSpan.js";
import { type Cursor, countsOf, inputOf, type Pass, type Position, type Stage } from "./datasetStage.js";

/** Elements that are made before they are asked for. */
export class PrefetchStage<T> implements Stage<T> {
  readonly #input: Stage<T>;
  readonly #bufferSize: number;

  constructor(input: Stage<T>, bufferSize: number) {
    checkCount("dataset.prefetch", "bufferSize", bufferSize, 1);
    this.#input = input;
    this.#bufferSize = bufferSize;
  }

  get size(): number | undefined {
    return this.#input.size;
  }

  open(pass: Pass, from: Position | undefined): Cursor<T> {
    countsOf("prefetch", from, []);
    const input = this.#input.open(pass, inputOf(from));
    /** Behind what was given, not behind what was made. */
    let position = input.position();
    let closed = false;
    let last: Promise<unknown> = Promise.resolve();
    const made: Promise<{ readonly elements: readonly T[]; readonly after: Position }>[] = [];
    const fill = () => {
      while (made.length < this.#bufferSize) {
        const one = last.then(async () => {
          const elements = closed ? [] : await input.next(1);
          return { elements, after: input.position() };
        });
        one.catch(() => {}); // told when it is asked for
        last = one;
        made.push(one);
      }
    };
    return {
      next: async () => {
        fill();
        const { elements, after } = (await made.shift()) ?? { elements: [], after: position };
        position = after;
        if (elements.length > 0) fill();
        return elements;
      },
      position: () => ({ stage: "prefetch", at: [], inputs: [position] }),
      close: async () => {
        closed = true;
        await last.catch(() => undefined);
        await input.close();
      },
    };
  }
}

/**
 * Elements that stay in memory from the first pass on. That pass is always the same one, whatever passes are asked for:
 * what is drawn in it is drawn once.
 */
export class CacheStage<T> implements Stage<T> {
  readonly #input: Stage<T>;
  readonly #elements: T[] = [];
  #complete = false;
  /** Where the first pass stands while nobody reads on. */
  #position: Position | undefined;
  #reading: Cursor<T> | undefined;
  #readers = 0;
  /** The end of all reading that was asked for. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(input: Stage<T>) {
    this.#input = input;
  }

  get size(): number | undefined {
    return this.#complete ? this.#elements.length : this.#input.size;
  }

  open(_pass: Pass, from: Position | undefined): Cursor<T> {
    let [at] = countsOf("cache", from, [0]);
    let isOpen = true;
    this.#readers++;
    return {
      next: async (most) => {
        if (!this.#complete && this.#elements.length <= at) await this.#readTo(at + most);
        const elements = this.#elements.slice(at, at + most);
        at += elements.length;
        return elements;
      },
      position: () => ({ stage: "cache", at: [at], inputs: [] }),
      close: async () => {
        if (!isOpen) return;
        isOpen = false;
        this.#readers--;
        if (this.#readers === 0) await this.#inTurn(() => this.#rest());
      },
    };
  }

  /** Reads on until there are so many elements, or at least some more of them, or no more. */
  #readTo(count: number): Promise<void> {
    return this.#inTurn(async () => {
      const breather = new Breather();
      while (!this.#complete && this.#elements.length < count) {
        this.#reading ??= this.#input.open({ seed: 0, epoch: 0, breather }, this.#position);
        this.#position = this.#reading.position();
        try {
          const elements = await this.#reading.next(Math.min(chunk, count - this.#elements.length));
          for (const element of elements) this.#elements.push(element);
          if (elements.length === 0) this.#complete = true;
        } catch (error) {
          // What comes next is read from before the error.
          const broken = this.#reading;
          this.#reading = undefined;
          await broken.close().catch(() => undefined);
          throw error;
        }
        await breather.tick();
      }
      if (this.#complete) await this.#rest();
    });
  }

  /** Gives back what is open. */
  async #rest(): Promise<void> {
    const reading = this.#reading;
    if (reading === undefined) return;
    this.#position = reading.position();
    this.#reading = undefined;
    await reading.close();
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }
}
