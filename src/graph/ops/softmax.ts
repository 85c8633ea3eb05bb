import { RondoError } from "../../errors.js";
import { shapeText } from "../dim.js";
import { apply, type Op, type SymbolicTensor } from "../ir.js";
import { elementwiseMask, widenMask } from "../mask.js";
import { exp, mul, sub, where } from "./elementwise.js";
import { normalizeAxis, sum } from "./reduce.js";
import { transpose } from "./shape.js";

type None = Readonly<Record<string, never>>;

const define = (name: string, gradient: Op<None>["gradient"]): Op<None> => ({
  name,
  infer: ([x]) => {
    if (x === undefined || x.dtype !== "float32" || x.shape.length === 0) {
      throw new RondoError({
        where: name,
        received: `an operand of ${x?.dtype}${shapeText(x?.shape ?? [])}`,
        expected: "a float32 operand with at least one axis",
        fix: 'Convert it with ops.cast(x, "float32")',
      });
    }
    return [x];
  },
  gradient,
  mask: elementwiseMask(name),
  kernel: { kind: "instruction", name },
});

/** exp x / Σ exp x over the last axis. */
export const softmaxOp = define("softmax", ({ outputs: [y], grads: [g] }) => [
  y && g && mul(y, sub(g, sum(mul(g, y), -1, true))),
]);

/** log softmax x = x − logΣexp x over the last axis. */
export const logSoftmaxOp = define("logSoftmax", ({ outputs: [y], grads: [g] }) => [
  y && g && sub(g, mul(exp(y), sum(g, -1, true))),
]);

function along(op: Op<None>, x: SymbolicTensor, axis: number): SymbolicTensor {
  const index = normalizeAxis(op.name, x, axis);
  if (x.mask !== undefined && index < x.mask.rank) {
    // Masked steps take no part and get 0, also in rows that are masked as a whole.
    const counts = widenMask(x.mask, x.rank);
    const y = along(op, where(counts, x.withMask(undefined), Number.NEGATIVE_INFINITY), index);
    return where(counts, y, 0).withMask(x.mask);
  }
  if (index === x.rank - 1) return apply(op, [x], {});
  const perm = [...x.shape.keys()].map((i) => (i === index ? x.rank - 1 : i === x.rank - 1 ? index : i));
  return transpose(apply(op, [transpose(x.withMask(undefined), perm)], {}), perm).withMask(x.mask);
}

/** Softmax over `axis`. Along a masked axis the masked steps take no part. */
export const softmax = (x: SymbolicTensor, axis = -1): SymbolicTensor => along(softmaxOp, x, axis);
export const logSoftmax = (x: SymbolicTensor, axis = -1): SymbolicTensor => along(logSoftmaxOp, x, axis);
