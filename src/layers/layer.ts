import {
  type Fields,
  type JsonObject,
  type OptionsOf,
  type SettingsOf,
  snakeCase,
} from "../config/config.js";
import { flag, notSaved, optionalName, optionalShape, optionalSize } from "../config/fields.js";
import { RondoError, within } from "../errors.js";
import { type Dim, equal, type Shape, symbol } from "../graph/dim.js";
import { type StateVariable, SymbolicTensor } from "../graph/ir.js";
import { input } from "../graph/ops/source.js";
import { Component, type Definition, resultText, type Weight, type WeightContext } from "./component.js";
import type { ShapeRule } from "./types.js";

export type { Weight, WeightContext } from "./component.js";

/** What a layer gets while it is traced. */
export interface CallContext extends WeightContext {
  /** Reads a state of the layer (stateful recurrence) as it was before this run. */
  readState(variable: StateVariable): SymbolicTensor;
  /** Sets a state at the end of this run. */
  writeState(variable: StateVariable, value: SymbolicTensor): void;
  /** Says something once per model: a mask that is dropped, for example. */
  warn(message: string): void;
}

/** One value, or several from a layer with `returnState`. */
export type LayerOutput = SymbolicTensor | readonly SymbolicTensor[];

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
export type LayerFields = typeof layerFields;
export type LayerOptions = OptionsOf<LayerFields>;

/** A layer class's definition from its own fields. */
export const defineLayer = <F extends Fields>(className: string, fields: F): Definition<F & LayerFields> => ({
  className,
  fields: { ...fields, ...layerFields },
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
  #builtFor: Shape | undefined;

  constructor(definition: Definition<F>, options: OptionsOf<F>) {
    super(definition, options);
    const { name } = this.settings;
    if (name !== null) this.assignName(name);
  }

  get trainable(): boolean {
    return this.settings.trainable;
  }

  protected override get weightsTrainable(): boolean {
    return this.trainable;
  }

  /** The shape [batch, ..] of the layer's input where its options tell it: for the first layer of a model. */
  get givenShape(): Shape | undefined {
    const { inputShape, batchSize } = this.settings;
    return inputShape === null ? undefined : batchShape(inputShape, batchSize);
  }

  /** Whether `build` has run. */
  get built(): boolean {
    return this.#builtFor !== undefined;
  }

  /**
   * Checks the input's shape [batch, ..] and, the first time, declares the weights. Later calls check that the last
   * axis has the size the weights were made for.
   *
   * @throws RondoError naming the layer when the rank or a size does not fit
   */
  build(inputShape: Shape): void {
    this.checkInput(inputShape);
    const before = this.#builtFor?.at(-1);
    if (this.#builtFor === undefined) {
      this.#inside(() => this.declareWeights(inputShape));
      this.#builtFor = inputShape;
    } else if (before !== undefined && this.weights().length > 0 && !equal(before, inputShape.at(-1) ?? -1)) {
      throw this.error(
        batchShapeText(inputShape),
        `${before} features, as in the input the layer was built for`,
        "Give it the same number of features, or make a second layer",
      );
    }
  }

  /** Throws where the layer cannot take an input of this shape. */
  protected checkInput(_inputShape: Shape): void {}

  /** Declares the weights with `addWeight`; runs once. */
  protected declareWeights(_inputShape: Shape): void {}

  /**
   * The layer's computation, traced. Masks are carried by the values (`x.mask`).
   *
   * @param x [batch, ..]
   * @param further further inputs: the initial state of a recurrent layer
   */
  abstract call(x: SymbolicTensor, context: CallContext, further?: readonly SymbolicTensor[]): LayerOutput;

  /** States that stay from run to run (stateful recurrence); none before `build`. */
  states(): readonly StateVariable[] {
    return [];
  }

  /** What `call` gives, as a list, if it is values of the graph. Errors of ops in it name the layer too. */
  callChecked(
    x: SymbolicTensor,
    context: CallContext,
    further?: readonly SymbolicTensor[],
  ): readonly SymbolicTensor[] {
    const given: unknown = this.#inside(() => this.call(x, context, further));
    const outputs: readonly unknown[] = Array.isArray(given) ? given : [given];
    if (outputs.length > 0 && outputs.every((y) => y instanceof SymbolicTensor)) return outputs;
    throw this.error(
      `${resultText(given)} from call`,
      "a value made with ops, or a list of such values",
      "Return what the ops in call give",
    );
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

  /** Shapes of the outputs for an input shape, most often one; builds the layer if need be. */
  outputShapes(inputShape: Shape): Shape[] {
    this.build(inputShape);
    return this.callChecked(input("x", inputShape), shapeContext).map(({ shape }) => shape);
  }

  override config(): JsonObject {
    return { name: this.name ?? null, ...super.config(), dtype: "float32" };
  }

  /** The last axis of the input as a known size. */
  protected features(inputShape: Shape): number {
    const size = inputShape.at(-1);
    if (typeof size === "number") return size;
    throw this.error(
      batchShapeText(inputShape),
      "a last axis of known size",
      "Give that size in inputShape; only batch and time may be left open",
    );
  }
}

/** Stands for a model where only shapes matter. */
const shapeContext: CallContext = Object.freeze({
  training: false,
  get random() {
    return { seed: input("seed", [2], "int32") };
  },
  countDraw: () => 0,
  weight: (weight: Weight) => input(weight.name, weight.shape, weight.dtype),
  readState: (variable: StateVariable) => input(variable.name, variable.shape, variable.dtype),
  writeState: () => undefined,
  warn: () => undefined,
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
