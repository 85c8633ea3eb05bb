import { atOnce, type Steps } from "../breather.js";
import type { Graph } from "../graph/ir.js";
import { simplify } from "./simplify.js";

/** A rewriting of graphs that keeps what they compute. */
export type Pass = (graph: Graph) => Steps<Graph>;

/** The passes that every graph goes through, in order. (Gradients are taken while a model is traced: autodiff.ts.) */
export const passes: readonly { readonly name: string; readonly pass: Pass }[] = [
  { name: "simplify", pass: simplify },
];

/** All passes, once for every traced graph: they leave the symbols of sizes as they are. */
export const optimize = (graph: Graph): Graph => atOnce(optimizeSteps(graph));

/** `optimize`, as work that can pause. */
export function* optimizeSteps(graph: Graph): Steps<Graph> {
  let result = graph;
  for (const { pass } of passes) result = yield* pass(result);
  return result;
}
