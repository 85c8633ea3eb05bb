import { codes } from "../plan/abi.js";
import type { Entry } from "../plan/program.js";
import type { Place } from "./backend.js";
import { type Fault, noMemory } from "./fault.js";
import { type Image, Instance, type InstanceRun } from "./instance.js";
import type { Span } from "./staging.js";

/**
 * What the caller's thread tells a worker. It hands out the addresses; the worker makes the memory reach them. What has a
 * `job` is answered by one `Settled` of that number. A block and a cache are named by their addresses.
 */
export type Message =
  /** Become the one that runs. Without a memory, make one. Answered by `Ready`. */
  | { kind: "start"; module: WebAssembly.Module; memory: WebAssembly.Memory | undefined; threads: number }
  /** Become one of the threads that compute for it, for ever. */
  | { kind: "work"; module: WebAssembly.Module; memory: WebAssembly.Memory; stackTop: number }
  | Job;

/** What is done in the order that `Place` says; without a place in turn. */
export type Job =
  | { kind: "load"; job: number; image: Image }
  | { kind: "cache"; job: number; cache: number; bytes: number }
  | { kind: "clear"; job: number; block: number; bytes: number }
  /** Nothing that is posted later uses this program. */
  | { kind: "unload"; program: number }
  /** Memory up to `top` will be needed. */
  | { kind: "reserve"; job: number; top: number }
  /** A block as a synchronous run left it. */
  | { kind: "store"; block: number; data: Uint8Array; writes: "weights" | "states" }
  | RunJob
  | { kind: "read"; job: number; block: number; place: Span }
  | { kind: "write"; job: number; block: number; stored: Stored; writes: "weights" | "states" };

export interface RunJob {
  readonly kind: "run";
  readonly job: number;
  readonly place: Place;
  readonly writes: Entry["writes"];
  /** From `request.scratch` up to `top` the memory is the run's. */
  readonly top: number;
  readonly request: InstanceRun;
  readonly store: readonly Stored[];
  readonly fetch: readonly Span[];
}

/** Data for an address. */
export type Stored = readonly [address: number, data: Uint8Array];

export interface Ready {
  readonly kind: "ready";
  readonly heapBase: number;
  readonly vectorWidth: number;
}

/** A job is done, or why it is not: the VM stopped, or the instance trapped. */
export interface Settled {
  readonly kind: "settled";
  readonly job: number;
  readonly fault?: Fault;
  readonly trap?: string;
  readonly fetched: readonly Uint8Array[];
}

/** The worker could not start, or failed outside of a job: nothing will be answered any more. */
export interface Broken {
  readonly kind: "broken";
  readonly reason: string;
}

export type Reply = Ready | Settled | Broken;

/** What has arrived at the worker's port. */
export interface Arrivals {
  /**
   * Hands over to `receive` what has arrived and was not received yet, where a port can be asked; else gives a promise of
   * a turn of the event loop, in which that happens by itself.
   */
  admit(receive: (message: Message) => void): Promise<void> | undefined;
}

interface Waiting {
  readonly job: Job;
  /** The block that it uses; undefined: what others do does not touch it, but it is never overtaken. */
  readonly state: number | undefined;
  readonly writes: boolean;
  readonly place: Place;
  overtaken: number;
}

/** The worker's side: handles the messages of one port. */
export class WasmHost {
  readonly #post: (reply: Reply, transfer: ArrayBuffer[]) => void;
  readonly #arrivals: Arrivals;
  #instance: Instance | undefined;
  /** In the order in which they will be done. */
  readonly #waiting: Waiting[] = [];
  #working = false;
  /** Blocks that the memory had no room for: jobs that use them fail. */
  readonly #refused = new Set<number>();
  /** Versions of the weights of each block: no two are ever the same. */
  readonly #versions = new Map<number, number>();
  #clock = 0;

  constructor(post: (reply: Reply, transfer: ArrayBuffer[]) => void, arrivals: Arrivals) {
    this.#post = post;
    this.#arrivals = arrivals;
  }

  async receive(message: Message): Promise<void> {
    try {
      if (message.kind === "start" || message.kind === "work") await this.#start(message);
      else {
        this.#admit(message);
        await this.#work();
      }
    } catch (error) {
      this.#post({ kind: "broken", reason: String(error) }, []);
    }
  }

  async #start(message: Extract<Message, { kind: "start" | "work" }>): Promise<void> {
    const memory = message.memory ?? new WebAssembly.Memory({ initial: 16, maximum: 65536 });
    const instance = await Instance.create(message.module, memory);
    if (message.kind === "work") return instance.work(message.stackTop);
    instance.start(message.threads);
    this.#instance = instance;
    this.#post({ kind: "ready", heapBase: instance.heapBase, vectorWidth: instance.vectorWidth }, []);
  }

  readonly #admit = (message: Message): void => {
    if (message.kind !== "start" && message.kind !== "work") this.#enqueue(waiting(message));
  };

  #enqueue(job: Waiting): void {
    let at = this.#waiting.length;
    for (let before = this.#waiting[at - 1]; before !== undefined && mayPass(job, before); ) {
      before.overtaken++;
      before = this.#waiting[--at - 1];
    }
    this.#waiting.splice(at, 0, job);
  }

  /** Does what waits. What arrives meanwhile takes its place before the next job is chosen. */
  async #work(): Promise<void> {
    if (this.#working) return;
    this.#working = true;
    try {
      while (this.#waiting.length > 0) {
        if (!overtakes(this.#waiting[0]?.place)) {
          const turn = this.#arrivals.admit(this.#admit);
          if (turn !== undefined) await turn;
        }
        const next = this.#waiting.shift();
        if (next !== undefined && this.#instance !== undefined) this.#do(this.#instance, next.job);
      }
    } finally {
      this.#working = false;
    }
  }

  #do(instance: Instance, job: Job): void {
    switch (job.kind) {
      case "load":
        this.#settle(instance, job.job, [], () => {
          const { words, end } = job.image.at;
          if (!instance.reach(end)) return noMemory(end - words);
          instance.load(job.image);
          return undefined;
        });
        break;
      case "cache":
        this.#settle(instance, job.job, [], () => {
          instance.unprepare(job.cache);
          return instance.reach(job.cache + job.bytes) ? undefined : noMemory(job.bytes);
        });
        break;
      case "clear":
        this.#settle(instance, job.job, [], () => {
          const { block, bytes } = job;
          if (!instance.reach(block + bytes)) {
            this.#refused.add(block);
            return noMemory(bytes);
          }
          this.#refused.delete(block);
          this.#changed(block);
          instance.bytes(block, bytes).fill(0);
          return undefined;
        });
        break;
      case "unload":
        instance.unload(job.program);
        break;
      case "reserve":
        this.#settle(instance, job.job, [], () => (instance.reach(job.top) ? undefined : noMemory(job.top)));
        break;
      case "store":
        instance.bytes(job.block, job.data.length).set(job.data);
        if (job.writes === "weights") this.#changed(job.block);
        break;
      case "run":
        this.#settle(instance, job.job, job.fetch, () => {
          const { request, store, top } = job;
          const fault = this.#fault(request.state);
          if (fault !== undefined) return fault;
          if (!instance.reach(top)) return noMemory(top - request.scratch);
          for (const [address, data] of store) instance.bytes(address, data.length).set(data);
          try {
            return instance.run(request, this.#versions.get(request.state) ?? 0);
          } finally {
            if (job.writes === "weights") this.#changed(request.state);
          }
        });
        break;
      case "read":
        this.#settle(instance, job.job, [job.place], () => this.#fault(job.block));
        break;
      case "write":
        this.#settle(instance, job.job, [], () => {
          const fault = this.#fault(job.block);
          const [address, data] = job.stored;
          if (fault === undefined) instance.bytes(address, data.length).set(data);
          if (job.writes === "weights") this.#changed(job.block);
          return fault;
        });
        break;
    }
  }

  #changed(block: number): void {
    this.#versions.set(block, ++this.#clock);
  }

  #fault(block: number): Fault | undefined {
    return this.#refused.has(block) ? noMemory(0) : undefined;
  }

  #settle(instance: Instance, job: number, fetch: readonly Span[], work: () => Fault | undefined): void {
    try {
      const fault = work();
      if (fault !== undefined) {
        this.#post({ kind: "settled", job, fault, fetched: [] }, []);
        return;
      }
      const fetched = fetch.map(([address, bytes]) => instance.bytes(address, bytes).slice());
      this.#post(
        { kind: "settled", job, fetched },
        fetched.map((array) => array.buffer),
      );
    } catch (error) {
      this.#post({ kind: "settled", job, trap: String(error), fetched: [] }, []);
    }
  }
}

function waiting(job: Job): Waiting {
  const own = { job, place: "inTurn", overtaken: 0 } as const;
  switch (job.kind) {
    case "run":
      return { ...own, state: job.request.state, writes: job.writes !== "nothing", place: job.place };
    case "read":
      return { ...own, state: job.block, writes: false };
    case "write":
    case "store":
      return { ...own, state: job.block, writes: true };
    default:
      return { ...own, state: undefined, writes: true };
  }
}

const overtakes = (place: Place | undefined): boolean =>
  place === "overtaking" || place === "overtakingOthers";

/** As `Job::mayPass` in kernels/executor.h; what gives memory out is not passed. */
function mayPass(job: Waiting, other: Waiting): boolean {
  if (!overtakes(job.place) || overtakes(other.place) || other.state === undefined) return false;
  if (other.overtaken >= codes.limit.overtakes) return false;
  if (other.state !== job.state || !(job.writes || other.writes)) return true;
  return !job.writes && job.place === "overtaking" && other.place === "yielding";
}
