import type { Program } from "../plan/program.js";
import { type Fault, faultFrom, noMemory } from "./fault.js";
import { roundUp } from "./heap.js";

const pageBytes = 65536;

/** What kernels/wasm.cpp exports. */
interface Exports {
  readonly __heap_base: WebAssembly.Global;
  readonly __stack_pointer: WebAssembly.Global;
  vectorWidth(): number;
  run(words: number, begin: number, end: number, buffers: number, count: number, error: number): number;
  /** Threaded build only. */
  start?(threads: number): void;
  work?(): void;
}

/** A program's place in the memory: addresses of what is loaded with it. */
export interface Placement {
  readonly id: number;
  readonly words: number;
  /** 4 bytes for every buffer. */
  readonly table: number;
  /** The kernels' `Error` record. */
  readonly error: number;
  readonly constants: number;
  /** Where all of this ends. */
  readonly end: number;
  /** What `prepare` computes, of this program and perhaps of others: a place of its own. */
  readonly cache: number;
}

/** A program to load; `slots` as `slotsOf` in check.ts gives them. */
export interface Image {
  readonly at: Placement;
  readonly words: Int32Array;
  readonly constants: Uint8Array;
  readonly slots: Float64Array;
  /** The words of `prepare`; empty: none. */
  readonly prepare: readonly [begin: number, end: number];
}

export interface InstanceRun {
  readonly program: number;
  readonly begin: number;
  readonly end: number;
  readonly scratch: number;
  readonly state: number;
  /** Addresses of the inputs, then the outputs. */
  readonly arrays: readonly number[];
}

const errorWords = 7;
const errorBytes = 4 * errorWords;

/** One instance of the kernels over a memory, driven by addresses: in the backend's worker, or on a caller's thread. */
export class Instance {
  readonly #exports: Exports;
  readonly #memory: WebAssembly.Memory;
  readonly #programs = new Map<number, Image>();
  /** The version of the state that a cache was prepared from, by the cache's address. */
  readonly #prepared = new Map<number, number>();

  private constructor(exports: Exports, memory: WebAssembly.Memory) {
    this.#exports = exports;
    this.#memory = memory;
  }

  static async create(module: WebAssembly.Module, memory: WebAssembly.Memory): Promise<Instance> {
    const instance = await WebAssembly.instantiate(module, { env: { memory } });
    return new Instance(instance.exports as unknown as Exports, memory);
  }

  /** The first address that is free for a heap. */
  get heapBase(): number {
    return this.#exports.__heap_base.value as number;
  }

  get vectorWidth(): number {
    return this.#exports.vectorWidth();
  }

  /** Threaded build: before the first run, with the number of threads that will compute. */
  start(threads: number): void {
    this.#exports.start?.(threads);
  }

  /** Threaded build: computes for the instance that runs, for ever, on a stack that ends below `stackTop`. */
  work(stackTop: number): void {
    this.#exports.__stack_pointer.value = stackTop;
    this.#exports.work?.();
  }

  /** Makes a memory reach up to `top`; false when the system refuses. */
  static reach(memory: WebAssembly.Memory, top: number): boolean {
    const missing = Math.ceil((top - memory.buffer.byteLength) / pageBytes);
    if (missing <= 0) return true;
    try {
      memory.grow(missing);
      return true;
    } catch {
      return false;
    }
  }

  reach(top: number): boolean {
    return Instance.reach(this.#memory, top);
  }

  /** A view of the memory, valid until it grows. */
  bytes(address: number, length: number): Uint8Array {
    return new Uint8Array(this.#memory.buffer, address, length);
  }

  load(image: Image): void {
    new Int32Array(this.#memory.buffer, image.at.words, image.words.length).set(image.words);
    this.bytes(image.at.constants, image.constants.length).set(image.constants);
    this.#programs.set(image.at.id, image);
  }

  unload(program: number): void {
    this.#programs.delete(program);
  }

  /** A new cache, or none any more, at an address: nothing is prepared there. */
  unprepare(cache: number): void {
    this.#prepared.delete(cache);
  }

  /**
   * Runs `prepare` if the cache is of another version of the state's weights, then the words; returns a fault when the VM
   * stopped.
   */
  run(request: InstanceRun, version: number): Fault | undefined {
    const image = this.#programs.get(request.program);
    if (image === undefined) return noMemory(0); // it was not loaded, as the memory had no room for it
    const { at, slots, prepare } = image;
    const bases = [request.scratch, request.state, at.cache, at.constants, ...request.arrays];
    const table = new Uint32Array(this.#memory.buffer, at.table, slots.length / 2);
    for (let i = 0; i < table.length; i++) {
      table[i] = (bases[slots[2 * i] ?? 0] ?? 0) + (slots[2 * i + 1] ?? 0);
    }
    if (prepare[0] < prepare[1] && this.#prepared.get(at.cache) !== version) {
      this.#prepared.delete(at.cache);
      const fault = this.#runWords(at, prepare[0], prepare[1], table.length);
      if (fault !== undefined) return fault;
      this.#prepared.set(at.cache, version);
    }
    return this.#runWords(at, request.begin, request.end, table.length);
  }

  #runWords(at: Placement, begin: number, end: number, buffers: number): Fault | undefined {
    const status = this.#exports.run(at.words, begin, end, at.table, buffers, at.error);
    if (status === 0) return undefined;
    return faultFrom(new Int32Array(this.#memory.buffer, at.error, errorWords));
  }
}

/** A program and its place: one allocation for all that is loaded with it, beside its cache. */
export function imageOf(
  program: Program,
  id: number,
  slots: Float64Array,
  cache: number,
  claim: (bytes: number) => number,
): Image {
  const { words, constants } = program;
  const sizes = [words.byteLength, 2 * slots.length, errorBytes, constants.byteLength].map(roundUp);
  const [wordBytes = 0, tableBytes = 0, faultBytes = 0] = sizes;
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  const start = claim(bytes);
  const table = start + wordBytes;
  const error = table + tableBytes;
  const at = { id, words: start, table, error, constants: error + faultBytes, end: start + bytes, cache };
  const prepare = program.entries.prepare;
  return { at, words, constants, slots, prepare: [prepare?.begin ?? 0, prepare?.end ?? 0] };
}
