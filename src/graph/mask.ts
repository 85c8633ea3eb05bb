// Functions, not constants: the modules of ops refer to each other (their gradients are written in ops), and only
// function declarations exist before their module has run.
import { RondoError } from "../errors.js";
import { type Dim, equal, type Shape, shapeText } from "./dim.js";
import { type MaskRule, type SymbolicTensor, sameValue } from "./ir.js";
import { logicalAnd } from "./ops/elementwise.js";
import { broadcastTo, reshape } from "./ops/shape.js";

/** For ops whose inputs cannot have a mask, or whose output has none by nature. */
export function noMask(): undefined {
  return undefined;
}

/** Both masks: steps that count in each. A mask over fewer axes counts for all of the further ones. */
export function combineMasks(masks: readonly (SymbolicTensor | undefined)[]): SymbolicTensor | undefined {
  return masks.reduce((all, mask) => {
    if (all === undefined || mask === undefined) return all ?? mask;
    if (sameValue(all, mask)) return all;
    const rank = Math.max(all.rank, mask.rank);
    return logicalAnd(widenMask(all, rank), widenMask(mask, rank));
  }, undefined);
}

/** A mask with axes of size 1 appended, so that it broadcasts against values of the given rank. */
export function widenMask(mask: SymbolicTensor, rank: number): SymbolicTensor {
  return reshape(mask, [...mask.shape, ...Array<Dim>(Math.max(rank - mask.rank, 0)).fill(1)]);
}

/** Elementwise ops keep the masks of their operands. */
export function elementwiseMask(where: string): MaskRule<object> {
  return (inputs, _attrs, output) => combineMasks(inputs.map((x) => broadcastMask(where, x, output.shape)));
}

/** The mask of x when x is broadcast to `shape`; the masked axes must stay in front. */
export function broadcastMask(where: string, x: SymbolicTensor, shape: Shape): SymbolicTensor | undefined {
  if (x.mask === undefined) return undefined;
  if (x.rank !== shape.length) {
    throw new RondoError({
      where,
      received: `a masked operand of shape ${shapeText(x.shape)} broadcast to ${shapeText(shape)}`,
      expected: "a masked operand with as many axes as the result",
      fix: "Reshape it to the rank of the result first, or drop the mask on purpose with ops.withoutMask",
    });
  }
  return broadcastTo(x.mask, shape.slice(0, x.mask.rank));
}

/** Whether the first `rank` axes of both shapes agree. */
export const samePrefix = (a: Shape, b: Shape, rank: number): boolean =>
  a.slice(0, rank).every((d, i) => equal(d, b[i] ?? -1));
