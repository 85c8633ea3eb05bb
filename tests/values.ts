// What the interpreter of graphs (reference.ts) computes with.
import type { Bindings } from "../src/graph/ir.js";

/** An array of numbers of any dtype, row-major; bools are 0 and 1. */
export interface Values {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** What a graph is run on: values by the names of its inputs and of its state variables, and numbers for its symbols. */
export interface Run {
  readonly inputs?: Readonly<Record<string, Values>>;
  readonly state?: Readonly<Record<string, Values>>;
  readonly bindings?: Bindings;
}
