import { bytesPerElement, type Dtype } from "../dtype.js";
import type { Strided } from "../graph/ir.js";
import type { Encoder, Pointer } from "./encode.js";
import type { Region } from "./program.js";

/** A buffer before it has an address. */
export interface Buffer {
  /** What it takes to hold its value, until a chain makes do with fewer rows of it. */
  bytes: number;
  /** Where it lives; scratch and cache buffers get their offset from the memory planner. */
  region: Region;
  readonly index: number;
  /** Byte offset, where it is fixed from the start (state, constants, ports). */
  readonly offset: number;
  /** Part of another buffer, at a byte offset in it. */
  alias: { readonly of: Buffer; readonly offset: number } | undefined;
  /** The loop it was made in: outside of it, it lives through all passes. */
  readonly scope: Loop | undefined;
}

/** A loop under construction: its parts move after every pass. */
export interface Loop {
  readonly parent: Loop | undefined;
}

/** What a value is once it is computed: a strided window on a buffer, in elements. */
export interface View extends Strided {
  readonly buffer: Buffer;
  readonly dtype: Dtype;
}

/** One instruction before buffers have addresses. */
export interface Operation {
  /** For printing and checks. */
  readonly name: string;
  readonly reads: readonly Buffer[];
  readonly writes: readonly Buffer[];
  /** Outputs that may take the place of an input which is read for the last time here. */
  readonly inPlace?: readonly { readonly output: Buffer; readonly input: Buffer }[];
  readonly loop?: {
    readonly loop: Loop;
    readonly count: number;
    readonly body: readonly Operation[];
    readonly advances: readonly { readonly buffer: Buffer; readonly bytes: number }[];
  };
  /** What it reads and writes row by row, where it treats the rows of all else it reads as one: see `chained`. */
  readonly rows?: { readonly from: View; readonly to: View } | undefined;
  emit(encoder: Encoder, index: IndexOf): void;
}

/** The place of a buffer in the program's table. */
export type IndexOf = (buffer: Buffer) => number;

export const sameNumbers = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((d, i) => d === b[i]);

export const elements = (shape: readonly number[]): number => shape.reduce((p, d) => p * d, 1);

/** Row-major strides. */
export function contiguousStrides(shape: readonly number[]): number[] {
  const strides = shape.map(() => 1);
  for (let i = shape.length - 2; i >= 0; i--) strides[i] = (strides[i + 1] ?? 1) * (shape[i + 1] ?? 1);
  return strides;
}

export function isContiguous({ shape, strides }: Strided): boolean {
  let want = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    const d = shape[i] ?? 1;
    if (d !== 1 && strides[i] !== want) return elements(shape) === 0;
    want *= d;
  }
  return true;
}

/** The whole of a buffer as a row-major array. */
export const whole = (buffer: Buffer, dtype: Dtype, shape: readonly number[]): View => ({
  buffer,
  dtype,
  offset: 0,
  shape,
  strides: contiguousStrides(shape),
});

export const byteSize = (dtype: Dtype, shape: readonly number[]): number =>
  elements(shape) * bytesPerElement[dtype];

/** What an operand of an instruction stands for: the first element of a view, or the start of a buffer. */
export type Operand = View | Buffer | undefined;

export const bufferOf = (operand: View | Buffer): Buffer => ("buffer" in operand ? operand.buffer : operand);

/** An operand as an instruction names it; absent where there is none. */
export const pointer = (operand: Operand, index: IndexOf): Pointer =>
  operand === undefined
    ? null
    : { buffer: index(bufferOf(operand)), offset: "buffer" in operand ? operand.offset : 0 };
