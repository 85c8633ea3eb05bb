import type { StateVariable, SymbolicTensor } from "../graph/ir.js";
import { drawCounter } from "../graph/ops/random.js";
import { input, zeros } from "../graph/ops/source.js";
import { callContext, type Layer, LayerNames } from "./layer.js";

/** A layer traced for a test: what it warned about, and the states it wrote. */
export interface Traced {
  readonly outputs: readonly SymbolicTensor[];
  readonly warnings: readonly string[];
  readonly states: ReadonlyMap<StateVariable, SymbolicTensor>;
}

/** Names and builds a layer and traces it on x; weights are inputs of the graph by their names, the seed is `seed`. */
export function trace(
  layer: Layer,
  x: SymbolicTensor,
  { training = false, further = [] }: { training?: boolean; further?: readonly SymbolicTensor[] } = {},
): Traced {
  const warnings: string[] = [];
  const states = new Map<StateVariable, SymbolicTensor>();
  const context = callContext({
    training,
    random: { seed: input("seed", [2], "int32") },
    countDraw: drawCounter(),
    weight: ({ name, shape }) => input(name, shape),
    readState: (variable) => states.get(variable) ?? zeros(variable.shape),
    writeState: (variable, value) => states.set(variable, value),
    warn: (message) => warnings.push(message),
  });
  new LayerNames().add(layer);
  layer.build([x, ...further]);
  return { outputs: layer.callChecked([x, ...further], context), warnings, states };
}
