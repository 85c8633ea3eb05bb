import { checkOptions, RondoError, unknownName, valueText } from "../errors.js";

/** What a configuration file can hold. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
/** An object of JSON. */
export type JsonObject = { readonly [key: string]: Json };

/** Reads what a configuration's meaning hangs on. */
export interface ConfigReader {
  /** A nested layer or cell, by class name. */
  component(json: Json, where: string): unknown;
  /** Which activation is called hard_sigmoid: another one in Keras 3 than before. */
  hardSigmoid(where: string): "hardSigmoid" | "hardSigmoidKeras2";
  /** What the caller has given under a registered name: a function of a Lambda. */
  registered?(name: string): unknown;
  /** The schedule of a learning rate. */
  schedule?(json: Json, where: string): unknown;
}

/**
 * One configuration field, spelled once: what is given (G), what is kept (V), its default, and its form in Keras's
 * configuration files.
 */
export interface Field<G, V, R extends boolean = boolean> {
  /** True: there is no default. */
  readonly required: R;
  readonly initial: V | undefined;
  /** In files; default: the field's name in snake case. */
  readonly key?: string;
  /** Checks and normalises what a caller gave. Throws a RondoError that names `where` and the field. */
  read(given: G, where: string, name: string): V;
  /** Undefined: configuration files do not hold the field. */
  write(value: V, where: string): Json | undefined;
  /** The value that was given, checked, in the form in which it is kept. */
  parse(json: Json, reader: ConfigReader, where: string): G;
}

/** Fields by their names. */
export type Fields = Readonly<Record<string, Field<unknown, unknown>>>;

type RequiredKeys<F> = { [K in keyof F]: F[K] extends Field<infer _G, infer _V, true> ? K : never }[keyof F];
type Given<X> = X extends Field<infer G, infer _V> ? G : never;

/** What a caller writes: required fields, and any of the others. */
export type OptionsOf<F> = { readonly [K in RequiredKeys<F>]: Given<F[K]> } & {
  readonly [K in Exclude<keyof F, RequiredKeys<F>>]?: Given<F[K]>;
};

/** What a layer keeps: every field. */
export type SettingsOf<F> = {
  readonly [K in keyof F]: F[K] extends Field<infer _G, infer V> ? V : never;
};

/** Every field's value from options: checked, defaults filled in. Unknown names are errors. */
export function readOptions<F extends Fields>(
  fields: F,
  options: object | undefined,
  where: string,
): SettingsOf<F> {
  const settings: Record<string, unknown> = {};
  const given = (options === undefined ? {} : options) as Readonly<Record<string, unknown>>;
  const needed = Object.keys(fields).filter((name) => fields[name]?.required);
  checkOptions(where, given, [...new Set([...needed, ...Object.keys(fields)])]);
  for (const [name, field] of Object.entries(fields)) {
    const value = given[name];
    if (value !== undefined) settings[name] = field.read(value, where, name);
    else if (!field.required) settings[name] = field.initial;
    else {
      throw new RondoError({
        where,
        received: `no ${name}`,
        expected: `the option ${name}`,
        fix: `Add ${name} to the options`,
      });
    }
  }
  return Object.freeze(settings) as SettingsOf<F>;
}

/** The error for a value that an option cannot have. */
export function invalid(
  where: string,
  name: string,
  value: unknown,
  expected: string,
  fix = `Set ${name} to ${expected}`,
): RondoError {
  const received = Array.isArray(value) ? `[${value.map(valueText).join(", ")}]` : valueText(value);
  return new RondoError({ where, received: `${name}: ${received}`, expected, fix });
}

const keyOf = (name: string, { key }: Field<unknown, unknown>): string => key ?? snakeCase(name);

/** Keras's configuration of the settings. */
export function writeConfig(fields: Fields, settings: object, where: string): JsonObject {
  const values = settings as Readonly<Record<string, unknown>>;
  const config: Record<string, Json> = {};
  for (const [name, field] of Object.entries(fields)) {
    const json = field.write(values[name], where);
    if (json !== undefined) config[keyOf(name, field)] = json;
  }
  return config;
}

/** Keys of Keras's configurations that are no options here, and which of their values ask for nothing else. */
const neutral: Readonly<Record<string, (json: Json) => boolean>> = {
  // These choose between ways to compute the same.
  implementation: () => true,
  use_cudnn: () => true,
  consume_less: () => true,
  autocast: () => true,
  // Of renorm, which is refused where it is true.
  renorm_momentum: () => true,
  // These say where Keras 2 found a Lambda's functions.
  function_type: () => true,
  module: () => true,
  output_shape_type: () => true,
  output_shape_module: () => true,
  jit_compile: () => true,
  // Where the class has none, Keras's names its place in a TensorFlow graph.
  name: () => true,
  is_legacy_optimizer: () => true,
  // What the loss is multiplied with, and its gradients divided by: for floats of 16 bits.
  loss_scale_factor: () => true,
  decay: (json) => json === 0,
  data_format: (json) => json === "channels_last",
  dtype: (json) => dtypeIn(json) === "float32",
  input_dtype: (json) => dtypeIn(json) === "float32",
};

/** The keys of Keras's configurations that ask for what Rondo has not, and what it has instead. */
const foreign: readonly (readonly [RegExp, string])[] = [
  [/_regularizer$/, "no regularizer there"],
  [/_constraint$/, "no constraint there"],
  [/^time_major$/, "sequences of [batch, time, ..] alone"],
  [/^data_format$/, "features on the last axis alone (channels_last)"],
  [/dtype$/, "float32 alone"],
  [/^(quantization|lora)_/, "neither quantization nor LoRA"],
  [/^(sparse|ragged)$/, "dense arrays alone"],
];

/** The name of a dtype: by itself, or in a policy that has one in its configuration. */
export const dtypeIn = (json: Json): Json | undefined => {
  if (typeof json === "string") return json;
  return namedIn(json).config?.name;
};

/** A name in a configuration, by itself or with a configuration of its own, as Keras writes objects. */
export function namedIn(json: Json): { readonly name?: string; readonly config?: JsonObject } {
  if (typeof json === "string") return { name: json };
  const { class_name: name, config } = Object(json) as { class_name?: Json; config?: Json };
  const inner = typeof config === "object" && config !== null ? { config: config as JsonObject } : {};
  return typeof name === "string" ? { name, ...inner } : {};
}

/** Options from Keras's configuration, the reverse of `writeConfig`. Unknown keys that are null or false ask for nothing. */
export function parseConfig(
  fields: Fields,
  config: JsonObject,
  reader: ConfigReader,
  where: string,
): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  const named = new Map(Object.entries(fields).map(([name, field]) => [keyOf(name, field), name]));
  for (const [key, json] of Object.entries(config)) {
    const name = named.get(key) ?? camelCase(key);
    const field = fields[name];
    if (field !== undefined) options[name] = field.parse(json, reader, where);
    else if (json !== null && json !== false && neutral[key]?.(json) !== true) {
      const has = foreign.find(([pattern]) => pattern.test(key))?.[1];
      if (has === undefined) {
        throw unknownName(where, "configuration key", key, [...named.keys()]);
      }
      throw new RondoError({
        where,
        received: `the configuration key "${key}": ${JSON.stringify(json).slice(0, 60)}`,
        expected: `a configuration without it, because Rondo has ${has}`,
        fix: "Take it out of the configuration where the layer can do without it",
      });
    }
  }
  return options;
}

/** `returnSequences` → `return_sequences`, `LSTMCell` → `lstm_cell`, as Keras names layers. */
export const snakeCase = (name: string): string =>
  name
    .replace(/(.)([A-Z][a-z]+)/g, "$1_$2")
    .replace(/([a-z])([A-Z])/g, "$1_$2")
    .toLowerCase();

/** `return_sequences` → `returnSequences`. */
export const camelCase = (name: string): string =>
  name.replace(/_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
