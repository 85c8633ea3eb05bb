import { RondoError, valueText } from "../errors.js";
import { Tensor, type TensorLike, toTensor } from "../tensor.js";

/**
 * Class numbers as one-hot rows, Keras's `to_categorical`. As there, a last axis of size 1 makes way for the classes.
 *
 * @param labels whole numbers from 0 to `classes` - 1, of any shape [...]
 * @param classes default: the largest label + 1
 * @returns float32 [..., classes]
 * @throws RondoError for a label out of range or not whole
 */
export function toCategorical(labels: TensorLike, classes?: number): Tensor<"float32"> {
  const { data, shape } = toTensor("toCategorical", labels);
  let count = classes ?? 0;
  if (classes === undefined) for (const label of data) if (label >= count) count = label + 1;
  if (classes === undefined ? data.length === 0 : !(Number.isInteger(count) && count >= 1)) {
    throw new RondoError({
      where: "toCategorical",
      received: classes === undefined ? "no labels" : `${valueText(classes)} for the number of classes`,
      expected: "a whole number of classes, at least 1",
      fix: "Give the number of classes as the second argument",
    });
  }
  const result = new Float32Array(data.length * count);
  for (const [row, label] of data.entries()) {
    if (!Number.isInteger(label) || label < 0 || label >= count) {
      throw new RondoError({
        where: "toCategorical",
        received: `the label ${label} at position ${row}`,
        expected: classes === undefined ? "whole numbers from 0" : `whole numbers from 0 to ${count - 1}`,
        fix: "Number the classes from 0, or give the right number of classes",
      });
    }
    result[row * count + label] = 1;
  }
  const kept = shape.length > 1 && shape.at(-1) === 1 ? shape.slice(0, -1) : shape;
  return new Tensor(result, [...kept, count], "float32");
}
