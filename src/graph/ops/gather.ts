import { RondoError } from "../../errors.js";
import { type Dim, shapeText } from "../dim.js";
import { apply, type Op, type SymbolicTensor, symbolic } from "../ir.js";
import { noMask } from "../mask.js";
import { cast, equalTo } from "./elementwise.js";
import { normalizeAxis } from "./reduce.js";
import { expandDims } from "./shape.js";
import { constant } from "./source.js";

export interface GatherAttrs {
  readonly axis: number;
}

/** Entries of `table` along `axis` at `ids` (int32, any shape): [..outer, ..ids, ..inner]. */
export const gatherOp: Op<GatherAttrs> = {
  name: "gather",
  infer: ([table, ids], { axis }) => {
    if (table === undefined || ids?.dtype !== "int32") {
      throw new RondoError({
        where: "gather",
        received: `indices of dtype ${ids?.dtype}`,
        expected: "int32 indices",
        fix: 'Convert them with ops.cast(ids, "int32")',
      });
    }
    const shape = [...table.shape.slice(0, axis), ...ids.shape, ...table.shape.slice(axis + 1)];
    return [{ shape, dtype: table.dtype }];
  },
  gradient: ({ inputs: [table, ids], grads: [g], attrs: { axis }, wanted }) => {
    if (table === undefined || ids === undefined || g === undefined || !wanted[0]) return [];
    return [apply(scatterAddOp, [g, ids], { axis, size: table.shape[axis] ?? 0 })];
  },
  mask: ([table, ids], { axis }) => {
    // A masked table keeps its mask, or its entries theirs; masked indices can only stand in front.
    if (ids === undefined) return undefined;
    if (ids.mask === undefined) {
      const mask = table?.mask;
      return mask && axis < mask.rank ? apply(gatherOp, [mask, ids], { axis }) : mask;
    }
    if (axis === 0 && table?.mask === undefined) return ids.mask;
    throw new RondoError({
      where: "gather",
      received: `indices masked over ${shapeText(ids.mask.shape)} along axis ${axis}${table?.mask ? " of a masked table" : ""}`,
      expected: "masked indices along axis 0 of a table without a mask",
      fix: "Drop one of the masks on purpose with ops.withoutMask",
    });
  },
  kernel: { kind: "instruction", name: "gather" },
};

/** Indices are checked when the program runs; one out of range is an error there. */
export const gather = (table: SymbolicTensor, ids: SymbolicTensor, axis = 0): SymbolicTensor =>
  apply(gatherOp, [table, cast(ids, "int32")], { axis: normalizeAxis("gather", table, axis) });

export interface ScatterAttrs extends GatherAttrs {
  readonly size: Dim;
}

/** The transpose of gather: zeros of `size` along `axis`, to which the entries of x are added at `ids`. */
export const scatterAddOp: Op<ScatterAttrs> = {
  name: "scatterAdd",
  infer: ([x, ids], { axis, size }) => {
    const shape = x?.shape ?? [];
    return [
      {
        shape: [...shape.slice(0, axis), size, ...shape.slice(axis + (ids?.shape.length ?? 0))],
        dtype: "float32",
      },
    ];
  },
  gradient: ({ inputs: [, ids], grads: [g], attrs: { axis } }) => [
    g && ids && apply(gatherOp, [g, ids], { axis }),
  ],
  mask: noMask,
  kernel: { kind: "instruction", name: "scatterAdd" },
};

/** 1 where the class is `ids`, else 0, along a new last axis of `depth`. Ids outside [0, depth) give a row of zeros. */
export function oneHot(ids: SymbolicTensor, depth: number): SymbolicTensor {
  const classes = constant(
    Int32Array.from({ length: depth }, (_, i) => i),
    [depth],
    "int32",
  );
  const hit = equalTo(expandDims(cast(symbolic("oneHot", ids).withMask(undefined), "int32"), -1), classes);
  return cast(hit, "float32").withMask(ids.mask);
}
