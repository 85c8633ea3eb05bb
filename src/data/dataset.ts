import type { Json } from "../config/config.js";
import { RondoError, valueText } from "../errors.js";
import type { ByteSource } from "../files/chunks.js";
import type { Tensor, TensorLike } from "../tensor.js";
import { CacheStage, PrefetchStage } from "./datasetAhead.js";
import {
  BatchStage,
  checkBatchOptions,
  type DatasetBatchOptions,
  type PaddedBatchOptions,
  padding,
  stacking,
} from "./datasetBatch.js";
import { BucketStage } from "./datasetBuckets.js";
import { checkFunction, FilterStage, type MapOptions, MapStage } from "./datasetEach.js";
import type { Batched } from "./datasetElement.js";
import { DatasetIterator, type ElementSource } from "./datasetIterator.js";
import { TextLines } from "./datasetLines.js";
import { ShuffleStage } from "./datasetShuffle.js";
import {
  type AnyIterable,
  type Generated,
  GeneratedStage,
  ListStage,
  SlicesStage,
} from "./datasetSources.js";
import { ConcatenateStage, RepeatStage, SkipStage, TakeStage, ZipStage } from "./datasetSpan.js";
import type { DatasetPosition, Stage } from "./datasetStage.js";

/** What `fromTensorSlices` takes: an array, or arrays by name. */
export type Slices = TensorLike | { readonly [name: string]: Slices | undefined };

/** A row of arrays [N, ..]: arrays [..] under the same names. */
export type Sliced<A> = A extends undefined
  ? undefined
  : A extends Tensor<infer D>
    ? Tensor<D>
    : A extends TensorLike
      ? Tensor
      : A extends object
        ? { readonly [K in keyof A]: Sliced<A[K]> }
        : never;

/** Elements of datasets side by side. */
export type Zipped<D> = { -readonly [K in keyof D]: D[K] extends Dataset<infer T> ? T : never };

/**
 * Elements that are made when they are asked for, pass after pass: a recipe for data, larger than memory or endless. Its
 * operations give new datasets, under tf.data's names, and change nothing.
 *
 * What `fit` and `evaluate` take has elements `{ x, y, sampleWeight }`, each a batch: x and y one array [batch, ..], or
 * arrays by the names of the model's inputs and outputs; `predict` needs x alone.
 *
 * ```ts
 * const train = Dataset.fromTextLines("train.tsv")
 *   .shuffle(10_000) // before map: lines wait in its buffer, not arrays
 *   .map((line) => ({ x: idsOf(line), y: labelOf(line) })) // x: Int32Array [T], y: a number
 *   .bucketBySequenceLength(({ x }) => x.length, [16, 32], [128, 64, 32], { lengthMultiple: 8 })
 *   .prefetch(2);
 * await model.fit(train, { epochs: 3 });
 * ```
 *
 * A pass holds what its operations buffer, and nothing else. Every order in it follows from its seed and its number: the
 * same ones give the same elements. Where it stands can be saved and restored: see `iterator`. Errors of functions and
 * generators come out of whoever asks for the element, with its number and with themselves as the cause.
 */
export class Dataset<T> implements ElementSource<T>, AsyncIterable<T> {
  readonly #stage: Stage<T>;

  private constructor(stage: Stage<T>) {
    this.#stage = stage;
  }

  // ---- Sources

  /**
   * An element for each row of arrays [N, ..], which must stay as they are. They are not copied: a row shares their memory.
   * Nested lists are read in the first pass. Restoring costs nothing.
   *
   * @param arrays one array, or arrays by name: `{ x, y }`, `{ x: { question, hints }, y }`
   * @throws RondoError where their numbers of rows differ
   */
  static fromTensorSlices<A extends Slices>(arrays: A): Dataset<Sliced<A>> {
    return new Dataset(new SlicesStage(arrays) as Stage<Sliced<A>>);
  }

  /**
   * The elements of a list, or of anything else that can be iterated, again in each pass. An iterator that can be gone
   * through only once gives one pass; a second one is an error. Restoring costs nothing for a list; else what came before
   * is asked for again and dropped.
   */
  static fromIterable<T>(elements: AnyIterable<T>): Dataset<T> {
    if (Array.isArray(elements)) return new Dataset(new ListStage(elements as readonly T[]));
    if (typeof elements !== "object" || elements === null) {
      throw new RondoError({
        where: "Dataset.fromIterable",
        received: valueText(elements),
        expected: "a list, or something else to iterate over",
        fix: "Give a function that makes an iterator to Dataset.fromGenerator",
      });
    }
    return new Dataset(new GeneratedStage<T>("fromIterable", () => elements));
  }

  /**
   * What a function's iterator gives, asynchronous or not, begun anew in each pass: a generator function, say.
   *
   * To restore a position, what came before is generated again and dropped, unless the iterator knows where it stands:
   * where it has a method `state()`, which gives JSON from which the rest follows, the function is given that, and begins
   * there.
   *
   * @param generate makes the iterator; `state`: where it is to go on, undefined at the beginning
   */
  static fromGenerator<T>(generate: (state?: Json) => Generated<T> | PromiseLike<Generated<T>>): Dataset<T> {
    checkFunction("Dataset.fromGenerator", generate, "the state to go on from, which gives an iterator");
    return new Dataset(new GeneratedStage("fromGenerator", generate));
  }

  /**
   * The lines of texts in UTF-8, one text after the other, without their ends (`\n`, `\r\n`). Files packed with gzip are
   * unpacked. Held at a time: what is read at once (a quarter of a MiB), and the longest line.
   *
   * Restoring reads and drops the bytes before, of that text alone.
   *
   * @param sources a path (Node), an address, bytes, a Blob or a stream, or several; a stream gives one pass
   * @throws RondoError, when it is read, where there is no such file, with the line where it is no UTF-8
   */
  static fromTextLines(sources: ByteSource | readonly ByteSource[]): Dataset<string> {
    const all = (Array.isArray(sources) ? sources : [sources]) as readonly ByteSource[];
    const stages = all.map((source) => {
      const once = source instanceof ReadableStream;
      return new GeneratedStage<string>("fromTextLines", (state) => new TextLines(source, state), { once });
    });
    const [only] = stages;
    return new Dataset(only !== undefined && stages.length === 1 ? only : new ConcatenateStage(stages));
  }

  /**
   * Elements of several datasets side by side, by name or as a list: `Dataset.zip({ x: inputs, y: labels })`. It ends with
   * the shortest. Restoring costs what it costs for each.
   */
  static zip<const D extends Readonly<Record<string, Dataset<unknown>>> | readonly Dataset<unknown>[]>(
    datasets: D,
  ): Dataset<Zipped<D>> {
    const stages = Array.isArray(datasets)
      ? datasets.map((dataset: Dataset<unknown>) => Dataset.#stageOf("Dataset.zip", dataset))
      : Object.fromEntries(
          Object.entries(datasets).map(([name, dataset]) => [name, Dataset.#stageOf("Dataset.zip", dataset)]),
        );
    return new Dataset(new ZipStage(stages) as Stage<unknown> as Stage<Zipped<D>>);
  }

  // ---- Passes

  /** Elements of one pass, as far as is known without one: Infinity where there is no end, else undefined. */
  get size(): number | undefined {
    return this.#stage.size;
  }

  /**
   * A pass, from its beginning or from where another one stood.
   *
   * ```ts
   * const pass = dataset.iterator({ seed: 7, epoch: 2 });
   * await pass.next();
   * const position = JSON.stringify(pass.state());
   * // later, in another process
   * for await (const element of dataset.iterator(JSON.parse(position))) …
   * ```
   *
   * @param start `seed` (default: a random one) and `epoch` (default 0), on which orders hang; or a position that `state()`
   *   of an iterator gave
   * @throws RondoError for a position of a dataset of other operations
   */
  iterator(start: Partial<DatasetPosition> = {}): DatasetIterator<T> {
    return new DatasetIterator(this.#stage, start);
  }

  /** A pass with a random order, for `for await`. */
  [Symbol.asyncIterator](): DatasetIterator<T> {
    return this.iterator();
  }

  /** All elements of one pass. */
  async toArray(start: Partial<DatasetPosition> = {}): Promise<T[]> {
    if (this.size === Number.POSITIVE_INFINITY) {
      throw new RondoError({
        where: "dataset.toArray",
        received: "a dataset without an end",
        expected: "one that ends",
        fix: "Take some of it: dataset.take(100).toArray()",
      });
    }
    const elements: T[] = [];
    for await (const element of this.iterator(start)) elements.push(element);
    return elements;
  }

  // ---- Operations on elements

  /**
   * What a function makes of each element. Restoring costs what it costs for the input.
   *
   * @param make may be asynchronous: then one call ends before the next begins, or `numParallelCalls` are under way
   */
  map<U>(make: (element: T) => U | PromiseLike<U>, options: MapOptions = {}): Dataset<U> {
    return new Dataset(new MapStage(this.#stage, make, options));
  }

  /** The elements that a function, which may be asynchronous, says yes to. Restoring costs what it costs for the input. */
  filter<S extends T>(keeps: (element: T) => element is S): Dataset<S>;
  filter(keeps: (element: T) => boolean | PromiseLike<boolean>): Dataset<T>;
  filter(keeps: (element: T) => boolean | PromiseLike<boolean>): Dataset<T> {
    return new Dataset(new FilterStage(this.#stage, keeps));
  }

  /**
   * Another order in every pass, a function of the seed and of the pass's number: each element is drawn from a buffer that
   * is filled up before. Shuffle before batching, so that elements change places and not batches.
   *
   * Restoring reads about k·(1 + ln k) elements of the input again for a buffer of k, wherever the pass stands.
   *
   * @param bufferSize elements that are held; an order of all elements needs as many as there are
   * @param seed a whole number; default: follows from the pass's seed, which within `fit` is the model's
   */
  shuffle(bufferSize: number, seed?: number): Dataset<T> {
    return new Dataset(new ShuffleStage(this.#stage, bufferSize, seed));
  }

  /**
   * Elements that stay in memory from the first pass on, in the order of that pass, whatever passes follow: what is drawn
   * below is drawn once. Restoring makes the elements that came before again, where they are not in memory.
   */
  cache(): Dataset<T> {
    return new Dataset(new CacheStage(this.#stage));
  }

  /**
   * Elements that are made while those before are used: after `batch`, batches. The order stays. Restoring costs what it
   * costs for the input: what was made and not given is made again.
   *
   * @param bufferSize how many are made ahead
   */
  prefetch(bufferSize: number): Dataset<T> {
    return new Dataset(new PrefetchStage(this.#stage, bufferSize));
  }

  // ---- Which elements

  /** The first `count` elements. */
  take(count: number): Dataset<T> {
    return new Dataset(new TakeStage(this.#stage, count));
  }

  /** The elements after the first `count`, which are read and dropped in every pass. */
  skip(count: number): Dataset<T> {
    return new Dataset(new SkipStage(this.#stage, count));
  }

  /**
   * Several passes as one; shuffled below, each has another order.
   *
   * @param count default: without end
   */
  repeat(count?: number): Dataset<T> {
    return new Dataset(new RepeatStage(this.#stage, count));
  }

  /** These elements, then those of another dataset. Restoring costs what it costs for the one that is at its turn. */
  concatenate<U>(other: Dataset<U>): Dataset<T | U> {
    const inputs: readonly Stage<T | U>[] = [this.#stage, Dataset.#stageOf("dataset.concatenate", other)];
    return new Dataset(new ConcatenateStage(inputs));
  }

  // ---- Batches

  /**
   * Batches of elements with arrays of the same shapes: numbers become [batch], arrays [..] become [batch, ..], under the
   * same names and of the same dtype; lists and numbers float32. Restoring costs what it costs for the input.
   *
   * @param batchSize elements of a batch; the last one may have fewer
   * @throws RondoError, when it is read, with the number of an element whose names, shape or dtype differ from the others'
   */
  batch(batchSize: number, options: DatasetBatchOptions = {}): Dataset<Batched<T>> {
    checkBatchOptions("dataset.batch", options);
    const stage = new BatchStage("batch", this.#stage, batchSize, stacking, options);
    return new Dataset(stage as Stage<unknown> as Stage<Batched<T>>);
  }

  /**
   * Batches of elements with arrays of different sizes, [T, ..] say, filled up at their ends to the longest of the batch.
   * Let the model mask what is filled up: a Masking layer with `maskValue` equal to the padding value, or `maskZero` of an
   * Embedding.
   *
   * @param batchSize elements of a batch; the last one may have fewer
   * @throws RondoError, when it is read, with the number of an element that does not fit
   */
  paddedBatch(batchSize: number, options: PaddedBatchOptions<T> = {}): Dataset<Batched<T>> {
    const batching = padding("dataset.paddedBatch", options as PaddedBatchOptions);
    const stage = new BatchStage("paddedBatch", this.#stage, batchSize, batching, options);
    return new Dataset(stage as Stage<unknown> as Stage<Batched<T>>);
  }

  /**
   * Padded batches of elements of similar lengths, so that little is padding. What is left in the buckets at the end comes
   * in smaller batches.
   *
   * Restoring reads the input again from before the oldest element that waits: as far back as the rarest lengths wait, at
   * most the pass so far.
   *
   * @param elementLength the length of an element, in time steps
   * @param bucketBoundaries rising lengths: bucket i takes those from boundary i − 1 to below boundary i
   * @param bucketBatchSizes elements of a batch of each bucket, one more than boundaries; or one number for all
   */
  bucketBySequenceLength(
    elementLength: (element: T) => number,
    bucketBoundaries: readonly number[],
    bucketBatchSizes: number | readonly number[],
    options: PaddedBatchOptions<T> = {},
  ): Dataset<Batched<T>> {
    const stage = new BucketStage(
      this.#stage,
      elementLength,
      bucketBoundaries,
      bucketBatchSizes,
      options as PaddedBatchOptions,
    );
    return new Dataset(stage as Stage<unknown> as Stage<Batched<T>>);
  }

  static #stageOf<T>(where: string, dataset: Dataset<T>): Stage<T> {
    if (dataset instanceof Dataset) return dataset.#stage;
    throw new RondoError({
      where,
      received: valueText(dataset),
      expected: "a Dataset",
      fix: "Make one with Dataset.fromIterable, or another of its sources",
    });
  }
}
