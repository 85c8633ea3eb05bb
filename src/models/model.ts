import { optionalName } from "../config/fields.js";
import { checkList, checkOptions, RondoError, valueText, within } from "../errors.js";
import type { Dim, Shape } from "../graph/dim.js";
import { batchShape } from "../layers/layer.js";
import type { Program } from "../plan/program.js";
import type { Backend, Place } from "../runtime/backend.js";
import { defaultBackend } from "../runtime/default.js";
import { sizeOf, Tensor, type TensorLike, toTensor } from "../tensor.js";
import type { CallbackModel } from "../train/callbacks/callback.js";
import type { History } from "../train/callbacks/history.js";
import {
  arraysOf,
  type ClassWeights,
  checkTargets,
  type Dataset,
  readDataset,
  readInput,
  readTensor,
  rowsOf,
  splitLast,
  weighClasses,
} from "../train/dataset.js";
import { checkCount, type Run, runEvaluation, runFit, runPrediction, type Source } from "../train/fit.js";
import { targetBounds } from "../train/measure.js";
import { Totals } from "../train/metrics.js";
import { type CompileOptions, Objective } from "../train/objective.js";
import { Engine, type Job, type Kind } from "./engine.js";
import { memoryUse, sampleSizes } from "./memory.js";
import {
  type BatchOptions,
  checkValidationData,
  type EvaluateOptions,
  type Figures,
  type FitOptions,
  type MemoryUse,
  type ModelOptions,
  optionNames,
  type PredictOptions,
  type RunOptions,
  readRun,
} from "./options.js";
import { bindingsOf, type Given, Ports } from "./ports.js";
import { isMasked, type Network, type Types } from "./trace.js";
import { Turns, type Work } from "./turns.js";

/** Scratch memory of one step of `predict`, unless batchSize is given. */
const predictionBytes = 32 * 2 ** 20;
const largestPrediction = 512;
/** What predictions are made of is copied up to this size. */
const copiedBytes = 2 ** 20;

/** What a model is once its shapes are known. */
export interface Built {
  readonly network: Network;
  /** With its batch axis. */
  readonly outputShape: Shape;
}

/** Training, evaluation and prediction, whatever the model is made of. Nothing needs to be freed. */
export abstract class Model implements CallbackModel {
  readonly name: string;
  readonly seed: number;
  stopTraining = false;
  readonly #backend: Backend | Promise<Backend> | undefined;
  #built: (Built & { readonly ports: Ports }) | undefined;
  #objective: Objective | undefined;
  #engine: Engine | undefined;
  #making: Promise<Engine> | undefined;
  readonly #turns = new Turns(
    () => this.#stateful,
    async () => this.#engine?.prepareSync(),
  );
  /** Epochs begun so far, by their numbers: no two have the same order of rows, whatever fit they belong to. */
  #passes = 0;

  constructor(kind: string, options: ModelOptions) {
    checkOptions(kind, options, optionNames.model);
    const { name = kind, seed = randomSeed(), backend } = options;
    this.name = optionalName.read(name, kind, "name") ?? kind;
    this.seed = seed;
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

  // ---- What the model is made of

  /** The shape of the input with its batch axis, where the model says it; undefined where the data does. */
  protected abstract get givenShape(): Shape | undefined;

  /**
   * The shape of the input with its batch axis; null where a size is not fixed. Undefined where the first layer has no
   * inputShape.
   */
  get inputShape(): readonly (number | null)[] | undefined {
    return this.givenShape?.map(knownSize);
  }

  /** Puts the model together for an input [batch, ..]. */
  protected abstract assemble(inputShape: Shape): Built;

  /** Whether the shapes of its weights are known: from its input's shape, or from the first data. */
  get built(): boolean {
    return this.#built !== undefined;
  }

  /** The shape of the output with its batch axis; null where a size is not fixed. Undefined before the model is built. */
  get outputShape(): readonly (number | null)[] | undefined {
    return this.#built?.outputShape.map(knownSize);
  }

  protected get network(): Network | undefined {
    return this.#built?.network;
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
    const shape = this.givenShape;
    if (shape !== undefined) this.#build(shape);
  }

  #build(inputShape: Shape): Built {
    const built = this.assemble(inputShape);
    this.#built = { ...built, ports: new Ports(this.givenShape, built.outputShape) };
    return this.#built;
  }

  /** Number of weights. */
  countParams(): number {
    return this.network?.parameters.count() ?? 0;
  }

  /** Names of the arrays of weights (`lstm/kernel`), in the order of `getWeights`. */
  weightNames(): string[] {
    return (this.network?.parameters.places ?? []).map(({ path }) => path);
  }

  // ---- Training

  /**
   * Sets optimizer, loss and metrics. The weights stay as they are; the optimizer begins anew.
   *
   * @throws RondoError for an unknown name, with the nearest valid one
   */
  compile(options: CompileOptions): void {
    this.#turns.requireIdle("compile");
    this.#objective = new Objective(options);
    this.#engine?.setObjective(this.#objective);
  }

  /** `loss` and the names of the metrics, in the order of `evaluate`'s figures. */
  get metricsNames(): readonly string[] {
    return this.#compiled("metricsNames").names;
  }

  /** The optimizer's learning rate, a finite number of 0 or more; a new value holds from the next step on. */
  get learningRate(): number {
    const { optimizer } = this.#compiled("learningRate");
    return this.#engine?.learningRate ?? optimizer.learningRate;
  }
  set learningRate(rate: number) {
    const objective = this.#compiled("learningRate");
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
  async fit(x: TensorLike, y: TensorLike, options: FitOptions = {}): Promise<History> {
    checkOptions("fit", options, optionNames.fit);
    const { names } = this.#compiled("fit");
    this.#turns.requireNoFit("fit");
    const { batchSize = this.#rows ?? 32, shuffle = true, verbose = 1 } = options;
    const { validationData, validationSplit = 0, classWeight } = options;
    const { validationBatchSize = batchSize } = options;
    const run = this.#run("fit", { ...options, batchSize, shuffle, verbose }, this.#turns.aroundFitHooks);
    checkCount("fit", "batchSize", batchSize, 1);
    checkCount("fit", "validationBatchSize", validationBatchSize, 1);
    checkCount("fit", "epochs", run.epochs, 0);
    checkCount("fit", "initialEpoch", run.initialEpoch, 0);
    return this.#turns.fit({ method: this.fit }, async (step) => {
      let data = await this.#dataset("fit", x, y, options.sampleWeight);
      let held: Dataset | undefined;
      if (validationData !== undefined) {
        const [vx, vy, sampleWeight] = checkValidationData(validationData);
        held = await this.#dataset("fit, validationData", vx, vy, sampleWeight);
      } else if (validationSplit !== 0) [data, held] = splitLast("fit", data, validationSplit);
      if (classWeight !== undefined) data = await this.#weighed("fit", data, classWeight);
      this.#checkRows("fit", data, batchSize);
      if (held !== undefined) this.#checkRows("fit, validation", held, validationBatchSize);
      const engine = await this.#made();
      const source = this.#source(engine, "train", data, {
        turn: (run) => step(true, run),
        place: "yielding",
      });
      const validates = this.#stateful;
      const validation = held && {
        source: this.#source(engine, "evaluate", held, { turn: (run) => step(validates, run) }),
        batchSize: validationBatchSize,
      };
      // What does not fit is found before the first step.
      await source.plan(Math.min(source.rows, batchSize));
      await validation?.source
        .plan(Math.min(validation.source.rows, validationBatchSize))
        .catch((error: unknown) => {
          throw within("fit, validation", error);
        });
      return runFit(this, names, source, validation, run);
    });
  }

  /** Loss and metrics over x [N, ..] and y [N, ..], which are read while it runs and must stay as they are until it resolves. */
  async evaluate(x: TensorLike, y: TensorLike, options: EvaluateOptions = {}): Promise<Figures> {
    checkOptions("evaluate", options, optionNames.evaluate);
    const { names } = this.#compiled("evaluate");
    const { batchSize = this.#rows ?? 32, verbose = 0 } = options;
    checkCount("evaluate", "batchSize", batchSize, 1);
    const run = this.#run("evaluate", { ...options, batchSize, verbose });
    const effect = this.#stateful ? "write" : "look";
    return this.#turns.measure({ method: this.evaluate }, effect, async (submitted) => {
      const data = await this.#dataset("evaluate", x, y, options.sampleWeight);
      this.#checkRows("evaluate", data, batchSize);
      const source = this.#source(await this.#made(), "evaluate", data, {
        submitted: heldFor(run, submitted),
      });
      return (await runEvaluation(this, names, source, run)).means();
    });
  }

  /**
   * One training step on these rows; resolves with its loss and metrics, before the update. The arrays are read while it
   * runs, so they must stay as they are until then.
   */
  async trainOnBatch(x: TensorLike, y: TensorLike, options: BatchOptions = {}): Promise<Figures> {
    this.#turns.requireNoFit("trainOnBatch");
    return await this.#runBatch(this.trainOnBatch, "train", x, y, options);
  }

  /** Loss and metrics of these rows as one batch. The arrays must stay as they are until it resolves. */
  async testOnBatch(x: TensorLike, y: TensorLike, options: BatchOptions = {}): Promise<Figures> {
    return await this.#runBatch(this.testOnBatch, "evaluate", x, y, options);
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
  async predict(x: TensorLike, options: PredictOptions = {}): Promise<Tensor<"float32">> {
    checkOptions("predict", options, optionNames.predict);
    if (options.batchSize !== undefined) checkCount("predict", "batchSize", options.batchSize, 1);
    const given = taken("predict", x);
    const place = this.#predictionPlace;
    return await this.#turns.take({ method: this.predict, quick: true }, "prediction", async (submitted) => {
      const data = this.#input("predict", await given);
      const rows = rowsOf(data);
      if (this.#rows !== undefined) this.#checkRows("predict", { x: data }, options.batchSize ?? this.#rows);
      const engine = await this.#made();
      const { batchSize = await this.#predictionRows(engine, data), verbose = 0 } = options;
      const run = this.#run("predict", { ...options, batchSize, verbose });
      const job = this.#predictionJob(data, Math.min(rows, batchSize));
      await engine.prepare(job);
      const sizes = outputOf(engine.program(job).program).shape.slice(1);
      const output = new Tensor(new Float32Array(rows * sizeOf(sizes)), [rows, ...sizes], "float32");
      const source = this.#source(
        engine,
        "predict",
        { x: data },
        {
          // Steps of a fit must not come between: all batches see the same weights.
          place: rows > batchSize ? "overtakingOthers" : place,
          submitted: heldFor(run, submitted),
        },
      );
      await runPrediction(this, source, output.data, sizeOf(sizes), run);
      return output;
    });
  }

  /**
   * The model's output for these rows, computed as one batch. An array of up to 1 MiB is copied when it is called; a larger
   * one must stay as it is until it resolves.
   */
  async predictOnBatch(x: TensorLike): Promise<Tensor<"float32">> {
    const given = taken("predictOnBatch", x);
    const place = this.#predictionPlace;
    return await this.#turns.take(
      { method: this.predictOnBatch, quick: true },
      "prediction",
      async (submitted) => {
        const data = this.#input("predictOnBatch", await given);
        const engine = await this.#made();
        const job = this.#predictionJob(data, rowsOf(data));
        await engine.prepare(job);
        const executable = engine.program(job);
        const { size, shape } = outputOf(executable.program);
        const output = new Float32Array(size);
        const call = { entry: "main", state: engine.memory, inputs: [data.data], outputs: [output], place };
        const done = executable.run(call);
        submitted();
        await done;
        return new Tensor(output, shape, "float32");
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
  predictSync(x: TensorLike): Tensor<"float32"> {
    const engine = this.#readyEngine();
    const data = this.#input("predictSync", x);
    const executable = engine.program(this.#predictionJob(data, rowsOf(data)));
    const { size, shape } = outputOf(executable.program);
    const output = new Float32Array(size);
    executable.runSync({ entry: "main", state: engine.memory, inputs: [data.data], outputs: [output] });
    return new Tensor(output, shape, "float32");
  }

  #readyEngine(): Engine {
    const engine = this.#engine;
    const refuse = (received: string, expected: string, fix: string) =>
      new RondoError({ where: "predictSync", received, expected, fix });
    if (this.#turns.writing) {
      throw refuse(
        "a call while weights or states are being changed",
        "no fit, trainOnBatch or setWeights under way, and no other run of a stateful model",
        "Await them first, or use predict, which takes its turn",
      );
    }
    // Natively the state is the caller's thread's too; wasm keeps a copy there from the first ready() on.
    const reachable = this.#turns.staysReady || engine?.backend.kind === "native";
    if (engine?.initialized !== true || !reachable) {
      throw refuse("a call before ready", "a model that is ready", "Await model.ready() once before");
    }
    if (!engine.backend.capabilities.synchronous) {
      throw refuse(`the backend ${engine.backend.name}`, "a backend with synchronous calls", "Use predict");
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
    await this.#turns.stayReady();
    return this;
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
    checkOptions("memory", options, ["batchSize", "inputShape"]);
    const { batchSize = this.#rows ?? 32 } = options;
    checkCount("memory", "batchSize", batchSize, 1);
    const sample = sampleSizes(this.givenShape, options.inputShape);
    this.#requireRows(batchSize);
    const { network, outputShape } = this.#built ?? this.#build(batchShape(sample));
    const ports = [this.givenShape ?? batchShape(sample), outputShape] as const;
    return memoryUse(network, ports, [batchSize, ...sample], await this.#chosenBackend(), this.#objective);
  }

  // ---- Within

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
    this.#making ??= this.#make(this.#built.network).catch((error: unknown) => {
      this.#making = undefined;
      throw error;
    });
    return this.#making;
  }

  async #make(network: Network): Promise<Engine> {
    const engine = new Engine(network, this.seed, await this.#chosenBackend());
    if (this.#objective !== undefined) engine.setObjective(this.#objective);
    this.#engine = engine;
    return engine;
  }

  async #chosenBackend(): Promise<Backend> {
    return this.#backend ?? defaultBackend();
  }

  /** x as a tensor that fits; builds the model where its shapes come from the data. */
  #input(where: string, values: TensorLike): Tensor {
    const x = readInput(where, values, this.#givenShape);
    if (this.#built === undefined) this.#build(batchShape(x.shape.slice(1)));
    return x;
  }

  /** `givenShape`, worked out once. */
  get #givenShape(): Shape | undefined {
    return this.#built === undefined ? this.givenShape : this.#built.ports.input;
  }

  get #ports(): Ports {
    if (this.#built === undefined) throw new Error("a model's ports were used before it was built");
    return this.#built.ports;
  }

  async #dataset(
    where: string,
    x: TensorLike,
    y: TensorLike,
    sampleWeight: TensorLike | undefined,
  ): Promise<Dataset> {
    const { loss } = this.#compiled(where);
    const input = this.#input(where, await readTensor(`${where}: x`, x));
    const targets = await readTensor(`${where}: y`, y);
    const weights = sampleWeight && (await readTensor(`${where}: sampleWeight`, sampleWeight));
    const data = readDataset(where, input, targets, weights);
    const types = this.#ports.types({ x: input });
    const masked = () => this.network !== undefined && isMasked(this.network, types);
    await checkTargets(where, data, targetBounds(loss, this.#ports.classes), masked);
    return data;
  }

  #weighed(where: string, data: Dataset, weights: ClassWeights): Promise<Dataset> {
    const { target } = this.#compiled(where).loss;
    return weighClasses(where, data, weights, target, target === "classes" ? this.#ports.classes : undefined);
  }

  /** Before anything runs: whether the rows come in batches of the size that the model fixes, if it does. */
  #checkRows(where: string, { x }: Given, batchSize: number): void {
    const fixed = this.#rows;
    if (fixed === undefined || (batchSize === fixed && rowsOf(x) % fixed === 0)) return;
    throw new RondoError({
      where,
      received: `${rowsOf(x)} ${rowsOf(x) === 1 ? "sample" : "samples"} in batches of ${batchSize}`,
      expected: `batches of ${fixed}, the batchSize of the first layer, and a multiple of ${fixed} samples`,
      fix: this.#stateful
        ? `Set batchSize to ${fixed} and give full batches; for other batches make a second model with that batchSize, and copy the weights with getWeights and setWeights`
        : `Set batchSize to ${fixed} and give full batches, or leave batchSize out of the first layer`,
    });
  }

  #source(
    engine: Engine,
    kind: Kind,
    data: Given,
    { turn = (run) => run(() => {}), submitted = () => {}, place = "inTurn", rate }: SourceOptions,
  ): Source {
    const types = this.#ports.types(data);
    const { x } = data;
    const loss = kind === "predict" ? undefined : this.#objective?.loss;
    const sample = x.shape.slice(1);
    const job = (rows: number) => this.#job(kind, types, [rows, ...sample]);
    let left = rowsOf(x);
    return {
      arrays: arraysOf(data, loss && targetBounds(loss, this.#ports.classes)),
      rows: rowsOf(x),
      plan: (rows) => engine.prepare(job(rows)),
      submit: (inputs, rows, output) =>
        turn(async () => {
          await engine.prepare(job(rows));
          const executable = engine.program(job(rows));
          if (kind === "train") engine.submitLearningRate(rate ?? engine.learningRate);
          const call = { entry: "main", state: engine.memory, inputs, outputs: [output], place };
          const done = executable.run(call);
          left -= rows;
          if (left <= 0) submitted();
          return { done };
        }),
    };
  }

  async #runBatch(
    method: CallableFunction,
    kind: "train" | "evaluate",
    x: TensorLike,
    y: TensorLike,
    options: BatchOptions,
  ): Promise<Figures> {
    const where = method.name;
    checkOptions(where, options, optionNames.batch);
    const { names } = this.#compiled(where);
    const { sampleWeight, classWeight } = options;
    const rate = this.learningRate;
    const effect = kind === "train" || this.#stateful ? "write" : "look";
    return await this.#turns.measure({ method, quick: true }, effect, async (submitted) => {
      let data = await this.#dataset(where, x, y, sampleWeight);
      if (classWeight !== undefined) data = await this.#weighed(where, data, classWeight);
      const { arrays, rows, submit } = this.#source(await this.#made(), kind, data, { rate, submitted });
      const figures = new Float32Array(2 * names.length);
      const { done } = await submit(
        arrays.map(({ tensor }) => tensor.data),
        rows,
        figures,
      );
      await done;
      const totals = new Totals(names);
      totals.add(figures);
      return totals.means();
    });
  }

  /** Whether every run changes recurrent states. */
  get #stateful(): boolean {
    return this.network?.layers.some((layer) => layer.states().length > 0) === true;
  }

  /** The place of predictions among the runs of the backend: what a callback asks for comes after the steps before it. */
  get #predictionPlace(): Place {
    return this.#turns.inCallback ? "overtakingOthers" : "overtaking";
  }

  /** What predicts `rows` rows like those of x. */
  #predictionJob(x: Tensor, rows: number): Job {
    return this.#job("predict", this.#ports.types({ x }), [rows, ...x.shape.slice(1)]);
  }

  #job(kind: Kind, types: Types, sizes: readonly number[]): Job {
    this.#requireRows(sizes[0] ?? 0);
    return { kind, types, bindings: bindingsOf(types.x.shape, sizes) };
  }

  #requireRows(rows: number): void {
    if (this.#rows === undefined || rows === this.#rows) return;
    throw new RondoError({
      where: `model "${this.name}"`,
      received: `a batch of ${rows} rows`,
      expected: `${this.#rows} rows, the batchSize of the first layer`,
      fix: "Leave batchSize out, and give a multiple of so many rows",
    });
  }

  /** The number of rows in each batch, where the model fixes it. */
  get #rows(): number | undefined {
    const rows = this.#givenShape?.[0];
    return typeof rows === "number" ? rows : undefined;
  }

  #run(where: string, options: RunOptions, aroundHook = this.#turns.aroundHooks): Run {
    const passOf = (epoch: number) => {
      const pass = Math.max(epoch, this.#passes);
      this.#passes = pass + 1;
      return pass;
    };
    return readRun(where, options, this.seed, { passOf, aroundHook });
  }

  /** Rows of one step of `predict` within its memory. */
  async #predictionRows(engine: Engine, x: Tensor): Promise<number> {
    if (this.#rows !== undefined) return this.#rows;
    const rows = Math.min(rowsOf(x), largestPrediction);
    const job = this.#predictionJob(x, rows);
    await engine.prepare(job);
    const { scratchBytes } = engine.program(job).program;
    if (scratchBytes <= predictionBytes) return rows;
    const fitting = Math.floor((rows * predictionBytes) / scratchBytes);
    return Math.max(1, fitting > 16 ? fitting - (fitting % 16) : fitting);
  }
}

interface SourceOptions {
  /** How a batch takes its turn; default: the whole run has it. */
  readonly turn?: <R>(run: Work<R>) => Promise<R>;
  /** Is called when all rows have been submitted. */
  readonly submitted?: () => void;
  readonly place?: Place;
  /** Learning rate of training steps; default: the engine's when a step is submitted. */
  readonly rate?: number;
}

/** A run with callbacks keeps its turn until the last of them is done: they see the model as the run does. */
const heldFor = ({ callbacks }: Run, submitted: () => void): (() => void) =>
  callbacks.length === 0 ? submitted : () => {};

/** x as it is now, where it is small. What is wrong with it is said when it is awaited. */
function taken(where: string, x: TensorLike): Promise<Tensor> {
  const reading = readTensor(`${where}: x`, x, copiedBytes);
  reading.catch(() => {});
  return reading;
}

const knownSize = (d: Dim): number | null => (typeof d === "number" ? d : null);

const outputOf = ({ outputs: [first] }: Program) => first ?? { size: 0, shape: [] };

/** 32 bits from the platform's generator. */
function randomSeed(): number {
  const [seed = 0] = crypto.getRandomValues(new Uint32Array(1));
  return seed;
}
