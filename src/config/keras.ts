import { RondoError, valueText } from "../errors.js";
import { type Json, type JsonObject, namedIn } from "./config.js";

// What the versions of Keras wrote into configurations, in the terms of Keras 3.

/** The version of Keras that wrote a configuration, as its file says: "3.6.0", "2.2.4-tf", or shorter: 2. */
export type KerasVersion = string | number;

/** What depends on that version; undefined: the configuration is an old one, and its version must be known. */
export interface Dialect {
  /** Which activation hard_sigmoid is. */
  readonly hardSigmoid: "hardSigmoid" | "hardSigmoidKeras2" | undefined;
  /** Of a GRU whose configuration does not say it. */
  readonly resetAfter: boolean | undefined;
}

export const keras3: Dialect = { hardSigmoid: "hardSigmoid", resetAfter: true };
const unknown: Dialect = { hardSigmoid: undefined, resetAfter: undefined };

/** The dialect of a version, where one is given. */
export function dialectOf(version: KerasVersion | undefined, where: string): Dialect | undefined {
  if (version === undefined) return undefined;
  const [, major, minor = "0", rest = ""] = /^(\d+)(?:\.(\d+))?(.*)$/.exec(String(version)) ?? [];
  if (major === undefined || !["string", "number"].includes(typeof version) || Number(major) < 1) {
    throw new RondoError({
      where,
      received: `kerasVersion: ${valueText(version)}`,
      expected: "the version of Keras that wrote the configuration",
      fix: 'Write for example "2.2.4-tf", as the file says it, or 2',
    });
  }
  const [whole, part] = [Number(major), Number(minor)];
  if (whole >= 3) return keras3;
  // TensorFlow's Keras, from 2.4 on the only one of major version 2, has made GRUs with resetAfter since TensorFlow 2.
  const ofTensorFlow = whole === 2 && (part >= 4 || rest.includes("-tf"));
  return { hardSigmoid: "hardSigmoidKeras2", resetAfter: ofTensorFlow };
}

/** Keys that Keras wrote up to version 2 only. */
const oldKeys = ["implementation", "time_major", "batch_input_shape", "consume_less"];

/** The dialect that the marks of an old Keras tell where nobody has told a version. */
export const markedDialect = (config: JsonObject): Dialect | undefined =>
  oldKeys.some((key) => key in config) ? unknown : undefined;

/** The error for something that means one thing up to Keras 2 and another since. */
export const ambiguous = (where: string, received: string): RondoError =>
  new RondoError({
    where,
    received: `${received} in a configuration of an old Keras`,
    expected: "its version, because the meaning has changed",
    fix: 'Tell it as the file does: layerFromConfig(json, {}, { kerasVersion: "2.2.4" })',
  });

/** A name without the module before it: `keras.layers.LSTM`, `keras>LSTM` → `LSTM`. */
export const bareName = (name: string): string => name.replace(/^(?:tf\.)?(?:tf_)?keras[.>](?:.*[.>])?/i, "");

/** Classes that compute the same as one of today's, with what their names say about the configuration. */
const classAliases: Readonly<Record<string, { readonly name: string; readonly implied: JsonObject }>> = {
  CuDNNLSTM: { name: "LSTM", implied: {} },
  CuDNNGRU: { name: "GRU", implied: { reset_after: true } },
  UnifiedLSTM: { name: "LSTM", implied: {} },
  UnifiedGRU: { name: "GRU", implied: { reset_after: true } },
};

/** Names under which a class may be known. */
export interface ClassNames {
  /** Of a class of one's own, the likeliest first. */
  readonly own: readonly [string, ...string[]];
  /** Of a built-in class; undefined where the configuration says that it is none. */
  readonly builtIn: string | undefined;
  readonly implied: JsonObject;
  /** The name by which a class of one's own is registered in Python, with its package; undefined where it is not. */
  readonly registered: string | undefined;
}

/** The names of the class of an object in a configuration; `name` is its class name there. */
export function classNames(json: Json, name: string): ClassNames {
  const { module, registered_name: registered } = Object(json) as Readonly<Record<string, Json | undefined>>;
  const full = typeof registered === "string" ? registered : name;
  const bare = bareName(name);
  // A module that is not one of Keras's, a registered name without one, or a package before the name.
  const foreign =
    typeof module === "string"
      ? !/^(tf_)?keras|^tensorflow/.test(module)
      : (module === null && registered === full) || bare.includes(">") || bareName(full).includes(">");
  const alias = classAliases[bare];
  return {
    own: [full, name, bare.slice(bare.lastIndexOf(">") + 1)],
    builtIn: foreign ? undefined : (alias?.name ?? bare.replace(/V[12]$/, "")),
    implied: alias?.implied ?? {},
    registered: full.includes(">") ? full : undefined,
  };
}

/** Tuples and shapes in the form that old Keras gave them are lists. */
export function withoutTuples(json: Json): Json {
  if (Array.isArray(json)) return json.map(withoutTuples);
  if (typeof json !== "object" || json === null) return json;
  const { class_name: name, items } = json as JsonObject;
  if ((name === "__tuple__" || name === "TensorShape") && Array.isArray(items))
    return items.map(withoutTuples);
  return Object.fromEntries(Object.entries(json).map(([key, value]) => [key, withoutTuples(value)]));
}

const pooling: Readonly<Record<string, string | null>> = { keepdims: "keep_dims" };
/** Keys of a class that have another name here; null: none, where the value asks for nothing. */
const renamedKeys: Readonly<Record<string, Readonly<Record<string, string | null>>>> = {
  GlobalMaxPooling1D: pooling,
  GlobalAveragePooling1D: pooling,
  LeakyReLU: { alpha: "negative_slope" },
  Lambda: { function: "call", arguments: null, mask: null },
};
/** Null, false, and lists and objects without anything in them. */
const asksForNothing = (json: Json): boolean =>
  json === null || json === false || (typeof json === "object" && Object.keys(json).length === 0);
const unsupported = (className: string, key: string, json: Json): RondoError =>
  new RondoError({
    where: className,
    received: `the configuration key "${key}": ${JSON.stringify(json).slice(0, 60)}`,
    expected: "a configuration without it",
    fix: "Take it out, and put what it says into the function",
  });

/** The name of a function of one's own in a configuration; undefined where Keras has marshalled the function itself. */
export function functionIn(json: Json): string | undefined {
  const { registered_name: registered, class_name: kind, config } = Object(json) as JsonObject;
  if (typeof json === "string") return json;
  if (kind === "__lambda__" || Array.isArray(json)) return undefined;
  const name = typeof registered === "string" && registered !== "function" ? registered : config;
  return typeof name === "string" ? name : undefined;
}

/** A layer's configuration with the keys of Keras 3. */
export function modernConfig(
  className: string,
  config: JsonObject,
  dialect: Dialect,
  gated: boolean,
): JsonObject {
  const { batch_input_shape: whole, ...rest } = config;
  const modern: Record<string, Json> = rest;
  if (Array.isArray(whole)) {
    if (className === "InputLayer") modern.batch_shape = whole;
    else {
      modern.input_shape = whole.slice(1);
      modern.batch_size = whole[0] ?? null;
    }
  }
  for (const [name, key] of Object.entries(renamedKeys[className] ?? {})) {
    const { [name]: value } = modern;
    if (value === undefined) continue;
    delete modern[name];
    if (key !== null) modern[key] = value;
    else if (!asksForNothing(value)) throw unsupported(className, name, value);
  }
  const name = className === "Lambda" ? functionIn(modern.call ?? null) : undefined;
  if (name !== undefined) modern.registered_name = name;
  if (gated && modern.reset_after === undefined) {
    if (dialect.resetAfter === undefined) throw ambiguous(className, "a GRU without reset_after");
    modern.reset_after = dialect.resetAfter;
  }
  return modern;
}

/** Names of initializers that are none of today's. */
const initializerAliases: Readonly<Record<string, string>> = {
  normal: "random_normal",
  uniform: "random_uniform",
  one: "ones",
  zero: "zeros",
};

/** An initializer's name as Keras 3 writes it: `OrthogonalInitializer`, `glorot_uniformV2` → `Orthogonal`, … */
export function initializerName(name: string): string {
  const bare = bareName(name).replace(/V2$|(?<=.)Initializer$/, "");
  return initializerAliases[bare] ?? bare;
}

/** Activations that Keras writes as layers, and the keys of such a layer that are no parameters. */
const activationLayers: Readonly<Record<string, string>> = {
  ReLU: "relu",
  LeakyReLU: "leaky_relu",
  ELU: "elu",
  Softmax: "softmax",
};
const layerKeys = ["name", "trainable", "dtype", "batch_input_shape"];

/** An activation's name and parameters in a configuration; no name: null, or nothing that Keras writes. */
export function activationIn(json: Json): { readonly name?: string; readonly parameters: JsonObject } {
  const { name, config } = namedIn(json);
  if (name === undefined) return { parameters: {} };
  const inner = (Object(json) as { readonly config?: Json }).config;
  if (name === "function" && typeof inner === "string") return activationIn(inner);
  if (name === "Activation") return activationIn(config?.activation ?? null);
  const bare = bareName(name).replace(/^softmax_v2$/, "softmax");
  const ofLayer = activationLayers[bare];
  if (ofLayer === undefined) return { name: bare, parameters: config ?? {} };
  const parameters = Object.entries(config ?? {})
    .filter(([key]) => !layerKeys.includes(key))
    .map(([key, value]) => [ofLayer === "leaky_relu" && key === "alpha" ? "negative_slope" : key, value]);
  return { name: ofLayer, parameters: Object.fromEntries(parameters) };
}
