import { type Node, type SymbolicTensor, substitute, topological } from "./ir.js";
import { input } from "./ops/source.js";

/** A piece of graph over placeholders alone. */
export interface Closure {
  /** The values, in their order, without masks. */
  readonly roots: readonly SymbolicTensor[];
  /** Values of the outer graph that it uses, and the placeholders that stand for them. */
  readonly captured: readonly SymbolicTensor[];
  readonly stands: readonly SymbolicTensor[];
}

/**
 * Cuts a piece of graph out of the graph around it: whatever does not depend on a placeholder is computed there, once, and
 * passed in. Literal numbers stay inside.
 */
export function closureOf(
  roots: readonly SymbolicTensor[],
  placeholders: readonly SymbolicTensor[],
): Closure {
  const inside = new Set(placeholders.map(({ node }) => node));
  const captured: SymbolicTensor[] = [];
  const stands: SymbolicTensor[] = [];
  const standsOf = new Map<Node, SymbolicTensor[]>();
  const order = topological(roots);
  for (const node of order) if (node.inputs.some((x) => inside.has(x.node))) inside.add(node);
  const standFor = (x: SymbolicTensor) => standsOf.get(x.node)?.[x.index];
  const capture = (x: SymbolicTensor) => {
    if (inside.has(x.node) || (x.node.op.name === "constant" && x.rank === 0) || standFor(x)) return;
    const stand = input(`o${stands.length}`, x.shape, x.dtype);
    const own = standsOf.get(x.node) ?? [];
    own[x.index] = stand;
    standsOf.set(x.node, own);
    stands.push(stand);
    captured.push(x.withMask(undefined));
  };
  for (const node of order) if (inside.has(node)) node.inputs.forEach(capture);
  roots.forEach(capture);
  return { roots: substitute(roots, standFor).map((x) => x.withMask(undefined)), captured, stands };
}
