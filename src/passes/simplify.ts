import type { Steps } from "../breather.js";
import { SymbolicDim, sameShape } from "../graph/dim.js";
import {
  type Graph,
  makeNode,
  type Node,
  rootsOf,
  SymbolicTensor,
  type TensorType,
  topologicalSteps,
} from "../graph/ir.js";
import { inputOp } from "../graph/ops/source.js";

/**
 * One pass from inputs to outputs that shares equal nodes (common subexpressions) and takes the shorter values that the
 * ops know: views that undo each other, arithmetic with neutral numbers, selections that are decided. No result changes,
 * not even for NaN and ∞.
 */
export function* simplify(graph: Graph): Steps<Graph> {
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

  for (const node of yield* topologicalSteps([...rootsOf(graph), ...graph.inputs])) {
    yield;
    const inputs = node.inputs.map(resolve);
    const same = inputs.every((x, i) => x.node === node.inputs[i]?.node && x.index === node.inputs[i]?.index);
    const rebuilt = same ? node : makeNode(node.op, inputs, node.attrs);
    const short = rebuilt.op.shorten?.(rebuilt);
    if (short !== undefined && sameType(short, rebuilt.outputs[0])) {
      replaced.set(node, [short]);
      continue;
    }
    // Two inputs of the same name are still two inputs; every other node is what it computes.
    const name = node.op === inputOp ? `input ${id(node)}` : key(rebuilt);
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

const sameType = (x: TensorType, y: TensorType | undefined): boolean =>
  y !== undefined && x.dtype === y.dtype && sameShape(x.shape, y.shape);

/** Text that is equal for equal attributes; long arrays, bodies and variables count by identity. */
function attrsKey(attrs: object, id: (object: object) => number): string {
  const text = (value: unknown): string => {
    if (typeof value === "string") return JSON.stringify(value);
    if (typeof value !== "object" || value === null) return Object.is(value, -0) ? "-0" : String(value);
    if (value instanceof SymbolicDim) return value.key;
    if (Array.isArray(value)) return `[${value.map(text)}]`;
    if (ArrayBuffer.isView(value)) {
      const data = value as Float32Array;
      return data.length <= 16 ? `${data.constructor.name}[${[...data].map(text)}]` : `#${id(data)}`;
    }
    return `#${id(value)}`;
  };
  let key = "";
  for (const [name, value] of Object.entries(attrs)) key += `${name}=${text(value)};`;
  return key;
}
