import type { Tensor } from "../tensor.js";

/** What can be kept in a file and comes back as it was: numbers (NaN and infinities too), texts, tensors, and lists and objects of them. */
export type Kept =
  | undefined
  | null
  | boolean
  | number
  | string
  | Tensor
  | readonly Kept[]
  | { readonly [name: string]: Kept };

/** How a fit is kept. */
export interface KeepingPlan {
  readonly folder: string;
  /** After how many epochs, steps and seconds a checkpoint is due; undefined: not by them. */
  readonly epochs: number | undefined;
  readonly steps: number | undefined;
  readonly seconds: number | undefined;
  /** How many of the newest checkpoints there are. */
  readonly keep: number;
  /** Whether they are taken away when the fit is done. */
  readonly deleteCheckpoint: boolean;
  /** Whether the epoch that has ended is the best so far, as far as that is watched. */
  improved(): boolean;
}
