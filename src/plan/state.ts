import type { StateVariable } from "../graph/ir.js";
import { byteSize } from "./buffer.js";
import { aligned } from "./program.js";

/** Where each variable of a model's state lies in its memory block. Shared by all programs of the model. */
export interface StateLayout {
  /** Byte offsets. */
  readonly offsets: ReadonlyMap<StateVariable, number>;
  readonly bytes: number;
}

/** Lays the variables side by side in the given order, each at a multiple of 64 bytes. */
export function layoutState(variables: readonly StateVariable[]): StateLayout {
  const offsets = new Map<StateVariable, number>();
  let bytes = 0;
  for (const variable of variables) {
    if (offsets.has(variable)) continue;
    offsets.set(variable, bytes);
    bytes += aligned(byteSize(variable.dtype, variable.shape));
  }
  return { offsets, bytes };
}
