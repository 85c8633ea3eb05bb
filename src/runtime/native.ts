import type { TypedArray } from "../dtype.js";
import { RondoError, unknownName } from "../errors.js";
import type { Entry, Program } from "../plan/program.js";
import type { Backend, Capabilities, Place } from "./backend.js";
import { slotsOf } from "./check.js";
import { type Fault, faultFrom, memoryRefused, threadsRefused } from "./fault.js";
import { Jobs } from "./jobs.js";
import { type Driver, QueuedBackend, type Request } from "./queued.js";

/** A handle of the addon, freed by the garbage collector. The brand keeps the kinds apart. */
type Handle<Kind extends string> = object & { readonly handle?: Kind };
type Executor = Handle<"executor">;
type Block = Handle<"block">;
type Cache = Handle<"cache">;
type Loaded = Handle<"program">;
type CallArguments = [
  program: Loaded,
  state: Block,
  begin: number,
  end: number,
  writes: number,
  arrays: readonly TypedArray[],
];

/** What kernels/napi.cpp exports. It trusts its arguments. */
export interface Addon {
  /** Name and vector width of the instruction sets that this machine has, best first. */
  instructionSets(): readonly (readonly [name: string, vectorWidth: number])[];
  /** Throws an Error of code RONDO_NO_THREADS where the system has no room for so many threads. */
  create(
    instructionSet: string,
    threads: number,
    settled: (job: number, fault?: readonly number[]) => void,
  ): Executor;
  allocate(bytes: number): Block;
  cache(bytes: number): Cache;
  load(
    executor: Executor,
    words: Int32Array,
    slots: Float64Array,
    constants: Uint8Array,
    scratchBytes: number,
    cache: Cache,
    prepareBegin: number,
    prepareEnd: number,
  ): Loaded;
  free(handle: Block | Cache | Loaded): void;
  run(executor: Executor, job: number, place: number, ...call: CallArguments): void;
  runSync(executor: Executor, ...call: CallArguments): readonly number[] | undefined;
  reserve(executor: Executor, job: number, program: Loaded): void;
  read(executor: Executor, job: number, block: Block, offset: number, into: TypedArray): void;
  write(
    executor: Executor,
    job: number,
    block: Block,
    offset: number,
    from: TypedArray,
    writes: number,
  ): void;
  stop(executor: Executor): void;
}

/** As `Place` and `Writes` in kernels/executor.h. */
const placeCode = { inTurn: 0, yielding: 1, overtaking: 2, overtakingOthers: 3 } as const satisfies Record<
  Place,
  number
>;
const writesCode = { nothing: 0, states: 1, weights: 2 } as const satisfies Record<Entry["writes"], number>;

/**
 * A backend on the native addon. Throws a RondoError when the machine lacks the instruction set or room for its threads.
 *
 * @param collect asks the engine to collect garbage
 */
export function nativeBackend(
  addon: Addon,
  collect: () => Promise<void>,
  threads: number,
  instructionSet?: string,
): Backend {
  const sets = addon.instructionSets();
  const chosen = instructionSet === undefined ? sets[0] : sets.find(([name]) => name === instructionSet);
  if (chosen === undefined) {
    const names = sets.map(([name]) => name);
    throw unknownName(
      "createBackend",
      "native instruction set on this machine",
      String(instructionSet),
      names,
    );
  }
  const [name, vectorWidth] = chosen;
  const jobs = new Jobs();
  const executor = orThreadsRefused(threads, () =>
    addon.create(name, threads, (job, record) =>
      jobs.settle(job, record === undefined ? undefined : faultFrom(record)),
    ),
  );
  return new QueuedBackend(
    new NativeDriver(addon, executor, collect, name, { vectorWidth, threads, synchronous: true }),
    jobs,
  );
}

class NativeDriver implements Driver<Block, Cache, Loaded> {
  readonly kind = "native";
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly #addon: Addon;
  readonly #executor: Executor;
  readonly collect: () => Promise<void>;

  constructor(
    addon: Addon,
    executor: Executor,
    collect: () => Promise<void>,
    instructionSet: string,
    capabilities: Capabilities,
  ) {
    this.#addon = addon;
    this.#executor = executor;
    this.collect = collect;
    this.capabilities = capabilities;
    this.name = `native ${instructionSet}, ${capabilities.threads} ${capabilities.threads === 1 ? "thread" : "threads"}`;
  }

  allocate(bytes: number): Block {
    return orOutOfMemory("allocate", bytes, () => this.#addon.allocate(bytes));
  }

  cache({ cacheBytes }: Program): Cache {
    return this.#addon.cache(cacheBytes);
  }

  load(program: Program, cache: Cache): Loaded {
    const prepare = program.entries.prepare;
    const slots = slotsOf(program);
    return orOutOfMemory(`load of program "${program.name}"`, program.constants.byteLength, () =>
      this.#addon.load(
        this.#executor,
        program.words,
        slots,
        program.constants,
        program.scratchBytes,
        cache,
        prepare?.begin ?? 0,
        prepare?.end ?? 0,
      ),
    );
  }

  free(handle: Block | Cache | Loaded): void {
    this.#addon.free(handle);
  }

  run(job: number, loaded: Loaded, request: Request<Block>): void {
    this.#addon.run(this.#executor, job, placeCode[request.place], ...callOf(loaded, request));
  }

  runSync(loaded: Loaded, request: Request<Block>): Fault | undefined {
    const record = this.#addon.runSync(this.#executor, ...callOf(loaded, request));
    return record === undefined ? undefined : faultFrom(record);
  }

  reserve(job: number, loaded: Loaded): void {
    this.#addon.reserve(this.#executor, job, loaded);
  }

  async prepareSync(): Promise<void> {} // the memory is the caller's thread's too

  read(job: number, block: Block, offset: number, into: TypedArray): void {
    this.#addon.read(this.#executor, job, block, offset, into);
  }

  write(job: number, block: Block, offset: number, from: TypedArray, writes: "weights" | "states"): void {
    this.#addon.write(this.#executor, job, block, offset, from, writesCode[writes]);
  }

  async stop(): Promise<void> {
    this.#addon.stop(this.#executor);
  }
}

const callOf = (loaded: Loaded, { state, begin, end, writes, arrays }: Request<Block>): CallArguments => [
  loaded,
  state,
  begin,
  end,
  writesCode[writes],
  arrays,
];

function orThreadsRefused<T>(threads: number, create: () => T): T {
  try {
    return create();
  } catch (cause) {
    if (!hasCode(cause, "RONDO_NO_THREADS")) throw cause;
    throw new RondoError(threadsRefused("createBackend, native", threads), { cause });
  }
}

const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && "code" in error && error.code === code;

function orOutOfMemory<T>(where: string, bytes: number, allocate: () => T): T {
  try {
    return allocate();
  } catch (cause) {
    if (!hasCode(cause, "RONDO_OUT_OF_MEMORY")) throw cause;
    throw memoryRefused(where, bytes);
  }
}
