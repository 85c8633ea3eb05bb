import type { Dtype } from "../dtype.js";
import type { Node, SymbolicTensor } from "../graph/ir.js";
import { codes, mapOp } from "./abi.js";
import { elements, type IndexOf, isContiguous, type Operation, sameNumbers, type View } from "./buffer.js";
import type { MapInput, MapOpName, MapSpec, MapStep } from "./encode.js";
import { rootOf } from "./memory.js";

/** An operand of `map`: a view of the iteration's shape, or a number. */
export type MapOperand = View | { readonly value: number; readonly dtype: Dtype };

/** Merges axes that every operand runs through in one stride, drops axes of size 1. */
export function collapse(
  shape: readonly number[],
  strides: readonly (readonly number[])[],
): { dims: number[]; strides: number[][] } {
  const dims: number[] = [];
  const kept: number[][] = strides.map(() => []);
  for (let axis = 0; axis < shape.length; axis++) {
    const size = shape[axis] ?? 1;
    if (size === 1) continue;
    const last = dims.length - 1;
    const merges = last >= 0 && strides.every((s, k) => kept[k]?.[last] === (s[axis] ?? 0) * size);
    if (merges) dims[last] = (dims[last] ?? 1) * size;
    else dims.push(size);
    strides.forEach((s, k) => {
      const own = kept[k];
      if (own !== undefined) own[dims.length - 1] = s[axis] ?? 0;
    });
  }
  if (dims.length === 0) {
    dims.push(1);
    for (const s of kept) s.push(0);
  }
  return { dims, strides: kept };
}

/** The view's strides under a broadcast to `shape`. */
export function broadcastStrides(view: Pick<View, "shape" | "strides">, shape: readonly number[]): number[] {
  const lead = shape.length - view.shape.length;
  return shape.map((d, i) =>
    i < lead || (view.shape[i - lead] === 1 && d !== 1) ? 0 : (view.strides[i - lead] ?? 0),
  );
}

/** What a `map` instruction computes, in registers. */
export interface MapComputation {
  readonly shape: readonly number[];
  /** Loaded into the first registers. */
  readonly inputs: readonly View[];
  /** Of each input, broadcast to `shape`. */
  readonly strides: readonly (readonly number[])[];
  /** The nodes whose values are stored. */
  readonly outputs: readonly Node[];
  readonly steps: readonly MapStep[];
  registerOf(node: Node): number;
}

/**
 * The computation of elementwise nodes of one shape; undefined where it is more than one instruction can hold.
 *
 * @param nodes in topological order
 * @param shape the bound shape that all of them have
 * @param outputs the nodes whose values are stored
 * @param operand what an input from outside is
 */
export function mapComputation(
  nodes: readonly Node[],
  shape: readonly number[],
  outputs: readonly Node[],
  operand: (x: SymbolicTensor) => MapOperand,
): MapComputation | undefined {
  const own = new Set(nodes);
  const inputs: View[] = [];
  const strides: number[][] = [];
  /** The register of a view, loaded once however often it is seen. */
  const load = (view: View): number => {
    const own = broadcastStrides(view, shape);
    const known = inputs.findIndex(
      ({ buffer, offset, dtype }, i) =>
        buffer === view.buffer &&
        offset === view.offset &&
        dtype === view.dtype &&
        sameNumbers(strides[i] ?? [], own),
    );
    if (known >= 0) return known;
    strides.push(own);
    return inputs.push(view) - 1;
  };
  const external = new Map<Node, (number | { readonly value: number; readonly dtype: Dtype })[]>();
  for (const node of nodes)
    for (const x of node.inputs) {
      if (own.has(x.node)) continue;
      const known = external.get(x.node) ?? [];
      external.set(x.node, known);
      if (known[x.index] !== undefined) continue;
      const from = operand(x);
      known[x.index] = "value" in from ? from : load(from);
    }

  // Registers: inputs keep theirs; the others are given back after their last use.
  const steps: MapStep[] = [];
  const lastUse = new Map<Node, number>();
  nodes.forEach((node, i) => {
    for (const x of node.inputs) if (own.has(x.node)) lastUse.set(x.node, i);
  });
  const stored = new Set(outputs);
  const registerOf = new Map<Node, number>();
  const free: number[] = [];
  let registers = inputs.length;
  const take = (): number => free.pop() ?? registers++;
  const constants = new Map<string, number>();
  const constant = (value: number, dtype: Dtype): number => {
    const step = literal(value, dtype, registers);
    const key = `${step.op}${Object.is(value, -0) ? "-0" : value}`;
    const known = constants.get(key);
    if (known !== undefined) return known;
    steps.push(step);
    constants.set(key, registers);
    return registers++;
  };
  const aliases = new Map<Node, Node>();
  nodes.forEach((node, i) => {
    const args = node.inputs.map((x) => {
      if (own.has(x.node)) return registerOf.get(x.node) ?? 0;
      const from = external.get(x.node)?.[x.index];
      if (from === undefined) throw new Error("map: operand is missing");
      return typeof from === "number" ? from : constant(from.value, from.dtype);
    });
    const kernel = node.op.kernel;
    // A register has 32 bits and a uint8 eight, which others in the unit read.
    const [source] = node.inputs;
    const narrow = node.outputs[0]?.dtype === "uint8" && lastUse.has(node);
    const step = kernel.kind === "map" ? kernel.step(node.inputs, node.attrs) : undefined;
    const op = step ?? (narrow && source?.dtype === "int32" ? "toByte" : undefined);
    if (op === undefined) {
      // The bits stay: the value is its operand.
      registerOf.set(node, args[0] ?? 0);
      if (source !== undefined && own.has(source.node)) {
        const root = aliases.get(source.node) ?? source.node;
        aliases.set(node, root);
        lastUse.set(root, Math.max(lastUse.get(root) ?? 0, lastUse.get(node) ?? i));
        if (stored.has(node)) stored.add(root);
      }
      return;
    }
    if (!isMapOp(op)) throw new Error(`map: there is no step "${op}"`);
    const to = take();
    steps.push({ op, to, args });
    if (narrow && op !== "toByte") steps.push({ op: "toByte", to, args: [to] });
    registerOf.set(node, to);
    for (const x of new Set(node.inputs.map((y) => y.node))) {
      const root = aliases.get(x) ?? x;
      if (!own.has(root) || stored.has(root) || (lastUse.get(root) ?? -1) > i) continue;
      const register = registerOf.get(root);
      if (register !== undefined && register >= inputs.length && !free.includes(register))
        free.push(register);
    }
  });

  const { mapInputs, mapOutputs, mapRegisters } = codes.limit;
  if (inputs.length > mapInputs || outputs.length > mapOutputs || registers > mapRegisters) return undefined;
  return { shape, inputs, strides, outputs, steps, registerOf: (node) => registerOf.get(node) ?? 0 };
}

/**
 * One `map` instruction.
 *
 * @param outputs nodes whose values are stored, and where
 */
export function mapOperation(
  { shape, inputs, strides: loaded, steps, registerOf }: MapComputation,
  outputs: readonly { readonly node: Node; readonly to: View }[],
): Operation {
  const sinks = outputs.map(({ node, to }) => ({ to, register: registerOf(node) }));
  const { dims, strides } = collapse(shape, [
    ...loaded,
    ...sinks.map(({ to }) => broadcastStrides(to, shape)),
  ]);
  const inPlace = sinks.flatMap(({ to }, k) =>
    inputs
      .filter(
        (v, i) =>
          inputs.every((u) => u === v || rootOf(u.buffer) !== rootOf(v.buffer)) &&
          v.dtype === to.dtype &&
          v.offset === 0 &&
          to.offset === 0 &&
          isContiguous(to) &&
          sameNumbers(strides[i] ?? [], strides[inputs.length + k] ?? []) &&
          elements(v.shape) === elements(to.shape),
      )
      .map((v) => ({ output: to.buffer, input: v.buffer })),
  );
  return {
    name: "map",
    reads: inputs.map((v) => v.buffer),
    writes: sinks.map(({ to }) => to.buffer),
    inPlace,
    emit(encoder, index) {
      const spec: MapSpec = {
        dims,
        inputs: inputs.map((v, i) => placed(v, strides[i], index)),
        outputs: sinks.map(({ to, register }, i) => ({
          ...placed(to, strides[inputs.length + i], index),
          register,
        })),
        steps,
      };
      encoder.map(spec);
    },
  };
}

/** Puts a number into a register. */
const literal = (value: number, dtype: Dtype, to: number): MapStep => ({
  op: dtype === "float32" ? "constant" : "constantInt",
  to,
  args: [value],
});

const isMapOp = (name: string): name is MapOpName => Object.hasOwn(mapOp, name);

/** A view as a `map` goes through it. */
export const placed = (
  { buffer, offset, dtype }: View,
  strides: readonly number[] | undefined,
  index: IndexOf,
): MapInput => ({ buffer: index(buffer), offset, dtype, strides: strides ?? [] });

/** Copies a view element by element into another of the same shape, or fills it with a number. */
export function copyOperation(from: MapOperand, to: View): Operation {
  const source = "value" in from ? undefined : from;
  const { dims, strides } = collapse(to.shape, [
    ...(source === undefined ? [] : [broadcastStrides(source, to.shape)]),
    to.strides,
  ]);
  return {
    name: source === undefined ? "fill" : "copy",
    reads: source === undefined ? [] : [source.buffer],
    writes: [to.buffer],
    emit(encoder, index) {
      encoder.map({
        dims,
        inputs: source === undefined ? [] : [placed(source, strides[0], index)],
        outputs: [{ ...placed(to, strides.at(-1), index), register: 0 }],
        steps: "value" in from ? [literal(from.value, from.dtype, 0)] : [],
      });
    },
  };
}
