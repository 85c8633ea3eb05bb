import { type Field, invalid, type JsonObject, type OptionsOf } from "../config/config.js";
import { notSaved, optionalShape, optionalText } from "../config/fields.js";
import { functionIn } from "../config/keras.js";
import { RondoError } from "../errors.js";
import type { SymbolicTensor } from "../graph/ir.js";
import {
  batchShapeText,
  type CallContext,
  defineLayer,
  type Inputs,
  Layer,
  type LayerOutput,
} from "./layer.js";
import type { InputShape, ShapeRule, Sizes } from "./types.js";

/** What a lambda computes, with ops: of one value, or of several where it is called on a list. */
export type LambdaFunction = (x: SymbolicTensor, ...further: readonly SymbolicTensor[]) => LayerOutput;

const marshalled = (where: string): RondoError =>
  new RondoError({
    where,
    received: "a Python function in the form in which Keras marshals it",
    expected: "the registered name of a function",
    fix: 'Register it in Python with keras.saving.register_keras_serializable, save anew, and give the same function in TypeScript by that name, in custom: { "my_package>halve": (x) => ops.mul(x, 0.5) }',
  });

const callField: Field<LambdaFunction, LambdaFunction, true> = {
  required: true,
  initial: undefined,
  read(given: unknown, where, name) {
    if (typeof given === "function") return given as LambdaFunction;
    throw invalid(
      where,
      name,
      given,
      "a function of ops",
      `Write for example ${name}: (x) => ops.mul(x, 0.5)`,
    );
  },
  write: () => undefined,
  parse(json, reader, where) {
    const name = functionIn(json);
    if (name === undefined) throw marshalled(where);
    const found = reader.registered?.(name);
    if (typeof found === "function") return found as LambdaFunction;
    throw new RondoError({
      where,
      received: `the function "${name}", which is not known`,
      expected: "a function given under that name",
      fix: `Give it in custom: { ${JSON.stringify(name)}: (x) => … }`,
    });
  },
};

const definition = defineLayer(
  "Lambda",
  {
    /** What it computes, written with ops; traced like a layer's own call. */
    call: callField,
    /** The name under which a configuration knows the function; needed for saving. */
    registeredName: notSaved(optionalText),
    /** The shape of the result, without the batch axis, to be checked; null where a size is not fixed. */
    outputShape: optionalShape,
  },
  { inputs: "several", maskNote: "What the ops in it do. Keras drops it." },
);
/** Options of the layer Lambda. */
export type LambdaOptions = OptionsOf<typeof definition.fields>;

/** What comes out is told by `outputShape` alone. */
export interface LambdaRule<O extends InputShape | undefined, S extends InputShape | undefined = undefined>
  extends ShapeRule {
  readonly given: S;
  readonly out: O extends InputShape
    ? { readonly [K in keyof O]: O[K] extends number ? O[K] : number }
    : Sizes;
}

/** A function of ops as a layer, without weights. */
export class Lambda<R extends ShapeRule = ShapeRule> extends Layer<R, typeof definition.fields> {
  static readonly definition = definition;

  constructor(options: LambdaOptions) {
    super(definition, options);
  }

  override config(): JsonObject {
    const { registeredName } = this.settings;
    if (registeredName === null) {
      throw this.error(
        "a function without a registered name",
        "a name under which a configuration can mention it",
        'Write lambda({ call, registeredName: "halve" }), and give the function under that name when loading',
      );
    }
    const call = { module: "builtins", class_name: "function", config: registeredName };
    return { ...super.config(), function: { ...call, registered_name: registeredName }, arguments: {} };
  }

  override call(inputs: Inputs, _context: CallContext): LayerOutput {
    const { call, outputShape } = this.settings;
    const result = call(...inputs);
    const [y] = Array.isArray(result) ? result : [result];
    const sizes: unknown = y?.shape?.slice(1);
    if (outputShape === null || !Array.isArray(sizes)) return result;
    const fits =
      sizes.length === outputShape.length &&
      sizes.every(
        (d: unknown, i) => outputShape[i] === null || typeof d !== "number" || d === outputShape[i],
      );
    if (fits) return result;
    throw this.error(
      `${batchShapeText(y.shape)} from its function`,
      `[batch, ${outputShape.join(", ")}], the outputShape`,
      "Correct outputShape, or leave it out: the shape is found by itself",
    );
  }
}

/** A function of ops as a layer. */
export const lambda = <
  const O extends InputShape | undefined = undefined,
  const S extends InputShape | undefined = undefined,
>(
  options: LambdaOptions & { readonly outputShape?: O; readonly inputShape?: S },
): Lambda<LambdaRule<O, S>> => new Lambda(options);
