import { inTurns } from "../breather.js";
import { RondoError } from "../errors.js";
import type { StateVariable } from "../graph/ir.js";
import type { Component, WeightEntry } from "../layers/component.js";
import type { Weight } from "../layers/layer.js";
import { optimizeSteps } from "../passes/index.js";
import { planSteps } from "../plan/compile.js";
import type { Backend, Memory } from "../runtime/backend.js";
import { isRefusal } from "../runtime/fault.js";
import { sizeOf } from "../tensor.js";
import { Arrangement, type Place, separated } from "./parameters.js";
import { type Move, Store } from "./store.js";
import { type Assembly, initializationSteps } from "./trace.js";
import { Turns } from "./turns.js";

/** A model among those that share weights. */
export interface Member {
  /** Its weights in Keras's order, and whether training changes them now. */
  entries(): readonly WeightEntry[];
  /** What it trains since it was compiled; undefined before. */
  readonly trained: ReadonlySet<Weight> | undefined;
  readonly assembly: Omit<Assembly, "arrangement">;
  readonly seed: number;
  /** Takes on a new arrangement of the weights, and says where the elements of its slots come from. */
  arrange(arrangement: Arrangement): readonly Omit<Move, "store">[];
  /** Its state besides the weights. */
  variables(): readonly StateVariable[];
  /** The memory is another one: programs are stale. Resolves when it is as ready for synchronous calls as before. */
  moved(): Promise<void>;
}

/** Which models a layer belongs to. A layer object is all that models share, so it is what leads from one to the others. */
const owners = new WeakMap<Component, Commons>();

/**
 * What models over the same layers have in common, as in Keras: weights and recurrent states, the memory that they lie in,
 * and the order of work on them. A model alone has one for itself.
 */
export class Commons {
  readonly turns = new Turns();
  readonly #members = new Set<WeakRef<Member>>();
  readonly #made = new Set<Weight>();
  /** Counters that have their seed. */
  readonly #seeded = new WeakSet<StateVariable>();
  /** Of another one that was joined, and whose memory is still to be brought over. */
  readonly #pending: Commons[] = [];
  #into: Commons | undefined;
  #store: Store | undefined;
  #arrangement = new Arrangement([], () => undefined);
  #stale = true;
  #arranging = false;
  /** Preparations, one after the other. */
  #queue: Promise<unknown> = Promise.resolve();

  /**
   * The commons of models with these layers, made where there is none; those of several models become one.
   *
   * @throws RondoError where two must become one while one of them is at work
   */
  static of(layers: readonly Component[]): Commons {
    const parts = layers.flatMap(withParts);
    const found = new Set(parts.flatMap((part) => owners.get(part)?.current ?? []));
    const [first = new Commons(), ...others] = found;
    for (const other of others) first.#absorb(other);
    for (const part of parts) owners.set(part, first);
    return first;
  }

  /** This one, or what it was joined into. */
  get current(): Commons {
    return this.#into?.current ?? this;
  }

  get arrangement(): Arrangement {
    return this.#arrangement;
  }

  get memory(): Memory {
    return this.#stored.memory;
  }

  /** Where the weights are, once there are some. */
  get backend(): Backend | undefined {
    return this.#store?.backend;
  }

  get store(): Store {
    return this.#stored;
  }

  /** Whether everything is in memory and no preparation is due. */
  get settled(): boolean {
    return this.#store !== undefined && !this.#stale && !this.#arranging;
  }

  get #stored(): Store {
    if (this.#store === undefined) throw new Error("weights were used before they were made");
    return this.#store;
  }

  #absorb(other: Commons): void {
    if (!this.turns.idle || !other.turns.idle) {
      throw new RondoError({
        where: "a model of layers of two others",
        received: "a model that is at work",
        expected: "both at rest, because their weights become one",
        fix: "Await what was called on them first, or make the model before they are used",
      });
    }
    other.#into = this;
    this.#pending.push(other);
    for (const member of other.#members) this.#members.add(member);
    this.#stale = true;
  }

  /** A model joins. */
  add(member: Member): void {
    this.#members.add(new WeakRef(member));
    this.#stale = true;
  }

  /** What is arranged no longer fits: a model was compiled, or has more weights. */
  invalidate(): void {
    this.#stale = true;
  }

  get #alive(): Member[] {
    const alive: Member[] = [];
    for (const reference of this.#members) {
      const member = reference.deref();
      if (member === undefined) this.#members.delete(reference);
      else alive.push(member);
    }
    return alive;
  }

  /**
   * Lays out the weights and the states of all members, makes what is new, and then does what `work` says. One after the
   * other, with the event loop turning; where memory is refused, once more when everyone has given back what is not in use.
   */
  prepare<R>(backend: Backend, work: () => Promise<R>): Promise<R> {
    const done = this.#queue.then(() =>
      withRoom(backend, async () => {
        await this.#arrange(backend);
        return work();
      }),
    );
    this.#queue = done.catch(() => {});
    return done;
  }

  async #arrange(backend: Backend): Promise<void> {
    if (!this.#stale) return;
    this.#store ??= new Store(backend);
    if (this.#store.backend !== backend) {
      throw new RondoError({
        where: "a model over layers of another one",
        received: `the backend ${backend.name} beside ${this.#store.backend.name}`,
        expected: "one backend, because they share their weights",
        fix: "Give both models the same backend",
      });
    }
    this.#stale = false; // what changes meanwhile makes it stale again
    this.#arranging = true;
    try {
      await this.#layOut(this.#store);
    } catch (error) {
      this.#stale = true;
      throw error;
    } finally {
      this.#arranging = false;
    }
  }

  async #layOut(store: Store): Promise<void> {
    const members = this.#alive;
    const entries = new Map<Weight, WeightEntry>();
    const paths = new Set<string>();
    for (const member of members)
      for (const entry of member.entries()) {
        if (entries.has(entry.weight)) continue;
        entries.set(entry.weight, { ...entry, path: free(entry.path, paths) });
      }
    const before = this.#arrangement;
    const compiled = members.filter(({ trained }) => trained !== undefined);
    const arrangement = new Arrangement(
      [...entries.values()],
      separated(({ weight, trainable }) => {
        const trainers = compiled.flatMap((m, i) => (m.trained?.has(weight) ? [i] : []));
        return compiled.length === 0 ? String(trainable) : trainers.join();
      }),
      before,
    );
    const moves: Move[] = [];
    for (const group of arrangement.groups) {
      if (before.groups.includes(group)) continue;
      for (const to of group.places) {
        const source = this.#sourceOf(to.weight, store, before);
        if (source !== undefined) moves.push({ ...source, to: to.variable, at: to.offset, size: to.size });
      }
    }
    const stores = [store, ...this.#pending.flatMap((other) => other.#store ?? [])];
    const holder = (variable: StateVariable) => stores.find((one) => one.has(variable));
    for (const member of members) {
      for (const move of member.arrange(arrangement)) {
        const from = holder(move.from);
        if (from !== undefined) moves.push({ ...move, store: from });
      }
      // What stays as it is, but comes from the memory of another.
      for (const variable of member.variables()) {
        const from = holder(variable);
        const size = sizeOf(variable.shape);
        if (from !== undefined && from !== store)
          moves.push({ store: from, from: variable, begin: 0, to: variable, at: 0, size });
      }
    }
    const variables = [...arrangement.variables, ...members.flatMap((member) => member.variables())];
    const moved = await store.hold([...new Set(variables)], moves);
    for (const other of this.#pending.splice(0)) other.#store?.free();
    this.#arrangement = arrangement;
    await this.#initialize(members, store);
    if (moved) for (const member of members) await member.moved();
  }

  /** Where a weight's value is now. */
  #sourceOf(
    weight: Weight,
    own: Store,
    before: Arrangement,
  ): Pick<Move, "store" | "from" | "begin"> | undefined {
    const candidates = [{ store: own, arrangement: before }];
    for (const other of this.#pending)
      if (other.#store !== undefined)
        candidates.push({ store: other.#store, arrangement: other.#arrangement });
    for (const { store, arrangement } of candidates) {
      const place: Place | undefined = arrangement.place(weight);
      if (place !== undefined && store.has(place.variable)) {
        this.#made.add(weight);
        return { store, from: place.variable, begin: place.offset };
      }
    }
    return undefined;
  }

  /** First values of weights that have none, each model's from its own seed. */
  async #initialize(members: readonly Member[], store: Store): Promise<void> {
    for (const member of members) {
      const { assembly, seed } = member;
      const { seed: variable } = assembly.counters;
      if (!this.#seeded.has(variable)) {
        await store.write(variable, seedWords(seed));
        this.#seeded.add(variable);
      }
      const entries = member.entries();
      const fresh = new Set(entries.flatMap(({ weight }) => (this.#made.has(weight) ? [] : [weight])));
      if (fresh.size === 0) continue;
      const whole: Assembly = { ...assembly, arrangement: this.#arrangement };
      const graph = await inTurns(
        optimizeSteps(await inTurns(initializationSteps(whole, (weight) => fresh.has(weight)))),
      );
      const { vectorWidth } = store.backend.capabilities;
      const program = store.backend.load(
        await inTurns(planSteps(graph, { bindings: {}, layout: store.layout, vectorWidth })),
        store.memory,
      );
      await program.run({ entry: "main", state: store.memory, inputs: [], outputs: [] });
      program.free();
      for (const weight of fresh) {
        const place = this.#arrangement.place(weight);
        if (weight.given !== null && place !== undefined)
          await store.write(place.variable, Float32Array.from(weight.given.data), place.offset);
        this.#made.add(weight);
      }
    }
  }
}

/** A seed as the counters hold it. */
export const seedWords = (seed: number): Int32Array =>
  Int32Array.of(seed | 0, Math.floor(seed / 2 ** 32) | 0);

/** A component with all that it is made of. */
const withParts = (component: Component): Component[] => [component, ...component.parts().flatMap(withParts)];

/** A path that no other weight has. */
function free(path: string, taken: Set<string>): string {
  let own = path;
  for (let i = 1; taken.has(own); i++) own = `${path}_${i}`;
  taken.add(own);
  return own;
}

/** Does what needs memory; where there is none, once more when everyone has given back what is not in use. */
async function withRoom<R>(backend: Backend, work: () => Promise<R>): Promise<R> {
  try {
    return await work();
  } catch (error) {
    if (!isRefusal(error)) throw error;
    await backend.reclaim();
    return work();
  }
}
