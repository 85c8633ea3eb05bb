import { RondoError } from "../errors.js";
import type { WorkerThread } from "./platform.js";
import type { Message, Ready, Reply, Settled } from "./wasm-worker.js";

/** The worker that runs, seen from the caller's thread. */
export class WasmServer {
  readonly ready: Promise<Ready>;
  readonly #worker: WorkerThread;
  #settled: (reply: Settled) => void = () => {};
  #failed: (error: Error) => void = () => {};
  #failure: Error | undefined;
  #started = false;

  constructor(worker: WorkerThread) {
    this.#worker = worker;
    this.ready = new Promise((resolve, reject) => {
      this.#failed = reject;
      const receive = (reply: Reply) => {
        if (reply.kind === "settled") this.#settled(reply);
        else if (reply.kind === "broken") this.fail(new Error(reply.reason));
        else {
          worker.hold(false);
          this.#started = true;
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
    this.#failure ??= !this.#started || error instanceof RondoError ? error : broken(error);
    this.#failed(this.#failure);
  }
}

function broken(cause: Error): RondoError {
  return new RondoError(
    {
      where: "wasm backend",
      received: `a worker that broke (${cause.message})`,
      expected: "workers that run until the backend is closed",
      fix: "Make a new backend with createBackend(); if it happens again, it is a defect of Rondo",
    },
    { cause },
  );
}
