import type { TypedArray } from "../dtype.js";
import { RondoError } from "../errors.js";
import type { Program } from "../plan/program.js";
import type { Backend, Capabilities } from "./backend.js";
import { slotsOf } from "./check.js";
import { Engine, errorBytes, type Image, type Placement } from "./engine.js";
import { type Fault, memoryRefused } from "./fault.js";
import { Heap, roundUp, Scratch } from "./heap.js";
import { Jobs } from "./jobs.js";
import type { Platform, WasmWorker } from "./platform.js";
import { type Driver, QueuedBackend, type Request } from "./queued.js";
import type { Broken, Message, Place, Ready, Reply, Settled, Stored } from "./wasm-worker.js";

const pageBytes = 65536;
const initialPages = 16;
/** Of every further thread; a task of the kernels may use half of it. */
const stackBytes = 262144;

/** A wasm instruction set. */
export type WasmSet = "simd128" | "relaxed-simd";

/**
 * A backend on WebAssembly. One worker owns the memory and runs; with more than one thread the memory is shared and
 * further workers compute with it. Rejects with a RondoError when they cannot start.
 */
export async function wasmBackend(platform: Platform, set: WasmSet, threads: number): Promise<Backend> {
  const workers: WasmWorker[] = [];
  const startWorker = () => {
    const worker = platform.startWorker();
    workers.push(worker);
    return worker;
  };
  try {
    const module = await platform.compile(threads > 1 ? `${set}-threads` : set);
    const space = threads > 1 ? sharedSpace() : { memory: undefined, pages: 65536 };
    const server = new Server(startWorker());
    server.post({ kind: "start", module, memory: space.memory, threads });
    const ready = await server.ready;

    const heap = new Heap(ready.heapBase, (space.pages - 1) * pageBytes);
    for (let i = 1; i < threads && space.memory !== undefined; i++) {
      const stack = heap.allocate(stackBytes) ?? 0;
      Engine.reach(space.memory, heap.top);
      const helper = startWorker();
      helper.listen(
        (message) => server.fail(new Error((message as Broken).reason)), // it has nothing else to say
        (error) => server.fail(error),
      );
      helper.post(
        { kind: "work", module, memory: space.memory, stackTop: stack + stackBytes } satisfies Message,
        [],
      );
    }
    const jobs = new Jobs();
    const capabilities = { vectorWidth: ready.vectorWidth, threads, synchronous: true };
    return new QueuedBackend(
      new WasmDriver({ platform, set, capabilities, workers, server, memory: space.memory, heap, jobs }),
      jobs,
    );
  } catch (cause) {
    await Promise.all(workers.map((worker) => worker.terminate()));
    throw new RondoError(
      {
        where: "createBackend, wasm",
        received: `a failure to start (${cause instanceof Error ? cause.message : String(cause)})`,
        expected: "the WebAssembly files and the worker's script of the library",
        fix: "Build the library (npm run build); on a web server, serve its folders dist/wasm and dist/browser",
      },
      { cause },
    );
  }
}

/** A shared memory with as much address space as the engine grants. */
function sharedSpace(): { memory: WebAssembly.Memory; pages: number } {
  for (let pages = 65536; ; pages /= 2) {
    try {
      return {
        memory: new WebAssembly.Memory({ initial: initialPages, maximum: pages, shared: true }),
        pages,
      };
    } catch (error) {
      if (pages <= 4096) throw error;
    }
  }
}

/** The worker that runs, seen from the caller's thread. */
class Server {
  readonly ready: Promise<Ready>;
  readonly #worker: WasmWorker;
  #settled: (reply: Settled) => void = () => {};
  #failed: (error: Error) => void = () => {};
  #failure: Error | undefined;

  constructor(worker: WasmWorker) {
    this.#worker = worker;
    this.ready = new Promise((resolve, reject) => {
      this.#failed = reject;
      const receive = (reply: Reply) => {
        if (reply.kind === "settled") this.#settled(reply);
        else if (reply.kind === "broken") this.fail(new Error(reply.reason));
        else {
          worker.hold(false);
          resolve(reply);
        }
      };
      worker.listen(
        (message) => receive(message as Reply),
        (error) => this.fail(error),
      );
      worker.hold(true);
    });
  }

  /** What to do with answers, and when the worker breaks. */
  connect(settled: (reply: Settled) => void, failed: (error: Error) => void): void {
    this.#settled = settled;
    this.#failed = failed;
    if (this.#failure !== undefined) failed(this.#failure);
  }

  post(message: Message, transfer: ArrayBuffer[] = []): void {
    this.#worker.post(message, transfer);
  }

  /** Throws when the worker broke, as nothing would be answered any more. */
  requireWorking(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Whether the process stays alive for what the worker does. */
  hold(pending: boolean): void {
    this.#worker.hold(pending);
  }

  fail(error: Error): void {
    this.#failure ??= new RondoError(
      {
        where: "wasm backend",
        received: `a worker that broke (${error.message})`,
        expected: "workers that run until the backend is closed",
        fix: "Make a new backend with createBackend(); if it happens again, it is a defect of Rondo",
      },
      { cause: error },
    );
    this.#failed(this.#failure);
  }
}

/** A block of the worker's memory, with its copy on the caller's thread where there is one. */
interface Block {
  readonly address: number;
  readonly bytes: number;
  /** What the registry frees; it must not hold the block itself. */
  readonly owned: { mirror: Mirror | undefined };
}

interface Mirror {
  readonly address: number;
  /** The version of the state that it holds. */
  version: number;
  /** Written by `runSync`: newer than the worker's. */
  newer: boolean;
}

interface Loaded {
  readonly program: Program;
  readonly image: Image;
  readonly owned: { caller: Image | undefined };
}

/** The instance on the caller's thread: the single-threaded build, with a memory of its own. */
interface Caller {
  readonly engine: Engine;
  readonly heap: Heap;
  readonly scratch: Scratch;
}

/** A job under way. */
interface Pending {
  /** Where the results go, and where they come from. */
  readonly results: readonly (readonly [into: TypedArray, from: Place])[];
  /** Addresses to free when it is settled. */
  readonly release: number[];
}

interface WasmParts {
  readonly platform: Platform;
  readonly set: WasmSet;
  readonly capabilities: Capabilities;
  readonly workers: readonly WasmWorker[];
  readonly server: Server;
  /** The shared memory of the threaded build. */
  readonly memory: WebAssembly.Memory | undefined;
  readonly heap: Heap;
  readonly jobs: Jobs;
}

class WasmDriver implements Driver<Block, Loaded> {
  readonly kind = "wasm";
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly #parts: WasmParts;
  readonly #scratch: Scratch;
  readonly #pending: Pending[] = [];
  readonly #blocks: FinalizationRegistry<{ address: number; owned: Block["owned"] }>;
  readonly #programs: FinalizationRegistry<{ image: Image; owned: Loaded["owned"] }>;
  #lastProgram = 0;
  #starting: Promise<Caller> | undefined;
  #caller: Caller | undefined;

  constructor(parts: WasmParts) {
    this.#parts = parts;
    this.capabilities = parts.capabilities;
    const { threads } = parts.capabilities;
    this.name = `wasm ${parts.set}, ${threads} ${threads === 1 ? "thread" : "threads"}`;
    this.#scratch = new Scratch(parts.heap, (address) => this.#retire(address));
    this.#blocks = new FinalizationRegistry(({ address, owned }) => {
      parts.heap.free(address);
      if (owned.mirror !== undefined) this.#caller?.heap.free(owned.mirror.address);
    });
    this.#programs = new FinalizationRegistry(({ image, owned }) => {
      parts.server.post({ kind: "unload", program: image.at.id });
      parts.heap.free(image.at.words);
      this.#scratch.leave(image.at.id);
      if (owned.caller !== undefined && this.#caller !== undefined) {
        this.#caller.engine.unload(image.at.id);
        this.#caller.heap.free(owned.caller.at.words);
        this.#caller.scratch.leave(image.at.id);
      }
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
    const { engine, heap } = await this.#starting;
    if (block.owned.mirror?.version === version) return;
    const bytes = new Uint8Array(block.bytes);
    const readVersion = await read(bytes);
    const address = block.owned.mirror?.address ?? heap.allocate(block.bytes);
    if (address === undefined || !engine.reach(heap.top)) throw memoryRefused("prepareSync", block.bytes);
    engine.bytes(address, block.bytes).set(bytes);
    block.owned.mirror = { address, version: readVersion, newer: false };
  }

  async #startCaller(): Promise<Caller> {
    const module = await this.#parts.platform.compile(this.#parts.set);
    const engine = await Engine.create(module, new WebAssembly.Memory({ initial: initialPages }));
    const heap = new Heap(engine.heapBase, 65535 * pageBytes);
    this.#caller = { engine, heap, scratch: new Scratch(heap, (address) => heap.free(address)) };
    return this.#caller;
  }

  runSync(
    loaded: Loaded,
    { state, begin, end, version, versionAfter, arrays }: Request<Block>,
  ): Fault | undefined {
    const { program } = loaded;
    const where = `program "${program.name}", runSync`;
    const caller = this.#caller;
    const mirror = state.owned.mirror;
    if (caller === undefined || mirror === undefined || mirror.version !== version) {
      throw new RondoError({
        where,
        received: "a state that changed since it was last prepared for synchronous runs",
        expected: "a prepared state",
        fix: "Await prepareSync(state) after the weights were set, trained or loaded",
      });
    }
    const { engine, heap, scratch } = caller;
    loaded.owned.caller ??= this.#loadForCaller(loaded, caller);
    const scratchAddress = scratch.fit(program.scratchBytes);
    const staging = heap.allocate(stagingBytes(arrays));
    if (scratchAddress === undefined || staging === undefined || !engine.reach(heap.top)) {
      throw memoryRefused(where, program.scratchBytes + stagingBytes(arrays));
    }
    try {
      const places = placesOf(arrays, staging);
      const inputs = program.inputs.length;
      for (const [i, [address, bytes]] of places.slice(0, inputs).entries()) {
        engine.bytes(address, bytes).set(bytesOf(arrays[i]));
      }
      const fault = engine.run({
        program: loaded.image.at.id,
        begin,
        end,
        version,
        scratch: scratchAddress,
        state: mirror.address,
        arrays: places.map(([address]) => address),
      });
      for (const [i, [address, bytes]] of places.entries()) {
        if (i >= inputs) bytesOf(arrays[i]).set(engine.bytes(address, bytes));
      }
      return fault;
    } finally {
      heap.free(staging);
      if (versionAfter !== version) {
        mirror.version = versionAfter;
        mirror.newer = true;
      }
    }
  }

  #loadForCaller({ program, image }: Loaded, { engine, heap, scratch }: Caller): Image {
    const copy = imageOf(program, image.at.id, image.slots, (bytes) => {
      const address = heap.allocate(bytes);
      if (address === undefined || !engine.reach(heap.top))
        throw memoryRefused(`program "${program.name}"`, bytes);
      return address;
    });
    engine.load(copy);
    scratch.enter(copy.at.id, program.scratchBytes);
    return copy;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#parts.workers.map((worker) => worker.terminate()));
  }

  /** Brings what synchronous runs wrote back to the worker. */
  #flush(block: Block): void {
    const mirror = block.owned.mirror;
    if (mirror === undefined || !mirror.newer || this.#caller === undefined) return;
    const data = this.#caller.engine.bytes(mirror.address, block.bytes).slice();
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

/** A program and its place: one allocation for all that is loaded with it. */
function imageOf(program: Program, id: number, slots: Float64Array, claim: (bytes: number) => number): Image {
  const { words, constants, cacheBytes } = program;
  const sizes = [words.byteLength, 2 * slots.length, errorBytes, constants.byteLength, cacheBytes].map(
    roundUp,
  );
  const [wordBytes = 0, tableBytes = 0, faultBytes = 0, constantBytes = 0] = sizes;
  const start = claim(sizes.reduce((sum, size) => sum + size, 0));
  const table = start + wordBytes;
  const error = table + tableBytes;
  const at: Placement = {
    id,
    words: start,
    table,
    error,
    constants: error + faultBytes,
    cache: error + faultBytes + constantBytes,
  };
  const prepare = program.entries.prepare;
  return { at, words, constants, slots, prepare: [prepare?.begin ?? 0, prepare?.end ?? 0] };
}

function stagingBytes(arrays: readonly TypedArray[]): number {
  return arrays.reduce((sum, array) => sum + roundUp(array.byteLength), 0);
}

/** Where arrays lie when they are staged one after the other. */
function placesOf(arrays: readonly TypedArray[], start: number): Place[] {
  let address = start;
  return arrays.map((array) => {
    const place = [address, array.byteLength] as const;
    address += roundUp(array.byteLength);
    return place;
  });
}

function bytesOf(array: TypedArray | undefined): Uint8Array {
  if (array === undefined) return new Uint8Array();
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
