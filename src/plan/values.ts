import { isRest, type Steps } from "../breather.js";
import { RondoError } from "../errors.js";
import { bind, type Dim, type Shape } from "../graph/dim.js";
import type { Bindings, Node, SymbolicTensor } from "../graph/ir.js";
import type { ConstantAttrs, SizeAttrs, StateAttrs } from "../graph/ops/source.js";
import type { View } from "./buffer.js";
import type { MapOperand } from "./elementwise.js";
import type { Storage } from "./storage.js";

interface BoundShape {
  readonly sizes: readonly number[];
  /** Equal for equal sizes. */
  readonly key: string;
}

/** What is known of a node while its graph is lowered. Lists are by output. */
class Facts {
  /** The nodes that read it. */
  readers: Node[] | undefined;
  /** Whether a node reads the output, or it is kept. */
  read: boolean[] | undefined;
  /** Whether one of its outputs is kept. */
  kept = false;
  /** Where the output is. */
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

/** The values of one graph (or of the body of a scan) while it is lowered: their sizes, who reads them, where they are. */
export class Values {
  readonly #nodes = new Map<Node, Facts>();
  readonly #shapes = new Map<Shape, BoundShape>();

  /** @param bindings values of the symbols */
  constructor(
    readonly bindings: Bindings,
    readonly storage: Storage,
  ) {}

  // ---- sizes

  size(d: Dim): number {
    return bind(d, this.bindings);
  }

  shape(shape: Shape): readonly number[] {
    return this.#bound(shape).sizes;
  }

  /** The bound shape as text. */
  shapeKey(shape: Shape): string {
    return this.#bound(shape).key;
  }

  #bound(shape: Shape): BoundShape {
    const known = this.#shapes.get(shape);
    if (known !== undefined) return known;
    const sizes = shape.map((d) => this.size(d));
    const short = sizes.findIndex((size) => size < 0);
    if (short >= 0) {
      throw new RondoError({
        where: "model",
        received: `sizes for which an axis has ${shape[short]} = ${sizes[short]} elements`,
        expected: "none below 0",
        fix: "Give longer inputs, or use smaller windows and fewer layers that shrink the axis",
      });
    }
    const bound = { sizes, key: sizes.join() };
    this.#shapes.set(shape, bound);
    return bound;
  }

  #of(node: Node): Facts {
    const known = this.#nodes.get(node);
    if (known !== undefined) return known;
    const made = new Facts();
    this.#nodes.set(node, made);
    return made;
  }

  // ---- who reads them

  /**
   * Notes who reads what.
   *
   * @param nodes in topological order
   * @param kept values that are needed in the end
   */
  *countReaders(nodes: readonly Node[], kept: readonly SymbolicTensor[]): Steps<void> {
    let counted = 0;
    for (const node of nodes) {
      if (isRest(counted++)) yield;
      for (const x of node.inputs) {
        const known = this.#of(x.node);
        if (known.readers === undefined) known.readers = [node];
        else if (known.readers.at(-1) !== node) known.readers.push(node);
        known.read = withEntry(known.read, x.index, true);
      }
    }
    for (const value of kept) {
      const known = this.#of(value.node);
      known.read = withEntry(known.read, value.index, true);
      known.kept = true;
    }
  }

  /** Whether output `index` of a node is needed. */
  isUsed(node: Node, index: number): boolean {
    return this.#of(node).read?.[index] === true;
  }

  /** Whether a node is needed by others than `own`. */
  isUsedOutside(node: Node, own: ReadonlySet<Node>): boolean {
    const { kept, readers } = this.#of(node);
    return kept || readers?.some((reader) => !own.has(reader)) === true;
  }

  /** The nodes that read any output of a node. */
  readers(node: Node): readonly Node[] {
    return this.#of(node).readers ?? [];
  }

  /** Notes that a node is lowered. */
  setDone(node: Node): void {
    this.#of(node).done = true;
  }

  isDone(node: Node): boolean {
    return this.#of(node).done;
  }

  // ---- where they are

  /** Says where output `index` of a node is. */
  set(node: Node, index: number, view: View): void {
    const known = this.#of(node);
    known.views = withEntry(known.views, index, view);
  }

  /** Whether it is said of any output of a node where it is. */
  isSet(node: Node): boolean {
    return this.#of(node).views !== undefined;
  }

  /** The value, where it is computed or there from the start. */
  find(x: SymbolicTensor): View | undefined {
    return this.#of(x.node).views?.[x.index] ?? this.#source(x.node);
  }

  /** The computed value. */
  view(x: SymbolicTensor): View {
    const known = this.#of(x.node).views?.[x.index];
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
        return this.storage.constant(data, dtype, shape);
      }
      case "size":
        return this.storage.constant(
          Float32Array.of(this.size((node.attrs as SizeAttrs).size)),
          "float32",
          [],
        );
      case "state":
        return this.storage.state((node.attrs as StateAttrs).variable);
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

  /** The value, as a number where that is known. */
  operand(x: SymbolicTensor): MapOperand {
    const value = this.scalar(x);
    return value === undefined ? this.view(x) : { value, dtype: x.dtype };
  }
}
