import type { Dtype, TypedArray } from "../dtype.js";

export type { Dtype, TypedArray };

/** Where buffers live, with the codes that executors have for it: the order of the VM's base-pointer table. */
export const regionCode = {
  /** temporaries of one run; contents do not survive it */
  scratch: 0,
  /** parameters, optimizer slots, recurrent states, counters: outlives programs, shared by them */
  state: 1,
  /** what `prepare` computes from the state alone (packed weights); valid until the state changes */
  cache: 2,
  /** literal values, loaded with the program */
  constant: 3,
  /** the caller's arrays, one buffer region each */
  input: 4,
  output: 5,
} as const;

export type Region = keyof typeof regionCode;

/** So many bytes rounded up to a multiple of 64, where the next buffer of a region may begin. */
export const aligned = (bytes: number): number => Math.ceil(bytes / 64) * 64;

/** A buffer: `bytes` bytes at byte `offset` of region `region` (for input and output: of the `index`-th array). */
export interface BufferSlot {
  readonly region: Region;
  readonly index: number;
  readonly offset: number;
  readonly bytes: number;
}

/** One of a program's inputs or outputs: a contiguous array of `size` elements. */
export interface Port {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly size: number;
}

/** A range of words that runs as one call. */
export interface Entry {
  readonly begin: number;
  readonly end: number;
  /**
   * What the range writes of the state: `weights`, so that every cache prepared from them is stale; else `states`, which
   * no `prepare` reads (recurrent states, counters); else nothing.
   */
  readonly writes: "weights" | "states" | "nothing";
}

/**
 * What an executor runs: flat instructions (see kernels/abi.def) over a table of buffers. Immutable plain data; it
 * can be cloned to a worker as it is. Sizes and offsets are in bytes, offsets multiples of 64 within their region
 * (except views of the state).
 */
export interface Program {
  readonly name: string;
  readonly words: Int32Array;
  readonly buffers: readonly BufferSlot[];
  /** `prepare` fills the cache from the state; the others (`main`, or `gradients` and `update`) are run by callers. */
  readonly entries: Readonly<Record<string, Entry>>;
  readonly scratchBytes: number;
  readonly cacheBytes: number;
  /** Programs with the same key prepare the same from the same state. Undefined: nobody knows. */
  readonly cacheKey?: string | undefined;
  readonly stateBytes: number;
  readonly constants: Uint8Array;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
}
