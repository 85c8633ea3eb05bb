import {
  type Fields,
  type JsonObject,
  type OptionsOf,
  readOptions,
  type SettingsOf,
  writeConfig,
} from "../config/config.js";
import { RondoError, valueText, within } from "../errors.js";
import { sameShape, shapeText } from "../graph/dim.js";
import { SymbolicTensor, type TensorType } from "../graph/ir.js";
import { type RandomSource, seedOf, streamOf } from "../graph/ops/random.js";
import { input } from "../graph/ops/source.js";
import { checkSizes, type Tensor } from "../tensor.js";
import { type Constraint, type ConstraintOption, readConstraint } from "./constraints.js";
import { type Initializer, type InitializerName, readInitializer } from "./initializers.js";
import { type Regularizer, type RegularizerOption, readRegularizer } from "./regularizers.js";

/** One array of weights: what a layer declares when it is built, what files and optimizers see (Keras's layout). */
export interface Weight {
  /** `kernel`, `recurrent_kernel`, `bias`: Keras's names; unique within the layer. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: "float32";
  readonly initializer: Initializer;
  /** The stream of its first values where the initializer has a seed of its own: that of its place in the layer. */
  readonly place: number;
  /** Whether training may change it; false: running statistics, tables that stay as they are. */
  readonly trainable: boolean;
  /** What is added to the loss for its size. */
  readonly regularizer: Regularizer | null;
  /** What it is brought to after each update. */
  readonly constraint: Constraint | null;
  /** Whether it is a table [R, D] whose rows are looked up; `lazy`: rows that a step does not name stay as they are. */
  readonly table: TableKind | null;
  /** First values that are given, in the place of the initializer's. */
  readonly given: Tensor | null;
}

export type TableKind = "whole" | "lazy";

/** What a weight is declared with besides its first values. */
export interface WeightOptions {
  /** Whether training may change it; default true. */
  readonly trainable?: boolean;
  /** By name, as an object, or a function that gives a number; default none. */
  readonly regularizer?: RegularizerOption;
  /** By name, as an object, or a function that gives new values; default none. */
  readonly constraint?: ConstraintOption;
  /**
   * For a table [R, D] whose rows are looked up: it lies by itself, and a step changes the rows that it names, where that is
   * what the optimizer would do or, `lazy`, whatever it would do. Default: an array like others.
   */
  readonly table?: TableKind;
  /** First values, in the place of the initializer's. */
  readonly given?: Tensor;
}

/** The inputs of a call: one for most layers; several for those that merge; initial states after that of a recurrent one. */
export type Inputs = readonly [SymbolicTensor, ...SymbolicTensor[]];
/** Shapes and dtypes of a call's inputs. */
export type InputTypes = readonly [TensorType, ...TensorType[]];

/** What layers and cells get from a model to trace themselves. */
export interface WeightContext {
  readonly training: boolean;
  /** Random numbers of this step; `drawFrom` gives each draw a stream of its own. */
  readonly random: RandomSource;
  /** What goes before the paths of draws: the models around the one that is traced. */
  readonly scope?: string;
  /** How many draws of this name the trace has counted before; counts this one. `drawCounter` makes such a function. */
  readonly countDraw: (name: string) => number;
  /** The value of one of the declared weights. */
  weight(weight: Weight): SymbolicTensor;
}

/** A class of layers or cells: its name in Keras and its configuration fields. */
export interface Definition<F extends Fields> {
  readonly className: string;
  readonly fields: F;
  /** What a layer does with the mask of its inputs; left out: what the ops in it do. */
  readonly masks?: MaskRule;
  /** Whether `call` takes more than one input: values to merge, initial states. Left out: one. */
  readonly inputs?: "one" | "several";
  /** Of a class of one's own: under which name Python knows it. Left out: one of Keras's. */
  readonly registeredName?: string;
  /** What more there is to say about masks, and where Keras does something else; for the table in the documents. */
  readonly maskNote?: string;
}

/**
 * `carries`: the output has the mask of the input; `makes`: it has one of its own; `consumes`: only steps that count take
 * part, and the output has none; `drops`: all steps count from here on, as in Keras, and it says so once.
 */
export type MaskRule = "carries" | "makes" | "consumes" | "drops";

/** A weight within a layer, as a model sees it. */
export interface WeightEntry {
  readonly weight: Weight;
  /** Names it within the model: `lstm/kernel`. */
  readonly path: string;
  /** Whether training changes it as things stand: `trainable` of the layers around it may change. */
  readonly trainable: boolean;
}

/** The name under which a class is made in code: `LSTM` → `lstm`, `LSTMCell` → `lstmCell`, `Cropping1D` → `cropping1d`. */
export const kindOf = (className: string): string =>
  className
    .replace(/^[A-Z]+(?![a-z])|^[A-Z]/, (capitals) => capitals.toLowerCase())
    .replace(/\dD$/, (end) => end.toLowerCase());

/** What a function of the user's gave where it should have given values of the graph, in an error's words. */
export const resultText = (result: unknown): string =>
  result === undefined ? "nothing" : typeof result === "number" ? "a number" : valueText(result);

/** What layers and cells have in common: checked settings, a name once they belong to a model, weights, a configuration. */
export abstract class Component<F extends Fields = Fields> {
  readonly className: string;
  readonly settings: SettingsOf<F>;
  readonly definition: Definition<F>;
  readonly #options: OptionsOf<F>;
  #name: string | undefined;
  #namer: object | undefined;
  #parent: Component | undefined;
  #place = "";
  #scope = "";
  #registeredName: string | undefined;
  readonly #weights: Weight[] = [];
  #trainable: boolean;

  constructor(definition: Definition<F>, options: OptionsOf<F>) {
    if (typeof definition?.className !== "string") {
      throw new RondoError({
        where: new.target.name,
        received: `${valueText(definition)} for its definition`,
        expected: "what defineLayer or defineCell gives",
        fix: `Call super(defineLayer("${new.target.name}", { … }), options) in the constructor`,
      });
    }
    this.className = definition.className;
    this.definition = definition;
    this.#options = options;
    this.settings = readOptions(definition.fields, options, kindOf(definition.className));
    const { trainable = true } = this.settings as { readonly trainable?: boolean };
    this.#trainable = trainable;
  }

  /** Unique within its model; undefined before the component belongs to one. */
  get name(): string | undefined {
    return this.#name;
  }

  /** The name with those of the components around it: `bidirectional/forward_lstm`. Random streams hang on it. */
  get path(): string {
    const own = this.#name ?? kindOf(this.className);
    return this.#parent === undefined ? own : `${this.#parent.path}/${own}`;
  }

  /** Where it stands within the outermost layer around it, whatever the names: `backward/cell`; a layer itself: "". */
  get place(): string {
    return this.#parent === undefined ? "" : joined(this.#parent.place, this.#place);
  }

  /** Where Keras finds the class: among its own, or under the name that a class of one's own is registered by. */
  get kerasClass(): { readonly module: string | null; readonly registered_name: string | null } {
    const registered = this.#registeredName ?? this.definition.registeredName;
    return registered === undefined
      ? { module: "keras.layers", registered_name: null }
      : { module: null, registered_name: registered };
  }

  /** Keeps the name by which the class is registered in Python, as the file says it that the component comes from. */
  keepRegistered(name: string): void {
    this.#registeredName = name;
  }

  /** How error messages call it: `lstm "lstm_1"`. */
  get where(): string {
    const kind = kindOf(this.className);
    return this.#name === undefined ? kind : `${kind} "${this.#name}"`;
  }

  get #weightScope(): string {
    return (this.#parent === undefined ? "" : this.#parent.#weightScope) + this.#scope;
  }

  /**
   * Names the component when it joins a model. A name stays once it is given, but for the one that `namer` gave it and
   * nobody else has relied on since.
   */
  assignName(name: string, namer?: object): void {
    if (this.#name === undefined || (namer !== undefined && namer === this.#namer)) {
      this.#name = name;
      this.#namer = namer;
    } else this.#namer = undefined;
  }

  /** Makes it a part of another component, at `place`, under `name`; `scope` goes before the names of its weights. */
  attach(parent: Component, place: string, name: string, scope = ""): void {
    this.#name = name;
    this.#parent = parent;
    this.#place = place;
    this.#scope = scope;
  }

  /**
   * A new component of the same class with the same options but for `changes`, without weights or a name of its own:
   * what a wrapper runs. A class whose constructor takes more than its options overrides this.
   */
  copy(changes: object = {}): Component {
    const made: unknown = Reflect.construct(this.constructor, [{ ...this.#options, ...changes }]);
    if (made instanceof Component) {
      made.#registeredName = this.#registeredName;
      return made;
    }
    throw this.error(
      "a constructor that makes something else",
      "a class made with its options alone",
      "Correct it",
    );
  }

  /** The components that it is made of, in Keras's order of their weights. */
  parts(): readonly Component[] {
    return [];
  }

  /** The weights that it declared itself. */
  ownWeights(): readonly Weight[] {
    return this.#weights;
  }

  /** The declared weights in Keras's order, those of its parts after its own, each once; none before `build`. */
  weights(): readonly Weight[] {
    return this.weightEntries().map(({ weight }) => weight);
  }

  /** The weights with their places and whether they are trained now. */
  weightEntries(): readonly WeightEntry[] {
    const found = new Map<Weight, WeightEntry>();
    for (const weight of this.#weights) {
      const trainable = this.trainable && weight.trainable;
      found.set(weight, { weight, path: `${this.path}/${weight.name}`, trainable });
    }
    for (const part of this.parts())
      for (const entry of part.weightEntries()) {
        const trainable = this.trainable && entry.trainable;
        const path = `${this.path}/${entry.weight.name}`;
        if (!found.has(entry.weight)) found.set(entry.weight, { ...entry, path, trainable });
      }
    return [...found.values()];
  }

  /** Whether training changes its weights. A new value is that of all its parts, and holds from the next `compile` on. */
  get trainable(): boolean {
    return this.#trainable;
  }
  set trainable(trainable: boolean) {
    if (typeof trainable !== "boolean")
      throw this.error(`trainable: ${valueText(trainable)}`, "true or false", "Change trainable");
    this.#trainable = trainable;
    for (const part of this.parts()) part.trainable = trainable;
  }

  /** The configuration in Keras's terms: snake case, every field. */
  config(): JsonObject {
    return writeConfig(this.definition.fields, this.settings, this.where);
  }

  /** Options that Keras has not; files keep them beside its configuration. */
  get ownConfig(): JsonObject | undefined {
    return undefined;
  }

  /**
   * Where the random numbers of one draw come from. No two draws of a layer share a stream: it hangs on the component's
   * path and the draw's name or, with a seed of the component's own, on its place within the layer, so that the same is
   * drawn in every model. A layer in several places of a model draws anew in each.
   *
   * @param name of the draw, unique within the component: `recurrent_dropout`
   * @param seed the component's own; null: the model's
   */
  protected drawFrom(
    context: WeightContext,
    name: string,
    seed: number | null,
  ): { readonly source: RandomSource; readonly stream: number } {
    const path = joined(context.scope ?? "", this.path, name);
    const count = context.countDraw(path);
    const stream = (base: string) => streamOf(count === 0 ? base : `${base}:${count}`);
    if (seed === null) return { source: context.random, stream: stream(path) };
    return { source: { ...context.random, seed: seedOf(seed) }, stream: stream(joined(this.place, name)) };
  }

  /** Declares an array of weights; for `declareWeights`. The error for an initializer that does not fit comes here. */
  protected addWeight(
    name: string,
    shape: readonly number[],
    initializer: Initializer | InitializerName,
    { trainable = true, regularizer = null, constraint = null, table, given }: WeightOptions = {},
  ): Weight {
    const place = `${this.where}: ${name}`;
    const known = readInitializer(initializer, place, "initializer");
    try {
      checkValues(known, shape);
    } catch (error) {
      throw within(place, error);
    }
    const weight: Weight = Object.freeze({
      name: this.#weightScope + name,
      shape,
      dtype: "float32",
      initializer: known,
      place: streamOf(joined(this.place, name)),
      trainable,
      regularizer: readRegularizer(regularizer, place),
      constraint: readConstraint(constraint, place),
      table: table ?? null,
      given: given ?? null,
    });
    this.#weights.push(weight);
    return weight;
  }

  /** A declared weight, for `call`; an error where the component has not been built. */
  protected builtWeight(weight: Weight | undefined): Weight {
    if (weight !== undefined) return weight;
    throw this.error(
      "a call before build",
      "a component that has been built",
      "Call build(inputShape) first",
    );
  }

  /** An error about this component. */
  error(received: string, expected: string, fix: string): RondoError {
    return new RondoError({ where: this.where, received, expected, fix });
  }
}

const joined = (...names: readonly string[]): string => names.filter((name) => name !== "").join("/");

/** Traces an initializer once, so that one which does not fit its weights is found where they are declared. */
function checkValues(initializer: Initializer, shape: readonly number[]): void {
  checkSizes("addWeight", shape);
  if (!shape.every((size) => Number.isInteger(size) && size >= 0)) {
    throw new RondoError({
      where: "addWeight",
      received: `shape [${shape.map(String).join(", ")}]`,
      expected: "whole numbers of 0 or more",
      fix: "Take sizes from the options, or from the last axis of the input with this.features(inputShape)",
    });
  }
  const values: unknown = initializer.values(shape, { seed: input("seed", [2], "int32") }, 0);
  if (values instanceof SymbolicTensor && sameShape(values.shape, shape)) return;
  throw new RondoError({
    where: initializer.className,
    received:
      values instanceof SymbolicTensor ? `values of shape ${shapeText(values.shape)}` : resultText(values),
    expected: `values of shape ${shapeText(shape)}`,
    fix: "Make them of the shape that the initializer is given",
  });
}

/** A component in a configuration file: its class name and its configuration, as Keras writes them. */
export const describe = (component: Component): JsonObject => ({
  ...component.kerasClass,
  class_name: component.className,
  config: component.config(),
  ...(component.ownConfig === undefined ? {} : { rondo: component.ownConfig }),
});
