import { checkOptions, namesOf, RondoError, unknownName, valueText } from "../errors.js";
import { equal } from "../graph/dim.js";
import type { SymbolicTensor } from "../graph/ir.js";
import { add, div, equalTo, mul, where } from "../graph/ops/elementwise.js";
import { reshape } from "../graph/ops/shape.js";
import { softmaxOp } from "../graph/ops/softmax.js";
import { size } from "../graph/ops/source.js";
import { type Loss, type LossName, resolveLoss } from "./losses.js";
import {
  accumulated,
  accumulation,
  type Contribution,
  contribution,
  isMeasure,
  type MeasureFunction,
  meanOf,
  operandOf,
} from "./measure.js";
import { checkMetric, type MetricSpec, metricLabel, resolveMetric } from "./metrics/index.js";
import { type OptimizerName, resolveOptimizer } from "./optimizers/index.js";
import { type Optimizer, withLearningRate as withRate } from "./optimizers/optimizer.js";
import { accumulatorsOf, type Entry, makeReport, type Report, uniqueNames } from "./report.js";

/** A loss, as `compile` takes it: a name, one of Rondo's, or a function of your own. */
export type LossSpec = LossName | Loss | MeasureFunction;

/** One value, or values by the names of outputs; never: one, for the output without a name. */
type ByOutput<O extends string, Whole, Each> = [O] extends [never]
  ? Whole
  : Whole | { readonly [K in O]?: Each };

/** Metrics: a list, or lists (or single ones) by the names of outputs. */
type MetricsOf<O extends string> = ByOutput<O, readonly MetricSpec[], MetricSpec | readonly MetricSpec[]>;

/** How a model is trained. O: the names of its outputs; never: one, without a name. */
export interface CompileOptions<O extends string = never> {
  /** Name, or an optimizer such as `optimizers.adam({ learningRate: 0.01 })`. Default `rmsprop`, as in Keras. */
  readonly optimizer?: OptimizerName | Optimizer;
  /**
   * Name, a loss such as `losses.categoricalCrossentropy({ fromLogits: true })`, or a function of your own: one for every
   * output, or by their names; an output without one is not trained.
   */
  readonly loss: ByOutput<O, LossSpec, LossSpec>;
  /** By the names of outputs, what their losses are multiplied with before they are added. Default 1 each. */
  readonly lossWeights?: { readonly [K in O]?: number };
  /** Reported beside the loss; they leave sample weights out of account. By the names of outputs where there are several. */
  readonly metrics?: MetricsOf<O>;
  /** Reported beside the loss, weighted by sampleWeight and classWeight. */
  readonly weightedMetrics?: MetricsOf<O>;
}

const optionNames = namesOf<CompileOptions>({
  optimizer: true,
  loss: true,
  lossWeights: true,
  metrics: true,
  weightedMetrics: true,
});

/** A metric of an output. */
interface OwnMetric {
  readonly name: string;
  readonly output: number;
  readonly spec: MetricSpec;
  readonly weighted: boolean;
}

/** What a traced pass gives to be measured; lists are by output. */
export interface Pass {
  readonly targets: readonly (SymbolicTensor | undefined)[];
  readonly predictions: readonly SymbolicTensor[];
  /** [B], or one weight per value of the loss. */
  readonly weights: readonly (SymbolicTensor | undefined)[];
  /** What layers add to the loss: one number for the batch each. */
  readonly penalties: readonly SymbolicTensor[];
  /** Metrics that layers report: means of values under a name. */
  readonly added: readonly { readonly name: string; readonly values: SymbolicTensor }[];
}

/** A part of the loss: scale · sum / count, where there is a count; sums and counts of parts of the data add up. */
export interface Term extends Contribution {
  readonly scale: number;
}

/** What measuring gives. */
export interface Measured {
  /** Of the batch: Σ scale · sum / max(count, 1), []. */
  readonly loss: SymbolicTensor;
  /** One for each output that has a loss, and one for what layers add, where they do. */
  readonly terms: readonly Term[];
  /** float32: what the batch adds to the totals. */
  readonly accumulators: SymbolicTensor;
  readonly report: Report;
}

/** Loss, metrics and optimizer of a compiled model. */
export class Objective {
  readonly optimizer: Optimizer;
  /** By output; undefined for one that is not trained. */
  readonly losses: readonly (Loss | undefined)[];
  /**
   * `loss`, with several outputs the loss of each, and the metrics, in the order of the figures: as far as known before
   * anything was traced. Figures by class, and what layers report, come in the report of a traced graph.
   */
  readonly names: readonly string[];
  readonly #outputs: readonly string[];
  /** As they were given; the optimizer is the one above. */
  readonly options: CompileOptions<string>;
  readonly #scales: readonly number[];
  readonly #metrics: readonly OwnMetric[];

  /**
   * @param outputs the names of the model's outputs; one without a name: [""]
   * @throws RondoError for an unknown name of an output, an optimizer, a loss or a metric
   */
  constructor(options: CompileOptions<string>, outputs: readonly string[] = [""]) {
    checkOptions("compile", options, optionNames);
    const { optimizer = "rmsprop", loss, lossWeights = {} } = options;
    this.options = options;
    this.#outputs = outputs;
    this.optimizer = resolveOptimizer(optimizer);
    this.losses = readLosses(loss, outputs);
    this.#scales = readScales(lossWeights, outputs, this.losses);
    const names = ["loss", ...this.#lossNames().filter((name) => name !== undefined)];
    this.#metrics = (["metrics", "weightedMetrics"] as const).flatMap((option) =>
      readMetrics(option, options[option], outputs).flatMap((specs, output) =>
        specs.map((spec): OwnMetric => {
          checkMetric(spec);
          const weighted = option === "weightedMetrics";
          const label = this.#named(output, metricLabel(spec));
          if (reserved.includes(label)) throw takenName(label);
          const wanted =
            weighted && names.includes(label) ? this.#named(output, `weighted_${metricLabel(spec)}`) : label;
          const [name = wanted] = uniqueNames([wanted], names);
          names.push(name);
          return { name, output, spec, weighted };
        }),
      ),
    );
    checkValidated(names);
    this.names = names;
  }

  /** The same with another learning rate. */
  withLearningRate(learningRate: number): Objective {
    const optimizer = withRate(this.optimizer, learningRate);
    return new Objective({ ...this.options, optimizer }, this.#outputs);
  }

  /** Whether an output's targets are needed: for its loss or for metrics. */
  measures(output: number): boolean {
    return this.losses[output] !== undefined || this.#metrics.some((metric) => metric.output === output);
  }

  /** Under the output's name where there are several. */
  #named(output: number, name: string): string {
    return this.#outputs.length > 1 ? `${this.#outputs[output]}_${name}` : name;
  }

  /** Under which name the loss of each output is reported by itself. */
  #lossNames(): (string | undefined)[] {
    return this.#outputs.map((_, i) =>
      this.#outputs.length > 1 && this.losses[i] !== undefined ? this.#named(i, "loss") : undefined,
    );
  }

  /**
   * What seems to train and cannot: a softmax over one unit is always 1, and a cross-entropy of one class always 0.
   * Undefined where there is nothing to say.
   */
  doubt(prediction: SymbolicTensor, output = 0): string | undefined {
    const loss = this.losses[output];
    if (loss === undefined || !equal(prediction.shape.at(-1) ?? 0, 1)) return undefined;
    const advice = 'for two classes use units: 1, activation: "sigmoid" and the loss "binaryCrossentropy"';
    if (operandOf(softmaxOp, prediction) !== undefined)
      return `a softmax over one unit is always 1; ${advice}`;
    if (loss.link === softmaxOp) return `${loss.name} with one class is always 0; ${advice}`;
    return undefined;
  }

  /** The loss of a batch, and the figures that follow from all batches. */
  measure({ targets, predictions, weights, penalties, added }: Pass): Measured {
    const [rows = 1] = predictions[0]?.shape ?? [];
    const at = (output: number) => {
      const [yTrue, yPred] = [targets[output], predictions[output]];
      if (yTrue === undefined || yPred === undefined)
        throw new Error("an output is measured without targets");
      return [yTrue, yPred] as const;
    };
    const terms = this.losses.flatMap((loss, output): (Term & { readonly output: number })[] => {
      if (loss === undefined) return [];
      const part = contribution(loss, ...at(output), weights[output]);
      return [{ ...part, scale: this.#scales[output] ?? 1, output }];
    });
    // The mean of penalties over batches, by their rows.
    const count = size(rows);
    const penalty =
      penalties.length === 0 ? undefined : penalties.map((p) => reshape(p, [])).reduce((a, b) => add(a, b));
    const all: Term[] =
      penalty === undefined ? terms : [...terms, { sum: mul(penalty, count), count, scale: 1 }];
    const parts = all.map((term) => meanOf(term));
    const lossNames = this.#lossNames();
    const entries: Entry[] = [
      ...terms.flatMap(({ output }, i) => {
        const [name, accumulation] = [lossNames[output], parts[i]];
        return name === undefined || accumulation === undefined ? [] : [{ name, accumulation }];
      }),
      ...this.#metrics.map(({ name, output, spec, weighted }) => {
        const [yTrue, yPred] = at(output);
        const metric = resolveMetric(spec, yTrue, yPred);
        return {
          name,
          accumulation: accumulation(metric, yTrue, yPred, weighted ? weights[output] : undefined),
        };
      }),
      ...added.map(({ name, values }) => ({ name, accumulation: accumulated(name, values, rows) })),
    ];
    const scales = terms.map(({ scale }) => scale);
    const combined = (figures: readonly number[]) =>
      figures.reduce((total, figure, i) => total + (scales[i] ?? 1) * figure, 0);
    const report = makeReport(combined, parts, entries);
    checkValidated(report.names);
    const values = terms.map(({ scale, sum, count }) => {
      const value = count === undefined ? sum : div(sum, where(equalTo(count, 0), 1, count));
      return scale === 1 ? value : mul(value, scale);
    });
    return {
      loss: [...values, ...(penalty === undefined ? [] : [penalty])].reduce((a, b) => add(a, b)),
      terms: all,
      accumulators: accumulatorsOf([...parts.map((p) => ({ name: "", accumulation: p })), ...entries]),
      report,
    };
  }
}

/** An object that holds values by the names of outputs; a measure is an object, too. */
function byName<T>(
  option: string,
  given: unknown,
  outputs: readonly string[],
  isOne: (value: object) => boolean,
): Readonly<Record<string, T>> | undefined {
  if (typeof given !== "object" || given === null || Array.isArray(given)) return undefined;
  const keys = Object.keys(given);
  if (isOne(given) && !keys.every((key) => outputs.includes(key))) return undefined;
  if (outputs.includes("")) {
    throw new RondoError({
      where: "compile",
      received: `${option} by the names of outputs: ${keys.join(", ")}`,
      expected: `${option} for one output, because the model has one without a name`,
      fix:
        option === "loss" ? 'Write for example loss: "meanSquaredError"' : `Leave the names out of ${option}`,
    });
  }
  for (const key of keys) if (!outputs.includes(key)) throw unknownName("compile", "output", key, outputs);
  return given as Readonly<Record<string, T>>;
}

function readLosses(
  given: CompileOptions<string>["loss"],
  outputs: readonly string[],
): readonly (Loss | undefined)[] {
  const named = byName<LossSpec>(
    "loss",
    given,
    outputs,
    (value) => isMeasure("loss", value) || classOf(value),
  );
  const read = (loss: unknown) => {
    const resolved = resolveLoss(loss as LossSpec);
    if (resolved.reduction !== "none") return resolved;
    throw new RondoError({
      where: "compile",
      received: `the loss ${resolved.name} with reduction: "none"`,
      expected: "a loss that is one number",
      fix: 'Use the reduction "sumOverBatchSize" (the default), "sum", "mean" or "meanWithSampleWeight"',
    });
  };
  if (named === undefined) return outputs.map(() => read(given));
  const losses = outputs.map((name) => (named[name] === undefined ? undefined : read(named[name])));
  if (losses.some((loss) => loss !== undefined)) return losses;
  throw new RondoError({
    where: "compile",
    received: "no loss for any output",
    expected: `a loss for one of ${outputs.join(", ")} at least`,
    fix: `Write for example loss: { ${outputs[0]}: "meanSquaredError" }`,
  });
}

/** Whether an object has a class of its own, and so is none of names and values. */
const classOf = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype !== null && prototype !== Object.prototype;
};

function readScales(
  given: unknown,
  outputs: readonly string[],
  losses: readonly (Loss | undefined)[],
): readonly number[] {
  const refuse = (received: string, expected: string, fix: string) =>
    new RondoError({ where: "compile", received, expected, fix });
  const scales = byName<number>(
    "lossWeights",
    Object.keys(Object(given)).length === 0 ? undefined : given,
    outputs,
    classOf,
  );
  if (scales === undefined) {
    const empty = typeof given === "object" && given !== null && !Array.isArray(given) && !classOf(given);
    if (empty) return outputs.map(() => 1);
    throw refuse(
      `lossWeights: ${valueText(given)}`,
      "numbers by the names of outputs",
      "Write for example lossWeights: { tags: 1, topic: 0.5 }",
    );
  }
  return outputs.map((name, i) => {
    const scale = scales[name];
    if (scale === undefined) return 1;
    if (losses[i] === undefined)
      throw refuse(
        `a loss weight for ${name}, which has no loss`,
        "weights of outputs with a loss",
        `Leave ${name} out of lossWeights, or give it a loss`,
      );
    if (!Number.isFinite(scale))
      throw refuse(`lossWeights: ${name}: ${valueText(scale)}`, "a number", "Change lossWeights");
    return scale;
  });
}

/** Metrics by output. */
function readMetrics(
  option: "metrics" | "weightedMetrics",
  given: unknown,
  outputs: readonly string[],
): readonly (readonly MetricSpec[])[] {
  if (given === undefined) return outputs.map(() => []);
  const refuse = (received: string, expected: string, fix: string) =>
    new RondoError({ where: "compile", received: `${option}: ${received}`, expected, fix });
  if (Array.isArray(given)) {
    if (outputs.length === 1) return [given];
    if (given.length === 0) return outputs.map(() => []);
    const example = outputs.map((name) => `${name}: ["accuracy"]`).join(", ");
    throw refuse(
      "a list",
      `metrics by the names of the outputs: ${outputs.join(", ")}`,
      `Write for example ${option}: { ${example} }`,
    );
  }
  const named = outputs.includes("")
    ? undefined
    : byName<MetricSpec | readonly MetricSpec[]>(
        option,
        given,
        outputs,
        (value) => isMeasure("metric", value) || classOf(value),
      );
  if (named === undefined)
    throw refuse(valueText(given), "a list", `Write for example ${option}: ["accuracy"]`);
  return outputs.map((name) => {
    const own = named[name];
    if (own === undefined) return [];
    return Array.isArray(own) ? (own as readonly MetricSpec[]) : [own as MetricSpec];
  });
}

/** What is reported beside the metrics. */
const reserved: readonly string[] = ["loss", "epoch", "learningRate"];

/** The error for a metric whose figures and others would replace each other in the logs and the history. */
const takenName = (name: string): RondoError =>
  new RondoError({
    where: "compile",
    received: `a metric of the name "${name}"`,
    expected: "a name under which nothing else is reported",
    fix: "Give its function (or the `name` of the metric) another name",
  });

/** Refuses names of which one is another's under validation. */
function checkValidated(names: readonly string[]): void {
  const validated = names.find((name) => names.some((other) => name === `val_${other}`));
  if (validated !== undefined) throw takenName(validated);
}
