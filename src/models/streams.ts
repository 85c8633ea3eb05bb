import type { Json } from "../config/config.js";
import { isNamed } from "../data/datasetElement.js";
import type { ElementIterator, ElementSource } from "../data/datasetIterator.js";
import type { DatasetPosition, Order } from "../data/datasetStage.js";
import { checkCount, checkOptions, namesOf, RondoError, unknownName, valueText, within } from "../errors.js";
import { shapeText, sizeOf, Tensor } from "../tensor.js";
import type { Batch, Batches, Feed } from "../train/feed.js";
import { type Run, runPrediction } from "../train/fit.js";
import type { Report } from "../train/report.js";
import type { ClassWeights, DataArray } from "../train/samples.js";
import type { Kind } from "./engine.js";
import { countOf, type Data, type Rows, readInputs } from "./feeds.js";
import {
  type AnyDatasetFitOptions,
  type DatasetFitOptions,
  type DatasetLookOptions,
  lookNames,
  trainingNames,
} from "./options.js";
import type { Host, Runs, SourceOptions } from "./runs.js";

/** A batch of a dataset. */
export interface StreamBatch extends Batch {
  /** Of what the model's outputs are for it. */
  readonly shapes: readonly (readonly number[])[];
}

/** How a dataset is gone through. */
export interface StreamOptions extends Omit<SourceOptions, "reported"> {
  /** What errors call the run. */
  readonly where: string;
  readonly kind: Kind;
  /** Batches of an epoch, and what the option is called that says so; default: all of the dataset. */
  readonly steps: readonly [name: string, steps: number | undefined];
  /** Whether an epoch goes on where the one before stopped, and the dataset begins anew when it has ended. */
  readonly lasting?: boolean;
  /** The pass of the dataset that begins in an epoch; default: always the same. */
  readonly passOf?: (epoch: number) => number;
  readonly classWeight?: ClassWeights | undefined;
}

/** A pass through the dataset, and how many batches it has given. */
interface Opened {
  readonly elements: ElementIterator<unknown>;
  readonly order: Order;
  given: number;
}

/** Where a stream stands, as JSON. */
interface StreamPosition {
  /** The batches of a pass, where they are known. */
  readonly counted: number | null;
  /** The pass that is open. */
  readonly opened: {
    readonly order: { readonly seed: number; readonly epoch: number };
    readonly given: number;
    /** What its iterator says; null where it does not say. */
    readonly state: Json;
  } | null;
}

/** The batches of a dataset: each is read and checked, and its program made ready, when it is asked for. */
export class Stream implements Feed<StreamBatch> {
  readonly arrays: readonly DataArray[] = [];
  readonly samples = undefined;
  readonly batchSize = undefined;
  readonly #host: Host;
  readonly #dataset: ElementSource<unknown>;
  readonly #options: StreamOptions;
  readonly #limit: number | undefined;
  #opened: Opened | undefined;
  /** The first batch, until it is asked for. */
  #first: StreamBatch | undefined;
  /** The batches of a pass, once there was one. */
  #counted: number | undefined;
  #report: Report | undefined;
  /** Which arrays the batches have. */
  #arrays: string | undefined;

  /**
   * Reads the first batch, so that what does not fit is found before anything runs.
   *
   * @throws RondoError for a dataset without an end, where nothing says how much of it is taken
   */
  static async open(
    host: Host,
    dataset: ElementSource<unknown>,
    options: StreamOptions,
    epoch = 0,
  ): Promise<Stream> {
    const stream = new Stream(host, dataset, options);
    try {
      stream.#first = await stream.#next(epoch, 0);
    } catch (error) {
      await stream.close().catch(() => undefined); // the first error says more
      throw error;
    }
    return stream;
  }

  private constructor(host: Host, dataset: ElementSource<unknown>, options: StreamOptions) {
    const { where, steps } = options;
    const [name, limit] = steps;
    if (limit !== undefined) checkCount(where, name, limit, 1);
    else if (dataset.size === Number.POSITIVE_INFINITY) {
      throw new RondoError({
        where,
        received: "a dataset without an end",
        expected: `a number of batches to take of it: ${name}`,
        fix: `Give ${name}, or take some of the dataset: dataset.take(100)`,
      });
    }
    this.#host = host;
    this.#dataset = dataset;
    this.#options = options;
    this.#limit = limit;
  }

  get steps(): number | undefined {
    const { lasting } = this.#options;
    const known = this.#dataset.size ?? this.#counted;
    if (this.#limit === undefined) return known;
    return lasting === true || known === undefined ? this.#limit : Math.min(this.#limit, known);
  }

  report(): Report {
    if (this.#report === undefined) throw new Error("a dataset's figures before its first batch");
    return this.#report;
  }

  position(): Json {
    const opened = this.#opened;
    const position: StreamPosition = {
      counted: this.#counted ?? null,
      opened: opened
        ? {
            order: { seed: opened.order.seed, epoch: opened.order.epoch },
            given: opened.given,
            state: (opened.elements.state?.() ?? null) as Json,
          }
        : null,
    };
    return position as unknown as Json;
  }

  async resume(position: Json): Promise<void> {
    await this.close();
    const { counted, opened } = position as unknown as StreamPosition;
    this.#counted = counted ?? undefined;
    if (opened === null) return;
    const { order, given, state } = opened;
    const elements = this.#dataset.iterator((state ?? order) as unknown as DatasetPosition);
    this.#opened = { elements, order, given };
    // What cannot say where it stands is gone through once more.
    if (state === null) for (let i = 0; i < given; i++) await elements.next();
  }

  pass(epoch: number, before?: number): Batches<StreamBatch> {
    let given = before ?? 0;
    const ended = given > 0 && this.#opened === undefined;
    return {
      next: async () => {
        if (ended) return undefined;
        const first = this.#first;
        this.#first = undefined;
        const batch = given === this.#limit ? undefined : (first ?? (await this.#next(epoch, given)));
        if (batch === undefined) this.#options.submitted?.();
        given++;
        return batch;
      },
      close: async () => {
        if (this.#options.lasting !== true) await this.close();
      },
    };
  }

  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    this.#first = undefined;
    await opened?.elements.return();
  }

  /** @param index of the batch in its epoch */
  async #next(epoch: number, index: number): Promise<StreamBatch | undefined> {
    const { where, kind, lasting } = this.#options;
    for (;;) {
      this.#opened ??= this.#begin(epoch);
      const opened = this.#opened;
      const { done, value } = await opened.elements.next().catch((error: unknown) => {
        throw within(where, error);
      });
      if (done === true) {
        if (opened.given === 0) throw noBatches(where);
        this.#counted = opened.given;
        this.#opened = undefined;
        if (lasting !== true) return undefined;
        continue;
      }
      opened.given++;
      return this.#batch(
        `${where}, batch ${index}${kind === "train" ? ` of epoch ${epoch + 1}` : ""}`,
        value,
      );
    }
  }

  #begin(epoch: number): Opened {
    const { passOf = () => 0 } = this.#options;
    const order = { seed: this.#host.seed, epoch: passOf(epoch) };
    return { elements: this.#dataset.iterator(order), order, given: 0 };
  }

  async #batch(place: string, element: unknown): Promise<StreamBatch> {
    const { kind } = this.#options;
    const { runs, rows } = await this.#rows(place, element);
    const count = countOf(rows);
    const engine = await this.#host.engine();
    const objective = kind === "predict" ? undefined : this.#host.compiled(place);
    const { submitted: _all, ...options } = this.#options;
    const reported = (report: Report) => this.#host.reported(report);
    const source = runs.source(engine, kind, rows, objective, { ...options, reported });
    try {
      await source.plan(count);
      if (kind !== "predict") this.#report ??= source.report();
    } catch (error) {
      throw within(place, error);
    }
    const { arrays } = source;
    const values = arrays.map(({ tensor }) => tensor.data);
    return {
      rows: count,
      arrays,
      shapes: kind === "predict" ? source.shapes(count) : [],
      submit: (outputs) => source.submit(values, count, outputs),
    };
  }

  /** What an element holds, as the model takes it. */
  async #rows(place: string, element: unknown): Promise<{ readonly runs: Runs; readonly rows: Rows }> {
    const { kind, classWeight } = this.#options;
    const { x, y, sampleWeight } = partsOf(place, element, kind);
    const values = await readInputs(place, x, this.#host.ports);
    this.#requireBatch(place, values);
    const { runs, rows } = this.#host.input(place, values);
    runs.requireRows(
      countOf(rows),
      place,
      `Batch the dataset with batch(${runs.rows}, { dropRemainder: true })`,
    );
    if (kind === "predict" || y === undefined) return { runs, rows };
    const objective = this.#host.compiled(place);
    runs.requireSingle(place, classWeight);
    const given = await runs.samples(place, rows, y, sampleWeight, objective);
    this.#requireSame(place, given);
    return {
      runs,
      rows: classWeight === undefined ? given : await runs.weighed(place, given, classWeight, objective),
    };
  }

  /** Recognises samples that are no batches. */
  #requireBatch(where: string, values: readonly Tensor[]): void {
    const shapes = this.#host.ports.map(({ shape }) => shape);
    const lacksBatch = values.every(({ shape }, i) => {
      const own = shapes[i]?.slice(1);
      return own?.length === shape.length && own.every((d, k) => typeof d !== "number" || d === shape[k]);
    });
    if (!lacksBatch || values.every(({ rank }) => rank === 0)) return;
    throw new RondoError({
      where,
      received: `an element with x of shape ${values.map(({ shape }) => shapeText(shape)).join(" and ")}, a single sample`,
      expected: "elements that are batches: [batch, ..]",
      fix: "Batch the dataset: dataset.batch(32)",
    });
  }

  /** Batches of a dataset have the same arrays. */
  #requireSame(where: string, { y = [], weight = [] }: Rows): void {
    const names = this.#host.built?.feeds.outputs.map(({ name }) => name) ?? [];
    const has = [y, weight]
      .map((list, k) => {
        const kind = k === 0 ? "y" : "sampleWeight";
        const there = names.filter((_, i) => list[i] !== undefined);
        return there.length === 0 ? "" : `${kind} ${there.join(", ")}`.trim();
      })
      .filter((text) => text !== "")
      .join(" and ");
    this.#arrays ??= has;
    if (has === this.#arrays) return;
    throw new RondoError({
      where,
      received: `an element with ${has}`,
      expected: `${this.#arrays}, as in the elements before`,
      fix: "Give every element the same arrays; a weight of 1 changes nothing",
    });
  }
}

const partNames = ["x", "y", "sampleWeight"];

/** The arrays of an element. */
function partsOf(
  where: string,
  element: unknown,
  kind: Kind,
): { readonly x: Data; readonly y: Data | undefined; readonly sampleWeight: Data | undefined } {
  const example = kind === "predict" ? "{ x }" : "{ x, y }";
  if (!isNamed(element)) {
    throw new RondoError({
      where,
      received: `${valueText(element)} for an element of the dataset`,
      expected: `${example}, each a batch`,
      fix: `Make such elements with map: dataset.map(([x, y]) => (${example}))`,
    });
  }
  const unknown = Object.keys(element).find((name) => !partNames.includes(name));
  if (unknown !== undefined) throw unknownName(where, "part of an element", unknown, partNames);
  const { x, y, sampleWeight } = element as { readonly [name: string]: Data | undefined };
  if (x !== undefined && (y !== undefined || kind === "predict")) return { x, y, sampleWeight };
  throw new RondoError({
    where,
    received: `an element of the dataset without ${x === undefined ? "x" : "y"}`,
    expected: `${example}, each a batch`,
    fix: `Make such elements with map: dataset.map((element) => (${example}))`,
  });
}

const noBatches = (where: string): RondoError =>
  new RondoError({
    where,
    received: "a dataset that ends before its first element",
    expected: "at least one batch",
    fix: "Check what it reads and filters; dropRemainder drops the only batch of few elements",
  });

const fitNames = namesOf<DatasetFitOptions>({ ...trainingNames, stepsPerEpoch: true });
const lookingNames = namesOf<DatasetLookOptions>({ ...lookNames, steps: true });

/** What a fit trains on. */
export function trainingStream(
  host: Host,
  dataset: ElementSource<unknown>,
  options: AnyDatasetFitOptions,
  epoch: number,
  turn: NonNullable<SourceOptions["turn"]>,
): Promise<Stream> {
  checkDatasetOptions("fit", options, fitNames);
  const { stepsPerEpoch, classWeight } = options;
  return Stream.open(
    host,
    dataset,
    {
      where: "fit",
      kind: "train",
      steps: ["stepsPerEpoch", stepsPerEpoch],
      lasting: stepsPerEpoch !== undefined,
      passOf: (epoch) => host.passOf(epoch),
      classWeight,
      turn,
      place: "yielding",
    },
    epoch,
  );
}

/** What a fit validates on. */
export const validationStream = (
  host: Host,
  dataset: ElementSource<unknown>,
  where: string,
  steps: number | undefined,
  turn: NonNullable<SourceOptions["turn"]>,
): Promise<Stream> =>
  Stream.open(host, dataset, { where, kind: "evaluate", steps: ["validationSteps", steps], turn });

/** What is evaluated or predicted from. */
export function lookingStream(
  host: Host,
  dataset: ElementSource<unknown>,
  where: "evaluate" | "predict",
  options: DatasetLookOptions,
  submitted: () => void,
): Promise<Stream> {
  checkDatasetOptions(where, options, lookingNames);
  return Stream.open(host, dataset, {
    where,
    kind: where,
    steps: ["steps", options.steps],
    submitted,
    ...(where === "predict" && { place: "overtakingOthers" }),
  });
}

/** The error for an option of datasets where there is none. */
export const noDataset = (option: string): RondoError =>
  new RondoError({
    where: "fit",
    received: `${option} without a dataset to validate on`,
    expected: "validationData that is a dataset",
    fix: `Leave ${option} out, or give a dataset`,
  });

/** The outputs for all batches, one below the other. */
export async function predicted(host: Host, stream: Stream, run: Run): Promise<readonly Tensor<"float32">[]> {
  const parts: Tensor<"float32">[][] = [];
  const room = ({ shapes }: StreamBatch) => {
    const made = shapes.map((shape) => new Tensor(new Float32Array(sizeOf(shape)), shape, "float32"));
    checkShapes(made, parts);
    parts.push(made);
    return made.map(({ data }) => data);
  };
  await runPrediction(host.model, stream, room, run);
  return (parts[0] ?? []).map((_, output) => joined(parts.map((part) => part[output] as Tensor<"float32">)));
}

/** Outputs of batches can be joined where they differ in their rows alone. */
function checkShapes(made: readonly Tensor[], [first]: readonly (readonly Tensor[])[]): void {
  for (const [i, { shape }] of made.entries()) {
    const before = first?.[i]?.shape ?? shape;
    if (shape.length === before.length && shape.every((size, axis) => axis === 0 || size === before[axis]))
      continue;
    throw new RondoError({
      where: "predict",
      received: `outputs of shape ${shapeText(shape)} after ${shapeText(before)}`,
      expected: "batches whose outputs differ in their rows alone",
      fix: "Pad all batches to one length with paddedShapes, or predict batch by batch: for await (const { x } of dataset) await model.predictOnBatch(x)",
    });
  }
}

function joined(parts: readonly Tensor<"float32">[]): Tensor<"float32"> {
  const rows = parts.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0);
  const [, ...size] = parts[0]?.shape ?? [];
  const data = new Float32Array(rows * sizeOf(size));
  let at = 0;
  for (const part of parts) {
    data.set(part.data, at);
    at += part.size;
  }
  return new Tensor(data, [rows, ...size], "float32");
}

/** What is told of arrays, and how it is done to a dataset. */
const ownOfArrays: Readonly<Record<string, string>> = {
  batchSize: "Batch the dataset: dataset.batch(32)",
  sampleWeight: "Put the weights into its elements: { x, y, sampleWeight }",
  shuffle: "Shuffle the dataset, before it is batched: dataset.shuffle(10_000)",
  validationSplit: "Give validationData, for example dataset.take(100), and train on dataset.skip(100)",
};

/** Refuses options of another name, and those of arrays. */
function checkDatasetOptions(where: string, options: object, valid: readonly string[]): void {
  const wrong = Object.keys(ownOfArrays).find((name) => name in Object(options));
  if (wrong === undefined) {
    checkOptions(where, options, valid);
    return;
  }
  throw new RondoError({
    where,
    received: `${wrong} for a dataset`,
    expected: `no options but ${valid.join(", ")}`,
    fix: ownOfArrays[wrong] ?? "",
  });
}
