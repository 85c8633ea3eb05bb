import {
  type Field,
  type Fields,
  type JsonObject,
  parseConfig,
  readOptions,
  type SettingsOf,
  writeConfig,
} from "../config/config.js";
import { noComponents } from "../config/configurable.js";
import { plain } from "../config/fields.js";
import { RondoError, valueText } from "../errors.js";

/** An object as files hold it, in the form in which Keras writes objects. */
export type Saved = { readonly class_name: string; readonly config: JsonObject };

/** An object of a class and its settings as files hold it. */
export const saved = (className: string, fields: Fields, settings: object): Saved => ({
  class_name: className,
  config: writeConfig(fields, settings, className),
});

/**
 * The configuration of an object of a class.
 *
 * @param json what `JSON.stringify` wrote of it, or that parsed
 * @throws RondoError for what is no JSON, and for an object of another class
 */
export function configOf(className: string, json: unknown): JsonObject {
  const where = `${className}.fromJSON`;
  const { class_name: name, config } = Object(typeof json === "string" ? parsed(where, json) : json) as {
    readonly class_name?: unknown;
    readonly config?: unknown;
  };
  if (name === className && typeof config === "object" && config !== null) return config as JsonObject;
  throw new RondoError({
    where,
    received: typeof name === "string" ? `an object of the class ${name}` : valueText(json).slice(0, 60),
    expected: `{ "class_name": "${className}", "config": { … } }`,
    fix: `Give what JSON.stringify wrote of a ${className}`,
  });
}

/**
 * The settings of an object of a class: every field, checked.
 *
 * @throws RondoError what `configOf` throws; for fields that are missing, unknown, or hold what they cannot
 */
export function readSaved<F extends Fields>(className: string, fields: F, json: unknown): SettingsOf<F> {
  const where = `${className}.fromJSON`;
  return readOptions(
    fields,
    parseConfig(fields, configOf(className, json), noComponents(where), where),
    where,
  );
}

/** JSON text as what it stands for. */
export function parsed(where: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new RondoError(
      {
        where,
        received: `text that is no JSON (${cause instanceof Error ? cause.message : String(cause)})`,
        expected: "JSON",
        fix: "Check whether the file was written completely",
      },
      { cause },
    );
  }
}

/** The error for parts of a file that cannot belong together. */
export const damaged = (className: string, received: string, expected: string): RondoError =>
  new RondoError({
    where: `${className}.fromJSON`,
    received,
    expected,
    fix: "Write the file anew from the object: something has changed it",
  });

/** Numbers, without a default; NaN and infinite ones are their names in files. */
export const reals: Field<readonly number[], readonly number[], true> = {
  ...plain<readonly number[]>(
    (x) => Array.isArray(x) && x.every((value) => typeof value === "number"),
    "a list of numbers",
  ).required,
  write: (values) => values.map((value) => (Number.isFinite(value) ? value : String(value))),
  parse: (json) =>
    (Array.isArray(json)
      ? json.map((value) => (value === String(Number(value)) ? Number(value) : value))
      : json) as number[],
};

/** Texts, without a default. */
export const someTexts: Field<readonly string[], readonly string[], true> = plain<readonly string[]>(
  (x) => Array.isArray(x) && x.every((text) => typeof text === "string"),
  "a list of texts",
).required;
