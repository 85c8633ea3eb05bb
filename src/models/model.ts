import { atOnce } from "../breather.js";
import { checkList, checkOptions, RondoError, unknownName, valueText } from "../errors.js";
import type { Dim, Shape } from "../graph/dim.js";
import type { StateVariable } from "../graph/ir.js";
import type { Definition, WeightEntry } from "../layers/component.js";
import {
  batchShape,
  batchShapeText,
  type CallContext,
  type Inputs,
  type InputTypes,
  Layer,
  type LayerFields,
  type LayerOutput,
  type Weight,
} from "../layers/layer.js";
import type { ShapeRule } from "../layers/types.js";
import type { Program } from "../plan/program.js";
import type { Backend } from "../runtime/backend.js";
import { defaultBackend } from "../runtime/default.js";
import { sizeOf, Tensor, type TensorLike, toTensor } from "../tensor.js";
import type { CallbackModel } from "../train/callbacks/callback.js";
import type { History } from "../train/callbacks/history.js";
import { type CompileOptions, Objective } from "../train/objective.js";
import { rateAt } from "../train/rate.js";
import { largestOf } from "../train/samples.js";
import { Commons } from "./commons.js";
import { Engine, entriesOf } from "./engine.js";
import { countOf, type Data, fitting, type InputPort, type Rows } from "./feeds.js";
import type { Network, NetworkPort } from "./network.js";
import {
  type BatchOptions,
  type ClassesOf,
  type DataOf,
  type DatasetFitOptions,
  type DatasetLookOptions,
  type DatasetOf,
  type EvaluateOptions,
  type Figures,
  type FitOptions,
  type InputsOf,
  isDataset,
  type MemoryUse,
  type ModelOptions,
  optionNames,
  type PredictionOf,
  type PredictOptions,
  type TargetsOf,
} from "./options.js";
import { predictArrays, predictDataset, predictionEffect, predictionPlace } from "./predicting.js";
import { type Host, Runs, taken } from "./runs.js";
import type { FileSource } from "./saving.js";
import type { Session, SessionOptions } from "./session.js";
import type { EngineSnapshot } from "./slots.js";
import { type SummaryRow, summaryText } from "./summary.js";
import { type Assembly, makeCounters } from "./trace.js";
import { evaluateArrays, evaluateDataset, fitArrays, fitDataset, onBatch } from "./training.js";
import type { Turns } from "./turns.js";

/**
 * Training, evaluation and prediction, whatever the model is made of. Nothing needs to be freed. A model is a layer too,
 * and can be one of another model. Models over the same layers share their weights.
 *
 * I and O are the names of its inputs and outputs; never: one, without a name.
 */
export abstract class Model<
    I extends string = never,
    O extends string = never,
    R extends ShapeRule = ShapeRule,
  >
  extends Layer<R>
  implements CallbackModel
{
  #seed: number;
  readonly #seeded: boolean;
  stopTraining = false;
  readonly #kind: string;
  readonly #backend: Backend | Promise<Backend> | undefined;
  readonly #warned = new Set<string>();
  /** Once the shapes are known. */
  #built: Runs | undefined;
  #objective: Objective | undefined;
  /** As the last report has them. */
  #figureNames: readonly string[] | undefined;
  #engine: Engine | undefined;
  #making: Promise<Engine> | undefined;
  #commons: Commons | undefined;
  readonly #prepareSync = async () => this.#engine?.prepareSync();
  /** Epochs begun so far, by their numbers: no two have the same order of rows, whatever fit they belong to. */
  #passes = 0;
  readonly #host = this.#hosted();

  constructor(kind: string, definition: Definition<LayerFields>, options: ModelOptions) {
    checkOptions(kind, options, optionNames.model);
    const { name = null, seed = randomSeed(), backend } = options;
    super(definition, { name });
    this.#kind = kind;
    this.#seed = seed;
    this.#seeded = options.seed !== undefined;
    this.#backend = backend;
    if (!Number.isSafeInteger(seed)) {
      throw new RondoError({
        where: kind,
        received: `seed: ${valueText(seed)}`,
        expected: "a whole number",
        fix: "Change seed, or leave it out for a random one",
      });
    }
    if (backend !== undefined && typeof (backend as unknown) !== "object") {
      throw new RondoError({
        where: kind,
        received: `backend: ${valueText(backend)}`,
        expected: "a backend, or the promise of one",
        fix: 'Make it with createBackend({ backend: "wasm" }), or leave it out',
      });
    }
  }

  /** From which weights, dropout and the order of rows follow; one that was drawn is that of the checkpoint which a fit goes on from. */
  get seed(): number {
    return this.#seed;
  }

  /** Unique among the layers of a model that it is a part of; default: its kind. */
  override get name(): string {
    return super.name ?? this.#kind;
  }

  // ---- What the model is made of

  /** The layers, in Keras's order. */
  abstract get layers(): readonly Layer[];

  /**
   * The layer of a name, or in a place of `layers`.
   *
   * @throws RondoError where there is none, with the nearest name
   */
  getLayer(which: string | number): Layer {
    const { layers } = this;
    const found = typeof which === "number" ? layers[which] : layers.find(({ name }) => name === which);
    if (found !== undefined) return found;
    const names = layers.map(({ name = "" }) => name);
    throw unknownName(`model "${this.name}"`, "layer", String(which), names);
  }

  /** The inputs, with their shapes where the model says them; undefined where the data does. */
  protected abstract get inputPorts(): readonly InputPort[];

  /** Puts the model together for an input [batch, ..] where it does not say its shape itself. */
  protected abstract assemble(inputShape: Shape | undefined): Network;

  /**
   * The shape of the input with its batch axis; null where a size is not fixed. Undefined where the first layer has no
   * inputShape, and where the model has several inputs.
   */
  get inputShape(): readonly (number | null)[] | undefined {
    const [only, ...others] = this.inputPorts;
    return others.length > 0 ? undefined : only?.shape?.map(knownSize);
  }

  /** Whether the shapes of its weights are known: from its input's shape, or from the first data. */
  override get built(): boolean {
    return this.#built !== undefined;
  }

  /**
   * The shape of the output with its batch axis; null where a size is not fixed. Undefined before the model is built, and
   * where it has several outputs.
   */
  get outputShape(): readonly (number | null)[] | undefined {
    const [only, ...others] = this.network?.outputs ?? [];
    return others.length > 0 ? undefined : only?.type.shape.map(knownSize);
  }

  /** The names of the inputs; one without a name: [""]. */
  get inputNames(): readonly string[] {
    return this.inputPorts.map(({ name }) => name);
  }

  /** The names of the outputs; one without a name: [""]. */
  get outputNames(): readonly string[] {
    return this.network?.outputs.map(({ name }) => name) ?? [""];
  }

  /** @internal The graph of its layers, once it is built. */
  get network(): Network | undefined {
    return this.#built?.assembly.network;
  }

  /** Refuses a change of the model's parts once there are weights. */
  protected requireUnused(change: string): void {
    if (this.#making === undefined) return;
    throw new RondoError({
      where: `model "${this.name}"`,
      received: `${change} after its weights were made`,
      expected: "all layers before the first fit, evaluate or predict",
      fix: "Add the layer earlier, or make a new model and copy weights with getWeights and setWeights",
    });
  }

  /** Makes the model anew after its parts changed, if its input's shape is known. */
  protected rebuild(): void {
    this.#built = undefined;
    this.#commons = undefined;
    if (this.inputPorts.every(({ shape }) => shape !== undefined)) this.#build(this.inputPorts[0]?.shape);
  }

  #build(inputShape: Shape | undefined): Runs {
    const network = this.assemble(inputShape);
    const assembly = { network, counters: makeCounters(), warn: (message: string) => this.#warn(message) };
    this.#built = new Runs(`model "${this.name}"`, assembly, this.inputPorts);
    return this.#built;
  }

  #warn(message: string): void {
    if (this.#warned.has(message)) return;
    this.#warned.add(message);
    console.warn(`rondo: ${message}`);
  }

  /** What it shares with the models over the same layers. */
  #shared(): Commons {
    this.#commons ??= Commons.of(this.layers);
    return this.#commons.current;
  }

  get #turns(): Turns {
    return this.#shared().turns;
  }

  /** Prints the table of layers as Keras does; `print` gets it as one text (default: `console.log`). */
  summary({ print = console.log }: { readonly print?: (text: string) => void } = {}): void {
    const entries = this.#entries;
    const count = (trained: boolean) =>
      entries.reduce((n, { weight, trainable }) => n + (trainable === trained ? sizeOf(weight.shape) : 0), 0);
    print(summaryText(this.name, this.summaryRows(), { trainable: count(true), fixed: count(false) }));
  }

  /** The rows of its summary. */
  protected abstract summaryRows(): readonly SummaryRow[];

  // ---- As a layer of another model

  override get kerasClass(): Layer["kerasClass"] {
    return this.className === "Sequential"
      ? { module: "keras", registered_name: null }
      : { module: "keras.src.models.functional", registered_name: this.className };
  }

  override parts(): readonly Layer[] {
    return this.layers;
  }

  override weightEntries(): readonly WeightEntry[] {
    const entries = new Map<Weight, WeightEntry>();
    for (const layer of this.layers)
      for (const { weight, path, trainable } of layer.weightEntries()) {
        const own = { weight, path: `${this.path}/${path}`, trainable: trainable && this.trainable };
        if (!entries.has(weight)) entries.set(weight, own);
      }
    return [...entries.values()];
  }

  override states(): readonly StateVariable[] {
    return this.layers.flatMap((layer) => layer.states());
  }

  override build(inputs: InputTypes): void {
    const ports = this.inputPorts;
    const fits = (shape: Shape, i: number) => {
      const own = ports[i]?.shape;
      return (
        own === undefined ||
        (own.length === shape.length &&
          own.every(
            (d, axis) => typeof d !== "number" || typeof shape[axis] !== "number" || d === shape[axis],
          ))
      );
    };
    if (inputs.length !== ports.length || !inputs.every(({ shape }, i) => fits(shape, i))) {
      const text = (shape: Shape | undefined) => (shape === undefined ? "any shape" : batchShapeText(shape));
      throw this.error(
        inputs.map(({ shape }) => batchShapeText(shape)).join(" and "),
        ports.map(({ shape }) => text(shape)).join(" and "),
        "Give the model what its inputs declare",
      );
    }
    if (this.#built === undefined) this.#build(inputs[0].shape);
  }

  override call(inputs: Inputs, context: CallContext): LayerOutput {
    const { network } = this.#built?.assembly ?? this.#build(inputs[0].shape).assembly;
    const scope = context.scope === undefined ? this.path : `${context.scope}/${this.path}`;
    const outputs = atOnce(network.run(this.where, inputs, { ...context, scope }));
    const [only] = outputs;
    return only !== undefined && outputs.length === 1 ? only : outputs;
  }

  /** Number of weights. */
  countParams(): number {
    return this.#entries.reduce((n, { weight }) => n + sizeOf(weight.shape), 0);
  }

  /** Names of the arrays of weights (`lstm/kernel`), in the order of `getWeights`. */
  weightNames(): string[] {
    return this.#entries.map(({ path }) => path);
  }

  get #entries(): readonly WeightEntry[] {
    const { network } = this;
    return network === undefined ? [] : entriesOf(network);
  }

  // ---- Training

  /**
   * Sets optimizer, loss and metrics. The weights stay as they are; the optimizer begins anew.
   *
   * @throws RondoError for an unknown name, with the nearest valid one
   */
  compile(options: CompileOptions<O>): void {
    this.#turns.requireIdle("compile");
    this.#objective = new Objective(options as CompileOptions<string>, this.outputNames);
    this.#figureNames = undefined;
    this.#engine?.setObjective(this.#objective);
  }

  /**
   * `loss`, with several outputs the loss of each, and the names of the metrics, in the order of `evaluate`'s figures. What
   * depends on the data's shapes (a figure for each class, say) and what layers report is there after the first run.
   */
  get metricsNames(): readonly string[] {
    const { names } = this.#compiled("metricsNames");
    return this.#figureNames ?? names;
  }

  /**
   * The optimizer's learning rate, a finite number of 0 or more; a new value holds from the next step on. Under a schedule
   * it is that of the next step, and cannot be set.
   */
  get learningRate(): number {
    const { learningRate } = this.#compiled("learningRate").optimizer;
    if (this.#engine !== undefined) return this.#engine.learningRate;
    return typeof learningRate === "number" ? learningRate : rateAt("learningRate", learningRate, 0);
  }
  set learningRate(rate: number) {
    const objective = this.#compiled("learningRate");
    if (this.#scheduled) {
      throw new RondoError({
        where: `model "${this.name}"`,
        received: "a new learningRate for an optimizer whose learning rate follows a schedule",
        expected: "a learning rate that is a number",
        fix: "Compile with a number as learningRate to set it from outside, or leave it to the schedule",
      });
    }
    if (!(Number.isFinite(rate) && rate >= 0)) {
      throw new RondoError({
        where: `model "${this.name}"`,
        received: `learningRate: ${valueText(rate)}`,
        expected: "a number from 0",
        fix: "Change learningRate",
      });
    }
    if (this.#engine !== undefined) this.#engine.learningRate = rate;
    else this.#objective = objective.withLearningRate(rate);
  }

  /**
   * Trains on x [N, ..] and y [N, ..]; the optimizer's state goes on from call to call.
   *
   * Shuffled batches are gathered while the step before runs; never more than two steps are under way, and the event loop
   * is not blocked. The arrays of x and y are read while it runs, so they must stay as they are until it resolves. When
   * `signal` aborts, the steps under way are finished, what was trained stays, and the history has the completed epochs.
   *
   * Meanwhile callbacks may call the model; what they call takes place between two steps. Predictions of anyone are let in
   * between two steps, too, unless the model has recurrent states; everything else called then waits for the end.
   *
   * @returns the history: a list of figures per epoch for `loss`, each metric, and with validation `val_loss` …
   * @throws RondoError when shapes, numbers of samples or labels do not fit, or the model is not compiled
   */
  async fit(x: DataOf<I>, y: TargetsOf<O>, options?: FitOptions<I, O>): Promise<History>;
  /**
   * Trains on batches: elements `{ x, y, sampleWeight }` of a `Dataset`, x [batch, ..] and y [batch, ..], one array or arrays
   * by the names of inputs and outputs. An epoch is a pass through it, whose orders follow from the model's seed and from
   * the number of epochs trained so far; or `stepsPerEpoch` batches. Batches may differ in their numbers of rows and time
   * steps: each size is one program, which is kept.
   *
   * Each batch is checked when it comes. There are two at a time, one in the step that runs and one in the next step or being
   * read, beside what the dataset prefetches. Functions of the dataset must not await what waits for the end of this fit: of this
   * model they may await predictions alone.
   *
   * @throws RondoError, with the batch and the row, for elements that do not fit; what a function or generator of the
   *   dataset throws, with its place
   */
  async fit(dataset: DatasetOf<I, O>, options?: DatasetFitOptions<I, O>): Promise<History>;
  async fit(
    data: DataOf<I> | DatasetOf<I, O>,
    y?: TargetsOf<O> | DatasetFitOptions<I, O>,
    options: FitOptions<I, O> = {},
  ): Promise<History> {
    return isDataset(data)
      ? fitDataset(this.#host, this.fit, data, (y ?? {}) as DatasetFitOptions<I, O>)
      : fitArrays(this.#host, this.fit, data, y as Data, options);
  }

  /** Loss and metrics over x [N, ..] and y [N, ..], which are read while it runs and must stay as they are until it resolves. */
  async evaluate(x: DataOf<I>, y: TargetsOf<O>, options?: EvaluateOptions<O>): Promise<Figures>;
  /** Loss and metrics over batches: elements `{ x, y, sampleWeight }` of a `Dataset`, always in the same order. */
  async evaluate(dataset: DatasetOf<I, O>, options?: DatasetLookOptions): Promise<Figures>;
  async evaluate(
    data: DataOf<I> | DatasetOf<I, O>,
    y?: TargetsOf<O> | DatasetLookOptions,
    options: EvaluateOptions<O> = {},
  ): Promise<Figures> {
    return isDataset(data)
      ? evaluateDataset(this.#host, this.evaluate, data, (y ?? {}) as DatasetLookOptions)
      : evaluateArrays(this.#host, this.evaluate, data, y as Data, options);
  }

  /**
   * One training step on these rows; resolves with its loss and metrics, before the update. The arrays are read while it
   * runs, so they must stay as they are until then.
   */
  async trainOnBatch(x: DataOf<I>, y: TargetsOf<O>, options: BatchOptions<O> = {}): Promise<Figures> {
    this.#turns.requireNoFit("trainOnBatch");
    return await this.#onBatch(this.trainOnBatch, "train", x, y, options);
  }

  /** Loss and metrics of these rows as one batch. The arrays must stay as they are until it resolves. */
  async testOnBatch(x: DataOf<I>, y: TargetsOf<O>, options: BatchOptions<O> = {}): Promise<Figures> {
    return await this.#onBatch(this.testOnBatch, "evaluate", x, y, options);
  }

  // ---- Prediction

  /**
   * The model's output for x [N, ..], computed in steps of a size that the memory decides: at most 512 rows and 32 MiB of
   * temporaries, or `batchSize` where it is given. Rows do not depend on each other; a step of one row may differ from
   * larger ones by rounding (1e-6). Arrays of up to 1 MiB are copied when it is called; larger ones are read while it runs,
   * and must stay as they are until it resolves.
   *
   * It goes before steps of training that wait, those of other models on its backend and, where it is one batch, those of
   * a `fit` of its own: at most the step that runs is waited for. All batches see the same weights.
   */
  async predict(x: DataOf<I>, options?: PredictOptions): Promise<PredictionOf<O>>;
  /**
   * The model's output for the batches of a `Dataset`, elements `{ x }`, one below the other; y may be there and is not
   * looked at. All see the same weights.
   *
   * @throws RondoError where the outputs of batches differ in more than their rows
   */
  async predict(dataset: InputsOf<I>, options?: DatasetLookOptions): Promise<PredictionOf<O>>;
  async predict(
    data: DataOf<I> | InputsOf<I>,
    options: PredictOptions | DatasetLookOptions = {},
  ): Promise<PredictionOf<O>> {
    const outputs = isDataset(data)
      ? predictDataset(this.#host, this.predict, data, options)
      : predictArrays(this.#host, this.predict, data, options);
    return this.#named(await outputs);
  }

  /**
   * The class that `predict` gives for each row, or each step of a row: the largest of the last axis, [N, ..] for an output
   * [N, .., C]; where that has size 1, [N, .., 1] with 1 for what is above one half, else 0, as in Keras. An output of class
   * numbers, the tags of a CRF, is given as it is.
   *
   * @param options as those of `predict`
   */
  async predictClasses(x: DataOf<I>, options?: PredictOptions): Promise<ClassesOf<O>>;
  /** The classes that `predict` gives for the batches of a `Dataset`. */
  async predictClasses(dataset: InputsOf<I>, options?: DatasetLookOptions): Promise<ClassesOf<O>>;
  async predictClasses(
    data: DataOf<I> | InputsOf<I>,
    options: PredictOptions | DatasetLookOptions = {},
  ): Promise<ClassesOf<O>> {
    const predicted = await this.predict(data as InputsOf<I>, options);
    const ports = this.network?.outputs ?? [];
    const [only] = ports;
    if (only?.name === "") return classesOf(predicted as Tensor<"float32">, only) as ClassesOf<O>;
    const byName = predicted as Readonly<Record<string, Tensor<"float32">>>;
    return Object.fromEntries(
      ports.flatMap((port) => {
        const output = byName[port.name];
        return output === undefined ? [] : [[port.name, classesOf(output, port)]];
      }),
    ) as ClassesOf<O>;
  }

  /**
   * The model's output for these rows, computed as one batch. An array of up to 1 MiB is copied when it is called; a larger
   * one must stay as it is until it resolves.
   */
  async predictOnBatch(x: DataOf<I>): Promise<PredictionOf<O>> {
    const given = taken("predictOnBatch", x, this.#host.ports);
    const place = predictionPlace(this.#host);
    return await this.#turns.take(
      { method: this.predictOnBatch, quick: true },
      predictionEffect(this.#host),
      async (submitted) => {
        const { runs, rows: data } = this.#input("predictOnBatch", await given);
        const engine = await this.#made();
        const job = runs.predictionJob(data, countOf(data));
        await engine.prepare(job);
        const executable = engine.program(job);
        const outputs = room(executable.program);
        const done = executable.run({
          entry: "main",
          state: engine.memory,
          inputs: data.x.map(({ data: values }) => values),
          outputs: outputs.map(({ data: values }) => values),
          place,
        });
        submitted();
        await done;
        return this.#named(outputs);
      },
    );
  }

  /**
   * The model's output for these rows, computed on the caller's thread: for work of a few rows, where a hop to another
   * thread would cost more.
   *
   * @throws RondoError while weights or recurrent states are being changed, before `ready` was awaited, where the backend
   *   has no synchronous calls, and on wasm for the moment in which the first call after `compile` makes room
   */
  predictSync(x: DataOf<I>): PredictionOf<O> {
    const engine = this.#readyEngine("predictSync");
    const runs = this.#runs;
    const data = runs.inputSync("predictSync", x);
    const executable = engine.program(runs.predictionJob(data, countOf(data)));
    const outputs = room(executable.program);
    executable.runSync({
      entry: "main",
      state: engine.memory,
      inputs: data.x.map(({ data: values }) => values),
      outputs: outputs.map(({ data: values }) => values),
    });
    return this.#named(outputs);
  }

  /** Outputs as users know them. */
  #named(outputs: readonly Tensor<"float32">[]): PredictionOf<O> {
    const ports = this.network?.outputs ?? [];
    const [only] = ports;
    if (only?.name === "") return outputs[0] as PredictionOf<O>;
    return Object.fromEntries(ports.map(({ name }, i) => [name, outputs[i]])) as PredictionOf<O>;
  }

  /** @param where what wants to run on the caller's thread */
  #readyEngine(where: string): Engine {
    const engine = this.#engine;
    const awaited = where.replace("Sync", "");
    const refuse = (received: string, expected: string, fix: string) =>
      new RondoError({ where, received, expected, fix });
    if (this.#turns.writing) {
      throw refuse(
        "a call while weights or states are being changed",
        "no fit, trainOnBatch or setWeights under way, and no other run of a stateful model",
        `Await them first, or use ${awaited}, which takes its turn`,
      );
    }
    // Natively the state is the caller's thread's too; wasm keeps a copy there from the first ready() on.
    const reachable = this.#turns.staysReady(this.#prepareSync) || engine?.backend.kind === "native";
    if (engine?.initialized !== true || !reachable) {
      throw refuse("a call before ready", "a model that is ready", "Await model.ready() once before");
    }
    if (!engine.backend.capabilities.synchronous) {
      throw refuse(
        `the backend ${engine.backend.name}`,
        "a backend with synchronous calls",
        `Use ${awaited}`,
      );
    }
    return engine;
  }

  /**
   * Loads the backend and makes the weights. Everything asynchronous does this by itself; `predictSync` needs it to have
   * been awaited once on wasm, or before anything else was. From then on everything that changes weights or states leaves
   * the model ready again.
   */
  async ready(): Promise<this> {
    await this.#made();
    await this.#turns.stayReady(this.#prepareSync);
    return this;
  }

  /**
   * A stream through the model: sequences that come step by step, each going on where it was. Its recurrent states are plain
   * arrays of its own, so that there may be thousands beside each other, whatever the model's batchSize.
   *
   * @param options `rows`: how many sequences go on side by side; default 1
   * @throws RondoError naming the layer for a model that would need steps which are still to come
   */
  async session(options: SessionOptions = {}): Promise<Session<I, O>> {
    const { openSession } = await import("./session.js");
    return openSession(this.#host, this.session, options);
  }

  // ---- State

  /** Copies of all weights, in Keras's order. */
  async getWeights(): Promise<Tensor<"float32">[]> {
    return this.#turns.take({ method: this.getWeights }, "look", async (submitted) =>
      (await this.#made()).readWeights(submitted),
    );
  }

  /** Sets all weights, in the order of `getWeights`. */
  async setWeights(weights: readonly TensorLike[]): Promise<void> {
    const fix = "Put the arrays into a list, in the order of weightNames()";
    checkList("setWeights", weights, "a list of arrays, as getWeights gives", fix);
    // The caller's arrays may change as soon as this returns.
    const tensors = weights.map((w: TensorLike, i) => {
      const { data, shape, dtype } = toTensor(`setWeights: array ${i}`, w);
      return new Tensor(data.slice(), shape, dtype);
    });
    return this.#turns.take({ method: this.setWeights }, "write", async (submitted) =>
      (await this.#made()).writeWeights(tensors, submitted),
    );
  }

  /**
   * The model as a `.keras` file, Keras's own format: configuration, weights, how it was compiled and what its optimizer
   * keeps, and the seeds and steps from which it goes on; written to a path in Node.
   *
   * @param path where the file goes, ending in `.keras`; left out: nothing is written
   * @returns the bytes of the file
   * @throws RondoError for functions of one's own in the configuration, which no file can hold, and paths that cannot be written
   */
  async save(path?: string): Promise<Uint8Array<ArrayBuffer>> {
    const snapshot = await this.snapshot();
    const { delivered, kerasFileOf } = await files();
    const bytes = await kerasFileOf(this, this.#entries, this.seed, snapshot, this.#objective);
    return delivered("save", path, ".keras", bytes);
  }

  /**
   * Everything that training changes: weights, recurrent states, what the optimizer keeps, and what random draws and the
   * order of rows hang on.
   */
  async snapshot(): Promise<Snapshot> {
    return this.#turns.take({ method: this.snapshot }, "look", async (submitted) => {
      const engine = await this.#made();
      const passes = this.#passes;
      return { ...(await engine.snapshot(submitted)), passes };
    });
  }

  /**
   * Goes on from a snapshot: what is trained from here on has the bits that it would have had from there.
   *
   * @param snapshot of this model, or of one with the same layers and seed, compiled alike
   * @throws RondoError for one that does not fit: the model stays as it was
   */
  async restore(snapshot: Snapshot): Promise<void> {
    await this.#turns.take({ method: this.restore }, "write", async (submitted) => {
      await (await this.#made()).restore(snapshot, submitted);
      this.#passes = snapshot.passes;
    });
  }

  /**
   * The weights as a safetensors file, by the names of `weightNames`; written to a path in Node.
   *
   * @param path where the file goes, ending in `.safetensors`; left out: nothing is written
   * @returns the bytes of the file
   */
  async saveWeights(path?: string): Promise<Uint8Array<ArrayBuffer>> {
    const { saveWeightsOf } = await files();
    return saveWeightsOf(this, path);
  }

  /**
   * Sets weights from a safetensors file, by their names.
   *
   * @param source a path (in Node), an address, the bytes or a Blob
   * @param options `partial`: the file may lack weights of the model and have others; default false
   * @throws RondoError for names that are missing or unknown and for other shapes: the weights stay as they were
   */
  async loadWeights(source: FileSource, options: { readonly partial?: boolean } = {}): Promise<void> {
    const { loadWeightsInto } = await files();
    await loadWeightsInto(this, this.#entries, source, options);
  }

  /** Sets the recurrent states of stateful layers to 0. */
  async resetStates(): Promise<void> {
    return this.#turns.take({ method: this.resetStates }, "write", async (submitted) =>
      (await this.#made()).resetStates(submitted),
    );
  }

  /**
   * The memory that the model takes, worked out without running it.
   *
   * @param options `batchSize` (default 32); `inputShape`: sizes of one sample, where the model leaves some open
   */
  async memory(
    options: { readonly batchSize?: number; readonly inputShape?: readonly number[] } = {},
  ): Promise<MemoryUse> {
    const { memoryUse } = await import("./memory.js");
    const { inputPorts: ports } = this;
    const built = (shape: Shape) => this.#built ?? this.#build(shape);
    return memoryUse(
      options,
      { ports, built, rows: this.#built?.rows },
      () => this.#chosenBackend(),
      this.#objective,
    );
  }

  // ---- Within

  /** @internal What keeps a training by hand works on. */
  get host(): Host {
    return this.#host;
  }

  #compiled(where: string): Objective {
    if (this.#objective !== undefined) return this.#objective;
    throw new RondoError({
      where,
      received: `model "${this.name}" without a loss`,
      expected: "a compiled model",
      fix: 'Call compile first, for example model.compile({ optimizer: "adam", loss: "meanSquaredError" })',
    });
  }

  /** The engine, made on the first use. */
  #made(): Promise<Engine> {
    if (this.#built === undefined) {
      throw new RondoError({
        where: `model "${this.name}"`,
        received: "a use of its weights before their shapes are known",
        expected: "an inputShape on the first layer, or data",
        fix: "Give the first layer inputShape, or call fit or predict first",
      });
    }
    this.#making ??= this.#make(this.#built.assembly).catch((error: unknown) => {
      this.#making = undefined;
      throw error;
    });
    return this.#making;
  }

  async #make(assembly: Omit<Assembly, "arrangement">): Promise<Engine> {
    const backend = await this.#chosenBackend();
    const engine = new Engine(assembly, this.seed, backend, () => this.#shared());
    if (this.#objective !== undefined) engine.setObjective(this.#objective);
    this.#engine = engine;
    return engine;
  }

  async #chosenBackend(): Promise<Backend> {
    return this.#backend ?? this.#shared().backend ?? defaultBackend();
  }

  /** x as tensors that fit; builds the model where its shapes come from the data. */
  #input(where: string, values: readonly Tensor[]): { readonly runs: Runs; readonly rows: Rows } {
    const built = this.#built;
    if (built !== undefined) return { runs: built, rows: built.input(where, values) };
    const rows = { x: fitting(where, values, this.inputPorts) };
    return { runs: this.#build(batchShape(rows.x[0]?.shape.slice(1) ?? [])), rows };
  }

  get #runs(): Runs {
    if (this.#built === undefined) throw new Error("a model was used before it was built");
    return this.#built;
  }

  /** What its runs need of it. */
  #hosted(): Host {
    const model = this;
    return {
      model,
      get seed() {
        return model.#seed;
      },
      set seed(seed) {
        model.#seed = seed;
      },
      get seeded() {
        return model.#seeded;
      },
      get passes() {
        return model.#passes;
      },
      set passes(passes) {
        model.#passes = passes;
      },
      get turns() {
        return model.#turns;
      },
      get built() {
        return model.#built;
      },
      get ports() {
        return model.#built?.ports ?? model.inputPorts;
      },
      compiled: (where) => this.#compiled(where),
      engine: () => this.#made(),
      input: (where, values) => this.#input(where, values),
      passOf: (epoch) => {
        const pass = Math.max(epoch, this.#passes);
        this.#passes = pass + 1;
        return pass;
      },
      reported: ({ names }) => {
        this.#figureNames = names;
      },
      ready: (where) => this.#readyEngine(where),
      named: (outputs) => this.#named(outputs),
    };
  }

  /** A step by hand, with the learning rate of now. */
  #onBatch(
    method: CallableFunction,
    kind: "train" | "evaluate",
    x: DataOf<I>,
    y: TargetsOf<O>,
    options: BatchOptions<O>,
  ): Promise<Figures> {
    this.#compiled(method.name);
    const rate = this.#scheduled ? undefined : this.learningRate;
    return onBatch(this.#host, method, kind, x, y, options, rate);
  }

  /** Whether the learning rate follows a schedule. */
  get #scheduled(): boolean {
    return typeof this.#objective?.optimizer.learningRate === "object";
  }
}

/** Everything that training changes in a model. */
export interface Snapshot extends EngineSnapshot {
  /** Epochs begun so far: the order of rows hangs on it. */
  readonly passes: number;
}

/** What reads and writes files is loaded when it is used. */
const files = () => import("./saving.js");

/** A size, or null where it is open. */
export const knownSize = (d: Dim): number | null => (typeof d === "number" ? d : null);

/** Class numbers of predictions [.., C] → [..], or [.., 1] → [.., 1]; what holds such already as it is. */
function classesOf({ data, shape }: Tensor<"float32">, { type }: NetworkPort): Tensor<"int32"> {
  if (type.dtype === "int32") return new Tensor(Int32Array.from(data), shape, "int32");
  const width = shape.at(-1) ?? 1;
  if (width === 1)
    return new Tensor(
      Int32Array.from(data, (p) => Number(p > 0.5)),
      shape,
      "int32",
    );
  const classes = Int32Array.from({ length: data.length / width }, (_, i) =>
    largestOf(data, i * width, width),
  );
  return new Tensor(classes, shape.slice(0, -1), "int32");
}

/** Arrays for the outputs of a program. */
const room = ({ outputs }: Program): Tensor<"float32">[] =>
  outputs.map(({ size, shape }) => new Tensor(new Float32Array(size), shape, "float32"));

/** 32 bits from the platform's generator. */
function randomSeed(): number {
  const [seed = 0] = crypto.getRandomValues(new Uint32Array(1));
  return seed;
}
