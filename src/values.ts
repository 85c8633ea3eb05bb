import { arrayTypes, type Dtype, type NumericArray, type TypedArray } from "./dtype.js";
import { RondoError, valueText } from "./errors.js";

/** Numbers as users give them, in the form in which tensors hold them. */
export interface Values {
  readonly data: TypedArray;
  /** Of the nesting; [length] for a typed array. */
  readonly shape: readonly number[];
  readonly dtype: Dtype;
}

/**
 * The dtype that each kind of typed array becomes. By name, because the classes of another realm (a frame, Node's `vm`)
 * are other classes.
 */
const dtypeOfKind: ReadonlyMap<string, Dtype> = new Map([
  ["Float32Array", "float32"],
  ["Int32Array", "int32"],
  ["Uint8Array", "uint8"],
  ["Uint8ClampedArray", "uint8"],
  ["Float64Array", "float32"],
  ["Float16Array", "float32"],
  ["Int8Array", "int32"],
  ["Int16Array", "int32"],
  ["Uint16Array", "int32"],
  ["Uint32Array", "int32"],
  ["BigInt64Array", "int32"],
  ["BigUint64Array", "int32"],
]);

/** What all classes of typed arrays inherit from; its getter of the tag knows those of every realm. */
const typedPrototype: object = Object.getPrototypeOf(Uint8Array.prototype);

/** `Uint8Array` for a Buffer, for one of another realm, and for a subclass; undefined for what is no typed array. */
function kindOf(values: unknown): string | undefined {
  if (!ArrayBuffer.isView(values)) return undefined;
  const kind: unknown = Reflect.get(typedPrototype, Symbol.toStringTag, values);
  return typeof kind === "string" && dtypeOfKind.has(kind) ? kind : undefined;
}

/** Whether memory of this kind can be a dtype's. */
const holds = (kind: string, dtype: Dtype): boolean =>
  kind === arrayTypes[dtype].name || (kind === "Uint8ClampedArray" && arrayTypes[dtype] === Uint8Array);

/** Whether these values are a typed array of numbers. Throws for one whose memory went to another thread. */
export function isTyped(where: string, values: unknown): values is NumericArray {
  if (kindOf(values) === undefined) return false;
  checkAttached(where, values as NumericArray);
  return true;
}

/**
 * The memory of a typed array under this realm's own class, without a copy; undefined where its kind does not hold
 * `dtype`. (What is derived from a Buffer, say, would be a Buffer, and a copy of it none.)
 */
export function viewOf(values: unknown, dtype: Dtype): TypedArray | undefined {
  const kind = kindOf(values);
  if (kind === undefined || !holds(kind, dtype)) return undefined;
  const type = arrayTypes[dtype];
  if (Object.getPrototypeOf(values) === type.prototype) return values as TypedArray;
  const { buffer, byteOffset, length } = values as TypedArray;
  return new type(buffer as ArrayBuffer, byteOffset, length);
}

/** Refuses an array whose memory went to another thread: it reads as empty. */
export function checkAttached(where: string, data: NumericArray): void {
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

/** Numbers read between two pauses. */
const stretch = 1 << 16;

/**
 * Reads nested lists or a typed array; pauses after every so many numbers. Typed arrays that hold `dtype` are shared,
 * everything else is copied.
 *
 * @param dtype default: a typed array's own, bool where lists begin with a boolean, else float32
 * @throws RondoError, with the position, for ragged lists and for values that are no numbers or do not fit the dtype
 */
export function* reading(where: string, values: unknown, dtype?: Dtype): Generator<void, Values> {
  if (isTyped(where, values)) {
    const target = dtype ?? dtypeOfKind.get(kindOf(values) ?? "") ?? "float32";
    const shape = [values.length];
    const shared = viewOf(values, target);
    if (shared === undefined)
      return { data: yield* new Copying(where, shape, target).run(values), shape, dtype: target };
    if (target === "bool") checkBool(where, shared);
    return { data: shared, shape, dtype: target };
  }
  const { shape, first } = nestingOf(where, values);
  const target = dtype ?? (typeof first === "boolean" ? "bool" : "float32");
  return { data: yield* new Copying(where, shape, target).run(values), shape, dtype: target };
}

function checkBool(where: string, data: TypedArray): void {
  const wrong = data.findIndex((value) => value > 1);
  if (wrong >= 0) throw misfit(where, data[wrong], "bool", [wrong]);
}

/** The shape of nested lists, read along their first elements, and the first number; `Copying` checks the others. */
function nestingOf(where: string, values: unknown): { readonly shape: number[]; readonly first: unknown } {
  const shape: number[] = [];
  let first = values;
  while (Array.isArray(first) || isTyped(where, first)) {
    shape.push(first.length);
    first = first[0];
  }
  const known = shape.at(-1) === 0 || ["number", "boolean", "bigint"].includes(typeof first);
  if (!known) throw noNumber(where, first, shape.fill(0));
  return { shape, first };
}

interface Range {
  readonly least: number;
  readonly most: number;
  readonly whole: boolean;
  readonly text: string;
}

/** The largest float32. */
const most = (2 - 2 ** -23) * 2 ** 127;

/** The finite numbers that a dtype holds. */
const ranges: Readonly<Record<Dtype, Range>> = {
  float32: { least: -most, most, whole: false, text: "numbers from -3.4e38 to 3.4e38, NaN or ±Infinity" },
  int32: {
    least: -(2 ** 31),
    most: 2 ** 31 - 1,
    whole: true,
    text: "whole numbers from -2147483648 to 2147483647",
  },
  uint8: { least: 0, most: 255, whole: true, text: "whole numbers from 0 to 255" },
  bool: { least: 0, most: 1, whole: true, text: "false and true, or 0 and 1" },
};

/** One pass over lists of a known shape, into an array of a dtype. */
class Copying {
  readonly #where: string;
  readonly #shape: readonly number[];
  readonly #dtype: Dtype;
  readonly #data: TypedArray;
  /** Numbers in one entry of each axis. */
  readonly #widths: readonly number[];

  constructor(where: string, shape: readonly number[], dtype: Dtype) {
    this.#where = where;
    this.#shape = shape;
    this.#dtype = dtype;
    this.#widths = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
    this.#data = new arrayTypes[dtype](shape.reduce((product, size) => product * size, 1));
  }

  *run(values: unknown): Generator<void, TypedArray> {
    if (this.#shape.length === 0) this.#data[0] = this.#admit(values, 0);
    else yield* this.#walk(this.#list(values, 0, 0), 0, 0);
    return this.#data;
  }

  /** Copies a list of axis `axis` to `offset`, stretch by stretch. */
  *#walk(list: ArrayLike<unknown>, axis: number, offset: number): Generator<void, void> {
    const width = this.#widths[axis] ?? 1;
    const step = width > stretch ? 1 : Math.floor(stretch / Math.max(width, 1));
    for (let begin = 0; begin < list.length; begin += step) {
      const end = Math.min(begin + step, list.length);
      if (width > stretch) {
        const place = offset + begin * width;
        yield* this.#walk(this.#list(list[begin], axis + 1, place, begin), axis + 1, place);
      } else {
        this.#copy(list, axis, begin, end, offset + begin * width);
        yield;
      }
    }
  }

  /** Copies the entries `begin` to `end` of a list of axis `axis` to `offset`. */
  #copy(list: ArrayLike<unknown>, axis: number, begin: number, end: number, offset: number): void {
    if (axis === this.#shape.length - 1) {
      this.#copyNumbers(list, begin, end, offset);
      return;
    }
    const width = this.#widths[axis] ?? 1;
    const below = this.#shape[axis + 1] ?? 0;
    for (let i = begin, place = offset; i < end; i++, place += width)
      this.#copy(this.#list(list[i], axis + 1, place, i), axis + 1, 0, below, place);
  }

  #copyNumbers(list: ArrayLike<unknown>, begin: number, end: number, offset: number): void {
    if (ArrayBuffer.isView(list)) {
      this.#copyTyped(list as unknown as NumericArray, begin, end, offset);
      return;
    }
    const data = this.#data;
    const { least, most, whole } = ranges[this.#dtype];
    for (let i = begin, place = offset; i < end; i++, place++) {
      const value = list[i];
      const plain =
        typeof value === "number" && value >= least && value <= most && (!whole || (value | 0) === value);
      data[place] = plain ? value : this.#admit(value, place);
    }
  }

  /** Copies as typed arrays do, and looks whether the numbers came out as they went in. */
  #copyTyped(list: NumericArray, begin: number, end: number, offset: number): void {
    const data = this.#data;
    const isBig = typeof list[0] === "bigint";
    const part = (list as Float64Array).subarray(begin, end);
    const numbers = isBig ? Float64Array.from(part, Number) : part;
    data.set(numbers, offset);
    const { most, whole } = ranges[this.#dtype];
    for (let i = 0, place = offset; i < numbers.length; i++, place++) {
      const stored = data[place] ?? 0;
      if (whole ? stored === numbers[i] && stored <= most : Number.isFinite(stored)) continue;
      if (!whole && !Number.isFinite(numbers[i])) continue;
      throw misfit(this.#where, part[i], this.#dtype, this.#indices(place, this.#shape.length));
    }
  }

  /** The number that an element stands for that is not a usual one. */
  #admit(value: unknown, place: number): number {
    const number = typeof value === "boolean" ? Number(value) : value;
    const indices = () => this.#indices(place, this.#shape.length);
    if (typeof number !== "number") throw noNumber(this.#where, value, indices());
    const { least, most, whole } = ranges[this.#dtype];
    const fits = whole
      ? Number.isInteger(number) && number >= least && number <= most
      : Number.isFinite(Math.fround(number)) || !Number.isFinite(number);
    if (fits) return number;
    throw misfit(this.#where, value, this.#dtype, indices());
  }

  /**
   * A list of the right length, if it is one.
   *
   * @param place where its first number belongs
   * @param index its own among its neighbours, where `place` does not say it because they hold no numbers
   */
  #list(values: unknown, axis: number, place: number, index = 0): ArrayLike<unknown> {
    const count = this.#shape[axis] ?? 0;
    if (Array.isArray(values) || isTyped(this.#where, values)) if (values.length === count) return values;
    const indices = this.#indices(place, axis);
    if (this.#widths[axis - 1] === 0) indices[axis - 1] = index;
    throw ragged(this.#where, values, indices, count);
  }

  /** The first `axes` indices of the number at `place`. */
  #indices(place: number, axes: number): number[] {
    return this.#shape
      .slice(0, axes)
      .map((size, axis) => Math.floor(place / (this.#widths[axis] || 1)) % Math.max(size, 1));
  }
}

const at = (indices: readonly number[]): string =>
  indices.length === 0 ? "" : ` at ${indices.map((i) => `[${i}]`).join("")}`;

function ragged(where: string, values: unknown, indices: readonly number[], count: number): RondoError {
  const isList = Array.isArray(values) || ArrayBuffer.isView(values);
  if (!isList && typeof values !== "number" && typeof values !== "boolean")
    return noNumber(where, values, indices);
  return new RondoError({
    where,
    received: `${isList ? listText(values) : `the value ${values}`}${at(indices)}`,
    expected: `a list of ${count}, as at ${indices.map(() => "[0]").join("")}`,
    fix: "Give all rows of an axis the same length (pad shorter sequences)",
  });
}

const listText = (values: ArrayBufferView | readonly unknown[]): string =>
  `a list of ${(values as unknown as { readonly length: number }).length}`;

/** The error for what is neither a number nor a boolean, at these indices. */
function noNumber(where: string, value: unknown, indices: readonly number[]): RondoError {
  if (Array.isArray(value) || kindOf(value) !== undefined) {
    return new RondoError({
      where,
      received: `${listText(value as readonly unknown[])}${at(indices)}`,
      expected: "a number, as in the places before",
      fix: "Give all rows of an axis the same length (pad shorter sequences)",
    });
  }
  const text =
    typeof value === "string"
      ? `the text ${JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)}`
      : Object(value) === value
        ? valueText(value)
        : `the value ${typeof value === "bigint" ? `${value}n` : String(value)}`;
  return new RondoError({
    where,
    received: `${text}${at(indices)}`,
    expected: "numbers or booleans, nested lists of them, or typed arrays",
    fix: numberFix(value),
  });
}

/** What makes a number, or numbers, of a value. */
function numberFix(value: unknown): string {
  if (typeof value === "string") {
    if (value.trim() === "")
      return "Choose a number for what is missing, and convert the rest with Number(value)";
    if (Number.isFinite(Number(value)))
      return "Convert text to numbers first, for example with Number(value)";
    return "Number the classes: const names = [...new Set(labels)], then labels.map((name) => names.indexOf(name)), and toCategorical of that for one-hot rows";
  }
  if (typeof value === "bigint") return "Convert every value to a number, for example with Number(value)";
  if (value === undefined || value === null)
    return "Choose a number for those that are missing, or mask their time steps";
  if (value instanceof Promise) return "Await it first";
  if (value instanceof Date)
    return "Convert it to a number first, for example (date - start) / 86_400_000 days";
  if (typeof value === "object") {
    if ("data" in value && "shape" in value)
      return "Give the values of a tensor within lists: tensor.array()";
    if (ArrayBuffer.isView(value)) return "Read its memory as numbers: new Float32Array(view.buffer)";
    if (/^(Shared)?ArrayBuffer$/.test(value.constructor?.name ?? ""))
      return "Read it as numbers: new Float32Array(buffer)";
    if (Symbol.iterator in value || "length" in value) return "Make a list of it: Array.from(values)";
  }
  return "Pass numbers";
}

function misfit(where: string, value: unknown, dtype: Dtype, indices: readonly number[]): RondoError {
  return new RondoError({
    where,
    received: `the value ${String(value)} for dtype ${dtype}${at(indices)}`,
    expected: ranges[dtype].text,
    fix: dtype === "float32" ? "Scale the values" : `Round or scale the values, or choose dtype "float32"`,
  });
}
