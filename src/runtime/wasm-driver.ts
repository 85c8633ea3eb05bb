import type { TypedArray } from "../dtype.js";
import { RondoError } from "../errors.js";
import type { Program } from "../plan/program.js";
import type { Capabilities } from "./backend.js";
import { slotsOf } from "./check.js";
import { type Image, imageOf } from "./engine.js";
import { type Fault, memoryRefused } from "./fault.js";
import type { Heap } from "./heap.js";
import type { Jobs, Outcome } from "./jobs.js";
import type { Platform, WasmSet, WasmWorker } from "./platform.js";
import type { Driver, Request } from "./queued.js";
import { bytesOf, stage } from "./staging.js";
import { type Mirror, notPrepared, WasmCaller } from "./wasm-caller.js";
import type { WasmServer } from "./wasm-server.js";
import type { Message, Settled } from "./wasm-worker.js";

/** What the registries free; it must not hold the handle itself. */
interface Owned {
  /** The worker's memory had no room for it: the addresses are free again. */
  refused: boolean;
}

/** A block of the worker's memory, with its copy on the caller's thread where there is one. */
interface Block {
  readonly address: number;
  readonly bytes: number;
  readonly owned: Owned & { mirror: Mirror | undefined };
}

interface Loaded {
  readonly program: Program;
  readonly image: Image;
  readonly owned: Owned & { caller: Image | undefined };
}

/** A message that the worker has not answered yet. */
interface Pending {
  /** Where the results go. */
  readonly results: readonly TypedArray[];
  readonly settle: (outcome: Outcome) => void;
}

/** What a driver is made of. */
export interface WasmParts {
  readonly platform: Platform;
  readonly set: WasmSet;
  readonly capabilities: Capabilities;
  readonly workers: readonly WasmWorker[];
  readonly server: WasmServer;
  readonly heap: Heap;
  readonly jobs: Jobs;
}

/**
 * The caller's side of a wasm backend: hands out addresses of the worker's memory and posts jobs. The worker does one
 * after the other, so the scratch and the arrays of a run lie where nothing is allocated when it is posted (whoever gets
 * the place later fills it later): nothing is kept for a run, and one that does not fit harms no other.
 */
export class WasmDriver implements Driver<Block, Loaded> {
  readonly kind = "wasm";
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly #parts: WasmParts;
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
    this.#blocks = new FinalizationRegistry(({ address, owned }) => {
      if (!owned.refused) parts.heap.free(address);
      if (owned.mirror !== undefined) this.#caller?.forget(owned.mirror);
    });
    this.#programs = new FinalizationRegistry(({ image, owned }) => {
      parts.server.post({ kind: "unload", program: image.at.id });
      if (!owned.refused) parts.heap.free(image.at.words);
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
    this.#parts.server.requireWorking();
    const address = this.#claim("allocate", bytes);
    const block: Block = { address, bytes, owned: { refused: false, mirror: undefined } };
    this.#grant({ kind: "clear", block: address, bytes }, address, block.owned);
    this.#blocks.register(block, { address, owned: block.owned });
    return block;
  }

  load(program: Program): Loaded {
    this.#parts.server.requireWorking();
    const image = imageOf(program, ++this.#lastProgram, slotsOf(program), (bytes) =>
      this.#claim(`load of program "${program.name}"`, bytes),
    );
    const loaded: Loaded = { program, image, owned: { refused: false, caller: undefined } };
    this.#grant({ kind: "load", image }, image.at.words, loaded.owned);
    this.#programs.register(loaded, { image, owned: loaded.owned });
    return loaded;
  }

  run({ program, image, owned }: Loaded, { state, begin, end, version, arrays }: Request<Block>): void {
    const where = `program "${program.name}"`;
    this.#use(where, state);
    if (owned.refused) throw memoryRefused(where, image.at.end - image.at.words);
    const { scratch, places, end: top } = stage(this.#parts.heap, program.scratchBytes, arrays);
    const addresses = places.map(([address]) => address);
    const inputs = program.inputs.length;
    const store = arrays
      .slice(0, inputs)
      .map((array, i) => [addresses[i] ?? 0, bytesOf(array).slice()] as const);
    this.#job(
      {
        kind: "run",
        top,
        request: {
          program: image.at.id,
          begin,
          end,
          version,
          scratch,
          state: state.address,
          arrays: addresses,
        },
        store,
        fetch: places.slice(inputs),
      },
      arrays.slice(inputs),
      store.map(([, data]) => data.buffer),
    );
  }

  read(block: Block, offset: number, into: TypedArray): void {
    this.#use("read", block);
    const place = [block.address + offset, into.byteLength] as const;
    this.#job({ kind: "read", block: block.address, place }, [into]);
  }

  write(block: Block, offset: number, from: TypedArray): void {
    this.#use("write", block);
    const data = bytesOf(from).slice();
    const stored = [block.address + offset, data] as const;
    this.#job({ kind: "write", block: block.address, stored }, [], [data.buffer]);
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
    this.#caller = await WasmCaller.create(await platform.compile(set));
    return this.#caller;
  }

  runSync({ program, image, owned }: Loaded, request: Request<Block>): Fault | undefined {
    const { mirror } = request.state.owned;
    if (this.#caller === undefined || mirror?.revision !== request.revision) throw notPrepared(program);
    owned.caller ??= this.#caller.load(program, image);
    return this.#caller.run(program, image.at.id, mirror, request);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#parts.workers.map((worker) => worker.terminate()));
  }

  /** Before a job uses a block: brings what synchronous runs wrote back to the worker. */
  #use(where: string, { address, bytes, owned }: Block): void {
    this.#parts.server.requireWorking();
    if (owned.refused) throw memoryRefused(where, bytes);
    const { mirror } = owned;
    if (mirror === undefined || !mirror.newer || this.#caller === undefined) return;
    const data = this.#caller.contents(mirror);
    this.#parts.server.post({ kind: "store", address, data }, [data.buffer]);
    mirror.newer = false;
  }

  #claim(where: string, bytes: number): number {
    const address = this.#parts.heap.allocate(bytes);
    if (address === undefined) throw memoryRefused(where, bytes);
    return address;
  }

  /** Posts what needs the memory at an address for good; gives it back when the worker has none. */
  #grant(message: Message, address: number, owned: Owned): void {
    this.#submit(message, {
      results: [],
      settle: (outcome) => {
        if (outcome === undefined) return;
        owned.refused = true;
        this.#parts.heap.free(address); // jobs that use it were posted before anything that may now get it
      },
    });
  }

  #job(message: Message, results: readonly TypedArray[], transfer: ArrayBuffer[] = []): void {
    this.#submit(message, { results, settle: (outcome) => this.#parts.jobs.settle(outcome) }, transfer);
  }

  #submit(message: Message, pending: Pending, transfer: ArrayBuffer[] = []): void {
    this.#parts.server.requireWorking();
    this.#parts.server.post(message, transfer);
    if (this.#pending.push(pending) === 1) this.#parts.server.hold(true);
  }

  #settle(reply: Settled | Error): void {
    const pending = this.#pending.shift();
    if (pending === undefined) return;
    if (this.#pending.length === 0) this.#parts.server.hold(false);
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
