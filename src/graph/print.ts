import { shapeText } from "./dim.js";
import { type Graph, type Node, rootsOf, type SymbolicTensor, type TensorType, topological } from "./ir.js";
import type { ScanBody } from "./ops/scan.js";

/**
 * A graph as text: one line a node, each after its operands, with its type; the bodies of scans below theirs. The same
 * graph gives the same text. Values are numbered in the order of the lines; `%3.1` is output 1 of node 3.
 */
export function printGraph(graph: Graph): string {
  const names = new Map<Node, string>();
  const lines = body(rootsOf(graph), names, "  ");
  const value = (x: SymbolicTensor): string => {
    const mask = x.mask;
    if (mask === undefined) return nameOf(x, names);
    lines.push(...body([mask], names, "  "));
    return `${nameOf(x, names)} masked by ${nameOf(mask, names)}`;
  };
  const inputs = graph.inputs.map((x) => `${attribute(x.node.attrs, "name")}: ${typeText(x)}`);
  const results = [
    ...Object.entries(graph.outputs).map(([name, x]) => `  ${name} = ${value(x)}`),
    ...graph.updates.map(({ variable, value: x }) => `  ${variable.name} := ${value(x)}`),
  ];
  return [`${graph.name}(${inputs.join(", ")})`, ...lines, ...results, ""].join("\n");
}

/** Lines of the nodes that `roots` reach and that have no name yet. */
function body(roots: readonly SymbolicTensor[], names: Map<Node, string>, indent: string): string[] {
  return topological(roots).flatMap((node) => {
    if (names.has(node)) return [];
    const name = `%${names.size}`;
    names.set(node, name);
    const words = [node.op.name, ...attributes(node.attrs), ...node.inputs.map((x) => nameOf(x, names))];
    const line = `${indent}${name} = ${words.join(" ")} : ${node.outputs.map(typeText).join(", ")}`;
    return "body" in node.attrs ? [line, ...scanBody(node.attrs.body as ScanBody, indent)] : [line];
  });
}

/** The body of a scan, numbered by itself. */
function scanBody({ sequences, states, constants, outputs, newStates }: ScanBody, indent: string): string[] {
  const names = new Map<Node, string>();
  const deeper = `${indent}  `;
  const declare = (kind: string, placeholders: readonly SymbolicTensor[]): string[] =>
    placeholders.map((x) => {
      names.set(x.node, `%${names.size}`);
      return `${deeper}${nameOf(x, names)} = ${kind} : ${typeText(x)}`;
    });
  const list = (values: readonly SymbolicTensor[]): string =>
    values.map((x) => ` ${nameOf(x, names)}`).join("");
  return [
    ...declare("sequence", sequences),
    ...declare("state", states),
    ...declare("constant", constants),
    ...body([...outputs, ...newStates], names, deeper),
    `${deeper}outputs${list(outputs)}, states${list(newStates)}`,
  ];
}

function nameOf({ node, index }: SymbolicTensor, names: ReadonlyMap<Node, string>): string {
  const name = names.get(node) ?? "%?";
  return node.outputs.length === 1 ? name : `${name}.${index}`;
}

const typeText = ({ dtype, shape }: TensorType): string => `${dtype}${shapeText(shape)}`;

/** Attributes as `name=value`; types and bodies stand elsewhere on the line or below it. */
function attributes(attrs: object): string[] {
  return Object.entries(attrs).flatMap(([key, value]: [string, unknown]) => {
    if (key === "body" || value === undefined) return [];
    if (key === "name") return [String(value)];
    if (key === "variable") return [attribute(value, "name")];
    if (ArrayBuffer.isView(value)) return [numbers(value as Float32Array)];
    if (key === "shape" || key === "dtype") return [];
    return [`${key}=${text(value)}`];
  });
}

const attribute = (attrs: unknown, key: string): string =>
  String((attrs as Readonly<Record<string, unknown>>)[key]);

const text = (value: unknown): string => (Array.isArray(value) ? shapeText(value) : String(value));

const shown = 8;

function numbers(data: ArrayLike<number>): string {
  const first = Array.from({ length: Math.min(data.length, shown) }, (_, i) => {
    const value = data[i] ?? 0;
    return Object.is(value, -0) ? "-0" : String(Number(value.toPrecision(6)));
  });
  return `{${[...first, ...(data.length > shown ? ["…"] : [])].join(", ")}}`;
}
