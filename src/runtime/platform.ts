import type { Addon } from "./native.js";

/** The instruction sets of WebAssembly. */
export type WasmSet = "simd128" | "relaxed-simd";

/** The builds of the WebAssembly kernels (scripts/build-wasm.mjs). */
export type WasmBuild = WasmSet | `${WasmSet}-threads`;

/** A worker thread: a script of Rondo's own that answers messages. */
export interface WorkerThread {
  post(message: unknown, transfer: ArrayBuffer[]): void;
  /** Handlers of what the worker posts, and of an end that nobody asked for; from then on the process does not wait for it. */
  listen(message: (message: unknown) => void, error: (error: Error) => void): void;
  /** Whether the process stays alive for this worker. */
  hold(pending: boolean): void;
  terminate(): Promise<void>;
}

/** What the runtime needs from Node or from a browser (the module `#platform`). */
export interface Platform {
  readonly cores: number;
  /** Whether native addons exist here at all. */
  readonly native: boolean;
  /** How to get the addon where `loadAddon` found none. */
  readonly nativeFix: string;
  /** Whether threads may share a WebAssembly memory. */
  readonly sharedMemory: boolean;
  /** An environment variable that is set and not empty. */
  environment(name: string): string | undefined;
  /** Throws an Error that says why there is no addon, a RondoError where no backend can start. */
  loadAddon(): Addon;
  /** Rejects with a RondoError that says what to do. */
  compile(build: WasmBuild): Promise<WebAssembly.Module>;
  /** Asks the engine to collect garbage, and resolves when the handles that it found have been freed. */
  collect(): Promise<void>;
  /** A thread that runs wasm-worker.ts. What keeps the script from starting throws, or reaches the worker's listener: a RondoError where the remedy is known. */
  startWorker(): WorkerThread;
}

/** Where a collection cannot be asked for: takes memory and drops it, so that the engine finds it has to look for some. */
export async function pressForCollection(): Promise<void> {
  const bytes = 64 * 2 ** 20;
  for (let i = 0; i < 16; i++) {
    new ArrayBuffer(bytes);
    await new Promise((resolve) => setTimeout(resolve, 4));
  }
}
