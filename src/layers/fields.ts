import { RondoError, unknownName } from "../errors.js";

/** What a configuration file can hold. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

/** Reads layers and cells nested in a configuration, by class name. */
export interface ConfigReader {
  component(json: Json, where: string): unknown;
}

/**
 * One configuration field, spelled once: what is given (G), what is kept (V), its default, and its form in Keras's
 * configuration files. The key in a file is the field's name in snake case.
 */
export interface Field<G, V, R extends boolean = boolean> {
  /** True: there is no default. */
  readonly required: R;
  readonly initial: V | undefined;
  /** Checks and normalises what a caller gave. Throws a RondoError that names `where` and the field. */
  read(given: G, where: string, name: string): V;
  /** Undefined: configuration files do not hold the field. */
  write(value: V, where: string): Json | undefined;
  parse(json: Json, reader: ConfigReader, where: string): G;
}

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
export function readOptions<F extends Fields>(fields: F, options: object, where: string): SettingsOf<F> {
  const settings: Record<string, unknown> = {};
  for (const name of Object.keys(options)) {
    if (!(name in fields)) throw unknownName(where, "option", name, Object.keys(fields));
  }
  const given = options as Readonly<Record<string, unknown>>;
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

/** Keras's configuration of the settings: names in snake case. */
export function writeConfig(fields: Fields, settings: object, where: string): JsonObject {
  const values = settings as Readonly<Record<string, unknown>>;
  const config: Record<string, Json> = {};
  for (const [name, field] of Object.entries(fields)) {
    const json = field.write(values[name], where);
    if (json !== undefined) config[snakeCase(name)] = json;
  }
  return config;
}

/** Keys of Keras's configurations that are no options here, and which of their values ask for nothing else. */
const neutral: Readonly<Record<string, (json: Json) => boolean>> = {
  // These choose between ways to compute the same.
  implementation: () => true,
  unroll: () => true,
  use_cudnn: () => true,
  data_format: (json) => json === "channels_last",
  // A name, or a policy that has one in its configuration.
  dtype: (json) => JSON.stringify(json).includes('"float32"'),
};

/** Options from Keras's configuration, the reverse of `writeConfig`. Unknown keys that are null or false ask for nothing. */
export function parseConfig(
  fields: Fields,
  config: JsonObject,
  reader: ConfigReader,
  where: string,
): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const [key, json] of Object.entries(config)) {
    const field = fields[camelCase(key)];
    if (field !== undefined) options[camelCase(key)] = field.parse(json, reader, where);
    else if (json !== null && json !== false && neutral[key]?.(json) !== true) {
      throw unknownName(where, "configuration key", key, Object.keys(fields).map(snakeCase));
    }
  }
  return options;
}

function invalid(where: string, name: string, value: unknown, expected: string): RondoError {
  const received = typeof value === "string" ? `"${value}"` : String(value);
  return new RondoError({
    where,
    received: `${name}: ${received}`,
    expected,
    fix: `Set ${name} to ${expected}`,
  });
}

/** A field whose values are themselves JSON, checked by `accepts`. */
function plain<V extends Json>(
  accepts: (value: unknown) => boolean,
  expected: string,
): { required: Field<V, V, true>; optional<D extends V>(initial: D): Field<V, V, false> } {
  const rules = {
    read(given: V, where: string, name: string): V {
      if (!accepts(given)) throw invalid(where, name, given, expected);
      return given;
    },
    write: (value: V): Json => value,
    parse: (json: Json): V => json as V,
  };
  return {
    required: { required: true, initial: undefined, ...rules },
    optional: (initial) => ({ required: false, initial, ...rules }),
  };
}

const whole = (x: unknown): x is number => typeof x === "number" && Number.isInteger(x);
const sizeList = (least: number) => (x: unknown) =>
  Array.isArray(x) && x.every((d) => d === null || (whole(d) && (d >= 1 || d === least)));

/** A whole number ≥ 1, without a default. */
export const size: Field<number, number, true> = plain<number>(
  (x) => whole(x) && x >= 1,
  "a whole number of at least 1",
).required;

/** A whole number ≥ 1, or null (the default). */
export const optionalSize: Field<number | null, number | null, false> = plain<number | null>(
  (x) => x === null || (whole(x) && x >= 1),
  "a whole number of at least 1",
).optional(null);

/** Text that is not empty, or null (the default). */
export const optionalText: Field<string | null, string | null, false> = plain<string | null>(
  (x) => x === null || (typeof x === "string" && x !== ""),
  "a name",
).optional(null);

export const flag = (initial: boolean): Field<boolean, boolean, false> =>
  plain<boolean>((x) => typeof x === "boolean", "true or false").optional(initial);

/** A fraction in [0, 1). */
export const fraction = (initial: number): Field<number, number, false> =>
  plain<number>((x) => typeof x === "number" && x >= 0 && x < 1, "a fraction from 0 to below 1").optional(
    initial,
  );

/** A fraction in [0, 1), without a default. */
export const rate: Field<number, number, true> = plain<number>(
  (x) => typeof x === "number" && x >= 0 && x < 1,
  "a fraction from 0 (drop nothing) to below 1",
).required;

/** A number; NaN is one too (its JSON form is the string "NaN"). */
export const real = (initial: number): Field<number, number, false> => ({
  ...plain<number>((x) => typeof x === "number", "a number").optional(initial),
  write: (value) => (Number.isFinite(value) ? value : String(value)),
  parse: (json) => Number(json),
});

/** A random seed: equal seeds give equal draws; null (the default): draws follow from the model's seed. */
export const seed: Field<number | null, number | null, false> = plain<number | null>(
  (x) => x === null || whole(x),
  "a whole number or null",
).optional(null);

export const choice = <const V extends string | null>(
  initial: V,
  values: readonly V[],
): Field<V, V, false> => ({
  ...plain<V>(
    (x) => values.some((v) => v === x),
    `one of ${values.map((v) => (v === null ? "null" : `"${v}"`)).join(", ")}`,
  ).optional(initial),
  read(given, where, name) {
    if (values.some((v) => v === given)) return given;
    const names = values.filter((v) => typeof v === "string");
    if (typeof given === "string") throw unknownName(where, name, given, names);
    throw invalid(where, name, given, `one of ${names.join(", ")}`);
  },
});

/** Sizes, without a default; `null` stands for a size that is not fixed, `-1` for one that follows from the others. */
export const targetShape: Field<readonly number[], readonly number[], true> = plain<readonly number[]>(
  (x) => sizeList(-1)(x) && Array.isArray(x) && !x.includes(null) && x.filter((d) => d === -1).length <= 1,
  "a list of sizes of at least 1, of which one may be -1",
).required;

export const optionalShape: Field<
  readonly (number | null)[] | null,
  readonly (number | null)[] | null,
  false
> = plain<readonly (number | null)[] | null>(
  (x) => x === null || sizeList(1)(x),
  "a list of sizes of at least 1 (null where a size is not fixed)",
).optional(null);

/** A field that configuration files do not hold. */
export const notSaved = <G, V, R extends boolean>(field: Field<G, V, R>): Field<G, V, R> => ({
  ...field,
  write: () => undefined,
});

/** `returnSequences` → `return_sequences`, `LSTMCell` → `lstm_cell`, as Keras names layers. */
export const snakeCase = (name: string): string =>
  name
    .replace(/(.)([A-Z][a-z]+)/g, "$1_$2")
    .replace(/([a-z])([A-Z])/g, "$1_$2")
    .toLowerCase();

/** `return_sequences` → `returnSequences`. */
export const camelCase = (name: string): string =>
  name.replace(/_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
