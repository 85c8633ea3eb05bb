import { atOnce, inTurns, type Steps } from "../breather.js";
import type { TypedArray } from "../dtype.js";
import { RondoError } from "../errors.js";
import { shapeText } from "../graph/dim.js";
import { type Bindings, type Graph, rootsOf, type StateVariable, topological } from "../graph/ir.js";
import { optimizeSteps } from "../passes/index.js";
import { planSteps } from "../plan/compile.js";
import type { Program } from "../plan/program.js";
import { layoutState } from "../plan/state.js";
import type { Backend, Executable, Memory, Tenant } from "../runtime/backend.js";
import { isRefusal } from "../runtime/fault.js";
import { sizeOf, Tensor } from "../tensor.js";
import type { Objective } from "../train/objective.js";
import { RecentlyUsed } from "./cache.js";
import { Store } from "./store.js";
import {
  evaluationSteps,
  initializationSteps,
  makeOptimizerState,
  type Network,
  type OptimizerState,
  predictionSteps,
  type Types,
  trainingSteps,
} from "./trace.js";

/** What a model's programs are for. */
export type Kind = "train" | "evaluate" | "predict";

/** What a program is for: its kind, the types of its arrays, and the values of the sizes that these leave open. */
export interface Job {
  readonly kind: Kind;
  readonly types: Types;
  readonly bindings: Bindings;
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
  network: Network,
  { kind, types }: Pick<Job, "kind" | "types">,
  objective?: Objective,
  optimizer?: OptimizerState,
): Steps<Graph> {
  if (kind === "predict") return yield* optimizeSteps(yield* predictionSteps(network, types));
  if (objective === undefined || optimizer === undefined) throw new Error(`${kind} needs a compiled model`);
  const traced =
    kind === "train"
      ? yield* trainingSteps(network, objective, optimizer, types)
      : yield* evaluationSteps(network, objective, types);
  return yield* optimizeSteps(traced);
}

const typesText = ({ x, y, sampleWeight }: Types): string =>
  [x, y, sampleWeight && { dtype: "", shape: sampleWeight }]
    .map((t) => t && `${t.dtype}${shapeText(t.shape)}`)
    .join(" ");

/** The state variables of a network, with those of an optimizer where there is one. */
export const variablesOf = (network: Network, optimizer?: OptimizerState): StateVariable[] => [
  ...network.parameters.variables,
  ...(optimizer === undefined
    ? []
    : [...optimizer.slots.values(), optimizer.learningRate, optimizer.iterations]),
  ...network.layers.flatMap((layer) => layer.states()),
  network.counters.seed,
  network.counters.step,
];

/** A program planned on the same terms as the engine's, to be looked at, not run. */
export async function programOf(
  network: Network,
  job: Job,
  backend: Backend,
  objective?: Objective,
): Promise<Program> {
  const optimizer = objective && makeOptimizerState(objective.optimizer.slots, network.parameters);
  const graph = await inTurns(graphSteps(network, job, objective, optimizer));
  const layout = layoutState(variablesOf(network, optimizer));
  const { vectorWidth } = backend.capabilities;
  return inTurns(planSteps(graph, { bindings: job.bindings, layout, vectorWidth }));
}

/** A built network on a backend: its state in memory and its programs. */
export class Engine implements Tenant {
  readonly #network: Network;
  readonly #store: Store;
  /** Traces by kind and types, programs by sizes besides. */
  readonly #graphs = new RecentlyUsed<Graph>(keptNodes, leastTraces);
  readonly #programs = new RecentlyUsed<Executable>(keptBytes, leastPrograms, (program) => program.free());
  readonly #typesTexts = new WeakMap<Types, string>();
  readonly #seed: number;
  #initialized = false;
  /** Whether the state has room for what the present objective needs. */
  #held = false;
  #objective: Objective | undefined;
  #optimizer: OptimizerState | undefined;
  #learningRate = 0;
  /** The one that the state has when everything submitted is done. */
  #submittedRate: number | undefined;
  /** An empty program. */
  #looksAtState: Executable | undefined;
  /** Preparations, one after the other. */
  #queue: Promise<void> = Promise.resolve();

  constructor(
    network: Network,
    seed: number,
    readonly backend: Backend,
  ) {
    this.#network = network;
    this.#store = new Store(backend);
    this.#seed = seed;
    backend.register(this);
  }

  get memory(): Memory {
    return this.#store.memory;
  }

  /** Whether the state is in memory and no preparation is due. */
  get initialized(): boolean {
    return this.#initialized;
  }

  /** A new loss, metrics and optimizer; the weights stay, the optimizer begins anew. */
  setObjective(objective: Objective): void {
    this.#objective = objective;
    this.#optimizer = makeOptimizerState(objective.optimizer.slots, this.#network.parameters);
    this.#learningRate = objective.optimizer.learningRate;
    this.#submittedRate = undefined;
    this.#held = false;
    this.#graphs.clear();
    this.#programs.clear();
  }

  get learningRate(): number {
    return this.#learningRate;
  }

  /** Of the steps that are to come. */
  set learningRate(rate: number) {
    this.#learningRate = rate;
  }

  /** Makes a learning rate that of every step submitted from now on. */
  submitLearningRate(rate: number): void {
    const variable = this.#optimizer?.learningRate;
    if (variable === undefined || rate === this.#submittedRate) return;
    this.#submittedRate = rate;
    // A backend that cannot write any more says so at the step.
    this.#store.write(variable, Float32Array.of(rate)).catch(() => {});
  }

  /**
   * Lays out the state and sets what is new in it: weights by their initializers, counters, the learning rate. Then plans
   * the program of a job. The event loop keeps turning; calls are answered in their order.
   *
   * @throws RondoError where there is no room for it, after what is not in use was given back
   */
  prepare(job?: Job): Promise<void> {
    if (this.#held && (job === undefined || this.#programs.has(this.#key(job)))) return Promise.resolve();
    return this.#enqueue(async () => {
      await this.#prepare();
      if (job !== undefined) await this.#plan(job);
    });
  }

  /** Does what may lay out or load something, after all that was asked for before. */
  #enqueue(work: () => Promise<void>): Promise<void> {
    this.#queue = this.#queue.catch(() => {}).then(() => this.#withRoom(work));
    return this.#queue;
  }

  async #prepare(): Promise<void> {
    if (this.#held) return;
    const optimizer = this.#optimizer;
    const wasReady = this.#looksAtState !== undefined;
    if (await this.#store.hold(variablesOf(this.#network, optimizer))) {
      this.#programs.clear();
      this.#forgetLook();
    }
    if (!this.#initialized) {
      const { seed } = this.#network.counters;
      await this.#store.write(seed, Int32Array.of(this.#seed | 0, Math.floor(this.#seed / 2 ** 32) | 0));
      const traced = await inTurns(initializationSteps(this.#network));
      const graph = await inTurns(optimizeSteps(traced));
      const program = this.#load(await inTurns(this.#planSteps(graph, {})));
      await program.run({ entry: "main", state: this.memory, inputs: [], outputs: [] });
      program.free();
      this.#initialized = true;
    }
    if (wasReady) await this.#look();
    this.#held = optimizer === this.#optimizer;
  }

  /** Makes runs on the caller's thread possible until the state changes. */
  async prepareSync(): Promise<void> {
    await this.#enqueue(async () => {
      await this.#prepare();
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

  /** Does what needs memory; where there is none, once more when everyone has given back what is not in use. */
  async #withRoom<R>(work: () => Promise<R>): Promise<R> {
    try {
      return await work();
    } catch (error) {
      if (!isRefusal(error)) throw error;
      await this.backend.reclaim();
      return work();
    }
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

  #keep(key: string, executable: Executable): Executable {
    this.#programs.add(key, executable, bytesOf(executable.program));
    return executable;
  }

  *#programSteps(job: Job): Steps<Program> {
    const key = this.#traceKey(job.kind, job.types);
    let graph = this.#graphs.get(key);
    if (graph === undefined) {
      graph = yield* graphSteps(this.#network, job, this.#objective, this.#optimizer);
      this.#graphs.add(key, graph, topological(rootsOf(graph)).length);
    }
    return yield* this.#planSteps(graph, job.bindings);
  }

  #planSteps(graph: Graph, bindings: Bindings): Steps<Program> {
    const { vectorWidth } = this.backend.capabilities;
    return planSteps(graph, { bindings, layout: this.#store.layout, vectorWidth });
  }

  #load(program: Program): Executable {
    return this.backend.load(program, this.memory);
  }

  #traceKey(kind: Kind, types: Types): string {
    return `${kind} ${this.#text(types)}`;
  }

  #key({ kind, types, bindings }: Job): string {
    let key = this.#traceKey(kind, types);
    for (const name in bindings) key += ` ${name}=${bindings[name]}`;
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
    await this.prepare();
    const { places } = this.#network.parameters;
    const read = Promise.all(
      places.map(async ({ variable, offset, size, weight }) => {
        const data = (await this.#store.read(variable, offset, size)) as Float32Array;
        return new Tensor(data, weight.shape, "float32");
      }),
    );
    submitted();
    return read;
  }

  /**
   * Sets all weights, in Keras's order.
   *
   * @param submitted is called when whatever is submitted later will find them
   */
  async writeWeights(weights: readonly Tensor[], submitted: () => void): Promise<void> {
    const { places } = this.#network.parameters;
    const refuse = (received: string, expected: string, fix: string) =>
      new RondoError({ where: "setWeights", received, expected, fix });
    const sameLayers = "Take the weights from a model with the same layers";
    if (weights.length !== places.length) {
      throw refuse(`${weights.length} arrays`, `${places.length} arrays, as getWeights gives`, sameLayers);
    }
    const given = weights.map(({ shape }) => shapeText(shape));
    const own = places.map(({ weight }) => shapeText(weight.shape));
    const wrong = own.findIndex((shape, i) => shape !== given[i]);
    if (wrong >= 0) {
      const reordered = [...given].sort().join() === [...own].sort().join();
      throw refuse(
        `an array of shape ${given[wrong]} for ${places[wrong]?.path}`,
        `shape ${own[wrong]}`,
        reordered
          ? "The arrays seem to be the model's in another order: put them in the order of weightNames(), by their names"
          : sameLayers,
      );
    }
    await this.prepare();
    const written = Promise.all(
      places.map(({ variable, offset }, i) => {
        const data: TypedArray = weights[i]?.data ?? new Float32Array(0);
        return this.#store.write(
          variable,
          data instanceof Float32Array ? data : Float32Array.from(data),
          offset,
        );
      }),
    );
    submitted();
    await written;
  }

  /**
   * Sets the layers' recurrent states to 0.
   *
   * @param submitted is called when whatever is submitted later will find them so
   */
  async resetStates(submitted: () => void): Promise<void> {
    await this.prepare();
    const states = this.#network.layers.flatMap((layer) => layer.states());
    const written = Promise.all(
      states.map((state) => {
        const size = sizeOf(state.shape);
        const zeros = state.dtype === "float32" ? new Float32Array(size) : new Int32Array(size);
        return this.#store.write(state, zeros);
      }),
    );
    submitted();
    await written;
  }
}
