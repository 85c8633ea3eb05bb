import { RondoError } from "../../errors.js";
import { equal, product, SizesDiffer, shapeText } from "../dim.js";
import { apply, makeNode, nodeOf, type Op, SymbolicTensor, symbolic } from "../ir.js";
import { broadcastMask, combineMasks, widenMask } from "../mask.js";
import { broadcastShapes, where } from "./elementwise.js";
import { sumTo } from "./reduce.js";
import { broadcastTo, guard, guardOp, reshape, transpose } from "./shape.js";

type None = Readonly<Record<string, never>>;

/** a [.., m, k] · b [.., k, n] → [.., m, n]; leading axes broadcast. Transposed operands are views, so they cost nothing. */
export const matmulOp: Op<None> = {
  name: "matmul",
  infer: ([a, b]) => {
    const m = a?.shape.at(-2);
    const k = a?.shape.at(-1);
    const n = b?.shape.at(-1);
    const fits =
      a?.dtype === "float32" &&
      b?.dtype === "float32" &&
      m !== undefined &&
      n !== undefined &&
      k !== undefined;
    const inner = b?.shape.at(-2);
    if (!fits || inner === undefined || !equal(k, inner)) {
      const parts = {
        where: "matMul",
        received: [a, b].map((x) => `${x?.dtype}${shapeText(x?.shape ?? [])}`).join(" · "),
        expected: "float32 operands [.., m, k] and [.., k, n] with the same k",
        fix: "Transpose or reshape one of them",
      };
      throw fits && inner !== undefined ? new SizesDiffer(parts, k, inner) : new RondoError(parts);
    }
    const batch = broadcastShapes("matMul", [a.shape.slice(0, -2), b.shape.slice(0, -2)]);
    return [{ shape: [...batch, m, n], dtype: "float32" }];
  },
  gradient: ({ inputs: [a, b], grads: [g], wanted }) => {
    if (a === undefined || b === undefined || g === undefined) return [];
    // What is masked in a counts neither in the sums over its rows nor in what is handed on.
    const mask = nodeOf(guardOp, a)?.inputs[1];
    const slope = mask === undefined ? g : where(widenMask(mask, g.rank), g, 0);
    return [
      wanted[0] ? sumTo(matMul(slope, b, false, true), a.shape) : undefined,
      wanted[1] ? sumTo(matMul(unguarded(a), slope, true, false), b.shape) : undefined,
    ];
  },
  mask: (inputs, _attrs, output) => {
    const rank = output.shape.length - 1;
    const refuse = inputs.some(
      (x, i) => x.mask !== undefined && (i === 1 ? x.mask.rank > x.rank - 2 : x.mask.rank > rank),
    );
    if (refuse) {
      throw new RondoError({
        where: "matMul",
        received: `operands masked over ${inputs.map((x) => x.mask?.rank ?? 0).join(" and ")} axes`,
        expected: "masks that do not reach the summed axis",
        fix: "Select the masked elements to 0 with ops.where and drop the mask with ops.withoutMask",
      });
    }
    return combineMasks(inputs.map((x) => broadcastMask("matMul", x, output.shape)));
  },
  kernel: { kind: "instruction", name: "matmul" },
};

/** Product over the last two axes; `transposeA`, `transposeB` swap them first. Leading axes broadcast. */
export function matMul(
  a: SymbolicTensor,
  b: SymbolicTensor,
  transposeA = false,
  transposeB = false,
): SymbolicTensor {
  for (const x of [a, b]) symbolic("matMul", x);
  const [x, y] = [transposeA ? swapLast(a) : a, transposeB ? swapLast(b) : b];
  if (y.rank !== 2 || x.rank <= 2)
    return apply(matmulOp, [y.rank === 2 && x.mask !== undefined ? guard(x, x.mask) : x, y], {});
  // One large product instead of many small ones; type and mask are those of the small ones.
  const [type] = matmulOp.infer([x, y], {});
  if (type === undefined) throw new Error("matMul: its type is missing");
  const flat = [product(x.shape.slice(0, -1)), x.shape.at(-1) ?? 0];
  const rows = reshape(x.withMask(undefined), flat);
  const left = x.mask === undefined || x.mask.rank >= x.rank ? rows : guard(rows, rowMask(x, x.mask));
  const result = makeNode(matmulOp, [left, y], {});
  const mask = x.mask || y.mask ? matmulOp.mask([x, y], {}, type) : undefined;
  return reshape(new SymbolicTensor(result), type.shape).withMask(mask);
}

/** What of x counts: 0 at the steps that a guard leaves out. */
function unguarded(x: SymbolicTensor): SymbolicTensor {
  const [value, mask] = nodeOf(guardOp, x)?.inputs ?? [];
  return value === undefined || mask === undefined ? x : where(widenMask(mask, x.rank), value, 0);
}

/** Which of the rows of x, all its axes but the last in one, count. */
const rowMask = (x: SymbolicTensor, mask: SymbolicTensor): SymbolicTensor =>
  reshape(broadcastTo(widenMask(mask, x.rank - 1), x.shape.slice(0, -1)), [product(x.shape.slice(0, -1))]);

const swapLast = (x: SymbolicTensor): SymbolicTensor =>
  transpose(
    x,
    [...x.shape.keys()].map((i) => (i < x.rank - 2 ? i : 2 * x.rank - 3 - i)),
  );
