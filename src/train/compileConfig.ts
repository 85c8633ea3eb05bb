import { type Json, type JsonObject, namedIn } from "../config/config.js";
import { type Kind, parseOfKind, writeOfKind } from "../config/configurable.js";
import { functionIn } from "../config/keras.js";
import { RondoError } from "../errors.js";
import { lossKind, resolveLoss } from "./losses.js";
import { type MetricSpec, metricKind } from "./metrics/index.js";
import type { CompileOptions, LossSpec, Objective } from "./objective.js";
import { optimizerKind } from "./optimizers/index.js";
import { scheduleKind } from "./schedules.js";

// How a model was compiled, as Keras's files hold it: compile_config.

/** A value for each output that has one: by name, or as it is for the output without a name. */
type PerOutput<V> = V | { readonly [output: string]: V };

/**
 * The configuration of an objective.
 *
 * @returns undefined where a part of it is a function or an object of one's own, which no file can hold
 */
export function compileConfig({ options, optimizer }: Objective): JsonObject | undefined {
  const { loss, lossWeights, metrics, weightedMetrics } = options;
  const config: Record<string, Json | undefined> = {
    optimizer: writeOfKind(optimizerKind, optimizer),
    loss: perOutput<LossSpec, Json>(loss, isLoss, (spec) => writeOfKind(lossKind, resolveLoss(spec))),
    loss_weights: lossWeights === undefined ? null : (lossWeights as JsonObject),
    metrics: metrics === undefined ? null : metricsJson(metrics),
    weighted_metrics: weightedMetrics === undefined ? null : metricsJson(weightedMetrics),
  };
  if (Object.values(config).includes(undefined)) return undefined;
  return { ...(config as JsonObject), run_eagerly: false, steps_per_execution: 1, jit_compile: false };
}

const isLoss = (value: unknown): value is LossSpec =>
  typeof value === "string" || typeof value === "function" || "values" in Object(value);

const isMetricList = (value: unknown): value is MetricSpec | readonly MetricSpec[] =>
  typeof value === "string" ||
  typeof value === "function" ||
  Array.isArray(value) ||
  "target" in Object(value);

/** The form of one value, or of each output's; undefined where one has none. */
function perOutput<V, W>(
  given: PerOutput<V | undefined>,
  isOne: (value: unknown) => value is V,
  formOf: (value: V) => W | undefined,
): W | { readonly [output: string]: W } | undefined {
  if (isOne(given)) return formOf(given);
  const forms: Record<string, W> = {};
  for (const [output, value] of Object.entries(given as { readonly [output: string]: V | undefined })) {
    if (value === undefined) continue;
    const form = formOf(value);
    if (form === undefined) return undefined;
    forms[output] = form;
  }
  return forms;
}

const metricsJson = (given: NonNullable<CompileOptions<string>["metrics"]>): Json | undefined =>
  perOutput<MetricSpec | readonly MetricSpec[], Json>(given, isMetricList, (specs) => {
    const list = (Array.isArray(specs) ? specs : [specs]) as readonly MetricSpec[];
    const forms = list.map(metricJson);
    return forms.includes(undefined) ? undefined : (forms as Json[]);
  });

const parts: readonly string[] = ["loss", "loss_weights", "metrics", "weighted_metrics"];

/** A compile configuration with a list in the place of each object by the names of outputs, for a model that has these in a list. */
export const inLists = (config: JsonObject, outputs: readonly string[]): JsonObject =>
  Object.fromEntries(
    Object.entries(config).map(([key, value]) => {
      const byName = parts.includes(key) && typeof value === "object" && !Array.isArray(value);
      if (!byName || value === null || namedIn(value).name !== undefined) return [key, value];
      return [key, outputs.map((name) => (value as JsonObject)[name] ?? null)];
    }),
  );

/** `accuracy` is the one that fits the shapes, in Keras as here, and stays a name. */
function metricJson(spec: MetricSpec): Json | undefined {
  if (spec === "accuracy" || spec === "acc") return "accuracy";
  if (typeof spec !== "string") return writeOfKind(metricKind, spec);
  return writeOfKind(metricKind, metricKind.factories[spec]?.fromConfig({}));
}

/** A part of a configuration without what stands for Python's functions: one of Keras's own goes by its name. */
function asObject(json: Json): Json {
  const { class_name: kind, config } = Object(json) as JsonObject;
  if (kind === "function") return functionIn(json) ?? json;
  // Keras 2 names the function of a loss beside its class.
  const { fn, ...rest } = Object(config) as JsonObject;
  return fn === undefined ? json : { ...(json as JsonObject), config: rest };
}

/**
 * What `compile` takes, from a configuration.
 *
 * @param outputs the names of the model's outputs; one without a name: [""]
 * @throws RondoError for optimizers, losses and metrics that Rondo has not
 */
export function parseCompileConfig(
  json: JsonObject,
  outputs: readonly string[],
  where: string,
): CompileOptions<string> {
  const schedule = (inner: Json, at: string) => parseOfKind(scheduleKind, inner, at);
  const of = <T>(kind: Kind<T>, value: Json): T =>
    parseOfKind(kind, asObject(value), where, { schedule }) as T;
  const { optimizer = null, loss = null, loss_weights: weights = null } = json;
  const byName = <V>(
    value: Json,
    isOne: (inner: Json) => boolean,
    read: (inner: Json) => V,
  ): PerOutput<V> => {
    if (isOne(value)) return read(value);
    const entries: [string, Json][] = Array.isArray(value)
      ? value.map((inner: Json, i): [string, Json] => [outputs[i] ?? "", inner])
      : Object.entries(value as JsonObject);
    const given = entries.filter(([, inner]) => inner !== null);
    const [only] = given;
    // A name of Keras's for the one output that has none here.
    if (outputs.length === 1 && outputs[0] === "" && only !== undefined) return read(only[1]);
    return Object.fromEntries(given.map(([name, inner]) => [name, read(inner)]));
  };
  const isNamed = (inner: Json) => namedIn(inner).name !== undefined;
  const metricOf = (inner: Json): MetricSpec => {
    if (typeof inner !== "string" && asObject(inner) === "cosine_similarity") {
      throw new RondoError({
        where,
        received: "the function cosine_similarity as a metric",
        expected: "the class CosineSimilarity: the function is the loss, which has the other sign",
        fix: "Compile with keras.metrics.CosineSimilarity()",
      });
    }
    return /^acc(uracy)?$/i.test(String(inner)) ? "accuracy" : of(metricKind, inner);
  };
  const metricsOf = (value: Json | undefined) => {
    if (value === null || value === undefined) return undefined;
    const isList = (inner: Json) => Array.isArray(inner) && inner.every(isNamed);
    return byName<MetricSpec | readonly MetricSpec[]>(
      value,
      (inner) => isNamed(inner) || isList(inner),
      (inner) => (Array.isArray(inner) ? inner.map(metricOf) : [metricOf(inner)]),
    );
  };
  const [metrics, weightedMetrics] = [metricsOf(json.metrics), metricsOf(json.weighted_metrics)];
  const scales = weights === null ? undefined : byName(weights, () => false, Number);
  return {
    ...(optimizer === null ? {} : { optimizer: of(optimizerKind, optimizer) }),
    loss: byName(loss, isNamed, (inner) => of(lossKind, inner)) as CompileOptions<string>["loss"],
    ...(typeof scales === "object" ? { lossWeights: scales } : {}),
    ...(metrics === undefined ? {} : { metrics: metrics as readonly MetricSpec[] }),
    ...(weightedMetrics === undefined ? {} : { weightedMetrics: weightedMetrics as readonly MetricSpec[] }),
  };
}
