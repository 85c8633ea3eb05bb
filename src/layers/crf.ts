import type { OptionsOf } from "../config/config.js";
import { flag, optionalSize } from "../config/fields.js";
import { optionalScheme, type TagScheme } from "../data/tagScheme.js";
import type { SymbolicTensor } from "../graph/ir.js";
import { type CrfScores, crfDecode, crfMarginals } from "../graph/ops/crf.js";
import { zeros } from "../graph/ops/source.js";
import { initializer } from "./initializers.js";
import {
  batchShapeText,
  type CallContext,
  defineLayer,
  type Inputs,
  type InputTypes,
  Layer,
  type LayerOutput,
  type Weight,
} from "./layer.js";
import { regularizer } from "./regularizers.js";
import type { InputShape, IsUnknown, ShapeError, ShapeRule } from "./types.js";

// B batch, T time, K tags.

const definition = {
  ...defineLayer(
    "CRF",
    {
      /** The scheme of the tags, K = tags.size: no decoded sequence ever breaks its rules. One of tags and units is needed. */
      tags: optionalScheme,
      /** Number of tags, K, where they have no scheme; with tags it follows from them. */
      units: optionalSize,
      /** Whether the first tag of a sequence has scores of its own; default true. */
      startScores: flag(true),
      /** Whether the last tag of a sequence has scores of its own; default true. */
      endScores: flag(true),
      /** Whether the probabilities of the tags are a second output; default false. */
      marginals: flag(false),
      /** Of transitions, start and end. Default zeros. */
      transitionsInitializer: initializer("zeros"),
      /** Adds to the loss for the transitions. */
      transitionsRegularizer: regularizer,
    },
    {
      masks: "carries" as const,
      maskNote:
        "A masked step is passed over: the steps around it follow one another, and its tag is 0. Keras has no such layer.",
    },
  ),
  registeredName: "rondo>CRF",
};
export type CrfOptions = OptionsOf<typeof definition.fields>;

/** [T, K] → [T], int32; with marginals a second output [T, K]. */
export interface CrfRule<M extends boolean = boolean, S extends InputShape | undefined = undefined>
  extends ShapeRule {
  readonly given: S;
  readonly out: IsUnknown<this["in"]> extends true
    ? readonly [number]
    : this["in"] extends readonly [infer T extends number, number]
      ? [T]
      : ShapeError<"crf needs [batch, time, tags]; set returnSequences: true on the layer before">;
  readonly further: M extends true ? readonly [readonly [number, number]] : undefined;
}

/**
 * A linear-chain conditional random field (Lafferty, McCallum and Pereira, 2001) over scores x [B, T, K] of tags: what the Dense
 * layer before it gives, without an activation. Its output is the best tags, int32 [B, T] (Viterbi); it is trained with the loss
 * `"crf"`, which asks it for the scores. Weights: transitions [K, K] from a tag (row) to the next (column), start and end [K].
 *
 * The rules of `tags` hold in decoding alone: training stays unconstrained, since real data has broken tags.
 *
 * @throws RondoError for an input whose last axis is not K
 */
export class CRF<R extends ShapeRule = ShapeRule> extends Layer<R, typeof definition.fields> {
  static readonly definition = definition;
  #transitions: Weight | undefined;
  #start: Weight | undefined;
  #end: Weight | undefined;

  constructor(options: CrfOptions) {
    super(definition, options);
    const { tags, units } = this.settings;
    if (tags === null ? units !== null : units === null || units === tags.size) return;
    throw this.error(
      tags === null ? "neither tags nor units" : `units: ${units} and ${tags.size} tags`,
      "the tags' scheme, or their number",
      'Write crf({ tags: tagScheme("BIOES", ["PER", "LOC"]) }), or crf({ units: 9 })',
    );
  }

  /** The scheme of the tags, where there is one. */
  get tags(): TagScheme | undefined {
    return this.settings.tags ?? undefined;
  }

  /** Number of tags, K. */
  override get classes(): number {
    return this.settings.tags?.size ?? this.settings.units ?? 0;
  }

  protected override checkInputs([{ shape, dtype }]: InputTypes): void {
    const K = this.classes;
    if (shape.length === 3 && shape[2] === K && dtype === "float32") return;
    throw this.error(
      `${dtype} ${batchShapeText(shape)}`,
      `float32 [batch, time, ${K}]: a score for each tag of each step`,
      shape.length < 3
        ? "Set returnSequences: true on the recurrent layer before"
        : `Set units: ${K} on the Dense layer before, without an activation`,
    );
  }

  protected override declareWeights(): void {
    const { transitionsInitializer: first, transitionsRegularizer, startScores, endScores } = this.settings;
    const K = this.classes;
    this.#transitions = this.addWeight("transitions", [K, K], first, { regularizer: transitionsRegularizer });
    if (startScores) this.#start = this.addWeight("start", [K], first);
    if (endScores) this.#end = this.addWeight("end", [K], first);
  }

  override call([x]: Inputs, context: CallContext): LayerOutput {
    const edge = (weight: Weight | undefined): SymbolicTensor =>
      weight === undefined ? zeros([this.classes]) : context.weight(weight);
    const scores: CrfScores = {
      x: x.withMask(undefined),
      transitions: context.weight(this.builtWeight(this.#transitions)),
      start: edge(this.#start),
      end: edge(this.#end),
      mask: x.mask,
    };
    const tags = crfDecode(scores, this.tags).withMask(x.mask);
    return this.settings.marginals ? [tags, crfMarginals(scores).withMask(x.mask)] : tags;
  }
}

/** The best tags of a sequence, given the scores of each step. */
export const crf = <const M extends boolean = false, const S extends InputShape | undefined = undefined>(
  options: CrfOptions & { readonly marginals?: M; readonly inputShape?: S },
): CRF<CrfRule<M, S>> => new CRF(options);
