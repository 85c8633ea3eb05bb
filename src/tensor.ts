import { arrayTypes, type Dtype, type NumericArray, type TypedArray } from "./dtype.js";
import { checkList, RondoError, unknownName, valueText } from "./errors.js";
import { checkAttached, isTyped, reading, viewOf } from "./values.js";

/** The typed array that holds each dtype. */
export interface DtypeData extends Record<Dtype, TypedArray> {
  float32: Float32Array;
  int32: Int32Array;
  uint8: Uint8Array;
  bool: Uint8Array;
}

/** Numbers or booleans nested to any depth; the innermost lists may be typed arrays. */
export type NestedArray = number | boolean | NumericArray | readonly NestedArray[];

/** Everything that can be read as a tensor: a `Tensor`, nested lists, a typed array, or a typed array with its shape. */
export type TensorLike =
  | Tensor
  | NestedArray
  | { readonly data: NumericArray; readonly shape: readonly number[]; readonly dtype?: Dtype };

/** Nested lists as `Tensor.array()` returns them: a number (or boolean) for rank 0, else lists. */
export type NestedValues = number | boolean | NestedValues[];

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
   * Wraps `data` without copying it. (`tensor` converts other kinds of arrays.)
   *
   * @throws RondoError when the shape is not made of whole numbers ≥ 0, its product is not the number of elements, or
   *   the kind of array does not hold `dtype`
   */
  constructor(data: DtypeData[D], shape: readonly number[], dtype: D) {
    checkShape("tensor", shape);
    checkDtype("tensor", dtype);
    const view = isTyped("tensor", data) ? viewOf(data, dtype) : undefined;
    if (view === undefined) {
      throw new RondoError({
        where: "tensor",
        received: `${valueText(data)} as data for dtype ${dtype}`,
        expected: `${arrayTypes[dtype].name} data`,
        fix: `Convert it: tensor(values, shape, "${dtype}")`,
      });
    }
    if (sizeOf(shape) !== data.length) {
      throw new RondoError({
        where: "tensor",
        received: `${data.length} elements for shape ${shapeText(shape)}`,
        expected: `${sizeOf(shape)} elements`,
        fix: "Make the product of the shape equal to the number of elements",
      });
    }
    this.data = view as DtypeData[D];
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
    const { data, shape } = this;
    const valueAt: (offset: number) => number | boolean =
      this.dtype === "bool" ? (offset) => data[offset] !== 0 : (offset) => data[offset] ?? 0;
    const widths = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
    const nest = (offset: number, axis: number): NestedValues => {
      const width = widths[axis];
      if (width === undefined) return valueAt(offset);
      const list: NestedValues[] = [];
      for (let i = 0, place = offset; i < (shape[axis] ?? 0); i++, place += width)
        list.push(nest(place, axis + 1));
      return list;
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

  /**
   * Dtype, shape and values. A tensor of more than 1,000 elements shows the first and last three of each long axis, or
   * fewer where it has many axes.
   */
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
 * Lists are copied. A typed array is shared where it holds the tensor's dtype: Float32Array is float32, Int32Array int32,
 * Uint8Array (Buffer, Uint8ClampedArray) uint8. Others are converted: Float64Array and Float16Array to float32, the
 * remaining integers to int32. Numbers become the nearest float32 (whole ones are exact up to 2^24); NaN and ±Infinity
 * stay.
 *
 * @param values nested lists (float32, or bool where they begin with a boolean), a typed array, a `Tensor`, or
 *   `{ data, shape }`
 * @param shape default: the shape of the nesting; `[length]` for a typed array
 * @param dtype default: as above. Values are converted to another where all of them fit
 * @throws RondoError, with the position of the first, for ragged lists, for what is no number, and for values that the
 *   dtype does not hold: finite ones beyond ±3.4e38 for float32, fractions and those out of range for the others; for a
 *   shape of another size
 */
export function tensor<D extends Dtype>(
  values: TensorLike,
  shape: readonly number[] | undefined,
  dtype: D,
): Tensor<D>;
export function tensor<D extends Dtype>(values: Tensor<D>, shape?: readonly number[]): Tensor<D>;
export function tensor(
  values: NestedNumbers | Float32Array | Float64Array,
  shape?: readonly number[],
): Tensor<"float32">;
export function tensor(values: Uint8Array | Uint8ClampedArray, shape?: readonly number[]): Tensor<"uint8">;
export function tensor(values: IntegerArray, shape?: readonly number[]): Tensor<"int32">;
export function tensor(values: TensorLike, shape?: readonly number[], dtype?: Dtype): Tensor;
export function tensor(values: TensorLike, shape?: readonly number[], dtype?: Dtype): Tensor {
  return toTensor("tensor", values, shape, dtype);
}

type NestedNumbers = number | readonly NestedNumbers[];
type IntegerArray =
  | Int32Array
  | Int8Array
  | Int16Array
  | Uint16Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/** `tensor()` for an argument of operation `where`, by which errors are named. */
export function toTensor(
  where: string,
  values: TensorLike,
  shape?: readonly number[],
  dtype?: Dtype,
): Tensor {
  const steps = readingTensor(where, values, shape, dtype);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** `toTensor` with pauses, a few tens of thousands of numbers apart. Lists must stay as they are until it is done. */
export function* readingTensor(
  where: string,
  values: TensorLike,
  shape?: readonly number[],
  dtype?: Dtype,
): Generator<void, Tensor> {
  if (dtype !== undefined) checkDtype(where, dtype);
  if (values instanceof Tensor && shape === undefined && (dtype === undefined || dtype === values.dtype)) {
    checkAttached(where, values.data);
    return values;
  }
  // Tensors of rondo/browser, which brings its own class, are tensors too.
  if (typeof values === "object" && values !== null && "data" in values && "shape" in values) {
    return yield* readingTensor(where, values.data, shape ?? values.shape, dtype ?? values.dtype);
  }
  const read = yield* reading(where, values, dtype);
  return new Tensor(read.data, shape ?? read.shape, read.dtype);
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
/** Axes of this many entries altogether are shown at fewer than `edge` positions on either side. */
const shownAtMost = 2000;

/** How many entries of each axis are shown at its beginning and its end. As in NumPy, but less where there are many axes. */
function edgeOf(shape: readonly number[]): number {
  if (sizeOf(shape) <= shownInFull) return Number.POSITIVE_INFINITY;
  const shown = (edge: number) => sizeOf(shape.map((size) => Math.min(size, 2 * edge)));
  return [edge, 2].find((edge) => shown(edge) <= shownAtMost) ?? 1;
}

function print({ data, shape, dtype }: Tensor): string {
  const edge = edgeOf(shape);
  const widths = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
  const shown = (count: number): (number | "…")[] => {
    const first = Array.from({ length: Math.min(count, 2 * edge) }, (_, i) => i);
    return count <= 2 * edge
      ? first
      : [...first.slice(0, edge), "…", ...first.slice(0, edge).map((i) => count - edge + i)];
  };
  const visible: number[] = [];
  const visit = (offset: number, axis: number): void => {
    const count = shape[axis];
    if (count === undefined) visible.push(data[offset] ?? 0);
    else for (const i of shown(count)) if (i !== "…") visit(offset + i * (widths[axis] ?? 0), axis + 1);
  };
  visit(0, 0);
  const format = formatter(visible, dtype);
  const width = visible.reduce((widest, value) => Math.max(widest, format(value).length), 0);

  const lines = (offset: number, axis: number): string => {
    const count = shape[axis];
    if (count === undefined) return format(data[offset] ?? 0).padStart(shape.length === 0 ? 0 : width);
    const stride = widths[axis] ?? 0;
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
  const fixed = sizes.every((size) => size >= 1e-4 && size < 1e5);
  return (value) =>
    Number.isFinite(value) ? (fixed ? value.toFixed(4) : value.toExponential(4)) : String(value);
}
