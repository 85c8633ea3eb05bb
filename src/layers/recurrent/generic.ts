import type { Field, Json, OptionsOf } from "../../config/config.js";
import { type Component, describe } from "../component.js";
import type { InputShape, IsUnknown, NeedsTime, ShapeRule, Sizes } from "../types.js";
import { type Cell, cellOf } from "./cell.js";
import { defineRecurrent, Recurrent } from "./rnn.js";
import { StackedRNNCells } from "./stacked.js";

const cellField: Field<Cell | readonly Cell[], Cell, true> = {
  required: true,
  initial: undefined,
  read: (given, where) =>
    Array.isArray(given) ? new StackedRNNCells({ cells: given }) : cellOf(given, where),
  write: (cell): Json => describe(cell),
  parse: (json, reader, where) => cellOf(reader.component(json, where), where),
};

const definition = defineRecurrent("RNN", {
  /** The equations of one step; a list of cells is stacked. */
  cell: cellField,
});
/** Options of the layer RNN. */
export type RNNOptions = OptionsOf<typeof definition.fields>;

/** [T, ..] → [T, number] with returnSequences (Q), else [number], and with returnState (G) as many states as the cell has. */
export interface RNNRule<
  Q extends boolean,
  S extends InputShape | undefined = undefined,
  G extends boolean = false,
> extends ShapeRule {
  readonly given: S;
  readonly further: G extends true ? readonly Sizes[] : undefined;
  readonly out: boolean extends Q
    ? Sizes
    : IsUnknown<this["in"]> extends true
      ? Sizes
      : this["in"] extends readonly [infer T extends number, number, ...number[]]
        ? Q extends true
          ? readonly [T, ...number[]]
          : Sizes
        : NeedsTime<"rnn", S>;
}

/** A recurrent layer over a cell of your own, or over several. [B, T, ..] → [B, T, ..] or [B, ..]. */
export class RNN<R extends ShapeRule = ShapeRule> extends Recurrent<R, typeof definition.fields> {
  static readonly definition = definition;

  constructor(options: RNNOptions) {
    super(definition, options, ({ cell }) => cell);
  }

  override copy(changes: object = {}): Component {
    return super.copy({ cell: this.cell.copy(), ...changes });
  }
}

/** A recurrent layer over a cell, or over a list of cells. */
export const rnn = <
  const Q extends boolean = false,
  const S extends InputShape | undefined = undefined,
  const G extends boolean = false,
>(
  options: RNNOptions & { readonly returnSequences?: Q; readonly returnState?: G; readonly inputShape?: S },
): RNN<RNNRule<Q, S, G>> => new RNN(options);
