import { Breather } from "../breather.js";
import type { TypedArray } from "../dtype.js";
import { RondoError } from "../errors.js";
import { type Shape, shapeText } from "../graph/dim.js";
import { sizeOf, Tensor, type TensorLike, toTensor } from "../tensor.js";
import type { Bounds } from "./measure.js";

/** How much one sample of a class counts in the loss: by class number; 1 where none is given. */
export type ClassWeights = Readonly<Record<number, number>>;

/** Rows that belong together: x, y and, where samples are weighted, float32 weights. */
export interface Samples {
  readonly x: Tensor;
  readonly y: Tensor;
  readonly weight: Tensor | undefined;
}

export const rowsOf = ({ shape }: Tensor): number => shape[0] ?? 0;

/** An array of a run under the name that users know it by. */
export interface DataArray {
  /** `x`, `y` or `sampleWeight`, with the name of the input or output where the model has several. */
  readonly name: string;
  readonly tensor: Tensor;
  /** Of targets: what the loss takes. */
  readonly bounds?: Bounds | undefined;
}

/**
 * x as a tensor that fits a model whose input is [batch, ..]; a list of numbers is taken as [batch, 1].
 *
 * @param shape the model's input with its batch axis; undefined where the model takes its shape from the data
 * @throws RondoError for a wrong rank or size, and for no rows at all
 */
export function readInput(where: string, values: TensorLike, shape: Shape | undefined, name = "x"): Tensor {
  const given = toTensor(`${where}: ${name}`, values);
  if (given.shape[0] === 0) throw noRows(where, name);
  const x = given.rank === 1 && (shape?.length ?? 2) === 2 ? given.reshape([-1, 1]) : given;
  if (shape === undefined ? x.rank < 2 : !fits(x.shape, shape)) {
    const wanted = shape?.map((d, i) => (i === 0 ? "batch" : typeof d === "number" ? d : "any"));
    throw new RondoError({
      where,
      received: `${name} of shape ${shapeText(given.shape)}`,
      expected:
        wanted === undefined
          ? "at least two axes: [batch, ..]"
          : `[${wanted.join(", ")}], as the model's inputShape says`,
      fix: inputFix(given.shape, shape),
    });
  }
  return x;
}

/** Whether data fit a model's input, whatever their number of rows. */
const fits = (given: readonly number[], shape: Shape): boolean =>
  given.length === shape.length && shape.every((d, i) => i === 0 || typeof d !== "number" || d === given[i]);

function inputFix(given: readonly number[], shape: Shape = []): string {
  const guesses = [
    ["This is one sample", [1, ...given]],
    ["The axis of features is missing", [...given, 1]],
    ["This is one sample of one feature", [1, ...given, 1]],
  ] as const;
  const guess = guesses.find(([, reshaped]) => fits(reshaped, shape));
  const [batch = 1, first, ...rest] = shape;
  if (rest.length > 1 && typeof first !== "number" && fits(given, [batch, ...rest])) {
    return `Leave the batch axis out of the first layer's inputShape, as in [${rest.map(String).join(", ")}]`;
  }
  return guess === undefined
    ? "Reshape x, or change the first layer's inputShape"
    : `${guess[0]}: reshape x to ${shapeText(guess[1])}`;
}

const noRows = (where: string, name: string): RondoError =>
  new RondoError({
    where,
    received: `${name} without rows`,
    expected: "at least one sample",
    fix: "Check how the data was loaded or filtered",
  });

/**
 * x with its y and weights.
 *
 * @throws RondoError when their numbers of rows differ
 */
export function readSamples(
  where: string,
  x: Tensor,
  y: TensorLike,
  weight: TensorLike | undefined,
  [xName, yName, weightName]: readonly [x: string, y: string, weight: string] = ["x", "y", "sampleWeight"],
): Samples {
  const targets = toTensor(`${where}: ${yName}`, y);
  checkRows(where, [xName, x], [yName, targets]);
  if (weight === undefined) return { x, y: targets, weight: undefined };
  const given = toTensor(`${where}: ${weightName}`, weight);
  checkRows(where, [xName, x], [weightName, given]);
  const data = given.data instanceof Float32Array ? given.data : Float32Array.from(given.data);
  return { x, y: targets, weight: new Tensor(data, given.shape, "float32") };
}

/** An array with its name in errors. */
type Named = readonly [name: string, tensor: Tensor];

/** Throws where another array has not as many rows as x. */
export function checkRows(where: string, [xName, x]: Named, [name, other]: Named): void {
  if (other.rank > 0 && rowsOf(other) === rowsOf(x)) return;
  throw new RondoError({
    where,
    received: `${rowsOf(x)} samples in ${xName} (shape ${shapeText(x.shape)}) and ${rowsOf(other)} in ${name} (shape ${shapeText(other.shape)})`,
    expected: "the same number of samples in both",
    fix: `Give one row of ${name} for every row of ${xName}`,
  });
}

/**
 * Refuses targets that the loss does not take: it would train towards them without a sign. The event loop keeps turning.
 *
 * Rows whose weight is 0 may hold anything. So may steps that the prediction's mask leaves out, which are padding; which
 * these are comes out of the graph, so under a mask nothing is refused here, and the graph itself makes the loss NaN where
 * a target that counts is outside (`contribution`). A mask that ends before the prediction, in a recurrent layer that
 * gives its last output, say, excuses no target.
 *
 * @param bounds what the loss takes; undefined: everything
 * @param masked whether the prediction has a mask; asked only where a target is outside
 * @throws RondoError naming the first target outside
 */
export async function checkTargets(
  where: string,
  { y, weight }: Samples,
  bounds: Bounds | undefined,
  masked: () => boolean,
  name = "y",
): Promise<void> {
  if (bounds === undefined) return;
  const perWeight = weight === undefined ? 1 : y.size / weight.size;
  const counts = (i: number) => weight?.data[Math.floor(i / perWeight)] !== 0;
  const isOutside = outsideOf(bounds);
  const wrong = await findFirst(y, (target, i) => isOutside(target) && counts(i));
  if (wrong === undefined || masked()) return;
  const { noun, expected, fix } = bounds;
  throw new RondoError({
    where,
    received: `the ${noun} ${y.data[wrong]} in ${placeText(y.shape, wrong)} of ${name}`,
    expected,
    fix,
  });
}

export const outsideOf =
  ({ least, most, whole, ignored }: Bounds) =>
  (target: number): boolean =>
    !(target >= least && target <= most && (!whole || Number.isInteger(target))) && target !== ignored;

/** The position of the first value that `isWrong`, or undefined. The event loop keeps turning. */
export async function findFirst(
  { data }: Tensor,
  isWrong: (value: number, position: number) => boolean,
): Promise<number | undefined> {
  const breather = new Breather();
  for (let begin = 0; begin < data.length; begin += scanned) {
    const end = Math.min(begin + scanned, data.length);
    for (let i = begin; i < end; i++) if (isWrong(data[i] ?? Number.NaN, i)) return i;
    if (end < data.length) await breather.tick();
  }
  return undefined;
}

/** A position as users count: `row 17`, `row 17, column 2` of a table, `row 17, step 3` of sequences. */
export function placeText(shape: readonly number[], position: number): string {
  const [, ...rest] = shape;
  const row = Math.floor(position / sizeOf(rest));
  const steps = rest.length > 1;
  const inner = Math.floor((position % sizeOf(rest)) / (steps ? sizeOf(rest.slice(1)) : 1));
  return (rest[0] ?? 1) === 1 ? `row ${row}` : `row ${row}, ${steps ? "step" : "column"} ${inner}`;
}

/** Elements between two looks at the clock. */
export const scanned = 1 << 16;

/** Position of the largest of `width` numbers from `begin`. */
export function largestOf(data: TypedArray, begin: number, width: number): number {
  let best = 0;
  for (let c = 1; c < width; c++) if ((data[begin + c] ?? 0) > (data[begin + best] ?? 0)) best = c;
  return best;
}
