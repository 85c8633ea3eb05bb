import { checkOptions, namesOf, RondoError, valueText } from "../errors.js";
import { equal } from "../graph/dim.js";
import type { SymbolicTensor } from "../graph/ir.js";
import { div, maximum } from "../graph/ops/elementwise.js";
import { concat } from "../graph/ops/join.js";
import { reshape } from "../graph/ops/shape.js";
import { softmaxOp } from "../graph/ops/softmax.js";
import { type Loss, type LossName, resolveLoss } from "./losses.js";
import { type Contribution, contribution, type MeasureFunction } from "./measure.js";
import { checkMetric, type MetricSpec, metricLabel, resolveMetric } from "./metrics.js";
import { type OptimizerName, resolveOptimizer } from "./optimizers/index.js";
import type { Optimizer } from "./optimizers/optimizer.js";

/** How a model is trained. */
export interface CompileOptions {
  /** Name, or an optimizer such as `optimizers.adam({ learningRate: 0.01 })`. Default `rmsprop`, as in Keras. */
  readonly optimizer?: OptimizerName | Optimizer;
  /** Name, a loss such as `losses.categoricalCrossentropy({ fromLogits: true })`, or a function of your own. */
  readonly loss: LossName | Loss | MeasureFunction;
  /** Reported beside the loss; they leave sample weights out of account. */
  readonly metrics?: readonly MetricSpec[];
  /** Reported beside the loss, weighted by sampleWeight and classWeight. */
  readonly weightedMetrics?: readonly MetricSpec[];
}

const optionNames = namesOf<CompileOptions>({
  optimizer: true,
  loss: true,
  metrics: true,
  weightedMetrics: true,
});

/** Loss, metrics and optimizer of a compiled model. */
export class Objective {
  readonly optimizer: Optimizer;
  /** By output; undefined for one that is not trained. */
  readonly losses: readonly (Loss | undefined)[];
  readonly #loss: Loss;
  /** `loss` and the metrics, in the order of the figures. */
  readonly names: readonly string[];
  readonly #options: CompileOptions;
  readonly #metrics: readonly { readonly spec: MetricSpec; readonly weighted: boolean }[];

  /** @throws RondoError for an unknown name of an optimizer, a loss or a metric */
  constructor(options: CompileOptions) {
    checkOptions("compile", options, optionNames);
    const { optimizer = "rmsprop", loss, metrics = [], weightedMetrics = [] } = options;
    for (const [option, list] of Object.entries({ metrics, weightedMetrics })) {
      if (Array.isArray(list)) continue;
      throw new RondoError({
        where: "compile",
        received: `${option}: ${valueText(list)}`,
        expected: "a list",
        fix: `Write for example ${option}: ["accuracy"]`,
      });
    }
    this.#options = options;
    this.optimizer = resolveOptimizer(optimizer);
    this.#loss = resolveLoss(loss);
    this.losses = [this.#loss];
    this.#metrics = [
      ...metrics.map((spec) => ({ spec, weighted: false })),
      ...weightedMetrics.map((spec) => ({ spec, weighted: true })),
    ];
    const names = ["loss"];
    for (const { spec, weighted } of this.#metrics) {
      checkMetric(spec);
      const label = metricLabel(spec);
      if (reserved.includes(label)) throw takenName(label);
      names.push(freeName(weighted && names.includes(label) ? `weighted_${label}` : label, names));
    }
    const validated = names.find((name) => names.some((other) => name === `val_${other}`));
    if (validated !== undefined) throw takenName(validated);
    this.names = names;
  }

  /** The same with another learning rate. */
  withLearningRate(learningRate: number): Objective {
    return new Objective({ ...this.#options, optimizer: { ...this.optimizer, learningRate } });
  }

  /**
   * What seems to train and cannot: a softmax over one unit is always 1, and a cross-entropy of one class always 0.
   * Undefined where there is nothing to say.
   */
  doubt({ shape, node }: SymbolicTensor): string | undefined {
    if (!equal(shape.at(-1) ?? 0, 1)) return undefined;
    const advice = 'for two classes use units: 1, activation: "sigmoid" and the loss "binaryCrossentropy"';
    if (node.op === softmaxOp) return `a softmax over one unit is always 1; ${advice}`;
    if (this.#loss.link === softmaxOp) return `${this.#loss.name} with one class is always 0; ${advice}`;
    return undefined;
  }

  /**
   * @param weight [B], or one weight per value of the loss
   * @returns the loss of the batch ([]), and the figures: sum and count for each name in turn, [2 · names]
   */
  measure(
    yTrue: SymbolicTensor,
    yPred: SymbolicTensor,
    weight?: SymbolicTensor,
  ): { readonly loss: SymbolicTensor; readonly figures: SymbolicTensor } {
    const loss = contribution(this.#loss, yTrue, yPred, weight);
    const metrics = this.#metrics.map(({ spec, weighted }) => {
      const metric = resolveMetric(spec, yTrue.shape, yPred.shape);
      return contribution(metric, yTrue, yPred, weighted ? weight : undefined, "weight");
    });
    const pair = ({ sum, count }: Contribution) => [reshape(sum, [1]), reshape(count, [1])];
    return {
      loss: div(loss.sum, maximum(loss.count, 1)),
      figures: concat([loss, ...metrics].flatMap(pair), 0),
    };
  }
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

/** The name, numbered where it is taken. */
function freeName(name: string, taken: readonly string[]): string {
  for (let i = 0; ; i++) {
    const free = i === 0 ? name : `${name}_${i}`;
    if (!taken.includes(free)) return free;
  }
}
