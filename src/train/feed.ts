import type { Json } from "../config/config.js";
import type { TypedArray } from "../dtype.js";
import type { Report } from "./report.js";
import { RowBatches } from "./rows.js";
import type { DataArray } from "./samples.js";

/**
 * Submits one batch in its turn; then `done` settles when `outputs` are filled. The arrays must stay as they are until then.
 */
export type SubmitBatch = (
  arrays: readonly TypedArray[],
  rows: number,
  outputs: readonly Float32Array[],
) => Promise<{ readonly done: Promise<void> }>;

/** Arrays and the program that takes them batch by batch. */
export interface Source {
  readonly arrays: readonly DataArray[];
  readonly rows: number;
  /** Makes ready for batches of so many rows. */
  plan(rows: number): Promise<void>;
  /** Of the outputs of so many rows, once they are planned. */
  shapes(rows: number): readonly (readonly number[])[];
  /** The figures of training and evaluation, once `plan` has run. */
  report(): Report;
  readonly submit: SubmitBatch;
}

/** Rows that are ready to run. */
export interface Batch {
  readonly rows: number;
  /** What a look at the data looks at: the arrays that it is, or is a part of. */
  readonly arrays: readonly DataArray[];
  /** Submits it in its turn; then `done` settles when `outputs` are filled. */
  submit(outputs: readonly Float32Array[]): Promise<{ readonly done: Promise<void> }>;
}

/** One way through the data. */
export interface Batches<B extends Batch = Batch> {
  /** The next batch, which is submitted before the one after it is asked for; undefined at the end. */
  next(): Promise<B | undefined>;
  /** Ends it, wherever it stands. */
  close(): Promise<void>;
}

/** Data as fit, evaluate and predict go through it. */
export interface Feed<B extends Batch = Batch> {
  /** What callbacks can look at before there is a batch. */
  readonly arrays: readonly DataArray[];
  /** Batches of one pass; undefined while it is not known. */
  readonly steps: number | undefined;
  /** Rows of one pass, where they are known. */
  readonly samples: number | undefined;
  /** Rows of a batch, where they are all the same but for the last. */
  readonly batchSize: number | undefined;
  /** Whether rows come in another order each pass; of arrays. */
  readonly shuffled?: boolean;
  /** The figures of training and evaluation. */
  report(): Report;
  /**
   * The batches of an epoch.
   *
   * @param given how many of them have been given before the position from which it resumes; default: the epoch begins
   */
  pass(epoch: number, given?: number): Batches<B>;
  /** Where it stands: what `resume` of a feed of the same data goes on from. */
  position(): Json;
  resume(position: Json): Promise<void>;
  /** Gives back what is open. */
  close(): Promise<void>;
}

/** In which order rows come. */
export interface RowOrder {
  /** The number of the pass that begins in an epoch. */
  passOf(epoch: number): number;
  /** The row at each place of a pass. */
  rows(pass: number): (place: number) => number;
}

/**
 * Batches of arrays.
 *
 * @param order left out: as they stand
 */
export function arrayFeed(source: Source, batchSize: number, order?: RowOrder): Feed {
  const { arrays, rows } = source;
  const tensors = arrays.map(({ tensor }) => tensor);
  const batches = new RowBatches(tensors, rows, batchSize, order !== undefined);
  let pass = 0;
  return {
    arrays,
    steps: batches.count,
    samples: rows,
    batchSize,
    shuffled: order !== undefined,
    report: () => source.report(),
    pass(epoch, given) {
      if (given === undefined && order) pass = order.passOf(epoch);
      const row = order?.rows(pass);
      let i = given ?? 0;
      return {
        async next() {
          if (i === batches.count) return undefined;
          const own = await batches.arrays(i, row);
          const size = batches.size(i++);
          return { rows: size, arrays, submit: (outputs) => source.submit(own, size, outputs) };
        },
        async close() {},
      };
    },
    position: () => pass,
    async resume(position) {
      pass = Number(position);
    },
    async close() {},
  };
}
