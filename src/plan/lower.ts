import { isRest, type Steps } from "../breather.js";
import { bytesPerElement, type Dtype, type TypedArray } from "../dtype.js";
import { bind, type Dim, type Shape } from "../graph/dim.js";
import {
  type Bindings,
  type Node,
  type StateVariable,
  type SymbolicTensor,
  type TensorType,
  topologicalSteps,
} from "../graph/ir.js";
import type { ConstantAttrs, SizeAttrs, StateAttrs } from "../graph/ops/source.js";
import {
  type Buffer,
  byteSize,
  contiguousStrides,
  isContiguous,
  type Loop,
  type Operation,
  sameNumbers,
  type View,
  whole,
} from "./buffer.js";
import {
  copyOperation,
  type MapComputation,
  type MapOperand,
  mapComputation,
  mapOperation,
} from "./elementwise.js";
import { rootOf } from "./memory.js";
import type { Region } from "./program.js";
import type { StateLayout } from "./state.js";
import { formUnits, memoryUses, type Unit } from "./units.js";

/** How a node becomes operations: one rule per kernel name that ops declare (instructions.ts). */
export type LowerRule = (lowering: Lowering, node: Node) => void;

export interface LowerOptions {
  /** Values of the symbols. */
  readonly bindings: Bindings;
  readonly layout: StateLayout;
  /** Lanes of the kernels' vectors. */
  readonly vectorWidth: number;
}

/** Something that must hold a value in the end: an output port, a state variable, a loop's carried state. */
export interface Sink {
  readonly value: SymbolicTensor;
  readonly to: View;
  /** Where `to` holds an older value that the graph may read: the state variable, or the placeholder that stands for it. */
  readonly replaces?: StateVariable | Node;
}

/** What one instruction (or one view) computes. */
interface Part {
  readonly nodes: readonly Node[];
  /** Where it goes element by element. */
  readonly map: MapComputation | undefined;
}

interface BoundShape {
  readonly sizes: readonly number[];
  /** Equal for equal sizes. */
  readonly key: string;
}

/** What is known of a node while its graph is lowered. Lists are by output. */
class Use {
  /** The nodes that read it. */
  readers: Node[] | undefined;
  /** Whether a node reads the output, or a sink holds it. */
  read: boolean[] | undefined;
  /** Whether a sink holds one of its outputs. */
  held = false;
  /** Where the output is to be computed, where something waits for it. */
  places: (View | undefined)[] | undefined;
  /** Where it is. */
  views: (View | undefined)[] | undefined;
  /** Whether it is lowered. */
  done = false;
}

/** A list with an entry; most are of nodes with one output. */
function withEntry<T>(list: T[] | undefined, index: number, value: T): T[] {
  if (list === undefined && index === 0) return [value];
  const own = list ?? [];
  own[index] = value;
  return own;
}

/** Literal data of a program, gathered while lowering. */
export class Constants {
  readonly #parts: { readonly data: TypedArray; readonly offset: number }[] = [];
  readonly #buffers = new Map<TypedArray, Buffer>();
  #bytes = 0;

  buffer(data: TypedArray): Buffer {
    const known = this.#buffers.get(data);
    if (known !== undefined) return known;
    const buffer: Buffer = {
      bytes: data.byteLength,
      region: "constant",
      index: 0,
      offset: this.#bytes,
      alias: undefined,
      scope: undefined,
    };
    this.#parts.push({ data, offset: this.#bytes });
    this.#bytes += Math.ceil(data.byteLength / 64) * 64;
    this.#buffers.set(data, buffer);
    return buffer;
  }

  bytes(): Uint8Array {
    const all = new Uint8Array(this.#bytes);
    for (const { data, offset } of this.#parts)
      all.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
    return all;
  }
}

/**
 * Turns the units of one graph (or of the body of a scan) into operations over buffers. Views cost nothing: transposes,
 * slices, reversals and broadcasts are windows on the buffers that they look at, and every kernel that can take strides
 * reads them in place.
 */
export class Lowering {
  readonly operations: Operation[] = [];
  readonly #uses = new Map<Node, Use>();
  readonly #shapes = new Map<Shape, BoundShape>();

  constructor(
    readonly options: LowerOptions,
    readonly rules: Readonly<Record<string, LowerRule>>,
    readonly constants: Constants,
    readonly scope: Loop | undefined,
    /** Buffers of the state variables in use, shared with the bodies of loops. */
    readonly states: Map<StateVariable, Buffer> = new Map(),
  ) {}

  // ---- sizes and buffers

  size(d: Dim): number {
    return bind(d, this.options.bindings);
  }

  shape(shape: Shape): readonly number[] {
    return this.#bound(shape).sizes;
  }

  #bound(shape: Shape): BoundShape {
    const known = this.#shapes.get(shape);
    if (known !== undefined) return known;
    const sizes = shape.map((d) => this.size(d));
    const bound = { sizes, key: sizes.join() };
    this.#shapes.set(shape, bound);
    return bound;
  }

  /** A temporary of the given number of bytes. */
  buffer(bytes: number): Buffer {
    return { bytes, region: "scratch", index: 0, offset: 0, alias: undefined, scope: this.scope };
  }

  /** A temporary of so many float32 numbers as operand; null for none. */
  work(floats: number): Buffer | undefined {
    return floats > 0 ? this.buffer(floats * 4) : undefined;
  }

  /** A contiguous temporary. */
  temporary(dtype: Dtype, shape: readonly number[]): View {
    return whole(this.buffer(byteSize(dtype, shape)), dtype, shape);
  }

  /** Where output `index` of a node goes: the place that waits for it, or a new temporary. */
  place(node: Node, index = 0): View {
    const waiting = this.#use(node).places?.[index];
    if (waiting !== undefined) return waiting;
    const type = node.outputs[index] as TensorType;
    return this.temporary(type.dtype, this.shape(type.shape));
  }

  fixed(region: Region, index: number, offset: number, bytes: number): Buffer {
    return { bytes, region, index, offset, alias: undefined, scope: undefined };
  }

  stateBuffer(variable: StateVariable): Buffer {
    const known = this.states.get(variable);
    if (known !== undefined) return known;
    const offset = this.options.layout.offsets.get(variable);
    if (offset === undefined) throw new Error(`state variable ${variable.name} has no place in the layout`);
    const buffer = this.fixed("state", 0, offset, byteSize(variable.dtype, variable.shape));
    this.states.set(variable, buffer);
    return buffer;
  }

  // ---- values

  /** Binds a value that is given from outside (a placeholder of a body, an input). */
  define(x: SymbolicTensor, view: View): void {
    this.set(x.node, x.index, view);
  }

  set(node: Node, index: number, view: View): void {
    const use = this.#use(node);
    use.views = withEntry(use.views, index, view);
  }

  #use(node: Node): Use {
    const known = this.#uses.get(node);
    if (known !== undefined) return known;
    const use = new Use();
    this.#uses.set(node, use);
    return use;
  }

  /** Whether anything reads output `index` of a node. */
  isUsed(node: Node, index: number): boolean {
    return this.#use(node).read?.[index] === true;
  }

  /** The nodes that read any output of a node. */
  consumers(node: Node): readonly Node[] {
    return this.#use(node).readers ?? [];
  }

  /** The computed value. */
  view(x: SymbolicTensor): View {
    const known = this.#use(x.node).views?.[x.index];
    if (known !== undefined) return known;
    const made = this.#source(x.node);
    if (made === undefined) throw new Error(`the value of ${x.node.op.name} is not computed yet`);
    this.set(x.node, x.index, made);
    return made;
  }

  #source(node: Node): View | undefined {
    switch (node.op.name) {
      case "constant": {
        const { data, shape, dtype } = node.attrs as ConstantAttrs;
        return whole(this.constants.buffer(data), dtype, shape);
      }
      case "size":
        return whole(
          this.constants.buffer(Float32Array.of(this.size((node.attrs as SizeAttrs).size))),
          "float32",
          [],
        );
      case "state": {
        const { variable } = node.attrs as StateAttrs;
        return whole(this.stateBuffer(variable), variable.dtype, variable.shape);
      }
      default:
        return undefined;
    }
  }

  /** The number that a value is everywhere, where that is known. */
  scalar(x: SymbolicTensor): number | undefined {
    let node = x.node;
    while (node.op.kernel.kind === "view") {
      const [next] = node.inputs;
      if (next === undefined) return undefined;
      node = next.node;
    }
    if (node.op.name === "size") return this.size((node.attrs as SizeAttrs).size);
    if (node.op.name !== "constant") return undefined;
    const { data } = node.attrs as ConstantAttrs;
    return data.length === 1 ? data[0] : undefined;
  }

  operand(x: SymbolicTensor): MapOperand {
    const value = this.scalar(x);
    return value === undefined ? this.view(x) : { value, dtype: x.dtype };
  }

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
    const value = this.scalar(x);
    if (value === undefined) {
      const view = this.view(x);
      if (fits(view)) return view;
    }
    const copy = this.temporary(x.dtype, this.shape(x.shape));
    this.copy(value === undefined ? this.view(x) : { value, dtype: x.dtype }, copy);
    return copy;
  }

  // ---- units

  /** Lowers everything that the sinks need, and brings their values where they belong. */
  *run(sinks: readonly Sink[]): Steps<void> {
    const nodes = yield* topologicalSteps(sinks.map((s) => s.value));
    yield* this.#countUses(nodes, sinks);
    const replaced = new Set(sinks.map((s) => s.replaces).filter((source) => source !== undefined));
    const memory = yield* memoryUses(nodes, replaced);
    const readersOf = ({ replaces }: Sink): readonly Node[] =>
      replaces === undefined ? [] : (memory.readers.get(replaces) ?? []);
    const units = yield* formUnits(
      nodes,
      (node) => this.#bound(node.outputs[0]?.shape ?? []).key,
      sinks.map((sink) => ({ value: sink.value, readers: readersOf(sink) })),
    );
    const { claimed, late } = this.#claimSinks(sinks);
    yield* this.#claimPieces(units);
    // Late values that are windows on the memory of a source: what the source held is read once more at the end.
    const readLate = groupBy(
      late.map((sink) => sink.value),
      (value) => memory.memoryOf.get(value.node),
    );
    for (const unit of units) {
      yield;
      for (const part of this.#parts(unit)) {
        for (const sink of part.nodes.flatMap((node) => claimed.get(node) ?? [])) {
          const { replaces, value } = sink;
          if (replaces === undefined) continue;
          if (this.#mayOverwrite(sink, part, readersOf(sink), readLate.get(replaces) ?? [])) continue;
          // Someone still reads the old value: write beside, and bring it over at the end.
          this.#claim(value.node, value.index, undefined);
          late.push(sink);
        }
        this.#compute(part);
      }
    }
    this.#bringLate(late);
  }

  /** Notes who reads what. */
  *#countUses(nodes: readonly Node[], sinks: readonly Sink[]): Steps<void> {
    let counted = 0;
    for (const node of nodes) {
      if (isRest(counted++)) yield;
      for (const x of node.inputs) {
        const use = this.#use(x.node);
        if (use.readers === undefined) use.readers = [node];
        else if (use.readers.at(-1) !== node) use.readers.push(node);
        use.read = withEntry(use.read, x.index, true);
      }
    }
    for (const { value } of sinks) {
      const use = this.#use(value.node);
      use.read = withEntry(use.read, value.index, true);
      use.held = true;
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
    const stored = nodes.filter((node) => {
      const use = this.#use(node);
      return use.held || use.readers?.some((reader) => !own.has(reader));
    });
    const shape = this.shape(nodes[0]?.outputs[0]?.shape ?? []);
    const map = mapComputation(nodes, shape, stored, (x) => this.operand(x));
    if (map !== undefined) {
      yield { nodes, map };
      return;
    }
    const half = nodes.length >> 1;
    if (half === 0) throw new Error(`map: ${nodes[0]?.op.name} has too many operands`);
    yield* this.#parts({ nodes: nodes.slice(0, half), elementwise });
    yield* this.#parts({ nodes: nodes.slice(half), elementwise });
  }

  #compute({ nodes, map }: Part): void {
    if (map === undefined) for (const node of nodes) this.#alone(node);
    else {
      const outputs = map.outputs.map((node) => ({ node, to: this.place(node) }));
      this.emit(mapOperation(map, outputs));
      for (const { node, to } of outputs) this.set(node, 0, to);
    }
    for (const node of nodes) this.#use(node).done = true;
  }

  /**
   * Copies late values to where they belong. One may be the old value of a late sink's place, its own or another's: such
   * values are read before anything is written.
   */
  #bringLate(late: readonly Sink[]): void {
    const stays = (from: View, to: View): boolean =>
      rootOf(from.buffer) === rootOf(to.buffer) && from.offset === to.offset && isContiguous(from);
    const byRoot = groupBy(late, (sink) => rootOf(sink.to.buffer));
    const staged = late.map((sink) => {
      const { to } = sink;
      const from = this.operand(sink.value);
      if ("value" in from) return { from, to };
      const overwritten = byRoot.get(rootOf(from.buffer))?.some((s) => s !== sink || !stays(from, to));
      if (overwritten !== true) return { from, to };
      const copy = this.temporary(to.dtype, to.shape);
      this.copy(from, copy);
      return { from: copy, to };
    });
    for (const { from, to } of staged) {
      if ("value" in from || !stays(from, to)) this.copy(from, to);
    }
  }

  /** Sinks whose values a kernel can write straight to where they belong, by node; the others are copied at the end. */
  #claimSinks(sinks: readonly Sink[]): { claimed: ReadonlyMap<Node, Sink[]>; late: Sink[] } {
    const claimed: Sink[] = [];
    const late: Sink[] = [];
    for (const sink of sinks) {
      const { node, index } = sink.value;
      if (this.#isFree(node, index)) {
        this.#claim(node, index, sink.to);
        claimed.push(sink);
      } else late.push(sink);
    }
    return { claimed: groupBy(claimed, (sink) => sink.value.node), late };
  }

  /** Whether output `index` of a node can be computed wherever it is wanted, and nothing has wanted it so far. */
  #isFree(node: Node, index: number): boolean {
    const { kernel } = node.op;
    const movable =
      kernel.kind === "map" ||
      kernel.kind === "reduce" ||
      (kernel.kind === "instruction" && kernel.laysOut?.(index) !== true);
    const { places, views } = this.#use(node);
    return movable && places?.[index] === undefined && views === undefined;
  }

  #claim(node: Node, index: number, to: View | undefined): void {
    const use = this.#use(node);
    use.places = withEntry(use.places, index, to);
  }

  /**
   * Whether a sink's value may take the place of the old one when a part is computed.
   *
   * @param readers the nodes that read the old value
   * @param late values that are read at the end
   */
  #mayOverwrite(
    { to }: Sink,
    part: Part,
    readers: readonly Node[],
    late: readonly SymbolicTensor[],
  ): boolean {
    const target = rootOf(to.buffer);
    const touched = (x: SymbolicTensor): View | undefined => {
      const view = this.#use(x.node).views?.[x.index] ?? this.#source(x.node) ?? this.#window(x);
      return view !== undefined && rootOf(view.buffer) === target ? view : undefined;
    };
    // The old value may itself be what another sink holds in the end.
    if (late.some((value) => touched(value) !== undefined)) return false;
    return readers.every((node) => {
      if (this.#use(node).done) return true;
      const own = part.map !== undefined && part.nodes.includes(node);
      return node.inputs.every((x) => {
        const view = touched(x);
        if (view === undefined) return true;
        return own && view.offset === to.offset && isContiguous(view) && sameNumbers(view.shape, to.shape);
      });
    });
  }

  /** The window that a chain of views opens on a source, before the chain is lowered. */
  #window({ node }: SymbolicTensor): View | undefined {
    let at = node;
    while (at.op.kernel.kind === "view") {
      const [from] = at.inputs;
      if (from === undefined) return undefined;
      const view = this.#use(from.node).views?.[from.index] ?? this.#source(from.node);
      if (view !== undefined) return view;
      at = from.node;
    }
    return undefined;
  }

  /** Pieces of a concatenation of whole blocks are computed where they belong, side by side. */
  *#claimPieces(units: readonly Unit[]): Steps<void> {
    for (let i = units.length - 1; i >= 0; i--) {
      if (isRest(i)) yield;
      const node = units[i]?.nodes[0];
      if (node === undefined || node.op.kernel.kind !== "assemble") continue;
      const { axis } = node.attrs as { readonly axis: number };
      const shape = this.shape(node.outputs[0]?.shape ?? []);
      if (shape.slice(0, axis).some((d) => d !== 1)) continue;
      const to = this.place(node);
      if (!isContiguous(to)) continue;
      this.#claim(node, 0, to);
      let offset = to.offset;
      for (const piece of node.inputs) {
        const pieceShape = this.shape(piece.shape);
        const root = this.#blockOf(piece);
        if (root !== undefined) {
          const type = root.node.outputs[root.index] as TensorType;
          const own = this.shape(type.shape);
          const bytes = byteSize(type.dtype, own);
          const buffer: Buffer = {
            ...this.buffer(bytes),
            region: to.buffer.region,
            alias: { of: to.buffer, offset: offset * bytesPerElement[to.dtype] },
          };
          this.#claim(root.node, root.index, whole(buffer, type.dtype, own));
        }
        offset += pieceShape.reduce((p, d) => p * d, 1);
      }
    }
  }

  /** The kernel output whose elements, in order, are those of x, when nothing has claimed it yet. */
  #blockOf(x: SymbolicTensor): SymbolicTensor | undefined {
    let value = x;
    while (value.node.op.name === "reshape") {
      const [next] = value.node.inputs;
      if (next === undefined) return undefined;
      value = next;
    }
    return this.#isFree(value.node, value.index) ? value : undefined;
  }

  /** A node that is no part of a `map`. */
  #alone(node: Node): void {
    if (this.#use(node).views !== undefined) return;
    const { kernel } = node.op;
    if (kernel.kind === "view") {
      const [x] = node.inputs;
      // A constant seen through views is known as a number: its buffer is made only where a kernel asks for it.
      if (x === undefined) return;
      const output = this.shape(node.outputs[0]?.shape ?? []);
      const from = this.view(x);
      const seen = kernel.view(from, node.attrs, this.options.bindings, output);
      this.set(
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
    const lower = this.rules[name];
    if (lower === undefined) throw new Error(`there is no instruction for ${name}`);
    lower(this, node);
  }
}

function groupBy<T, K>(list: Iterable<T>, keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of list) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}
