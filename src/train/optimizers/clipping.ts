import type { SymbolicTensor } from "../../graph/ir.js";
import { clipByValue, div, maximum, mul, sqrt, square } from "../../graph/ops/elementwise.js";
import { concat } from "../../graph/ops/join.js";
import { sum } from "../../graph/ops/reduce.js";
import { reshape } from "../../graph/ops/shape.js";
import type { ClippingOptions } from "./optimizer.js";

/**
 * All gradients as one vector [P], limited as the options say; a limit of 0 is none. A norm n above the limit c scales by c/n (Pascanu et al.
 * 2013, algorithm 1).
 */
export function clipGradients(
  gradients: readonly SymbolicTensor[],
  { clipNorm, clipValue, globalClipNorm }: ClippingOptions,
): SymbolicTensor {
  const pieces = gradients.map((g) => reshape(g, [-1]));
  const all = (list: readonly SymbolicTensor[]) => concat(list, 0);
  if (clipNorm) return all(pieces.map((g) => scaleTo(g, clipNorm)));
  if (globalClipNorm) return scaleTo(all(pieces), globalClipNorm);
  if (clipValue) return clipByValue(all(pieces), -clipValue, clipValue);
  return all(pieces);
}

/** g, or g scaled to the norm `limit` where its own is larger; NaN stays NaN. */
const scaleTo = (g: SymbolicTensor, limit: number): SymbolicTensor =>
  mul(g, div(limit, maximum(sqrt(sum(square(g))), limit)));
