import { apply, type Op, type SymbolicTensor } from "../ir.js";
import { elementwiseMask } from "../mask.js";
import { exp, mul, sub } from "./elementwise.js";
import { normalizeAxis, sum } from "./reduce.js";
import { transpose } from "./shape.js";

type None = Readonly<Record<string, never>>;

const define = (name: string, gradient: Op<None>["gradient"]): Op<None> => ({
  name,
  infer: ([x]) => [x ?? { shape: [], dtype: "float32" }],
  gradient,
  mask: elementwiseMask,
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
  const index = normalizeAxis(op.name, x.shape, axis);
  if (index === x.rank - 1) return apply(op, [x], {});
  const perm = [...x.shape.keys()].map((i) => (i === index ? x.rank - 1 : i === x.rank - 1 ? index : i));
  return transpose(apply(op, [transpose(x.withMask(undefined), perm)], {}), perm).withMask(x.mask);
}

export const softmax = (x: SymbolicTensor, axis = -1): SymbolicTensor => along(softmaxOp, x, axis);
export const logSoftmax = (x: SymbolicTensor, axis = -1): SymbolicTensor => along(logSoftmaxOp, x, axis);
