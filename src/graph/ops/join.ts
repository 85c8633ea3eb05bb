import { RondoError, valueText } from "../../errors.js";
import { type Dim, equal, isNegative, add as plus, SizesDiffer, shapeText } from "../dim.js";
import { apply, type Op, type SymbolicTensor, symbolic } from "../ir.js";
import { combineMasks, widenMask } from "../mask.js";
import { normalizeAxis } from "./reduce.js";
import { broadcastTo, expandDims, slice } from "./shape.js";
import { fill, ones } from "./source.js";

export interface ConcatAttrs {
  readonly axis: number;
}

export const concatOp: Op<ConcatAttrs> = {
  name: "concat",
  infer: (inputs, { axis }) => {
    const [first] = inputs;
    const fits = inputs.every(
      (x) =>
        x.shape.length === first?.shape.length &&
        x.dtype === first.dtype &&
        x.shape.every((d, i) => i === axis || equal(d, first.shape[i] ?? -1)),
    );
    if (first === undefined || !fits) {
      const parts = {
        where: "concat",
        received: inputs.map((x) => `${x.dtype}${shapeText(x.shape)}`).join(", "),
        expected: `operands of one dtype that differ only on axis ${axis}`,
        fix: "Cast or reshape the operands first",
      };
      const rank = first?.shape.length;
      if (inputs.some((x) => x.shape.length !== rank || x.dtype !== first?.dtype))
        throw new RondoError(parts);
      for (const { shape } of inputs)
        for (const [i, d] of shape.entries()) {
          const own = first?.shape[i] ?? d;
          if (i !== axis && !equal(own, d)) throw new SizesDiffer(parts, own, d);
        }
    }
    if (first === undefined) return [];
    const total = inputs.reduce<Dim>((n, x) => plus(n, x.shape[axis] ?? 0), 0);
    return [{ shape: first.shape.map((d, i) => (i === axis ? total : d)), dtype: first.dtype }];
  },
  gradient: ({ inputs, grads: [g], attrs: { axis } }) => {
    let begin: Dim = 0;
    return inputs.map((x) => {
      const piece =
        g &&
        slice(
          g,
          x.shape.map((_, i) => (i === axis ? begin : 0)),
          x.shape,
        );
      begin = plus(begin, x.shape[axis] ?? 0);
      return piece;
    });
  },
  mask: (inputs, { axis }) => {
    const rank = inputs.reduce((most, x) => Math.max(most, x.mask?.rank ?? 0), 0);
    if (axis >= rank) return combineMasks(inputs.map((x) => x.mask));
    // Along a masked axis an operand without a mask counts everywhere.
    return concat(
      inputs.map((x) => expandMask(x, rank)),
      axis,
    );
  },
  kernel: { kind: "assemble" },
  shorten: ({ inputs }) => (inputs.length === 1 ? inputs[0] : undefined),
};

function expandMask(x: SymbolicTensor, rank: number): SymbolicTensor {
  const prefix = x.shape.slice(0, rank);
  return x.mask === undefined ? ones(prefix, "bool") : broadcastTo(widenMask(x.mask, rank), prefix);
}

/** Joins along an existing axis. */
export function concat(inputs: readonly SymbolicTensor[], axis = -1): SymbolicTensor {
  const first = firstOf("concat", inputs);
  return inputs.length === 1
    ? first
    : apply(concatOp, inputs, { axis: normalizeAxis("concat", first, axis) });
}

function firstOf(where: string, inputs: readonly SymbolicTensor[]): SymbolicTensor {
  if (Array.isArray(inputs) && inputs.length > 0) return symbolic(where, inputs[0]);
  throw new RondoError({
    where,
    received: Array.isArray(inputs) ? "no operands" : `${valueText(inputs)} for its operands`,
    expected: "a list of at least one",
    fix: "Put the operands into a list: [a, b]",
  });
}

/** Joins along a new axis. */
export function stack(inputs: readonly SymbolicTensor[], axis = 0): SymbolicTensor {
  const along = normalizeAxis("stack", firstOf("stack", inputs), axis, 1);
  return concat(
    inputs.map((x) => expandDims(x, along)),
    along,
  );
}

/** Cuts x along `axis` into pieces of the given sizes, which add up to the axis. */
export function split(x: SymbolicTensor, sizes: readonly Dim[], axis = -1): SymbolicTensor[] {
  const along = normalizeAxis("split", x, axis);
  const total = x.shape[along] ?? 0;
  if (!equal(sizes.reduce(plus, 0), total)) {
    throw new RondoError({
      where: "split",
      received: `pieces of ${sizes.join(", ")}`,
      expected: `pieces that add up to the ${total} elements of axis ${along}`,
      fix: "Change the sizes, or use ops.slice for a part of the operand",
    });
  }
  let begin: Dim = 0;
  return sizes.map((size) => {
    const piece = slice(
      x,
      x.shape.map((_, i) => (i === along ? begin : 0)),
      x.shape.map((d, i) => (i === along ? size : d)),
    );
    begin = plus(begin, size);
    return piece;
  });
}

/** Adds `value` around x: per axis the number of elements before and after. Padded steps of a masked x count as masked. */
export function pad(x: SymbolicTensor, widths: readonly (readonly [Dim, Dim])[], value = 0): SymbolicTensor {
  if (widths.length > symbolic("pad", x).rank || widths.flat().some(isNegative)) {
    throw new RondoError({
      where: "pad",
      received: `widths ${widths.map(shapeText).join(", ")} for shape ${shapeText(x.shape)}`,
      expected: "at most one pair per axis, of sizes that are not negative",
      fix: "Use ops.slice to remove elements",
    });
  }
  return widths.reduce((y, [before, after], axis) => {
    const side = (n: Dim) => {
      const shape = y.shape.map((d, i) => (i === axis ? n : d));
      const filler = fill(shape, value, y.dtype);
      return y.mask && axis < y.mask.rank
        ? filler.withMask(fill(shape.slice(0, y.mask.rank), 0, "bool"))
        : filler;
    };
    const pieces = [
      ...(equal(before, 0) ? [] : [side(before)]),
      y,
      ...(equal(after, 0) ? [] : [side(after)]),
    ];
    return concat(pieces, axis);
  }, x);
}
