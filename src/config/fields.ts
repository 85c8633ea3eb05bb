import { unknownName } from "../errors.js";
import { camelCase, type Field, invalid, type Json, namedIn, snakeCase } from "./config.js";

/** A field whose values are themselves JSON, checked by `accepts`; `expected` says in errors what they are. */
export function plain<V extends Json>(
  accepts: (value: unknown) => boolean,
  expected: string,
): {
  required: Field<V, V, true>;
  /** The same field, with a default. */
  optional<D extends V>(initial: D): Field<V, V, false>;
} {
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

const isWhole = (x: unknown): x is number => Number.isInteger(x);
const sizeList = (least: number) => (x: unknown) =>
  Array.isArray(x) && x.every((d) => d === null || (isWhole(d) && (d >= 1 || d === least)));

/** A whole number ≥ 1, without a default. */
export const size: Field<number, number, true> = plain<number>(
  (x) => isWhole(x) && x >= 1,
  "a whole number of at least 1",
).required;

/** A whole number ≥ 1, or null (the default). */
export const optionalSize: Field<number | null, number | null, false> = plain<number | null>(
  (x) => x === null || (isWhole(x) && x >= 1),
  "a whole number of at least 1",
).optional(null);

/** Text that is not empty, or null (the default). */
export const optionalText: Field<string | null, string | null, false> = plain<string | null>(
  (x) => x === null || (typeof x === "string" && x !== ""),
  "a name",
).optional(null);

/** A name of a layer, a cell or a model, as Keras takes them, but not empty; null (the default): one is found. */
export const optionalName: Field<string | null, string | null, false> = plain<string | null>(
  (x) => x === null || (typeof x === "string" && x !== "" && !x.includes("/")),
  'text that is not empty and has no "/"',
).optional(null);

/** Whether or not. */
export const flag = (initial: boolean): Field<boolean, boolean, false> => ({
  ...plain<boolean>((x) => typeof x === "boolean", "true or false").optional(initial),
  // Python's None, which is false where a truth is asked for.
  parse: (json) => (json === null ? false : json) as boolean,
});

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

const aNumber = plain<number>((x) => typeof x === "number", "a number");

/** A number; NaN is one too (its JSON form is the string "NaN"). */
export const real = (initial: number): Field<number, number, false> => ({
  ...aNumber.optional(initial),
  write: (value) => (Number.isFinite(value) ? value : String(value)),
  parse: (json) => (json === String(Number(json)) ? Number(json) : json) as number,
});

/** A number, without a default. */
export const requiredReal: Field<number, number, true> = aNumber.required;

/** A number, or null (the default). */
export const optionalReal: Field<number | null, number | null, false> = plain<number | null>(
  (x) => x === null || typeof x === "number",
  "a number or null",
).optional(null);

/** A number above 0. */
export const positive = (initial: number): Field<number, number, false> =>
  plain<number>((x) => Number.isFinite(x) && Number(x) > 0, "a number above 0").optional(initial);

const amounts = plain<number>((x) => Number.isFinite(x) && Number(x) >= 0, "a number from 0");

/** A finite number of 0 or more. */
export const amount = (initial: number): Field<number, number, false> => amounts.optional(initial);

/** A finite number of 0 or more, without a default. */
export const requiredAmount: Field<number, number, true> = amounts.required;

/** A finite number of 0 or more, or null. */
export const optionalAmount = (initial: number | null): Field<number | null, number | null, false> =>
  plain<number | null>(
    (x) => x === null || (Number.isFinite(x) && Number(x) >= 0),
    "a number from 0, or null",
  ).optional(initial);

/** A share in [0, 1]. */
export const share = (initial: number): Field<number, number, false> =>
  plain<number>((x) => typeof x === "number" && x >= 0 && x <= 1, "a number from 0 to 1").optional(initial);

/** A number above 0, without a default. */
export const requiredPositive: Field<number, number, true> = plain<number>(
  (x) => Number.isFinite(x) && Number(x) > 0,
  "a number above 0",
).required;

/** A whole number of at least `least`, or null (the default). */
export const optionalCount = (least: number): Field<number | null, number | null, false> =>
  plain<number | null>(
    (x) => x === null || (isWhole(x) && x >= least),
    `a whole number of at least ${least}, or null`,
  ).optional(null);

/** A whole number. */
export const integer = (initial: number): Field<number, number, false> =>
  plain<number>(isWhole, "a whole number").optional(initial);

/** A whole number ≥ 1. */
export const whole = (initial: number): Field<number, number, false> =>
  plain<number>((x) => isWhole(x) && x >= 1, "a whole number of at least 1").optional(initial);

/** A whole number, or null (the default). */
export const optionalInteger: Field<number | null, number | null, false> = plain<number | null>(
  (x) => x === null || isWhole(x),
  "a whole number or null",
).optional(null);

/**
 * A random seed: layers of equal seeds draw the same, each of a layer's draws from a stream of its own; null (the default):
 * draws follow from the model's seed.
 */
export const seed: Field<number | null, number | null, false> = {
  ...plain<number | null>((x) => x === null || Number.isSafeInteger(x), "a whole number or null").optional(
    null,
  ),
  parse(json) {
    const { name, config } = namedIn(json);
    return (name === "SeedGenerator" ? config?.seed : json) as number | null;
  },
};

/** One of some names. */
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

/** Keras writes the choice in snake case, and reads either. */
export const snakeChoice = <V extends string | null>(field: Field<V, V, false>): Field<V, V, false> => ({
  ...field,
  write: (value) => (value === null ? null : snakeCase(value)),
  parse: (json, reader, where) =>
    field.parse(typeof json === "string" ? camelCase(json.toLowerCase()) : json, reader, where),
});

/** Sizes, without a default; `null` stands for a size that is not fixed, `-1` for one that follows from the others. */
export const targetShape: Field<readonly number[], readonly number[], true> = plain<readonly number[]>(
  (x) => sizeList(-1)(x) && Array.isArray(x) && !x.includes(null) && x.filter((d) => d === -1).length <= 1,
  "a list of sizes of at least 1, of which one may be -1",
).required;

/** A shape without the batch, or null. */
export const optionalShape: Field<
  readonly (number | null)[] | null,
  readonly (number | null)[] | null,
  false
> = plain<readonly (number | null)[] | null>(
  (x) => x === null || sizeList(1)(x),
  "a list of sizes of at least 1 (null where a size is not fixed)",
).optional(null);

/** A field without a default. */
export const required = <G, V>(field: Field<G, V>): Field<G, V, true> => ({
  ...field,
  required: true,
  initial: undefined,
});

/** A field that configuration files do not hold. */
export const notSaved = <G, V, R extends boolean>(field: Field<G, V, R>): Field<G, V, R> => ({
  ...field,
  write: () => undefined,
});

/** A field of another name in files than its own in snake case. */
export const keyed = <G, V, R extends boolean>(key: string, field: Field<G, V, R>): Field<G, V, R> => ({
  ...field,
  key,
});

/** A list of numbers, without a default. */
export const numbers: Field<readonly number[], readonly number[], true> = plain<readonly number[]>(
  (x) => Array.isArray(x) && x.every(Number.isFinite),
  "a list of numbers",
).required;

/** A list of texts; default: empty. */
export const texts: Field<readonly string[], readonly string[], false> = plain<readonly string[]>(
  (x) => Array.isArray(x) && x.every((text) => typeof text === "string"),
  "a list of texts",
).optional([]);

/** An axis, or a list of axes. */
export const axes = (initial: number): Field<number | readonly number[], number | readonly number[], false> =>
  plain<number | readonly number[]>(
    (x) => isWhole(x) || (Array.isArray(x) && x.length > 0 && x.every(isWhole)),
    "an axis, or a list of axes",
  ).optional(initial);
