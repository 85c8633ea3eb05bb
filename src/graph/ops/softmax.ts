import { RondoError } from "../../errors.js";
import { sameShape, shapeText } from "../dim.js";
import { apply, type Op, SymbolicTensor, type TensorType } from "../ir.js";
import { elementwiseMask, noMask, widenMask } from "../mask.js";
import { cast, exp, mul, sub, where } from "./elementwise.js";
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

/**
 * x [.., C], labels int32 [..] → log Σ exp x − x_label, [..]; the rows' maxima and the logarithms of Σ exp(x − maximum), for the
 * gradient. A label outside [0, C) gives 0.
 */
export const crossEntropyOp: Op<None> = {
  name: "crossEntropy",
  infer: ([x, labels]) => {
    const rows: TensorType = { shape: labels?.shape ?? [], dtype: "float32" };
    if (
      x?.dtype !== "float32" ||
      labels?.dtype !== "int32" ||
      x.shape.length === 0 ||
      !sameShape(x.shape.slice(0, -1), labels.shape)
    ) {
      throw new RondoError({
        where: "crossEntropy",
        received: `logits ${x?.dtype}${shapeText(x?.shape ?? [])} and labels ${labels?.dtype}${shapeText(labels?.shape ?? [])}`,
        expected: "float32 logits [.., classes] and an int32 class number for each row",
        fix: "Give as many labels as the logits have rows",
      });
    }
    return [rows, rows, rows];
  },
  gradient: ({ node, inputs: [x, labels], grads: [g] }) => {
    if (x === undefined || labels === undefined || g === undefined) return [];
    const saved = [1, 2].map((i) => new SymbolicTensor(node, i));
    return [apply(crossEntropyGradientOp, [x, labels, ...saved, g], {})];
  },
  mask: noMask,
  kernel: { kind: "instruction", name: "crossEntropy" },
};

/** x, labels, maxima, logarithms of sums, g [..] → g · (softmax x − 1 at the label), [.., C]. */
export const crossEntropyGradientOp: Op<None> = {
  name: "crossEntropyGradient",
  infer: ([x]) => (x === undefined ? [] : [x]),
  gradient: "none",
  mask: noMask,
  kernel: { kind: "instruction", name: "crossEntropyGradient" },
};

/** −log softmax(x)_label, without the probabilities ever being written: x [.., C], labels [..], whole numbers → [..]. */
export const crossEntropy = (x: SymbolicTensor, labels: SymbolicTensor): SymbolicTensor =>
  apply(crossEntropyOp, [x.withMask(undefined), cast(labels.withMask(undefined), "int32")], {}).withMask(
    x.mask,
  );
