import { readOptions } from "../config/config.js";
import { integer, optionalInteger, size, whole } from "../config/fields.js";
import { arrayTypes } from "../dtype.js";
import { RondoError } from "../errors.js";
import { sizeOf, Tensor, type TensorLike, toTensor } from "../tensor.js";

/** Which windows over a series there are. */
export interface WindowOptions {
  /** Steps of one window. */
  readonly sequenceLength: number;
  /** Steps from the beginning of a window to that of the next. Default: 1. */
  readonly sequenceStride?: number;
  /** Steps of the series from one step of a window to the next. Default: 1. */
  readonly samplingRate?: number;
  /** The first step that is used. Default: 0. */
  readonly startIndex?: number;
  /** The step after the last one that is used. Default: all are used. */
  readonly endIndex?: number | null;
}

const windowFields = {
  sequenceLength: size,
  sequenceStride: whole(1),
  samplingRate: whole(1),
  startIndex: integer(0),
  endIndex: optionalInteger,
};

/** A window and its target. */
export interface Window {
  /** `[L, ..]`, L steps of the series. */
  readonly x: Tensor;
  /** What belongs to the window, [..]; left out where no targets were given. */
  readonly y?: Tensor;
}

const where = "windows";

/**
 * Windows over a series, Keras's `timeseries_dataset_from_array`: window i has the steps s, s + r, … s + (L - 1) r from
 * s = startIndex + i · sequenceStride on, with L = sequenceLength and r = samplingRate, and the target of step s.
 *
 * To predict the step after a window, shift the series by its length: `windows(series, targets.rows(length), …)`.
 *
 * @param data [T, ..], a step in each row
 * @param targets [.., ..], the target of the window that begins in the same row; null: none. Where there are fewer than
 *   windows, the windows without one are left out
 * @throws RondoError where the series is too short for one window, and for options that do not fit
 */
export function windows(
  data: TensorLike,
  targets: TensorLike,
  options: WindowOptions,
): Windows<Required<Window>>;
/** Windows with or without targets, as it comes. */
export function windows(data: TensorLike, targets: TensorLike | null, options: WindowOptions): Windows;
export function windows(data: TensorLike, targets: TensorLike | null, options: WindowOptions): Windows {
  const { sequenceLength, sequenceStride, samplingRate, startIndex, endIndex } = readOptions(
    windowFields,
    options,
    where,
  );
  const series = rowsOf(data, "data");
  const answers = targets === null ? undefined : rowsOf(targets, "targets");
  const [steps = 0] = series.shape;
  const end = endIndex ?? steps;
  if (startIndex < 0 || end > steps || startIndex >= end) {
    throw new RondoError({
      where,
      received: `startIndex: ${startIndex}, endIndex: ${endIndex} for ${steps} steps`,
      expected: "0 ≤ startIndex < endIndex ≤ the number of steps",
      fix: "Choose a part of the series",
    });
  }
  const span = (sequenceLength - 1) * samplingRate + 1;
  const begins = Math.min(
    end - startIndex - span + 1,
    (answers?.shape[0] ?? Number.POSITIVE_INFINITY) - startIndex,
  );
  if (begins >= 1) {
    const count = Math.ceil(begins / sequenceStride);
    return new Windows(series, answers, { count, startIndex, sequenceLength, sequenceStride, samplingRate });
  }
  throw new RondoError({
    where,
    received: `${end - startIndex} steps${answers === undefined ? "" : ` and ${Math.max(0, (answers.shape[0] ?? 0) - startIndex)} targets`}`,
    expected: `at least ${span} steps for one window${answers === undefined ? "" : ", and a target"}`,
    fix: "Choose a shorter sequenceLength or a smaller samplingRate, or give more of the series",
  });
}

/** Where windows lie in a series. */
interface Layout {
  readonly count: number;
  readonly startIndex: number;
  readonly sequenceLength: number;
  readonly sequenceStride: number;
  readonly samplingRate: number;
}

/**
 * Windows over a series, made when they are asked for. One after the other they can be iterated over, as often as you like.
 * `W` says whether they have targets.
 */
export class Windows<W extends Window = Window> implements Iterable<W> {
  /** Number of windows, N. */
  readonly count: number;
  readonly #series: Tensor;
  readonly #targets: Tensor | undefined;
  readonly #layout: Layout;

  /** @internal */
  constructor(series: Tensor, targets: Tensor | undefined, layout: Layout) {
    this.count = layout.count;
    this.#series = series;
    this.#targets = targets;
    this.#layout = layout;
  }

  /**
   * A window and its target. They share the memory of the series and the targets where their steps lie side by side.
   *
   * @throws RondoError for a number that no window has
   */
  get(i: number): W {
    if (!Number.isInteger(i) || i < 0 || i >= this.count) {
      throw new RondoError({
        where: "windows.get",
        received: `window ${i}`,
        expected: `0 to ${this.count - 1}`,
        fix: "Ask for one of them",
      });
    }
    const begin = this.#begin(i);
    const { sequenceLength, samplingRate } = this.#layout;
    const x =
      samplingRate === 1
        ? this.#series.rows(begin, begin + sequenceLength)
        : this.#gathered(i, i + 1).reshape([sequenceLength, ...this.#series.shape.slice(1)]);
    if (this.#targets === undefined) return { x } as W;
    return { x, y: this.#targets.rows(begin, begin + 1).reshape(this.#targets.shape.slice(1)) } as W;
  }

  /** One window after the other. */
  *[Symbol.iterator](): Generator<W> {
    for (let i = 0; i < this.count; i++) yield this.get(i);
  }

  /** All windows, [N, L, ..], and their targets, [N, ..]. */
  arrays(): W {
    const x = this.#gathered(0, this.count);
    const targets = this.#targets;
    if (targets === undefined) return { x } as W;
    const begins = Array.from({ length: this.count }, (_, i) => this.#begin(i));
    return { x, y: gather(targets, begins, [this.count]) } as W;
  }

  #begin(i: number): number {
    return this.#layout.startIndex + i * this.#layout.sequenceStride;
  }

  #gathered(first: number, end: number): Tensor {
    const { sequenceLength, samplingRate } = this.#layout;
    const rows = new Int32Array((end - first) * sequenceLength);
    for (let i = first, at = 0; i < end; i++)
      for (let step = 0; step < sequenceLength; step++) rows[at++] = this.#begin(i) + step * samplingRate;
    return gather(this.#series, rows, [end - first, sequenceLength]);
  }
}

/** Rows of a tensor, under further axes in the place of the first one. */
function gather(tensor: Tensor, rows: ArrayLike<number>, axes: readonly number[]): Tensor {
  const sizes = tensor.shape.slice(1);
  const width = sizeOf(sizes);
  const data = new arrayTypes[tensor.dtype](rows.length * width);
  for (let i = 0; i < rows.length; i++) {
    const begin = (rows[i] ?? 0) * width;
    data.set(tensor.data.subarray(begin, begin + width), i * width);
  }
  return new Tensor(data, [...axes, ...sizes], tensor.dtype);
}

function rowsOf(values: TensorLike, name: string): Tensor {
  const read = toTensor(`${where}: ${name}`, values);
  if (read.rank > 0) return read;
  throw new RondoError({
    where,
    received: `the number ${read.data[0]} for ${name}`,
    expected: "one row for each step",
    fix: "Give a list [T], or an array [T, ..]",
  });
}
