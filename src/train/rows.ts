import { Breather } from "../breather.js";
import type { TypedArray } from "../dtype.js";
import { sizeOf, type Tensor } from "../tensor.js";

/** Elements copied between two looks at the clock, and what copying a row costs beyond them, in elements. */
const looked = 1 << 18;
const perRow = 64;

/**
 * The batches of one epoch over tensors with the same number of rows. Unshuffled batches are windows on the caller's
 * arrays; shuffled ones are gathered into two staging buffers used in turn, so that the arrays of batch i are valid
 * until batch i + 2 is asked for.
 */
export class RowBatches {
  readonly count: number;
  readonly #tensors: readonly Tensor[];
  readonly #staging: readonly (readonly TypedArray[])[];

  /** @param batchSize rows of a batch; the last may have fewer */
  constructor(
    tensors: readonly Tensor[],
    readonly rows: number,
    readonly batchSize: number,
    shuffled: boolean,
  ) {
    this.#tensors = tensors;
    this.count = Math.ceil(rows / batchSize);
    const largest = Math.min(rows, batchSize);
    const stage = () => tensors.map(({ data, shape }) => sameKind(data, largest * sizeOf(shape.slice(1))));
    this.#staging = shuffled ? [stage(), stage()] : [];
  }

  /** Rows of a batch. */
  size(batch: number): number {
    return Math.min(this.batchSize, this.rows - batch * this.batchSize);
  }

  /** @param row the row at each place of the epoch; needed when shuffled */
  async arrays(batch: number, row?: (place: number) => number): Promise<readonly TypedArray[]> {
    const first = batch * this.batchSize;
    const size = this.size(batch);
    const staging = this.#staging[batch % 2];
    if (row === undefined || staging === undefined)
      return this.#tensors.map((x) => x.rows(first, first + size).data);
    const breather = new Breather();
    const widths = this.#tensors.map(({ shape }) => sizeOf(shape.slice(1)));
    let copied = 0;
    for (let i = 0; i < size; i++) {
      const from = row(first + i);
      for (const [k, { data }] of this.#tensors.entries()) {
        const width = widths[k] ?? 0;
        staging[k]?.set(data.subarray(from * width, (from + 1) * width), i * width);
        copied += width + perRow;
      }
      if (copied > looked) {
        copied = 0;
        await breather.tick();
      }
    }
    return staging.map((data, k) => data.subarray(0, size * (widths[k] ?? 0)));
  }
}

function sameKind(data: TypedArray, length: number): TypedArray {
  if (data instanceof Float32Array) return new Float32Array(length);
  return data instanceof Int32Array ? new Int32Array(length) : new Uint8Array(length);
}
