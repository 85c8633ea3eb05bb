import type { Dtype } from "../dtype.js";
import type { Shape } from "../graph/dim.js";
import type { StateVariable, SymbolicTensor } from "../graph/ir.js";
import type { RandomSource } from "../graph/ops/random.js";
import type { Initializer } from "./initializers.js";

/** One array of weights: what a layer declares when it is built, what files and optimizers see (Keras's layout). */
export interface Weight {
  /** `kernel`, `recurrent_kernel`, `bias`: Keras's names, unique within the layer. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: "float32";
  readonly initializer: Initializer;
  readonly trainable: boolean;
}

/** What a layer gets while it is traced. */
export interface CallContext {
  readonly training: boolean;
  /** Random numbers of this step; the stream of a draw comes from the layer's name (`streamOf`). */
  readonly random: RandomSource;
  /** The value of one of the layer's weights. */
  weight(weight: Weight): SymbolicTensor;
  /** Reads a state of the layer (stateful recurrence) as it was before this run. */
  readState(variable: StateVariable): SymbolicTensor;
  /** Sets a state at the end of this run. */
  writeState(variable: StateVariable, value: SymbolicTensor): void;
  /** Says something once per model: a mask that is dropped, for example. */
  warn(message: string): void;
}

/** Shape of a layer's input or output for a batch: the first axis is the batch and may be a symbol. */
export type BatchShape = Shape;

export interface LayerOptions {
  /** Unique within a model; default: the class name in snake case with a number, as Keras names layers. */
  readonly name?: string;
  /** Default true. */
  readonly trainable?: boolean;
  readonly dtype?: Dtype;
}
