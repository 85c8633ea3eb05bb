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

/** The jobs submitted to an executor and not yet settled, by number. Executors settle each once, in whatever order. */
export class Jobs {
  readonly #waiting = new Map<number, Job>();
  /** Who waits for all jobs up to a number. */
  readonly #watchers: { readonly upTo: number; readonly resolve: () => void }[] = [];
  #last = 0;

  /**
   * Submits a job: `post` hands its number to the executor.
   *
   * @returns a promise that settles with the job; what `post` throws is thrown, and there is no job then
   */
  submit(keep: unknown, explain: (fault: Fault) => Error, post: (job: number) => void): Promise<void> {
    const number = ++this.#last;
    post(number);
    return new Promise((done, failed) => {
      this.#waiting.set(number, { done, failed, explain, keep });
    });
  }

  settle(number: number, outcome: Outcome): void {
    const job = this.#waiting.get(number);
    this.#waiting.delete(number);
    if (outcome === undefined) job?.done();
    else job?.failed(outcome instanceof Error ? outcome : job.explain(outcome));
    const [oldest = Number.POSITIVE_INFINITY] = this.#waiting.keys();
    for (
      let first = this.#watchers[0];
      first !== undefined && first.upTo < oldest;
      first = this.#watchers[0]
    ) {
      this.#watchers.shift();
      first.resolve();
    }
  }

  /** Resolves when everything submitted so far is done. */
  done(): Promise<void> {
    if (this.#waiting.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#watchers.push({ upTo: this.#last, resolve });
    });
  }
}
