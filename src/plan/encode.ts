import { RondoError } from "../errors.js";
import type { InstructionRecord } from "../graph/ir.js";
import { abi, codes, mapOp } from "./abi.js";
import type { Dtype } from "./program.js";

/** An operand of an instruction: a buffer of the program and an offset in elements; `null` where it is absent. */
export type Pointer = { readonly buffer: number; readonly offset: number } | null;

export type InstructionName = keyof typeof abi;
export type MapOpName = keyof typeof mapOp;

type Words<List extends string> = List extends `${infer First} ${infer Rest}` ? First | Words<Rest> : List;
type Bare<Field extends string> = Field extends `${"*" | "~"}${infer Name}` ? Name : Field;

/** The fields of an instruction by name, as kernels/abi.def declares them. */
export type Fields<Name extends InstructionName> = {
  readonly [Field in Words<(typeof abi)[Name]["fields"]> as Bare<Field>]: Field extends `*${string}`
    ? Pointer
    : number;
};

/** An input of `map`: loaded into the register of its position. Strides in elements, one per dimension. */
export interface MapInput {
  readonly buffer: number;
  readonly offset: number;
  readonly dtype: Dtype;
  readonly strides: readonly number[];
}

/** An output of `map`: the register that is stored, and where. */
export interface MapOutput extends MapInput {
  readonly register: number;
}

/** A step of `map`: `to` receives op(args). `args` are registers; of `constant` and `constantInt`, the value. */
export interface MapStep {
  readonly op: MapOpName;
  readonly to: number;
  readonly args: readonly number[];
}

/** A whole `map`: dims outermost first; the first registers are the inputs. */
export interface MapSpec {
  readonly dims: readonly number[];
  readonly inputs: readonly MapInput[];
  readonly outputs: readonly MapOutput[];
  readonly steps: readonly MapStep[];
}

/** Appends instructions to a list of words (kernels/abi.def says what each means). */
export class Encoder {
  readonly #words: number[] = [];

  /** Number of words so far: where the next instruction begins. */
  get length(): number {
    return this.#words.length;
  }

  /** The words so far, as a program holds them. */
  words(): Int32Array {
    return new Int32Array(this.#words);
  }

  /**
   * Appends one instruction.
   *
   * @param fields every field by name: a pointer (`null`: absent), or a number (for `f32`, the float)
   * @param tail the words after the fields
   * @throws RondoError when a number does not fit in 32 bits
   */
  emit<Name extends InstructionName>(name: Name, fields: Fields<Name>, tail: readonly number[] = []): void {
    this.append({ name, ...abi[name] }, fields, tail);
  }

  /** As `emit`, for an instruction that an op describes. */
  append(
    { name, opcode, fields: declared }: InstructionRecord,
    fields: Readonly<Record<string, Pointer | number>>,
    tail: readonly number[] = [],
  ): void {
    const words = this.#words;
    const begin = words.push(opcode, 0);
    for (const field of declared.split(" ")) {
      const value = fields[field.replace(/^[*~]/, "")];
      if (field.startsWith("*")) {
        const pointer = value as Pointer;
        words.push(pointer?.buffer ?? -1, pointer?.offset ?? 0);
      } else {
        words.push(field.startsWith("~") ? floatBits(value as number) : (value as number));
      }
    }
    for (const word of tail) words.push(word);
    words[begin - 1] = words.length - begin;
    for (let i = begin; i < words.length; i++) {
      const word = words[i] ?? 0;
      if (word === (word | 0)) continue;
      words.length = begin - 2;
      throw tooLarge(name, i - begin, word);
    }
  }

  /**
   * Appends a `map` from its parts; the number of registers follows from them.
   *
   * @throws RondoError when there are more dims than the kernels go through
   */
  map(spec: MapSpec): void {
    checkRank("elementwise operation", spec.dims.length);
    const { tail, ...counts } = mapWords(spec);
    this.emit("map", { rank: spec.dims.length, ...counts }, tail);
  }

  /** Appends a `mapRows` from its parts; dims [rows, width]. */
  mapRows(
    spec: MapSpec,
    rows: Pick<Fields<"mapRows">, "index" | "count" | "size" | "indexedInputs" | "indexedOutputs">,
  ): void {
    const { tail, ...counts } = mapWords(spec);
    this.emit("mapRows", { ...rows, ...counts }, tail);
  }

  /**
   * Appends a loop around the instructions that `body` emits.
   *
   * @param count number of passes
   * @param advances how many bytes each buffer moves after every pass
   */
  loop(
    count: number,
    advances: readonly { readonly buffer: number; readonly bytes: number }[],
    body: (encoder: Encoder) => void,
  ): void {
    this.around("loop", { count }, advances, body);
  }

  /** Appends an instruction around those that `body` emits, with its own fields and what buffers move by. */
  around<Name extends "loop" | "chain">(
    name: Name,
    fields: Omit<Fields<Name>, "advances" | "bodyWords">,
    advances: readonly { readonly buffer: number; readonly bytes: number }[],
    body: (encoder: Encoder) => void,
  ): void {
    const inner = new Encoder();
    body(inner);
    const all = { ...fields, advances: advances.length, bodyWords: inner.length };
    this.append({ name, ...abi[name] }, all, [
      ...advances.flatMap(({ buffer, bytes }) => [buffer, bytes]),
      ...inner.#words,
    ]);
  }
}

/** What the instructions around a map have in common. */
function mapWords({ dims, inputs, outputs, steps }: MapSpec) {
  const tail = [...dims];
  let registers = inputs.length;
  for (const { buffer, offset, dtype, strides } of inputs) {
    tail.push(buffer, offset, codes.dtype[dtype], ...strides);
  }
  for (const { buffer, offset, dtype, register, strides } of outputs) {
    tail.push(buffer, offset, codes.dtype[dtype], register, ...strides);
  }
  for (const { op, to, args } of steps) {
    const words = op === "constant" ? args.map(floatBits) : args;
    tail.push(mapOp[op], to, words[0] ?? 0, words[1] ?? 0, words[2] ?? 0);
    registers = Math.max(registers, to + 1);
  }
  return { inputs: inputs.length, outputs: outputs.length, steps: steps.length, registers, tail };
}

/** One instruction, decoded. */
export interface Instruction {
  /** Index of its first word. */
  readonly at: number;
  readonly name: string;
  readonly fields: Readonly<Record<string, Pointer | number>>;
  readonly tail: Int32Array;
}

/**
 * The instructions of a list of words, in order (those inside a loop are in the loop's tail).
 *
 * @param described the instructions that ops describe
 */
export function decode(words: Int32Array, described: readonly InstructionRecord[] = []): Instruction[] {
  const own = Object.entries(abi).map(([name, entry]): InstructionRecord => ({ name, ...entry }));
  const records = new Map([...own, ...described].map((record) => [record.opcode, record]));
  const instructions: Instruction[] = [];
  for (let at = 0; at < words.length; ) {
    const record = records.get(words[at] ?? -1);
    const length = words[at + 1] ?? -1;
    if (record === undefined || length < 0 || at + 2 + length > words.length) {
      throw new RondoError({
        where: "program",
        received: `the words ${words.slice(at, at + 2).join(", ")} at ${at} of ${words.length}`,
        expected: "an opcode of kernels/abi.def and the number of words that follow it",
        fix: "Build programs with Encoder, of the same version as the kernels",
      });
    }
    const fields: Record<string, Pointer | number> = {};
    let next = at + 2;
    for (const marked of record.fields.split(" ")) {
      const [field, word] = [marked.replace(/^[*~]/, ""), words[next++] ?? 0];
      if (marked.startsWith("*")) {
        const offset = words[next++] ?? 0;
        fields[field] = word < 0 ? null : { buffer: word, offset };
      } else {
        fields[field] = marked.startsWith("~") ? bitsFloat(word) : word;
      }
    }
    instructions.push({ at, name: record.name, fields, tail: words.subarray(next, at + 2 + length) });
    at += 2 + length;
  }
  return instructions;
}

/** The bits of a float32, as the words of a program hold it. */
export function floatBits(value: number): number {
  return new Int32Array(Float32Array.of(value).buffer)[0] ?? 0;
}

/** The float32 whose bits a word holds. */
export function bitsFloat(word: number): number {
  return new Float32Array(Int32Array.of(word).buffer)[0] ?? 0;
}

/** Refuses more axes than the kernels go through. */
export function checkRank(where: string, rank: number): void {
  if (rank <= codes.limit.rank) return;
  throw new RondoError({
    where,
    received: `operands with ${rank} axes that lie apart in memory`,
    expected: `at most ${codes.limit.rank} axes, where those that follow one another count as one`,
    fix: "Reshape the operands to fewer axes",
  });
}

function tooLarge(name: string, position: number, word: number): RondoError {
  return new RondoError({
    where: `program: ${name}, operand word ${position}`,
    received: `${word}`,
    expected: "an integer of 32 bits",
    fix: "Use smaller tensors: sizes and offsets are limited to 2,147,483,647 elements",
  });
}
