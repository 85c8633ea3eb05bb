import { checkCount, checkList, RondoError, valueText } from "../errors.js";
import { type Batching, checkDrop, type PaddedBatchOptions, padding } from "./datasetBatch.js";
import { checkFunction } from "./datasetEach.js";
import { chunk } from "./datasetSpan.js";
import {
  atElement,
  type Cursor,
  countsOf,
  inputOf,
  type Pass,
  type Position,
  type Stage,
  shorter,
} from "./datasetStage.js";

/** What a bucket takes, and how many of them make a batch. */
interface Bound {
  /** Lengths below it, and from the bound before. */
  readonly below: number;
  readonly batchSize: number;
}

/** Elements that wait for their batch. */
interface Bucket<E> {
  readonly elements: E[];
  /** From where the input can be read again to have them all; undefined where none waits. */
  since: { readonly number: number; readonly position: Position } | undefined;
}

const where = "dataset.bucketBySequenceLength";

/**
 * Batches of elements of similar lengths. What waits in the buckets is, of each, the last that came for it, so a position
 * is how many wait in each and one position of the input, from before the oldest of them. To restore it the input is read
 * again from there: as far back as the rarest bucket waits, at most the pass so far.
 */
export class BucketStage<E> implements Stage<unknown> {
  readonly size = undefined;
  readonly #input: Stage<E>;
  readonly #lengthOf: (element: E) => number;
  readonly #bounds: readonly Bound[];
  readonly #batching: Batching;
  readonly #drop: boolean;

  constructor(
    input: Stage<E>,
    lengthOf: (element: E) => number,
    boundaries: readonly number[],
    batchSizes: number | readonly number[],
    options: PaddedBatchOptions,
  ) {
    checkFunction(where, lengthOf, "an element, which gives its length");
    this.#input = input;
    this.#lengthOf = lengthOf;
    this.#bounds = boundsOf(boundaries, batchSizes);
    this.#batching = padding(where, options);
    this.#drop = checkDrop(where, options.dropRemainder ?? false);
  }

  open(pass: Pass, from: Position | undefined): Cursor<unknown> {
    return new BucketCursor(this, this.#bounds, this.#input.open(pass, inputOf(from)), pass, from);
  }

  /** The bucket of an element. */
  bucketOf(element: E, number: number): number {
    let length: unknown;
    try {
      length = this.#lengthOf(element);
    } catch (error) {
      throw atElement("bucketBySequenceLength", "the function", number, error);
    }
    if (typeof length === "number" && length >= 0)
      return this.#bounds.findIndex(({ below }) => length < below);
    throw new RondoError({
      where,
      received: `${valueText(length)} for the length of element ${number}`,
      expected: "a number of 0 or more",
      fix: "Return the number of the element's steps, for example (element) => element.x.length",
    });
  }

  /** A batch; undefined for elements that are too few and left out. */
  async batch(elements: readonly E[], first: number, full: boolean, { breather }: Pass): Promise<unknown> {
    if (!full && this.#drop) return undefined;
    return this.#batching({ where, first, breather }, elements);
  }
}

function boundsOf(boundaries: readonly number[], batchSizes: number | readonly number[]): Bound[] {
  checkList(
    where,
    boundaries,
    "a list of lengths",
    "Write for example [10, 20, 40]",
    " for bucketBoundaries",
  );
  const rising = boundaries.every(
    (bound, i) => Number.isFinite(bound) && bound > (i === 0 ? 0 : (boundaries[i - 1] ?? 0)),
  );
  if (!rising) {
    throw new RondoError({
      where,
      received: `bucketBoundaries: [${boundaries.map(String).join(", ")}]`,
      expected: "lengths above 0, each larger than the one before",
      fix: "Put them in order",
    });
  }
  const sizes =
    typeof batchSizes === "number"
      ? Array.from({ length: boundaries.length + 1 }, () => batchSizes)
      : batchSizes;
  if (!Array.isArray(sizes) || sizes.length !== boundaries.length + 1) {
    throw new RondoError({
      where,
      received: `bucketBatchSizes: ${Array.isArray(sizes) ? `a list of ${sizes.length}` : valueText(sizes)}`,
      expected: `a number, or ${boundaries.length + 1} of them, one more than there are boundaries`,
      fix: "Give the batch size of what is longer than the last boundary, too",
    });
  }
  return sizes.map((batchSize: number, i) => {
    checkCount(where, "bucketBatchSizes", batchSize, 1);
    return { below: boundaries[i] ?? Number.POSITIVE_INFINITY, batchSize };
  });
}

class BucketCursor<E> implements Cursor<unknown> {
  readonly #stage: BucketStage<E>;
  readonly #bounds: readonly Bound[];
  readonly #input: Cursor<E>;
  readonly #buckets: readonly Bucket<E>[];
  readonly #pass: Pass;
  /** Elements read. */
  #read: number;
  #ended: boolean;
  /** The position to restore before anything is given. */
  #from: Position | undefined;

  constructor(
    stage: BucketStage<E>,
    bounds: readonly Bound[],
    input: Cursor<E>,
    pass: Pass,
    from: Position | undefined,
  ) {
    const [read, ended, number, ...waiting] = countsOf("bucketBySequenceLength", from, [
      0,
      0,
      0,
      ...bounds.map(() => 0),
    ]);
    this.#stage = stage;
    this.#bounds = bounds;
    this.#input = input;
    this.#pass = pass;
    this.#read = read ?? 0;
    this.#ended = ended === 1;
    this.#from = from;
    const since = { number: number ?? 0, position: input.position() };
    this.#buckets = waiting.map((count) => ({ elements: [], since: count > 0 ? since : undefined }));
  }

  async next(): Promise<readonly unknown[]> {
    if (this.#from !== undefined) await this.#restore(this.#from);
    this.#from = undefined;
    while (!this.#ended) {
      const full = await this.#fill();
      if (full !== undefined) return [full];
    }
    for (const bucket of this.#buckets) {
      if (bucket.elements.length === 0) continue;
      const batch = await this.#emptied(bucket, false);
      if (batch !== undefined) return [batch];
    }
    return [];
  }

  /** Reads no more than until a bucket is full; then its batch. */
  async #fill(): Promise<unknown> {
    const free = this.#buckets.map(({ elements }, i) => (this.#bounds[i]?.batchSize ?? 0) - elements.length);
    // Only needed where a bucket's first element comes.
    const since = this.#buckets.some(({ elements }) => elements.length === 0)
      ? { number: this.#read, position: this.#input.position() }
      : undefined;
    const elements = await this.#input.next(Math.min(...free));
    if (elements.length === 0) this.#ended = true;
    let full: Bucket<E> | undefined;
    for (const element of elements) {
      const index = this.#stage.bucketOf(element, this.#read++);
      const bucket = this.#buckets[index];
      if (bucket === undefined) continue;
      bucket.since ??= since;
      bucket.elements.push(element);
      // As many were read as the fullest bucket had room for: one at most is full, with the last of them.
      if (bucket.elements.length === this.#bounds[index]?.batchSize) full = bucket;
    }
    const turn = this.#pass.breather.tick();
    if (turn !== undefined) await turn;
    return full && this.#emptied(full, true);
  }

  #emptied(bucket: Bucket<E>, full: boolean): Promise<unknown> {
    const elements = bucket.elements.splice(0);
    bucket.since = undefined;
    return this.#stage.batch(elements, this.#read - elements.length, full, this.#pass);
  }

  async #restore({ at }: Position): Promise<void> {
    const [, , first = 0, ...waiting] = at;
    for (let number = first; number < this.#read; ) {
      const elements = await this.#input.next(Math.min(chunk, this.#read - number));
      if (elements.length === 0) throw shorter("bucketBySequenceLength");
      for (const element of elements) {
        const index = this.#stage.bucketOf(element, number++);
        const bucket = this.#buckets[index];
        bucket?.elements.push(element);
        if (bucket !== undefined && bucket.elements.length > (waiting[index] ?? 0)) bucket.elements.shift();
      }
      await this.#pass.breather.tick();
    }
  }

  position(): Position {
    if (this.#from !== undefined) return this.#from;
    const oldest = this.#buckets.reduce<Bucket<E>["since"]>(
      (least, { since }) =>
        since !== undefined && !(since.number >= (least?.number ?? Infinity)) ? since : least,
      undefined,
    ) ?? { number: this.#read, position: this.#input.position() };
    return {
      stage: "bucketBySequenceLength",
      at: [
        this.#read,
        Number(this.#ended),
        oldest.number,
        ...this.#buckets.map(({ elements }) => elements.length),
      ],
      inputs: [oldest.position],
    };
  }

  close(): Promise<void> {
    return this.#input.close();
  }
}
