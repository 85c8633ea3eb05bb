import { type Field, type JsonObject, type OptionsOf, snakeCase } from "../../config/config.js";
import { choice } from "../../config/fields.js";
import { RondoError, valueText } from "../../errors.js";
import type { Shape } from "../../graph/dim.js";
import type { StateVariable, SymbolicTensor } from "../../graph/ir.js";
import { add, mul } from "../../graph/ops/elementwise.js";
import { concat } from "../../graph/ops/join.js";
import { reverse } from "../../graph/ops/shape.js";
import { type Component, describe } from "../component.js";
import { type CallContext, defineLayer, type Inputs, type InputTypes, Layer } from "../layer.js";
import type { InputShape, NeedsTime, OutputOf, ShapeRule, Sizes } from "../types.js";
import { Recurrent } from "./rnn.js";

function recurrentOf(value: unknown, where: string): Recurrent {
  if (value instanceof Recurrent) return value;
  throw new RondoError({
    where,
    received: value instanceof Layer ? `the layer ${value.where}` : valueText(value),
    expected: "a recurrent layer",
    fix: "Write for example layer: lstm({ units: 64 })",
  });
}

/** Both layers stand in `config()`, as they are, not as they were given. */
const layerRules: Omit<Field<Recurrent, Recurrent>, "required" | "initial"> = {
  read: recurrentOf,
  write: () => undefined,
  parse: (json, reader, where) => recurrentOf(reader.component(json, where), where),
};
const layerField: Field<Recurrent, Recurrent, true> = { required: true, initial: undefined, ...layerRules };
const optionalLayer: Field<Recurrent | undefined, Recurrent | undefined, false> = {
  required: false,
  initial: undefined,
  ...layerRules,
  parse: (json, reader, where) => (json === null ? undefined : layerRules.parse(json, reader, where)),
};

/** How the outputs of the two directions become one; null: they stay two. */
export type MergeMode = "concat" | "sum" | "mul" | "ave" | null;

const definition = defineLayer(
  "Bidirectional",
  {
    /** The recurrent layer for the forward direction; it is copied, so it can be used elsewhere too. */
    layer: layerField,
    /** The layer for the backward direction; default: as `layer`, with goBackwards. */
    backwardLayer: optionalLayer,
    /** How the two outputs are joined; null: both are returned. Default concat. */
    mergeMode: choice<MergeMode>("concat", ["concat", "sum", "mul", "ave", null]),
  },
  { inputs: "several", maskNote: "Like the layers within; the output is 0 at steps that do not count." },
);
/** Options of the layer Bidirectional. */
export type BidirectionalOptions = OptionsOf<typeof definition.fields>;

/**
 * The output of the layer inside; its last size is told unless two are joined (the types do no arithmetic). After it the
 * output of the backward layer, where they are not merged, and the states of both.
 */
export interface BidirectionalRule<L extends ShapeRule, M extends MergeMode, S extends InputShape | undefined>
  extends ShapeRule {
  readonly given: S;
  readonly out: Merged<OutputOf<L, this["in"]>, M, S>;
  readonly further: [M] extends [null] ? [Sizes, ...StatesOf<L>] : StatesOf<L, undefined>;
}
/** The states of the layer in both directions. */
type StatesOf<L extends ShapeRule, None = []> = L extends {
  readonly further: infer States extends readonly Sizes[];
}
  ? [...States, ...States]
  : None;
type Merged<Out, M extends MergeMode, S> = Out extends Sizes
  ? null extends M
    ? Sizes
    : "concat" extends M
      ? Out extends readonly [...infer Lead extends readonly number[], number]
        ? [...Lead, number]
        : Sizes
      : Out
  : [S] extends [InputShape]
    ? NeedsTime<"bidirectional", S>
    : Out;

const flags = ["returnSequences", "returnState", "stateful"] as const;

/**
 * A recurrent layer run in both directions (Schuster & Paliwal, "Bidirectional recurrent neural networks", 1997).
 * x [B, T, D] → [B, T, 2·H] (concat) or [B, T, H], without the time axis where the layer has no returnSequences. The
 * backward outputs are put in the order of time. At masked steps the outputs are 0.
 */
export class Bidirectional<R extends ShapeRule = ShapeRule> extends Layer<R, typeof definition.fields> {
  static readonly definition = definition;
  readonly forward: Recurrent;
  readonly backward: Recurrent;

  constructor(options: BidirectionalOptions) {
    super(definition, options);
    const { layer, backwardLayer } = this.settings;
    this.forward = this.#inner("forward", layer, {});
    this.backward = this.#inner(
      "backward",
      backwardLayer ?? layer,
      backwardLayer ? {} : { goBackwards: true },
    );
    const [f, b] = [this.forward.settings, this.backward.settings];
    if (f.goBackwards || !b.goBackwards) {
      throw this.error(
        `a forward layer with goBackwards: ${f.goBackwards} and a backward layer with ${b.goBackwards}`,
        "goBackwards in the backward layer alone",
        "Leave goBackwards out of layer, and set it in backwardLayer if you give one",
      );
    }
    const different = flags.find((flag) => f[flag] !== b[flag]);
    if (different !== undefined) {
      throw this.error(
        `${different}: ${f[different]} in layer and ${b[different]} in backwardLayer`,
        "the same in both",
        `Set ${different} alike in layer and backwardLayer`,
      );
    }
  }

  #inner(side: string, layer: Recurrent, changes: object): Recurrent {
    const base = layer.name?.replace(/^(forward|backward)_/, "") ?? snakeCase(layer.className);
    const name = `${side}_${base}`;
    const inner = recurrentOf(
      layer.copy({
        zeroOutputForMask: layer.settings.returnSequences,
        inputShape: this.settings.inputShape ?? layer.settings.inputShape,
        trainable: layer.trainable,
        ...changes,
      }),
      this.where,
    );
    inner.attach(this, side, name, `${name}/`);
    return inner;
  }

  override get givenShape(): Shape | undefined {
    return super.givenShape ?? this.settings.layer.givenShape;
  }

  override parts(): readonly Component[] {
    return [this.forward, this.backward];
  }

  override states(): readonly StateVariable[] {
    return [...this.forward.states(), ...this.backward.states()];
  }

  override config(): JsonObject {
    return { ...super.config(), layer: describe(this.forward), backward_layer: describe(this.backward) };
  }

  protected override checkInputs([x]: InputTypes): void {
    this.forward.build([x]);
    this.backward.build([x]);
  }

  /** Initial states, after x: the states of the forward layer, then those of the backward layer. */
  override call(
    [x, ...initialState]: Inputs,
    context: CallContext,
  ): SymbolicTensor | readonly SymbolicTensor[] {
    const { mergeMode, layer } = this.settings;
    const half = initialState.length / 2;
    const run = (inner: Recurrent, states: readonly SymbolicTensor[]) => {
      const [output = x, ...after] = inner.callChecked([x, ...states], context);
      return { output: output.withMask(undefined), after };
    };
    const ahead = run(this.forward, initialState.slice(0, half));
    const back = run(this.backward, initialState.slice(half));
    const sequences = layer.settings.returnSequences;
    const inTime = sequences ? reverse(back.output, 1) : back.output;
    const mask = sequences ? x.mask : undefined;
    const outputs = merge(mergeMode, ahead.output, inTime).map((y) => y.withMask(mask));
    const all = [...outputs, ...ahead.after, ...back.after];
    const [only] = all;
    return all.length === 1 && only !== undefined ? only : all;
  }
}

function merge(mode: MergeMode, a: SymbolicTensor, b: SymbolicTensor): readonly SymbolicTensor[] {
  switch (mode) {
    case "concat":
      return [concat([a, b], -1)];
    case "sum":
      return [add(a, b)];
    case "mul":
      return [mul(a, b)];
    case "ave":
      return [mul(add(a, b), 0.5)];
    case null:
      return [a, b];
  }
}

/** A recurrent layer run in both directions. */
export const bidirectional = <
  L extends ShapeRule,
  const M extends MergeMode = "concat",
  const S extends InputShape | undefined = undefined,
>(
  options: Omit<BidirectionalOptions, "layer"> & {
    readonly layer: Recurrent<L>;
    readonly mergeMode?: M;
    readonly inputShape?: S;
  },
): Bidirectional<BidirectionalRule<L, M, S>> => new Bidirectional(options);
