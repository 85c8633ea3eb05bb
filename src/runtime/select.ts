import { platform } from "#platform";
import { checkOptions, namesOf, RondoError, unknownName } from "../errors.js";
import { codes } from "../plan/abi.js";
import type { Backend, BackendOptions } from "./backend.js";
import type { WasmSet } from "./platform.js";
import { wasmBackend } from "./wasm.js";

const backends = ["auto", "native", "wasm"] as const;
const mostThreads = codes.limit.threads;

const optionNames = namesOf<BackendOptions>({
  backend: true,
  threads: true,
  instructionSet: true,
  warn: true,
});

/**
 * Makes a backend: the native addon where it loads, else WebAssembly with relaxed SIMD where the engine has it, else
 * with plain SIMD. Falling back from native to wasm is said in one line through `options.warn`; asking for wasm, by the
 * option or by `RONDO_BACKEND=wasm`, says nothing.
 *
 * Its threads, and on wasm some 16 MB for each, are its own until `close()`, or until it and its models are garbage and
 * collected. Models that are given no backend share one.
 *
 * @throws RondoError for an unknown option, backend or instruction set, for a number of threads that is none, and when the
 * backend that was asked for cannot be had here
 */
export async function createBackend(options: BackendOptions = {}): Promise<Backend> {
  checkOptions("createBackend", options, optionNames);
  const kind = kindOf(options.backend ?? platform.environment("RONDO_BACKEND") ?? "auto");
  const threads = threadsOf(options.threads ?? platform.environment("RONDO_THREADS"));
  const { instructionSet, warn = console.warn } = options;
  const wasmAsked = kind === "wasm" || wasmSets.some((set) => set === instructionSet);
  if (!wasmAsked && (platform.native || kind === "native")) {
    // A page has none, and need not load what looks for one.
    const { nativeOr } = await import("./selectNative.js");
    const native = nativeOr({ required: kind === "native", threads, instructionSet, warn });
    if (native !== undefined) return native;
  }
  return wasmBackend(platform, wasmSetOf(instructionSet), platform.sharedMemory ? threads : 1);
}

function kindOf(name: string): (typeof backends)[number] {
  const kind = backends.find((known) => known === name);
  if (kind === undefined) throw unknownName("createBackend", "backend", name, backends);
  return kind;
}

function threadsOf(wanted: number | string | undefined): number {
  if (wanted === undefined) return Math.max(1, Math.min(16, platform.cores));
  const threads = Number(wanted);
  if (Number.isInteger(threads) && threads >= 1 && threads <= mostThreads) return threads;
  throw new RondoError({
    where: "createBackend",
    received: `threads ${wanted}`,
    expected: `a whole number from 1 to ${mostThreads}`,
    fix: "Leave threads (and RONDO_THREADS) out to use all cores",
  });
}

const wasmSets = ["relaxed-simd", "simd128"] as const;

function wasmSetOf(wanted: string | undefined): WasmSet {
  const available = wasmSets.filter((set) => WebAssembly.validate(probes[set]));
  const set = wanted === undefined ? available[0] : available.find((known) => known === wanted);
  if (set !== undefined) return set;
  if (wanted !== undefined) {
    throw unknownName("createBackend", "wasm instruction set in this engine", wanted, available);
  }
  throw new RondoError({
    where: "createBackend, wasm",
    received: "a JavaScript engine without WebAssembly SIMD",
    expected: "WebAssembly with fixed-width SIMD",
    fix: "Use a browser or a Node of 2021 or later",
  });
}

/** (module (func (result v128) body)) with a body that only a certain engine accepts. */
function probe(body: readonly number[]): Uint8Array<ArrayBuffer> {
  const header = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
  const type = [1, 5, 1, 0x60, 0, 1, 0x7b];
  const functions = [3, 2, 1, 0];
  const code = [10, body.length + 4, 1, body.length + 2, 0, ...body, 0x0b];
  return Uint8Array.from([...header, ...type, ...functions, ...code]);
}

const splat = [0x41, 0, 0xfd, 0x0f]; // i32.const 0, i8x16.splat

const probes = {
  simd128: probe(splat),
  "relaxed-simd": probe([...splat, ...splat, ...splat, 0xfd, 0x85, 0x02]), // f32x4.relaxed_madd
} as const satisfies Record<WasmSet, Uint8Array>;
