import { codes, mapArity, mapOp } from "./abi.js";
import { bitsFloat, decode, type Instruction, type MapOpName, type Pointer } from "./encode.js";

/**
 * A program's words as stable text, one line per instruction: index of the first word, name, fields (`b3+8` is element
 * 8 of buffer 3, `-` an absent operand). The parts of a `map` and the body of a loop stand on lines of their own.
 */
export function printWords(words: Int32Array): string {
  return decode(words)
    .map((instruction) => `${String(instruction.at).padStart(5)}  ${printInstruction(instruction)}\n`)
    .join("");
}

/** The text of one instruction, without its index. */
export function printInstruction(instruction: Instruction): string {
  const { name, fields, tail } = instruction;
  if (name === "map") return printMap(instruction);
  const text = Object.entries(fields).map(([field, value]) => `${field} ${printField(name, field, value)}`);
  if (name === "loop") {
    const moves = Number(fields.advances) * 2;
    const advances = [];
    for (let i = 0; i < moves; i += 2) advances.push(`b${tail[i]}+=${tail[i + 1]}`);
    const body = printWords(tail.subarray(moves)).trimEnd().replaceAll("\n", "\n         ");
    return `loop ${fields.count} ${advances.join(" ")}\n         ${body}`;
  }
  return [name, ...text, ...(tail.length > 0 ? [`| ${tail.join(" ")}`] : [])].join(" ");
}

function printField(name: string, field: string, value: Pointer | number): string {
  if (typeof value !== "number") return value === null ? "-" : `b${value.buffer}+${value.offset}`;
  if (field === "kind") return nameOf(name === "random" ? codes.distribution : codes.reduction, value);
  if (field === "dtype") return nameOf(codes.dtype, value);
  if (field === "cell") return nameOf(codes.cell, value);
  if (field === "activation" || field === "recurrentActivation") return nameOf(codes.activation, value);
  return String(value);
}

function printMap({ fields, tail }: Instruction): string {
  let next = 0;
  const word = () => tail[next++] ?? 0;
  const take = (count: number) => Array.from({ length: count }, word);
  const rank = Number(fields.rank);
  const place = (buffer: number, offset: number, dtype: number, strides: number[]) =>
    `${nameOf(codes.dtype, dtype)} b${buffer}+${offset} [${strides.join(", ")}]`;
  const lines = [`map [${take(rank).join(", ")}]`];
  for (let i = 0; i < Number(fields.inputs); i++) {
    lines.push(`r${i} = ${place(word(), word(), word(), take(rank))}`);
  }
  const stores: string[] = [];
  for (let i = 0; i < Number(fields.outputs); i++) {
    const [buffer, offset, dtype, register] = [word(), word(), word(), word()];
    stores.push(`${place(buffer, offset, dtype, take(rank))} = r${register}`);
  }
  for (let i = 0; i < Number(fields.steps); i++) {
    const [code, to, ...args] = [word(), word(), word(), word(), word()];
    lines.push(`r${to} = ${printStep(code, args)}`);
  }
  return [...lines, ...stores].join("\n         ");
}

function printStep(code: number, args: number[]): string {
  const entry = Object.entries(mapOp).find(([, own]) => own === code);
  if (entry === undefined) return `unknown ${code} ${args.join(" ")}`;
  const name = entry[0] as MapOpName;
  if (name === "constant") return String(bitsFloat(args[0] ?? 0));
  if (name === "constantInt") return `int ${args[0]}`;
  const registers = args.slice(0, mapArity[name]).map((register) => `r${register}`);
  return `${name} ${registers.join(" ")}`;
}

function nameOf(group: Readonly<Record<string, number>>, code: number): string {
  return Object.keys(group).find((name) => group[name] === code) ?? String(code);
}
