import type { Fault } from "./fault.js";

/** What became of a job: nothing to say (it is done), the VM stopped, or the executor itself broke. */
export type Outcome = undefined | Fault | Error;

interface Job {
  readonly done: () => void;
  readonly failed: (error: Error) => void;
  /** The words for a fault. */
  readonly explain: (fault: Fault) => Error;
  /** Held until the job is settled: arrays and handles that the executor reads without the garbage collector knowing. */
  readonly keep: unknown;
}

/** The jobs submitted to an executor and not yet settled. Executors settle them in the order of submission. */
export class Jobs {
  readonly #waiting: Job[] = [];
  readonly #idle: (() => void)[] = [];

  get pending(): number {
    return this.#waiting.length;
  }

  add(keep: unknown, explain: (fault: Fault) => Error): Promise<void> {
    return new Promise((done, failed) => {
      this.#waiting.push({ done, failed, explain, keep });
    });
  }

  /** Settles the job that was submitted first. */
  settle(outcome: Outcome): void {
    const job = this.#waiting.shift();
    if (outcome === undefined) job?.done();
    else job?.failed(outcome instanceof Error ? outcome : job.explain(outcome));
    if (this.#waiting.length === 0) {
      for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  /** Resolves when nothing is pending. */
  idle(): Promise<void> {
    if (this.#waiting.length === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idle.push(resolve);
    });
  }
}
