import type { TypedArray } from "../dtype.js";
import { roundUp } from "./heap.js";

/** Bytes at an address of a linear memory. */
export type Place = readonly [address: number, bytes: number];

/** Bytes that arrays take when they are staged one after the other. */
export function stagingBytes(arrays: readonly TypedArray[]): number {
  return arrays.reduce((sum, array) => sum + roundUp(array.byteLength), 0);
}

/** Where they lie then. */
export function placesOf(arrays: readonly TypedArray[], start: number): Place[] {
  let address = start;
  return arrays.map((array) => {
    const place = [address, array.byteLength] as const;
    address += roundUp(array.byteLength);
    return place;
  });
}

/** An array's bytes, in place. */
export function bytesOf(array: TypedArray | undefined): Uint8Array {
  if (array === undefined) return new Uint8Array();
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
