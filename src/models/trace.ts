import { atOnce, type Steps } from "../breather.js";
import { RondoError, valueText } from "../errors.js";
import { type Dim, product, type Shape, sameShape, shapeText } from "../graph/dim.js";
import {
  type Graph,
  type Node,
  type StateVariable,
  SymbolicTensor,
  type TensorType,
  topological,
  type Update,
} from "../graph/ir.js";
import { add, cast, mul } from "../graph/ops/elementwise.js";
import { gather } from "../graph/ops/gather.js";
import { concat } from "../graph/ops/join.js";
import { drawCounter } from "../graph/ops/random.js";
import { reshape } from "../graph/ops/shape.js";
import { input, read, zeros } from "../graph/ops/source.js";
import { type CallContext, callContext, type Layer, type Weight } from "../layers/layer.js";
import { penaltyOf } from "../layers/regularizers.js";
import { gradientSteps } from "../passes/autodiff.js";
import type { Measured, Objective } from "../train/objective.js";
import type { Optimizer, Slot } from "../train/optimizers/optimizer.js";
import {
  averageSlot,
  keepsSeen,
  type NamedRows,
  seenSlot,
  slotsOf,
  updateGroups,
} from "../train/optimizers/update.js";
import { rateOf } from "../train/rate.js";
import type { Report } from "../train/report.js";
import type { Network } from "./network.js";
import type { Arrangement, Group } from "./parameters.js";

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

/** The state of an optimizer. */
export interface OptimizerState {
  /** float32 [] */
  readonly learningRate: StateVariable;
  /** int32 []: updates so far. */
  readonly iterations: StateVariable;
  /** What is trained, group by group: the slots are vectors like the group's. */
  readonly groups: readonly { readonly group: Group; readonly slots: ReadonlyMap<string, StateVariable> }[];
}

/**
 * @param terms how many terms the loss has (`termsOf`)
 * @param before the state that goes on: slots of groups that stayed are the same
 */
export function makeOptimizerState(
  optimizer: Optimizer,
  groups: readonly Group[],
  terms: number,
  before?: OptimizerState,
): OptimizerState {
  const names = new Set<string>();
  const slot = ({ name, initial, scalar }: Required<Slot>, { variable }: Group): StateVariable => {
    let free = `optimizer/${name}`;
    for (let i = 1; names.has(free); i++) free = `optimizer/${name}_${i}`;
    names.add(free);
    return { name: free, shape: scalar ? [] : variable.shape, dtype: "float32", role: "slot", initial };
  };
  return {
    learningRate: before?.learningRate ?? {
      name: "learningRate",
      shape: [],
      dtype: "float32",
      role: "counter",
    },
    iterations: before?.iterations ?? { name: "iterations", shape: [], dtype: "int32", role: "counter" },
    groups: groups.map((group) => {
      const known = before?.groups.find((other) => other.group === group);
      if (known !== undefined) return known;
      const slots = new Map(slotsOf(optimizer, terms).map((one) => [one.name, slot(one, group)]));
      const [{ weight } = { weight: undefined }] = group.places;
      if (weight !== undefined && keepsSeen(optimizer, weight.table)) {
        const [size = 0] = weight.shape;
        const seen = slot({ name: seenSlot, initial: 0, scalar: true }, group);
        slots.set(seenSlot, { ...seen, shape: [size] });
      }
      return { group, slots };
    }),
  };
}

/** Slots by variables, for moving them. */
export const optimizerVariables = ({ learningRate, iterations, groups }: OptimizerState): StateVariable[] => [
  ...groups.flatMap(({ slots }) => [...slots.values()]),
  learningRate,
  iterations,
];

/** What is traced: a network, and where its state lies. */
export interface Assembly {
  readonly network: Network;
  readonly arrangement: Arrangement;
  readonly counters: Counters;
  warn(message: string): void;
}

/**
 * Types of the arrays that a graph is given: of each input, and for training and evaluation of each output's targets and
 * perhaps weights; an output that has no loss has none.
 */
export interface Types {
  readonly x: readonly TensorType[];
  readonly y?: readonly (TensorType | undefined)[];
  readonly sampleWeight?: readonly (Shape | undefined)[];
}

/** Under which name an array of a port goes: `x`, or `x "words"` where there are several. */
export const arrayName = (kind: "x" | "y" | "sampleWeight", port: string): string =>
  port === "" ? kind : `${kind} "${port}"`;

export interface Forward {
  readonly inputs: readonly SymbolicTensor[];
  readonly predictions: readonly SymbolicTensor[];
  readonly weight: CallContext["weight"];
  /** What was looked up in tables. */
  readonly lookups: ReadonlyMap<Weight, readonly Lookup[]>;
  readonly updates: Update[];
  /** What layers add to the loss: one number for the batch each. */
  readonly penalties: readonly SymbolicTensor[];
  readonly added: readonly AddedMetric[];
}

/** Rows of a table [R, D] at ids: [..ids, D]. */
interface Lookup {
  readonly ids: SymbolicTensor;
  readonly rows: SymbolicTensor;
}

/** A metric that a layer reports. */
interface AddedMetric {
  readonly name: string;
  readonly values: SymbolicTensor;
}

/** What a pass of its own kind has beside the usual context, or in its place; `given` is told the inputs. */
type OwnContext = Partial<CallContext> & { given?(inputs: readonly SymbolicTensor[]): void };

/** The pass from inputs to predictions. */
export function* forward(
  { network, arrangement, counters, warn }: Assembly,
  types: readonly TensorType[],
  training: boolean,
  own?: OwnContext,
): Steps<Forward> {
  const updates: Update[] = [];
  const penalties: SymbolicTensor[] = [];
  const regularized = new Map<Weight, string>();
  const added: AddedMetric[] = [];
  const lookups = new Map<Weight, readonly Lookup[]>();
  const values = arrangement.values();
  const weight = values.of;
  const context = callContext({
    training,
    random: { seed: read(counters.seed), step: read(counters.step) },
    countDraw: drawCounter(),
    weight,
    lookup(table, ids) {
      const rows = gather(weight(table), ids);
      const known = lookups.get(table) ?? [];
      lookups.set(table, [...known, { ids: ids.withMask(undefined), rows }]);
      return rows;
    },
    assign: values.assign,
    readState: read,
    writeState: (variable, value) => updates.push({ variable, value }),
    addLoss: (value) => penalties.push(value),
    addMetric: (name, given) => added.push({ name, values: given }),
    warn,
    ...own,
  });
  const inputs = types.map(({ shape, dtype }, i) =>
    input(arrayName("x", network.inputs[i]?.name ?? ""), shape, dtype),
  );
  own?.given?.(inputs);
  const given = inputs.map((x, i) => cast(x, network.inputs[i]?.type.dtype ?? "float32"));
  const predictions = yield* network.run("model", given, context);
  updates.push(...values.assigned());
  for (const layer of network.layers)
    for (const { weight: one, path, trainable } of layer.weightEntries())
      if (trainable && one.regularizer !== null) regularized.set(one, path);
  for (const [one, path] of regularized)
    if (one.regularizer !== null) penalties.push(penaltyOf(path, one.regularizer, weight(one)));
  return { inputs, predictions, weight, lookups, updates, penalties, added };
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

/** Whether some steps of each output are masked. */
export const maskedOutputs = (assembly: Assembly, { x }: Types): readonly boolean[] =>
  atOnce(forward(assembly, x, false)).predictions.map(({ mask }) => mask !== undefined);

/** x → prediction. */
export function* predictionSteps(assembly: Assembly, types: Types): Steps<Graph> {
  const { inputs, predictions, updates } = yield* forward(assembly, types.x, false);
  const outputs = Object.fromEntries(
    predictions.map((y, i) => [
      predictionName(assembly.network.outputs[i]?.name ?? ""),
      cast(y.withMask(undefined), "float32"),
    ]),
  );
  return { name: "predict", inputs, outputs, updates };
}

export const predictionName = (port: string): string => (port === "" ? "prediction" : `prediction "${port}"`);

/** A graph, and what its accumulators mean. */
export interface Traced {
  readonly graph: Graph;
  /** Of training and evaluation. */
  readonly report?: Report;
}

function* measured(
  assembly: Assembly,
  objective: Objective,
  types: Types,
  training: boolean,
): Steps<Forward & Measured> {
  const { outputs } = assembly.network;
  const pass = yield* forward(assembly, types.x, training);
  const targets = outputs.map(({ name }, i) => {
    const type = types.y?.[i];
    return type && input(arrayName("y", name), type.shape, type.dtype);
  });
  const weights = outputs.map(({ name }, i) => {
    const shape = types.sampleWeight?.[i];
    return shape && input(arrayName("sampleWeight", name), shape);
  });
  pass.predictions.forEach((prediction, i) => {
    const doubt = objective.doubt(prediction, i);
    if (doubt !== undefined) assembly.warn(doubt);
  });
  const inputs = [...pass.inputs, ...targets, ...weights].filter((x) => x !== undefined);
  return { ...pass, inputs, ...objective.measure({ ...pass, targets, weights }) };
}

/** x, y, weights → figures: the accumulators of a batch. */
export function* evaluationSteps(assembly: Assembly, objective: Objective, types: Types): Steps<Traced> {
  const { inputs, accumulators, report, updates } = yield* measured(assembly, objective, types, false);
  return { graph: { name: "evaluate", inputs, outputs: { figures: accumulators }, updates }, report };
}

/** A table, and what a pass looked up in it. */
interface LookedUp {
  readonly table: Weight;
  readonly lookups: readonly [Lookup, ...Lookup[]];
}

/** What was looked up in a table, where the loss depends on it in no other way; else undefined. */
function lookedUp(group: Group, { lookups, weight }: Forward, loss: SymbolicTensor): LookedUp | undefined {
  const [place] = group.places;
  const [first, ...others] = (place && lookups.get(place.weight)) ?? [];
  if (place === undefined || first === undefined || place.weight.table === null) return undefined;
  const gathers = new Set([first, ...others].map(({ rows }) => rows.node));
  const { node: value } = weight(place.weight);
  const reads = (node: Node) => node.inputs.some((x) => x.node === value);
  if (topological([loss]).some((node) => reads(node) && !gathers.has(node))) return undefined;
  return { table: place.weight, lookups: [first, ...others] };
}

/** All lookups as one: ids [N], gradients [N, D]. */
function namedRows({ table, lookups }: LookedUp, gradients: readonly SymbolicTensor[]): NamedRows {
  const width = table.shape[1] ?? 1;
  const count = ({ ids }: Lookup): Dim => product(ids.shape);
  return {
    ids: concat(
      lookups.map((one) => reshape(one.ids, [count(one)])),
      0,
    ),
    gradients: concat(
      lookups.map((one, i) => reshape(gradients[i] ?? zeros(one.rows.shape), [count(one), width])),
      0,
    ),
    lazy: table.table === "lazy",
  };
}

/** How many terms the loss has whose gradients are accumulated. 1 where none are. */
export function termsOf(assembly: Assembly, { optimizer, losses }: Objective): number {
  if (!optimizer.gradientAccumulationSteps) return 1;
  const types = assembly.network.inputs.map(({ type }) => type);
  const { penalties } = atOnce(forward({ ...assembly, warn: () => {} }, types, true));
  return losses.filter((loss) => loss !== undefined).length + (penalties.length === 0 ? 0 : 1);
}

/** One training step: x, y, weights → the accumulators of its batch, with new parameters, optimizer slots and counters. */
export function* trainingSteps(
  assembly: Assembly,
  objective: Objective,
  optimizer: OptimizerState,
  types: Types,
): Steps<Traced> {
  const { counters } = assembly;
  const pass = yield* measured(assembly, objective, types, true);
  const { inputs, loss, terms, accumulators, report, weight, updates } = pass;
  const own = objective.optimizer;
  const step = { variable: counters.step, value: add(read(counters.step), 1) };
  const iterations = add(read(optimizer.iterations), 1);
  updates.push(step, { variable: optimizer.iterations, value: iterations });
  const { groups } = optimizer;
  const sums = own.gradientAccumulationSteps ? terms.map(({ sum, scale }) => mul(sum, scale)) : [loss];
  const looked = groups.map(({ group }) =>
    own.gradientAccumulationSteps ? undefined : lookedUp(group, pass, loss),
  );
  const wanted = groups.map(
    ({ group }, i) =>
      looked[i]?.lookups.map(({ rows }) => rows) ?? group.places.map((place) => weight(place.weight)),
  );
  const targets = wanted.flat();
  const slopes: SymbolicTensor[][] = [];
  for (const sum of sums) {
    const taken = targets.length === 0 ? [] : yield* gradientSteps(sum, targets);
    slopes.push(taken.map((g, i) => g ?? zeros(targets[i]?.shape ?? [])));
  }
  const before = read(optimizer.iterations);
  let begin = 0;
  const states = groups.map(({ group, slots }, i) => {
    const from = begin;
    begin += wanted[i]?.length ?? 0;
    const gradients = slopes.map((all) => all.slice(from, begin));
    return {
      parameters: read(group.variable),
      weights: group.places.map(({ weight, offset, size }) => ({ ...weight, offset, size })),
      gradients,
      named: looked[i] && namedRows(looked[i], gradients[0] ?? []),
      slot: (name: string) => read(stateOf(slots, name)),
    };
  });
  const learningRate =
    typeof own.learningRate === "number"
      ? read(optimizer.learningRate)
      : rateOf(own.learningRate, cast(before, "float32"));
  const counts = terms.map(({ count }) => count);
  const updated =
    targets.length === 0 ? [] : updateGroups(own, states, { learningRate, steps: before, counts });
  for (const [i, { group, slots }] of groups.entries()) {
    const { variable } = group;
    const { parameters, slots: values } = updated[i] ?? { parameters: read(variable), slots: {} };
    updates.push({ variable, value: fitting(own.name, "parameters", parameters, variable) });
    for (const [slot, place] of slots) {
      const value = values[slot];
      if (value !== undefined)
        updates.push({ variable: place, value: fitting(own.name, `slot "${slot}"`, value, place) });
    }
  }
  return { graph: { name: "train", inputs, outputs: { figures: accumulators }, updates }, report };
}

/** Sets the trained weights to the moving averages that the optimizer keeps. */
export function averagingGraph({ groups }: OptimizerState): Graph {
  const updates = groups.map(({ group, slots }) => ({
    variable: group.variable,
    value: read(stateOf(slots, averageSlot)),
  }));
  return { name: "average", inputs: [], outputs: {}, updates };
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

function stateOf(slots: ReadonlyMap<string, StateVariable>, name: string): StateVariable {
  const slot = slots.get(name);
  if (slot !== undefined) return slot;
  throw new RondoError({
    where: "optimizer",
    received: `a use of the slot "${name}"`,
    expected: `one of its slots: ${[...slots.keys()].join(", ") || "none"}`,
    fix: "List the slot in the optimizer's `slots`",
  });
}

/** First values of weights, drawn from the model's seed. */
export function* initializationSteps(
  { arrangement, counters }: Assembly,
  isNew: (weight: Weight) => boolean,
): Steps<Graph> {
  const random = { seed: read(counters.seed) };
  const updates: Update[] = [];
  for (const group of arrangement.groups) {
    if (!group.places.some(({ weight }) => isNew(weight))) continue;
    updates.push({ variable: group.variable, value: yield* arrangement.initial(group, random, isNew) });
  }
  return { name: "initialize", inputs: [], outputs: {}, updates };
}
