import { Tensor } from "rondo";

/** Batches of a text that follow one another: row b of a batch goes on where row b of the batch before ended. */
export interface TextBatches {
  /** int32 [batches · rows, steps]: ids. */
  readonly x: Tensor<"int32">;
  /** The ids that follow those of x. */
  readonly y: Tensor<"int32">;
  readonly batches: number;
}

/**
 * Cuts a text into `rows` pieces of one length that are read side by side, a batch of `steps` ids of each at a time; what is left
 * over at the ends of the pieces is left out.
 */
export function textBatches(ids: Int32Array, rows: number, steps: number): TextBatches {
  const piece = Math.floor((ids.length - 1) / rows);
  const batches = Math.floor(piece / steps);
  const [x, y] = [new Int32Array(batches * rows * steps), new Int32Array(batches * rows * steps)];
  for (let batch = 0; batch < batches; batch++)
    for (let row = 0; row < rows; row++) {
      const begin = row * piece + batch * steps;
      const at = (batch * rows + row) * steps;
      x.set(ids.subarray(begin, begin + steps), at);
      y.set(ids.subarray(begin + 1, begin + steps + 1), at);
    }
  const shape = [batches * rows, steps];
  return { x: new Tensor(x, shape, "int32"), y: new Tensor(y, shape, "int32"), batches };
}

/** The largest number of steps up to `most` of which a text has a batch at least. */
export const stepsFor = (length: number, rows: number, most: number): number =>
  Math.min(most, Math.floor((length - 1) / rows));
