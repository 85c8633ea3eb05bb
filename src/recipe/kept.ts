import type { Json } from "../config/config.js";
import { RondoError } from "../errors.js";
import { decodeSafetensors, encodeSafetensors } from "../formats/safetensors.js";
import { pack, unpack } from "../models/kept.js";
import { zeros } from "../tensor.js";
import type { Kept } from "../train/kept.js";

/** A value as a file: its tensors, and what holds them as JSON among the metadata. */
export function keptBytes(value: Kept): Uint8Array {
  const { json, tensors } = pack(value);
  const named = tensors.map((tensor, i) => [String(i), tensor] as const);
  return encodeSafetensors(named, { format: "rondo", value: JSON.stringify(json) });
}

/**
 * The value in a file.
 *
 * @throws RondoError for a damaged file
 */
export function keptFrom(bytes: Uint8Array, file: string): Kept {
  const { tensors, metadata } = decodeSafetensors(bytes, file);
  let json: Json;
  try {
    json = JSON.parse(metadata.value ?? "") as Json;
  } catch (cause) {
    throw new RondoError(
      {
        where: `read ${file}`,
        received: "a file without a value",
        expected: "the result of a part of a run",
        fix: "Take the file away: the part is then done once more",
      },
      { cause },
    );
  }
  return unpack(json, (index, _dtype, shape) => tensors.get(String(index)) ?? zeros(shape));
}
