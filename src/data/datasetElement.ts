import { Breather } from "../breather.js";
import { arrayTypes } from "../dtype.js";
import { RondoError, unknownName, valueText } from "../errors.js";
import {
  type NestedArray,
  readingTensor,
  shapeText,
  sizeOf,
  Tensor,
  type TensorLike,
  toTensor,
} from "../tensor.js";

/** A batch of such elements: each of their arrays [..] as one tensor [batch, ..], under the same names. */
export type Batched<E> = E extends undefined
  ? undefined
  : E extends Tensor<infer D>
    ? Tensor<D>
    : E extends number
      ? Tensor<"float32">
      : E extends boolean
        ? Tensor<"bool">
        : E extends TensorLike
          ? Tensor
          : E extends object
            ? { readonly [K in keyof E]: Batched<E[K]> }
            : never;

/** One value for all arrays of an element, or values by the names of some of them. */
export type ByName<E, V> =
  | V
  | (E extends TensorLike
      ? never
      : E extends object
        ? { readonly [K in keyof E]?: ByName<NonNullable<E[K]>, V> }
        : never);

/** An object of arrays by name, not an array itself. */
export const isNamed = (given: unknown): given is Readonly<Record<string, unknown>> =>
  typeof given === "object" &&
  given !== null &&
  !Array.isArray(given) &&
  !ArrayBuffer.isView(given) &&
  !("shape" in given && "data" in given);

/**
 * `toTensor` that lets the event loop turn, for what may be large nested lists. These must stay as they are until it
 * resolves, as far as they were not read when this returns: what takes a few milliseconds is.
 *
 * @param copied arrays of up to so many bytes are copied, before this returns; larger ones are shared
 */
export async function readTensor(
  where: string,
  values: TensorLike,
  copied = 0,
  breather = new Breather(),
): Promise<Tensor> {
  const steps = readingTensor(where, values);
  for (;;) {
    const step = steps.next();
    if (step.done === true) {
      const { data, shape, dtype } = step.value;
      return data.byteLength > copied ? step.value : new Tensor(data.slice(), shape, dtype);
    }
    const turn = breather.tick();
    if (turn !== undefined) await turn;
  }
}

/** Elements that become a batch, as they are named in errors. */
export interface Gathering {
  readonly where: string;
  /** The number of the first in its pass. */
  readonly first: number;
  readonly breather: Breather;
}

/** Makes one array [batch, ..] of those [..] of all elements; `path`: its names in the element, from the outside. */
export type Joining = (path: readonly string[], tensors: readonly Tensor[]) => Tensor | Promise<Tensor>;

/**
 * Elements, at least one, as a batch: where each holds an array, what `join` makes of them. The event loop keeps turning.
 *
 * @throws RondoError where their names differ, and for what is no array of numbers
 */
export async function gathered(
  { where, first, breather }: Gathering,
  elements: readonly unknown[],
  join: Joining,
): Promise<unknown> {
  const visit = async (path: readonly string[], values: readonly unknown[]): Promise<unknown> => {
    const place = (i: number) => `${pathText(path)} of element ${first + i}`;
    const [example] = values;
    if (isNamed(example)) {
      const names = Object.keys(example).filter((name) => example[name] !== undefined);
      checkNames(where, place, names, values);
      const batch: Record<string, unknown> = {};
      for (const name of names)
        batch[name] = await visit(
          [...path, name],
          values.map((value) => (value as Readonly<Record<string, unknown>>)[name]),
        );
      return batch;
    }
    if (isScalar(example) && values.every(isScalar))
      return readTensor(`${where}: ${pathText(path)}`, values as NestedArray, 0, breather);
    const tensors: Tensor[] = [];
    for (const [i, value] of values.entries()) {
      const name = `${where}: ${place(i)}`;
      tensors.push(
        Array.isArray(value)
          ? await readTensor(name, value as TensorLike, 0, breather)
          : toTensor(name, value as TensorLike),
      );
      const turn = breather.tick();
      if (turn !== undefined) await turn;
    }
    return join(path, tensors);
  };
  return visit([], elements);
}

const isScalar = (value: unknown): boolean => typeof value === "number" || typeof value === "boolean";

/** How errors call an array of an element: `x`, `x.question`; an element that is an array itself: `the value`. */
export const pathText = (path: readonly string[]): string => path.join(".") || "the value";

function checkNames(
  where: string,
  place: (i: number) => string,
  names: readonly string[],
  values: readonly unknown[],
): void {
  for (const [i, value] of values.entries()) {
    const given = isNamed(value) ? Object.keys(value).filter((name) => value[name] !== undefined) : undefined;
    if (given?.length === names.length && given.every((name) => names.includes(name))) continue;
    throw new RondoError({
      where,
      received: `${given === undefined ? valueText(value) : `the names ${given.join(", ") || "none"}`} in ${place(i)}`,
      expected: `${names.join(", ")}, as in the elements before`,
      fix: "Give every element the same arrays",
    });
  }
}

/** Arrays of one shape and dtype, one below the other. */
export function stacked(
  { where, first }: Gathering,
  path: readonly string[],
  tensors: readonly Tensor[],
): Tensor {
  const [{ shape, dtype } = { shape: [], dtype: "float32" as const }] = tensors;
  const width = sizeOf(shape);
  const data = new arrayTypes[dtype](tensors.length * width);
  for (const [i, tensor] of tensors.entries()) {
    checkDtype(where, path, dtype, tensor, first + i);
    if (tensor.shape.length !== shape.length || tensor.shape.some((size, axis) => size !== shape[axis])) {
      throw new RondoError({
        where,
        received: `${pathText(path)} of shape ${shapeText(tensor.shape)} in element ${first + i}, and of ${shapeText(shape)} before`,
        expected: "one shape in all elements of a batch",
        fix: "Use paddedBatch for sequences of different lengths",
      });
    }
    data.set(tensor.data, i * width);
  }
  return new Tensor(data, [tensors.length, ...shape], dtype);
}

export function checkDtype(
  where: string,
  path: readonly string[],
  dtype: Tensor["dtype"],
  tensor: Tensor,
  element: number,
): void {
  if (tensor.dtype === dtype) return;
  throw new RondoError({
    where,
    received: `${pathText(path)} of dtype ${tensor.dtype} in element ${element}, and of ${dtype} before`,
    expected: "one dtype in all elements of a batch",
    fix: "Make tensors of one dtype in map: tensor(values, shape, dtype)",
  });
}

/**
 * What was told for an array of an element: one value for all, or values by name.
 *
 * @param isValue whether something is such a value, not values by name
 */
export function toldFor<V>(
  told: unknown,
  path: readonly string[],
  isValue: (value: unknown) => value is V,
): V | undefined {
  let found = told;
  for (const name of path) {
    if (found === undefined || isValue(found)) break;
    found = isNamed(found) ? found[name] : undefined;
  }
  return isValue(found) ? found : undefined;
}

/** Refuses names that no array of an element has, and what is neither a value nor values by name. */
export function checkTold<V>(
  where: string,
  option: string,
  told: unknown,
  element: unknown,
  isValue: (value: unknown) => value is V,
  expected: string,
): void {
  if (told === undefined || isValue(told)) return;
  if (!isNamed(told)) {
    throw new RondoError({
      where,
      received: `${option}: ${valueText(told)}`,
      expected: `${expected}, or such values by the names of the element's arrays`,
      fix: `Change ${option}`,
    });
  }
  const known = isNamed(element) ? element : {};
  for (const [name, value] of Object.entries(told)) {
    if (!Object.hasOwn(known, name))
      throw unknownName(`${where}: ${option}`, "array", name, Object.keys(known));
    checkTold(where, `${option}.${name}`, value, known[name], isValue, expected);
  }
}
