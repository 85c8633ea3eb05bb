import type { SymbolicTensor } from "../../src/graph/ir.js";
import { type CompileOptions, type Measured, Objective } from "../../src/train/objective.js";

/** What an objective makes of one output. */
export const measured = (
  options: CompileOptions,
  yTrue: SymbolicTensor,
  yPred: SymbolicTensor,
  weight?: SymbolicTensor,
): Measured =>
  new Objective(options).measure({
    targets: [yTrue],
    predictions: [yPred],
    weights: [weight],
    penalties: [],
    added: [],
  });
