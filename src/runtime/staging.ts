import type { TypedArray } from "../dtype.js";
import { type Heap, roundUp } from "./heap.js";

/** Bytes at an address of a linear memory. */
export type Span = readonly [address: number, bytes: number];

/** What one run needs beside what is allocated: memory that is free when it is submitted, up to `end`. */
export interface Staged {
  readonly scratch: number;
  /** Of the inputs, then of the outputs. */
  readonly places: readonly Span[];
  readonly end: number;
}

/** Lays a run's scratch and its arrays one after the other, where the heap is vacant. */
export function stage(heap: Heap, scratchBytes: number, arrays: readonly TypedArray[]): Staged {
  const bytes = arrays.reduce((sum, array) => sum + roundUp(array.byteLength), roundUp(scratchBytes));
  const start = heap.vacant(bytes);
  let end = start + roundUp(scratchBytes);
  const places = arrays.map((array) => {
    const place = [end, array.byteLength] as const;
    end += roundUp(array.byteLength);
    return place;
  });
  return { scratch: start, places, end };
}

/** An array's bytes, in place. */
export function bytesOf(array: TypedArray | undefined): Uint8Array {
  if (array === undefined) return new Uint8Array();
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
