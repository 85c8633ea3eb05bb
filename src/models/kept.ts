import type { Json, JsonObject } from "../config/config.js";
import { Tensor, zeros } from "../tensor.js";
import type { Kept } from "../train/kept.js";

/** Values that can be kept, as JSON and the tensors in them: a copy of what they are now, but for the tensors' elements. */
export interface Packed {
  readonly json: Json;
  readonly tensors: readonly Tensor[];
}

/** What stands for a value that JSON has not: an object with this name alone. */
const mark = "$";

/** What `unpack` gives back as it was. */
export function pack(value: Kept): Packed {
  const tensors: Tensor[] = [];
  const packed = (value: Kept): Json => {
    if (value === undefined) return { [mark]: "undefined" };
    if (typeof value === "number")
      return Number.isFinite(value) && !Object.is(value, -0)
        ? value
        : { [mark]: Object.is(value, -0) ? "-0" : String(value) };
    if (typeof value !== "object" || value === null) return value;
    if (value instanceof Tensor) {
      const { dtype, shape, size } = value;
      return { [mark]: [dtype, [...shape], size === 0 ? -1 : tensors.push(value) - 1] };
    }
    if (isList(value)) return value.map(packed);
    const entries = Object.entries(value).map(([name, inner]) => [name, packed(inner)] as const);
    return Object.hasOwn(value, mark) ? { [mark]: { entries } } : Object.fromEntries(entries);
  };
  return { json: packed(value), tensors };
}

const isList = (value: object): value is readonly Kept[] => Array.isArray(value);

/**
 * @param tensors the tensor of each number, by dtype and shape
 */
export function unpack(
  json: Json,
  tensors: (index: number, dtype: Tensor["dtype"], shape: readonly number[]) => Tensor,
): Kept {
  const unpacked = (json: Json): Kept => {
    if (typeof json !== "object" || json === null) return json;
    if (Array.isArray(json)) return json.map(unpacked);
    const object = json as JsonObject;
    const special = object[mark];
    if (special === undefined || Object.keys(object).length > 1) return objectOf(Object.entries(object));
    if (special === "undefined") return undefined;
    if (typeof special === "string") return Number(special);
    if (Array.isArray(special)) {
      const [dtype, shape, index] = special as unknown as [Tensor["dtype"], number[], number];
      return index < 0 ? new Tensor(zeros(shape).data, shape, "float32") : tensors(index, dtype, shape);
    }
    return objectOf((special as { readonly entries: readonly [string, Json][] }).entries);
  };
  const objectOf = (entries: Iterable<readonly [string, Json]>): Kept =>
    Object.fromEntries([...entries].map(([name, inner]) => [name, unpacked(inner)]));
  return unpacked(json);
}
