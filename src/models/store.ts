import type { TypedArray } from "../dtype.js";
import type { StateVariable } from "../graph/ir.js";
import { layoutState, type StateLayout } from "../plan/state.js";
import type { Backend, Memory } from "../runtime/backend.js";
import { sizeOf } from "../tensor.js";

/** Bytes of one element of a state variable: all are of 32 bits. */
const wordBytes = 4;

/** Elements that go from one variable to another. */
export interface Move {
  readonly store: Store;
  readonly from: StateVariable;
  readonly begin: number;
  readonly to: StateVariable;
  readonly at: number;
  readonly size: number;
}

/** A model's state in a backend's memory: every variable at its place, laid out anew when the list of variables changes. */
export class Store {
  #variables: readonly StateVariable[] = [];
  #layout: StateLayout = layoutState([]);
  #memory: Memory | undefined;

  constructor(readonly backend: Backend) {}

  get layout(): StateLayout {
    return this.#layout;
  }

  get memory(): Memory {
    if (this.#memory === undefined) throw new Error("a model's state was used before it was laid out");
    return this.#memory;
  }

  has(variable: StateVariable): boolean {
    return this.#layout.offsets.has(variable);
  }

  /**
   * Makes room for exactly these variables; those that were there keep their values, new ones have their first value but for what is moved.
   *
   * @param moves elements that come from other variables, of this store or another
   * @returns whether anything moved, so that programs planned before are stale
   */
  async hold(variables: readonly StateVariable[], moves: readonly Move[] = []): Promise<boolean> {
    const same =
      variables.length === this.#variables.length && variables.every((v, i) => v === this.#variables[i]);
    if (same && moves.length === 0 && this.#memory !== undefined) return false;
    const layout = layoutState(variables);
    const memory = this.backend.allocate(layout.bytes);
    try {
      for (const variable of variables) {
        const offset = layout.offsets.get(variable);
        if (offset === undefined) continue;
        if (this.has(variable)) await memory.write(offset, await this.read(variable));
        else if (variable.initial)
          await memory.write(offset, new Float32Array(sizeOf(variable.shape)).fill(variable.initial));
      }
      for (const { store, from, begin, to, at, size } of moves) {
        const offset = layout.offsets.get(to);
        if (offset === undefined) continue;
        await memory.write(offset + at * wordBytes, await store.read(from, begin, size));
      }
      // A memory that was refused says so when it is used, and must not become the model's.
      await memory.read(0, new Uint8Array(0));
    } catch (error) {
      memory.free();
      throw error;
    }
    this.#memory?.free();
    this.#variables = variables;
    this.#layout = layout;
    this.#memory = memory;
    return true;
  }

  /** `size` elements of a variable from element `begin`; default: all. */
  async read(variable: StateVariable, begin = 0, size = sizeOf(variable.shape)): Promise<TypedArray> {
    const into = variable.dtype === "float32" ? new Float32Array(size) : new Int32Array(size);
    await this.memory.read(this.#at(variable, begin), into);
    return into;
  }

  /** Sets elements of a variable from element `begin`, before everything submitted later. */
  async write(variable: StateVariable, from: TypedArray, begin = 0): Promise<void> {
    const writes = variable.role === "weight" ? "weights" : "states";
    await this.memory.write(this.#at(variable, begin), from, writes);
  }

  /** Gives the memory back at once. */
  free(): void {
    this.#memory?.free();
    this.#memory = undefined;
  }

  #at(variable: StateVariable, element: number): number {
    const offset = this.#layout.offsets.get(variable);
    if (offset === undefined) throw new Error(`the state has no variable ${variable.name}`);
    return offset + element * wordBytes;
  }
}
