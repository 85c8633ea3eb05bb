/** Element types of tensors. `bool` is one byte, 0 or 1. */
export type Dtype = "float32" | "int32" | "uint8" | "bool";

/** The arrays that tensors hold. */
export type TypedArray = Float32Array | Int32Array | Uint8Array;

/** The arrays that tensors are made from: those that they hold, and those whose values these can hold. */
export type NumericArray =
  | TypedArray
  | Uint8ClampedArray
  | Int8Array
  | Int16Array
  | Uint16Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | Float64Array
  | Float16;

/** A Float16Array, for platforms that have one. */
interface Float16 extends ArrayBufferView, Iterable<number> {
  readonly [Symbol.toStringTag]: "Float16Array";
  readonly length: number;
  readonly [index: number]: number;
}

/** The typed array that holds each dtype. */
export const arrayTypes = {
  float32: Float32Array,
  int32: Int32Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

export const bytesPerElement = { float32: 4, int32: 4, uint8: 1, bool: 1 } as const satisfies Record<
  Dtype,
  number
>;
