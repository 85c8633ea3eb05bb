import { RondoError } from "../errors.js";
import type { Program } from "../plan/program.js";
import { Engine, type Image, imageOf } from "./engine.js";
import { type Fault, memoryRefused } from "./fault.js";
import { Heap } from "./heap.js";
import type { Request } from "./queued.js";
import { bytesOf, stage } from "./staging.js";

const pageBytes = 65536;

/** A state's copy on the caller's thread. */
export interface Mirror {
  readonly address: number;
  readonly bytes: number;
  /** The revision of the state that it holds. */
  revision: number;
  /** Written here: newer than the worker's. */
  newer: boolean;
}

/** The instance on the caller's thread, for synchronous runs: the single-threaded build, with a memory of its own. */
export class WasmCaller {
  readonly #engine: Engine;
  readonly #heap: Heap;

  private constructor(engine: Engine) {
    this.#engine = engine;
    this.#heap = new Heap(engine.heapBase, 65535 * pageBytes);
  }

  static async create(module: WebAssembly.Module): Promise<WasmCaller> {
    return new WasmCaller(await Engine.create(module, new WebAssembly.Memory({ initial: 16 })));
  }

  /** Copies a state of a revision into its mirror, made where there is none. */
  reflect(mirror: Mirror | undefined, state: Uint8Array, revision: number): Mirror {
    const address = mirror?.address ?? this.#claim("prepareSync", state.length);
    this.#engine.bytes(address, state.length).set(state);
    return { address, bytes: state.length, revision, newer: false };
  }

  /** A copy of what a mirror holds. */
  contents(mirror: Mirror): Uint8Array<ArrayBuffer> {
    return this.#engine.bytes(mirror.address, mirror.bytes).slice();
  }

  /** Loads the program of an image that the worker has. */
  load(program: Program, { at, slots }: Image): Image {
    const image = imageOf(program, at.id, slots, (bytes) => this.#claim(`program "${program.name}"`, bytes));
    this.#engine.load(image);
    return image;
  }

  /** Runs on the state that a mirror holds; returns a fault when the VM stopped. */
  run(program: Program, id: number, mirror: Mirror, request: Request<unknown>): Fault | undefined {
    const { begin, end, version, revision, revisionAfter, arrays } = request;
    const { scratch, places, end: top } = stage(this.#heap, program.scratchBytes, arrays);
    if (!this.#engine.reach(top)) {
      throw memoryRefused(`program "${program.name}", runSync`, top - scratch);
    }
    try {
      const inputs = program.inputs.length;
      for (const [i, [address, bytes]] of places.entries()) {
        if (i < inputs) this.#engine.bytes(address, bytes).set(bytesOf(arrays[i]));
      }
      const addresses = places.map(([address]) => address);
      const state = mirror.address;
      const fault = this.#engine.run({ program: id, begin, end, version, scratch, state, arrays: addresses });
      for (const [i, [address, bytes]] of places.entries()) {
        if (i >= inputs) bytesOf(arrays[i]).set(this.#engine.bytes(address, bytes));
      }
      return fault;
    } finally {
      if (revisionAfter !== revision) {
        mirror.revision = revisionAfter;
        mirror.newer = true;
      }
    }
  }

  /** Frees a mirror. */
  forget(mirror: Mirror): void {
    this.#heap.free(mirror.address);
  }

  /** Frees a program. */
  unload({ at }: Image): void {
    this.#engine.unload(at.id);
    this.#heap.free(at.words);
  }

  #claim(where: string, bytes: number): number {
    const address = this.#heap.allocate(bytes);
    if (address !== undefined && this.#engine.reach(address + bytes)) return address;
    if (address !== undefined) this.#heap.free(address);
    throw memoryRefused(where, bytes);
  }
}

/** The error for a synchronous run on a state that has no mirror, or an old one. */
export function notPrepared(program: Program): RondoError {
  return new RondoError({
    where: `program "${program.name}", runSync`,
    received: "a state that changed since it was last prepared for synchronous runs",
    expected: "a prepared state",
    fix: "Await prepareSync(state), or ready() of a model, after the weights were set, trained or loaded",
  });
}
