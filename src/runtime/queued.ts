import type { TypedArray } from "../dtype.js";
import { RondoError } from "../errors.js";
import type { Entry, Program } from "../plan/program.js";
import type { Backend, Call, Capabilities, Executable, Memory } from "./backend.js";
import { checkCall, checkRange, checkState } from "./check.js";
import { type Fault, faultError, memoryRefused } from "./fault.js";
import type { Jobs } from "./jobs.js";

/** One run in an executor's terms. */
export interface Request<Block> {
  /** The words to run. */
  readonly begin: number;
  readonly end: number;
  readonly state: Block;
  /** The weights' version before the run. `prepare` runs first when the cache is of another version. */
  readonly version: number;
  /** Of the whole state, before and after the run: copies of another revision are stale. */
  readonly revision: number;
  readonly revisionAfter: number;
  /** The inputs, then the outputs. */
  readonly arrays: readonly TypedArray[];
}

/**
 * The executor under a backend: where memory is and who runs the words. Arguments have been checked. `run`, `read` and
 * `write` submit a job and return; every job settles once, in order, through the `Jobs` the driver was made with.
 * Handles (`Block`, `Loaded`) are freed when garbage.
 */
export interface Driver<Block, Loaded> {
  readonly name: string;
  readonly kind: Backend["kind"];
  readonly capabilities: Capabilities;
  allocate(bytes: number): Block;
  load(program: Program): Loaded;
  run(loaded: Loaded, request: Request<Block>): void;
  read(block: Block, offset: number, into: TypedArray): void;
  /** `from` may change as soon as this returns. */
  write(block: Block, offset: number, from: TypedArray): void;
  /**
   * Brings the state to the caller's thread where it is not there yet. `read` submits a read of all its bytes and
   * resolves to the revision that was read.
   */
  prepareSync(block: Block, revision: number, read: (into: Uint8Array) => Promise<number>): Promise<void>;
  /** Runs now; returns a fault when the VM stopped. */
  runSync(loaded: Loaded, request: Request<Block>): Fault | undefined;
  /** Ends the threads; nothing is pending. */
  stop(): Promise<void>;
}

/** A backend around a driver: checks arguments, counts versions, keeps what is in use alive, and words the errors. */
export class QueuedBackend<Block, Loaded> implements Backend {
  readonly #driver: Driver<Block, Loaded>;
  readonly #jobs: Jobs;
  #clock = 0;
  #closed = false;

  constructor(driver: Driver<Block, Loaded>, jobs: Jobs) {
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

  load(program: Program): Executable {
    this.requireOpen("load");
    return new QueuedExecutable(this, program, this.#driver.load(program));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#jobs.idle();
    await this.#driver.stop();
  }

  /** @internal */
  get driver(): Driver<Block, Loaded> {
    return this.#driver;
  }

  /** @internal The next version of a state. */
  tick(): number {
    return ++this.#clock;
  }

  /** @internal Waits for the job just submitted, holding `keep` and counting it on the memory until then. */
  async settled(
    memory: QueuedMemory<Block, Loaded>,
    writes: boolean,
    keep: unknown,
    explain: (fault: Fault) => Error,
  ): Promise<void> {
    memory.pending++;
    if (writes) memory.writers++;
    try {
      await this.#jobs.add(keep, explain);
    } finally {
      memory.pending--;
      if (writes) memory.writers--;
    }
  }

  /** @internal */
  requireOpen(operation: string): void {
    if (this.#closed) {
      throw new RondoError({
        where: `${operation} on backend "${this.name}"`,
        received: "a call after close()",
        expected: "an open backend",
        fix: "Close a backend when its last model is done, or make a new one with createBackend()",
      });
    }
  }

  /** @internal The memory as this backend's own. */
  own(memory: Memory, program: Program): QueuedMemory<Block, Loaded> {
    if (memory instanceof QueuedMemory && memory.backend === this) return memory;
    throw new RondoError({
      where: `program "${program.name}"`,
      received: "a state of another backend",
      expected: `a state allocated by "${this.name}"`,
      fix: "Allocate the state and load the program with the same backend",
    });
  }
}

class QueuedMemory<Block, Loaded> implements Memory {
  readonly backend: QueuedBackend<Block, Loaded>;
  readonly bytes: number;
  readonly block: Block;
  version: number;
  /** As `version`, but it changes with recurrent states and counters too. */
  revision: number;
  /** Jobs under way that use this memory, and those among them that write it. */
  pending = 0;
  writers = 0;

  constructor(backend: QueuedBackend<Block, Loaded>, bytes: number, block: Block) {
    this.backend = backend;
    this.bytes = bytes;
    this.block = block;
    this.version = backend.tick();
    this.revision = this.version;
  }

  async read(offset: number, into: TypedArray): Promise<void> {
    this.backend.requireOpen("read");
    checkRange("read", this.bytes, offset, into);
    this.backend.driver.read(this.block, offset, into);
    await this.backend.settled(this, false, [this, into], () => memoryRefused("read", this.bytes));
  }

  async write(offset: number, from: TypedArray): Promise<void> {
    this.backend.requireOpen("write");
    checkRange("write", this.bytes, offset, from);
    this.backend.driver.write(this.block, offset, from);
    this.version = this.backend.tick();
    this.revision = this.version;
    await this.backend.settled(this, true, this, () => memoryRefused("write", this.bytes));
  }

  /** Counts a run that was submitted, or has ended on the caller's thread. */
  follow({ revisionAfter }: Request<Block>, { writes }: Entry): void {
    this.revision = revisionAfter;
    if (writes === "weights") this.version = revisionAfter;
  }
}

class QueuedExecutable<Block, Loaded> implements Executable {
  readonly program: Program;
  readonly #backend: QueuedBackend<Block, Loaded>;
  readonly #loaded: Loaded;

  constructor(backend: QueuedBackend<Block, Loaded>, program: Program, loaded: Loaded) {
    this.#backend = backend;
    this.program = program;
    this.#loaded = loaded;
  }

  async run(call: Call): Promise<void> {
    this.#backend.requireOpen("run");
    const { state, request, entry } = this.#request(call);
    this.#backend.driver.run(this.#loaded, request);
    state.follow(request, entry);
    await this.#backend.settled(state, entry.writes !== "nothing", [this, call], (fault) =>
      faultError(this.program, fault),
    );
  }

  runSync(call: Call): void {
    this.#backend.requireOpen("runSync");
    const { state, request, entry } = this.#request(call);
    if (state.writers > 0 || (entry.writes !== "nothing" && state.pending > 0)) {
      throw new RondoError({
        where: `program "${this.program.name}", runSync`,
        received: "a state that runs under way write or use",
        expected: "a state at rest",
        fix: "Await the training or the writes under way first, or use the asynchronous run",
      });
    }
    const fault = this.#backend.driver.runSync(this.#loaded, request);
    state.follow(request, entry);
    if (fault !== undefined) throw faultError(this.program, fault);
  }

  async prepareSync(memory: Memory): Promise<void> {
    this.#backend.requireOpen("prepareSync");
    const state = this.#backend.own(memory, this.program);
    checkState(this.program, state);
    await this.#backend.driver.prepareSync(state.block, state.revision, async (into) => {
      const { revision } = state;
      await state.read(0, into);
      return revision;
    });
  }

  #request(call: Call): { state: QueuedMemory<Block, Loaded>; request: Request<Block>; entry: Entry } {
    const entry = checkCall(this.program, call);
    const state = this.#backend.own(call.state, this.program);
    const { version, revision } = state;
    const request = {
      begin: entry.begin,
      // `prepare` runs by itself when the cache is stale: as an entry it has nothing further to run.
      end: call.entry === "prepare" ? entry.begin : entry.end,
      state: state.block,
      version,
      revision,
      revisionAfter: entry.writes === "nothing" ? revision : this.#backend.tick(),
      arrays: [...call.inputs, ...call.outputs],
    };
    return { state, request, entry };
  }
}
