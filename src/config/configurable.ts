import { unknownName } from "../errors.js";
import {
  type ConfigReader,
  camelCase,
  type Field,
  type Fields,
  invalid,
  type Json,
  type JsonObject,
  namedIn,
  type OptionsOf,
  parseConfig,
  readOptions,
  type SettingsOf,
  writeConfig,
} from "./config.js";
import { bareName } from "./keras.js";

/** What configuration files hold of an object that is made from options: Keras's class name and configuration. */
export interface Configured {
  readonly className: string;
  readonly config: JsonObject;
}

/** The arguments of what makes an object from its options: none are needed where all fields have a default. */
export type Given<F extends Fields> =
  object extends OptionsOf<F> ? [options?: OptionsOf<F>] : [options: OptionsOf<F>];

/** Makes objects of one class from their options. */
export interface Factory<F extends Fields, T> {
  (...given: Given<F>): T;
  readonly className: string;
  readonly fields: F;
  /** From its configuration. */
  fromConfig(config: JsonObject, reader?: Partial<ConfigReader>): T;
}

/**
 * The factory of a class of configurable objects: losses, metrics, optimizers, schedules, initializers, regularizers,
 * constraints. Its fields check, default, write and read the options.
 *
 * @param className in Keras
 * @param make what the object does, besides its class name and configuration
 * @param where how errors call it; default: the class name with a small first letter
 */
export function configurable<F extends Fields, T extends object>(
  className: string,
  fields: F,
  make: (settings: SettingsOf<F>) => T,
  where = (className[0] ?? "").toLowerCase() + className.slice(1),
): Factory<F, T & Configured> {
  const from = (options: object | undefined): T & Configured => {
    const settings = readOptions(fields, options, where);
    return Object.freeze({
      ...make(settings),
      className,
      // What files cannot hold is refused when one is written.
      get config() {
        return writeConfig(fields, settings, where);
      },
    });
  };
  return Object.assign((...[options]: Given<F>) => from(options), {
    className,
    fields,
    fromConfig: (config: JsonObject, reader: Partial<ConfigReader> = {}) =>
      from(parseConfig(fields, config, { ...noComponents(where), ...reader }, where)),
  });
}

/** For objects that are no layers: they hold none. */
export const noComponents = (where: string): ConfigReader => ({
  component(): never {
    throw new Error(`${where} has no nested components`);
  },
  hardSigmoid(): never {
    throw new Error(`${where} has no activations`);
  },
});

/** All classes of one kind of configurable objects. */
export interface Kind<T> {
  /** As in errors: `initializer`. */
  readonly noun: string;
  /** Keras's module: `keras.initializers`. */
  readonly module: string;
  /** By the names that options take: `glorotUniform`. */
  readonly factories: Readonly<Record<string, KindFactory<T>>>;
  /** Whether a value is such an object, of Rondo's or of one's own. */
  accepts(value: object): boolean;
  /** An object of the kind from a function of one's own; left out where none will do. */
  fromFunction?(given: (x: never) => unknown): T;
  /** A class name in a file as Keras 3 writes it. Default: without the module before it. */
  className?(name: string): string;
}

/** Of factories whose options differ: none that are needed. */
interface KindFactory<T> {
  readonly className: string;
  readonly fields: Fields;
  fromConfig(config: JsonObject, reader?: Partial<ConfigReader>): T;
}

const isFactory = (value: unknown): boolean =>
  typeof value === "function" && Object.hasOwn(value, "fromConfig");

/**
 * An object of a kind by its name (with its defaults) or as it is.
 *
 * @param name of the option
 * @throws RondoError for an unknown name, with the nearest, and for what is no such object
 */
export function ofKind<T>(kind: Kind<T>, given: unknown, where: string, name: string): T {
  const names = Object.keys(kind.factories);
  if (typeof given === "string") {
    const factory = Object.hasOwn(kind.factories, given) ? kind.factories[given] : undefined;
    if (factory === undefined) throw unknownName(where, name, given, names);
    return factory.fromConfig({});
  }
  if (typeof given === "object" && given !== null && kind.accepts(given)) return given as T;
  if (typeof given === "function" && kind.fromFunction !== undefined && !isFactory(given))
    return kind.fromFunction(given as (x: never) => unknown);
  const uncalled = names.find((key) => kind.factories[key] === given && isFactory(given));
  const [example = ""] = names;
  const plural = kind.module.slice(kind.module.lastIndexOf(".") + 1);
  const fix =
    uncalled === undefined ? `Write for example ${name}: "${example}"` : `Call it: ${plural}.${uncalled}()`;
  const article = /^[aeiou]/.test(kind.noun) ? "an" : "a";
  throw invalid(
    where,
    name,
    given,
    `the name of ${article} ${kind.noun}, or what ${plural}.${example}() gives`,
    fix,
  );
}

/** An object of a kind as Keras's files hold it, or undefined where they cannot: one of one's own. */
export function writeOfKind<T>(kind: Pick<Kind<T>, "module">, value: T): Json | undefined {
  const { className, config } = Object(value) as Partial<Configured>;
  if (className === undefined || config === undefined) return undefined;
  return { module: kind.module, class_name: className, config, registered_name: null };
}

/**
 * An object of a kind from Keras's files: a name, or a class name and its configuration. What is neither is given back as
 * it is, for `ofKind` to refuse.
 */
export function parseOfKind<T>(
  kind: Kind<T>,
  json: Json,
  where: string,
  reader: Partial<ConfigReader> = {},
): T | Json {
  const { name: given, config } = namedIn(json);
  if (given === undefined) return json;
  const name = kind.className?.(given) ?? bareName(given);
  const key = Object.keys(kind.factories).find(
    (n) => kind.factories[n]?.className === name || n === camelCase(name),
  );
  const factory = key === undefined ? undefined : kind.factories[key];
  if (factory === undefined) throw unknownName(where, kind.noun, given, Object.keys(kind.factories));
  return factory.fromConfig(config ?? {}, reader);
}

/** A field that holds an object of a kind, given by name or as it is, or null (the default). */
export const optionalOfKind = <T, N>(kind: Kind<T>): Field<N | T | null, T | null, false> => ({
  required: false,
  initial: null,
  read: (given, where, name) => (given === null ? null : ofKind(kind, given, where, name)),
  write(value, where) {
    if (value === null) return null;
    const json = writeOfKind(kind, value);
    if (json !== undefined) return json;
    throw invalid(where, kind.noun, value, `one of Rondo's, to write it to a configuration`);
  },
  parse: (json, _reader, where) => parseOfKind(kind, json, where) as T | null,
});
