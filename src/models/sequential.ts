import { RondoError } from "../errors.js";
import { bind, type Shape } from "../graph/dim.js";
import type { TensorType } from "../graph/ir.js";
import { batchShape, type Layer, LayerNames } from "../layers/layer.js";
import type { CheckedLayers } from "../layers/types.js";
import type { Backend } from "../runtime/backend.js";
import { defaultBackend } from "../runtime/default.js";
import { sizeOf, Tensor, type TensorLike, toTensor } from "../tensor.js";
import type { CallbackHooks, CallbackModel } from "../train/callbacks/callback.js";
import type { History } from "../train/callbacks/history.js";
import { ProgressBar } from "../train/callbacks/progressBar.js";
import {
  type ClassWeights,
  checkLabels,
  type Dataset,
  readDataset,
  readInput,
  rowsOf,
  splitLast,
  tensorsOf,
  weighClasses,
} from "../train/dataset.js";
import {
  checkCount,
  runEvaluation,
  runFit,
  runPrediction,
  type Schedule,
  type Source,
  type Verbosity,
} from "../train/fit.js";
import { Totals } from "../train/metrics.js";
import { type CompileOptions, Objective } from "../train/objective.js";
import { bindingsOf, Engine, type Kind, plan, Traces } from "./engine.js";
import { Parameters } from "./parameters.js";
import { type SummaryRow, summaryText } from "./summary.js";
import { makeCounters, type Network, outputType, type Types } from "./trace.js";

export interface SequentialOptions {
  /** Default `sequential`. */
  readonly name?: string;
  /** From which weights, dropout and shuffling follow: the same seed gives the same bits. Default: a fresh random one. */
  readonly seed?: number;
  /** Where it runs; default: one backend that all models share, native where it loads, else WebAssembly. */
  readonly backend?: Backend | Promise<Backend>;
}

export interface PredictOptions {
  /** Rows of one step; default 32. */
  readonly batchSize?: number;
  /** 0 silent, 1 progress bar, 2 one line per epoch. */
  readonly verbose?: Verbosity;
  readonly callbacks?: readonly CallbackHooks[];
  /** Ends the run after the step under way. */
  readonly signal?: AbortSignal;
}

/** [x, y] or [x, y, sampleWeight]. */
export type ValidationData =
  | readonly [x: TensorLike, y: TensorLike]
  | readonly [x: TensorLike, y: TensorLike, sampleWeight: TensorLike];

export interface FitOptions extends PredictOptions {
  /** The epoch (counted from `initialEpoch`) to stop before; default 1. */
  readonly epochs?: number;
  /** Default 0. */
  readonly initialEpoch?: number;
  readonly validationData?: ValidationData;
  /** The last fraction of the rows, as they stand before shuffling, is validated on instead of trained on. */
  readonly validationSplit?: number;
  /** Default: `batchSize`. */
  readonly validationBatchSize?: number;
  /** Whether rows come in another order each epoch; a function of (seed, epoch). Default true. */
  readonly shuffle?: boolean;
  /** [N], or [N, T] where the model has an output per time step: how much each counts in the loss. */
  readonly sampleWeight?: TensorLike;
  /** How much the samples of each class count; multiplied with `sampleWeight`. */
  readonly classWeight?: ClassWeights;
}

export interface EvaluateOptions extends PredictOptions {
  readonly sampleWeight?: TensorLike;
}

export interface BatchOptions {
  readonly sampleWeight?: TensorLike;
  readonly classWeight?: ClassWeights;
}

/** The loss, and the metrics in the order of `metricsNames`. */
export type Figures = [loss: number, ...metrics: number[]];

/** Bytes that a model takes. */
export interface MemoryUse {
  /** Weights, optimizer slots, recurrent states and counters. */
  readonly state: number;
  /** Temporaries of one training step, packed weights and the batch; undefined before `compile`. */
  readonly training: number | undefined;
  /** The same of one step of `predict`. */
  readonly prediction: number;
}

/** Scratch memory of one step of `predict`, unless batchSize is given. */
const predictionBytes = 32 * 2 ** 20;
const largestPrediction = 512;

/** Layers one after the other. Made by `sequential`. Nothing needs to be freed. */
export class Sequential implements CallbackModel {
  readonly name: string;
  readonly seed: number;
  stopTraining = false;
  readonly #layers: Layer[] = [];
  readonly #names = new LayerNames();
  readonly #given: Backend | Promise<Backend> | undefined;
  readonly #warned = new Set<string>();
  #network: Network | undefined;
  #traces: Traces | undefined;
  #rows: readonly SummaryRow[] = [];
  #objective: Objective | undefined;
  #engine: Engine | undefined;
  #making: Promise<Engine> | undefined;
  /** Fits, steps and writes under way. */
  #writing = 0;
  #staysReady = false;
  #fitting = false;

  constructor(layers: readonly Layer[] = [], options: SequentialOptions = {}) {
    this.name = options.name ?? "sequential";
    this.seed = options.seed ?? randomSeed();
    this.#given = options.backend;
    if (!Number.isSafeInteger(this.seed)) {
      throw new RondoError({
        where: "sequential",
        received: `seed: ${options.seed}`,
        expected: "a whole number",
        fix: "Change seed, or leave it out for a random one",
      });
    }
    for (const layer of layers) this.#append(layer);
    this.#buildFromOptions();
  }

  // ---- The model itself

  get layers(): readonly Layer[] {
    return this.#layers;
  }

  /** Whether the shapes of its weights are known: from the first layer's inputShape, or from the first data. */
  get built(): boolean {
    return this.#network !== undefined;
  }

  /**
   * Appends a layer. The types do not follow it: whether the layers fit is found out when the model is built.
   *
   * @throws RondoError when the model has weights already
   */
  add(layer: Layer): this {
    if (this.#engine !== undefined || this.#making !== undefined) {
      throw new RondoError({
        where: `model "${this.name}"`,
        received: `${layer.where} after its weights were made`,
        expected: "all layers before the first fit, evaluate or predict",
        fix: "Add the layer earlier, or make a new model and copy weights with getWeights and setWeights",
      });
    }
    this.#append(layer);
    this.#network = undefined;
    this.#buildFromOptions();
    return this;
  }

  #append(layer: Layer): void {
    this.#names.add(layer);
    this.#layers.push(layer);
  }

  /** The shape of the model's input with its batch axis, where the first layer says it. */
  get inputShape(): Shape | undefined {
    return this.#layers[0]?.givenShape;
  }

  /** The shape of the model's output with its batch axis; undefined before it is built. */
  get outputShape(): Shape | undefined {
    return this.#rows.at(-1)?.outputShape;
  }

  #buildFromOptions(): void {
    const shape = this.inputShape;
    if (shape !== undefined) this.#build(shape);
  }

  #build(inputShape: Shape): Network {
    if (this.#layers.length === 0) {
      throw new RondoError({
        where: `model "${this.name}"`,
        received: "no layers",
        expected: "at least one",
        fix: "Pass layers to sequential, or add some",
      });
    }
    let shape = inputShape;
    this.#rows = this.#layers.map((layer): SummaryRow => {
      shape = layer.outputShape(shape);
      const parameters = layer.weights().reduce((n, w) => n + sizeOf(w.shape), 0);
      return { name: layer.name ?? "", className: layer.className, outputShape: shape, parameters };
    });
    this.#network = {
      layers: this.#layers,
      parameters: new Parameters(this.#layers),
      counters: makeCounters(),
      warn: (message) => this.#warn(message),
    };
    this.#traces = new Traces(this.#network);
    return this.#network;
  }

  #warn(message: string): void {
    if (this.#warned.has(message)) return;
    this.#warned.add(message);
    console.warn(`rondo: ${message}`);
  }

  /** Number of weights. */
  countParams(): number {
    return this.#network?.parameters.count() ?? 0;
  }

  /** Names of the arrays of weights (`lstm/kernel`), in the order of `getWeights`. */
  weightNames(): string[] {
    return (this.#network?.parameters.places ?? []).map(({ path }) => path);
  }

  /** Prints the table of layers as Keras does; `print` gets it as one text (default: `console.log`). */
  summary({ print = console.log }: { readonly print?: (text: string) => void } = {}): void {
    const rows: readonly SummaryRow[] =
      this.#network === undefined
        ? this.#layers.map(({ name, className }) => ({
            name: name ?? "",
            className,
            outputShape: undefined,
            parameters: 0,
          }))
        : this.#rows;
    // As in Keras, the table leaves out what only tells the input's shape.
    const shown = rows.filter(({ className }) => className !== "InputLayer");
    const { parameters } = this.#network ?? {};
    print(
      summaryText(this.name, shown, {
        trainable: parameters?.count(true) ?? 0,
        fixed: parameters?.count(false) ?? 0,
      }),
    );
  }

  /** The model's configuration in Keras's terms. */
  config() {
    return {
      class_name: "Sequential",
      config: {
        name: this.name,
        layers: this.#layers.map((layer) => ({ class_name: layer.className, config: layer.config() })),
      },
    };
  }

  // ---- Training

  /**
   * Sets optimizer, loss and metrics. The weights stay as they are; the optimizer begins anew.
   *
   * @throws RondoError for an unknown name, with the nearest valid one
   */
  compile(options: CompileOptions): void {
    this.#refuseDuringFit("compile");
    this.#objective = new Objective(options);
    this.#engine?.setObjective(this.#objective);
  }

  /** `loss` and the names of the metrics, in the order of `evaluate`'s figures. */
  get metricsNames(): readonly string[] {
    return this.#compiled("metricsNames").names;
  }

  /** The optimizer's learning rate; a new value holds from the next step on. */
  get learningRate(): number {
    return this.#engine?.learningRate ?? this.#compiled("learningRate").optimizer.learningRate;
  }
  set learningRate(rate: number) {
    const objective = this.#compiled("learningRate");
    if (this.#engine !== undefined) this.#engine.learningRate = rate;
    else this.#objective = objective.withLearningRate(rate);
  }

  /**
   * Trains on x [N, ..] and y [N, ..]; the optimizer's state goes on from call to call.
   *
   * Shuffled batches are gathered while the step before runs; never more than two steps are under way, and the event loop
   * is not blocked. When `signal` aborts, the step under way is finished, what was trained stays, and the history has
   * the completed epochs.
   *
   * @returns the history: a list of figures per epoch for `loss`, each metric, and with validation `val_loss` …
   * @throws RondoError when shapes, numbers of samples or labels do not fit, or the model is not compiled
   */
  async fit(x: TensorLike, y: TensorLike, options: FitOptions = {}): Promise<History> {
    const objective = this.#compiled("fit");
    this.#refuseDuringFit("fit");
    const { batchSize = 32, epochs = 1, initialEpoch = 0, validationSplit = 0 } = options;
    const { validationData, validationBatchSize = batchSize, verbose = 1 } = options;
    checkCount("fit", "batchSize", batchSize, 1);
    checkCount("fit", "validationBatchSize", validationBatchSize, 1);
    checkCount("fit", "epochs", epochs, 0);
    checkCount("fit", "initialEpoch", initialEpoch, 0);
    this.#fitting = true;
    try {
      return await this.#written(async () => {
        let data = await this.#dataset("fit", x, y, options);
        let held: Dataset | undefined;
        if (validationData !== undefined) {
          const [vx, vy, sampleWeight] = validationData;
          held = await this.#dataset(
            "fit, validationData",
            vx,
            vy,
            sampleWeight === undefined ? {} : { sampleWeight },
          );
        } else if (validationSplit !== 0) [data, held] = splitLast("fit", data, validationSplit);
        const engine = await this.#prepared();
        const schedule = { ...options, batchSize, epochs, initialEpoch, shuffle: options.shuffle ?? true };
        return await runFit(
          this,
          objective.names,
          this.#source(engine, "train", data),
          held && { source: this.#source(engine, "evaluate", held), batchSize: validationBatchSize },
          this.#schedule(schedule, verbose),
        );
      });
    } finally {
      this.#fitting = false;
    }
  }

  /**
   * Loss and metrics over x [N, ..] and y [N, ..].
   *
   * @param options `verbose` is 0 by default
   */
  async evaluate(x: TensorLike, y: TensorLike, options: EvaluateOptions = {}): Promise<Figures> {
    const objective = this.#compiled("evaluate");
    const { batchSize = 32, verbose = 0 } = options;
    checkCount("evaluate", "batchSize", batchSize, 1);
    const data = await this.#dataset("evaluate", x, y, options);
    const source = this.#source(await this.#prepared(), "evaluate", data);
    const schedule = this.#schedule({ ...options, batchSize }, verbose);
    return (await runEvaluation(this, objective.names, source, schedule)).means();
  }

  /** One training step on these rows; resolves with its loss and metrics, before the update. */
  trainOnBatch(x: TensorLike, y: TensorLike, options: BatchOptions = {}): Promise<Figures> {
    this.#refuseDuringFit("trainOnBatch");
    return this.#written(() => this.#runBatch("trainOnBatch", "train", x, y, options));
  }

  /** Loss and metrics of these rows as one batch. */
  testOnBatch(x: TensorLike, y: TensorLike, options: BatchOptions = {}): Promise<Figures> {
    return this.#runBatch("testOnBatch", "evaluate", x, y, options);
  }

  // ---- Prediction

  /**
   * The model's output for x [N, ..], computed in steps of a size that the memory decides: at most 512 rows and 32 MiB of
   * temporaries, or `batchSize` where it is given. Rows do not depend on each other; a step of one row may differ from
   * larger ones by rounding (1e-6).
   *
   * @param options `verbose` is 0 by default
   */
  async predict(x: TensorLike, options: PredictOptions = {}): Promise<Tensor<"float32">> {
    const data = this.#input("predict", x);
    const engine = await this.#prepared();
    const { batchSize = this.#predictionRows(engine, data), verbose = 0 } = options;
    checkCount("predict", "batchSize", batchSize, 1);
    const types = { x: this.#inputType(data) };
    const source = this.#source(engine, "predict", { x: data });
    const sizes =
      engine
        .program(
          "predict",
          types,
          bindingsOf(types.x.shape, [Math.min(batchSize, rowsOf(data)), ...data.shape.slice(1)]),
        )
        .program.outputs[0]?.shape.slice(1) ?? [];
    const output = new Float32Array(rowsOf(data) * sizeOf(sizes));
    await runPrediction(
      this,
      source,
      output,
      sizeOf(sizes),
      this.#schedule({ ...options, batchSize }, verbose),
    );
    return new Tensor(output, [rowsOf(data), ...sizes], "float32");
  }

  /** The model's output for these rows, computed as one batch. */
  async predictOnBatch(x: TensorLike): Promise<Tensor<"float32">> {
    const data = this.#input("predictOnBatch", x);
    const { run, output } = this.#prediction(await this.#prepared(), data);
    await run.executable.run(run.call);
    return output;
  }

  /**
   * The model's output for these rows, computed on the caller's thread: for work of a few rows, where a hop to another
   * thread would cost more.
   *
   * @throws RondoError while weights are being changed, before the weights exist, and where the backend has no
   *   synchronous calls
   */
  predictSync(x: TensorLike): Tensor<"float32"> {
    const engine = this.#engine;
    if (this.#writing > 0) {
      throw new RondoError({
        where: "predictSync",
        received: "a call while weights are being changed",
        expected: "no fit, trainOnBatch or setWeights under way",
        fix: "Await them first, or use predict, which takes its turn",
      });
    }
    if (engine?.initialized !== true || !engine.backend.capabilities.synchronous) {
      throw new RondoError({
        where: "predictSync",
        received:
          engine?.initialized === true
            ? `the backend ${engine.backend.name}`
            : "a call before the weights exist",
        expected: engine?.initialized === true ? "a backend with synchronous calls" : "a model that is ready",
        fix: engine?.initialized === true ? "Use predict" : "Await model.ready() once before",
      });
    }
    const { run, output } = this.#prediction(engine, this.#input("predictSync", x));
    run.executable.runSync(run.call);
    return output;
  }

  /**
   * Loads the backend and makes the weights. Everything asynchronous does this by itself; `predictSync` needs it to have
   * been awaited once. From then on fit, trainOnBatch, setWeights and resetStates leave the model ready again.
   */
  async ready(): Promise<this> {
    this.#staysReady = true;
    await (await this.#made()).prepareSync();
    return this;
  }

  // ---- State

  /** Copies of all weights, in Keras's order. */
  async getWeights(): Promise<Tensor<"float32">[]> {
    return (await this.#made()).readWeights();
  }

  /** Sets all weights, in the order of `getWeights`. */
  setWeights(weights: readonly TensorLike[]): Promise<void> {
    const tensors = weights.map((w, i) => toTensor(`setWeights: array ${i}`, w));
    return this.#written(async () => (await this.#made()).writeWeights(tensors));
  }

  /** Sets the recurrent states of stateful layers to 0. */
  resetStates(): Promise<void> {
    return this.#written(async () => (await this.#made()).resetStates());
  }

  /**
   * The memory that the model takes, worked out without running it.
   *
   * @param options `batchSize` (default 32); `inputShape`: sizes of one sample, where the model leaves some open
   */
  async memory(
    options: { readonly batchSize?: number; readonly inputShape?: readonly number[] } = {},
  ): Promise<MemoryUse> {
    const { batchSize = 32, inputShape } = options;
    checkCount("memory", "batchSize", batchSize, 1);
    const sample = inputShape ?? this.inputShape?.slice(1).map((d) => (typeof d === "number" ? d : 0));
    if (sample === undefined || sample.some((d) => d < 1)) {
      throw new RondoError({
        where: "memory",
        received: "a model that leaves sizes of its input open",
        expected: "the sizes of one sample",
        fix: "Pass inputShape, for example memory({ batchSize: 32, inputShape: [28, 28] })",
      });
    }
    const network = this.#network ?? this.#build([...batchShape(sample)]);
    const traces = this.#traces ?? new Traces(network);
    const backend = await (this.#given ?? defaultBackend());
    const x: TensorType = { shape: this.inputShape ?? batchShape(sample), dtype: "float32" };
    const bindings = bindingsOf(x.shape, [batchSize, ...sample]);
    const objective = this.#objective;
    const prediction = plan(traces, "predict", { x }, bindings, backend);
    const output = outputType(network, x);
    const classes = objective?.loss.target === "classes";
    const y: TensorType = classes ? { shape: output.shape.slice(0, -1), dtype: "int32" } : output;
    const training = objective && plan(traces, "train", { x, y }, bindings, backend, objective);
    const bytes = (p: typeof prediction) =>
      p.scratchBytes +
      p.cacheBytes +
      p.constants.byteLength +
      [...p.inputs, ...p.outputs].reduce((n, port) => n + port.size * 4, 0);
    return {
      state: (training ?? prediction).stateBytes,
      training: training && bytes(training),
      prediction: bytes(prediction),
    };
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

  #refuseDuringFit(where: string): void {
    if (!this.#fitting) return;
    throw new RondoError({
      where,
      received: "a call while the model is being fitted",
      expected: "no fit under way",
      fix: "Await the fit first",
    });
  }

  async #written<R>(work: () => Promise<R>): Promise<R> {
    this.#writing++;
    try {
      const result = await work();
      if (this.#staysReady) await this.#engine?.prepareSync();
      return result;
    } finally {
      this.#writing--;
    }
  }

  /** The engine, made on the first use. */
  #made(): Promise<Engine> {
    if (this.#network === undefined) {
      throw new RondoError({
        where: `model "${this.name}"`,
        received: "a use of its weights before their shapes are known",
        expected: "an inputShape on the first layer, or data",
        fix: "Give the first layer inputShape, or call fit or predict first",
      });
    }
    this.#making ??= this.#make(this.#network).catch((error: unknown) => {
      this.#making = undefined;
      throw error;
    });
    return this.#making;
  }

  async #make(network: Network): Promise<Engine> {
    const engine = new Engine(network, this.seed, await (this.#given ?? defaultBackend()));
    if (this.#objective !== undefined) engine.setObjective(this.#objective);
    this.#engine = engine;
    return engine;
  }

  async #prepared(): Promise<Engine> {
    const engine = await this.#made();
    await engine.prepare();
    return engine;
  }

  /** x as a tensor that fits; builds the model where its shapes come from the data. */
  #input(where: string, values: TensorLike): Tensor {
    const x = readInput(where, values, this.inputShape);
    if (this.#network === undefined) this.#build(batchShape(x.shape.slice(1)));
    const fixed = this.inputShape?.[0];
    if (typeof fixed === "number" && rowsOf(x) % fixed !== 0) {
      throw new RondoError({
        where,
        received: `${rowsOf(x)} rows`,
        expected: `a multiple of ${fixed}, the batchSize of the first layer`,
        fix: "Pass as many rows, and the same batchSize",
      });
    }
    return x;
  }

  #inputType(x: Tensor): TensorType {
    return { shape: this.inputShape ?? batchShape(x.shape.slice(1)), dtype: x.dtype };
  }

  async #dataset(where: string, x: TensorLike, y: TensorLike, options: BatchOptions): Promise<Dataset> {
    const { loss } = this.#compiled(where);
    const input = this.#input(where, x);
    const data = readDataset(where, input, y, options.sampleWeight);
    const classes = this.outputShape?.at(-1);
    if (loss.target === "classes" && typeof classes === "number") await checkLabels(where, data.y, classes);
    return options.classWeight === undefined ? data : weighClasses(data, options.classWeight, loss.target);
  }

  /** Types of a data set's arrays: its sizes, with the symbols of the model's output where they are the same. */
  #types({ x, y, weight }: Partial<Dataset> & { readonly x: Tensor }): Types {
    const type = this.#inputType(x);
    if (y === undefined) return { x: type };
    const output = this.outputShape ?? [];
    const bindings = bindingsOf(type.shape, x.shape);
    const symbolic = ({ shape }: Tensor): Shape =>
      shape.map((size, i) => {
        const d = output[i];
        return d !== undefined && bind(d, bindings) === size ? d : size;
      });
    const types = { x: type, y: { shape: symbolic(y), dtype: y.dtype } };
    return weight === undefined ? types : { ...types, sampleWeight: symbolic(weight) };
  }

  #source(engine: Engine, kind: Kind, data: Partial<Dataset> & { readonly x: Tensor }): Source {
    const types = this.#types(data);
    const { x, y } = data;
    return {
      tensors: y === undefined ? [x] : tensorsOf({ x, y, weight: data.weight }),
      rows: rowsOf(x),
      run: (inputs, rows, output) =>
        engine
          .program(kind, types, bindingsOf(types.x.shape, [rows, ...x.shape.slice(1)]))
          .run({ entry: "main", state: engine.memory, inputs, outputs: [output] }),
    };
  }

  async #runBatch(
    where: string,
    kind: Kind,
    x: TensorLike,
    y: TensorLike,
    options: BatchOptions,
  ): Promise<Figures> {
    const { names } = this.#compiled(where);
    const data = await this.#dataset(where, x, y, options);
    const source = this.#source(await this.#prepared(), kind, data);
    const figures = new Float32Array(2 * names.length);
    await source.run(
      source.tensors.map((t) => t.data),
      source.rows,
      figures,
    );
    const totals = new Totals(names);
    totals.add(figures);
    return totals.means();
  }

  #prediction(engine: Engine, x: Tensor) {
    const type = this.#inputType(x);
    const executable = engine.program("predict", { x: type }, bindingsOf(type.shape, x.shape));
    const { shape = [], size = 0 } = executable.program.outputs[0] ?? {};
    const output = new Tensor(new Float32Array(size), shape, "float32");
    const call = { entry: "main", state: engine.memory, inputs: [x.data], outputs: [output.data] };
    return { run: { executable, call }, output };
  }

  /** Rows of one step of `predict` within its memory. */
  #predictionRows(engine: Engine, x: Tensor): number {
    const type = this.#inputType(x);
    const fixed = type.shape[0];
    if (typeof fixed === "number") return fixed;
    const rows = Math.min(rowsOf(x), largestPrediction);
    const { scratchBytes } = engine.program(
      "predict",
      { x: type },
      bindingsOf(type.shape, [rows, ...x.shape.slice(1)]),
    ).program;
    if (scratchBytes <= predictionBytes) return rows;
    const fitting = Math.floor((rows * predictionBytes) / scratchBytes);
    return Math.max(1, fitting > 16 ? fitting - (fitting % 16) : fitting);
  }

  #schedule(
    options: PredictOptions & {
      readonly epochs?: number;
      readonly initialEpoch?: number;
      readonly shuffle?: boolean;
      readonly batchSize: number;
    },
    verbose: Verbosity,
  ): Schedule {
    return {
      batchSize: options.batchSize,
      epochs: options.epochs ?? 1,
      initialEpoch: options.initialEpoch ?? 0,
      shuffle: options.shuffle ?? false,
      seed: this.seed,
      verbose,
      callbacks: [...(options.callbacks ?? []), ...(verbose === 0 ? [] : [new ProgressBar()])],
      signal: options.signal,
    };
  }
}

/** 32 bits from the platform's generator. */
function randomSeed(): number {
  const [seed = 0] = crypto.getRandomValues(new Uint32Array(1));
  return seed;
}

/**
 * A model of layers one after the other.
 *
 * ```ts
 * const model = sequential([layers.lstm({ units: 64, inputShape: [28, 28] }), layers.dense({ units: 10, activation: "softmax" })]);
 * ```
 *
 * @throws RondoError on the layer whose input does not fit; where the types know the shapes it is a compile error there
 */
export function sequential<const L extends readonly Layer[]>(
  layers: CheckedLayers<L>,
  options?: SequentialOptions,
): Sequential;
export function sequential(layers: readonly Layer[] = [], options: SequentialOptions = {}): Sequential {
  return new Sequential(layers, options);
}
