import type { OptionsOf } from "../../../config/config.js";
import type { SymbolicTensor } from "../../../graph/ir.js";
import { add, mul } from "../../../graph/ops/elementwise.js";
import { matMul } from "../../../graph/ops/matmul.js";
import type { Fused } from "../../../graph/ops/rnn.js";
import { type CellOutput, defineCell } from "../cell.js";
import { type CellWeights, plusBias, UnitCell, unitFields } from "./unit.js";

export const simpleFields = unitFields;
const definition = defineCell("SimpleRNNCell", simpleFields);
/** Options of the cell SimpleRNNCell. */
export type SimpleRNNCellOptions = OptionsOf<typeof definition.fields>;

/**
 * h′ = tanh(x W + b + h U)
 *
 * Elman, "Finding structure in time", 1990, equation of the hidden units with context.
 */
export class SimpleRNNCell extends UnitCell<typeof definition.fields> {
  static readonly definition = definition;
  protected override readonly gates = 1;

  constructor(options: SimpleRNNCellOptions) {
    super(definition, options);
  }

  protected override equations(
    x: SymbolicTensor,
    [h = x]: readonly SymbolicTensor[],
    { kernel, recurrentKernel, bias, dropout }: CellWeights,
  ): CellOutput {
    const before = dropout === undefined ? h : mul(h, dropout);
    const sum = add(plusBias(matMul(x, kernel), bias), matMul(before, recurrentKernel));
    const next = this.settings.activation.apply(sum);
    return { output: next, states: [next] };
  }

  protected override fusedAs(): Fused | undefined {
    const { fused } = this.settings.activation;
    return fused && { cell: "simple", activation: fused, recurrentActivation: "linear" };
  }
}
