import type { Dim } from "../graph/dim.js";
import type { ArrayView, InstructionCall, Node, NodeLowering, Strided } from "../graph/ir.js";
import { abi, codes } from "./abi.js";
import { isContiguous, pointer, type View, whole } from "./buffer.js";
import type { Fields, InstructionName, Pointer } from "./encode.js";
import type { Lowering } from "./lower.js";

/** What an op's own rule asks of the planner, answered for one node. */
export class NodeCall implements NodeLowering {
  readonly #lowering: Lowering;
  readonly #node: Node;
  readonly #outputs = new Map<number, View>();

  constructor(lowering: Lowering, node: Node) {
    this.#lowering = lowering;
    this.#node = node;
  }

  get vectorWidth(): number {
    return this.#lowering.target.vectorWidth;
  }

  size(size: Dim): number {
    return this.#lowering.values.size(size);
  }

  input(index: number): View | undefined {
    return this.strided(index, isContiguous);
  }

  strided(index: number, fits: (x: Strided) => boolean): View | undefined {
    const x = this.#node.inputs[index];
    return x && this.#lowering.materialize(x, fits);
  }

  output(index: number): View {
    const known = this.#outputs.get(index);
    if (known !== undefined) return known;
    const place = this.#lowering.destinations.place(this.#node, index);
    if (!isContiguous(place)) throw new Error(`${this.#node.op.name}: its place has gaps`);
    this.#outputs.set(index, place);
    return place;
  }

  work(floats: number): View | undefined {
    const buffer = this.#lowering.storage.work(floats);
    return buffer && whole(buffer, "float32", [floats]);
  }

  code(list: string, name: string): number {
    const known = (codes as Readonly<Record<string, Readonly<Record<string, number>>>>)[list]?.[name];
    if (known === undefined) throw new Error(`${this.#node.op.name}: there is no ${list} ${name}`);
    return known;
  }

  call(instruction: string, { reads, writes, numbers }: InstructionCall): void {
    const name = instruction as InstructionName;
    const pointers = { ...reads, ...writes };
    requireFields(name, pointers, numbers);
    const buffers = (views: InstructionCall["reads"]) =>
      Object.values(views).flatMap((view) => (view === undefined ? [] : [(view as View).buffer]));
    this.#lowering.emit({
      name: this.#node.op.name,
      reads: buffers(reads),
      writes: buffers(writes),
      emit(encoder, index) {
        const fields: Record<string, Pointer | number> = { ...numbers };
        for (const [field, view] of Object.entries(pointers))
          fields[field] = pointer(view as View | undefined, index);
        encoder.emit(name, fields as Fields<InstructionName>);
      },
    });
    for (const [index, view] of this.#outputs) this.#lowering.values.set(this.#node, index, view);
  }
}

/** Fields are told by name: each that is declared, and no others. */
function requireFields(
  name: InstructionName,
  pointers: Readonly<Record<string, ArrayView | undefined>>,
  numbers: Readonly<Record<string, number>>,
): void {
  const given = [
    ...Object.keys(pointers).map((field) => `${field} ptr`),
    ...Object.keys(numbers).map((field) => `${field} number`),
  ].sort();
  const declared = (abi[name]?.fields ?? [])
    .map(([field, kind]) => `${field} ${kind === "ptr" ? kind : "number"}`)
    .sort();
  if (given.join() !== declared.join())
    throw new Error(`${name} has the fields ${declared.join(", ")}, and is given ${given.join(", ")}`);
}
