import { isRest, type Steps } from "../breather.js";
import type { Node, StateVariable, SymbolicTensor } from "../graph/ir.js";
import type { StateAttrs } from "../graph/ops/source.js";
import type { View } from "./buffer.js";

/** Something that must hold a value in the end: an output port, a state variable, a loop's carried state. */
export interface Sink {
  readonly value: SymbolicTensor;
  readonly to: View;
  /** Where `to` holds an older value that the graph may read: the state variable, or the placeholder that stands for it. */
  readonly replaces?: Source;
}

/** What names memory that holds a value from the start. */
export type Source = StateVariable | Node;

/** The old values that sinks replace, and who reads them. */
export class OldValues {
  /** By node: the source whose memory it is, or a window on. */
  readonly #sourceOf = new Map<Node, Source>();
  readonly #readers = new Map<Source, Node[]>();

  private constructor() {}

  /** @param nodes in topological order */
  static *of(sinks: readonly Sink[], nodes: readonly Node[]): Steps<OldValues> {
    const made = new OldValues();
    for (const { replaces } of sinks) if (replaces !== undefined) made.#readers.set(replaces, []);
    let looked = 0;
    for (const node of nodes) {
      if (isRest(looked++)) yield;
      made.#look(node);
    }
    return made;
  }

  #look(node: Node): void {
    const { kind } = node.op.kernel;
    if (kind === "source") {
      const source = node.op.name === "state" ? (node.attrs as StateAttrs).variable : node;
      if (this.#readers.has(source)) this.#sourceOf.set(node, source);
    }
    for (const x of node.inputs) {
      const source = this.#sourceOf.get(x.node);
      if (source === undefined) continue;
      if (kind === "view") this.#sourceOf.set(node, source);
      else {
        const known = this.#readers.get(source);
        if (known?.at(-1) !== node) known?.push(node);
      }
    }
  }

  /** The nodes other than views that read what a sink replaces, directly or through views, in order. */
  readersOf({ replaces }: Sink): readonly Node[] {
    return (replaces && this.#readers.get(replaces)) ?? [];
  }

  /** The source whose old value is what a value shows, where there is one. */
  sourceOf(x: SymbolicTensor): Source | undefined {
    return this.#sourceOf.get(x.node);
  }
}
