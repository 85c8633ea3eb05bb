import type { TypedArray } from "../dtype.js";
import { RondoError } from "../errors.js";
import type { Program } from "../plan/program.js";
import type { Capabilities } from "./backend.js";
import { slotsOf } from "./check.js";
import { Engine, type Image, imageOf } from "./engine.js";
import { type Fault, memoryRefused } from "./fault.js";
import { type Heap, Scratch } from "./heap.js";
import type { Jobs } from "./jobs.js";
import type { Platform, WasmSet, WasmWorker } from "./platform.js";
import type { Driver, Request } from "./queued.js";
import { bytesOf, type Place, placesOf, stagingBytes } from "./staging.js";
import { type Mirror, notPrepared, WasmCaller } from "./wasm-caller.js";
import type { WasmServer } from "./wasm-server.js";
import type { Message, Settled, Stored } from "./wasm-worker.js";

/** A block of the worker's memory, with its copy on the caller's thread where there is one. */
interface Block {
  readonly address: number;
  readonly bytes: number;
  /** What the registry frees; it must not hold the block itself. */
  readonly owned: { mirror: Mirror | undefined };
}

interface Loaded {
  readonly program: Program;
  readonly image: Image;
  readonly owned: { caller: Image | undefined };
}

/** A job under way. */
interface Pending {
  /** Where the results go, and where they come from. */
  readonly results: readonly (readonly [into: TypedArray, from: Place])[];
  /** Addresses to free when it is settled. */
  readonly release: number[];
}

/** What a driver is made of. */
export interface WasmParts {
  readonly platform: Platform;
  readonly set: WasmSet;
  readonly capabilities: Capabilities;
  readonly workers: readonly WasmWorker[];
  readonly server: WasmServer;
  /** The shared memory of the threaded build. */
  readonly memory: WebAssembly.Memory | undefined;
  readonly heap: Heap;
  readonly jobs: Jobs;
}

/** The caller's side of a wasm backend: hands out addresses of the worker's memory and posts jobs. */
export class WasmDriver implements Driver<Block, Loaded> {
  readonly kind = "wasm";
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly #parts: WasmParts;
  readonly #scratch: Scratch;
  readonly #pending: Pending[] = [];
  readonly #blocks: FinalizationRegistry<{ address: number; owned: Block["owned"] }>;
  readonly #programs: FinalizationRegistry<{ image: Image; owned: Loaded["owned"] }>;
  #lastProgram = 0;
  #starting: Promise<WasmCaller> | undefined;
  #caller: WasmCaller | undefined;

  constructor(parts: WasmParts) {
    this.#parts = parts;
    this.capabilities = parts.capabilities;
    const { threads } = parts.capabilities;
    this.name = `wasm ${parts.set}, ${threads} ${threads === 1 ? "thread" : "threads"}`;
    this.#scratch = new Scratch(parts.heap, (address) => this.#retire(address));
    this.#blocks = new FinalizationRegistry(({ address, owned }) => {
      parts.heap.free(address);
      if (owned.mirror !== undefined) this.#caller?.forget(owned.mirror);
    });
    this.#programs = new FinalizationRegistry(({ image, owned }) => {
      parts.server.post({ kind: "unload", program: image.at.id });
      parts.heap.free(image.at.words);
      this.#scratch.leave(image.at.id);
      if (owned.caller !== undefined) this.#caller?.unload(owned.caller);
    });
    parts.server.connect(
      (reply) => this.#settle(reply),
      (error) => {
        while (this.#pending.length > 0) this.#settle(error);
      },
    );
  }

  allocate(bytes: number): Block {
    const address = this.#claim("allocate", bytes);
    this.#post({ kind: "clear", top: this.#parts.heap.top, address, bytes });
    const block: Block = { address, bytes, owned: { mirror: undefined } };
    this.#blocks.register(block, { address, owned: block.owned });
    return block;
  }

  load(program: Program): Loaded {
    const image = imageOf(program, ++this.#lastProgram, slotsOf(program), (bytes) =>
      this.#claim(`load of program "${program.name}"`, bytes),
    );
    this.#post({ kind: "load", top: this.#parts.heap.top, image });
    this.#scratch.enter(image.at.id, program.scratchBytes);
    const loaded: Loaded = { program, image, owned: { caller: undefined } };
    this.#programs.register(loaded, { image, owned: loaded.owned });
    return loaded;
  }

  run(loaded: Loaded, { state, begin, end, version, arrays }: Request<Block>): void {
    const { heap, memory } = this.#parts;
    const where = `program "${loaded.program.name}"`;
    const { scratchBytes } = loaded.program;
    const scratch = this.#scratch.fit(scratchBytes);
    if (scratch === undefined) throw memoryRefused(where, scratchBytes);
    const staging = this.#claim(where, stagingBytes(arrays));
    this.#flush(state);

    const places = placesOf(arrays, staging);
    const inputs = loaded.program.inputs.length;
    const store: Stored[] = [];
    for (const [i, [address]] of places.slice(0, inputs).entries()) {
      const data = bytesOf(arrays[i]);
      if (memory === undefined) store.push([address, data.slice()]);
      else new Uint8Array(memory.buffer, address, data.length).set(data);
    }
    const results = arrays
      .slice(inputs)
      .map((into, i) => [into, places[inputs + i] ?? ([0, 0] as const)] as const);
    this.#submit(
      {
        kind: "run",
        top: heap.top,
        request: {
          program: loaded.image.at.id,
          begin,
          end,
          version,
          scratch,
          state: state.address,
          arrays: places.map(([address]) => address),
        },
        store,
        fetch: memory === undefined ? results.map(([, from]) => from) : [],
      },
      { results, release: [staging] },
      store.map(([, data]) => data.buffer as ArrayBuffer),
    );
  }

  read(block: Block, offset: number, into: TypedArray): void {
    this.#flush(block);
    const place = [block.address + offset, into.byteLength] as const;
    this.#submit(
      { kind: "read", top: this.#parts.heap.top, place },
      { results: [[into, place]], release: [] },
    );
  }

  write(block: Block, offset: number, from: TypedArray): void {
    this.#flush(block);
    const data = bytesOf(from).slice();
    const stored = [block.address + offset, data] as const;
    this.#submit({ kind: "write", top: this.#parts.heap.top, stored }, { results: [], release: [] }, [
      data.buffer,
    ]);
  }

  async prepareSync(
    block: Block,
    version: number,
    read: (into: Uint8Array) => Promise<number>,
  ): Promise<void> {
    this.#starting ??= this.#startCaller();
    const caller = await this.#starting;
    if (block.owned.mirror?.version === version) return;
    const bytes = new Uint8Array(block.bytes);
    const readVersion = await read(bytes);
    block.owned.mirror = caller.reflect(block.owned.mirror, bytes, readVersion);
  }

  async #startCaller(): Promise<WasmCaller> {
    const { platform, set } = this.#parts;
    this.#caller = await WasmCaller.create(await platform.compile(set));
    return this.#caller;
  }

  runSync({ program, image, owned }: Loaded, request: Request<Block>): Fault | undefined {
    const { mirror } = request.state.owned;
    if (this.#caller === undefined || mirror?.version !== request.version) throw notPrepared(program);
    owned.caller ??= this.#caller.load(program, image);
    return this.#caller.run(program, image.at.id, mirror, request);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#parts.workers.map((worker) => worker.terminate()));
  }

  /** Brings what synchronous runs wrote back to the worker. */
  #flush(block: Block): void {
    const mirror = block.owned.mirror;
    if (mirror === undefined || !mirror.newer || this.#caller === undefined) return;
    const data = this.#caller.contents(mirror);
    this.#post({ kind: "store", address: block.address, data }, [data.buffer]);
    mirror.newer = false;
  }

  #claim(where: string, bytes: number): number {
    const { heap, memory } = this.#parts;
    const address = heap.allocate(bytes);
    if (address === undefined || (memory !== undefined && !Engine.reach(memory, heap.top))) {
      if (address !== undefined) heap.free(address);
      throw memoryRefused(where, bytes);
    }
    return address;
  }

  #retire(address: number): void {
    const last = this.#pending.at(-1);
    if (last === undefined) this.#parts.heap.free(address);
    else last.release.push(address);
  }

  #post(message: Message, transfer: ArrayBuffer[] = []): void {
    this.#parts.server.post(message, transfer);
  }

  #submit(message: Message, pending: Pending, transfer: ArrayBuffer[] = []): void {
    this.#parts.server.requireWorking();
    this.#post(message, transfer);
    if (this.#pending.push(pending) === 1) this.#parts.server.hold(true);
  }

  #settle(reply: Settled | Error): void {
    const pending = this.#pending.shift();
    if (pending === undefined) return;
    if (this.#pending.length === 0) this.#parts.server.hold(false);
    if (reply instanceof Error || reply.fault !== undefined || reply.trap !== undefined) {
      for (const address of pending.release) this.#parts.heap.free(address);
      this.#parts.jobs.settle(reply instanceof Error ? reply : (reply.fault ?? trapped(reply.trap)));
      return;
    }
    const { memory } = this.#parts;
    for (const [i, [into, [address, bytes]]] of pending.results.entries()) {
      const fetched = reply.fetched[i];
      if (fetched !== undefined) bytesOf(into).set(fetched);
      else if (memory !== undefined) bytesOf(into).set(new Uint8Array(memory.buffer, address, bytes));
    }
    for (const address of pending.release) this.#parts.heap.free(address);
    this.#parts.jobs.settle(undefined);
  }
}

function trapped(trap: string | undefined): RondoError {
  return new RondoError({
    where: "wasm backend",
    received: `a run that trapped (${trap ?? "unknown"})`,
    expected: "programs that stay within their memory",
    fix: "This is a defect of Rondo; the native backend may help meanwhile",
  });
}
