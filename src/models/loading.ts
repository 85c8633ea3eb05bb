import { type Json, type JsonObject, namedIn } from "../config/config.js";
import { checkOptions, namesOf, RondoError, valueText } from "../errors.js";
import { readKerasFile } from "../formats/kerasFile.js";
import { DeclaredTensor } from "../layers/declared.js";
import { declareInput, InputLayer, ownShape } from "../layers/inputLayer.js";
import type { Declared, Layer } from "../layers/layer.js";
import { type CustomObjects, layerFromConfig } from "../layers/registry.js";
import { Tensor, zeros } from "../tensor.js";
import { parseCompileConfig } from "../train/compileConfig.js";
import type { Optimizer } from "../train/optimizers/optimizer.js";
import { entriesOf } from "./engine.js";
import { Functional } from "./functional.js";
import type { Model } from "./model.js";
import type { LoadOptions, ModelOptions } from "./options.js";
import { bytesOf, componentPaths, type FileSource, nameOf, optimizerFrom, ownVariables } from "./saving.js";
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
  const { config, metadata, groups } = await readKerasFile(await bytesOf("loadModel", source), file);
  const state = (metadata.rondo ?? {}) as {
    readonly seed?: number;
    readonly step?: number;
    readonly passes?: number;
  };
  const version = metadata.keras_version;
  const model = modelFromConfig(config, custom, {
    ...(state.seed === undefined ? {} : { seed: state.seed }),
    ...rest,
    ...(typeof version === "string" ? { kerasVersion: version } : {}),
  });
  if (!model.built) {
    throw new RondoError({
      where: `loadModel ${file}`,
      received: "a model that was never built",
      expected: "one whose input has a shape",
      fix: "Build it, or give its first layer an input shape, before it is saved",
    });
  }
  const values = new Map<object, Tensor<"float32">>();
  for (const [path, component] of componentPaths(model)) {
    const own = ownVariables(component);
    const stored = groups.get(path)?.variables ?? [];
    if (stored.length !== own.length) {
      throw new RondoError({
        where: `loadModel ${file}`,
        received: `${stored.length} arrays for ${component.where} (${path})`,
        expected: own.length === 0 ? "none" : own.map(({ name }) => name).join(", "),
        fix: "Save the model again with the version of Keras that trained it",
      });
    }
    own.forEach((weight, i) => {
      const { data, shape } = stored[i] ?? {};
      if (data instanceof Float32Array && shape !== undefined)
        values.set(weight, new Tensor(data, shape, "float32"));
    });
  }
  const { outputNames } = model;
  const compiled = compile ? compiledOf(config.compile_config) : undefined;
  const compileOptions = compiled && parseCompileConfig(compiled, outputNames, `loadModel ${file}`);
  if (compileOptions !== undefined) model.compile(compileOptions);
  const present = await model.snapshot();
  const weights = entriesOf(model).map(({ weight }) => values.get(weight) ?? zeros(weight.shape));
  const optimizer =
    present.optimizer &&
    optimizerFrom(groups, compileOptions?.optimizer as Optimizer | undefined, present.optimizer, file);
  await model.restore({
    ...present,
    weights,
    step: state.step ?? optimizer?.iterations ?? 0,
    passes: state.passes ?? 0,
    optimizer: optimizer ?? present.optimizer,
  });
  return model;
}

/** How a model was compiled, where it has a loss. */
const compiledOf = (json: Json | undefined): JsonObject | undefined => {
  const config = Object(json) as JsonObject;
  return config.loss === null || config.loss === undefined ? undefined : config;
};

interface Reading extends ModelOptions {
  readonly kerasVersion?: string;
}

/** A model from its configuration, without weights. */
export function modelFromConfig(json: Json, custom: CustomObjects, options: Reading): Model<string, string> {
  const { name, config = {} } = namedIn(json);
  const { kerasVersion, ...own } = options;
  const given = { ...(typeof config.name === "string" ? { name: config.name } : {}), ...own };
  const { name: _outer, ...inherited } = options;
  const layer = (entry: Json): Layer => {
    const inner = namedIn(entry).name;
    return inner === "Functional" || inner === "Sequential" || inner === "Model"
      ? (modelFromConfig(entry, custom, inherited) as unknown as Layer)
      : layerFromConfig(entry, custom, kerasVersion === undefined ? {} : { kerasVersion });
  };
  if (name === "Sequential") {
    const list = Array.isArray(config.layers) ? (config.layers as readonly Json[]) : [];
    return new Sequential(list.map(layer), given) as unknown as Model<string, string>;
  }
  if (name === "Functional" || name === "Model") return functionalFromConfig(config, layer, given);
  throw new RondoError({
    where: "loadModel",
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
): Model<string, string> {
  const entries = (Array.isArray(config.layers) ? config.layers : []) as readonly JsonObject[];
  const outputs = new Map<string, readonly DeclaredTensor[]>();
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
    if (layer instanceof InputLayer) outputs.set(keyOf(name, 0), [declareInput(layer, ownShape(layer))]);
    const calls = (Array.isArray(entry.inbound_nodes) ? entry.inbound_nodes : []) as readonly unknown[];
    calls.forEach((call, node) => {
      waiting.push({ layer, name, node, call: call as Inbound });
    });
  }
  const find = (history: Json | undefined): DeclaredTensor | undefined => {
    const [name, node, index] = (Array.isArray(history) ? history : []) as readonly Json[];
    return outputs.get(keyOf(String(name), Number(node)))?.[Number(index)];
  };
  /** A value for each tensor in a piece of a call; undefined where one is not there yet. */
  const valuesIn = (json: Json): readonly (DeclaredTensor | undefined)[] => {
    if (Array.isArray(json)) return json.flatMap(valuesIn);
    const { class_name: kind, config: inner } = Object(json) as JsonObject;
    if (kind !== "__keras_tensor__") return [];
    return [find((inner as JsonObject).keras_history)];
  };
  for (let progress = true; progress && waiting.length > 0; ) {
    progress = false;
    for (const item of [...waiting]) {
      const { layer, name, node, call } = item;
      const inputs = valuesIn(call.args);
      const initial = valuesIn(call.kwargs.initial_state ?? null);
      if ([...inputs, ...initial].some((x) => x === undefined)) continue;
      const training = call.kwargs.training;
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
      const found = find(history);
      if (found !== undefined) return found;
      throw new RondoError({
        where: "loadModel",
        received: `${JSON.stringify(history)} among its ${kind}`,
        expected: "an output of one of its layers",
        fix: "Save the model again",
      });
    };
    if (Array.isArray(json)) {
      if (typeof json[0] === "string") return value(json);
      if (json.length === 1) return value(json[0] as Json);
      return Object.fromEntries(
        (json as readonly Json[]).map((history) => [String((history as readonly Json[])[0]), value(history)]),
      );
    }
    return Object.fromEntries(Object.entries(Object(json) as JsonObject).map(([k, h]) => [k, value(h)]));
  };
  return new Functional<string, string>(
    port(config.input_layers, "inputs"),
    port(config.output_layers, "outputs"),
    options,
  );
}

/** What `apply` gave as a list. */
const listOf = (made: unknown): readonly DeclaredTensor[] => {
  if (made instanceof DeclaredTensor) return [made];
  return (Array.isArray(made) ? made : Object.values(Object(made))) as readonly DeclaredTensor[];
};
