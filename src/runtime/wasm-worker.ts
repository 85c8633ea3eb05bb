import { Engine, type EngineRun, type Image } from "./engine.js";
import { type Fault, noMemory } from "./fault.js";
import type { Place } from "./staging.js";

/**
 * What the caller's thread tells a worker. It hands out the addresses; the worker makes the memory reach them. `load`,
 * `clear`, `run`, `read` and `write` are each answered by one `Settled`, in order. A block is named by its address.
 */
export type Message =
  /** Become the one that runs. Without a memory, make one. Answered by `Ready`. */
  | { kind: "start"; module: WebAssembly.Module; memory: WebAssembly.Memory | undefined; threads: number }
  /** Become one of the threads that compute for it, for ever. */
  | { kind: "work"; module: WebAssembly.Module; memory: WebAssembly.Memory; stackTop: number }
  | { kind: "load"; image: Image }
  | { kind: "unload"; program: number }
  | { kind: "clear"; block: number; bytes: number }
  | { kind: "store"; address: number; data: Uint8Array }
  /** From `request.scratch` up to `top` the memory is the run's. */
  | { kind: "run"; top: number; request: EngineRun; store: readonly Stored[]; fetch: readonly Place[] }
  | { kind: "read"; block: number; place: Place }
  | { kind: "write"; block: number; stored: Stored };

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

/** The worker's side: handles the messages of one port. */
export class WasmHost {
  readonly #post: (reply: Reply, transfer: ArrayBuffer[]) => void;
  #engine: Engine | undefined;
  /** Blocks that the memory had no room for: jobs that use them fail. */
  readonly #refused = new Set<number>();

  constructor(post: (reply: Reply, transfer: ArrayBuffer[]) => void) {
    this.#post = post;
  }

  async receive(message: Message): Promise<void> {
    try {
      await this.#receive(message);
    } catch (error) {
      this.#post({ kind: "broken", reason: String(error) }, []);
    }
  }

  async #receive(message: Message): Promise<void> {
    if (message.kind === "start" || message.kind === "work") {
      const memory = message.memory ?? new WebAssembly.Memory({ initial: 16, maximum: 65536 });
      const engine = await Engine.create(message.module, memory);
      if (message.kind === "work") return engine.work(message.stackTop);
      engine.start(message.threads);
      this.#engine = engine;
      this.#post({ kind: "ready", heapBase: engine.heapBase, vectorWidth: engine.vectorWidth }, []);
    } else if (this.#engine !== undefined) {
      this.#handle(this.#engine, message);
    }
  }

  #handle(engine: Engine, message: Exclude<Message, { kind: "start" | "work" }>): void {
    switch (message.kind) {
      case "load":
        this.#settle(engine, [], () => {
          const { words, end } = message.image.at;
          if (!engine.reach(end)) return noMemory(end - words);
          engine.load(message.image);
          return undefined;
        });
        break;
      case "clear":
        this.#settle(engine, [], () => {
          const { block, bytes } = message;
          if (!engine.reach(block + bytes)) {
            this.#refused.add(block);
            return noMemory(bytes);
          }
          this.#refused.delete(block);
          engine.bytes(block, bytes).fill(0);
          return undefined;
        });
        break;
      case "unload":
        engine.unload(message.program);
        break;
      case "store":
        engine.bytes(message.address, message.data.length).set(message.data);
        break;
      case "run":
        this.#settle(engine, message.fetch, () => {
          const { request, store, top } = message;
          const fault = this.#fault(request.state);
          if (fault !== undefined) return fault;
          if (!engine.reach(top)) return noMemory(top - request.scratch);
          for (const [address, data] of store) engine.bytes(address, data.length).set(data);
          return engine.run(request);
        });
        break;
      case "read":
        this.#settle(engine, [message.place], () => this.#fault(message.block));
        break;
      case "write":
        this.#settle(engine, [], () => {
          const fault = this.#fault(message.block);
          const [address, data] = message.stored;
          if (fault === undefined) engine.bytes(address, data.length).set(data);
          return fault;
        });
        break;
    }
  }

  #fault(block: number): Fault | undefined {
    return this.#refused.has(block) ? noMemory(0) : undefined;
  }

  #settle(engine: Engine, fetch: readonly Place[], job: () => Fault | undefined): void {
    try {
      const fault = job();
      if (fault !== undefined) {
        this.#post({ kind: "settled", fault, fetched: [] }, []);
        return;
      }
      const fetched = fetch.map(([address, bytes]) => engine.bytes(address, bytes).slice());
      this.#post(
        { kind: "settled", fetched },
        fetched.map((array) => array.buffer),
      );
    } catch (error) {
      this.#post({ kind: "settled", trap: String(error), fetched: [] }, []);
    }
  }
}
