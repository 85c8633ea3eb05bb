import { isRest, type Steps } from "../breather.js";
import type { Node } from "../graph/ir.js";

/** What reads what, by the nodes' places in the topological order. */
export interface Flow {
  readonly nodes: readonly Node[];
  readonly placeOf: ReadonlyMap<Node, number>;
  /** By node: the nodes that it reads, each once. */
  readonly reads: readonly (readonly number[])[];
  /** By node: the nodes that read it, where there are any. */
  readonly readers: readonly (readonly number[] | undefined)[];
  /**
   * Landmarks are the places on the longest path, counted from 1; by node the last that it comes after (or is) and the
   * first that comes after it (or that it is). A node comes after another for certain when its last landmark is not
   * before the other's first. A training step is mostly such a path: through all layers to the loss, and back.
   */
  readonly last: Int32Array;
  readonly first: Int32Array;
}

const none: readonly number[] = [];

/** @param nodes in topological order */
export function* flowOf(nodes: readonly Node[]): Steps<Flow> {
  const placeOf = new Map<Node, number>();
  const reads: (readonly number[])[] = [];
  const readers: number[][] = new Array(nodes.length);
  const depth = new Int32Array(nodes.length);
  let end = 0;
  for (const node of nodes) {
    const i = placeOf.size;
    if (isRest(i)) yield;
    placeOf.set(node, i);
    const places = node.inputs.map((x) => placeOf.get(x.node) as number);
    const own = new Set(places).size === places.length ? places : [...new Set(places)];
    reads.push(own);
    let deepest = 0;
    for (const j of own) {
      deepest = Math.max(deepest, depth[j] ?? 0);
      const known = readers[j];
      if (known === undefined) readers[j] = [i];
      else known.push(i);
    }
    depth[i] = deepest + 1;
    if (deepest >= (depth[end] ?? 0)) end = i;
  }
  const last = new Int32Array(nodes.length);
  const first = new Int32Array(nodes.length).fill(nodes.length + 1);
  let at: number | undefined = nodes.length === 0 ? undefined : end;
  for (let place = depth[end] ?? 0; at !== undefined; place--) {
    last[at] = place;
    first[at] = place;
    at = reads[at]?.find((j) => depth[j] === place - 1);
  }
  for (let i = 0; i < nodes.length; i++) {
    if (isRest(i)) yield;
    for (const j of reads[i] ?? none) last[i] = Math.max(last[i] ?? 0, last[j] ?? 0);
  }
  for (let i = nodes.length - 1; i >= 0; i--) {
    if (isRest(i)) yield;
    for (const j of readers[i] ?? none) first[i] = Math.min(first[i] ?? 0, first[j] ?? 0);
  }
  return { nodes, placeOf, reads, readers, last, first };
}
