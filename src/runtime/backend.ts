import type { Program, TypedArray } from "../plan/program.js";

/** What a backend tells the planner about itself. */
export interface Capabilities {
  /** Lanes of the kernels' vector of float32 (4, 8 or 16): packed layouts and paddings are functions of it. */
  readonly vectorWidth: number;
  readonly threads: number;
  /** Whether `Executable.runSync` works here. */
  readonly synchronous: boolean;
}

/** A block of memory owned by a backend, zeroed when made, freed when the handle is garbage. Offsets in bytes. */
export interface Memory {
  readonly bytes: number;
  /**
   * Changes with every write and every run that writes weights, when it is submitted; no two memories of a backend ever
   * have the same. Caches prepared from another version are stale.
   */
  readonly version: number;
  /** Copies from byte `offset` into the array, after everything submitted before. */
  read(offset: number, into: TypedArray): Promise<void>;
  /** Copies the array to byte `offset`, before everything submitted later; the array may be reused at once. */
  write(offset: number, from: TypedArray): Promise<void>;
}

/** One run: which entry, on which state, from and into which arrays (in the order of the program's ports). */
export interface Call {
  /** A name in `Program.entries`; `prepare` runs by itself before it when the cache is stale. */
  readonly entry: string;
  readonly state: Memory;
  /** The caller leaves these arrays alone until the promise settles. */
  readonly inputs: readonly TypedArray[];
  readonly outputs: readonly TypedArray[];
}

/** A program loaded into a backend, with caches of its own and scratch that all share. Freed when garbage. */
export interface Executable {
  readonly program: Program;
  /** Runs off the caller's thread, in the order of submission over the whole backend. Rejects with a RondoError. */
  run(call: Call): Promise<void>;
  /**
   * Runs on the caller's thread (small work), on whatever threads are idle. Throws a RondoError while a `run` or `write`
   * that writes the state is under way, and when the state must be prepared first.
   */
  runSync(call: Call): void;
  /**
   * Makes `runSync` possible on this state until something else writes it. A native backend needs nothing; wasm, whose
   * memory belongs to a worker, copies the state to the caller's thread, so callers do it once after every change.
   */
  prepareSync(state: Memory): Promise<void>;
}

/** An executor of programs. All its work happens in the order of submission. */
export interface Backend {
  /** For people: `native avx2, 2 threads`, `wasm relaxed-simd, 1 thread`. */
  readonly name: string;
  readonly kind: "native" | "wasm";
  readonly capabilities: Capabilities;
  allocate(bytes: number): Memory;
  load(program: Program): Executable;
  /** Ends its threads when all that was submitted is done; a process with an idle backend exits without it. */
  close(): Promise<void>;
}

/** How to choose a backend. What is left out comes from the environment (Node), then from the machine. */
export interface BackendOptions {
  /** `auto`: native where the addon loads, else wasm. Default: `RONDO_BACKEND`, else `auto`. */
  readonly backend?: "auto" | "native" | "wasm";
  /** Default: `RONDO_THREADS`, else the number of cores, at most 16. The result does not depend on it. */
  readonly threads?: number;
  /**
   * Force one instruction set (tests and benchmarks): `sse2`, `avx2`, `avx512` or `neon` of the native addon;
   * `simd128` or `relaxed-simd` of wasm. Default: the measured best of those that the machine has.
   */
  readonly instructionSet?: string;
  /** Is told, in one line, when `auto` falls back to wasm and why. Default: `console.warn`. */
  readonly warn?: (line: string) => void;
}
