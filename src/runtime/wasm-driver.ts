import { bytesPerElement, type TypedArray } from "../dtype.js";
import { RondoError } from "../errors.js";
import type { Program } from "../plan/program.js";
import type { Capabilities } from "./backend.js";
import { slotsOf } from "./check.js";
import { type Fault, memoryRefused } from "./fault.js";
import { type Heap, roundUp } from "./heap.js";
import { type Image, imageOf } from "./instance.js";
import type { Jobs, Outcome } from "./jobs.js";
import type { Platform, WasmSet, WorkerThread } from "./platform.js";
import type { Driver, Request } from "./queued.js";
import { bytesOf, stage } from "./staging.js";
import type { Mirror, WasmCaller } from "./wasm-caller.js";
import type { WasmServer } from "./wasm-server.js";
import type { Job, Message, Settled } from "./wasm-worker.js";

interface Owned {
  /** Its addresses are free again: it was given back, or the worker's memory had no room for it. */
  gone: boolean;
}

/** A block of the worker's memory, with its copy on the caller's thread where there is one. */
interface Block {
  readonly address: number;
  readonly bytes: number;
  readonly owned: Owned & { mirror: Mirror | undefined };
}

interface Cache {
  readonly id: number;
  readonly address: number;
  readonly bytes: number;
  readonly owned: Owned;
}

interface Loaded {
  readonly program: Program;
  readonly image: Image;
  readonly cache: Cache;
  readonly owned: Owned;
}

/** A message that the worker has not answered yet. */
interface Pending {
  /** Where the results go. */
  readonly results: readonly TypedArray[];
  readonly settle: (outcome: Outcome) => void;
}

/** Bytes in use from which on it is worth looking for garbage. */
const leastToCollect = 512 * 2 ** 20;

/** What a driver is made of. */
export interface WasmParts {
  readonly platform: Platform;
  readonly set: WasmSet;
  readonly capabilities: Capabilities;
  readonly workers: readonly WorkerThread[];
  readonly server: WasmServer;
  readonly heap: Heap;
  readonly jobs: Jobs;
}

/**
 * The caller's side of a wasm backend: hands out addresses of the worker's memory and posts jobs. The worker does one
 * after the other, and only runs that were posted later overtake, so the scratch and the arrays of a run lie where nothing
 * is allocated when it is posted (whoever gets the place later fills it later): nothing is kept for a run, and one that
 * does not fit harms no other.
 */
export class WasmDriver implements Driver<Block, Cache, Loaded> {
  readonly kind = "wasm";
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly #parts: WasmParts;
  readonly #pending = new Map<number, Pending>();
  /** What frees each handle; it must not hold the handle itself. */
  readonly #releases = new WeakMap<object, () => void>();
  readonly #garbage = new FinalizationRegistry<() => void>((release) => release());
  #lastId = 0;
  /** When this much is in use, garbage is looked for. */
  #collectAt = leastToCollect;
  /** Counts down: numbers of what the driver asks for itself. */
  #lastGrant = 0;
  #starting: Promise<WasmCaller> | undefined;
  #caller: WasmCaller | undefined;

  constructor(parts: WasmParts) {
    this.#parts = parts;
    this.capabilities = parts.capabilities;
    const { threads } = parts.capabilities;
    this.name = `wasm ${parts.set}, ${threads} ${threads === 1 ? "thread" : "threads"}`;
    parts.server.connect(
      (reply) => this.#settle(reply.job, reply),
      (error) => {
        for (const job of [...this.#pending.keys()]) this.#settle(job, error);
      },
    );
  }

  allocate(bytes: number): Block {
    const address = this.#claim("allocate", bytes);
    const owned: Block["owned"] = { gone: false, mirror: undefined };
    this.#grant({ kind: "clear", job: --this.#lastGrant, block: address, bytes }, address, owned);
    return this.#owning({ address, bytes, owned }, () => {
      this.#giveBack(address, owned);
      if (owned.mirror !== undefined) this.#caller?.forget(owned.mirror);
    });
  }

  cache({ name, cacheBytes: bytes }: Program): Cache {
    const id = ++this.#lastId;
    const address = this.#claim(`load of program "${name}"`, bytes);
    const owned = { gone: false };
    this.#grant({ kind: "cache", job: --this.#lastGrant, cache: address, bytes }, address, owned);
    return this.#owning({ id, address, bytes, owned }, () => {
      this.#giveBack(address, owned);
      this.#caller?.dropCache(id);
    });
  }

  load(program: Program, cache: Cache): Loaded {
    const image = imageOf(program, ++this.#lastId, slotsOf(program), cache.address, (bytes) =>
      this.#claim(`load of program "${program.name}"`, bytes),
    );
    const owned = { gone: false };
    const { id, words } = image.at;
    this.#grant({ kind: "load", job: --this.#lastGrant, image }, words, owned);
    return this.#owning({ program, image, cache, owned }, () => {
      this.#parts.server.post({ kind: "unload", program: id });
      this.#giveBack(words, owned);
      this.#caller?.unload(id);
    });
  }

  free(handle: Block | Cache | Loaded): void {
    const release = this.#releases.get(handle);
    this.#releases.delete(handle);
    this.#garbage.unregister(handle);
    release?.();
  }

  #owning<Handle extends object>(handle: Handle, release: () => void): Handle {
    this.#releases.set(handle, release);
    this.#garbage.register(handle, release, handle);
    return handle;
  }

  run(job: number, loaded: Loaded, request: Request<Block>): void {
    const { program, image } = loaded;
    const { state, begin, end, writes, place, arrays } = request;
    this.#use(`program "${program.name}"`, state);
    this.#requireGranted(loaded);
    const { scratch, places, end: top } = stage(this.#parts.heap, program.scratchBytes, arrays);
    const addresses = places.map(([address]) => address);
    const inputs = program.inputs.length;
    const store = arrays
      .slice(0, inputs)
      .map((array, i) => [addresses[i] ?? 0, bytesOf(array).slice()] as const);
    this.#job(
      {
        kind: "run",
        job,
        place,
        writes,
        top,
        request: { program: image.at.id, begin, end, scratch, state: state.address, arrays: addresses },
        store,
        fetch: places.slice(inputs),
      },
      arrays.slice(inputs),
      store.map(([, data]) => data.buffer),
    );
  }

  reserve(job: number, loaded: Loaded): void {
    this.#requireGranted(loaded);
    const { program, image, cache } = loaded;
    const ports = [...program.inputs, ...program.outputs];
    const bytes = ports.reduce(
      (sum, { size, dtype }) => sum + roundUp(size * bytesPerElement[dtype]),
      roundUp(program.scratchBytes),
    );
    const run = this.#parts.heap.vacant(bytes) + bytes;
    const top = Math.max(run, image.at.end, cache.address + cache.bytes);
    this.#submit(
      job,
      { kind: "reserve", job, top },
      {
        results: [],
        settle: (outcome) => this.#parts.jobs.settle(job, outcome ?? this.#refusal(loaded)),
      },
    );
  }

  read(job: number, block: Block, offset: number, into: TypedArray): void {
    this.#use("read", block);
    const place = [block.address + offset, into.byteLength] as const;
    this.#job({ kind: "read", job, block: block.address, place }, [into]);
  }

  write(job: number, block: Block, offset: number, from: TypedArray, writes: "weights" | "states"): void {
    this.#use("write", block);
    const data = bytesOf(from).slice();
    const stored = [block.address + offset, data] as const;
    this.#job({ kind: "write", job, block: block.address, stored, writes }, [], [data.buffer]);
  }

  async prepareSync(
    block: Block,
    revision: number,
    read: (into: Uint8Array) => Promise<number>,
  ): Promise<void> {
    this.#starting ??= this.#startCaller();
    const caller = await this.#starting;
    if (block.owned.mirror?.revision === revision) return;
    const bytes = new Uint8Array(block.bytes);
    const readRevision = await read(bytes);
    block.owned.mirror = caller.reflect(block.owned.mirror, bytes, readRevision);
  }

  async #startCaller(): Promise<WasmCaller> {
    const { platform, set } = this.#parts;
    const { WasmCaller } = await import("./wasm-caller.js"); // for synchronous runs alone
    this.#caller = await WasmCaller.create(await platform.compile(set));
    return this.#caller;
  }

  runSync({ program, image, cache }: Loaded, request: Request<Block>): Fault | undefined {
    const { mirror } = request.state.owned;
    if (this.#caller === undefined || mirror?.revision !== request.revision) throw notPrepared(program);
    return this.#caller.run(program, [image, cache.id], mirror, request);
  }

  collect(): Promise<void> {
    return this.#parts.platform.collect();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#parts.workers.map((worker) => worker.terminate()));
  }

  /** Before a job uses a block: brings what synchronous runs wrote back to the worker. */
  #use(where: string, { address, bytes, owned }: Block): void {
    this.#parts.server.requireWorking();
    if (owned.gone) throw memoryRefused(where, bytes);
    const { mirror } = owned;
    if (mirror?.newer === undefined || this.#caller === undefined) return;
    const data = this.#caller.contents(mirror);
    this.#parts.server.post({ kind: "store", block: address, data, writes: mirror.newer }, [data.buffer]);
    mirror.newer = undefined;
  }

  #requireGranted(loaded: Loaded): void {
    const refusal = this.#refusal(loaded);
    if (refusal !== undefined) throw refusal;
  }

  /** The error for a program for which the worker had no room. */
  #refusal({ program, image, cache, owned }: Loaded): RondoError | undefined {
    const where = `program "${program.name}"`;
    if (owned.gone) return memoryRefused(where, image.at.end - image.at.words);
    return cache.owned.gone ? memoryRefused(where, cache.bytes) : undefined;
  }

  #claim(where: string, bytes: number): number {
    this.#parts.server.requireWorking();
    const { heap, platform } = this.#parts;
    const address = heap.allocate(bytes);
    if (address === undefined) throw memoryRefused(where, bytes);
    if (heap.top > this.#collectAt) {
      // The engine does not see this memory, and would leave handles lying about until there is none left.
      this.#collectAt = Number.POSITIVE_INFINITY;
      platform.collect().then(() => {
        this.#collectAt = Math.max(leastToCollect, 2 * heap.top);
      });
    }
    return address;
  }

  /** Posts what needs the memory at an address for good; gives it back when the worker has none. */
  #grant(message: Extract<Job, { kind: "clear" | "cache" | "load" }>, address: number, owned: Owned): void {
    this.#submit(message.job, message, {
      results: [],
      settle: (outcome) => {
        if (outcome !== undefined) this.#giveBack(address, owned);
      },
    });
  }

  /** Jobs that use these addresses were posted before anything that may now get them. */
  #giveBack(address: number, owned: Owned): void {
    if (owned.gone) return;
    owned.gone = true;
    this.#parts.heap.free(address);
  }

  #job(
    message: Extract<Job, { job: number }>,
    results: readonly TypedArray[],
    transfer: ArrayBuffer[] = [],
  ): void {
    const settle = (outcome: Outcome) => this.#parts.jobs.settle(message.job, outcome);
    this.#submit(message.job, message, { results, settle }, transfer);
  }

  #submit(job: number, message: Message, pending: Pending, transfer: ArrayBuffer[] = []): void {
    this.#parts.server.requireWorking();
    this.#parts.server.post(message, transfer);
    this.#pending.set(job, pending);
    if (this.#pending.size === 1) this.#parts.server.hold(true);
  }

  #settle(job: number, reply: Settled | Error): void {
    const pending = this.#pending.get(job);
    if (pending === undefined) return;
    this.#pending.delete(job);
    if (this.#pending.size === 0) this.#parts.server.hold(false);
    const outcome = reply instanceof Error ? reply : (reply.fault ?? trapped(reply.trap));
    if (outcome === undefined && !(reply instanceof Error)) {
      for (const [i, into] of pending.results.entries()) bytesOf(into).set(reply.fetched[i] ?? []);
    }
    pending.settle(outcome);
  }
}

function trapped(trap: string | undefined): RondoError | undefined {
  if (trap === undefined) return undefined;
  return new RondoError({
    where: "wasm backend",
    received: `a run that trapped (${trap})`,
    expected: "programs that stay within their memory",
    fix: "This is a defect of Rondo; the native backend may help meanwhile",
  });
}

/** The error for a synchronous run on a state that has no mirror, or an old one. */
function notPrepared(program: Program): RondoError {
  return new RondoError({
    where: `program "${program.name}", runSync`,
    received: "a state that changed since it was last prepared for synchronous runs",
    expected: "a prepared state",
    fix: "Await prepareSync(state), or ready() of a model, after the weights were set, trained or loaded",
  });
}
