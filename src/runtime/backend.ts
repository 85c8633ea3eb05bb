import type { Program, TypedArray } from "../plan/program.js";

/** What a backend tells the planner about itself. */
export interface Capabilities {
  /** Lanes of the kernels' vector of float32 (4, 8 or 16): packed layouts and paddings are functions of it. */
  readonly vectorWidth: number;
  readonly threads: number;
  /** Whether `Executable.runSync` exists. */
  readonly synchronous: boolean;
}

/** A block of memory owned by a backend, zeroed when made, freed when the handle is garbage. Offsets in bytes. */
export interface Memory {
  readonly bytes: number;
  /** Grows with every write and every run that writes the state; caches prepared from an older version are stale. */
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

/** A program loaded into a backend, with its own scratch and cache. Freed when garbage. */
export interface Executable {
  readonly program: Program;
  /** Runs off the caller's thread, in the order of submission over the whole backend. Rejects with a RondoError. */
  run(call: Call): Promise<void>;
  /**
   * Runs on the caller's thread (small work). The state must not be being written: callers make sure no `run` that
   * writes it is under way. Uses scratch and cache of its own.
   */
  runSync(call: Call): void;
}

/** An executor of programs. All its work happens in the order of submission. */
export interface Backend {
  /** For people: `native avx2, 2 threads`, `wasm relaxed-simd, 1 thread`. */
  readonly name: string;
  readonly kind: "native" | "wasm";
  readonly capabilities: Capabilities;
  allocate(bytes: number): Memory;
  load(program: Program): Executable;
  /** Ends its threads when nothing is under way; a process with an idle backend exits without it. */
  close(): Promise<void>;
}

/** How to choose a backend. */
export interface BackendOptions {
  /** `auto` (default): native where the addon loads, else wasm. */
  readonly backend?: "auto" | "native" | "wasm";
  /** Default: the number of cores, at most 16. The result does not depend on it. */
  readonly threads?: number;
  /** Force one instruction set of the native addon (tests and benchmarks): `sse2`, `avx2`, `avx512`. Default: the measured best. */
  readonly instructionSet?: string;
}
