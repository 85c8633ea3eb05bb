import { checkList, RondoError, valueText } from "../errors.js";
import type { Shape } from "../graph/dim.js";
import { InputLayer } from "../layers/inputLayer.js";
import { floats, Layer, LayerNames } from "../layers/layer.js";
import type { CheckedLayers } from "../layers/types.js";
import { sizeOf } from "../tensor.js";
import { type Built, Model } from "./model.js";
import type { ModelOptions } from "./options.js";
import { Parameters } from "./parameters.js";
import { type SummaryRow, summaryText } from "./summary.js";
import { makeCounters, onlyOutput } from "./trace.js";

/** Layers one after the other. Made by `sequential`. */
export class Sequential extends Model {
  readonly #layers: Layer[] = [];
  #names = new LayerNames();
  readonly #warned = new Set<string>();
  #rows: readonly SummaryRow[] = [];

  constructor(layers: readonly Layer[] = [], options: ModelOptions = {}) {
    super("sequential", options);
    const fix = "Put the layers into a list: sequential([layers.dense({ units: 1 })])";
    checkList("sequential", layers, "a list of layers", fix);
    for (const layer of layers) this.#append(layer);
    this.rebuild();
  }

  get layers(): readonly Layer[] {
    return this.#layers;
  }

  /** The shape of the input with its batch axis, where the first layer says it. */
  protected override get givenShape(): Shape | undefined {
    return this.#layers[0]?.givenShape;
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

  protected override assemble(inputShape: Shape): Built {
    if (this.#layers.length === 0) {
      throw new RondoError({
        where: `model "${this.name}"`,
        received: "no layers",
        expected: "at least one",
        fix: "Pass layers to sequential, or add some",
      });
    }
    const seen = new Set<Layer>();
    let twice: Layer | undefined;
    let shape = inputShape;
    this.#rows = this.#layers.map((layer) => {
      shape = onlyOutput(layer, layer.outputTypes(floats(shape))).shape;
      const again = seen.has(layer);
      if (again) twice ??= layer;
      seen.add(layer);
      const parameters = again ? 0 : layer.weights().reduce((n, w) => n + sizeOf(w.shape), 0);
      return { name: layer.name ?? "", className: layer.className, outputShape: shape, parameters, again };
    });
    if (twice !== undefined && twice.states().length > 0) {
      throw twice.error(
        "a second place in a model, for one state",
        "a stateful layer in one place",
        "Make a second layer, or leave stateful out",
      );
    }
    const network = {
      layers: [...this.#layers],
      parameters: new Parameters(this.#layers),
      counters: makeCounters(),
      warn: (message: string) => this.#warn(message),
    };
    return { network, outputShape: shape };
  }

  #warn(message: string): void {
    if (this.#warned.has(message)) return;
    this.#warned.add(message);
    console.warn(`rondo: ${message}`);
  }

  /** Prints the table of layers as Keras does; `print` gets it as one text (default: `console.log`). */
  summary({ print = console.log }: { readonly print?: (text: string) => void } = {}): void {
    const unbuilt = ({ name = "", className }: Layer) => ({
      name,
      className,
      outputShape: undefined,
      parameters: 0,
    });
    const rows: readonly SummaryRow[] = this.built ? this.#rows : this.#layers.map(unbuilt);
    // As in Keras, the table leaves out what only tells the input's shape.
    const shown = rows.filter(({ className }) => className !== "InputLayer");
    const parameters = this.network?.parameters;
    const counts = { trainable: parameters?.count(true) ?? 0, fixed: parameters?.count(false) ?? 0 };
    print(summaryText(this.name, shown, counts));
  }

  /** The model's configuration in Keras's terms. Its first layer is an InputLayer where the shape of the input is known. */
  config() {
    const [first] = this.#layers;
    const batchShape = this.inputShape;
    const told: readonly Layer[] =
      batchShape === undefined || first instanceof InputLayer
        ? []
        : [new InputLayer({ batchShape, name: "input_layer" })];
    return {
      class_name: "Sequential",
      config: {
        name: this.name,
        layers: [...told, ...this.#layers].map((layer) => ({
          class_name: layer.className,
          config: layer.config(),
        })),
      },
    };
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
