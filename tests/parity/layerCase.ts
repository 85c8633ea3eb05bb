import type { Graph, StateVariable, SymbolicTensor } from "../../src/graph/ir.js";
import { add, mul } from "../../src/graph/ops/elementwise.js";
import { sum } from "../../src/graph/ops/reduce.js";
import { stopGradient } from "../../src/graph/ops/shape.js";
import { input, zeros } from "../../src/graph/ops/source.js";
import { type Cell, callContext, type Layer, LayerNames, layers } from "../../src/layers/index.js";
import { gradients } from "../../src/passes/autodiff.js";
import type { GoldenCase, GoldenTensor, GoldenTensors } from "../golden/load.js";
import { known } from "../reference.js";

/** A golden case as a graph: its outputs, and the gradients of the sum of the weighted outputs, by golden names. */
export interface LayerCase {
  readonly graph: Graph;
  /** The arrays of the graph's inputs, by name. */
  readonly inputs: Readonly<Record<string, GoldenTensor>>;
  /** What the reference computed, by the names of the graph's outputs. */
  readonly expected: Readonly<Record<string, GoldenTensor>>;
}

type Config = Readonly<Record<string, unknown>>;
interface Described {
  readonly kind: string;
  readonly config: Config;
}

const makers = layers as unknown as Readonly<Record<string, (options: Config) => Layer>>;
const make = ({ kind, config }: Described): Layer => known(makers[kind], kind)(config);
const makeCell = ({ kind, config }: Described): Cell =>
  known(makers[`${kind}Cell`], kind)(config) as unknown as Cell;

/** The layer that a golden case describes; wrappers name what is inside by kind and config. */
function layerOf({ kind, config }: Described): Layer {
  if (kind === "bidirectional")
    return make({ kind, config: { ...config, layer: make(config.layer as Described) } });
  if (kind !== "rnn") return make({ kind, config });
  const { cells, ...rest } = config;
  return make({ kind, config: { ...rest, cell: (cells as readonly Described[]).map(makeCell) } });
}

const prefixed = (tensors: GoldenTensors, prefix: string): Record<string, GoldenTensor> =>
  Object.fromEntries(Object.entries(tensors).map(([key, tensor]) => [`${prefix}${key}`, tensor]));

/** Values of one part of a case, as inputs of the graph. */
const inputsOf = (tensors: GoldenTensors, prefix: string): Record<string, SymbolicTensor> =>
  Object.fromEntries(
    Object.entries(tensors).map(([key, { shape }]) => [
      key,
      input(`${prefix}${key}`, shape, key.startsWith("mask") ? "bool" : "float32"),
    ]),
  );

/** Traces a recurrent layer's case; stateful cases make three calls, each from the state of the one before. */
export function layerCase(golden: GoldenCase): LayerCase {
  const given = inputsOf(golden.inputs, "input ");
  const weighing = inputsOf(golden.lossWeights, "weight of ");
  const values = inputsOf(golden.weights, "");
  const layer = layerOf(golden);
  new LayerNames().add(layer);
  layer.build([known(given.x ?? given.x1, "x")]);
  const weights = new Map(
    layer.weights().map((weight, i) => [weight, known(Object.values(values)[i], weight.name)]),
  );
  const states = new Map<StateVariable, SymbolicTensor>();
  const context = callContext({
    training: false,
    random: { seed: input("seed", [2], "int32") },
    countDraw: () => 0,
    weight: (weight) => known(weights.get(weight), weight.name),
    readState: (variable) => states.get(variable) ?? zeros(variable.shape),
    writeState: (variable, value) => states.set(variable, stopGradient(value)),
  });
  const outputs: Record<string, SymbolicTensor> = {};
  const runs = given.x === undefined ? ["1", "2", "3"] : [""];
  for (const run of runs) {
    const x = known(given[`x${run}`], "x");
    const initial = Object.entries(given).filter(([key]) => run === "" && key !== "x" && key !== "mask");
    const results = layer.callChecked(
      [x.withMask(given[`mask${run}`]), ...initial.map(([, state]) => state)],
      context,
    );
    const names = Object.keys(golden.outputs).filter((name) => name.endsWith(run));
    if (names.length !== results.length) throw new Error(`${golden.name}: ${results.length} outputs`);
    let loss: SymbolicTensor = zeros([]);
    names.forEach((name, i) => {
      const y = known(results[i], name).withMask(undefined);
      outputs[`output ${name}`] = y;
      loss = add(loss, sum(mul(y, known(weighing[name], name))));
    });
    const targets = { ...(run === "" ? given : { x }), ...values };
    const keys = Object.keys(targets).filter((key) => key !== "mask");
    gradients(
      loss,
      keys.map((key) => known(targets[key as keyof typeof targets], key)),
    ).forEach((gradient, i) => {
      const key = known(keys[i], "gradient");
      outputs[`gradient ${key}${run}`] =
        gradient ?? zeros(known(targets[key as keyof typeof targets], key).shape);
    });
  }
  const all = { ...given, ...weighing, ...values };
  return {
    graph: { name: golden.name, inputs: Object.values(all), outputs, updates: [] },
    inputs: {
      ...prefixed(golden.inputs, "input "),
      ...prefixed(golden.lossWeights, "weight of "),
      ...golden.weights,
    },
    expected: { ...prefixed(golden.outputs, "output "), ...prefixed(golden.gradients, "gradient ") },
  };
}
