import type { TypedArray } from "../dtype.js";
import { RondoError, unknownName } from "../errors.js";
import type { Program } from "../plan/program.js";
import type { Backend, Capabilities } from "./backend.js";
import { slotsOf } from "./check.js";
import { type Fault, faultFrom, memoryRefused, threadsRefused } from "./fault.js";
import { Jobs } from "./jobs.js";
import { type Driver, QueuedBackend, type Request } from "./queued.js";

/** A handle of the addon, freed by the garbage collector. The brand keeps the kinds apart. */
type Handle<Kind extends string> = object & { readonly handle?: Kind };
type Executor = Handle<"executor">;
type Block = Handle<"block">;
type Loaded = Handle<"program">;
type RunArguments = [
  executor: Executor,
  program: Loaded,
  state: Block,
  begin: number,
  end: number,
  version: number,
  arrays: readonly TypedArray[],
];

/** What kernels/napi.cpp exports. It trusts its arguments. */
export interface Addon {
  /** Name and vector width of the instruction sets that this machine has, best first. */
  instructionSets(): readonly (readonly [name: string, vectorWidth: number])[];
  /** Throws an Error of code RONDO_NO_THREADS where the system has no room for so many threads. */
  create(instructionSet: string, threads: number, settled: (fault?: readonly number[]) => void): Executor;
  allocate(bytes: number): Block;
  load(
    executor: Executor,
    words: Int32Array,
    slots: Float64Array,
    constants: Uint8Array,
    scratchBytes: number,
    cacheBytes: number,
    prepareBegin: number,
    prepareEnd: number,
  ): Loaded;
  run(...request: RunArguments): void;
  runSync(...request: RunArguments): readonly number[] | undefined;
  read(executor: Executor, block: Block, offset: number, into: TypedArray): void;
  write(executor: Executor, block: Block, offset: number, from: TypedArray): void;
  stop(executor: Executor): void;
}

/** A backend on the native addon. Throws a RondoError when the machine lacks the instruction set or room for its threads. */
export function nativeBackend(addon: Addon, threads: number, instructionSet?: string): Backend {
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
    addon.create(name, threads, (record) =>
      jobs.settle(record === undefined ? undefined : faultFrom(record)),
    ),
  );
  return new QueuedBackend(
    new NativeDriver(addon, executor, name, { vectorWidth, threads, synchronous: true }),
    jobs,
  );
}

class NativeDriver implements Driver<Block, Loaded> {
  readonly kind = "native";
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly #addon: Addon;
  readonly #executor: Executor;

  constructor(addon: Addon, executor: Executor, instructionSet: string, capabilities: Capabilities) {
    this.#addon = addon;
    this.#executor = executor;
    this.capabilities = capabilities;
    this.name = `native ${instructionSet}, ${capabilities.threads} ${capabilities.threads === 1 ? "thread" : "threads"}`;
  }

  allocate(bytes: number): Block {
    return orOutOfMemory("allocate", bytes, () => this.#addon.allocate(bytes));
  }

  load(program: Program): Loaded {
    const prepare = program.entries.prepare;
    const slots = slotsOf(program);
    return orOutOfMemory(`load of program "${program.name}"`, program.constants.byteLength, () =>
      this.#addon.load(
        this.#executor,
        program.words,
        slots,
        program.constants,
        program.scratchBytes,
        program.cacheBytes,
        prepare?.begin ?? 0,
        prepare?.end ?? 0,
      ),
    );
  }

  run(loaded: Loaded, { state, begin, end, version, arrays }: Request<Block>): void {
    this.#addon.run(this.#executor, loaded, state, begin, end, version, arrays);
  }

  runSync(loaded: Loaded, { state, begin, end, version, arrays }: Request<Block>): Fault | undefined {
    const record = this.#addon.runSync(this.#executor, loaded, state, begin, end, version, arrays);
    return record === undefined ? undefined : faultFrom(record);
  }

  async prepareSync(): Promise<void> {} // the memory is the caller's thread's too

  read(block: Block, offset: number, into: TypedArray): void {
    this.#addon.read(this.#executor, block, offset, into);
  }

  write(block: Block, offset: number, from: TypedArray): void {
    this.#addon.write(this.#executor, block, offset, from);
  }

  async stop(): Promise<void> {
    this.#addon.stop(this.#executor);
  }
}

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
    throw memoryRefused(where, bytes, { cause });
  }
}
