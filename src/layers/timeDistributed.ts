import { type Field, type JsonObject, type OptionsOf, snakeCase } from "../config/config.js";
import type { Dtype } from "../dtype.js";
import { RondoError, valueText } from "../errors.js";
import { mul, product, symbol } from "../graph/dim.js";
import { nodeOf, type StateVariable, type SymbolicTensor, sameValue, type TensorType } from "../graph/ir.js";
import { widenMask } from "../graph/mask.js";
import { cast, elementwise, greater, sigmoid } from "../graph/ops/elementwise.js";
import { max } from "../graph/ops/reduce.js";
import { broadcastTo, reshape } from "../graph/ops/shape.js";
import { softmax, softmaxOp } from "../graph/ops/softmax.js";
import { type Component, describe, type WeightEntry } from "./component.js";
import {
  batchShapeText,
  type CallContext,
  defineLayer,
  type Inputs,
  type InputTypes,
  Layer,
  type LayerOutput,
} from "./layer.js";
import type { InputShape, IsUnknown, NeedsTime, OutputOf, ShapeRule, Sizes } from "./types.js";
import { finiteWhereMasked } from "./windows.js";

// B batch, T time.

function layerOf(value: unknown, where: string): Layer {
  if (value instanceof Layer) return value;
  throw new RondoError({
    where,
    received: valueText(value),
    expected: "a layer",
    fix: "Write for example layer: dense({ units: 64 })",
  });
}

const layerField: Field<Layer, Layer, true> = {
  required: true,
  initial: undefined,
  read: layerOf,
  write: (layer) => describe(layer),
  parse: (json, reader, where) => layerOf(reader.component(json, where), where),
};

const definition = defineLayer(
  "TimeDistributed",
  {
    /** What is done with every time step; the layer itself, so that its weights are shared with its other uses. */
    layer: layerField,
  },
  {
    masks: "carries",
    maskNote: "A step that does not count is a row that does not count for the layer inside.",
  },
);
/** Options of the layer TimeDistributed. */
export type TimeDistributedOptions = OptionsOf<typeof definition.fields>;

/** [T, ..] → [T, ..what the layer inside makes of the rest] */
export interface TimeDistributedRule<L extends ShapeRule, S extends InputShape | undefined = undefined>
  extends ShapeRule {
  readonly given: S;
  readonly out: IsUnknown<this["in"]> extends true
    ? Sizes
    : this["in"] extends readonly [infer T extends number, number, ...number[]]
      ? this["in"] extends readonly [number, ...infer Rest extends readonly number[]]
        ? OverTime<T, OutputOf<L, Rest>>
        : Sizes
      : NeedsTime<"timeDistributed", S>;
}
type OverTime<T extends number, Out> = unknown extends Out
  ? Sizes
  : Out extends Sizes
    ? readonly [T, ...Out]
    : Out;

/**
 * A layer, or a model, applied to every time step: x [B, T, ..] → [B, T, ..]. All steps are rows of one run of the layer
 * inside, so that nothing is repeated, and statistics of the batch are those of all steps.
 */
export class TimeDistributed<R extends ShapeRule = ShapeRule> extends Layer<R, typeof definition.fields> {
  static readonly definition = definition;

  constructor(options: TimeDistributedOptions) {
    super(definition, options);
  }

  override get inputDtype(): Dtype {
    return this.settings.layer.inputDtype;
  }

  override parts(): readonly Component[] {
    return [this.settings.layer];
  }

  override states(): readonly StateVariable[] {
    return this.settings.layer.states();
  }

  /** The layer's own paths, within this one's: `time_distributed/dense/kernel`. */
  override weightEntries(): readonly WeightEntry[] {
    const { layer } = this.settings;
    const name = layer.name ?? snakeCase(layer.className);
    return layer.weightEntries().map((entry) => ({
      ...entry,
      path: `${this.path}/${name}${entry.path.slice(layer.path.length)}`,
      trainable: this.trainable && entry.trainable,
    }));
  }

  override config(): JsonObject {
    return { ...super.config(), layer: describe(this.settings.layer) };
  }

  protected override checkInputs([x, ...others]: InputTypes): void {
    if (x.shape.length < 3 || others.length > 0) {
      throw this.error(
        [x, ...others].map(({ shape }) => batchShapeText(shape)).join(" and "),
        "one input of [batch, time, ..]",
        "Give it sequences: set inputShape to [time, ..], or returnSequences: true on the layer before",
      );
    }
    const { shape, dtype } = rowsOf(x);
    // However many rows: a model inside keeps its own number for files.
    this.settings.layer.build([{ shape: [symbol("B"), ...shape.slice(1)], dtype }]);
  }

  override call([x]: Inputs, context: CallContext): LayerOutput {
    const { layer } = this.settings;
    const scope = context.scope === undefined ? this.path : `${context.scope}/${this.path}`;
    const { mask } = x;
    const flat = reshape(x.withMask(undefined), rowsOf(x).shape);
    const inner = mask && rowMask(x, mask);
    // The rows keep their mask here, whatever the layer inside drops.
    const dropped = mask !== undefined && mask.rank <= 2 && layer.definition.masks === "drops";
    const rows = dropped ? finiteWhereMasked(flat.withMask(inner)).withMask(undefined) : flat.withMask(inner);
    const outputs = layer.callChecked([rows], {
      ...context,
      scope,
      stream: undefined, // a sequence within a time step is whole
    });
    const restored = outputs.map((y) => {
      const value = overTime(y.withMask(undefined), x);
      const own = y.mask;
      if (own === undefined || (inner !== undefined && sameValue(own, inner) && mask?.rank === 2))
        return value.withMask(mask && stepMask(mask));
      return value.withMask(overTime(own, x));
    });
    const [only] = restored;
    return only !== undefined && restored.length === 1 ? only : restored;
  }
}

/** [B, T, ..] → [B·T, ..] */
const rowsOf = ({ shape: [batch = 1, time = 1, ...rest], dtype }: TensorType): TensorType => ({
  shape: [mul(batch, time), ...rest],
  dtype,
});

/**
 * The mask of the rows; where rows are sequences themselves it is one of their steps, which is what layers over time
 * take.
 */
function rowMask(x: SymbolicTensor, mask: SymbolicTensor): SymbolicTensor {
  const rank = Math.max(mask.rank, x.rank > 3 ? 3 : 2);
  const prefix = x.shape.slice(0, rank);
  const full = broadcastTo(widenMask(mask, rank), prefix);
  return reshape(full, [product(prefix.slice(0, 2)), ...prefix.slice(2)]);
}

/** Which steps have something that counts: [B, T]. */
function stepMask(mask: SymbolicTensor): SymbolicTensor {
  if (mask.rank <= 2) return mask;
  const further = [...mask.shape.keys()].slice(2);
  return greater(max(cast(mask, "int32"), further), 0);
}

/** [B·T, ..] → [B, T, ..]. A softmax or sigmoid stays the last op, so that a loss sees it. */
function overTime(y: SymbolicTensor, { shape: [batch = 1, time = 1] }: TensorType): SymbolicTensor {
  const restore = (value: SymbolicTensor): SymbolicTensor =>
    reshape(value, [batch, time, ...value.shape.slice(1)]);
  const [logits] = nodeOf(softmaxOp, y)?.inputs ?? [];
  if (logits !== undefined && y.rank > 1) return softmax(restore(logits));
  const [logit] = nodeOf(elementwise.sigmoid, y)?.inputs ?? [];
  return logit === undefined ? restore(y) : sigmoid(restore(logit));
}

/** A layer or a model for every time step. */
export const timeDistributed = <L extends ShapeRule, const S extends InputShape | undefined = undefined>(
  options: Omit<TimeDistributedOptions, "layer"> & { readonly layer: Layer<L>; readonly inputShape?: S },
): TimeDistributed<TimeDistributedRule<L, S>> => new TimeDistributed(options as TimeDistributedOptions);
