import type { Steps } from "../breather.js";
import { type Node, type SymbolicTensor, topologicalSteps } from "../graph/ir.js";
import { contiguousStrides, isContiguous, type Operation, type View } from "./buffer.js";
import { Destinations } from "./destinations.js";
import {
  copyOperation,
  type MapComputation,
  type MapOperand,
  mapComputation,
  mapOperation,
} from "./elementwise.js";
import { OldValues, type Sink } from "./sinks.js";
import type { Storage } from "./storage.js";
import { formUnits, type Unit } from "./units.js";
import type { Values } from "./values.js";

/** How a node becomes operations: one rule per kernel name that ops declare (instructions.ts). */
export type LowerRule = (lowering: Lowering, node: Node) => void;

/** What a program is made for. */
export interface Target {
  readonly rules: Readonly<Record<string, LowerRule>>;
  /** Lanes of the kernels' vectors. */
  readonly vectorWidth: number;
}

/**
 * Lowers everything that the sinks need, and brings their values where they belong.
 *
 * @param values what is given from outside is set in it
 */
export function* lower(values: Values, sinks: readonly Sink[], target: Target): Steps<Operation[]> {
  const kept = sinks.map((sink) => sink.value);
  const nodes = yield* topologicalSteps(kept);
  yield* values.countReaders(nodes, kept);
  const old = yield* OldValues.of(sinks, nodes);
  const units = yield* formUnits(
    nodes,
    (node) => values.shapeKey(node.outputs[0]?.shape ?? []),
    sinks.map((sink) => ({ value: sink.value, readers: old.readersOf(sink) })),
  );
  const destinations = yield* Destinations.choose(values, sinks, old, units);
  const lowering = new Lowering(values, destinations, target);
  for (const unit of units) {
    yield;
    lowering.compute(unit);
  }
  for (const { from, to } of destinations.moves()) lowering.copy(from, to);
  return lowering.operations;
}

/** What one instruction (or one view) computes. */
interface Part {
  readonly nodes: readonly Node[];
  /** Where it goes element by element. */
  readonly map: MapComputation | undefined;
}

/**
 * Turns the units of one graph (or of the body of a scan) into operations over buffers. Views cost nothing: transposes,
 * slices, reversals and broadcasts are windows on the buffers that they look at, and every kernel that can take strides
 * reads them in place.
 */
export class Lowering {
  readonly operations: Operation[] = [];
  readonly storage: Storage;

  constructor(
    readonly values: Values,
    readonly destinations: Destinations,
    readonly target: Target,
  ) {
    this.storage = values.storage;
  }

  // ---- for the rules of nodes

  emit(operation: Operation): void {
    this.operations.push(operation);
  }

  copy(from: MapOperand, to: View): void {
    this.emit(copyOperation(from, to));
  }

  /** The value in row-major order, copied where it is not. */
  contiguous(x: SymbolicTensor): View {
    return this.materialize(x, isContiguous);
  }

  /** The value in a form that `fits` accepts, copied to a row-major temporary where it is not. */
  materialize(x: SymbolicTensor, fits: (view: View) => boolean): View {
    const value = this.values.operand(x);
    if (!("value" in value) && fits(value)) return value;
    const copy = this.storage.temporary(x.dtype, this.values.shape(x.shape));
    this.copy(value, copy);
    return copy;
  }

  // ---- units

  /** Computes a unit whose operands are computed. */
  compute(unit: Unit): void {
    for (const { nodes, map } of this.#parts(unit)) {
      this.destinations.settle(nodes, map !== undefined);
      if (map === undefined) for (const node of nodes) this.#computeAlone(node);
      else this.#computeMap(map);
      for (const node of nodes) this.values.setDone(node);
    }
  }

  /**
   * What one instruction can compute of a unit, part by part; each is to be lowered before the next is asked for. A part
   * may write in place what those after it read no more.
   */
  *#parts({ nodes, elementwise }: Unit): Generator<Part> {
    if (!elementwise) {
      yield { nodes, map: undefined };
      return;
    }
    const own = new Set(nodes);
    const stored = nodes.filter((node) => this.values.isUsedOutside(node, own));
    const shape = this.values.shape(nodes[0]?.outputs[0]?.shape ?? []);
    const map = mapComputation(nodes, shape, stored, (x) => this.values.operand(x));
    if (map !== undefined) {
      yield { nodes, map };
      return;
    }
    const half = nodes.length >> 1;
    if (half === 0) throw new Error(`map: ${nodes[0]?.op.name} has too many operands`);
    yield* this.#parts({ nodes: nodes.slice(0, half), elementwise });
    yield* this.#parts({ nodes: nodes.slice(half), elementwise });
  }

  #computeMap(map: MapComputation): void {
    const outputs = map.outputs.map((node) => ({ node, to: this.destinations.place(node) }));
    this.emit(mapOperation(map, outputs));
    for (const { node, to } of outputs) this.values.set(node, 0, to);
  }

  /** A node that is no part of a `map`. */
  #computeAlone(node: Node): void {
    if (this.values.isSet(node)) return;
    const { kernel } = node.op;
    if (kernel.kind === "view") {
      const [x] = node.inputs;
      if (x === undefined) return;
      const output = this.values.shape(node.outputs[0]?.shape ?? []);
      const from = this.values.view(x);
      const seen = kernel.view(from, node.attrs, this.values.bindings, output);
      this.values.set(
        node,
        0,
        seen === undefined
          ? { ...this.contiguous(x), shape: output, strides: contiguousStrides(output) }
          : { ...from, ...seen },
      );
      return;
    }
    if (kernel.kind === "source") return;
    const name = kernel.kind === "instruction" ? kernel.name : kernel.kind;
    const rule = this.target.rules[name];
    if (rule === undefined) throw new Error(`there is no instruction for ${name}`);
    rule(this, node);
  }
}
