import { CallSite, RondoError, withAwaiter } from "../errors.js";

/**
 * What a method does to weights and states. Looks may overlap; a write comes alone. A prediction is a look that a fit lets
 * in between its steps.
 */
export type Effect = "look" | "write" | "prediction";

/** Work that takes its turn. It calls `submitted` when later work may begin: all its runs have been submitted. */
export type Work<R> = (submitted: () => void) => Promise<R>;

/**
 * A method of the model, whose call has just begun, for its place in errors. `quick`: one of few microseconds, whose place
 * is looked for when there is an error, where it is awaited.
 */
export interface Method {
  readonly method: CallableFunction;
  readonly quick?: boolean;
}

/**
 * Work in the order in which it was asked for. A write begins when everything asked for before it was submitted, and what
 * is asked for after it begins when the write was submitted; the backend keeps that order.
 */
class Order {
  /** When the last write was submitted. */
  #written: Promise<unknown>;
  /** The same of the looks since then. */
  #looks = new Set<Promise<void>>();

  /** @param opened when the first work may begin */
  constructor(opened: Promise<void> = Promise.resolve()) {
    this.#written = opened;
  }

  async take<R>(writes: boolean, work: Work<R>): Promise<R> {
    const looks = this.#looks;
    const before = writes && looks.size > 0 ? Promise.all([this.#written, ...looks]) : this.#written;
    let submitted = () => {};
    const left = new Promise<void>((resolve) => {
      submitted = resolve;
    });
    if (writes) {
      this.#written = left;
      this.#looks = new Set();
    } else {
      looks.add(left);
    }
    try {
      await before;
      return await work(submitted);
    } finally {
      submitted();
      looks.delete(left);
    }
  }
}

/**
 * Whose turn it is to use a model, or several that share weights: each method has the effect of its place in the order of calls. A fit is one piece of
 * work in that order, and has an order of its own within: of its steps, of what its callbacks call, and of predictions,
 * which are let in between the steps. Also: what excludes what, and whether the model stays ready for synchronous calls.
 */
export class Turns {
  /** Prepares models for synchronous calls, after each run. */
  readonly #ready = new Set<() => Promise<void>>();
  /** Work that has been asked for and has not ended. */
  #running = 0;
  readonly #order = new Order();
  /** Within the fit that was asked for and has not ended. */
  #fit: Order | undefined;
  /** Callbacks of the fit that are at work. */
  readonly #fitHooks = new Hooks();
  /** Callbacks at work of an evaluate or predict, which has its turn meanwhile. */
  readonly #hooks = new Hooks();
  /** Work asked for and not done that changes weights or states. */
  #writing = 0;
  /** Work whose figures are those of the present loss and metrics. */
  #measuring = 0;

  /** Whether nothing is under way. */
  get idle(): boolean {
    return this.#running === 0;
  }

  /** Whether weights or states are being changed. */
  get writing(): boolean {
    return this.#writing > 0;
  }

  /** Whether a model is to be ready again after each run. */
  staysReady(prepare: () => Promise<void>): boolean {
    return this.#ready.has(prepare);
  }

  /** Whether a callback of the fit is at work. */
  get inCallback(): boolean {
    return this.#fitHooks.count > 0;
  }

  /** Makes a model ready, from now on after each run. */
  async stayReady(prepare: () => Promise<void>): Promise<void> {
    this.#ready.add(prepare);
    await prepare();
  }

  requireNoFit(where: string): void {
    if (this.#fit === undefined) return;
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

  /** What needs the loss and the metrics to stay as they are. */
  async measure<R>(called: Method, effect: Effect, work: Work<R>): Promise<R> {
    this.#measuring++;
    try {
      return await this.take(called, effect, work);
    } finally {
      this.#measuring--;
    }
  }

  /**
   * A fit: refuses another, and steps by hand.
   *
   * @param work is given what takes a turn within the fit
   */
  async fit<R>(
    called: Method,
    work: (step: <S>(writes: boolean, work: Work<S>) => Promise<S>) => Promise<R>,
  ): Promise<R> {
    this.#requireNoHook(called);
    let open = () => {};
    const within = new Order(
      new Promise((resolve) => {
        open = resolve;
      }),
    );
    this.#fit = within;
    this.#measuring++;
    try {
      return await this.#run(this.#order, called, true, async () => {
        open();
        try {
          return await work((writes, step) => within.take(writes, step));
        } finally {
          this.#fit = undefined;
          await within.take(true, async () => {}); // after all that was let in
        }
      });
    } finally {
      this.#measuring--;
    }
  }

  /** Work in its turn. */
  async take<R>(called: Method, effect: Effect, work: Work<R>): Promise<R> {
    const writes = effect === "write";
    if (this.#hooks.count > 0) {
      // The turn is that of the run whose callback this is.
      if (writes) this.#requireNoHook(called);
      return await this.#run(undefined, called, false, work);
    }
    const letIn = this.#fitHooks.count > 0 || effect === "prediction";
    return await this.#run((letIn ? this.#fit : undefined) ?? this.#order, called, writes, work);
  }

  /** Refuses what would wait for the run whose callback calls it. (Whoever calls while a callback is at work looks so.) */
  #requireNoHook({ method }: Method): void {
    if (this.#hooks.count === 0) return;
    throw new RondoError({
      where: method.name,
      received: "a call while a callback of evaluate or predict is at work",
      expected: "calls there that change neither weights nor states",
      fix: "Call it after evaluate or predict, or await them before",
    });
  }

  async #run<R>(
    order: Order | undefined,
    { method, quick }: Method,
    writes: boolean,
    work: Work<R>,
  ): Promise<R> {
    const call = quick === true ? undefined : new CallSite(method);
    if (writes) this.#writing++;
    this.#running++;
    let result: R;
    try {
      result = await (order === undefined ? work(() => {}) : order.take(writes, work));
    } catch (error) {
      if (writes) this.#writing--;
      this.#running--;
      // The work's own error says more than that of a backend that works no more.
      await this.#makeReady().catch(() => undefined);
      throw call === undefined ? withAwaiter(method, error) : call.extend(error);
    }
    if (writes) this.#writing--;
    this.#running--;
    await this.#makeReady();
    return result;
  }

  /** After the last of what changes the state. */
  async #makeReady(): Promise<void> {
    if (this.writing) return;
    for (const prepare of this.#ready) await prepare();
  }

  /** What is done around each callback of a fit: what it calls is let in between the steps. */
  readonly aroundFitHooks = this.#fitHooks.around;

  /** What is done around each callback of an evaluate or predict. */
  readonly aroundHooks = this.#hooks.around;
}

/** Callbacks at work. */
class Hooks {
  count = 0;

  readonly around = async (hook: () => unknown): Promise<void> => {
    this.count++;
    try {
      await hook();
    } finally {
      this.count--;
    }
  };
}
