import type { TypedArray } from "../dtype.js";
import { checkCount, checkList, checkOptions, namesOf, RondoError } from "../errors.js";
import { Tensor, type TensorLike, toTensor } from "../tensor.js";
import { permutation } from "./shuffle.js";

export interface BatchesOptions {
  /** Samples of one batch. */
  readonly batchSize: number;
  /** The order of every pass is a function of it; left out: the samples come in their own order. */
  readonly seed?: number;
  /** How often to go over the samples; left out: without end. */
  readonly passes?: number;
}

/**
 * Full batches, pass after pass over the samples, a new order for each when a seed is given. What is left at the end of
 * a pass is joined by the beginning of the next; what is left after the last of `passes` is the last, smaller batch.
 * Without `passes` there is no end: take as many as you need with `next()`, or leave the loop with `break`.
 *
 * @param data what is cut into batches, inputs and targets, say: tensors, or nested lists, with the same number of rows
 * @throws RondoError when there are no rows, their numbers differ, or an option is not a whole number
 */
export function batches<T extends readonly TensorLike[]>(
  data: T,
  options: BatchesOptions,
): Generator<{ [K in keyof T]: Tensor }> {
  checkOptions("batches", options, optionNames);
  const { batchSize, seed, passes = Number.POSITIVE_INFINITY } = options;
  checkList(
    "batches",
    data,
    "a list of tensors",
    "Write batches([x, y], …), also for one tensor: batches([x], …)",
  );
  const tensors = data.map((values: TensorLike) => toTensor("batches", values));
  const rows = tensors[0]?.shape[0] ?? 0;
  if (rows === 0 || tensors.some((t) => t.shape[0] !== rows)) {
    throw new RondoError({
      where: "batches",
      received: `tensors with ${tensors.map((t) => t.shape[0] ?? 0).join(", ")} rows`,
      expected: "the same number of rows in each, at least one",
      fix: "Pass inputs and targets of the same samples",
    });
  }
  checkCount("batches", "batchSize", batchSize, 1);
  if (seed !== undefined) checkCount("batches", "seed", seed, Number.MIN_SAFE_INTEGER);
  if (passes !== Number.POSITIVE_INFINITY) checkCount("batches", "passes", passes, 1);
  return cut(tensors, rows, batchSize, passes * rows, seed) as Generator<{ [K in keyof T]: Tensor }>;
}

const optionNames = namesOf<BatchesOptions>({ batchSize: true, seed: true, passes: true });

function* cut(
  tensors: readonly Tensor[],
  rows: number,
  batchSize: number,
  count: number,
  seed: number | undefined,
): Generator<Tensor[]> {
  for (let next = 0, pass = -1, row = (place: number) => place; next < count; ) {
    const picked = Int32Array.from({ length: Math.min(batchSize, count - next) }, () => {
      if (Math.floor(next / rows) !== pass) {
        pass = Math.floor(next / rows);
        row = seed === undefined ? (place) => place : permutation(seed, pass, rows);
      }
      return row(next++ % rows);
    });
    yield tensors.map((t) => gather(t, picked));
  }
}

function gather(tensor: Tensor, rows: Int32Array): Tensor {
  const width = tensor.data.length / (tensor.shape[0] ?? 1);
  const data = new (tensor.data.constructor as new (length: number) => TypedArray)(rows.length * width);
  rows.forEach((row, i) => {
    data.set(tensor.data.subarray(row * width, (row + 1) * width), i * width);
  });
  return new Tensor(data, [rows.length, ...tensor.shape.slice(1)], tensor.dtype);
}
