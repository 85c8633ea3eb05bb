import { RondoError } from "../errors.js";
import { Tensor, type TensorLike, toTensor } from "../tensor.js";

/**
 * Class numbers as one-hot rows, Keras's `to_categorical`.
 *
 * @param labels whole numbers from 0 to `classes` - 1, of any shape [...]
 * @param classes default: the largest label + 1
 * @returns float32 [..., classes]
 * @throws RondoError for a label out of range or not whole
 */
export function toCategorical(labels: TensorLike, classes?: number): Tensor<"float32"> {
  const { data, shape } = toTensor("toCategorical", labels);
  let largest = -1;
  for (const label of data) largest = Math.max(largest, label);
  const count = classes ?? largest + 1;
  const result = new Float32Array(data.length * count);
  for (const [row, label] of data.entries()) {
    if (!Number.isInteger(label) || label < 0 || label >= count) {
      throw new RondoError({
        where: "toCategorical",
        received: `the label ${label} at position ${row}`,
        expected: `whole numbers from 0 to ${count - 1}`,
        fix: "Number the classes from 0, or give the right number of classes",
      });
    }
    result[row * count + label] = 1;
  }
  return new Tensor(result, [...shape, count], "float32");
}
