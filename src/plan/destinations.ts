import { isRest, type Steps } from "../breather.js";
import { bytesPerElement } from "../dtype.js";
import type { Node, SymbolicTensor, TensorType } from "../graph/ir.js";
import type { ConcatAttrs } from "../graph/ops/join.js";
import { byteSize, elements, isContiguous, sameNumbers, type View, whole } from "./buffer.js";
import type { MapOperand } from "./elementwise.js";
import { rootOf } from "./memory.js";
import type { OldValues, Sink, Source } from "./sinks.js";
import type { Unit } from "./units.js";
import type { Values } from "./values.js";

/** A value that is to be copied. */
export interface Move {
  readonly from: MapOperand;
  readonly to: View;
}

/**
 * Where results go. A kernel computes a value straight where it must end, if it can: in a sink, or in its piece of a
 * concatenation. A value that replaces an old one takes its place as soon as no one reads the old one any more; where
 * that is too late, and where no kernel computes the value, it is brought to its sink when everything is computed.
 */
export class Destinations {
  readonly #values: Values;
  readonly #old: OldValues;
  /** By output of a node: where it is to be computed. */
  readonly #places = new Map<Node, (View | undefined)[]>();
  /** Sinks whose values are to be computed there, by node. */
  readonly #direct: ReadonlyMap<Node, readonly Sink[]>;
  /** Sinks whose values are brought there at the end. */
  readonly #late: Sink[] = [];
  /** Late values that show what a source held before, by the source: they are read once more at the end. */
  readonly #readLate: ReadonlyMap<Source | undefined, readonly SymbolicTensor[]>;

  private constructor(values: Values, sinks: readonly Sink[], old: OldValues) {
    this.#values = values;
    this.#old = old;
    this.#direct = groupBy(
      sinks.filter((sink) => this.#claimSink(sink)),
      (sink) => sink.value.node,
    );
    this.#readLate = groupBy(
      this.#late.map((sink) => sink.value),
      (value) => old.sourceOf(value),
    );
  }

  /** Chooses before anything is computed. */
  static *choose(
    values: Values,
    sinks: readonly Sink[],
    old: OldValues,
    units: readonly Unit[],
  ): Steps<Destinations> {
    const chosen = new Destinations(values, sinks, old);
    yield* chosen.#claimPieces(units);
    return chosen;
  }

  /** Where output `index` of a node goes: the place that waits for it, or a new temporary. */
  place(node: Node, index = 0): View {
    const waiting = this.#places.get(node)?.[index];
    if (waiting !== undefined) return waiting;
    const type = node.outputs[index] as TensorType;
    return this.#values.storage.temporary(type.dtype, this.#values.shape(type.shape));
  }

  /**
   * Settles, when the turn of some nodes has come, which of their values overwrite the old ones. Where someone still
   * reads the old one, the new one is written beside and brought over at the end.
   *
   * @param nodes what one instruction computes
   * @param elementwise whether it reads each element of its operands before it writes the same element
   */
  settle(nodes: readonly Node[], elementwise: boolean): void {
    for (const node of nodes) {
      for (const sink of this.#direct.get(node) ?? []) {
        if (sink.replaces === undefined || this.#mayOverwrite(sink, nodes, elementwise)) continue;
        this.#claim(node, sink.value.index, undefined);
        this.#late.push(sink);
      }
    }
  }

  /**
   * The copies that bring late values to where they belong. One may be the old value of a late sink's place, its own or
   * another's: such values are read before anything is written.
   */
  moves(): Move[] {
    const stays = (from: View, to: View): boolean =>
      rootOf(from.buffer) === rootOf(to.buffer) && from.offset === to.offset && isContiguous(from);
    const byRoot = groupBy(this.#late, (sink) => rootOf(sink.to.buffer));
    const rescues: Move[] = [];
    const staged = this.#late.map((sink): Move => {
      const { to } = sink;
      const from = this.#values.operand(sink.value);
      if ("value" in from) return { from, to };
      const overwritten = byRoot.get(rootOf(from.buffer))?.some((s) => s !== sink || !stays(from, to));
      if (overwritten !== true) return { from, to };
      const copy = this.#values.storage.temporary(to.dtype, to.shape);
      rescues.push({ from, to: copy });
      return { from: copy, to };
    });
    return [...rescues, ...staged.filter(({ from, to }) => "value" in from || !stays(from, to))];
  }

  #claim(node: Node, index: number, to: View | undefined): void {
    const places = this.#places.get(node) ?? [];
    places[index] = to;
    this.#places.set(node, places);
  }

  /** Whether a kernel can write the sink's value straight to where it belongs. */
  #claimSink(sink: Sink): boolean {
    const { node, index } = sink.value;
    const free = this.#isFree(node, index);
    if (free) this.#claim(node, index, sink.to);
    else this.#late.push(sink);
    return free;
  }

  /** Whether output `index` of a node can be computed wherever it is wanted, and nothing has wanted it so far. */
  #isFree(node: Node, index: number): boolean {
    const { kernel } = node.op;
    const movable =
      kernel.kind === "map" ||
      kernel.kind === "reduce" ||
      kernel.kind === "described" ||
      (kernel.kind === "instruction" && kernel.laysOut?.(index) !== true);
    return movable && this.#places.get(node)?.[index] === undefined && !this.#values.isSet(node);
  }

  /** Pieces of a concatenation of whole blocks are computed where they belong, side by side. */
  *#claimPieces(units: readonly Unit[]): Steps<void> {
    for (let i = units.length - 1; i >= 0; i--) {
      if (isRest(i)) yield;
      const node = units[i]?.nodes[0];
      if (node === undefined || node.op.kernel.kind !== "assemble") continue;
      const { axis } = node.attrs as ConcatAttrs;
      const shape = this.#values.shape(node.outputs[0]?.shape ?? []);
      if (shape.slice(0, axis).some((d) => d !== 1)) continue;
      const to = this.place(node);
      if (!isContiguous(to)) continue;
      this.#claim(node, 0, to);
      let offset = to.offset;
      for (const piece of node.inputs) {
        const block = this.#blockOf(piece);
        if (block !== undefined) {
          const { dtype, shape } = block.node.outputs[block.index] as TensorType;
          const own = this.#values.shape(shape);
          const begin = offset * bytesPerElement[to.dtype];
          const buffer = this.#values.storage.part(to.buffer, begin, byteSize(dtype, own));
          this.#claim(block.node, block.index, whole(buffer, dtype, own));
        }
        offset += elements(this.#values.shape(piece.shape));
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

  /** Whether a sink's value may take the place of the old one when `nodes` are computed (see `settle`). */
  #mayOverwrite(sink: Sink, nodes: readonly Node[], elementwise: boolean): boolean {
    const { to, replaces } = sink;
    const target = rootOf(to.buffer);
    const touched = (x: SymbolicTensor): View | undefined => {
      const view = this.#values.find(x) ?? this.#window(x);
      return view !== undefined && rootOf(view.buffer) === target ? view : undefined;
    };
    // The old value may itself be what another sink holds in the end.
    if (this.#readLate.get(replaces)?.some((value) => touched(value) !== undefined)) return false;
    return this.#old.readersOf(sink).every((node) => {
      if (this.#values.isDone(node)) return true;
      const own = elementwise && nodes.includes(node);
      const overwritten = node === sink.value.node ? overwrittenInput(sink.value) : undefined;
      return node.inputs.every((x, i) => {
        const view = touched(x);
        if (view === undefined) return true;
        const inPlace = own || i === overwritten;
        return (
          inPlace && view.offset === to.offset && isContiguous(view) && sameNumbers(view.shape, to.shape)
        );
      });
    });
  }

  /** The window that a chain of views opens on a source, before the chain is lowered. */
  #window({ node }: SymbolicTensor): View | undefined {
    let at = node;
    while (at.op.kernel.kind === "view") {
      const [from] = at.inputs;
      if (from === undefined) return undefined;
      const view = this.#values.find(from);
      if (view !== undefined) return view;
      at = from.node;
    }
    return undefined;
  }
}

/** In the place of which input of its node a value may be written, where its kernel says so. */
function overwrittenInput({ node, index }: SymbolicTensor): number | undefined {
  const { kernel } = node.op;
  return kernel.kind === "instruction" ? kernel.overwrites?.(index, node.attrs) : undefined;
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
