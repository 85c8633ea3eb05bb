import type { Field, JsonObject, OptionsOf } from "../config/config.js";
import { flag, notSaved, optionalSize, size } from "../config/fields.js";
import type { Dtype } from "../dtype.js";
import type { Shape } from "../graph/dim.js";
import type { SymbolicTensor } from "../graph/ir.js";
import { cast, notEqualTo } from "../graph/ops/elementwise.js";
import { shapeText, type Tensor, type TensorLike, toTensor } from "../tensor.js";
import { constraint } from "./constraints.js";
import { initializer } from "./initializers.js";
import { batchShape, type CallContext, defineLayer, type Inputs, Layer, type Weight } from "./layer.js";
import { activityField } from "./penalties.js";
import { regularizer } from "./regularizers.js";
import type { InputShape, IsUnknown, ShapeRule } from "./types.js";

// B batch, T time, R rows of the table (inputDim), D features (outputDim).

/** The table as it is given: [R, D], also as the only one of a list, as Keras takes it. */
const table: Field<TensorLike, Tensor | null, false> = notSaved({
  required: false,
  initial: null,
  read(given, where, name) {
    const list = (Array.isArray(given) ? given : []) as readonly TensorLike[];
    const [only] = list;
    const inner = list.length === 1 && only !== undefined ? toTensor(`${where}: ${name}`, only) : undefined;
    return inner?.rank === 2 ? inner : toTensor(`${where}: ${name}`, given);
  },
  write: () => undefined,
  parse: () => [],
});

const definition = defineLayer(
  "Embedding",
  {
    /** Number of ids, R: an id is a whole number from 0 to R - 1. */
    inputDim: size,
    /** Numbers for each id, D. */
    outputDim: size,
    /** Default randomUniform: within ±0.05. */
    embeddingsInitializer: initializer("randomUniform"),
    /** Adds to the loss for the table. The table is then updated as a whole in each step. */
    embeddingsRegularizer: regularizer,
    /** What the table is brought to after each update, as a whole. */
    embeddingsConstraint: constraint,
    ...activityField,
    /** Whether steps with the id 0 do not count; default false. */
    maskZero: flag(false),
    /** First values of the table, [R, D]: vectors from elsewhere. With `trainable: false` they stay as they are. */
    weights: table,
    /**
     * Whether rows that a step does not name stay as they are, whatever the optimizer. Adam and every optimizer with momentum
     * move them in Keras; leaving them out costs less, and gives other figures. Default false.
     */
    lazy: notSaved(flag(false)),
    /** Steps of a sample, where they are fixed; what TensorFlow.js has in the place of inputShape. */
    inputLength: notSaved(optionalSize),
  },
  { masks: "makes", maskNote: "Of ids that are not 0, with maskZero; else none." },
);
/** Options of the layer Embedding. */
export type EmbeddingOptions = OptionsOf<typeof definition.fields>;

/** [..ids] → [..ids, D]; without an inputShape a sample is a list of ids. */
export interface EmbeddingRule<D extends number, S extends InputShape | undefined = undefined>
  extends ShapeRule {
  readonly given: S;
  readonly out: IsUnknown<this["in"]> extends true
    ? [number, D]
    : this["in"] extends readonly number[]
      ? [...this["in"], D]
      : never;
}

/**
 * A vector of numbers for each id: x int32 [B, ..] → [B, .., D], rows of a table [R, D]. Training costs by the rows that a
 * step names where the optimizer leaves the others alone: SGD without momentum, Adagrad, RMSprop without momentum, Adadelta.
 *
 * @throws RondoError, when it runs, for an id outside the table, with its row and step
 */
export class Embedding<R extends ShapeRule = ShapeRule> extends Layer<R, typeof definition.fields> {
  static readonly definition = definition;
  #table: Weight | undefined;

  constructor(options: EmbeddingOptions) {
    super(definition, options);
    const { inputDim, outputDim, weights } = this.settings;
    if (
      weights !== null &&
      (weights.shape[0] !== inputDim || weights.shape[1] !== outputDim || weights.rank !== 2)
    ) {
      throw this.error(
        `weights of shape ${shapeText(weights.shape)}`,
        `[${inputDim}, ${outputDim}], as inputDim and outputDim say`,
        "Give a row for every id",
      );
    }
  }

  override get givenShape(): Shape | undefined {
    const { batchSize, inputLength } = this.settings;
    return super.givenShape ?? batchShape([inputLength], batchSize);
  }

  override get inputDtype(): Dtype {
    return "int32";
  }

  override get ownConfig(): JsonObject | undefined {
    return this.settings.lazy ? { lazy: true } : undefined;
  }

  protected override declareWeights(): void {
    const { inputDim, outputDim, embeddingsInitializer, weights, lazy } = this.settings;
    this.#table = this.addWeight("embeddings", [inputDim, outputDim], embeddingsInitializer, {
      regularizer: this.settings.embeddingsRegularizer,
      constraint: this.settings.embeddingsConstraint,
      table: lazy ? "lazy" : "whole",
      ...(weights === null ? {} : { given: weights }),
    });
  }

  override call([x]: Inputs, context: CallContext): SymbolicTensor {
    const ids = cast(x.withMask(undefined), "int32");
    const rows = context.lookup(this.builtWeight(this.#table), ids);
    return rows.withMask(this.settings.maskZero ? notEqualTo(ids, 0) : undefined);
  }
}

/** A table of vectors, looked up by ids. */
export const embedding = <const D extends number, const S extends InputShape | undefined = undefined>(
  options: EmbeddingOptions & { readonly outputDim: D; readonly inputShape?: S },
): Embedding<EmbeddingRule<D, S>> => new Embedding(options);
