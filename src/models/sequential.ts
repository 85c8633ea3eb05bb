import type { JsonObject } from "../config/config.js";
import type { Dtype } from "../dtype.js";
import { checkList, RondoError, valueText } from "../errors.js";
import type { Shape } from "../graph/dim.js";
import { describe } from "../layers/component.js";
import { callLayer } from "../layers/declared.js";
import { declareInput, InputLayer } from "../layers/inputLayer.js";
import { defineLayer, Layer, LayerNames } from "../layers/layer.js";
import type { CheckedLayers } from "../layers/types.js";
import type { InputPort } from "./feeds.js";
import { knownSize, Model } from "./model.js";
import { Network } from "./network.js";
import type { ModelOptions } from "./options.js";
import { chainRows, type SummaryRow } from "./summary.js";
import { onlyOutput } from "./trace.js";

const definition = defineLayer("Sequential", {});

/** Layers one after the other. Made by `sequential`. */
export class Sequential extends Model {
  readonly #layers: Layer[] = [];
  #names = new LayerNames();

  constructor(layers: readonly Layer[] = [], options: ModelOptions = {}) {
    super("sequential", definition, options);
    const fix = "Put the layers into a list: sequential([layers.dense({ units: 1 })])";
    checkList("sequential", layers, "a list of layers", fix);
    for (const layer of layers) this.#append(layer);
    this.rebuild();
  }

  override get layers(): readonly Layer[] {
    return this.#layers;
  }

  protected override get inputPorts(): readonly InputPort[] {
    return [{ name: "", shape: this.givenShape }];
  }

  /** The shape of the input with its batch axis, where the first layer says it. */
  override get givenShape(): Shape | undefined {
    return this.#layers[0]?.givenShape;
  }

  override get inputDtype(): Dtype {
    const [first] = this.#layers;
    return first === undefined ? super.inputDtype : first.inputDtype;
  }

  /**
   * Appends a layer. The types do not follow it: whether the layers fit is found out when the model is built.
   *
   * @throws RondoError when the model has weights already, and when the layer does not fit: the model stays as it was
   */
  add(layer: Layer): this {
    this.requireUnused(layer instanceof Layer ? layer.where : "a layer");
    this.#append(layer);
    try {
      this.rebuild();
    } catch (error) {
      this.#layers.pop();
      this.#names = new LayerNames();
      for (const kept of this.#layers) this.#names.add(kept);
      this.rebuild();
      throw error;
    }
    return this;
  }

  #append(layer: Layer): void {
    if (!(layer instanceof Layer)) {
      throw new RondoError({
        where: `model "${this.name}"`,
        received: `${valueText(layer)} in place ${this.#layers.length} of its layers`,
        expected: "a layer",
        fix: "Write for example layers.lstm({ units: 64 })",
      });
    }
    this.#names.add(layer);
    this.#layers.push(layer);
  }

  protected override assemble(inputShape: Shape = []): Network {
    const [first, ...rest] = this.#layers;
    if (first === undefined) {
      throw new RondoError({
        where: `model "${this.name}"`,
        received: "no layers",
        expected: "at least one",
        fix: "Pass layers to sequential, or add some",
      });
    }
    const told = first instanceof InputLayer;
    const source = told
      ? first
      : new InputLayer({
          batchShape: inputShape.map(knownSize),
          dtype: this.inputDtype,
          name: "input_layer",
        });
    const input = declareInput(source, inputShape);
    let value = input;
    for (const layer of told ? rest : this.#layers)
      value = onlyOutput(layer, callLayer(layer, [value], 0, {}).outputs);
    const twice = this.#layers.find(
      (layer, i) => this.#layers.indexOf(layer) < i && layer.states().length > 0,
    );
    if (twice !== undefined) {
      throw twice.error(
        "a second place in a model, for one state",
        "a stateful layer in one place",
        "Make a second layer, or leave stateful out",
      );
    }
    return new Network(`model "${this.name}"`, [["", input]], [["", value]]);
  }

  protected override summaryRows(): readonly SummaryRow[] {
    return chainRows(this.#layers, this.network);
  }

  /** The model's configuration in Keras's terms. Its first layer is an InputLayer where the shape of the input is known. */
  override config(): JsonObject {
    const [first] = this.#layers;
    const batchShape = this.inputShape;
    const told: readonly Layer[] =
      batchShape === undefined || first instanceof InputLayer
        ? []
        : [new InputLayer({ batchShape, dtype: this.inputDtype, name: "input_layer" })];
    return { name: this.name, layers: [...told, ...this.#layers].map(describe) };
  }
}

/**
 * A model of layers one after the other.
 *
 * ```ts
 * const model = sequential([layers.lstm({ units: 64, inputShape: [28, 28] }), layers.dense({ units: 10, activation: "softmax" })]);
 * ```
 *
 * @throws RondoError on the layer whose input does not fit; where the types know the shapes it is a compile error there
 */
export function sequential(): Sequential;
export function sequential<const L extends readonly Layer[]>(
  layers: CheckedLayers<L>,
  options?: ModelOptions,
): Sequential;
export function sequential(layers: readonly Layer[] = [], options?: ModelOptions): Sequential {
  return new Sequential(layers, options);
}
