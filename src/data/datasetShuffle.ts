import { checkCount } from "../errors.js";
import { chunk } from "./datasetSpan.js";
import {
  type Cursor,
  countsOf,
  inputOf,
  type Pass,
  type Position,
  type Stage,
  shorter,
} from "./datasetStage.js";
import { derivedSeed, draws } from "./shuffle.js";

/**
 * Elements in another order: each is drawn from a buffer that is filled up before. Which place is drawn is a function of
 * (seed, epoch) and of how many were drawn, so the numbers of the elements that wait in the buffer follow from that alone.
 * A position is therefore three counts and one position of the input, from before the oldest that waits. To restore it the
 * draws are done again, on numbers, some ten nanoseconds each; then the input is read from there: of the k elements of a
 * buffer the oldest waits for k·ln k draws on average, so that is about k·(1 + ln k) elements, however long the pass.
 */
export class ShuffleStage<T> implements Stage<T> {
  readonly #input: Stage<T>;
  readonly #bufferSize: number;
  readonly #seed: number | undefined;

  constructor(input: Stage<T>, bufferSize: number, seed: number | undefined) {
    checkCount("dataset.shuffle", "bufferSize", bufferSize, 1);
    if (seed !== undefined) checkCount("dataset.shuffle", "seed", seed, Number.MIN_SAFE_INTEGER);
    this.#input = input;
    this.#bufferSize = bufferSize;
    this.#seed = seed;
  }

  get size(): number | undefined {
    return this.#input.size;
  }

  open(pass: Pass, from: Position | undefined): Cursor<T> {
    const inner = { ...pass, seed: derivedSeed(pass.seed, 1) };
    const drawn = draws(this.#seed ?? pass.seed, pass.epoch);
    return new ShuffleCursor(this.#bufferSize, drawn, (at) => this.#input.open(inner, at), pass, from);
  }
}

/** A place in the input from which it can be read again. */
interface Mark {
  /** The number of the element that comes next. */
  readonly number: number;
  readonly position: Position;
}

/** A buffer whose places are drawn from. */
class Drawn<T> {
  readonly waiting: T[] = [];

  constructor(readonly draw: (place: number) => number) {}

  /** @param place how many were taken before */
  take(place: number): T {
    const { waiting } = this;
    const at = Math.floor(this.draw(place) * waiting.length);
    const taken = waiting[at] as T;
    const last = waiting.pop() as T;
    if (at < waiting.length) waiting[at] = last;
    return taken;
  }
}

/** An element with its number in the input. */
interface Numbered<T> {
  readonly number: number;
  element: T;
}

class ShuffleCursor<T> implements Cursor<T> {
  readonly #bufferSize: number;
  readonly #input: Cursor<T>;
  readonly #buffer: Drawn<Numbered<T>>;
  readonly #pass: Pass;
  /** Elements given. */
  #given: number;
  /** Elements of the input, once it has ended; else -1. */
  #count: number;
  /** Elements read. */
  #read = 0;
  /** The oldest first. */
  readonly #marks: Mark[] = [];
  /** The position to restore before anything is given. */
  #from: Position | undefined;

  constructor(
    bufferSize: number,
    draw: (place: number) => number,
    open: (at: Position | undefined) => Cursor<T>,
    pass: Pass,
    from: Position | undefined,
  ) {
    const [given, count, number] = countsOf("shuffle", from, [0, -1, 0]);
    this.#bufferSize = bufferSize;
    this.#buffer = new Drawn(draw);
    this.#input = open(inputOf(from));
    this.#pass = pass;
    this.#given = given;
    this.#count = count;
    this.#marks.push({ number, position: this.#input.position() });
    this.#from = from;
  }

  async next(most: number): Promise<readonly T[]> {
    if (this.#from !== undefined) await this.#restore(this.#from);
    this.#from = undefined;
    const { waiting } = this.#buffer;
    const taken: T[] = [];
    while (this.#count < 0 && taken.length === 0) {
      this.#mark();
      const wanted = this.#bufferSize - waiting.length + most - 1;
      const elements = await this.#input.next(Math.min(wanted, chunk));
      for (const element of elements) {
        waiting.push({ number: this.#read++, element });
        if (waiting.length === this.#bufferSize) taken.push(this.#take());
      }
      if (elements.length === 0) this.#count = this.#read;
      const turn = this.#pass.breather.tick();
      if (turn !== undefined) await turn;
    }
    if (this.#count >= 0) while (taken.length < most && waiting.length > 0) taken.push(this.#take());
    return taken;
  }

  #take(): T {
    return this.#buffer.take(this.#given++).element;
  }

  /** Remembers where the input stands, every so many elements, and forgets what no element that waits comes after. */
  #mark(): void {
    const apart = Math.max(1, this.#bufferSize >> 2);
    if (this.#read - (this.#marks.at(-1)?.number ?? 0) < apart) return;
    this.#marks.push({ number: this.#read, position: this.#input.position() });
    const oldest = this.#buffer.waiting.reduce((least, { number }) => Math.min(least, number), this.#read);
    const kept = this.#marks.findLastIndex(({ number }) => number <= oldest);
    if (kept > 0) this.#marks.splice(0, kept);
  }

  /** Draws again, on numbers; then reads again what they say. */
  async #restore({ at: [, , first = 0] }: Position): Promise<void> {
    const again = new Drawn<Numbered<T>>(this.#buffer.draw);
    const { waiting } = again;
    const absent = undefined as T;
    for (let given = 0; given < this.#given; given++) {
      while (waiting.length < this.#bufferSize && (this.#count < 0 || this.#read < this.#count))
        waiting.push({ number: this.#read++, element: absent });
      again.take(given);
      if (given % 1024 === 0) await this.#pass.breather.tick();
    }
    const wanted = new Map(waiting.map((place) => [place.number, place]));
    for (let number = first; number < this.#read; ) {
      const elements = await this.#input.next(Math.min(chunk, this.#read - number));
      if (elements.length === 0) throw shorter("shuffle");
      for (const element of elements) {
        const place = wanted.get(number++);
        if (place !== undefined) place.element = element;
      }
      await this.#pass.breather.tick();
    }
    for (const place of waiting) this.#buffer.waiting.push(place);
  }

  position(): Position {
    if (this.#from !== undefined) return this.#from;
    const [mark] = this.#marks;
    return {
      stage: "shuffle",
      at: [this.#given, this.#count, mark?.number ?? 0],
      inputs: mark === undefined ? [] : [mark.position],
    };
  }

  close(): Promise<void> {
    return this.#input.close();
  }
}
