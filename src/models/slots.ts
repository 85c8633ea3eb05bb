import type { StateVariable } from "../graph/ir.js";
import type { Tensor } from "../tensor.js";

/** Everything that training changes, on the host. */
export interface EngineSnapshot {
  /** In the order of `getWeights`. */
  readonly weights: readonly Tensor<"float32">[];
  /** Recurrent states of stateful layers. */
  readonly states: readonly Tensor[];
  /** Training steps so far: random draws hang on it. */
  readonly step: number;
  /** Undefined before `compile`. */
  readonly optimizer: OptimizerSnapshot | undefined;
  /** From which dropout and its like follow; left out: the model's stays. */
  readonly seed?: number;
}

/** What an optimizer keeps. */
export interface OptimizerSnapshot {
  /** Steps so far. */
  readonly iterations: number;
  /** Undefined under a schedule. */
  readonly learningRate: number | undefined;
  /** By the names of the slots: one array for each trained weight, in Keras's order, or one number. */
  readonly slots: ReadonlyMap<string, readonly Tensor<"float32">[]>;
}

/** Where the part of a slot lies that belongs to a weight; one number for all lies in every group's, nothing nowhere. */
export interface SlotPlace {
  readonly variables: readonly StateVariable[];
  readonly offset: number;
  readonly shape: readonly number[];
}
