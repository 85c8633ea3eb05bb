import { Engine, type EngineRun, type Image } from "./engine.js";
import { type Fault, outOfMemory } from "./fault.js";
import type { Place } from "./staging.js";

/**
 * What the caller's thread tells a worker. It hands out the addresses; `top` is how far the memory must reach.
 * `run`, `read` and `write` are jobs: each is answered by one `Settled`, in order.
 */
export type Message =
  /** Become the one that runs. Without a memory, make one. Answered by `Ready`. */
  | { kind: "start"; module: WebAssembly.Module; memory: WebAssembly.Memory | undefined; threads: number }
  /** Become one of the threads that compute for it, for ever. */
  | { kind: "work"; module: WebAssembly.Module; memory: WebAssembly.Memory; stackTop: number }
  | { kind: "load"; top: number; image: Image }
  | { kind: "unload"; program: number }
  | { kind: "clear"; top: number; address: number; bytes: number }
  | { kind: "store"; address: number; data: Uint8Array }
  | { kind: "run"; top: number; request: EngineRun; store: readonly Stored[]; fetch: readonly Place[] }
  | { kind: "read"; top: number; place: Place }
  | { kind: "write"; top: number; stored: Stored };

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
      // A block or a program that the memory has no room for fails the jobs that use it.
      case "load":
        if (engine.reach(message.top)) engine.load(message.image);
        break;
      case "clear":
        if (engine.reach(message.top)) engine.bytes(message.address, message.bytes).fill(0);
        break;
      case "unload":
        engine.unload(message.program);
        break;
      case "store":
        engine.bytes(message.address, message.data.length).set(message.data);
        break;
      case "run":
        this.#settle(engine, message.top, message.fetch, () => {
          for (const stored of message.store) store(engine, stored);
          return engine.run(message.request);
        });
        break;
      case "read":
        this.#settle(engine, message.top, [message.place], () => undefined);
        break;
      case "write":
        this.#settle(engine, message.top, [], () => store(engine, message.stored));
        break;
    }
  }

  #settle(engine: Engine, top: number, fetch: readonly Place[], job: () => Fault | undefined): void {
    if (!engine.reach(top)) {
      const fault = { status: outOfMemory, opcode: 0, word: 0, details: [Math.ceil(top / 2 ** 20)] };
      this.#post({ kind: "settled", fault, fetched: [] }, []);
      return;
    }
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

function store(engine: Engine, [address, data]: Stored): undefined {
  engine.bytes(address, data.length).set(data);
}
