import { type Fields, type OptionsOf, type SettingsOf, snakeCase } from "../../config/config.js";
import { flag } from "../../config/fields.js";
import { sameShape } from "../../graph/dim.js";
import type { StateVariable, SymbolicTensor, TensorType } from "../../graph/ir.js";
import { cast, greater, mul, where } from "../../graph/ops/elementwise.js";
import { sum } from "../../graph/ops/reduce.js";
import { scan } from "../../graph/ops/scan.js";
import { expandDims, reshape, reverse, slice, transpose } from "../../graph/ops/shape.js";
import type { Component, Definition } from "../component.js";
import {
  batchShapeText,
  type CallContext,
  defineLayer,
  type Inputs,
  type InputTypes,
  type Kept,
  Layer,
  type LayerFields,
} from "../layer.js";
import type { ShapeRule } from "../types.js";
import { asStep, type Cell } from "./cell.js";

// B batch, T time, D input features, H units. Layers are [B, T, ..], scans [T, B, ..].

/** The fields that every recurrent layer has. */
export const recurrentFields = {
  /** The output of every step, [B, T, H], instead of the last one, [B, H]; default false. */
  returnSequences: flag(false),
  /** The final states too, as further outputs; default false. */
  returnState: flag(false),
  /** From the last step to the first; sequences come out in that order; default false. */
  goBackwards: flag(false),
  /** Each batch goes on from the final states of the one before; needs a fixed batch size; default false. */
  stateful: flag(false),
  /** Whether the output is 0 at masked steps, instead of that of the step before; default false. */
  zeroOutputForMask: flag(false),
  /** Without effect; kept for configurations of Keras, where it trades memory for speed. Default false. */
  unroll: flag(false),
};
/** The fields that every recurrent layer's configuration has. */
export type RecurrentFields = LayerFields & typeof recurrentFields;

/** A recurrent layer's definition: its cell's fields, those of all recurrent layers, those of all layers. */
export const defineRecurrent = <F extends Fields>(
  className: string,
  fields: F,
): Definition<F & typeof recurrentFields & LayerFields> =>
  defineLayer(className, { ...recurrentFields, ...fields }, { inputs: "several", maskNote: recurrentNote });

const recurrentNote =
  "States stay as they are at steps that do not count. With returnSequences the mask goes on, in the order of the output (Keras leaves it in that of the input); else the output is that of the last step that counts.";

/** Axes 0 and 1 swapped: [B, T, ..] ↔ [T, B, ..]. */
export const swap = (x: SymbolicTensor): SymbolicTensor =>
  transpose(x, [1, 0, ...[...x.shape.keys()].slice(2)]);

/** A mask with axes of size 1 appended, up to `rank` axes. */
const wide = (mask: SymbolicTensor, rank: number): SymbolicTensor =>
  reshape(mask, [...mask.shape, ...Array<number>(rank - mask.rank).fill(1)]);

/** [T, ..] → [..] */
const lastOf = (y: SymbolicTensor): SymbolicTensor => reshape(slice(y, [-1], [1]), y.shape.slice(1));

/** A cell over time: x [B, T, ..] → [B, T, H] or [B, H], and the final states [B, ..] if asked for. */
export class Recurrent<
  R extends ShapeRule = ShapeRule,
  F extends RecurrentFields = RecurrentFields,
> extends Layer<R, F> {
  declare readonly settings: SettingsOf<F> & SettingsOf<RecurrentFields>;
  readonly cell: Cell;
  #states: readonly StateVariable[] = [];

  /** @param makeCell called once the options are known to be right */
  constructor(definition: Definition<F>, options: OptionsOf<F>, makeCell: (settings: SettingsOf<F>) => Cell) {
    super(definition, options);
    this.cell = makeCell(this.settings);
    this.cell.attach(this, "cell", this.cell.name ?? snakeCase(this.cell.className));
  }

  override parts(): readonly Component[] {
    return [this.cell];
  }

  override states(): readonly StateVariable[] {
    return this.#states;
  }

  protected override checkInputs([x]: InputTypes): void {
    const { shape } = x;
    const steps = this.cell.inputRank === undefined ? undefined : this.cell.inputRank + 1;
    if (shape.length >= 3 && (steps === undefined || shape.length === steps)) {
      if (steps !== undefined && typeof shape.at(-1) === "number") this.features(x);
      return;
    }
    const reshape = "ive every time step a single axis of features, for example with reshape";
    const fix =
      shape.length > 3
        ? typeof shape[1] === "number"
          ? `G${reshape}`
          : `Leave the batch axis out of inputShape, as in [${shape.slice(2).map(String).join(", ")}], or g${reshape}`
        : this.settings.inputShape !== null
          ? "Set inputShape to [time, features]"
          : "Set returnSequences: true on the layer before; flatten steps one by one with timeDistributed; or make a time axis with reshape";
    throw this.error(batchShapeText(shape), "[batch, time, features]", fix);
  }

  protected override declareWeights([{ shape }]: InputTypes): void {
    const [batch, , ...features] = shape;
    this.cell.build([batch ?? 1, ...features]);
    if (!this.settings.stateful) return;
    if (typeof batch !== "number") {
      throw this.error(
        `${batchShapeText(shape)} with stateful: true`,
        "a fixed number of rows",
        "Set batchSize on the first layer of the model",
      );
    }
    this.#states = this.cell.stateShapes.map((state, i) => ({
      name: `${this.path}/state_${i}`,
      shape: [batch, ...state],
      dtype: "float32",
      role: "recurrent",
    }));
  }

  /**
   * @param inputs x [B, T, ..], with its mask [B, T] if it has one; after it, if any, the states before the first step,
   *   [B, ..] each (default: zeros, or the layer's own if stateful)
   * @returns the output, or with returnState the output and the final states
   */
  override call([x, ...further]: Inputs, context: CallContext): SymbolicTensor | readonly SymbolicTensor[] {
    const initialState = further.length === 0 ? undefined : further;
    const { returnSequences, returnState, goBackwards } = this.settings;
    const direct = (y: SymbolicTensor): SymbolicTensor => (goBackwards ? reverse(y, 0) : y);
    const mask = x.mask && direct(swap(x.mask));
    const kept: Kept[] = [];
    const { stream } = context;
    const keep =
      stream &&
      ((type: TensorType): SymbolicTensor => {
        const own = stream.kept(this, type);
        kept.push(own);
        return own.before;
      });
    const before = [...this.#stateBefore(x, context, initialState, keep)];
    const keptStates = kept.splice(0);
    const after: SymbolicTensor[] = [];
    let ys = direct(swap(cast(x.withMask(undefined), "float32")));
    for (const run of this.cell.begin(x.shape[0] ?? 1, x.shape.at(-1) ?? 1, context)) {
      const dropped = run.inputDropout === undefined ? ys : mul(ys, expandDims(run.inputDropout, 0));
      const scanned = scan({
        step: ([now = x], states, constants) => asStep(run.step(now, states, constants)),
        sequences: [dropped],
        states: before.splice(0, run.stateCount),
        constants: run.constants,
        mask,
        before: keep,
        fused: run.fused,
      });
      after.push(...scanned.states);
      ys = scanned.outputs[0] ?? ys;
      kept.pop()?.keep(lastOf(ys));
    }
    after.forEach((state, i) => {
      keptStates[i]?.keep(state);
    });
    this.#states.forEach((variable, i) => {
      const state = after[i];
      if (state !== undefined) context.writeState(variable, state);
    });
    const given = initialState !== undefined || this.settings.stateful;
    const output = returnSequences
      ? this.#sequence(ys, mask, x.mask)
      : this.#last(ys, keep === undefined ? after : [], mask, given);
    return returnState ? [output, ...after] : output;
  }

  #stateBefore(
    x: SymbolicTensor,
    context: CallContext,
    given: readonly SymbolicTensor[] | undefined,
    keep: ((type: TensorType) => SymbolicTensor) | undefined,
  ): readonly (SymbolicTensor | TensorType)[] {
    const batch = x.shape[0] ?? 1;
    const types = this.cell.stateShapes.map((s): TensorType => ({ shape: [batch, ...s], dtype: "float32" }));
    if (given === undefined) {
      if (keep !== undefined) return types.map(keep);
      return this.#states.length > 0 ? this.#states.map((variable) => context.readState(variable)) : types;
    }
    if (given.length !== types.length || given.some((s, i) => !sameShape(s.shape, types[i]?.shape ?? []))) {
      throw this.error(
        `an initialState of ${given.map((s) => batchShapeText(s.shape)).join(", ") || "no states"}`,
        types.map((t) => batchShapeText(t.shape)).join(", "),
        "Give one state for each that the layer returns with returnState: true",
      );
    }
    return given;
  }

  /** [T, B, H] → [B, T, H] in the order of the run; its mask likewise. */
  #sequence(
    ys: SymbolicTensor,
    mask: SymbolicTensor | undefined,
    outer: SymbolicTensor | undefined,
  ): SymbolicTensor {
    const { goBackwards, zeroOutputForMask } = this.settings;
    const kept = mask !== undefined && zeroOutputForMask ? where(wide(mask, ys.rank), ys, 0) : ys;
    return swap(kept).withMask(outer !== undefined && goBackwards ? reverse(outer, 1) : outer);
  }

  /** The output of the last step that counts: [B, H]; 0 in rows without one. */
  #last(
    ys: SymbolicTensor,
    states: readonly SymbolicTensor[],
    mask: SymbolicTensor | undefined,
    given: boolean,
  ): SymbolicTensor {
    const at = this.cell.outputState;
    const state = at === undefined ? undefined : states[at];
    const last = state ?? lastOf(ys);
    if (mask === undefined) return last;
    if (this.settings.zeroOutputForMask) return where(wide(lastOf(mask), last.rank), last, 0);
    // A row without a step that counts ends in its initial state, but its output is 0.
    if (state === undefined || !given) return last;
    return where(wide(greater(sum(cast(mask, "int32"), 0), 0), last.rank), last, 0);
  }
}
