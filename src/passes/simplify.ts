import { equal, sameShape } from "../graph/dim.js";
import { type Graph, makeNode, type Node, rootsOf, SymbolicTensor, topological } from "../graph/ir.js";
import type { BroadcastAttrs, ReverseAttrs, SliceAttrs, TransposeAttrs } from "../graph/ops/shape.js";
import type { ConstantAttrs } from "../graph/ops/source.js";

/**
 * One pass from inputs to outputs that shares equal nodes (common subexpressions) and removes what changes nothing:
 * views that undo each other, arithmetic with neutral numbers, casts and selections that are decided. No rule changes
 * a result, not even for NaN and ∞.
 */
export function simplify(graph: Graph): Graph {
  const known = new Map<string, Node>();
  const replaced = new Map<Node, readonly SymbolicTensor[]>();
  const ids = new Map<object, number>();
  const id = (object: object): number => {
    const given = ids.get(object) ?? ids.size;
    ids.set(object, given);
    return given;
  };
  const resolve = (x: SymbolicTensor): SymbolicTensor => replaced.get(x.node)?.[x.index] ?? x;
  const key = (node: Node): string =>
    `${id(node.op)}(${node.inputs.map((x) => `${id(x.node)}.${x.index}`)})${attrsKey(node.attrs, id)}`;

  for (const node of topological([...rootsOf(graph), ...graph.inputs])) {
    const inputs = node.inputs.map(resolve);
    const same = inputs.every((x, i) => x.node === node.inputs[i]?.node && x.index === node.inputs[i]?.index);
    const rebuilt = same ? node : makeNode(node.op, inputs, node.attrs);
    const short = shorten(rebuilt);
    if (short !== undefined) {
      replaced.set(node, [short]);
      continue;
    }
    // Two inputs of the same name are still two inputs; every other node is what it computes.
    const name = node.op.name === "input" ? `input ${id(node)}` : key(rebuilt);
    const shared = known.get(name) ?? rebuilt;
    known.set(name, shared);
    if (shared !== node)
      replaced.set(
        node,
        shared.outputs.map((_, i) => new SymbolicTensor(shared, i)),
      );
  }
  return {
    name: graph.name,
    inputs: graph.inputs,
    outputs: Object.fromEntries(Object.entries(graph.outputs).map(([k, x]) => [k, resolve(x)])),
    updates: graph.updates.map(({ variable, value }) => ({ variable, value: resolve(value) })),
  };
}

/** Text that is equal for equal attributes; arrays, bodies and variables count by identity. */
function attrsKey(attrs: object, id: (object: object) => number): string {
  return JSON.stringify(attrs, (key, value: unknown) => {
    if (key === "data" && ArrayBuffer.isView(value)) {
      const data = value as Float32Array;
      return data.length <= 16
        ? `${data.constructor.name} ${[...data].map((d) => (Object.is(d, -0) ? "-0" : String(d)))}`
        : id(data);
    }
    if (key === "body" || key === "variable") return id(value as object);
    if (typeof value === "object" && value !== null && "key" in value && "terms" in value)
      return String(value.key);
    return value;
  });
}

const constantOf = (x: SymbolicTensor | undefined): number | undefined => {
  let node = x?.node;
  while (node?.op.name === "broadcastTo" || node?.op.name === "reshape") node = node.inputs[0]?.node;
  if (node?.op.name !== "constant") return undefined;
  const { data } = node.attrs as ConstantAttrs;
  return data.length === 1 ? data[0] : undefined;
};

/** A shorter value equal to the node's, where a rule knows one. */
function shorten(node: Node): SymbolicTensor | undefined {
  const [a, b, c] = node.inputs;
  const [type] = node.outputs;
  if (a === undefined || type === undefined) return undefined;
  const same = (x: SymbolicTensor): SymbolicTensor | undefined =>
    sameShape(x.shape, type.shape) && x.dtype === type.dtype ? x : undefined;
  const inner = a.node;
  switch (node.op.name) {
    case "transpose": {
      const { perm } = node.attrs as TransposeAttrs;
      if (inner.op.name !== "transpose") return perm.every((p, i) => p === i) ? a : undefined;
      const first = (inner.attrs as TransposeAttrs).perm;
      const [source] = inner.inputs;
      const both = perm.map((p) => first[p] ?? 0);
      if (source === undefined) return undefined;
      return both.every((p, i) => p === i)
        ? source
        : new SymbolicTensor(makeNode(node.op, [source], { perm: both }));
    }
    case "reverse": {
      if (inner.op.name !== "reverse") return undefined;
      const [mine, others] = [(node.attrs as ReverseAttrs).axes, (inner.attrs as ReverseAttrs).axes];
      return mine.length === others.length && mine.every((x) => others.includes(x))
        ? inner.inputs[0]
        : undefined;
    }
    case "reshape": {
      const [source] = inner.inputs;
      if (inner.op.name !== "reshape" || source === undefined) return same(a);
      return same(source) ?? new SymbolicTensor(makeNode(node.op, [source], node.attrs));
    }
    case "broadcastTo": {
      const [source] = inner.inputs;
      if (inner.op.name !== "broadcastTo" || source === undefined) return same(a);
      return new SymbolicTensor(makeNode(node.op, [source], node.attrs as BroadcastAttrs));
    }
    case "slice": {
      const { begin } = node.attrs as SliceAttrs;
      return begin.every((d) => equal(d, 0)) ? same(a) : undefined;
    }
    case "stopGradient":
      // Gradients have been taken already.
      return a;
    case "cast":
    case "concat":
      return node.inputs.length === 1 ? same(a) : undefined;
    case "add":
      // x + 0 is x but for −0 + 0 = +0; −0 is neutral without exception.
      return (
        b && (Object.is(constantOf(b), -0) ? same(a) : Object.is(constantOf(a), -0) ? same(b) : undefined)
      );
    case "sub":
      return b && Object.is(constantOf(b), 0) ? same(a) : undefined;
    case "mul":
      return b && (constantOf(b) === 1 ? same(a) : constantOf(a) === 1 ? same(b) : undefined);
    case "div":
      return constantOf(b) === 1 ? same(a) : undefined;
    case "neg":
      return inner.op.name === "neg" ? inner.inputs[0] : undefined;
    case "select": {
      const decided = constantOf(a);
      if (decided === undefined || b === undefined || c === undefined) return undefined;
      return same(decided !== 0 ? b : c);
    }
    default:
      return undefined;
  }
}
