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
  /** Copies from byte `offset` into the array, after everything submitted before. */
  read(offset: number, into: TypedArray): Promise<void>;
  /**
   * Copies the array to byte `offset`, before everything submitted later; the array may be reused at once.
   *
   * @param writes what of the state that is: `states` (recurrent states, counters), which no cache is prepared from, or
   *   `weights` (default), which makes every cache stale
   */
  write(offset: number, from: TypedArray, writes?: "weights" | "states"): Promise<void>;
  /** Gives the memory back as soon as what was submitted on it is done. It is not used any more then. */
  free(): void;
}

/**
 * The place of a run among those that wait:
 * - `inTurn`: after everything submitted before it;
 * - `yielding` (a step of a fit): so too, but `overtaking` runs that only read its state may still go before it;
 * - `overtaking` (a prediction): before all that waits, except what was submitted before it and has to do with its state
 *   (writes it, or uses it where this run writes it), and except other overtaking runs;
 * - `overtakingOthers`: the same, but it lets no yielding run of its own state wait.
 *
 * Nothing is overtaken by more than `codes.limit.overtakes` runs.
 */
export type Place = "inTurn" | "yielding" | "overtaking" | "overtakingOthers";

/** One run: which entry, on which state, from and into which arrays (in the order of the program's ports). */
export interface Call {
  /** A name in `Program.entries`; `prepare` runs by itself before it when the cache is stale. */
  readonly entry: string;
  readonly state: Memory;
  /** The caller leaves these arrays alone until the promise settles. */
  readonly inputs: readonly TypedArray[];
  readonly outputs: readonly TypedArray[];
  /** Default: `inTurn`. */
  readonly place?: Place;
}

/** A program loaded into a backend, with scratch that all share. Freed when garbage. */
export interface Executable {
  readonly program: Program;
  /** Runs off the caller's thread, in the order that `Call.place` says. Rejects with a RondoError. */
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
  /** Makes sure that there is room for the program, its cache and its scratch. Rejects with a RondoError where there is none. */
  reserve(): Promise<void>;
  /** Gives its memory back as soon as the runs under way are done. It is not run any more then. */
  free(): void;
}

/** Who holds memory of a backend that it can do without, because it can be made again. */
export interface Tenant {
  /** Frees what is not in use. */
  evict(): void;
}

/** An executor of programs. All its work happens in the order of submission, but for what `Call.place` lets overtake. */
export interface Backend {
  /** For people: `native avx2, 2 threads`, `wasm relaxed-simd, 1 thread`. */
  readonly name: string;
  readonly kind: "native" | "wasm";
  readonly capabilities: Capabilities;
  /** A block of memory, zeroed. */
  allocate(bytes: number): Memory;
  /**
   * A program, ready to run.
   *
   * @param state where it will run, if that is known: programs that prepare the same from one state share the cache
   */
  load(program: Program, state?: Memory): Executable;
  /** Who is asked to evict when memory runs short; held weakly. */
  register(tenant: Tenant): void;
  /**
   * Makes room after a refusal: its tenants evict what they can, and garbage is collected where the engine allows to ask
   * for that. Resolves when what was freed can be had.
   */
  reclaim(): Promise<void>;
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
