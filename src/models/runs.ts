import { RondoError } from "../errors.js";
import type { Component } from "../layers/component.js";
import type { Place } from "../runtime/backend.js";
import type { Tensor, TensorLike } from "../tensor.js";
import type { CallbackModel } from "../train/callbacks/callback.js";
import type { Source } from "../train/feed.js";
import type { Run } from "../train/fit.js";
import type { Objective } from "../train/objective.js";
import type { Report } from "../train/report.js";
import type { ClassWeights } from "../train/samples.js";
import { type Engine, entriesOf, type Job, type Kind } from "./engine.js";
import {
  byPort,
  countOf,
  type Data,
  Feeds,
  fitting,
  type InputPort,
  type Rows,
  readInputs,
} from "./feeds.js";
import { Arrangement } from "./parameters.js";
import { type Assembly, maskedOutputs, type Types } from "./trace.js";
import type { Turns, Work } from "./turns.js";

/** Scratch memory of one step of `predict`, unless batchSize is given. */
const predictionBytes = 32 * 2 ** 20;
const largestPrediction = 512;
/** What predictions are made of is copied up to this size. */
const copiedBytes = 2 ** 20;

/** x as it is now, where it is small. What is wrong with it is said when it is awaited. */
export function taken(where: string, x: Data, ports: readonly InputPort[]): Promise<readonly Tensor[]> {
  const reading = readInputs(where, x, ports, copiedBytes);
  reading.catch(() => {});
  return reading;
}

/** A run with callbacks keeps its turn until the last of them is done: they see the model as the run does. */
export const heldFor = ({ callbacks }: Run, submitted: () => void): (() => void) =>
  callbacks.length === 0 ? submitted : () => {};

/** What runs need of their model. */
export interface Host {
  readonly model: CallbackModel & Component & { readonly outputNames: readonly string[] };
  seed: number;
  /** Whether the seed was given, and not drawn. */
  readonly seeded: boolean;
  /** Epochs begun so far. */
  passes: number;
  readonly turns: Turns;
  /** What it runs, once the shapes of its inputs are known. */
  readonly built: Runs | undefined;
  readonly ports: readonly InputPort[];
  /** @throws RondoError where it is not compiled */
  compiled(where: string): Objective;
  /** Made on the first use. */
  engine(): Promise<Engine>;
  /** x as tensors that fit; builds the model where its shapes come from the data. */
  input(where: string, values: readonly Tensor[]): { readonly runs: Runs; readonly rows: Rows };
  /** Counts an epoch that begins; its number among those of all fits, on which the order of its rows hangs. */
  passOf(epoch: number): number;
  /** Is told the figures of a run. */
  reported(report: Report): void;
  /**
   * Its engine, where a run on the caller's thread is possible now.
   *
   * @throws RondoError, which says why not
   */
  ready(where: string): Engine;
  /** Outputs as users know them. */
  named(outputs: readonly Tensor<"float32">[]): unknown;
}

/** How the batches of a run come about. */
export interface SourceOptions {
  /** How a batch takes its turn; default: the whole run has it. */
  readonly turn?: <R>(run: Work<R>) => Promise<R>;
  /** Is called when all rows have been submitted. */
  readonly submitted?: () => void;
  readonly place?: Place;
  /** Learning rate of training steps; default: the engine's when a step is submitted. */
  readonly rate?: number;
  /** Is told the figures of the run, once its program is known. */
  readonly reported?: (report: Report) => void;
}

/** What a built model runs: from the arrays that users give to jobs, and batch by batch through its engine. */
export class Runs {
  readonly assembly: Omit<Assembly, "arrangement">;
  readonly feeds: Feeds;
  /** Whether every run changes recurrent states. */
  readonly stateful: boolean;
  /** The number of rows in each batch, where the model fixes it. */
  readonly rows: number | undefined;
  /** How errors call the model. */
  readonly #where: string;
  /** The inputs, without a shape where that comes from the data. */
  readonly ports: readonly InputPort[];

  /** @param ports what `ports` is, as the model declares it */
  constructor(where: string, assembly: Omit<Assembly, "arrangement">, ports: readonly InputPort[]) {
    const open = ports.some(({ shape }) => shape === undefined);
    const { network } = assembly;
    this.#where = where;
    this.assembly = assembly;
    this.feeds = new Feeds(network, open);
    this.stateful = network.states().length > 0;
    const rows = ports[0]?.shape?.[0];
    this.rows = typeof rows === "number" ? rows : undefined;
    this.ports = open ? ports : network.inputs.map(({ name, type }) => ({ name, shape: type.shape }));
  }

  // ---- What users give

  /** x, given by name or not, as tensors that fit. */
  inputSync(where: string, x: Data): Rows {
    const names = this.ports.map(({ name }) => name);
    return this.input(where, byPort(where, "x", x, names, true));
  }

  /** What was given for each input as tensors that fit. */
  input(where: string, values: readonly (TensorLike | undefined)[]): Rows {
    return { x: fitting(where, values, this.ports) };
  }

  /**
   * Rows with their targets and weights.
   *
   * @throws RondoError for arrays that do not fit, and for targets that a loss does not take
   */
  samples(
    where: string,
    { x }: Rows,
    y: Data,
    sampleWeight: Data | undefined,
    objective: Objective,
  ): Promise<Rows> {
    const masked = (types: Types) => {
      const arrangement = new Arrangement(entriesOf(this.assembly.network), () => "all");
      return maskedOutputs({ ...this.assembly, arrangement }, types);
    };
    return this.feeds.samples(where, x, y, sampleWeight, objective, masked);
  }

  /** The rows with class weights in their sample weights. */
  async weighed(where: string, data: Rows, weights: ClassWeights, objective: Objective): Promise<Rows> {
    const [loss] = objective.losses;
    const { x, y = [], weight = [] } = data;
    const [[first], [target], [own]] = [x, y, weight];
    if (loss === undefined || first === undefined || target === undefined) return data;
    const classes = loss.target === "classes" ? this.feeds.classes() : undefined;
    const single = { x: first, y: target, weight: own };
    const { weighClasses } = await import("../train/classWeights.js");
    const weighed = await weighClasses(where, single, weights, loss.target, classes);
    return { x, y, weight: [weighed.weight] };
  }

  /** Refuses class weights for several outputs. */
  requireSingle(where: string, classWeight: ClassWeights | undefined): void {
    const outputs = this.feeds.outputs.length;
    if (classWeight === undefined || outputs === 1) return;
    throw new RondoError({
      where,
      received: `classWeight for a model of ${outputs} outputs`,
      expected: "a model of one output",
      fix: "Give sampleWeight by the names of the outputs instead",
    });
  }

  /** Before anything runs: whether the rows come in batches of the size that the model fixes, if it does. */
  checkRows(where: string, data: Rows, batchSize: number): void {
    const fixed = this.rows;
    const count = countOf(data);
    if (fixed === undefined || (batchSize === fixed && count % fixed === 0)) return;
    throw new RondoError({
      where,
      received: `${count} ${count === 1 ? "sample" : "samples"} in batches of ${batchSize}`,
      expected: `batches of ${fixed}, the batchSize of the first layer, and a multiple of ${fixed} samples`,
      fix: this.stateful
        ? `Set batchSize to ${fixed} and give full batches; for other batches make a second model with that batchSize, and copy the weights with getWeights and setWeights`
        : `Set batchSize to ${fixed} and give full batches, or leave batchSize out of the first layer`,
    });
  }

  /** Refuses batches of another number of rows than the model takes. */
  requireRows(
    rows: number,
    where = this.#where,
    fix = "Leave batchSize out, and give a multiple of so many rows",
  ): void {
    if (this.rows === undefined || rows === this.rows) return;
    throw new RondoError({
      where,
      received: `a batch of ${rows} rows`,
      expected: `${this.rows} rows, the batchSize of the first layer`,
      fix,
    });
  }

  // ---- What the engine runs

  /** What predicts `rows` rows like those given. */
  predictionJob(data: Rows, rows: number): Job {
    return this.#job("predict", this.feeds.types({ x: data.x }), data, rows);
  }

  #job(kind: Kind, types: Types, data: Rows, rows: number): Job {
    this.requireRows(rows);
    return { kind, types, bindings: this.feeds.bindings(this.#where, data, rows) };
  }

  /** Rows of one step of `predict` within its memory. */
  async predictionRows(engine: Engine, data: Rows): Promise<number> {
    if (this.rows !== undefined) return this.rows;
    const rows = Math.min(countOf(data), largestPrediction);
    const job = this.predictionJob(data, rows);
    await engine.prepare(job);
    const { scratchBytes } = engine.program(job).program;
    if (scratchBytes <= predictionBytes) return rows;
    const fitting = Math.floor((rows * predictionBytes) / scratchBytes);
    return Math.max(1, fitting > 16 ? fitting - (fitting % 16) : fitting);
  }

  /** The rows as `runFit` and its like take them: their arrays, and what submits a batch. */
  source(
    engine: Engine,
    kind: Kind,
    data: Rows,
    objective: Objective | undefined,
    { turn = (run) => run(() => {}), submitted = () => {}, place = "inTurn", rate, reported }: SourceOptions,
  ): Source {
    const types = this.feeds.types(data);
    const rows = countOf(data);
    let last: Job | undefined;
    let lastRows = -1;
    const job = (count: number): Job => {
      if (last !== undefined && lastRows === count) return last;
      lastRows = count;
      last = this.#job(kind, types, data, count);
      return last;
    };
    let left = rows;
    return {
      arrays: this.feeds.arrays(data, kind === "predict" ? undefined : objective),
      rows,
      plan: (count) => engine.prepare(job(count)),
      shapes: (count) => engine.program(job(count)).program.outputs.map(({ shape }) => shape),
      report: () => {
        const report = engine.report(last ?? job(rows));
        reported?.(report);
        return report;
      },
      submit: (inputs, count, outputs) =>
        turn(async () => {
          const own = job(count);
          await engine.prepare(own);
          const executable = engine.program(own);
          if (kind === "train") engine.beginStep(rate);
          const done = executable.run({ entry: "main", state: engine.memory, inputs, outputs, place });
          left -= count;
          if (left <= 0) submitted();
          return { done };
        }),
    };
  }
}
