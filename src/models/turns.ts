import { RondoError } from "../errors.js";

/**
 * What of a model's work is under way and what it excludes, and whether the model stays ready for synchronous calls. Work
 * itself is done in the order in which it was submitted, by the backend.
 */
export class Turns {
  readonly #stateful: () => boolean;
  readonly #prepareSync: () => Promise<void>;
  /** Runs that change weights or states. */
  #writing = 0;
  /** Runs whose figures are those of the present loss and metrics. */
  #measuring = 0;
  #fitting = false;
  #staysReady = false;

  /**
   * @param stateful whether the model has recurrent states that every run changes
   * @param prepareSync makes synchronous calls possible until weights or states change
   */
  constructor(stateful: () => boolean, prepareSync: () => Promise<void>) {
    this.#stateful = stateful;
    this.#prepareSync = prepareSync;
  }

  /** Whether weights or states are being changed. */
  get writing(): boolean {
    return this.#writing > 0;
  }

  /** Whether the model is to be ready again after each run. */
  get staysReady(): boolean {
    return this.#staysReady;
  }

  /** Makes the model ready, from now on after each run. */
  async stayReady(): Promise<void> {
    this.#staysReady = true;
    await this.#prepareSync();
  }

  requireNoFit(where: string): void {
    if (!this.#fitting) return;
    throw new RondoError({
      where,
      received: "a call while the model is being fitted",
      expected: "no fit under way",
      fix: "Await the fit first",
    });
  }

  /** Refuses while figures are being computed. */
  requireIdle(where: string): void {
    this.requireNoFit(where);
    if (this.#measuring === 0) return;
    throw new RondoError({
      where,
      received: "a call while the model is being evaluated or trained",
      expected: "no evaluate, trainOnBatch or testOnBatch under way",
      fix: "Await it first",
    });
  }

  /** A fit: refuses another, and steps by hand. */
  async fit<R>(work: () => Promise<R>): Promise<R> {
    this.#fitting = true;
    try {
      return await this.measure("train", work);
    } finally {
      this.#fitting = false;
    }
  }

  /** What needs the loss and the metrics to stay as they are. */
  async measure<R>(kind: "train" | "evaluate", work: () => Promise<R>): Promise<R> {
    this.#measuring++;
    try {
      return await (kind === "train" ? this.write(work) : this.step(work));
    } finally {
      this.#measuring--;
    }
  }

  /** What changes weights or states. */
  async write<R>(work: () => Promise<R>): Promise<R> {
    this.#writing++;
    try {
      return await this.look(work);
    } finally {
      this.#writing--;
    }
  }

  /** What changes the states of a stateful model, and nothing else. */
  step<R>(work: () => Promise<R>): Promise<R> {
    return this.#stateful() ? this.write(work) : this.look(work);
  }

  /** What changes nothing. (Whatever runs first after a compile moves the state all the same.) */
  async look<R>(work: () => Promise<R>): Promise<R> {
    let result: R;
    try {
      result = await work();
    } catch (error) {
      // The work's own error says more than that of a backend that works no more.
      if (this.#staysReady) await this.#prepareSync().catch(() => undefined);
      throw error;
    }
    if (this.#staysReady) await this.#prepareSync();
    return result;
  }
}
