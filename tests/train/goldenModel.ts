import {
  type Backend,
  layers,
  losses,
  Sequential as Model,
  optimizers,
  type Sequential,
} from "../../src/index.js";
import type { Layer } from "../../src/layers/index.js";
import type { CompileOptions } from "../../src/train/index.js";
import type { GoldenCase, GoldenOption } from "../golden/load.js";
import { known } from "../reference.js";

interface Spec {
  readonly kind: string;
  readonly config: Readonly<Record<string, GoldenOption>>;
}

/** A layer (loss, optimizer) from its kind and options. */
export function fromSpec<T>(makers: Readonly<Record<string, unknown>>, spec: GoldenOption | undefined): T {
  const { kind, config } = spec as unknown as Spec;
  const options = Object.fromEntries(
    Object.entries(config).map(([name, value]) => [name, name === "layer" ? fromSpec(layers, value) : value]),
  );
  return (known(makers[kind], kind) as (options: object) => T)(options);
}

/** The layers of a golden model. */
export const goldenLayers = ({ config }: GoldenCase): Layer[] =>
  (config.layers as readonly GoldenOption[]).map((spec) => fromSpec<Layer>(layers, spec));

/** How a golden model is trained. */
export const goldenObjective = ({ config }: GoldenCase): CompileOptions => ({
  optimizer: fromSpec(optimizers, config.optimizer),
  loss: fromSpec<Extract<CompileOptions["loss"], object>>(losses, config.loss),
});

/** A golden model, compiled. */
export function goldenModel(golden: GoldenCase, backend: Backend): Sequential {
  const shape = known(golden.inputs.x, "x").shape.slice(1);
  const model = new Model([layers.inputLayer({ shape }), ...goldenLayers(golden)], { seed: 1, backend });
  model.compile(goldenObjective(golden));
  return model;
}
