import type { Dtype, TypedArray } from "../dtype.js";
import { RondoError, unknownName } from "../errors.js";
import { type BufferSlot, type Entry, type Port, type Program, regionCode } from "../plan/program.js";
import type { Call, Memory } from "./backend.js";

const arrayTypes = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array, bool: Uint8Array } as const;

/**
 * Where a program's buffers start, as pairs of base and byte offset: base 0 scratch, 1 state, 2 cache, 3 constants,
 * from 4 on the inputs, then the outputs. Throws when one does not lie within its region.
 */
export function slotsOf(program: Program): Float64Array {
  const slots = new Float64Array(2 * program.buffers.length);
  for (const [i, buffer] of program.buffers.entries()) {
    const size = regionBytes(program, buffer);
    if (!(buffer.offset >= 0 && buffer.bytes >= 0 && buffer.offset + buffer.bytes <= size)) {
      throw new RondoError({
        where: `load of program "${program.name}"`,
        received: `buffer ${i} at bytes ${buffer.offset} to ${buffer.offset + buffer.bytes} of its ${buffer.region}`,
        expected: `a place within ${size} bytes`,
        fix: "Plan the program again; a program is never edited by hand",
      });
    }
    const ports = buffer.region === "output" ? program.inputs.length : 0;
    slots[2 * i] =
      regionCode[buffer.region === "output" ? "input" : buffer.region] + ports + portIndex(buffer);
    slots[2 * i + 1] = buffer.offset;
  }
  return slots;
}

function portIndex({ region, index }: BufferSlot): number {
  return region === "input" || region === "output" ? index : 0;
}

function regionBytes(program: Program, { region, index }: BufferSlot): number {
  switch (region) {
    case "scratch":
      return program.scratchBytes;
    case "state":
      return program.stateBytes;
    case "cache":
      return program.cacheBytes;
    case "constant":
      return program.constants.byteLength;
    case "input":
      return portBytes(program.inputs[index]);
    case "output":
      return portBytes(program.outputs[index]);
  }
}

function portBytes(port: Port | undefined): number {
  return port === undefined ? 0 : port.size * arrayTypes[port.dtype].BYTES_PER_ELEMENT;
}

/** The entry that a call names, after checking its state and its arrays against the program's ports. */
export function checkCall(program: Program, call: Call): Entry {
  const entry = Object.hasOwn(program.entries, call.entry) ? program.entries[call.entry] : undefined;
  if (entry === undefined)
    throw unknownName(named(program), "entry", call.entry, Object.keys(program.entries));
  checkState(program, call.state);
  checkArrays(program, "input", program.inputs, call.inputs);
  checkArrays(program, "output", program.outputs, call.outputs);
  return entry;
}

/** That a block of memory is large enough to be the program's state. */
export function checkState(program: Program, state: Memory): void {
  if (state.bytes < program.stateBytes) {
    throw new RondoError({
      where: named(program),
      received: `a state of ${state.bytes} bytes`,
      expected: `at least ${program.stateBytes} bytes`,
      fix: "Pass the memory that was allocated for this program's model",
    });
  }
}

function checkArrays(
  program: Program,
  kind: "input" | "output",
  ports: readonly Port[],
  arrays: readonly TypedArray[],
): void {
  if (arrays.length !== ports.length) {
    throw new RondoError({
      where: named(program),
      received: `${arrays.length} ${kind}s`,
      expected: `${ports.length} (${ports.map((port) => port.name).join(", ")})`,
      fix: `Pass one array for every ${kind} of the program, in their order`,
    });
  }
  for (let i = 0; i < ports.length; i++) {
    const port = ports[i];
    const array = arrays[i];
    if (port === undefined || array === undefined) continue; // the lengths are equal
    if (!(array instanceof arrayTypes[port.dtype]) || array.length !== port.size) {
      throw new RondoError({
        where: `${named(program)}, ${kind} "${port.name}"`,
        received: describeArray(array),
        expected: `${arrayNames[port.dtype]} of ${port.size} elements (shape [${port.shape.join(", ")}])`,
        fix: "Convert or reshape the data first; an array whose buffer was transferred away has no elements",
      });
    }
  }
}

const arrayNames = {
  float32: "Float32Array",
  int32: "Int32Array",
  uint8: "Uint8Array",
  bool: "Uint8Array",
} as const satisfies Record<Dtype, string>;

function describeArray(array: unknown): string {
  if (!ArrayBuffer.isView(array) || array instanceof DataView) return typeof array;
  return `${array.constructor.name} of ${(array as TypedArray).length} elements`;
}

/** That an array's bytes lie within a block of memory. */
export function checkRange(operation: string, bytes: number, offset: number, array: TypedArray): void {
  if (!(Number.isInteger(offset) && offset >= 0 && offset + array.byteLength <= bytes)) {
    throw new RondoError({
      where: operation,
      received: `${array.byteLength} bytes at offset ${offset}`,
      expected: `a range within the block's ${bytes} bytes`,
      fix: "Check the offset (in bytes) and the length of the array",
    });
  }
}

function named(program: Program): string {
  return `program "${program.name}"`;
}
