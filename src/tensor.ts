import type { Dtype, TypedArray } from "./dtype.js";
import { checkList, RondoError, unknownName, valueText } from "./errors.js";

/** The typed array that holds each dtype. */
export interface DtypeData extends Record<Dtype, TypedArray> {
  float32: Float32Array;
  int32: Int32Array;
  uint8: Uint8Array;
  bool: Uint8Array;
}

/** Numbers or booleans nested to any depth; the innermost lists may be typed arrays. */
export type NestedArray = number | boolean | TypedArray | readonly NestedArray[];

/** Everything that can be read as a tensor: a `Tensor`, nested lists, a typed array, or a typed array with its shape. */
export type TensorLike =
  | Tensor
  | NestedArray
  | { readonly data: TypedArray; readonly shape: readonly number[]; readonly dtype?: Dtype };

/** Nested lists as `Tensor.array()` returns them: a number (or boolean) for rank 0, else lists. */
export type NestedValues = number | boolean | NestedValues[];

export const arrayTypes = {
  float32: Float32Array,
  int32: Int32Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

/** Refuses what is no dtype. */
export function checkDtype(where: string, dtype: Dtype): void {
  if (!Object.hasOwn(arrayTypes, dtype)) {
    throw unknownName(where, "dtype", String(dtype), Object.keys(arrayTypes));
  }
}

/**
 * An array of numbers in the caller's memory: a shape and a typed array in row-major order. A plain value; nothing
 * needs to be freed. The data is shared with whoever made it, never copied.
 */
export class Tensor<D extends Dtype = Dtype> {
  readonly data: DtypeData[D];
  readonly shape: readonly number[];
  readonly dtype: D;

  /**
   * Wraps `data` without copying it.
   *
   * @throws RondoError when the shape is not made of whole numbers ≥ 0, its product is not the number of elements, or
   *   the kind of array does not hold `dtype`
   */
  constructor(data: DtypeData[D], shape: readonly number[], dtype: D) {
    checkShape("tensor", shape);
    checkDtype("tensor", dtype);
    if (!(data instanceof arrayTypes[dtype])) {
      throw new RondoError({
        where: "tensor",
        received: `${valueText(data)} as data for dtype ${dtype}`,
        expected: `${arrayTypes[dtype].name} data`,
        fix: `Convert it first: ${arrayTypes[dtype].name}.from(values)`,
      });
    }
    checkAttached("tensor", data);
    if (sizeOf(shape) !== data.length) {
      throw new RondoError({
        where: "tensor",
        received: `${data.length} elements for shape ${shapeText(shape)}`,
        expected: `${sizeOf(shape)} elements`,
        fix: "Make the product of the shape equal to the number of elements",
      });
    }
    this.data = data;
    this.shape = Object.freeze([...shape]);
    this.dtype = dtype;
  }

  /** Number of dimensions. */
  get rank(): number {
    return this.shape.length;
  }

  /** Number of elements. */
  get size(): number {
    return this.data.length;
  }

  /**
   * Rows `begin` (default 0) to `end` (exclusive, default all) of the first axis, sharing the memory. Negative positions
   * count from the end, as in `Array.prototype.slice`.
   *
   * @throws RondoError for a tensor of rank 0
   */
  rows(begin?: number, end?: number): Tensor<D> {
    const [count, ...rest] = this.shape;
    if (count === undefined) {
      throw new RondoError({
        where: "tensor.rows",
        received: "a tensor of rank 0",
        expected: "at least one axis",
        fix: "Reshape it to [1] first",
      });
    }
    const first = position(begin ?? 0, count);
    const last = Math.max(first, position(end ?? count, count));
    const width = sizeOf(rest);
    checkAttached("tensor.rows", this.data);
    return new Tensor(
      this.data.subarray(first * width, last * width) as DtypeData[D],
      [last - first, ...rest],
      this.dtype,
    );
  }

  /**
   * The same memory under another shape; one size may be -1 and is worked out.
   *
   * @throws RondoError when the number of elements differs
   */
  reshape(shape: readonly number[]): Tensor<D> {
    checkSizes("tensor.reshape", shape);
    const unknown = shape.indexOf(-1);
    if (unknown < 0) return new Tensor(this.data, shape, this.dtype);
    const known = sizeOf(shape.filter((_, axis) => axis !== unknown));
    const missing = known === 0 ? 0 : this.size / known;
    if (!Number.isInteger(missing)) {
      throw new RondoError({
        where: "tensor.reshape",
        received: `shape ${shapeText(shape)} for ${this.size} elements`,
        expected: `a number of elements divisible by ${known}`,
        fix: `Choose sizes whose product divides ${this.size}`,
      });
    }
    return new Tensor(this.data, shape.with(unknown, missing), this.dtype);
  }

  /** The values as nested lists; booleans for `bool`. */
  array(): NestedValues {
    checkAttached("tensor.array", this.data);
    const isBool = this.dtype === "bool";
    const nest = (offset: number, axis: number): NestedValues => {
      const count = this.shape[axis];
      if (count === undefined) {
        const value = this.data[offset] ?? 0;
        return isBool ? value !== 0 : value;
      }
      const width = sizeOf(this.shape.slice(axis + 1));
      return Array.from({ length: count }, (_, i) => nest(offset + i * width, axis + 1));
    };
    return nest(0, 0);
  }

  /**
   * One value, by its index on each axis: `prediction.get(0, 2)`.
   *
   * @throws RondoError when there is not one index for each axis, or one lies outside
   */
  get(...indices: readonly number[]): number {
    checkAttached("tensor.get", this.data);
    const inside = (index: number, axis: number) =>
      Number.isInteger(index) && index >= 0 && index < (this.shape[axis] ?? 0);
    if (indices.length !== this.rank || !indices.every(inside)) {
      throw new RondoError({
        where: "tensor.get",
        received: `the indices [${indices.map(String).join(", ")}]`,
        expected: `one for each axis of ${shapeText(this.shape)}, from 0`,
        fix: "Write for example tensor.get(0, 2) for row 0, column 2",
      });
    }
    const place = indices.reduce((offset, index, axis) => offset * (this.shape[axis] ?? 0) + index, 0);
    return this.data[place] ?? Number.NaN;
  }

  /** What `JSON.stringify` writes: the nested lists of `array`. `tensor` reads them back; NaN and Infinity become null. */
  toJSON(): NestedValues {
    return this.array();
  }

  /** Dtype, shape and values; a long axis of a large tensor (more than 1,000 elements) shows its first and last three. */
  toString(): string {
    return `Tensor ${this.dtype} ${shapeText(this.shape)}\n${print(this)}`;
  }

  /** What `console.log` shows in Node. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}

/**
 * Makes a tensor.
 *
 * @param values nested lists (copied; float32, or bool where the lists hold booleans), or a typed array (shared:
 *   Float32Array is float32, Int32Array int32, Uint8Array uint8), or a `Tensor`, or `{ data, shape }`
 * @param shape default: the shape of the nesting; `[length]` for a typed array
 * @param dtype default: as above. `bool` may be given for a Uint8Array of 0 and 1
 * @throws RondoError for ragged lists, values that do not fit the dtype, or a shape of another size
 */
export function tensor<D extends Dtype>(
  values: TensorLike,
  shape: readonly number[] | undefined,
  dtype: D,
): Tensor<D>;
export function tensor<D extends Dtype>(values: Tensor<D>, shape?: readonly number[]): Tensor<D>;
export function tensor(values: NestedNumbers | Float32Array, shape?: readonly number[]): Tensor<"float32">;
export function tensor(values: Int32Array, shape?: readonly number[]): Tensor<"int32">;
export function tensor(values: Uint8Array, shape?: readonly number[]): Tensor<"uint8">;
export function tensor(values: TensorLike, shape?: readonly number[], dtype?: Dtype): Tensor;
export function tensor(values: TensorLike, shape?: readonly number[], dtype?: Dtype): Tensor {
  return toTensor("tensor", values, shape, dtype);
}

type NestedNumbers = number | readonly NestedNumbers[];

/** `tensor()` for an argument of operation `where`, by which errors are named. */
export function toTensor(
  where: string,
  values: TensorLike,
  shape?: readonly number[],
  dtype?: Dtype,
): Tensor {
  if (dtype !== undefined) checkDtype(where, dtype);
  if (values instanceof Tensor && shape === undefined && (dtype === undefined || dtype === values.dtype)) {
    checkAttached(where, values.data);
    return values;
  }
  if (isTyped(where, values)) {
    return fromTyped(where, values, shape ?? [values.length], dtype);
  }
  if (typeof values === "object" && values !== null && "data" in values && "shape" in values) {
    return toTensor(where, values.data, shape ?? values.shape, dtype ?? values.dtype);
  }
  const nested = values as NestedArray;
  const nesting = nestingOf(where, nested);
  const target = dtype ?? (typeof firstLeaf(nested) === "boolean" ? "bool" : "float32");
  const data = new arrayTypes[target](sizeOf(nesting));
  fill(where, nested, nesting, 0, data, 0, target);
  return new Tensor(data, shape ?? nesting, target);
}

/** A tensor of zeros. */
export function zeros<D extends Dtype = "float32">(shape: readonly number[], dtype?: D): Tensor<D> {
  const target = (dtype ?? "float32") as D;
  checkShape("zeros", shape);
  checkDtype("zeros", target);
  return new Tensor(new arrayTypes[target](sizeOf(shape)) as DtypeData[D], shape, target);
}

/** A tensor of ones. */
export function ones<D extends Dtype = "float32">(shape: readonly number[], dtype?: D): Tensor<D> {
  const result = zeros(shape, dtype);
  result.data.fill(1);
  return result;
}

/** Number of elements of a shape: its product, 1 for the empty shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** A shape as people write it: `[2, 28, 28]`. */
export function shapeText(shape: readonly (number | null)[]): string {
  return `[${shape.map((size) => size ?? "null").join(", ")}]`;
}

function fromTyped(where: string, data: TypedArray, shape: readonly number[], dtype?: Dtype): Tensor {
  const natural = data instanceof Float32Array ? "float32" : data instanceof Int32Array ? "int32" : "uint8";
  if (dtype === "bool" && data instanceof Uint8Array) {
    const wrong = data.findIndex((value) => value > 1);
    if (wrong >= 0) throw misfit(where, data[wrong] ?? Number.NaN, "bool");
  }
  return new Tensor(data, shape, dtype ?? natural);
}

/** Refuses an array whose memory went to another thread: it reads as empty. */
function checkAttached(where: string, data: TypedArray): void {
  if (data.length > 0) return;
  try {
    new Uint8Array(data.buffer);
  } catch (cause) {
    throw new RondoError(
      {
        where,
        received: `${valueText(data)} whose memory was transferred away`,
        expected: "an array that still has its memory",
        fix: "Copy it before postMessage or structuredClone transfers it: values.slice()",
      },
      { cause },
    );
  }
}

function isTyped(where: string, values: unknown): values is TypedArray {
  if (!ArrayBuffer.isView(values)) return false;
  if (values instanceof Float32Array || values instanceof Int32Array || values instanceof Uint8Array) {
    checkAttached(where, values);
    return true;
  }
  throw new RondoError({
    where,
    received: valueText(values),
    expected: "a Float32Array, Int32Array or Uint8Array",
    fix: "Convert it first: Float32Array.from(values)",
  });
}

/** The shape of nested lists, read along their first elements; `fill` checks that the others agree. */
function nestingOf(where: string, values: NestedArray): number[] {
  const shape: number[] = [];
  let level: unknown = values;
  while (Array.isArray(level) || isTyped(where, level)) {
    shape.push(level.length);
    level = level[0];
  }
  const empty = shape.at(-1) === 0;
  if (!empty && typeof level !== "number" && typeof level !== "boolean") {
    throw new RondoError({
      where,
      received: Object(level) === level ? valueText(level) : `the value ${String(level)}`,
      expected: "numbers or booleans, nested lists of them, or typed arrays",
      fix: "Pass numbers",
    });
  }
  return shape;
}

function firstLeaf(values: unknown): unknown {
  let level = values;
  while (Array.isArray(level)) level = level[0];
  return level;
}

/** Copies nested values into `data` from `offset`; returns the offset after them. */
function fill(
  where: string,
  values: unknown,
  shape: readonly number[],
  axis: number,
  data: TypedArray,
  offset: number,
  dtype: Dtype,
): number {
  const count = shape[axis];
  if (count === undefined) {
    const value = typeof values === "boolean" ? Number(values) : values;
    if (typeof value !== "number") throw ragged(where, values, shape, axis);
    if (!fits(value, dtype)) throw misfit(where, value, dtype);
    data[offset] = value;
    return offset + 1;
  }
  if (!(Array.isArray(values) || isTyped(where, values)) || values.length !== count) {
    throw ragged(where, values, shape, axis);
  }
  let next = offset;
  for (const value of values) next = fill(where, value, shape, axis + 1, data, next, dtype);
  return next;
}

function ragged(where: string, values: unknown, shape: readonly number[], axis: number): RondoError {
  const isList = Array.isArray(values) || ArrayBuffer.isView(values);
  const received = isList
    ? `a list of ${(values as unknown as { length: number }).length}`
    : `the value ${typeof values === "bigint" ? `${values}n` : valueText(values)}`;
  const count = shape[axis];
  return new RondoError({
    where,
    received: `${received} at depth ${axis} of the nested lists`,
    expected: count === undefined ? "a number" : `a list of ${count}, as in the first row`,
    fix:
      isList || typeof values === "number"
        ? "Give all rows of an axis the same length (pad shorter sequences)"
        : "Convert every value to a number, for example with Number(value), and choose one for those that are missing",
  });
}

function fits(value: number, dtype: Dtype): boolean {
  if (dtype === "float32") return true;
  if (dtype === "int32") return (value | 0) === value;
  return Number.isInteger(value) && value >= 0 && value <= (dtype === "bool" ? 1 : 255);
}

function misfit(where: string, value: number, dtype: Dtype): RondoError {
  const expected = {
    float32: "a number",
    int32: "whole numbers from -2147483648 to 2147483647",
    uint8: "whole numbers from 0 to 255",
    bool: "false and true, or 0 and 1",
  }[dtype];
  return new RondoError({
    where,
    received: `the value ${value} for dtype ${dtype}`,
    expected,
    fix: `Round or scale the values, or choose dtype "float32"`,
  });
}

/** Refuses what is no list where a shape is needed. */
export function checkSizes(where: string, shape: unknown): void {
  checkList(where, shape, "a list of sizes", "Write the sizes as a list, for example [2, 3]", " for a shape");
}

function checkShape(where: string, shape: readonly number[]): void {
  checkSizes(where, shape);
  if (shape.every((size) => Number.isInteger(size) && size >= 0)) return;
  throw new RondoError({
    where,
    received: `shape ${shapeText(shape)}`,
    expected: "whole numbers of 0 or more",
    fix: "Give every axis its size",
  });
}

function position(index: number, count: number): number {
  const whole = Math.trunc(index);
  return whole < 0 ? Math.max(0, count + whole) : Math.min(whole, count);
}

const shownInFull = 1000;
const edge = 3;

function print({ data, shape, dtype }: Tensor): string {
  const shortened = data.length > shownInFull;
  const shown = (count: number): (number | "…")[] => {
    const all = Array.from({ length: count }, (_, i) => i);
    return shortened && count > 2 * edge ? [...all.slice(0, edge), "…", ...all.slice(-edge)] : all;
  };
  const visible: number[] = [];
  const visit = (offset: number, axis: number): void => {
    const count = shape[axis];
    if (count === undefined) visible.push(data[offset] ?? 0);
    else
      for (const i of shown(count))
        if (i !== "…") visit(offset + i * sizeOf(shape.slice(axis + 1)), axis + 1);
  };
  visit(0, 0);
  const format = formatter(visible, dtype);
  const width = Math.max(0, ...visible.map((value) => format(value).length));

  const lines = (offset: number, axis: number): string => {
    const count = shape[axis];
    if (count === undefined) return format(data[offset] ?? 0).padStart(shape.length === 0 ? 0 : width);
    const stride = sizeOf(shape.slice(axis + 1));
    const parts = shown(count).map((i) => (i === "…" ? "…" : lines(offset + i * stride, axis + 1)));
    const innermost = axis === shape.length - 1;
    const separator = innermost ? " " : "\n".repeat(shape.length - 1 - axis) + " ".repeat(axis + 1);
    return `[${parts.join(separator)}]`;
  };
  return lines(0, 0);
}

/** One notation for all values shown: whole numbers plain, else four decimals, or exponents where those would lose the value. */
function formatter(values: readonly number[], dtype: Dtype): (value: number) => string {
  if (dtype === "bool") return (value) => (value === 0 ? "false" : "true");
  const finite = values.filter(Number.isFinite);
  if (finite.every(Number.isInteger) && finite.every((value) => Math.abs(value) < 1e8)) return String;
  const sizes = finite.map(Math.abs).filter((value) => value > 0);
  const fixed = Math.max(...sizes) < 1e5 && Math.min(...sizes) >= 1e-4;
  return (value) =>
    Number.isFinite(value) ? (fixed ? value.toFixed(4) : value.toExponential(4)) : String(value);
}
