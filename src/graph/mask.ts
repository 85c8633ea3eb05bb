// Functions, not constants: the modules of ops refer to each other (their gradients are written in ops), and only
// function declarations exist before their module has run.
import { RondoError } from "../errors.js";
import { type Dim, equal, type Shape, sameShape, shapeText } from "./dim.js";
import type { MaskRule, SymbolicTensor, TensorType } from "./ir.js";
import { logicalAnd } from "./ops/elementwise.js";
import { broadcastTo, reshape } from "./ops/shape.js";

/** For ops whose inputs cannot have a mask, or whose output has none by nature. */
export function noMask(): undefined {
  return undefined;
}

/** For ops that cannot carry a mask: a silent loss would make every later loss and metric wrong. */
export function refuseMask(
  where: string,
  fix = "Drop the mask on purpose with ops.withoutMask",
): MaskRule<object> {
  return (inputs) => {
    throw new RondoError({
      where,
      received: `an input with a mask of shape ${shapeText(inputs.find((x) => x.mask)?.mask?.shape ?? [])}`,
      expected: "inputs without a mask, because its steps have no counterpart in the result",
      fix,
    });
  };
}

/** Both masks: steps that count in each. A mask over fewer axes counts for all of the further ones. */
export function combineMasks(masks: readonly (SymbolicTensor | undefined)[]): SymbolicTensor | undefined {
  return masks.reduce((all, mask) => {
    if (all === undefined || mask === undefined) return all ?? mask;
    const rank = Math.max(all.rank, mask.rank);
    const pad = (m: SymbolicTensor) =>
      m.rank === rank ? m : reshape(m, [...m.shape, ...Array<Dim>(rank - m.rank).fill(1)]);
    return logicalAnd(pad(all), pad(mask));
  }, undefined);
}

/** Elementwise ops keep the masks of their operands; those must line up with the leading axes of the result. */
export function elementwiseMask(
  inputs: readonly SymbolicTensor[],
  _attrs: object,
  output: TensorType,
): SymbolicTensor | undefined {
  return combineMasks(
    inputs.map((x) => {
      if (x.mask === undefined) return undefined;
      if (x.rank !== output.shape.length) {
        throw new RondoError({
          where: "elementwise operation",
          received: `a masked operand of shape ${shapeText(x.shape)} broadcast to ${shapeText(output.shape)}`,
          expected: "a masked operand with as many axes as the result",
          fix: "Reshape it to the rank of the result first",
        });
      }
      const prefix = output.shape.slice(0, x.mask.rank);
      return sameShape(x.mask.shape, prefix) ? x.mask : broadcastTo(x.mask, prefix);
    }),
  );
}

/** Whether the first `rank` axes of both shapes agree. */
export const samePrefix = (a: Shape, b: Shape, rank: number): boolean =>
  a.slice(0, rank).every((d, i) => equal(d, b[i] ?? -1));
