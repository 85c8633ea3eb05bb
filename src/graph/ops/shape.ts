import { RondoError } from "../../errors.js";
import { checkSizes } from "../../tensor.js";
import {
  bind,
  type Dim,
  divide,
  equal,
  isNegative,
  add as plus,
  product,
  type Shape,
  sameShape,
  shapeText,
  sub,
} from "../dim.js";
import {
  apply,
  makeNode,
  nodeOf,
  type Op,
  type Strided,
  SymbolicTensor,
  symbolic,
  type TensorType,
} from "../ir.js";
import { broadcastMask, samePrefix, widenMask } from "../mask.js";
import { broadcastShapes, where } from "./elementwise.js";
import { pad } from "./join.js";
import { normalizeAxes, normalizeAxis, sumTo } from "./reduce.js";

const at = (list: readonly number[], i: number): number => list[i] ?? 0;
const typeOf = (x: TensorType | undefined): TensorType => x ?? { shape: [], dtype: "float32" };

// ---- reshape

export interface ReshapeAttrs {
  readonly shape: Shape;
}

/** Same elements in the same order under another shape. */
export const reshapeOp: Op<ReshapeAttrs> = {
  name: "reshape",
  infer: ([x], { shape }) => {
    if (!equal(product(typeOf(x).shape), product(shape)) || shape.some(isNegative)) {
      throw new RondoError({
        where: "reshape",
        received: `shape ${shapeText(typeOf(x).shape)}`,
        expected: `as many elements as ${shapeText(shape)}`,
        fix: "Choose a target shape with the same product (one size may be -1)",
      });
    }
    return [{ shape, dtype: typeOf(x).dtype }];
  },
  gradient: ({ inputs: [x], grads: [g] }) => [x && g && reshape(g, x.shape)],
  mask: ([x], { shape }) => {
    const mask = x?.mask;
    if (x === undefined || mask === undefined) return undefined;
    if (samePrefix(x.shape, shape, mask.rank) && shape.length >= mask.rank) return mask;
    throw new RondoError({
      where: "reshape",
      received: `shape ${shapeText(x.shape)} with a mask over its first ${mask.rank} axes, to ${shapeText(shape)}`,
      expected: "a shape that keeps the masked axes as they are",
      fix: "Keep the masked axes in front, or drop the mask on purpose with ops.withoutMask",
    });
  },
  kernel: {
    kind: "view",
    view: (x, _attrs, _bindings, output) => reshapeView(x, output),
  },
  shorten(node) {
    const [x] = node.inputs;
    const [source] = nodeOf(reshapeOp, x)?.inputs ?? [];
    if (source === undefined) return x;
    const same = sameShape(source.shape, node.attrs.shape);
    return same ? source : new SymbolicTensor(makeNode(reshapeOp, [source], node.attrs));
  },
};

/** The strides of `shape` over the elements of x, where there are such. */
function reshapeView(x: Strided, shape: readonly number[]): Strided | undefined {
  // Walk both shapes in groups of equal product; within a group the old axes must be one run of memory.
  const strides: number[] = [];
  let i = 0;
  let j = 0;
  while (j < shape.length || i < x.shape.length) {
    if (shape.some((d) => d === 0)) return { ...x, shape, strides: shape.map(() => 0) };
    let have = i < x.shape.length ? at(x.shape, i) : 1;
    let want = j < shape.length ? at(shape, j) : 1;
    const from = i++;
    const to = j++;
    while (have !== want) {
      if (have < want) have *= at(x.shape, i++);
      else want *= at(shape, j++);
    }
    let stride = 0;
    let first = true;
    for (let a = Math.min(i, x.shape.length) - 1; a >= from; a--) {
      if (at(x.shape, a) === 1) continue;
      if (first) stride = at(x.strides, a);
      else {
        let run = stride;
        for (let b = a + 1; b < i; b++) run *= at(x.shape, b);
        if (at(x.strides, a) !== run) return undefined;
      }
      first = false;
    }
    for (let a = Math.min(j, shape.length) - 1, step = stride; a >= to; a--) {
      strides[a] = step;
      step *= at(shape, a);
    }
  }
  return { offset: x.offset, shape, strides };
}

/** Reshapes to `shape`; one size may be -1 and follows from the others. */
export function reshape(x: SymbolicTensor, shape: readonly Dim[]): SymbolicTensor {
  symbolic("reshape", x);
  checkSizes("reshape", shape);
  const unknown = shape.indexOf(-1);
  let target: Shape = shape;
  if (unknown >= 0 && shape.filter(isNegative).length === 1) {
    const rest = product(shape.filter((_, i) => i !== unknown));
    const missing = divide(product(x.shape), rest);
    if (missing === undefined) {
      throw new RondoError({
        where: "reshape",
        received: `shape ${shapeText(x.shape)}`,
        expected: `a number of elements divisible by ${rest}`,
        fix: `Change the target shape ${shapeText(shape)}`,
      });
    }
    target = shape.map((d, i) => (i === unknown ? missing : d));
  }
  return sameShape(x.shape, target) ? x : apply(reshapeOp, [x], { shape: target });
}

/** Inserts an axis of size 1 before `axis`. */
export function expandDims(x: SymbolicTensor, axis: number): SymbolicTensor {
  const index = normalizeAxis("expandDims", x, axis, 1);
  return reshape(x, x.shape.toSpliced(index, 0, 1));
}

/** Removes the given axes (all of size 1 when left out). */
export function squeeze(x: SymbolicTensor, axes?: readonly number[]): SymbolicTensor {
  const gone = axes?.map((a) => normalizeAxis("squeeze", x, a));
  return reshape(
    x,
    symbolic("squeeze", x).shape.filter((d, i) => (gone === undefined ? !equal(d, 1) : !gone.includes(i))),
  );
}

// ---- transpose

export interface TransposeAttrs {
  readonly perm: readonly number[];
}

export const transposeOp: Op<TransposeAttrs> = {
  name: "transpose",
  infer: ([x], { perm }) => {
    const { shape, dtype } = typeOf(x);
    if (
      perm.length !== shape.length ||
      new Set(perm).size !== perm.length ||
      perm.some((p) => shape[p] === undefined)
    ) {
      throw new RondoError({
        where: "transpose",
        received: `the permutation [${perm.join(", ")}] for shape ${shapeText(shape)}`,
        expected: `each of 0 to ${shape.length - 1} once`,
        fix: "List every axis of the operand exactly once",
      });
    }
    return [{ shape: perm.map((p) => shape[p] ?? 0), dtype }];
  },
  gradient: ({ grads: [g], attrs: { perm } }) => [
    g &&
      transpose(
        g,
        perm.map((_, i) => perm.indexOf(i)),
      ),
  ],
  mask: ([x], { perm }) => {
    const mask = x?.mask;
    if (mask === undefined) return undefined;
    const front = perm.slice(0, mask.rank);
    if (front.every((p) => p < mask.rank)) return transpose(mask, front);
    throw new RondoError({
      where: "transpose",
      received: `the permutation [${perm.join(", ")}] of a value masked over its first ${mask.rank} axes`,
      expected: "a permutation that keeps the masked axes in front",
      fix: "Keep them in front, or drop the mask on purpose with ops.withoutMask",
    });
  },
  kernel: {
    kind: "view",
    view: (x, { perm }) => ({
      offset: x.offset,
      shape: perm.map((p) => at(x.shape, p)),
      strides: perm.map((p) => at(x.strides, p)),
    }),
  },
  shorten({ inputs: [x], attrs: { perm } }) {
    const first = nodeOf(transposeOp, x);
    const both = first === undefined ? perm : perm.map((p) => at(first.attrs.perm, p));
    const source = first === undefined ? x : first.inputs[0];
    if (both.every((p, i) => p === i)) return source;
    return first && source && new SymbolicTensor(makeNode(transposeOp, [source], { perm: both }));
  },
};

/** Permutes the axes; reverses them when `perm` is left out. */
export function transpose(x: SymbolicTensor, perm?: readonly number[]): SymbolicTensor {
  const { shape } = symbolic("transpose", x);
  const order = (perm ?? shape.map((_, i) => x.rank - 1 - i)).map((p) => (p < 0 ? p + x.rank : p));
  return order.every((p, i) => p === i) && order.length === x.rank
    ? x
    : apply(transposeOp, [x], { perm: order });
}

// ---- slice, reverse

export interface SliceAttrs {
  readonly begin: Shape;
  readonly size: Shape;
}

/** A block of x: `size` elements from `begin` on each axis. */
export const sliceOp: Op<SliceAttrs> = {
  name: "slice",
  infer: ([x], { begin, size }) => {
    const { shape, dtype } = typeOf(x);
    const outside = shape.some((d, i) => {
      const [b, n] = [begin[i] ?? 0, size[i] ?? 0];
      return isNegative(b) || isNegative(n) || isNegative(sub(d, plus(b, n)));
    });
    if (outside || begin.length !== shape.length || size.length !== shape.length) {
      throw new RondoError({
        where: "slice",
        received: `begin ${shapeText(begin)} and size ${shapeText(size)} for shape ${shapeText(shape)}`,
        expected: "a block inside the operand, one number per axis",
        fix: "Make begin + size at most the operand's size on every axis",
      });
    }
    return [{ shape: size, dtype }];
  },
  gradient: ({ inputs: [x], grads: [g], attrs: { begin, size } }) => [
    x &&
      g &&
      pad(
        g,
        x.shape.map((d, i) => [begin[i] ?? 0, sub(d, plus(begin[i] ?? 0, size[i] ?? 0))]),
      ),
  ],
  mask: ([x], { begin, size }) =>
    x?.mask && slice(x.mask, begin.slice(0, x.mask.rank), size.slice(0, x.mask.rank)),
  kernel: {
    kind: "view",
    view: (x, { begin }, bindings, output) => {
      const from = begin.map((b) => bind(b, bindings));
      const inside = output.every((n, i) => n >= 0 && at(from, i) >= 0 && at(from, i) + n <= at(x.shape, i));
      if (!inside) {
        throw new RondoError({
          where: "slice",
          received: `shape ${shapeText(x.shape)}, of which ${shapeText(output)} from ${shapeText(from)} on is asked for`,
          expected: "a block inside the operand",
          fix: "Give longer sequences (or more rows), or slice less",
        });
      }
      return {
        offset: x.offset + from.reduce((o, b, i) => o + b * at(x.strides, i), 0),
        shape: output,
        strides: x.strides,
      };
    },
  },
  shorten: ({ inputs: [x], attrs: { begin } }) => (begin.every((d) => equal(d, 0)) ? x : undefined),
};

/**
 * A block of x. `begin` may be negative numbers (from the end); `size` -1, or left out, means up to the end. Axes
 * beyond those given are taken whole.
 */
export function slice(x: SymbolicTensor, begin: readonly Dim[], size: readonly Dim[] = []): SymbolicTensor {
  if (begin.length > symbolic("slice", x).rank || size.length > x.rank) {
    throw new RondoError({
      where: "slice",
      received: `begin ${shapeText(begin)} and size ${shapeText(size)} for shape ${shapeText(x.shape)}`,
      expected: "at most one number per axis",
      fix: "Leave out what is too many",
    });
  }
  const from = x.shape.map((d, i) => {
    const b = begin[i] ?? 0;
    return isNegative(b) ? plus(d, b) : b;
  });
  const extent = x.shape.map((d, i) => {
    const s = size[i];
    return s === undefined || s === -1 ? sub(d, from[i] ?? 0) : s;
  });
  const whole = sameShape(extent, x.shape) && from.every((b) => equal(b, 0));
  return whole ? x : apply(sliceOp, [x], { begin: from, size: extent });
}

export interface ReverseAttrs {
  readonly axes: readonly number[];
}

export const reverseOp: Op<ReverseAttrs> = {
  name: "reverse",
  infer: ([x]) => [typeOf(x)],
  gradient: ({ grads: [g], attrs: { axes } }) => [g && reverse(g, axes)],
  mask: ([x], { axes }) => {
    const mask = x?.mask;
    return (
      mask &&
      reverse(
        mask,
        axes.filter((a) => a < mask.rank),
      )
    );
  },
  kernel: {
    kind: "view",
    view: (x, { axes }) => ({
      offset: x.offset + axes.reduce((o, a) => o + Math.max(at(x.shape, a) - 1, 0) * at(x.strides, a), 0),
      shape: x.shape,
      strides: x.strides.map((s, i) => (axes.includes(i) ? -s : s)),
    }),
  },
  shorten({ inputs: [x], attrs: { axes } }) {
    const first = nodeOf(reverseOp, x);
    const undone =
      first?.attrs.axes.length === axes.length && axes.every((a) => first.attrs.axes.includes(a));
    return undone ? first?.inputs[0] : undefined;
  },
};

/** Runs the given axes backwards. */
export function reverse(x: SymbolicTensor, axis: number | readonly number[]): SymbolicTensor {
  const axes = normalizeAxes("reverse", x, axis);
  return axes.length === 0 ? x : apply(reverseOp, [x], { axes });
}

// ---- broadcastTo, stopGradient, withoutMask

export interface BroadcastAttrs {
  readonly shape: Shape;
}

export const broadcastOp: Op<BroadcastAttrs> = {
  name: "broadcastTo",
  infer: ([x], { shape }) => {
    if (!sameShape(broadcastShapes("broadcastTo", [typeOf(x).shape, shape]), shape)) {
      throw new RondoError({
        where: "broadcastTo",
        received: `shape ${shapeText(typeOf(x).shape)}`,
        expected: `a shape that repeats to ${shapeText(shape)}`,
        fix: "Sizes must be equal or 1, counted from the last axis",
      });
    }
    return [{ shape, dtype: typeOf(x).dtype }];
  },
  gradient: ({ inputs: [x], grads: [g] }) => [x && g && sumTo(g, x.shape)],
  mask: ([x], { shape }) => x && broadcastMask("broadcastTo", x, shape),
  kernel: {
    kind: "view",
    view: (x, _attrs, _bindings, output) => {
      const lead = output.length - x.shape.length;
      const strides = output.map((d, i) =>
        i < lead || (at(x.shape, i - lead) === 1 && d !== 1) ? 0 : at(x.strides, i - lead),
      );
      return { offset: x.offset, shape: output, strides };
    },
  },
  shorten(node) {
    const [x] = node.inputs;
    const [source] = nodeOf(broadcastOp, x)?.inputs ?? [];
    return source === undefined ? x : new SymbolicTensor(makeNode(broadcastOp, [source], node.attrs));
  },
};

/** Repeats x along axes of size 1 and new leading axes, without copying. */
export function broadcastTo(x: SymbolicTensor, shape: Shape): SymbolicTensor {
  checkSizes("broadcastTo", shape);
  return sameShape(symbolic("broadcastTo", x).shape, shape) ? x : apply(broadcastOp, [x], { shape });
}

type None = Readonly<Record<string, never>>;

/** The same value, through which no gradient flows. */
export const stopGradientOp: Op<None> = {
  name: "stopGradient",
  infer: ([x]) => [typeOf(x)],
  gradient: "none",
  mask: ([x]) => x?.mask,
  kernel: { kind: "view", view: (x) => x },
  shorten: ({ inputs: [x] }) => x, // gradients have been taken by then
};

export const stopGradient = (x: SymbolicTensor): SymbolicTensor => apply(stopGradientOp, [x], {});

/**
 * The same value of x, guarded by a mask (bool, a prefix of its shape): the gradient that flows back is 0 at masked steps,
 * whatever came to it, NaN included, and a product with weights leaves x itself out there when it takes theirs.
 */
export const guardOp: Op<None> = {
  name: "guard",
  infer: ([x]) => [typeOf(x)],
  gradient: ({ inputs: [, mask], grads: [g] }) => [
    mask && g && where(widenMask(mask, g.rank), g, 0),
    undefined,
  ],
  mask: ([x]) => x?.mask,
  kernel: { kind: "view", view: (x) => x },
  shorten: ({ inputs: [x] }) => x, // gradients have been taken by then
};

/** x guarded by a mask that it need not have itself. */
export const guard = (x: SymbolicTensor, mask: SymbolicTensor): SymbolicTensor =>
  apply(guardOp, [x, mask], {});

/**
 * A weight broadcast to the shape of x, to be added to it or multiplied with it. Masked steps of x do not enter the
 * weight's gradient, whatever they hold.
 */
export function spread(weight: SymbolicTensor, x: SymbolicTensor): SymbolicTensor {
  const { mask, shape } = symbolic("spread", x);
  return mask === undefined ? weight : guard(broadcastTo(weight, shape), mask);
}

/** The same value without its mask: every step counts from here on. */
export const withoutMask = (x: SymbolicTensor): SymbolicTensor =>
  symbolic("withoutMask", x).withMask(undefined);
