import type { Program } from "../plan/program.js";
import { type Fault, memoryRefused } from "./fault.js";
import { Heap } from "./heap.js";
import { type Image, Instance, imageOf } from "./instance.js";
import type { Request } from "./queued.js";
import { bytesOf, stage } from "./staging.js";

const pageBytes = 65536;

/** A state's copy on the caller's thread. */
export interface Mirror {
  readonly address: number;
  readonly bytes: number;
  /** The revision of the state that it holds. */
  revision: number;
  /** What was written here and is newer than the worker's. */
  newer: "weights" | "states" | undefined;
}

/** The instance on the caller's thread, for synchronous runs: the single-threaded build, with a memory of its own. */
export class WasmCaller {
  readonly #instance: Instance;
  readonly #heap: Heap;
  /** Programs that were run here, by their numbers. */
  readonly #images = new Map<number, Image>();
  /** Addresses of caches, by the caches' numbers. */
  readonly #caches = new Map<number, number>();

  private constructor(instance: Instance) {
    this.#instance = instance;
    this.#heap = new Heap(instance.heapBase, 65535 * pageBytes);
  }

  static async create(module: WebAssembly.Module): Promise<WasmCaller> {
    return new WasmCaller(await Instance.create(module, new WebAssembly.Memory({ initial: 16 })));
  }

  /** Copies a state of a revision into its mirror, made where there is none. */
  reflect(mirror: Mirror | undefined, state: Uint8Array, revision: number): Mirror {
    const address = mirror?.address ?? this.#claim("prepareSync", state.length);
    this.#instance.bytes(address, state.length).set(state);
    return { address, bytes: state.length, revision, newer: undefined };
  }

  /** A copy of what a mirror holds. */
  contents(mirror: Mirror): Uint8Array<ArrayBuffer> {
    return this.#instance.bytes(mirror.address, mirror.bytes).slice();
  }

  /** The program as it is here, loaded when it is first run. */
  #loaded(program: Program, { at, slots }: Image, cache: number): Image {
    const known = this.#images.get(at.id);
    if (known !== undefined) return known;
    const where = `program "${program.name}"`;
    const make = (): Image => {
      const address = this.#caches.get(cache) ?? this.#claim(where, program.cacheBytes);
      this.#caches.set(cache, address);
      return imageOf(program, at.id, slots, address, (bytes) => this.#claim(where, bytes));
    };
    let image: Image;
    try {
      image = make();
    } catch {
      // What else was loaded can be loaded again.
      for (const id of [...this.#images.keys()]) this.unload(id);
      for (const id of [...this.#caches.keys()]) this.dropCache(id);
      image = make();
    }
    this.#instance.load(image);
    this.#images.set(at.id, image);
    return image;
  }

  /** Runs a program that the worker has on the state that a mirror holds; returns a fault when the VM stopped. */
  run(
    program: Program,
    [worker, cache]: readonly [image: Image, cache: number],
    mirror: Mirror,
    request: Request<unknown>,
  ): Fault | undefined {
    const { id } = this.#loaded(program, worker, cache).at;
    const { begin, end, version, revision, revisionAfter, arrays } = request;
    const { scratch, places, end: top } = stage(this.#heap, program.scratchBytes, arrays);
    if (!this.#instance.reach(top)) {
      throw memoryRefused(`program "${program.name}", runSync`, top - scratch);
    }
    try {
      const inputs = program.inputs.length;
      for (const [i, [address, bytes]] of places.entries()) {
        if (i < inputs) this.#instance.bytes(address, bytes).set(bytesOf(arrays[i]));
      }
      const addresses = places.map(([address]) => address);
      const state = mirror.address;
      const fault = this.#instance.run(
        { program: id, begin, end, scratch, state, arrays: addresses },
        version,
      );
      for (const [i, [address, bytes]] of places.entries()) {
        if (i >= inputs) bytesOf(arrays[i]).set(this.#instance.bytes(address, bytes));
      }
      return fault;
    } finally {
      if (revisionAfter !== revision) {
        mirror.revision = revisionAfter;
        mirror.newer = request.writes === "weights" || mirror.newer === "weights" ? "weights" : "states";
      }
    }
  }

  /** Frees a mirror. */
  forget(mirror: Mirror): void {
    this.#heap.free(mirror.address);
  }

  /** Frees a program. */
  unload(id: number): void {
    const image = this.#images.get(id);
    if (image === undefined) return;
    this.#images.delete(id);
    this.#instance.unload(id);
    this.#heap.free(image.at.words);
  }

  /** Frees a cache; no program that is loaded uses it. */
  dropCache(id: number): void {
    const address = this.#caches.get(id);
    if (address === undefined) return;
    this.#caches.delete(id);
    this.#instance.unprepare(address);
    this.#heap.free(address);
  }

  #claim(where: string, bytes: number): number {
    const address = this.#heap.allocate(bytes);
    if (address !== undefined && this.#instance.reach(address + bytes)) return address;
    if (address !== undefined) this.#heap.free(address);
    throw memoryRefused(where, bytes);
  }
}
