import type { Fields, OptionsOf } from "../../config/config.js";
import { activityField } from "../penalties.js";
import type { InputShape, IsUnknown, NeedsTime, ShapeError, ShapeRule, Sizes } from "../types.js";
import { GRUCell, gruFields } from "./cells/gru.js";
import { LSTMCell, lstmFields } from "./cells/lstm.js";
import { SimpleRNNCell, simpleFields } from "./cells/simple.js";
import { defineRecurrent, Recurrent } from "./rnn.js";

/** [T, D] → [T, U] with returnSequences (Q), else [U], and with returnState (G) States; Kind is the name in the message. */
export interface RecurrentRule<
  Kind extends string,
  U extends number,
  Q extends boolean,
  S extends InputShape | undefined = undefined,
  G extends boolean = false,
  States extends readonly Sizes[] = readonly Sizes[],
> extends ShapeRule {
  readonly given: S;
  readonly further: G extends true ? States : undefined;
  readonly out: boolean extends Q
    ? Sizes
    : IsUnknown<this["in"]> extends true
      ? Q extends true
        ? [number, U]
        : [U]
      : this["in"] extends readonly [infer T extends number, number]
        ? Q extends true
          ? [T, U]
          : [U]
        : this["in"] extends readonly [] | readonly [number]
          ? NeedsTime<Kind, S>
          : ShapeError<`${Kind} needs [batch, time, features]; give every time step one axis of features`>;
}

/** The options that the types follow, as literals. */
export interface Told<
  U extends number,
  Q extends boolean,
  S extends InputShape | undefined,
  G extends boolean = false,
> {
  readonly units: U;
  readonly returnSequences?: Q;
  readonly returnState?: G;
  readonly inputShape?: S;
}

/** The options that are the cell's own. */
export const forCell = <O extends object>(options: O, fields: Fields): O =>
  Object.fromEntries(Object.entries(options).filter(([name]) => name in fields)) as O;

const simpleDefinition = defineRecurrent("SimpleRNN", { ...simpleFields, ...activityField });
/** Options of the layer SimpleRNN. */
export type SimpleRNNOptions = OptionsOf<typeof simpleDefinition.fields>;

/** A fully connected recurrent layer; equations in `SimpleRNNCell`. [B, T, D] → [B, T, units] or [B, units]. */
export class SimpleRNN<R extends ShapeRule = ShapeRule> extends Recurrent<R, typeof simpleDefinition.fields> {
  static readonly definition = simpleDefinition;

  constructor(options: SimpleRNNOptions) {
    super(simpleDefinition, options, () => new SimpleRNNCell(forCell(options, simpleFields)));
  }
}

/** `SimpleRNN` from its options. */
export const simpleRNN = <
  const U extends number,
  const Q extends boolean = false,
  const S extends InputShape | undefined = undefined,
  const G extends boolean = false,
>(
  options: SimpleRNNOptions & Told<U, Q, S, G>,
): SimpleRNN<RecurrentRule<"simpleRNN", U, Q, S, G, [[U]]>> => new SimpleRNN(options);

const lstmDefinition = defineRecurrent("LSTM", { ...lstmFields, ...activityField });
/** Options of the layer LSTM. */
export type LSTMOptions = OptionsOf<typeof lstmDefinition.fields>;

/** Long short-term memory; equations in `LSTMCell`. [B, T, D] → [B, T, units] or [B, units]. */
export class LSTM<R extends ShapeRule = ShapeRule> extends Recurrent<R, typeof lstmDefinition.fields> {
  static readonly definition = lstmDefinition;

  constructor(options: LSTMOptions) {
    super(lstmDefinition, options, () => new LSTMCell(forCell(options, lstmFields)));
  }
}

/** `LSTM` from its options. */
export const lstm = <
  const U extends number,
  const Q extends boolean = false,
  const S extends InputShape | undefined = undefined,
  const G extends boolean = false,
>(
  options: LSTMOptions & Told<U, Q, S, G>,
): LSTM<RecurrentRule<"lstm", U, Q, S, G, [[U], [U]]>> => new LSTM(options);

const gruDefinition = defineRecurrent("GRU", { ...gruFields, ...activityField });
/** Options of the layer GRU. */
export type GRUOptions = OptionsOf<typeof gruDefinition.fields>;

/** Gated recurrent units; equations in `GRUCell`. [B, T, D] → [B, T, units] or [B, units]. */
export class GRU<R extends ShapeRule = ShapeRule> extends Recurrent<R, typeof gruDefinition.fields> {
  static readonly definition = gruDefinition;

  constructor(options: GRUOptions) {
    super(gruDefinition, options, () => new GRUCell(forCell(options, gruFields)));
  }
}

/** `GRU` from its options. */
export const gru = <
  const U extends number,
  const Q extends boolean = false,
  const S extends InputShape | undefined = undefined,
  const G extends boolean = false,
>(
  options: GRUOptions & Told<U, Q, S, G>,
): GRU<RecurrentRule<"gru", U, Q, S, G, [[U]]>> => new GRU(options);
