import {
  camelCase,
  type Field,
  type Fields,
  invalid,
  type Json,
  type OptionsOf,
  readOptions,
  snakeCase,
  writeConfig,
} from "../config/config.js";
import { required } from "../config/fields.js";
import { activationIn } from "../config/keras.js";
import { RondoError, unknownName, valueText, within } from "../errors.js";
import { SymbolicTensor } from "../graph/ir.js";
import { type FusedActivation, fusedActivations } from "../graph/ops/rnn.js";
import { activations } from "./activations.js";
import { resultText } from "./component.js";
import { type CallContext, defineLayer, type Inputs, Layer } from "./layer.js";
import type { InputShape, Keeps, ShapeRule } from "./types.js";

type Table = typeof activations;
type Parameters<F> = F extends (x: SymbolicTensor, options: infer O) => SymbolicTensor
  ? O extends object
    ? O
    : never
  : never;

/** Names that stand alone; `threshold` needs its parameters. */
export type ActivationName = Exclude<keyof Table, "threshold">;

/** An activation with parameters: `{ name: "elu", alpha: 0.5 }`. */
export type ActivationWithParameters = {
  [N in keyof Table]: [Parameters<Table[N]>] extends [never]
    ? never
    : { readonly name: N } & Parameters<Table[N]>;
}[keyof Table];

/** By name, by name with parameters, or a function of your own over the ops; null is linear, as Keras's None. */
export type Activation =
  | ActivationName
  | ActivationWithParameters
  | ((x: SymbolicTensor) => SymbolicTensor)
  | null;

/** An activation as a layer keeps it. */
export interface ResolvedActivation {
  readonly apply: (x: SymbolicTensor) => SymbolicTensor;
  /** The name of the same activation in the fused kernels, where they know it. */
  readonly fused: FusedActivation | undefined;
  /** Its form in configuration files; undefined for functions. */
  readonly json: Json | undefined;
}

const names = Object.keys(activations).filter((name) => name !== "threshold");
/** Parameters are checked by their fields, so the table is looked up as a method, whose parameters may vary. */
type Equation = { apply(x: SymbolicTensor, parameters?: object): SymbolicTensor }["apply"] & {
  readonly fields?: Fields;
};
const lookUp: Readonly<Record<string, Equation>> = activations;
const fusedNames: readonly string[] = fusedActivations;
const isFused = (name: string): name is FusedActivation => fusedNames.includes(name);

function resolve(given: unknown, where: string, field: string): ResolvedActivation {
  if (given === null) return resolve("linear", where, field);
  if (typeof given === "function") {
    const apply = (x: SymbolicTensor) => resultOf(given as (x: SymbolicTensor) => unknown, x, field);
    return { apply, fused: undefined, json: undefined };
  }
  const { name, ...parameters } = Object(typeof given === "string" ? { name: given } : given) as {
    readonly name?: unknown;
  };
  if (typeof name !== "string") {
    const expected = "the name of an activation, { name, … } with its parameters, or a function of ops";
    throw invalid(where, field, given, expected, `Write for example ${field}: "relu"`);
  }
  const equation = Object.hasOwn(lookUp, name) ? lookUp[name] : undefined;
  if (equation === undefined) throw unknownName(where, "activation", name, names);
  if (given === "threshold") {
    throw new RondoError({
      where,
      received: 'the activation "threshold" without its parameters',
      expected: "a threshold and a default value",
      fix: 'Write { name: "threshold", threshold: 1, defaultValue: 0 }',
    });
  }
  const fields = equation.fields ?? {};
  const settings = readOptions(fields, parameters, `${where}: ${name}`);
  if (Object.keys(parameters).length === 0) {
    return { apply: (x) => equation(x), fused: isFused(name) ? name : undefined, json: snakeCase(name) };
  }
  return {
    apply: (x) => equation(x, parameters),
    fused: undefined,
    json: { class_name: snakeCase(name), config: writeConfig(fields, settings, where) },
  };
}

/** What a function of the user's own makes of x. */
function resultOf(given: (x: SymbolicTensor) => unknown, x: SymbolicTensor, field: string): SymbolicTensor {
  const refused = (received: string, cause?: unknown) =>
    new RondoError(
      {
        where: field,
        received: `${received} from ${valueText(given)}`,
        expected: "a value made of its argument with ops",
        fix: "Write it with ops, for example (x) => ops.tanh(x)",
      },
      { cause },
    );
  let result: unknown;
  try {
    result = given(x);
  } catch (error) {
    throw error instanceof RondoError ? within(field, error) : refused(valueText(String(error)), error);
  }
  if (result instanceof SymbolicTensor) return result;
  throw refused(resultText(result));
}

/** A field that holds an activation; `initial` is Keras's default. */
export const activationField = (initial: ActivationName): Field<Activation, ResolvedActivation, false> => ({
  required: false,
  initial: resolve(initial, "activation", "activation"),
  read: resolve,
  write(value, where) {
    if (value.json !== undefined) return value.json;
    throw new RondoError({
      where,
      received: "an activation that is a function",
      expected: "an activation with a name, to write it to a configuration",
      fix: "Use one of the named activations, or save the weights alone",
    });
  },
  parse(json, reader, where): Activation {
    const { name, parameters } = activationIn(json);
    if (name === undefined) return json as Activation; // null, or nothing that `read` takes
    const given = Object.entries(parameters).map(([k, v]) => [camelCase(k), v]);
    const camel = name === "hard_sigmoid" ? reader.hardSigmoid(where) : camelCase(name);
    if (!Object.hasOwn(lookUp, camel)) throw unknownName(where, "activation", name, names);
    return (given.length === 0 ? camel : { ...Object.fromEntries(given), name: camel }) as Activation;
  },
});

const definition = defineLayer("Activation", {
  /** Which activation. */
  activation: required(activationField("linear")),
});
/** Options of the layer Activation. */
export type ActivationOptions = OptionsOf<typeof definition.fields>;

/** Applies an activation element by element (softmax, sparsemax and glu: along an axis); keeps the mask. */
export class ActivationLayer<R extends ShapeRule = ShapeRule> extends Layer<R, typeof definition.fields> {
  static readonly definition = definition;

  constructor(options: ActivationOptions) {
    super(definition, options);
  }

  override call([x]: Inputs, _context: CallContext): SymbolicTensor {
    return this.settings.activation.apply(x);
  }
}

/** An activation as a layer of its own. */
export const activation = <const S extends InputShape | undefined = undefined>(
  options: ActivationOptions & { readonly inputShape?: S },
): ActivationLayer<Keeps<S>> => new ActivationLayer(options);
