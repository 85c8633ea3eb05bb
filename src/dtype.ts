/** Element types of tensors. `bool` is one byte, 0 or 1. */
export type Dtype = "float32" | "int32" | "uint8" | "bool";

export type TypedArray = Float32Array | Int32Array | Uint8Array;

export const bytesPerElement = { float32: 4, int32: 4, uint8: 1, bool: 1 } as const satisfies Record<
  Dtype,
  number
>;
