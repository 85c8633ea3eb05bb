import { atOnce, isRest, type Steps } from "../breather.js";
import { RondoError } from "../errors.js";
import { shapeText } from "../graph/dim.js";
import { type Node, SymbolicTensor, topologicalSteps } from "../graph/ir.js";
import { add } from "../graph/ops/elementwise.js";
import { ones } from "../graph/ops/source.js";

/**
 * Reverse-mode differentiation (Griewank & Walther, "Evaluating Derivatives", 2008, §3.2): the gradients of a scalar
 * `loss` with respect to `targets`, as further nodes of the graph. Undefined where the loss does not depend on one.
 */
export const gradients = (loss: SymbolicTensor, targets: readonly SymbolicTensor[]): Gradients =>
  atOnce(gradientSteps(loss, targets));

/** `gradients`, as work that can pause. */
export function* gradientSteps(loss: SymbolicTensor, targets: readonly SymbolicTensor[]): Steps<Gradients> {
  if (loss.rank !== 0 || loss.dtype !== "float32") {
    throw new RondoError({
      where: "gradients",
      received: `a loss of ${loss.dtype}${shapeText(loss.shape)}`,
      expected: "one float32 number",
      fix: "Reduce the loss with ops.mean or ops.sum",
    });
  }
  return yield* vjpSteps([[loss, ones([])]], targets);
}

type Gradients = (SymbolicTensor | undefined)[];
type Seeds = readonly (readonly [SymbolicTensor, SymbolicTensor])[];

/** Vector–Jacobian product: from (value, gradient of it) pairs back to the targets. */
export const vjp = (seeds: Seeds, targets: readonly SymbolicTensor[]): Gradients =>
  atOnce(vjpSteps(seeds, targets));

function* vjpSteps(seeds: Seeds, targets: readonly SymbolicTensor[]): Steps<Gradients> {
  const order = yield* topologicalSteps(seeds.map(([y]) => y));
  // Only nodes that depend on a target pass gradients on.
  const active = new Set<Node>(targets.map((t) => t.node));
  let looked = 0;
  for (const node of order) {
    if (isRest(looked++)) yield;
    if (node.inputs.some((x) => active.has(x.node))) active.add(node);
  }

  const grads = new Map<Node, Gradients>();
  const accumulate = (x: SymbolicTensor, g: SymbolicTensor) => {
    const own: Gradients = grads.get(x.node) ?? x.node.outputs.map(() => undefined);
    const before = own[x.index];
    own[x.index] = before === undefined ? g : add(before, g);
    grads.set(x.node, own);
  };
  for (const [y, g] of seeds) accumulate(y, g.withMask(undefined));

  for (let i = order.length - 1; i >= 0; i--) {
    yield;
    const node = order[i];
    const own = node && grads.get(node);
    if (node === undefined || own === undefined || !active.has(node) || node.op.gradient === "none") continue;
    const wanted = node.inputs.map((x) => active.has(x.node) && x.dtype === "float32");
    if (!wanted.some(Boolean)) continue;
    const inputs = node.op.gradient({
      node,
      inputs: node.inputs,
      outputs: node.outputs.map((_, k) => new SymbolicTensor(node, k)),
      attrs: node.attrs,
      grads: own,
      wanted,
      vjp,
    });
    inputs.forEach((g, k) => {
      const x = node.inputs[k];
      if (g !== undefined && x !== undefined && wanted[k]) accumulate(x, g);
    });
  }
  return targets.map((t) => grads.get(t.node)?.[t.index]);
}
