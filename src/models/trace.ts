import { atOnce, type Steps } from "../breather.js";
import { RondoError, valueText } from "../errors.js";
import { type Shape, sameShape, shapeText } from "../graph/dim.js";
import { type Graph, type StateVariable, SymbolicTensor, type TensorType, type Update } from "../graph/ir.js";
import { add, cast } from "../graph/ops/elementwise.js";
import { drawCounter } from "../graph/ops/random.js";
import { input, read, zeros } from "../graph/ops/source.js";
import { type CallContext, callContext, type Layer } from "../layers/layer.js";
import { gradientSteps } from "../passes/autodiff.js";
import type { Objective } from "../train/objective.js";
import { clipGradients } from "../train/optimizers/clipping.js";
import type { Parameters } from "./parameters.js";

/** The state that every model has. */
export interface Counters {
  /** int32 [2]: the model's seed. */
  readonly seed: StateVariable;
  /** int32 []: training steps so far; random draws count with it. */
  readonly step: StateVariable;
}

export const makeCounters = (): Counters => ({
  seed: { name: "seed", shape: [2], dtype: "int32", role: "counter" },
  step: { name: "step", shape: [], dtype: "int32", role: "counter" },
});

/** The state of an optimizer on P parameters. */
export interface OptimizerState {
  /** float32 [] */
  readonly learningRate: StateVariable;
  /** int32 []: updates so far. */
  readonly iterations: StateVariable;
  /** float32 [P] each. */
  readonly slots: ReadonlyMap<string, StateVariable>;
}

export function makeOptimizerState(slots: readonly string[], parameters: Parameters): OptimizerState {
  const shape = parameters.trainable?.shape ?? [0];
  const slot = (name: string): StateVariable => ({
    name: `optimizer/${name}`,
    shape,
    dtype: "float32",
    role: "slot",
  });
  return {
    learningRate: { name: "learningRate", shape: [], dtype: "float32", role: "counter" },
    iterations: { name: "iterations", shape: [], dtype: "int32", role: "counter" },
    slots: new Map(parameters.trainable === undefined ? [] : slots.map((name) => [name, slot(name)])),
  };
}

/** What is traced: layers one after the other, and where their state lies. */
export interface Network {
  readonly layers: readonly Layer[];
  readonly parameters: Parameters;
  readonly counters: Counters;
  warn(message: string): void;
}

/** Types of the arrays that a graph is given: x, and for training and evaluation y and perhaps weights. */
export interface Types {
  readonly x: TensorType;
  readonly y?: TensorType;
  readonly sampleWeight?: Shape;
}

interface Forward {
  readonly prediction: SymbolicTensor;
  readonly weight: CallContext["weight"];
  readonly updates: Update[];
}

function* forward(network: Network, x: SymbolicTensor, training: boolean): Steps<Forward> {
  const { layers, parameters, counters } = network;
  const updates: Update[] = [];
  const weight = parameters.values();
  const context = callContext({
    training,
    random: { seed: read(counters.seed), step: read(counters.step) },
    countDraw: drawCounter(),
    weight,
    readState: read,
    writeState: (variable, value) => updates.push({ variable, value }),
    warn: network.warn,
  });
  let value = cast(x, "float32");
  for (const layer of layers) {
    yield;
    layer.build([value]);
    value = onlyOutput(layer, layer.callChecked([value], context));
  }
  return { prediction: value, weight, updates };
}

/** What a layer of a sequential model hands to the next one. */
export function onlyOutput<T>(layer: Layer, outputs: readonly T[]): T {
  const [only] = outputs;
  if (only !== undefined && outputs.length === 1) return only;
  throw layer.error(
    `a place in a sequential model, with ${outputs.length} outputs`,
    "one output",
    "Leave returnState out, or give mergeMode another value than null",
  );
}

/** Whether some of the prediction's steps are masked. */
export const isMasked = (network: Network, { x }: Types): boolean =>
  atOnce(forward(network, input("x", x.shape, x.dtype), false)).prediction.mask !== undefined;

/** x → prediction. */
export function* predictionSteps(network: Network, types: Types): Steps<Graph> {
  const x = input("x", types.x.shape, types.x.dtype);
  const { prediction, updates } = yield* forward(network, x, false);
  return { name: "predict", inputs: [x], outputs: { prediction: prediction.withMask(undefined) }, updates };
}

interface Measured extends Forward {
  readonly inputs: readonly SymbolicTensor[];
  readonly loss: SymbolicTensor;
  readonly figures: SymbolicTensor;
}

function* measured(network: Network, objective: Objective, types: Types, training: boolean): Steps<Measured> {
  const x = input("x", types.x.shape, types.x.dtype);
  const y = input("y", types.y?.shape ?? [], types.y?.dtype);
  const weight = types.sampleWeight && input("sampleWeight", types.sampleWeight);
  const pass = yield* forward(network, x, training);
  const doubt = objective.doubt(pass.prediction);
  if (doubt !== undefined) network.warn(doubt);
  const inputs = weight === undefined ? [x, y] : [x, y, weight];
  return { ...pass, inputs, ...objective.measure(y, pass.prediction, weight) };
}

/** x, y, weights → figures: (sum, count) of the loss and of each metric. */
export function* evaluationSteps(network: Network, objective: Objective, types: Types): Steps<Graph> {
  const { inputs, figures, updates } = yield* measured(network, objective, types, false);
  return { name: "evaluate", inputs, outputs: { figures }, updates };
}

/** One training step: x, y, weights → figures, with new parameters, optimizer slots and counters. */
export function* trainingSteps(
  network: Network,
  objective: Objective,
  optimizer: OptimizerState,
  types: Types,
): Steps<Graph> {
  const { parameters, counters } = network;
  const { inputs, loss, figures, weight, updates } = yield* measured(network, objective, types, true);
  const step = { variable: counters.step, value: add(read(counters.step), 1) };
  const iterations = add(read(optimizer.iterations), 1);
  updates.push(step, { variable: optimizer.iterations, value: iterations });
  const { trainable } = parameters;
  if (trainable !== undefined) {
    const targets = parameters.places.filter((p) => p.variable === trainable).map((p) => weight(p.weight));
    const taken = yield* gradientSteps(loss, targets);
    const slopes = taken.map((g, i) => g ?? zeros(targets[i]?.shape ?? []));
    const updated = objective.optimizer.update({
      parameters: read(trainable),
      gradients: clipGradients(slopes, objective.optimizer.clipping),
      learningRate: read(optimizer.learningRate),
      iteration: cast(iterations, "float32"),
      slot: (name) => read(slotOf(optimizer, name)),
    });
    const { name } = objective.optimizer;
    updates.push({ variable: trainable, value: fitting(name, "parameters", updated.parameters, trainable) });
    for (const [slot, variable] of optimizer.slots) {
      const value = updated.slots[slot];
      if (value !== undefined)
        updates.push({ variable, value: fitting(name, `slot "${slot}"`, value, variable) });
    }
  }
  return { name: "train", inputs, outputs: { figures }, updates };
}

/** A new value that an optimizer gave, if the variable can take it. */
function fitting(optimizer: string, name: string, value: unknown, variable: StateVariable): SymbolicTensor {
  if (value instanceof SymbolicTensor) {
    if (value.dtype === variable.dtype && sameShape(value.shape, variable.shape)) return value;
  }
  throw new RondoError({
    where: `optimizer ${optimizer}`,
    received: `${value instanceof SymbolicTensor ? `${value.dtype} of shape ${shapeText(value.shape)}` : valueText(value)} for its ${name}`,
    expected: `${variable.dtype} of shape ${shapeText(variable.shape)}`,
    fix: "Return new values of all parameters and slots from `update`, as vectors over all parameters",
  });
}

function slotOf({ slots }: OptimizerState, name: string): StateVariable {
  const slot = slots.get(name);
  if (slot !== undefined) return slot;
  throw new RondoError({
    where: "optimizer",
    received: `a use of the slot "${name}"`,
    expected: `one of its slots: ${[...slots.keys()].join(", ") || "none"}`,
    fix: "List the slot in the optimizer's `slots`",
  });
}

/** First values of the weights, drawn from the model's seed. */
export function* initializationSteps({ parameters, counters }: Network): Steps<Graph> {
  const random = { seed: read(counters.seed) };
  const updates: Update[] = [];
  for (const variable of parameters.variables)
    updates.push({ variable, value: yield* parameters.initial(variable, random) });
  return { name: "initialize", inputs: [], outputs: {}, updates };
}
