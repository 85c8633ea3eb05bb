import type { Node, SymbolicTensor } from "../graph/ir.js";
import { bufferOf, type Operand, type Operation, pointer } from "./buffer.js";
import type { Fields, InstructionName } from "./encode.js";

/** The i-th input of a node. */
export function operandOf(node: Node, i = 0): SymbolicTensor {
  const x = node.inputs[i];
  if (x === undefined) throw new Error(`${node.op.name}: operand ${i} is missing`);
  return x;
}

/** The fields of an instruction, with operands in the place of pointers. */
export type Operands<Name extends InstructionName> = {
  readonly [Field in keyof Fields<Name>]: [Fields<Name>[Field]] extends [number] ? number : Operand;
};

/**
 * The operation that is one instruction.
 *
 * @param writes which of the operands it writes; it reads the others
 * @param tail the words after the fields
 */
export function instruct<Name extends InstructionName>(
  name: Name,
  writes: readonly Operand[],
  fields: Operands<Name>,
  tail?: readonly number[],
): Operation {
  const written = writes.flatMap((operand) => operand ?? []).map(bufferOf);
  const operands = Object.values<number | Operand>(fields).flatMap((value) =>
    typeof value === "object" ? bufferOf(value) : [],
  );
  return {
    name,
    reads: operands.filter((buffer) => !written.includes(buffer)),
    writes: written,
    emit(encoder, index) {
      const words = Object.entries<number | Operand>(fields).map(([field, value]) => [
        field,
        typeof value === "number" ? value : pointer(value, index),
      ]);
      encoder.emit(name, Object.fromEntries(words) as Fields<Name>, tail);
    },
  };
}
