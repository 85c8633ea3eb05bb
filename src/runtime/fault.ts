import { type ErrorParts, RondoError } from "../errors.js";
import { abi, codes } from "../plan/abi.js";
import type { Program } from "../plan/program.js";

/** Why the VM stopped: a status, the instruction, and details (see STATUS in kernels/abi.def). */
export interface Fault {
  readonly status: number;
  readonly opcode: number;
  /** Index of the instruction's first word in the program. */
  readonly word: number;
  readonly details: readonly number[];
}

/** What an executor reports instead of a VM status when memory runs out; the first detail is MiB. */
const outOfMemory = -1;

/** The fault of a run that found no memory for so many bytes (0: for its state or its program). */
export function noMemory(bytes: number): Fault {
  return { status: outOfMemory, opcode: 0, word: 0, details: [Math.ceil(bytes / 2 ** 20)] };
}

/** A fault from the words of the kernels' `Error` record: status, opcode, word, details. */
export function faultFrom(record: ArrayLike<number>): Fault {
  const [status = 0, opcode = 0, word = 0, ...details] = Array.from(record);
  return { status, opcode, word, details };
}

/** The error for a run that stopped; its `cause` is the fault. */
export function faultError(program: Program, fault: Fault): RondoError {
  return new RondoError(describe(program, fault), { cause: fault });
}

/** The error for memory that could not be had when something was allocated or loaded. */
export function memoryRefused(where: string, bytes: number): RondoError {
  return new RondoError(
    {
      where,
      received: `a request for ${mebibytes(bytes)} that was refused`,
      expected: "enough free memory",
      fix: "Use a smaller model or batchSize, or free memory on the machine",
    },
    { cause: noMemory(bytes) },
  );
}

/** Whether an error says that memory could not be had. */
export function isRefusal(error: unknown): boolean {
  if (!(error instanceof RondoError)) return false;
  return (error.cause as Partial<Fault> | undefined)?.status === outOfMemory || isRefusal(error.cause);
}

/** What to say when the system has no room for a backend's threads. */
export function threadsRefused(where: string, threads: number): ErrorParts {
  return {
    where,
    received: `threads ${threads}, of which the system refused one`,
    expected: "room for that many threads",
    fix: "Lower threads (or RONDO_THREADS), or raise the system's limit of processes (ulimit -u)",
  };
}

function describe(program: Program, { status, opcode, word, details }: Fault) {
  const [first = 0, second = 0, third = 0, perRow = 0] = details;
  if (status === outOfMemory) {
    return {
      where: `program "${program.name}"`,
      received: first > 0 ? `no memory for a block of ${first} MiB` : "no memory for its state or itself",
      expected: `${mebibytes(program.scratchBytes)} of scratch and ${mebibytes(program.cacheBytes)} of cache`,
      fix: "Use a smaller batchSize, or shorter sequences",
    };
  }
  const instruction = nameOf(abi, (entry) => entry.opcode === opcode) ?? `opcode ${opcode}`;
  const where = `${instruction} in program "${program.name}"`;
  if (status === codes.status.indexOutOfRange) {
    return {
      where,
      received: `the id ${second} ${idPlace(first, perRow)}`,
      expected: third > 0 ? `ids from 0 to ${third - 1}` : "no ids, as the table is empty",
      fix: "Check the ids or labels that are fed in, or make room for them (inputDim, number of classes)",
    };
  }
  const reason = nameOf(codes.status, (code) => code === status) ?? `status ${status}`;
  return {
    where,
    received: `a malformed instruction at word ${word} (${reason}: ${details.join(", ")})`,
    expected: "the layout of kernels/abi.def",
    fix: "Rebuild the library and its kernels together (npm run build); if that does not help, it is a defect of Rondo",
  };
}

/** Where an id stands: in a batch of rows with so many ids each, or (0) in a list. */
function idPlace(position: number, perRow: number): string {
  if (perRow === 0) return `at position ${position}`;
  return `in row ${Math.floor(position / perRow)}, step ${position % perRow} of the batch`;
}

function nameOf<T>(table: Readonly<Record<string, T>>, matches: (entry: T) => boolean): string | undefined {
  return Object.entries(table).find(([, entry]) => matches(entry))?.[0];
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
