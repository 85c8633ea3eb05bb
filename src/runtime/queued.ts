import type { TypedArray } from "../dtype.js";
import { RondoError } from "../errors.js";
import type { Entry, Program } from "../plan/program.js";
import type { Backend, Call, Capabilities, Executable, Memory, Place, Tenant } from "./backend.js";
import { checkCall, checkRange, checkState } from "./check.js";
import { type Fault, faultError, memoryRefused } from "./fault.js";
import type { Jobs } from "./jobs.js";

/** One run in an executor's terms. */
export interface Request<Block> {
  /** The words to run. */
  readonly begin: number;
  readonly end: number;
  readonly state: Block;
  readonly writes: Entry["writes"];
  readonly place: Place;
  /** The weights' version before the run, were everything run as submitted: so it is for synchronous runs. */
  readonly version: number;
  /** Of the whole state, before and after the run: copies of another revision are stale. */
  readonly revision: number;
  readonly revisionAfter: number;
  /** The inputs, then the outputs. */
  readonly arrays: readonly TypedArray[];
}

/**
 * The executor under a backend: where memory is and who runs the words. Arguments have been checked. What takes a job's
 * number submits it and returns; every job settles once, through the `Jobs` the driver was made with. The executor knows
 * which version of the weights a cache was prepared from, and prepares it again before a run of another. Handles (`Block`,
 * `Cache`, `Loaded`) are freed when garbage, or by `free` when nothing that was submitted uses them.
 */
export interface Driver<Block extends object, Cache extends object, Loaded extends object> {
  readonly name: string;
  readonly kind: Backend["kind"];
  readonly capabilities: Capabilities;
  allocate(bytes: number): Block;
  /** Memory for what the program's `prepare` computes; others may share it. */
  cache(program: Program): Cache;
  load(program: Program, cache: Cache): Loaded;
  free(handle: Block | Cache | Loaded): void;
  run(job: number, loaded: Loaded, request: Request<Block>): void;
  /** Takes the memory that a run will need. */
  reserve(job: number, loaded: Loaded): void;
  read(job: number, block: Block, offset: number, into: TypedArray): void;
  /** `from` may change as soon as this returns. */
  write(job: number, block: Block, offset: number, from: TypedArray, writes: "weights" | "states"): void;
  /**
   * Brings the state to the caller's thread where it is not there yet. `read` submits a read of all its bytes and
   * resolves to the revision that was read.
   */
  prepareSync(block: Block, revision: number, read: (into: Uint8Array) => Promise<number>): Promise<void>;
  /** Runs now; returns a fault when the VM stopped. */
  runSync(loaded: Loaded, request: Request<Block>): Fault | undefined;
  /** Asks the engine to collect garbage, and resolves when what it found is freed. */
  collect(): Promise<void>;
  /** Ends the threads; nothing is pending. */
  stop(): Promise<void>;
}

/** A backend around a driver: checks arguments, counts versions, keeps what is in use alive, and words the errors. */
export class QueuedBackend<Block extends object, Cache extends object, Loaded extends object>
  implements Backend
{
  readonly #driver: Driver<Block, Cache, Loaded>;
  readonly #jobs: Jobs;
  readonly #tenants = new Set<WeakRef<Tenant>>();
  #reclaiming: Promise<void> | undefined;
  #clock = 0;
  /** Its end, from `close` on. */
  #closing: Promise<void> | undefined;

  constructor(driver: Driver<Block, Cache, Loaded>, jobs: Jobs) {
    this.#driver = driver;
    this.#jobs = jobs;
  }

  get name(): string {
    return this.#driver.name;
  }

  get kind(): Backend["kind"] {
    return this.#driver.kind;
  }

  get capabilities(): Capabilities {
    return this.#driver.capabilities;
  }

  allocate(bytes: number): Memory {
    this.requireOpen("allocate");
    if (!Number.isSafeInteger(bytes) || bytes < 0) {
      throw new RondoError({
        where: "allocate",
        received: `${bytes} bytes`,
        expected: "a whole number of bytes",
        fix: "Pass the byte length of the state",
      });
    }
    return new QueuedMemory(this, bytes, this.#driver.allocate(bytes));
  }

  load(program: Program, state?: Memory): Executable {
    this.requireOpen("load");
    const cache = this.#cacheOf(program, state && this.own(state, program));
    cache.users++;
    try {
      return new QueuedExecutable(this, program, this.#driver.load(program, cache.handle), cache);
    } catch (error) {
      this.leave(cache);
      throw error;
    }
  }

  /** The cache of programs that prepare the same from one state, or a new one. */
  #cacheOf(program: Program, state: QueuedMemory<Block, Cache, Loaded> | undefined): SharedCache<Cache> {
    const { cacheKey } = program;
    const known = cacheKey === undefined ? undefined : state?.caches.get(cacheKey)?.deref();
    if (known !== undefined && known.users > 0) return known;
    const cache = { handle: this.#driver.cache(program), users: 0 };
    if (cacheKey !== undefined) state?.caches.set(cacheKey, new WeakRef(cache));
    return cache;
  }

  register(tenant: Tenant): void {
    this.#tenants.add(new WeakRef(tenant));
  }

  reclaim(): Promise<void> {
    this.#reclaiming ??= this.#reclaim().finally(() => {
      this.#reclaiming = undefined;
    });
    return this.#reclaiming;
  }

  async #reclaim(): Promise<void> {
    for (const reference of this.#tenants) {
      const tenant = reference.deref();
      if (tenant === undefined) this.#tenants.delete(reference);
      else tenant.evict();
    }
    await this.#jobs.done();
    await this.#driver.collect();
  }

  close(): Promise<void> {
    this.#closing ??= this.#jobs.done().then(() => this.#driver.stop());
    return this.#closing;
  }

  /** @internal */
  get driver(): Driver<Block, Cache, Loaded> {
    return this.#driver;
  }

  /** @internal The next version of a state. */
  tick(): number {
    return ++this.#clock;
  }

  /** @internal Submits a job, and holds `keep` and counts it on its owners until it is done. */
  async submit(
    owners: readonly Lease[],
    keep: unknown,
    explain: (fault: Fault) => Error,
    post: (job: number) => void,
  ): Promise<void> {
    const done = this.#jobs.submit(keep, explain, post);
    for (const owner of owners) owner.begin();
    try {
      await done;
    } finally {
      for (const owner of owners) owner.end();
    }
  }

  /** @internal One program fewer uses a cache. */
  leave(cache: SharedCache<Cache>): void {
    if (--cache.users === 0 && this.#closing === undefined) this.#driver.free(cache.handle);
  }

  /** @internal */
  release(handle: Block | Loaded): void {
    if (this.#closing === undefined) this.#driver.free(handle);
  }

  /** @internal */
  requireOpen(operation: string): void {
    if (this.#closing !== undefined) {
      throw new RondoError({
        where: `${operation} on backend "${this.name}"`,
        received: "a call after close()",
        expected: "an open backend",
        fix: "Close a backend when its last model is done, or make a new one with createBackend()",
      });
    }
  }

  /** @internal The memory as this backend's own. */
  own(memory: Memory, program: Program): QueuedMemory<Block, Cache, Loaded> {
    if (memory instanceof QueuedMemory && memory.backend === this) return memory;
    throw new RondoError({
      where: `program "${program.name}"`,
      received: "a state of another backend",
      expected: `a state allocated by "${this.name}"`,
      fix: "Allocate the state and load the program with the same backend",
    });
  }
}

/** What programs of one state have prepared. */
interface SharedCache<Cache> {
  readonly handle: Cache;
  /** Programs that were not freed. */
  users: number;
}

/** Counts the jobs that use something, and frees it when it was given back and no job is left. */
class Lease {
  readonly #release: () => void;
  /** Jobs under way. */
  pending = 0;
  #ended = false;

  constructor(release: () => void) {
    this.#release = release;
  }

  begin(): void {
    this.pending++;
  }

  end(): void {
    this.pending--;
    this.#settle();
  }

  free(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#settle();
  }

  /** Throws when it was given back: a defect of the caller. */
  requireHeld(what: string): void {
    if (this.#ended) throw new Error(`${what} was used after it was freed`);
  }

  #settle(): void {
    if (this.#ended && this.pending === 0) this.#release();
  }
}

class QueuedMemory<Block extends object, Cache extends object, Loaded extends object> implements Memory {
  readonly backend: QueuedBackend<Block, Cache, Loaded>;
  readonly bytes: number;
  readonly block: Block;
  readonly lease: Lease;
  /** What its programs have prepared, by the programs' `cacheKey`. */
  readonly caches = new Map<string, WeakRef<SharedCache<Cache>>>();
  /** Changes with every write and every run that writes weights, when it is submitted. */
  version: number;
  /** As `version`, but it changes with recurrent states and counters too. */
  revision: number;
  /** Jobs under way that write it. */
  readonly writers = new Lease(() => {});

  constructor(backend: QueuedBackend<Block, Cache, Loaded>, bytes: number, block: Block) {
    this.backend = backend;
    this.bytes = bytes;
    this.block = block;
    this.version = backend.tick();
    this.revision = this.version;
    this.lease = new Lease(() => backend.release(block));
  }

  async read(offset: number, into: TypedArray): Promise<void> {
    this.#require("read", offset, into);
    await this.backend.submit(
      [this.lease],
      [this, into],
      () => memoryRefused("read", this.bytes),
      (job) => this.backend.driver.read(job, this.block, offset, into),
    );
  }

  async write(offset: number, from: TypedArray, writes: "weights" | "states" = "weights"): Promise<void> {
    this.#require("write", offset, from);
    const written = this.backend.submit(
      [this.lease, this.writers],
      this,
      () => memoryRefused("write", this.bytes),
      (job) => this.backend.driver.write(job, this.block, offset, from, writes),
    );
    this.follow(this.backend.tick(), writes);
    await written;
  }

  free(): void {
    this.lease.free();
  }

  /** Counts a write or a run that was submitted, or has ended on the caller's thread. */
  follow(revision: number, writes: Entry["writes"]): void {
    this.revision = revision;
    if (writes === "weights") this.version = revision;
  }

  #require(operation: string, offset: number, array: TypedArray): void {
    this.backend.requireOpen(operation);
    this.lease.requireHeld("a memory");
    checkRange(operation, this.bytes, offset, array);
  }
}

class QueuedExecutable<Block extends object, Cache extends object, Loaded extends object>
  implements Executable
{
  readonly program: Program;
  readonly #backend: QueuedBackend<Block, Cache, Loaded>;
  readonly #loaded: Loaded;
  readonly #lease: Lease;

  constructor(
    backend: QueuedBackend<Block, Cache, Loaded>,
    program: Program,
    loaded: Loaded,
    cache: SharedCache<Cache>,
  ) {
    this.#backend = backend;
    this.program = program;
    this.#loaded = loaded;
    this.#lease = new Lease(() => {
      backend.release(loaded);
      backend.leave(cache);
    });
  }

  async run(call: Call): Promise<void> {
    this.#require("run");
    const { state, request } = this.#request(call);
    const owners = [this.#lease, state.lease];
    if (request.writes !== "nothing") owners.push(state.writers);
    const done = this.#backend.submit(
      owners,
      [this, call],
      (fault) => faultError(this.program, fault),
      (job) => this.#backend.driver.run(job, this.#loaded, request),
    );
    state.follow(request.revisionAfter, request.writes);
    await done;
  }

  runSync(call: Call): void {
    this.#require("runSync");
    const { state, request } = this.#request(call);
    if (state.writers.pending > 0 || (request.writes !== "nothing" && state.lease.pending > 0)) {
      throw new RondoError({
        where: `program "${this.program.name}", runSync`,
        received: "a state that runs under way write or use",
        expected: "a state at rest",
        fix: "Await the training or the writes under way first, or use the asynchronous run",
      });
    }
    const fault = this.#backend.driver.runSync(this.#loaded, request);
    state.follow(request.revisionAfter, request.writes);
    if (fault !== undefined) throw faultError(this.program, fault);
  }

  async prepareSync(memory: Memory): Promise<void> {
    this.#require("prepareSync");
    const state = this.#backend.own(memory, this.program);
    checkState(this.program, state);
    await this.#backend.driver.prepareSync(state.block, state.revision, async (into) => {
      const { revision } = state;
      await state.read(0, into);
      return revision;
    });
  }

  async reserve(): Promise<void> {
    this.#require("reserve");
    await this.#backend.submit(
      [this.#lease],
      this,
      (fault) => faultError(this.program, fault),
      (job) => this.#backend.driver.reserve(job, this.#loaded),
    );
  }

  free(): void {
    this.#lease.free();
  }

  #require(operation: string): void {
    this.#backend.requireOpen(operation);
    this.#lease.requireHeld(`program "${this.program.name}"`);
  }

  #request(call: Call): { state: QueuedMemory<Block, Cache, Loaded>; request: Request<Block> } {
    const entry = checkCall(this.program, call);
    const state = this.#backend.own(call.state, this.program);
    const { version, revision } = state;
    const request = {
      begin: entry.begin,
      // `prepare` runs by itself when the cache is stale: as an entry it has nothing further to run.
      end: call.entry === "prepare" ? entry.begin : entry.end,
      state: state.block,
      writes: entry.writes,
      place: call.place ?? "inTurn",
      version,
      revision,
      revisionAfter: entry.writes === "nothing" ? revision : this.#backend.tick(),
      arrays: [...call.inputs, ...call.outputs],
    };
    return { state, request };
  }
}
