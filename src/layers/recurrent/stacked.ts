import { type Field, type Json, type OptionsOf, snakeCase } from "../../config/config.js";
import { RondoError, valueText } from "../../errors.js";
import type { Dim, Shape } from "../../graph/dim.js";
import type { SymbolicTensor } from "../../graph/ir.js";
import { type Component, describe, type WeightContext } from "../component.js";
import { Cell, type CellOutput, type CellRun, cellOf, defineCell } from "./cell.js";

const cellsField: Field<readonly Cell[], readonly Cell[], true> = {
  required: true,
  initial: undefined,
  read(given, where) {
    if (Array.isArray(given) && given.length > 0) return given.map((cell) => cellOf(cell, where));
    throw new RondoError({
      where,
      received: Array.isArray(given) ? "no cells" : valueText(given),
      expected: "a list of cells",
      fix: "Write for example cells: [lstmCell({ units: 32 }), lstmCell({ units: 32 })]",
    });
  },
  write: (cells): Json => cells.map(describe),
  parse: (json, reader, where) =>
    (Array.isArray(json) ? json : []).map((entry: Json) => cellOf(reader.component(entry, where), where)),
};

const definition = defineCell("StackedRNNCells", {
  /** The first takes the input, each next one the output of the one before. */
  cells: cellsField,
});
/** Options of the cell StackedRNNCells. */
export type StackedRNNCellsOptions = OptionsOf<typeof definition.fields>;

/** Several cells as one: in every time step the input goes through all of them. States: those of the cells in turn. */
export class StackedRNNCells extends Cell<typeof definition.fields> {
  static readonly definition = definition;

  constructor(options: StackedRNNCellsOptions) {
    super(definition, options);
    const names = new Map<string, number>();
    for (const [place, cell] of this.cells.entries()) {
      if (this.cells.indexOf(cell) < place) continue;
      const base = cell.name ?? snakeCase(cell.className);
      const count = names.get(base) ?? 0;
      names.set(base, count + 1);
      const name = count === 0 ? base : `${base}_${count}`;
      cell.attach(this, String(place), name, `${name}/`);
    }
  }

  get cells(): readonly Cell[] {
    return this.settings.cells;
  }

  override get stateShapes(): readonly (readonly number[])[] {
    return this.cells.flatMap((cell) => cell.stateShapes);
  }

  override get outputState(): number | undefined {
    const last = this.cells.at(-1);
    return last?.outputState === undefined
      ? undefined
      : this.stateShapes.length - last.stateShapes.length + last.outputState;
  }

  override get inputRank(): number | undefined {
    return this.cells[0]?.inputRank;
  }

  override parts(): readonly Component[] {
    return this.cells;
  }

  override copy(changes: object = {}): Cell {
    return cellOf(super.copy({ cells: this.cells.map((cell) => cell.copy()), ...changes }), this.where);
  }

  override build(stepShape: Shape): void {
    this.cells.reduce((shape, cell) => {
      cell.build(shape);
      return [stepShape[0] ?? 1, ...cell.outputShape];
    }, stepShape);
  }

  override begin(batch: Dim, features: Dim, context: WeightContext): readonly CellRun[] {
    let width = features;
    return this.cells.flatMap((cell) => {
      const runs = cell.begin(batch, width, context);
      width = cell.outputShape.at(-1) ?? width;
      return runs;
    });
  }

  override call(x: SymbolicTensor, states: readonly SymbolicTensor[], context: WeightContext): CellOutput {
    const given = [...states];
    let output = x;
    const after = this.cells.flatMap((cell) => {
      const next = cell.callChecked(output, given.splice(0, cell.stateShapes.length), context);
      output = next.output;
      return next.states;
    });
    return { output, states: after };
  }
}
