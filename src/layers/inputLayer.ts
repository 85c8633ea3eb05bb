import { dtypeIn, type JsonObject, type OptionsOf } from "../config/config.js";
import { choice, notSaved, optionalShape } from "../config/fields.js";
import type { Dtype } from "../dtype.js";
import { checkOptions, namesOf } from "../errors.js";
import { type Shape, symbol } from "../graph/dim.js";
import type { SymbolicTensor } from "../graph/ir.js";
import { DeclaredTensor, type LayerCall } from "./declared.js";
import { batchShape, defineLayer, type Inputs, Layer } from "./layer.js";
import type { InputShape, Keeps, ShapeRule, SizesOf } from "./types.js";

const dtype = choice("float32", ["float32", "int32", "uint8", "bool"]);

const definition = defineLayer("InputLayer", {
  /** Shape of one sample, without the batch axis; null where a size is not fixed. */
  shape: notSaved(optionalShape),
  /** The shape with its batch axis, null for any number of rows; instead of `shape`. */
  batchShape: notSaved(optionalShape),
  /** Default float32. */
  dtype: {
    ...dtype,
    /** Keras 3 writes a dtype as an object, too. */
    parse: (json, reader, where) => dtype.parse(dtypeIn(json) ?? json, reader, where),
  },
});
/** Options of the layer InputLayer. */
export type InputLayerOptions = OptionsOf<typeof definition.fields>;

/** Tells the shape of a model's input; passes it on. */
export class InputLayer<R extends ShapeRule = ShapeRule> extends Layer<R, typeof definition.fields> {
  static readonly definition = definition;

  readonly #sample: InputShape;

  constructor(options: InputLayerOptions) {
    super(definition, options);
    const { shape, inputShape, batchShape: whole } = this.settings;
    const given = Object.entries({ shape, inputShape, batchShape: whole }).filter(
      ([, value]) => value !== null,
    );
    if (given.length !== 1) {
      const names = given.map(([name]) => name).join(" and ");
      throw this.error(
        names || "no shape",
        "the shape of one sample, once",
        "Write input({ shape: [28, 28] })",
      );
    }
    this.#sample = shape ?? inputShape ?? whole?.slice(1) ?? [];
  }

  override get givenShape(): Shape {
    const { batchSize, batchShape: whole } = this.settings;
    return batchShape(this.#sample, batchSize ?? whole?.[0] ?? null);
  }

  override config(): JsonObject {
    const batch_shape = this.givenShape.map((d) => (typeof d === "number" ? d : null));
    return { batch_shape, dtype: this.settings.dtype, name: this.name ?? null };
  }

  override call([x]: Inputs): SymbolicTensor {
    return x;
  }
}

/** The input of a model, as its first layer: `inputLayer({ shape: [28, 28] })`. */
export const inputLayer = <const S extends InputShape | undefined = undefined>(
  options: InputLayerOptions & { readonly shape?: S },
): InputLayer<Keeps<S>> => new InputLayer(options);

/** What `input` takes. */
export interface InputOptions<S extends InputShape = InputShape> {
  /** Sizes of one sample, without the batch axis; null where a size is not fixed. */
  readonly shape: S;
  /** Default: found when a model is made of it. */
  readonly name?: string;
  /** A fixed number of rows, for stateful layers. */
  readonly batchSize?: number;
  /** Default float32; int32 for ids. */
  readonly dtype?: Dtype;
}

const optionNames = namesOf<InputOptions>({ shape: true, name: true, batchSize: true, dtype: true });

/**
 * Declares an input of a functional model.
 *
 * ```ts
 * const words = input({ shape: [null, 100], name: "words" });
 * ```
 */
export function input<const S extends InputShape>(options: InputOptions<S>): DeclaredTensor<SizesOf<S>> {
  checkOptions("input", options, optionNames);
  const layer = new InputLayer(options);
  return declareInput(layer, ownShape(layer)) as DeclaredTensor<SizesOf<S>>;
}

/** The shape of an input whose open sizes differ from those of others until a layer needs them to be equal. */
export function ownShape({ givenShape, name }: InputLayer): Shape {
  const [batch = 1, ...sizes] = givenShape;
  const own = name?.replaceAll(/\W/g, "_") ?? crypto.getRandomValues(new Uint32Array(2)).join("_");
  return [batch, ...sizes.map((d) => (typeof d === "number" ? d : symbol(`${d.key}_${own}`)))];
}

/** The value of a model's input. */
export function declareInput(layer: InputLayer, shape: Shape = layer.givenShape): DeclaredTensor {
  const outputs: DeclaredTensor[] = [];
  const call: LayerCall = { layer, inputs: [], states: 0, options: {}, outputs };
  const value = new DeclaredTensor(call, 0, shape, layer.settings.dtype, []);
  outputs.push(value);
  return value;
}
