import { type Json, type JsonObject, namedIn } from "../config/config.js";
import { checkOptions, namesOf, RondoError, valueText, within } from "../errors.js";
import { readKerasFile } from "../formats/kerasFile.js";
import { DeclaredTensor } from "../layers/declared.js";
import { declareInput, InputLayer, ownShape } from "../layers/inputLayer.js";
import type { Declared, Layer } from "../layers/layer.js";
import { type CustomObjects, readLayer } from "../layers/registry.js";
import { zeros } from "../tensor.js";
import { parseCompileConfig } from "../train/compileConfig.js";
import type { CompileOptions } from "../train/objective.js";
import type { Optimizer } from "../train/optimizers/optimizer.js";
import { keptIn } from "./checkpoint.js";
import { entriesOf } from "./engine.js";
import { Functional } from "./functional.js";
import type { Model } from "./model.js";
import type { LoadOptions, ModelOptions } from "./options.js";
import { bytesOf, compileAnew, type FileSource, nameOf, optimizerFrom, weightsIn } from "./saving.js";
import { Sequential } from "./sequential.js";

const optionNames = namesOf<LoadOptions>({
  name: true,
  seed: true,
  backend: true,
  custom: true,
  compile: true,
});

/** What `loadModel` does, loaded when it is used. */
export async function readModel(source: FileSource, options: LoadOptions): Promise<Model<string, string>> {
  checkOptions("loadModel", options, optionNames);
  const file = nameOf(source);
  const { custom = {}, compile = true, ...rest } = options;
  const bytes = await bytesOf("loadModel", source).catch((error: unknown) => {
    throw isFolder(error) ? savedModel(file, error) : error;
  });
  const { config, metadata, groups } = await readKerasFile(bytes, file);
  const state = (metadata.rondo ?? {}) as {
    readonly seed?: number;
    readonly step?: number;
    readonly passes?: number;
  };
  const version = metadata.keras_version;
  const reading: Reading = {
    ...(state.seed === undefined ? {} : { seed: state.seed }),
    ...rest,
    ...(typeof version === "string" ? { kerasVersion: version } : {}),
    ownCalls: metadata.rondo !== undefined,
  };
  let model: Model<string, string>;
  try {
    model = modelFromConfig(config, custom, reading);
  } catch (error) {
    throw within(`loadModel ${file}`, error);
  }
  if (!model.built) {
    throw new RondoError({
      where: `loadModel ${file}`,
      received: "a model that was never built",
      expected: "one whose input has a shape",
      fix: "Build it, or give its first layer an input shape, before it is saved",
    });
  }
  const values = weightsIn(`loadModel ${file}`, model, groups);
  const compiled = compile ? compiledOf(config.compile_config) : undefined;
  const compileOptions = compiled && compileAs(model, compiled, file);
  const present = await model.snapshot();
  const weights = entriesOf(model).map(({ weight }) => values.get(weight) ?? zeros(weight.shape));
  const kept = keptIn(metadata, groups, file);
  const optimizer =
    present.optimizer &&
    (kept?.optimizer ??
      optimizerFrom(groups, compileOptions?.optimizer as Optimizer | undefined, present.optimizer, file));
  await model.restore({
    ...present,
    weights,
    states: kept?.states ?? present.states,
    step: state.step ?? optimizer?.iterations ?? 0,
    passes: state.passes ?? 0,
    optimizer: optimizer ?? present.optimizer,
  });
  return model;
}

const isFolder = (error: unknown): boolean =>
  error instanceof RondoError && Object(error.cause).code === "EISDIR";

const savedModel = (file: string, cause: unknown): RondoError =>
  new RondoError(
    {
      where: `loadModel ${file}`,
      received: "a folder, such as a SavedModel of TensorFlow",
      expected: "a .keras file",
      fix: `Save a SavedModel again in Python with Keras 2, the package tf_keras: tf_keras.models.load_model(${JSON.stringify(file)}).save("model.keras")`,
    },
    { cause },
  );

/** Compiles a model as its file says. */
function compileAs(model: Model<string, string>, json: JsonObject, file: string): CompileOptions<string> {
  try {
    const options = parseCompileConfig(json, model.outputNames, "compile");
    model.compile(options);
    return options;
  } catch (cause) {
    if (!(cause instanceof RondoError)) throw cause;
    const { where, received, expected } = cause;
    const parts = { where: `loadModel ${file}: ${where}`, received, expected, fix: compileAnew };
    throw new RondoError(parts, { cause });
  }
}

/** How a model was compiled, where it has a loss. */
const compiledOf = (json: Json | undefined): JsonObject | undefined => {
  const config = Object(json) as JsonObject;
  return config.loss === null || config.loss === undefined ? undefined : config;
};

/** What errors call the place of a model's configuration. */
const place = "config.json";

interface Reading extends ModelOptions {
  readonly kerasVersion?: string;
  /** Whether calls are recorded as Rondo means them; Keras notes `training: false` in each, and then ignores it. */
  readonly ownCalls: boolean;
}

/** A model from its configuration, without weights. */
export function modelFromConfig(json: Json, custom: CustomObjects, options: Reading): Model<string, string> {
  const { name, config = {} } = namedIn(json);
  const { kerasVersion, ownCalls, ...own } = options;
  const given = { ...(typeof config.name === "string" ? { name: config.name } : {}), ...own };
  const { name: _outer, ...inherited } = options;
  const inner = (entry: Json) => modelFromConfig(entry, custom, inherited) as unknown as Layer;
  const models = { Sequential: inner, Functional: inner, Model: inner };
  const layer = (entry: Json): Layer =>
    readLayer(entry, place, { custom, models, ...(kerasVersion === undefined ? {} : { kerasVersion }) });
  if (name === "Sequential") {
    const list = Array.isArray(config.layers) ? (config.layers as readonly Json[]) : [];
    return new Sequential(list.map(layer), given) as unknown as Model<string, string>;
  }
  if (name === "Functional" || name === "Model") return functionalFromConfig(config, layer, given, ownCalls);
  throw new RondoError({
    where: place,
    received: `a model of the class ${name ?? valueText(json)}`,
    expected: "Sequential or Functional",
    fix: "Build it in Keras from layers with the functional API, and save it again",
  });
}

/** One call of a layer in a configuration. */
interface Inbound {
  readonly args: readonly Json[];
  readonly kwargs: JsonObject;
}

function functionalFromConfig(
  config: JsonObject,
  make: (json: Json) => Layer,
  options: ModelOptions,
  ownCalls: boolean,
): Model<string, string> {
  const entries = (Array.isArray(config.layers) ? config.layers : []) as readonly JsonObject[];
  const outputs = new Map<string, readonly DeclaredTensor[]>();
  const models = new Set<string>();
  const keyOf = (name: string, node: number) => `${node} ${name}`;
  const waiting: {
    readonly layer: Layer;
    readonly name: string;
    readonly node: number;
    readonly call: Inbound;
  }[] = [];
  for (const entry of entries) {
    const layer = make(entry);
    const name = String(entry.name ?? layer.name ?? "");
    if (layer instanceof Functional) models.add(name);
    if (layer instanceof InputLayer) outputs.set(keyOf(name, 0), [declareInput(layer, ownShape(layer))]);
    const calls = (Array.isArray(entry.inbound_nodes) ? entry.inbound_nodes : []) as readonly unknown[];
    calls.forEach((call, node) => {
      waiting.push({ layer, name, node, call: call as Inbound });
    });
  }
  /** @param first the number of the first call of a functional model: ports count its making, too */
  const find = (history: Json | undefined, first: number): DeclaredTensor | undefined => {
    const [name, node, index] = (Array.isArray(history) ? history : []) as readonly Json[];
    const call = Number(node) - (models.has(String(name)) ? first : 0);
    return outputs.get(keyOf(String(name), call))?.[Number(index)];
  };
  /** A value for each tensor in a piece of a call; undefined where one is not there yet. */
  const valuesIn = (json: Json): readonly (DeclaredTensor | undefined)[] => {
    if (Array.isArray(json)) return json.flatMap(valuesIn);
    const { class_name: kind, config: inner } = Object(json) as JsonObject;
    if (kind !== "__keras_tensor__") return [];
    return [find((inner as JsonObject).keras_history, 0)];
  };
  for (let progress = true; progress && waiting.length > 0; ) {
    progress = false;
    for (const item of [...waiting]) {
      const { layer, name, node, call } = item;
      const inputs = valuesIn(call.args);
      const initial = valuesIn(call.kwargs.initial_state ?? null);
      if ([...inputs, ...initial].some((x) => x === undefined)) continue;
      const training = ownCalls ? call.kwargs.training : undefined;
      const given = inputs as readonly DeclaredTensor[];
      const made = layer.apply((given.length === 1 ? given[0] : given) as Declared & DeclaredTensor, {
        initialState: initial as readonly DeclaredTensor[],
        ...(typeof training === "boolean" ? { training } : {}),
      }) as unknown;
      outputs.set(keyOf(name, node), listOf(made));
      waiting.splice(waiting.indexOf(item), 1);
      progress = true;
    }
  }
  const port = (json: Json | undefined, kind: string): DeclaredTensor | Record<string, DeclaredTensor> => {
    const value = (history: Json): DeclaredTensor => {
      const found = find(history, 1);
      if (found !== undefined) return found;
      throw new RondoError({
        where: place,
        received: `${JSON.stringify(history)} among its ${kind}`,
        expected: "an output of one of its layers",
        fix: "Save the model again",
      });
    };
    if (Array.isArray(json)) {
      if (typeof json[0] === "string") return value(json);
      if (json.length === 1) return value(json[0] as Json);
      const names: string[] = [];
      for (const history of json as readonly (readonly Json[])[]) {
        const name = String(history[0]);
        const same = names.filter((other) => other === name || other.startsWith(`${name}_`)).length;
        names.push(names.includes(name) ? `${name}_${same}` : name);
      }
      return Object.fromEntries((json as readonly Json[]).map((history, i) => [names[i], value(history)]));
    }
    return Object.fromEntries(Object.entries(Object(json) as JsonObject).map(([k, h]) => [k, value(h)]));
  };
  return new Functional<string, string>(
    port(config.input_layers, "inputs"),
    port(config.output_layers, "outputs"),
    options,
    isList(config.input_layers) || isList(config.output_layers),
  );
}

/** Whether ports are a list of histories, not one of them. */
const isList = (ports: Json | undefined): boolean => Array.isArray(ports) && Array.isArray(ports[0]);

/** What `apply` gave as a list. */
const listOf = (made: unknown): readonly DeclaredTensor[] => {
  if (made instanceof DeclaredTensor) return [made];
  return (Array.isArray(made) ? made : Object.values(Object(made))) as readonly DeclaredTensor[];
};
