/** Element types that numbers have in a file. `bool` is one byte, 0 or 1. */
export type FileDtype = keyof FileData;

/** The typed array that holds each element type. */
export interface FileData {
  float32: Float32Array;
  int8: Int8Array;
  int16: Int16Array;
  int32: Int32Array;
  int64: BigInt64Array;
  uint8: Uint8Array;
  uint16: Uint16Array;
  uint32: Uint32Array;
  uint64: BigUint64Array;
  bool: Uint8Array;
}

/** Numbers in a file: row-major, `shape` outermost size first, `[]` for a single number. A `Tensor` is one. */
export interface FileArray {
  readonly dtype: FileDtype;
  readonly shape: readonly number[];
  readonly data: FileData[FileDtype];
}

/** The typed array of each element type. */
export const fileArrayTypes = {
  float32: Float32Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
} as const satisfies { readonly [D in FileDtype]: unknown };
