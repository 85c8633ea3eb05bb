import { arrayTypes, type TypedArray } from "../dtype.js";
import { checkCount, checkOptions, namesOf, RondoError, valueText } from "../errors.js";
import { shapeText, sizeOf, Tensor, toTensor } from "../tensor.js";
import {
  type ByName,
  checkDtype,
  checkTold,
  type Gathering,
  gathered,
  pathText,
  stacked,
  toldFor,
} from "./datasetElement.js";
import { type Cursor, countsOf, inputOf, type Pass, type Position, type Stage } from "./datasetStage.js";

/** Options of `dataset.batch`. */
export interface DatasetBatchOptions {
  /** Whether elements that are left at the end, too few for a batch, are left out; default false. */
  readonly dropRemainder?: boolean;
}

/** Sizes of an element's array; null: that of the longest in the batch. */
export type PaddedShape = readonly (number | null)[];

/** E: the elements. */
export interface PaddedBatchOptions<E = unknown> extends DatasetBatchOptions {
  /** What arrays are filled up with, at their ends: one number, or numbers by the names of arrays; default 0. */
  readonly paddingValues?: ByName<E, number>;
  /**
   * Sizes that arrays [..] of the elements are padded to, by their names, null where that is the longest of the batch;
   * default: null on every axis.
   */
  readonly paddedShapes?: ByName<E, PaddedShape>;
  /**
   * The first axis of arrays, where its size is null, is rounded up to a multiple of it, so that batches come in few
   * lengths, each of which is one program; default 1. Give arrays whose first axis is no time, such as one-hot rows, their
   * size in `paddedShapes`.
   */
  readonly lengthMultiple?: number;
}

const batchOptions = { dropRemainder: true } as const;
const batchNames = namesOf<DatasetBatchOptions>(batchOptions);
const paddingNames = namesOf<PaddedBatchOptions>({
  ...batchOptions,
  paddingValues: true,
  paddedShapes: true,
  lengthMultiple: true,
});

const isNumber = (value: unknown): value is number => typeof value === "number";
const isShape = (value: unknown): value is PaddedShape =>
  Array.isArray(value) && value.every((size) => size === null || (Number.isInteger(size) && size >= 0));

/** How elements become a batch. */
export type Batching = (gathering: Gathering, elements: readonly unknown[]) => Promise<unknown>;

/** One below the other; their shapes are the same. */
export const stacking: Batching = (gathering, elements) =>
  gathered(gathering, elements, (path, tensors) => stacked(gathering, path, tensors));

/**
 * One below the other, filled up to one shape.
 *
 * @throws RondoError for options that padding cannot have
 */
export function padding(where: string, options: PaddedBatchOptions): Batching {
  checkOptions(where, options, paddingNames);
  const { paddingValues = 0, paddedShapes, lengthMultiple = 1 } = options;
  checkCount(where, "lengthMultiple", lengthMultiple, 1);
  let checked = false;
  return async (gathering, elements) => {
    if (!checked) {
      checkTold(where, "paddingValues", paddingValues, elements[0], isNumber, "a number");
      checkTold(where, "paddedShapes", paddedShapes, elements[0], isShape, "sizes, null where open");
      checked = true;
    }
    return gathered(gathering, elements, (path, tensors) => {
      const shape = toldFor(paddedShapes, path, isShape);
      const value = toldFor(paddingValues, path, isNumber) ?? 0;
      return padded(gathering, path, tensors, { shape, value, lengthMultiple });
    });
  };
}

interface Padding {
  readonly shape: PaddedShape | undefined;
  readonly value: number;
  readonly lengthMultiple: number;
}

function padded(
  { where, first }: Gathering,
  path: readonly string[],
  tensors: readonly Tensor[],
  { shape, value, lengthMultiple }: Padding,
): Tensor {
  const [{ rank, dtype } = { rank: 0, dtype: "float32" as const }] = tensors;
  const target = Array.from({ length: shape?.length ?? rank }, (_, axis) => {
    const told = shape?.[axis] ?? null;
    if (told !== null) return told;
    const longest = tensors.reduce((most, tensor) => Math.max(most, tensor.shape[axis] ?? 0), 0);
    return axis === 0 ? Math.ceil(longest / lengthMultiple) * lengthMultiple : longest;
  });
  const width = sizeOf(target);
  const data = new arrayTypes[dtype](tensors.length * width);
  if (value !== 0)
    data.fill(toTensor(`${where}: paddingValues for ${pathText(path)}`, [value], [1], dtype).data[0] ?? 0);
  for (const [i, tensor] of tensors.entries()) {
    checkDtype(where, path, dtype, tensor, first + i);
    if (tensor.rank !== target.length || tensor.shape.some((size, axis) => size > (target[axis] ?? 0))) {
      throw new RondoError({
        where,
        received: `${pathText(path)} of shape ${shapeText(tensor.shape)} in element ${first + i}`,
        expected:
          shape === undefined
            ? `${rank} axes, as in the elements before`
            : `at most ${shapeText(shape)}, its padded shape`,
        fix:
          shape === undefined
            ? "Give every element the same number of axes"
            : "Cut it in map, or pad to more",
      });
    }
    copyInto(data, target, i * width, tensor);
  }
  return new Tensor(data, [tensors.length, ...target], dtype);
}

/** Copies an array to the beginning of each axis of a larger one. */
function copyInto(
  into: TypedArray,
  shape: readonly number[],
  at: number,
  { data, shape: own }: Tensor,
): void {
  // From here on inwards both have the same sizes: what lies there is one piece.
  let inner = own.length;
  while (inner > 0 && own[inner - 1] === shape[inner - 1]) inner--;
  const outer = Math.max(0, inner - 1);
  const piece = sizeOf(own.slice(outer));
  const copy = (axis: number, from: number, to: number): void => {
    if (axis === outer) {
      into.set(data.subarray(from, from + piece), to);
      return;
    }
    const [size = 0, width, step] = [own[axis], sizeOf(own.slice(axis + 1)), sizeOf(shape.slice(axis + 1))];
    for (let i = 0; i < size; i++) copy(axis + 1, from + i * width, to + i * step);
  };
  if (data.length > 0) copy(0, 0, at);
}

/** Batches of so many elements, one after the other. */
export class BatchStage<E> implements Stage<unknown> {
  readonly #name: string;
  readonly #input: Stage<E>;
  readonly #batchSize: number;
  readonly #batching: Batching;
  readonly #drop: boolean;

  constructor(
    name: string,
    input: Stage<E>,
    batchSize: number,
    batching: Batching,
    { dropRemainder = false }: DatasetBatchOptions,
  ) {
    this.#name = name;
    this.#input = input;
    this.#batchSize = batchSize;
    this.#batching = batching;
    this.#drop = checkDrop(`dataset.${name}`, dropRemainder);
    checkCount(`dataset.${name}`, "batchSize", batchSize, 1);
  }

  get size(): number | undefined {
    const count = this.#input.size;
    if (count === undefined) return undefined;
    return this.#drop ? Math.floor(count / this.#batchSize) : Math.ceil(count / this.#batchSize);
  }

  open(pass: Pass, from: Position | undefined): Cursor<unknown> {
    const stage = this.#name;
    let [given] = countsOf(stage, from, [0]);
    const input = this.#input.open(pass, inputOf(from));
    const size = this.#batchSize;
    return {
      next: async () => {
        const elements: E[] = [];
        while (elements.length < size) {
          const some = await input.next(size - elements.length);
          if (some.length === 0) break;
          for (const element of some) elements.push(element);
        }
        if (elements.length === 0 || (this.#drop && elements.length < size)) return [];
        const batch = await this.#batching(
          { where: `dataset.${stage}`, first: given, breather: pass.breather },
          elements,
        );
        given += elements.length;
        return [batch];
      },
      position: () => ({ stage, at: [given], inputs: [input.position()] }),
      close: () => input.close(),
    };
  }
}

export function checkBatchOptions(where: string, options: DatasetBatchOptions): void {
  checkOptions(where, options, batchNames);
}

export function checkDrop(where: string, dropRemainder: unknown): boolean {
  if (typeof dropRemainder === "boolean") return dropRemainder;
  throw new RondoError({
    where,
    received: `dropRemainder: ${valueText(dropRemainder)}`,
    expected: "true or false",
    fix: "Change dropRemainder",
  });
}
