import type { Graph } from "../graph/ir.js";
import { simplify } from "./simplify.js";

/** A rewriting of graphs that keeps what they compute. */
export type Pass = (graph: Graph) => Graph;

/** The passes that every graph goes through, in order. (Gradients are taken while a model is traced: autodiff.ts.) */
export const passes: readonly { readonly name: string; readonly pass: Pass }[] = [
  { name: "simplify", pass: simplify },
];

export const optimize = (graph: Graph): Graph => passes.reduce((g, { pass }) => pass(g), graph);
