import { type DataArray, findFirst, outsideOf, placeText } from "./samples.js";

/**
 * What in the data makes a loss NaN or infinite, in words: in each array the first value that is neither, or the first
 * target that the loss does not take. Undefined where there is nothing. The event loop keeps turning.
 */
export async function findHarm(arrays: readonly DataArray[]): Promise<string | undefined> {
  const found: string[] = [];
  for (const { name, tensor } of arrays) {
    const { data, shape } = tensor;
    if (!(data instanceof Float32Array)) continue;
    const at = await findFirst(tensor, (value) => !Number.isFinite(value));
    if (at !== undefined) found.push(`${name} holds ${data[at]} in ${placeText(shape, at)}`);
  }
  if (found.length > 0) return found.join(", and ");
  for (const { name, tensor, bounds } of arrays) {
    if (bounds === undefined) continue;
    const at = await findFirst(tensor, outsideOf(bounds));
    if (at !== undefined)
      found.push(
        `${name} holds ${tensor.data[at]} in ${placeText(tensor.shape, at)}, where a ${bounds.noun} that is not masked must be among ${bounds.expected}`,
      );
  }
  return found[0];
}

/** What to say of a loss that is not finite. */
export interface Diagnosis {
  /** What is wrong in the data; undefined where nothing is. */
  readonly harm: string | undefined;
  readonly fix: string;
}

/** @param inputs what the loss was computed of */
export async function diagnose(inputs: readonly DataArray[]): Promise<Diagnosis> {
  const harm = await findHarm(inputs);
  const fix =
    harm === undefined
      ? "Lower the learning rate, limit the gradients with clipNorm, or scale the data; weights that are NaN stay so: begin again with a new model"
      : "Remove or replace such values before training, or mask their time steps";
  return { harm, fix };
}
