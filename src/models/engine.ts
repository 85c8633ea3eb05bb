import { atOnce, inTurns, type Steps } from "../breather.js";
import type { TypedArray } from "../dtype.js";
import { shapeText } from "../graph/dim.js";
import {
  type Bindings,
  type Graph,
  rootsOf,
  type StateVariable,
  type TensorType,
  topological,
} from "../graph/ir.js";
import type { WeightEntry } from "../layers/component.js";
import type { Weight } from "../layers/layer.js";
import { optimizeSteps } from "../passes/index.js";
import { planSteps } from "../plan/compile.js";
import type { Program } from "../plan/program.js";
import { layoutState } from "../plan/state.js";
import type { Backend, Executable, Memory, Tenant } from "../runtime/backend.js";
import { isRefusal } from "../runtime/fault.js";
import { sizeOf, Tensor, zeros } from "../tensor.js";
import type { Objective } from "../train/objective.js";
import { rateAt, type Schedule } from "../train/rate.js";
import type { Report } from "../train/report.js";
import { RecentlyUsed } from "./cache.js";
import { type Commons, type Member, seedWords } from "./commons.js";
import type { Network } from "./network.js";
import { Arrangement, type Group, separated } from "./parameters.js";
import type { EngineSnapshot, OptimizerSnapshot, SlotPlace } from "./slots.js";
import type { Move } from "./store.js";
import {
  type Assembly,
  averagingGraph,
  evaluationSteps,
  makeOptimizerState,
  type OptimizerState,
  optimizerVariables,
  predictionSteps,
  type Traced,
  type Types,
  termsOf,
  trainingSteps,
} from "./trace.js";

/** What a model's programs are for. */
export type Kind = "train" | "evaluate" | "predict";

/** What a program is for: its kind, the types of its arrays, and the values of the sizes that these leave open. */
export interface Job {
  readonly kind: Kind;
  readonly types: Types;
  readonly bindings: Bindings;
  /** Traces what no kind does, under a name of its own. */
  readonly own?: { readonly name: string; trace(assembly: Assembly): Steps<Graph> };
}

/**
 * Bytes of programs that are kept; each set of sizes (a last partial batch, say) has one, of some kilobytes for a small
 * model. Packed weights do not count: programs share them.
 */
const keptBytes = 32 * 2 ** 20;
/** Programs that are kept whatever they take: those of training, validation and prediction, each with a partial batch. */
const leastPrograms = 8;

/** Nodes of the traces that are kept, some 400 bytes each. Sizes that the model leaves open need no trace of their own. */
const keptNodes = 20_000;
const leastTraces = 8;

/** Bytes that a program takes here and in the backend, about: without its scratch and its cache, which it shares. */
const bytesOf = ({ words, buffers, constants }: Program): number =>
  2 * (words.byteLength + constants.byteLength) + 150 * buffers.length + 12_000;

/** The graph of a kind, gone through the passes. Training and evaluation need a compiled model. */
function* graphSteps(
  assembly: Assembly,
  { kind, types, own }: Omit<Job, "bindings">,
  objective?: Objective,
  optimizer?: OptimizerState,
): Steps<Traced> {
  if (kind === "predict") {
    const graph = yield* own === undefined ? predictionSteps(assembly, types) : own.trace(assembly);
    return { graph: yield* optimizeSteps(graph) };
  }
  if (objective === undefined || optimizer === undefined) throw new Error(`${kind} needs a compiled model`);
  const traced =
    kind === "train"
      ? yield* trainingSteps(assembly, objective, optimizer, types)
      : yield* evaluationSteps(assembly, objective, types);
  return { ...traced, graph: yield* optimizeSteps(traced.graph) };
}

function typesText({ x, y = [], sampleWeight = [] }: Types): string {
  const text = (t: TensorType | undefined) => (t === undefined ? "-" : `${t.dtype}${shapeText(t.shape)}`);
  const weights = sampleWeight.map((shape) => (shape === undefined ? "-" : shapeText(shape)));
  return [...x.map(text), "|", ...y.map(text), "|", ...weights].join(" ");
}

/** A model with weights in places of their own, to be looked at. */
const assembled = (parts: Omit<Assembly, "arrangement">): Assembly => ({
  ...parts,
  arrangement: new Arrangement(
    entriesOf(parts.network),
    separated(({ trainable }) => String(trainable)),
  ),
});

/** A program planned on the same terms as the engine's, to be looked at, not run. */
export async function programOf(
  parts: Omit<Assembly, "arrangement">,
  job: Job,
  backend: Backend,
  objective?: Objective,
): Promise<Program> {
  const assembly = assembled(parts);
  const { arrangement } = assembly;
  const trained = new Set(trainedOf(parts.network));
  const optimizer =
    objective &&
    makeOptimizerState(
      objective.optimizer,
      trainedGroups(arrangement, trained),
      termsOf(assembly, objective),
    );
  const { graph } = await inTurns(graphSteps(assembly, job, objective, optimizer));
  const layout = layoutState([
    ...arrangement.variables,
    ...(optimizer === undefined ? [] : optimizerVariables(optimizer)),
    ...ownVariables(parts),
  ]);
  const { vectorWidth } = backend.capabilities;
  return inTurns(planSteps(graph, { bindings: job.bindings, layout, vectorWidth }));
}

/** All weights of a network's layers, each once. */
export function entriesOf({ layers }: Pick<Network, "layers">): WeightEntry[] {
  const entries = new Map<Weight, WeightEntry>();
  for (const layer of layers)
    for (const entry of layer.weightEntries())
      if (!entries.has(entry.weight)) entries.set(entry.weight, entry);
  return [...entries.values()];
}

/** What training changes as things stand. */
const trainedOf = (network: Network): Weight[] =>
  entriesOf(network).flatMap(({ weight, trainable }) => (trainable ? [weight] : []));

const trainedGroups = ({ groups }: Arrangement, trained: ReadonlySet<Weight>): Group[] =>
  groups.filter(({ places }) => places.every(({ weight }) => trained.has(weight)));

/** Recurrent states and counters. */
const ownVariables = ({ network, counters }: Omit<Assembly, "arrangement">): StateVariable[] => [
  ...network.states(),
  counters.seed,
  counters.step,
];

/** What is set is held against what there is; loaded when it is used. */
const fitting = () => import("./fittingState.js");

/** Reads a part of a variable. */
type ReadPiece = (
  variable: StateVariable,
  offset: number,
  shape: readonly number[],
) => Promise<Tensor<"float32">>;

/** A model at work: its programs, and its optimizer; the weights are those of its commons. */
export class Engine implements Tenant, Member {
  readonly assembly: Omit<Assembly, "arrangement">;
  readonly #commons: () => Commons;
  readonly #entries: readonly WeightEntry[];
  /** Traces by kind and types, programs by sizes besides. */
  readonly #graphs = new RecentlyUsed<Traced>(keptNodes, leastTraces);
  readonly #programs = new RecentlyUsed<Executable>(keptBytes, leastPrograms, (program) => program.free());
  readonly #reports = new WeakMap<Program, Report>();
  readonly #typesTexts = new WeakMap<Types, string>();
  #objective: Objective | undefined;
  #optimizer: OptimizerState | undefined;
  #terms = 1;
  #trained: ReadonlySet<Weight> | undefined;
  #learningRate: number | Schedule = 0;
  /** Training steps submitted since `compile`. */
  #updates = 0;
  /** The one that the state has when everything submitted is done. */
  #submittedRate: number | undefined;
  /** An empty program. */
  #looksAtState: Executable | undefined;

  /** @param commons that of the layers; which one it is may change */
  constructor(
    assembly: Omit<Assembly, "arrangement">,
    readonly seed: number,
    readonly backend: Backend,
    commons: () => Commons,
  ) {
    this.assembly = assembly;
    this.#commons = commons;
    this.#entries = entriesOf(assembly.network);
    commons().add(this);
    backend.register(this);
  }

  get memory(): Memory {
    return this.#commons().memory;
  }

  /** Whether the state is in memory and no preparation is due. */
  get initialized(): boolean {
    return this.#commons().settled;
  }

  get trained(): ReadonlySet<Weight> | undefined {
    return this.#trained;
  }

  entries(): readonly WeightEntry[] {
    return this.#entries;
  }

  /** A new loss, metrics and optimizer; the weights stay, the optimizer begins anew. */
  setObjective(objective: Objective): void {
    this.#objective = objective;
    this.#trained = new Set(trainedOf(this.assembly.network));
    this.#terms = termsOf(assembled(this.assembly), objective);
    this.#optimizer = makeOptimizerState(objective.optimizer, [], this.#terms);
    this.#learningRate = objective.optimizer.learningRate;
    this.#updates = 0;
    this.#submittedRate = undefined;
    this.#graphs.clear();
    this.#programs.clear();
    this.#commons().invalidate();
  }

  arrange(arrangement: Arrangement): readonly Omit<Move, "store">[] {
    const before = this.#optimizer;
    if (before === undefined || this.#objective === undefined || this.#trained === undefined) return [];
    const groups = trainedGroups(arrangement, this.#trained);
    const after = makeOptimizerState(this.#objective.optimizer, groups, this.#terms, before);
    this.#optimizer = after;
    const changed = after.groups.filter((group) => !before.groups.includes(group));
    if (changed.length === 0 && after.groups.length === before.groups.length) return [];
    this.#graphs.clear();
    this.#programs.clear();
    return changed.flatMap(({ group, slots }) =>
      group.places.flatMap(({ weight, offset, size }) => {
        const source = before.groups.find((other) => other.group.places.some((p) => p.weight === weight));
        const begin = source?.group.places.find((p) => p.weight === weight)?.offset;
        if (source === undefined || begin === undefined) return [];
        return [...slots].flatMap(([name, to]) => {
          const from = source.slots.get(name);
          if (from === undefined) return [];
          const whole = sizeOf(to.shape) !== sizeOf(group.variable.shape);
          return [
            whole
              ? { from, begin: 0, to, at: 0, size: sizeOf(to.shape) }
              : { from, begin, to, at: offset, size },
          ];
        });
      }),
    );
  }

  variables(): readonly StateVariable[] {
    return [
      ...(this.#optimizer === undefined ? [] : optimizerVariables(this.#optimizer)),
      ...ownVariables(this.assembly),
    ];
  }

  async moved(): Promise<void> {
    const wasReady = this.#looksAtState !== undefined;
    this.#graphs.clear();
    this.#programs.clear();
    this.#forgetLook();
    if (wasReady) await this.#look();
  }

  get learningRate(): number {
    if (typeof this.#learningRate === "number") return this.#learningRate;
    return rateAt("learningRate", this.#learningRate, this.#updates);
  }

  /** The same where no schedule gives it. */
  get setRate(): number | undefined {
    return typeof this.#learningRate === "number" ? this.#learningRate : undefined;
  }

  /** Of the steps that are to come. */
  set learningRate(rate: number) {
    this.#learningRate = rate;
  }

  /** A training step is about to be submitted: its learning rate becomes that of the state, unless a schedule gives it. */
  beginStep(rate: number | Schedule = this.#learningRate): void {
    this.#updates++;
    const variable = this.#optimizer?.learningRate;
    if (variable === undefined || typeof rate !== "number" || rate === this.#submittedRate) return;
    this.#submittedRate = rate;
    // A backend that cannot write any more says so at the step.
    this.#commons()
      .store.write(variable, Float32Array.of(rate))
      .catch(() => {});
  }

  /**
   * Lays out the state and sets what is new in it: weights by their initializers, counters. Then plans the program of a
   * job. The event loop keeps turning; calls are answered in their order.
   *
   * @throws RondoError where there is no room for it, after what is not in use was given back
   */
  prepare(job?: Job): Promise<void> {
    if (this.initialized && (job === undefined || this.#programs.has(this.#key(job))))
      return Promise.resolve();
    return this.#commons().prepare(this.backend, async () => {
      if (job !== undefined) await this.#plan(job);
    });
  }

  /** Makes runs on the caller's thread possible until the state changes. */
  async prepareSync(): Promise<void> {
    const look = this.#looksAtState;
    if (look !== undefined && this.initialized) return look.prepareSync(this.memory);
    await this.#commons().prepare(this.backend, async () => {
      if (this.backend.capabilities.synchronous) await this.#look();
    });
  }

  async #look(): Promise<void> {
    const nothing: Graph = { name: "look", inputs: [], outputs: {}, updates: [] };
    this.#looksAtState ??= this.#load(atOnce(this.#planSteps(nothing, {})));
    await this.#looksAtState.prepareSync(this.memory);
  }

  #forgetLook(): void {
    this.#looksAtState?.free();
    this.#looksAtState = undefined;
  }

  /** Gives back what can be made again. */
  evict(): void {
    this.#programs.clear();
    this.#forgetLook();
  }

  async #plan(job: Job): Promise<void> {
    const key = this.#key(job);
    if (this.#programs.has(key)) return;
    const executable = this.#load(await inTurns(this.#programSteps(job)));
    try {
      await executable.reserve();
    } catch (error) {
      executable.free();
      throw error;
    }
    this.#keep(key, executable);
  }

  /** The program of a job. Planned now if `prepare` has not done so. */
  program(job: Job): Executable {
    const key = this.#key(job);
    const known = this.#programs.get(key);
    if (known !== undefined) return known;
    const program = atOnce(this.#programSteps(job));
    let made: Executable;
    try {
      made = this.#load(program);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.evict();
      made = this.#load(program);
    }
    return this.#keep(key, made);
  }

  /** The figures that the program of a job gives: one of training or evaluation. */
  report(job: Job): Report {
    const report = this.#reports.get(this.program(job).program);
    if (report === undefined) throw new Error(`${job.kind} has no figures`);
    return report;
  }

  #keep(key: string, executable: Executable): Executable {
    this.#programs.add(key, executable, bytesOf(executable.program));
    return executable;
  }

  *#programSteps(job: Job): Steps<Program> {
    const key = this.#traceKey(job);
    let traced = this.#graphs.get(key);
    if (traced === undefined) {
      const { arrangement } = this.#commons();
      const assembly = { ...this.assembly, arrangement };
      traced = yield* graphSteps(assembly, job, this.#objective, this.#optimizer);
      this.#graphs.add(key, traced, topological(rootsOf(traced.graph)).length);
    }
    const { graph, report } = traced;
    const program = yield* this.#planSteps(graph, job.bindings);
    if (report !== undefined) this.#reports.set(program, report);
    return program;
  }

  #planSteps(graph: Graph, bindings: Bindings): Steps<Program> {
    const { vectorWidth } = this.backend.capabilities;
    return planSteps(graph, { bindings, layout: this.#commons().store.layout, vectorWidth });
  }

  #load(program: Program): Executable {
    return this.backend.load(program, this.memory);
  }

  #traceKey({ kind, types, own }: Job): string {
    return `${own?.name ?? kind} ${this.#text(types)}`;
  }

  #key(job: Job): string {
    let key = this.#traceKey(job);
    for (const name in job.bindings) key += ` ${name}=${job.bindings[name]}`;
    return key;
  }

  /** Types as text, worked out once for each object. */
  #text(types: Types): string {
    const known = this.#typesTexts.get(types);
    if (known !== undefined) return known;
    const text = typesText(types);
    this.#typesTexts.set(types, text);
    return text;
  }

  /**
   * Values of all weights, in Keras's order.
   *
   * @param submitted is called when they will be those of now, whatever is submitted later
   */
  async readWeights(submitted: () => void): Promise<Tensor<"float32">[]> {
    return [...(await this.snapshot(submitted)).weights];
  }

  /**
   * Everything that training changes.
   *
   * @param submitted is called when it will be what it is now, whatever is submitted later
   */
  async snapshot(submitted: () => void): Promise<EngineSnapshot> {
    await this.prepare();
    const { arrangement, store } = this.#commons();
    const piece: ReadPiece = async (variable, offset, shape) => {
      const data = (await store.read(variable, offset, sizeOf(shape))) as Float32Array;
      return new Tensor(data, shape, "float32");
    };
    const reading = {
      weights: this.#entries.map(({ weight }) => {
        const place = arrangement.place(weight);
        return place === undefined ? zeros(weight.shape) : piece(place.variable, place.offset, weight.shape);
      }),
      states: this.assembly.network.states().map((state) => store.read(state)),
      step: store.read(this.assembly.counters.step),
    };
    const optimizer = this.#readOptimizer(piece);
    submitted();
    const states = await Promise.all(reading.states);
    return {
      weights: await Promise.all(reading.weights),
      states: states.map((data, i) => {
        const { shape = [], dtype = "float32" } = this.assembly.network.states()[i] ?? {};
        return new Tensor(data, shape, dtype);
      }),
      step: (await reading.step)[0] ?? 0,
      optimizer: await optimizer,
    };
  }

  async #readOptimizer(piece: ReadPiece): Promise<OptimizerSnapshot | undefined> {
    const state = this.#optimizer;
    if (state === undefined) return undefined;
    const { store } = this.#commons();
    const iterations = store.read(state.iterations);
    const learningRate = this.setRate;
    const slots = new Map<string, Promise<Tensor<"float32">>[]>();
    for (const [name, places] of this.#slotPlaces(state)) {
      slots.set(
        name,
        places.map(async ({ variables: [variable], offset, shape }) =>
          variable === undefined ? zeros(shape) : piece(variable, offset, shape),
        ),
      );
    }
    const read = [...slots].map(async ([name, tensors]) => [name, await Promise.all(tensors)] as const);
    return {
      iterations: (await iterations)[0] ?? 0,
      learningRate,
      slots: new Map(await Promise.all(read)),
    };
  }

  /** Where each slot lies: for each trained weight in Keras's order, or once where it is one number. */
  #slotPlaces(state: OptimizerState): Map<string, readonly SlotPlace[]> {
    const names = new Set(state.groups.flatMap(({ slots }) => [...slots.keys()]));
    const placesOf = (name: string): readonly SlotPlace[] => {
      const variables = state.groups.flatMap(({ slots }) => slots.get(name) ?? []);
      if (variables[0]?.shape.length === 0) return [{ variables, offset: 0, shape: [] }];
      return this.#entries.flatMap(({ weight }) => {
        const group = state.groups.find(({ group: own }) => own.places.some((p) => p.weight === weight));
        const offset = group?.group.places.find((p) => p.weight === weight)?.offset;
        if (group === undefined || offset === undefined) return [];
        const variable = group.slots.get(name);
        if (variable === undefined) return [{ variables: [], offset: 0, shape: [0] }];
        const own = sizeOf(variable.shape) === sizeOf(group.group.variable.shape);
        return [{ variables: [variable], offset, shape: own ? weight.shape : variable.shape }];
      });
    };
    return new Map([...names].map((name) => [name, placesOf(name)]));
  }

  /**
   * Goes on from a snapshot, of this model or of another one with the same layers, compiled alike.
   *
   * @param submitted is called when whatever is submitted later will find it
   * @throws RondoError for arrays that do not fit; then nothing has changed
   */
  async restore(snapshot: EngineSnapshot, submitted: () => void): Promise<void> {
    const { weights, states, step, optimizer } = snapshot;
    await this.prepare();
    const own = this.#optimizer;
    const network = this.assembly.network.states();
    const places = own && this.#slotPlaces(own);
    (await fitting()).checkSnapshot(
      snapshot,
      network.map(({ shape }) => shape),
      places,
    );
    const { store } = this.#commons();
    const written: Promise<unknown>[] = [this.writeWeights(weights, () => {})];
    await written[0];
    states.forEach((tensor, i) => {
      const state = network[i];
      if (state !== undefined) written.push(store.write(state, tensor.data));
    });
    written.push(store.write(this.assembly.counters.step, Int32Array.of(step)));
    if (snapshot.seed !== undefined)
      written.push(store.write(this.assembly.counters.seed, seedWords(snapshot.seed)));
    if (optimizer !== undefined && own !== undefined && places !== undefined) {
      const { iterations, learningRate, slots } = optimizer;
      written.push(store.write(own.iterations, Int32Array.of(iterations)));
      this.#updates = iterations;
      if (learningRate !== undefined && typeof this.#learningRate === "number")
        this.#learningRate = learningRate;
      for (const [name, tensors] of slots)
        places.get(name)?.forEach(({ variables, offset }, i) => {
          const tensor = tensors[i];
          if (tensor === undefined) return;
          for (const variable of variables) written.push(store.write(variable, tensor.data, offset));
        });
    }
    submitted();
    await Promise.all(written);
  }

  /**
   * Sets all weights, in Keras's order.
   *
   * @param submitted is called when whatever is submitted later will find them
   */
  async writeWeights(weights: readonly Tensor[], submitted: () => void): Promise<void> {
    const places = this.#entries;
    const fits = places.every(
      ({ weight }, i) => shapeText(weight.shape) === shapeText(weights[i]?.shape ?? []),
    );
    if (weights.length !== places.length || !fits) throw (await fitting()).unlikeWeights(weights, places);
    await this.prepare();
    const { arrangement, store } = this.#commons();
    const written = Promise.all(
      places.map(async ({ weight }, i) => {
        const place = arrangement.place(weight);
        if (place === undefined) return;
        const data: TypedArray = weights[i]?.data ?? new Float32Array(0);
        const values = data instanceof Float32Array ? data : Float32Array.from(data);
        await store.write(place.variable, values, place.offset);
      }),
    );
    submitted();
    await written;
  }

  /**
   * Sets the trained weights to their moving averages, where the optimizer keeps some and there are any.
   *
   * @param submitted is called when whatever is submitted later will find them
   */
  async average(submitted: () => void): Promise<void> {
    const [objective, optimizer] = [this.#objective, this.#optimizer];
    if (objective?.optimizer.useEma !== true || optimizer === undefined || this.#updates === 0) return;
    await this.prepare();
    const program = this.#load(atOnce(this.#planSteps(averagingGraph(optimizer), {})));
    const done = program.run({ entry: "main", state: this.memory, inputs: [], outputs: [] });
    submitted();
    try {
      await done;
    } finally {
      program.free();
    }
  }

  /**
   * Sets the layers' recurrent states to 0.
   *
   * @param submitted is called when whatever is submitted later will find them so
   */
  async resetStates(submitted: () => void): Promise<void> {
    await this.prepare();
    const { store } = this.#commons();
    const states = this.assembly.network.states();
    const written = Promise.all(
      states.map((state) => {
        const size = sizeOf(state.shape);
        const zeros = state.dtype === "float32" ? new Float32Array(size) : new Int32Array(size);
        return store.write(state, zeros);
      }),
    );
    submitted();
    await written;
  }
}
