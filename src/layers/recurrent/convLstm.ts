import type { OptionsOf } from "../../config/config.js";
import type { Definition } from "../component.js";
import { batchShapeText, type InputTypes } from "../layer.js";
import { activityField } from "../penalties.js";
import type { InputShape, IsUnknown, ShapeError, ShapeRule, Sizes } from "../types.js";
import { ConvLSTMCell, type ConvLSTMCellOptions, convLstmFields } from "./cells/convLstm.js";
import { forCell } from "./layers.js";
import { defineRecurrent, Recurrent, type RecurrentFields } from "./rnn.js";

// B batch, T time, H height, W width, C channels, F filters.

const definitions = {
  1: defineRecurrent("ConvLSTM1D", { ...convLstmFields(1), ...activityField }),
  2: defineRecurrent("ConvLSTM2D", { ...convLstmFields(2), ...activityField }),
};
type ConvLSTMLayerFields = RecurrentFields & ReturnType<typeof convLstmFields> & typeof activityField;
export type ConvLSTMOptions = OptionsOf<ConvLSTMLayerFields>;

/** [T, ..axes, C] → [T, number.., F] with returnSequences (Q), else [number.., F]; N is the number of axes. */
export interface ConvLSTMRule<
  Kind extends string,
  N extends 1 | 2,
  F extends number,
  Q extends boolean,
  S extends InputShape | undefined = undefined,
  G extends boolean = false,
> extends ShapeRule {
  readonly given: S;
  readonly further: G extends true ? readonly [[...Open[N], F], [...Open[N], F]] : undefined;
  readonly out: boolean extends Q
    ? Sizes
    : IsUnknown<this["in"]> extends true
      ? Q extends true
        ? [number, ...Open[N], F]
        : [...Open[N], F]
      : this["in"] extends readonly [infer T extends number, ...Open[N], number]
        ? Q extends true
          ? [T, ...Open[N], F]
          : [...Open[N], F]
        : ShapeError<`${Kind} needs ${Needs[N]}`>;
}
interface Open {
  1: [number];
  2: [number, number];
}
interface Needs {
  1: "[batch, time, width, channels]";
  2: "[batch, time, height, width, channels]";
}

/** An LSTM whose products are convolutions, over one or two axes; equations in `ConvLSTMCell`. */
abstract class ConvLSTM<R extends ShapeRule> extends Recurrent<R, ConvLSTMLayerFields> {
  constructor(
    readonly axes: 1 | 2,
    options: ConvLSTMOptions,
  ) {
    const own = convLstmFields(axes);
    super(
      definitions[axes] as Definition<ConvLSTMLayerFields>,
      options,
      () => new ConvLSTMCell(axes, forCell<ConvLSTMCellOptions>(options, own)),
    );
  }

  protected override checkInputs([x]: InputTypes): void {
    if (x.shape.length === this.axes + 3) {
      this.features(x);
      return;
    }
    const axes = this.axes === 1 ? "width" : "height, width";
    throw this.error(
      batchShapeText(x.shape),
      `[batch, time, ${axes}, channels]`,
      x.shape.length < this.axes + 3
        ? `Give every sample all these axes, as in inputShape: [time, ${axes}, 1]; reshape adds an axis of one channel`
        : `Leave the batch axis out of inputShape, as in [time, ${axes}, channels]`,
    );
  }
}

/** Over sequences of lines: [B, T, W, C] → [B, T, W′, F] or [B, W′, F]. */
export class ConvLSTM1D<R extends ShapeRule = ShapeRule> extends ConvLSTM<R> {
  static readonly definition = definitions[1];
  constructor(options: ConvLSTMOptions) {
    super(1, options);
  }
}

/** Over sequences of pictures: [B, T, H, W, C] → [B, T, H′, W′, F] or [B, H′, W′, F]. */
export class ConvLSTM2D<R extends ShapeRule = ShapeRule> extends ConvLSTM<R> {
  static readonly definition = definitions[2];
  constructor(options: ConvLSTMOptions) {
    super(2, options);
  }
}

interface Told<F extends number, Q extends boolean, S extends InputShape | undefined, G extends boolean> {
  readonly filters: F;
  readonly returnSequences?: Q;
  readonly returnState?: G;
  readonly inputShape?: S;
}

/** An LSTM of convolutions over sequences of lines. */
export const convLstm1d = <
  const F extends number,
  const Q extends boolean = false,
  const S extends InputShape | undefined = undefined,
  const G extends boolean = false,
>(
  options: ConvLSTMOptions & Told<F, Q, S, G>,
): ConvLSTM1D<ConvLSTMRule<"convLstm1d", 1, F, Q, S, G>> => new ConvLSTM1D(options);

/** An LSTM of convolutions over sequences of pictures. */
export const convLstm2d = <
  const F extends number,
  const Q extends boolean = false,
  const S extends InputShape | undefined = undefined,
  const G extends boolean = false,
>(
  options: ConvLSTMOptions & Told<F, Q, S, G>,
): ConvLSTM2D<ConvLSTMRule<"convLstm2d", 2, F, Q, S, G>> => new ConvLSTM2D(options);
