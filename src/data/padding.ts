import { readOptions } from "../config/config.js";
import { choice, optionalSize, plain } from "../config/fields.js";
import { arrayTypes, type Dtype } from "../dtype.js";
import { checkList, RondoError } from "../errors.js";
import { type DtypeData, shapeText, sizeOf, Tensor, type TensorLike, toTensor } from "../tensor.js";

/** Options of `padSequences`, Keras's. */
export interface PadOptions<D extends Dtype = "int32"> {
  /** Steps of each row; longer sequences lose what is beyond. Default: those of the longest sequence. */
  readonly maxlen?: number | null;
  /** Default: `int32`. */
  readonly dtype?: D;
  /** Where shorter sequences are filled up: before them (the default) or after them. */
  readonly padding?: "pre" | "post";
  /** Where longer sequences are cut: at their beginning (the default) or at their end. */
  readonly truncating?: "pre" | "post";
  /** What they are filled up with. Default: 0. */
  readonly value?: number;
}

const sides = ["pre", "post"] as const;
const padFields = {
  maxlen: optionalSize,
  dtype: choice<Dtype>("int32", Object.keys(arrayTypes) as Dtype[]),
  padding: choice<"pre" | "post">("pre", sides),
  truncating: choice<"pre" | "post">("pre", sides),
  value: plain<number>((x) => typeof x === "number", "a number").optional(0),
};

const where = "padSequences";

/**
 * Sequences of different lengths as one array, Keras's `pad_sequences`.
 *
 * @param sequences [T] numbers each, or [T, ..] where the sizes after T are the same for all
 * @returns [sequences, maxlen, ..]
 * @throws RondoError, with the sequence, for values that the dtype does not hold (Keras cuts fractions off) and for steps
 *   of different sizes
 */
export function padSequences<D extends Dtype = "int32">(
  sequences: readonly TensorLike[],
  options: PadOptions<D> = {},
): Tensor<D> {
  const { maxlen, dtype, padding, truncating, value } = readOptions(padFields, options, where);
  checkList(where, sequences, "a list of sequences", "Write it as a list, also for one sequence: [sequence]");
  const read = sequences.map((sequence, i) => readSequence(i, sequence, dtype));
  const [first] = read.filter(({ shape }) => shape[0] !== 0);
  const sizes = first?.shape.slice(1) ?? [];
  const width = sizeOf(sizes);
  const steps = maxlen ?? read.reduce((longest, { shape }) => Math.max(longest, shape[0] ?? 0), 0);
  const result = new arrayTypes[dtype](read.length * steps * width);
  result.fill(toTensor(`${where}: value`, value, [], dtype).data[0] ?? 0);
  for (const [i, { data, shape }] of read.entries()) {
    const [length = 0, ...own] = shape;
    if (length > 0 && own.join() !== sizes.join()) {
      throw new RondoError({
        where,
        received: `steps of shape ${shapeText(own)} in sequence ${i}`,
        expected: `shape ${shapeText(sizes)}, as in the sequences before`,
        fix: "Give all steps the same sizes",
      });
    }
    const kept = Math.min(length, steps);
    const begin = truncating === "pre" ? length - kept : 0;
    const place = i * steps + (padding === "pre" ? steps - kept : 0);
    result.set(data.subarray(begin * width, (begin + kept) * width), place * width);
  }
  return new Tensor(result as DtypeData[D], [read.length, steps, ...sizes], dtype as D);
}

function readSequence(i: number, sequence: TensorLike, dtype: Dtype): Tensor {
  const read = toTensor(`${where}: sequence ${i}`, sequence, undefined, dtype);
  if (read.rank > 0) return read;
  throw new RondoError({
    where,
    received: `the number ${read.data[0]} for sequence ${i}`,
    expected: "a list of numbers",
    fix: "Give a list for each sequence; one sequence by itself is padSequences([sequence])",
  });
}
