import {
  type Fields,
  type JsonObject,
  type OptionsOf,
  type SettingsOf,
  snakeCase,
} from "../config/config.js";
import { flag, notSaved, optionalName, optionalShape, optionalSize } from "../config/fields.js";
import type { Dtype } from "../dtype.js";
import { checkOptions, RondoError, within } from "../errors.js";
import { type Dim, type Shape, symbol } from "../graph/dim.js";
import { type StateVariable, SymbolicTensor, type TensorType } from "../graph/ir.js";
import { cast, div, where } from "../graph/ops/elementwise.js";
import { gather } from "../graph/ops/gather.js";
import { reshape, withoutMask } from "../graph/ops/shape.js";
import { size as countOf, input } from "../graph/ops/source.js";
import {
  Component,
  type Definition,
  type Inputs,
  type InputTypes,
  resultText,
  type Weight,
  type WeightContext,
} from "./component.js";
import { type CallOptions, callLayer, type DeclaredTensor } from "./declared.js";
import { penaltyOf, type Regularizer } from "./regularizers.js";
import type { Outcome, ShapeError, ShapeRule, Sizes } from "./types.js";

export type { Inputs, InputTypes, Weight, WeightContext } from "./component.js";

/** What a layer keeps between the calls of a session. */
export interface Kept {
  /** As the call before left it; zeros in the first. */
  readonly before: SymbolicTensor;
  keep(after: SymbolicTensor): void;
}

/** A pass over the next steps of sequences that go on, as a session makes it. */
export interface Stream {
  /** A value of the session's own that a layer keeps. */
  kept(layer: Layer, type: TensorType): Kept;
  /** Is told what each layer of the model has made. */
  made(layer: Layer, outputs: readonly SymbolicTensor[]): void;
}

/** What a layer gets while it is traced. */
export interface CallContext extends WeightContext {
  /** Set where the sequences go on where those of the call before ended. */
  readonly stream?: Stream | undefined;
  /** Reads a state of the layer (stateful recurrence) as it was before this run. */
  readState(variable: StateVariable): SymbolicTensor;
  /** Sets a state at the end of this run. */
  writeState(variable: StateVariable, value: SymbolicTensor): void;
  /** Rows of a table of weights [N, ..] at `ids` (int32, any shape): [..ids, ..]. */
  lookup(table: Weight, ids: SymbolicTensor): SymbolicTensor;
  /** Gives a weight that training does not change a new value, such as running statistics; later reads see it. */
  assign(weight: Weight, value: SymbolicTensor): void;
  /** Adds a number to the loss: one for the batch. */
  addLoss(value: SymbolicTensor): void;
  /** Reports the mean of values under a name, over what is not masked of all batches. */
  addMetric(name: string, values: SymbolicTensor): void;
  /** Says something once per model: a mask that is dropped, for example. */
  warn(message: string): void;
}

/** Types of float32 inputs of these shapes. */
export const floats = (first: Shape, ...others: readonly Shape[]): InputTypes => [
  { shape: first, dtype: "float32" },
  ...others.map((shape): TensorType => ({ shape, dtype: "float32" })),
];

/** One value, or several from a layer with `returnState`. */
export type LayerOutput = SymbolicTensor | readonly SymbolicTensor[];

/** What `apply` takes: one value, a list of values, or values by the names of a model's inputs. */
export type Declared =
  | DeclaredTensor
  | readonly DeclaredTensor[]
  | { readonly [name: string]: DeclaredTensor };

/** How a layer is called, besides its inputs. */
export interface ApplyOptions extends CallOptions {
  /** States before the first step of a recurrent layer, in the order in which returnState gives them. */
  readonly initialState?: readonly DeclaredTensor[];
}

/** The shape of a declared value, or those of a list. */
type SizesIn<X> =
  X extends DeclaredTensor<infer S>
    ? S
    : X extends readonly DeclaredTensor[]
      ? { readonly [K in keyof X]: X[K] extends DeclaredTensor<infer S> ? S : Sizes }
      : Sizes;

/** A message in the place of what does not fit. */
export type Fit<R extends ShapeRule, X> =
  Outcome<R, SizesIn<X>> extends ShapeError<infer Message> ? ShapeError<Message> : unknown;

/** What `apply` gives: a value, or with several outputs a list of them. */
export type Applied<R extends ShapeRule, X> = R extends { readonly applied: infer Given }
  ? Given
  : R extends { readonly further: infer Further extends readonly Sizes[] }
    ? readonly [DeclaredTensor<Known<Outcome<R, SizesIn<X>>>>, ...DeclaredList<Further>]
    : DeclaredTensor<Known<Outcome<R, SizesIn<X>>>>;
type DeclaredList<F extends readonly Sizes[]> = {
  readonly [K in keyof F]: F[K] extends Sizes ? DeclaredTensor<F[K]> : never;
};
type Known<S> = S extends Sizes ? S : Sizes;

/** The fields that every layer has. */
export const layerFields = {
  /** Unique within a model; default: the class name in snake case with a number, as Keras names layers. */
  name: notSaved(optionalName),
  /** Whether training changes the layer's weights; default true. */
  trainable: flag(true),
  /** Shape of one sample, without the batch axis, for the first layer of a model; null where a size is not fixed. */
  inputShape: notSaved(optionalShape),
  /** A fixed number of rows, for the first layer of a model with stateful layers. */
  batchSize: notSaved(optionalSize),
};
/** The fields that every layer's configuration has. */
export type LayerFields = typeof layerFields;
/** What every layer can be told. */
export type LayerOptions = OptionsOf<LayerFields>;

/** A built-in layer class's definition from its own fields. */
export const defineLayer = <F extends Fields>(
  className: string,
  fields: F,
  rules: Pick<Definition<F>, "masks" | "maskNote" | "inputs"> = {},
): Definition<F & LayerFields> => ({
  className,
  fields: { ...fields, ...layerFields },
  ...rules,
});

/**
 * The definition of a layer class of your own from its fields: `defineLayer` of the package.
 *
 * @param className its name in files
 * @param rules `masks`: what the layer does with masks; `inputs`: "several" where it takes more than one; `registeredName`:
 *   the name by which the class is registered in Python, such as "my_package>Scale"; default: its class name
 */
export const defineOwnLayer = <F extends Fields>(
  className: string,
  fields: F,
  rules: Pick<Definition<F>, "masks" | "maskNote" | "inputs" | "registeredName"> = {},
): Definition<F & LayerFields> => ({
  registeredName: className,
  ...defineLayer(className, fields, rules),
});

/**
 * A layer: a function from symbolic tensors to symbolic tensors, with weights. After `build` it is an immutable
 * description; values of weights belong to the model. A layer of your own extends this class, declares weights in
 * `declareWeights` and computes in `call` with the ops; R is its rule of shapes for the compiler's checks.
 */
export abstract class Layer<
  R extends ShapeRule = ShapeRule,
  F extends LayerFields = LayerFields,
> extends Component<F> {
  /** For types only; there is no value. */
  declare readonly "~rule": R;
  declare readonly settings: SettingsOf<F> & SettingsOf<LayerFields>;
  #built = false;
  /** Sizes of the axes that weights were made for. */
  readonly #features = new Map<number, number>();

  constructor(definition: Definition<F>, options: OptionsOf<F>) {
    super(definition, options);
    const { name } = this.settings;
    if (name !== null) this.assignName(name);
  }

  /** The shape [batch, ..] of the layer's input where its options tell it: for the first layer of a model. */
  get givenShape(): Shape | undefined {
    const { inputShape, batchSize } = this.settings;
    return inputShape === null ? undefined : batchShape(inputShape, batchSize);
  }

  /** What its input holds, where nothing else tells: int32 for ids. */
  get inputDtype(): Dtype {
    return "float32";
  }

  /** How many class numbers its output may hold, where it holds such. */
  get classes(): number | undefined {
    return undefined;
  }

  /** Whether `build` has run. */
  get built(): boolean {
    return this.#built;
  }

  /**
   * Checks the inputs, [batch, ..] each, and, the first time, declares the weights.
   *
   * @throws RondoError naming the layer when the number of inputs, a rank or a size does not fit
   */
  build(inputs: InputTypes): void {
    if (inputs.length > 1 && this.definition.inputs !== "several") {
      throw this.error(
        `${inputs.length} inputs`,
        "one",
        'Join them before, for example with concatenate; a layer of your own takes several where its definition says so: defineLayer(name, fields, { inputs: "several" })',
      );
    }
    this.checkInputs(inputs);
    if (this.#built) return;
    this.#inside(() => this.declareWeights(inputs));
    this.#built = true;
  }

  /** Throws where the layer cannot take such inputs. */
  protected checkInputs(_inputs: InputTypes): void {}

  /** Declares the weights with `addWeight`; runs once. */
  protected declareWeights(_inputs: InputTypes): void {}

  /**
   * The layer's computation, traced. Masks are carried by the values (`x.mask`).
   *
   * @param inputs [batch, ..] each: one for most layers, `call([x], context)`
   */
  abstract call(inputs: Inputs, context: CallContext): LayerOutput;

  /** States that stay from run to run (stateful recurrence); none before `build`. */
  states(): readonly StateVariable[] {
    return [];
  }

  /**
   * Calls the layer on values that a model will have: what `input` declares, and what layers make of it. A layer that is
   * called several times has its weights in common, as in Keras.
   *
   * ```ts
   * const hidden = layers.lstm({ units: 64, returnSequences: true }).apply(words);
   * const [output, h, c] = layers.lstm({ units: 64, returnState: true }).apply(hidden);
   * const decoded = layers.lstm({ units: 64 }).apply(answers, { initialState: [h, c] });
   * ```
   *
   * @param x one value; a list for a layer of several inputs
   * @returns one value; a list where the layer has several outputs
   * @throws RondoError where shapes do not fit; where the types know them it is a compile error
   */
  apply<L extends { readonly "~rule": ShapeRule }, const X extends Declared>(
    this: L,
    x: X & Fit<L["~rule"], X>,
    options?: ApplyOptions,
  ): Applied<L["~rule"], X>;
  apply(x: Declared, options: ApplyOptions = {}): unknown {
    checkOptions(`${this.where}: apply`, options, ["initialState", "training"]);
    const { initialState = [], training } = options;
    const given: unknown = initialState;
    const states = Array.isArray(given) ? initialState : [initialState as unknown as DeclaredTensor];
    const inputs = this.declaredInputs(x);
    const call = callLayer(
      this,
      [...inputs, ...states],
      states.length,
      training === undefined ? {} : { training },
    );
    return this.declaredOutputs(call.outputs);
  }

  /** What `apply` was given as a list. */
  protected declaredInputs(x: Declared): readonly DeclaredTensor[] {
    return Array.isArray(x) ? x : [x as DeclaredTensor];
  }

  /** What `apply` gives for the outputs. */
  protected declaredOutputs(outputs: readonly DeclaredTensor[]): unknown {
    return outputs.length === 1 ? outputs[0] : outputs;
  }

  /** What `call` gives, as a list, if it is values of the graph. Errors of ops in it name the layer too. */
  callChecked(inputs: Inputs, context: CallContext): readonly SymbolicTensor[] {
    const { masks } = this.definition;
    const seen =
      masks === "drops" ? (inputs.map((x) => this.#unmasked(x, context)) as unknown as Inputs) : inputs;
    const given: unknown = this.#inside(() => this.call(seen, context));
    const outputs: readonly unknown[] = Array.isArray(given) ? given : [given];
    if (outputs.length > 0 && outputs.every((y) => y instanceof SymbolicTensor)) {
      this.#inside(() => this.#penalize(outputs, context));
      return outputs;
    }
    throw this.error(
      `${resultText(given)} from call`,
      "a value made with ops, or a list of such values",
      "Return what the ops in call give",
    );
  }

  /** Adds the penalty of each output to the loss, where the layer has an activity regularizer; masked steps count as 0. */
  #penalize(outputs: readonly SymbolicTensor[], context: CallContext): void {
    const { activityRegularizer = null } = this.settings as { activityRegularizer?: Regularizer | null };
    if (activityRegularizer === null) return;
    for (const output of outputs) {
      const { mask, shape } = output;
      const y = cast(output.withMask(undefined), "float32");
      const counted =
        mask === undefined
          ? y
          : where(reshape(mask, [...mask.shape, ...Array<Dim>(y.rank - mask.rank).fill(1)]), y, 0);
      const penalty = penaltyOf(`the outputs of ${this.where}`, activityRegularizer, counted);
      context.addLoss(div(penalty, countOf(shape[0] ?? 1)));
    }
  }

  /** The value without its mask, as Keras's layers that cannot carry one go on, but not silently. */
  #unmasked(x: SymbolicTensor, context: CallContext): SymbolicTensor {
    if (x.mask !== undefined) context.warn(`${this.where} drops the mask: all time steps count after it`);
    return withoutMask(x);
  }

  /** Errors of what the layer is made of are told as the layer's. */
  #inside<T>(act: () => T): T {
    try {
      return act();
    } catch (error) {
      const own = error instanceof RondoError && `${error.where}:`.startsWith(`${this.where}:`);
      throw own ? error : within(this.where, error);
    }
  }

  /** Types of the outputs for types of the inputs, most often one; builds the layer if need be. */
  outputTypes(inputs: InputTypes): readonly TensorType[] {
    this.build(inputs);
    const [x, ...further] = inputs.map(({ shape, dtype }, i) => input(`x${i}`, shape, dtype));
    if (x === undefined) throw new Error("a layer was called without inputs");
    return this.callChecked([x, ...further], shapeContext).map(({ shape, dtype }) => ({ shape, dtype }));
  }

  override config(): JsonObject {
    const { trainable } = this;
    return { name: this.name ?? null, ...super.config(), trainable, dtype: "float32" };
  }

  /**
   * An axis of the input as a known size, which weights are made for: the same in every call.
   *
   * @param axis counted from 0, or from -1 backwards (default: the last)
   */
  protected features({ shape }: TensorType, axis = -1): number {
    const size = shape.at(axis);
    if (typeof size !== "number") {
      throw this.error(
        batchShapeText(shape),
        axis === -1 ? "a last axis of known size" : `a known size of axis ${axis}`,
        "Give that size in inputShape; only batch and time may be left open",
      );
    }
    const before = this.#features.get(axis);
    if (before !== undefined && before !== size) {
      throw this.error(
        batchShapeText(shape),
        `${before} features, as in the input the layer was built for`,
        "Give it the same number of features, or make a second layer",
      );
    }
    this.#features.set(axis, size);
    return size;
  }
}

/** A context from what it must have; what is left out of the rest does nothing. */
export const callContext = (
  parts: WeightContext & Pick<CallContext, "readState"> & Partial<CallContext>,
): CallContext => ({
  writeState: () => undefined,
  lookup: (table, ids) => gather(parts.weight(table), ids),
  assign: () => undefined,
  addLoss: () => undefined,
  addMetric: () => undefined,
  warn: () => undefined,
  ...parts,
});

/** Stands for a model where only shapes matter. */
const shapeContext: CallContext = callContext({
  training: false,
  random: { seed: input("seed", [2], "int32") },
  countDraw: () => 0,
  weight: (weight: Weight) => input(weight.name, weight.shape, weight.dtype),
  readState: (variable: StateVariable) => input(variable.name, variable.shape, variable.dtype),
});

/** `[batch, 28, 64]`, as in error messages about layers. */
export const batchShapeText = (shape: Shape): string =>
  `[${shape.map((d, i) => (i === 0 && typeof d !== "number" ? "batch" : sizeText(d))).join(", ")}]`;
const sizeText = (d: Dim): string => (typeof d === "number" || d.key !== "T" ? String(d) : "time");

/** A shape for `build` from `inputShape`: the batch as a number or the symbol B, open sizes as symbols (the first: T). */
export const batchShape = (
  inputShape: readonly (number | null)[],
  batchSize: number | null = null,
): Shape => [
  batchSize ?? symbol("B"),
  ...inputShape.map((d, axis) => d ?? symbol(axis === 0 ? "T" : `S${axis}`)),
];

/**
 * Names for the layers of one model, as Keras counts them: `lstm`, `lstm_1`, `dense` … Names given by hand are kept.
 */
export class LayerNames {
  readonly #owners = new Map<string, Component>();
  /** By base: up to which number names are taken. */
  readonly #taken = new Map<string, number>();

  /**
   * Names a layer that joins the model. Where it has the name of another layer already, from a model before or by hand,
   * a name that was found here steps aside; else it is a RondoError.
   */
  add(layer: Component): void {
    const name = layer.name ?? this.#free(layer);
    const owner = this.#owners.get(name);
    if (owner !== undefined && owner !== layer) {
      const other = this.#free(owner);
      owner.assignName(other, this);
      if (owner.name !== other) {
        throw layer.error(
          `the name "${name}" a second time`,
          "a name of its own for every layer of a model",
          `Make one of the two layers with another name: { name: "${other}" }`,
        );
      }
      this.#owners.set(other, owner);
    }
    this.#owners.set(name, layer);
    layer.assignName(name, this);
  }

  #free(layer: Component): string {
    const base = snakeCase(layer.className);
    let n = this.#taken.get(base) ?? 0;
    const name = () => (n === 0 ? base : `${base}_${n}`);
    while (this.#owners.has(name())) n++;
    this.#taken.set(base, n);
    return name();
  }
}
