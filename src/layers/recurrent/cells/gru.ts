import type { OptionsOf } from "../../../config/config.js";
import { flag } from "../../../config/fields.js";
import type { SymbolicTensor } from "../../../graph/ir.js";
import { add, mul, sub } from "../../../graph/ops/elementwise.js";
import { split } from "../../../graph/ops/join.js";
import { matMul } from "../../../graph/ops/matmul.js";
import type { Fused } from "../../../graph/ops/rnn.js";
import { reshape, slice } from "../../../graph/ops/shape.js";
import { activationField } from "../../activation.js";
import { type CellOutput, defineCell } from "../cell.js";
import { type CellWeights, plusBias, UnitCell, unitFields } from "./unit.js";

export const gruFields = {
  ...unitFields,
  /** Of the gates; default sigmoid. */
  recurrentActivation: activationField("sigmoid"),
  /** Whether the reset gate acts after the recurrent product (as in cuDNN) or before it; default true. */
  resetAfter: flag(true),
};
const definition = defineCell("GRUCell", gruFields);
/** Options of the cell GRUCell. */
export type GRUCellOptions = OptionsOf<typeof definition.fields>;

/**
 * z = σ(x W_z + h U_z + b_z)   r = σ(x W_r + h U_r + b_r)
 * g = tanh(x W_g + b_g + (r ⊙ h) U_g)                reset before, Cho et al., "Learning phrase representations", 2014
 * g = tanh(x W_g + b_g + r ⊙ (h U_g + b′_g))         reset after, the form of Cho et al.'s code and of cuDNN
 * h′ = z ⊙ h + (1 − z) ⊙ g
 *
 * W, U and b hold the gates in the order z, r, g. With reset after there is a second bias b′ for the recurrent
 * products: the bias is [2, 3·H].
 */
export class GRUCell extends UnitCell<typeof definition.fields> {
  static readonly definition = definition;
  protected override readonly gates = 3;

  constructor(options: GRUCellOptions) {
    super(definition, options);
  }

  protected override get biasShape(): readonly number[] {
    const { units, resetAfter } = this.settings;
    return resetAfter ? [2, 3 * units] : [3 * units];
  }

  protected override equations(
    x: SymbolicTensor,
    [h = x]: readonly SymbolicTensor[],
    { kernel, recurrentKernel, bias, dropout }: CellWeights,
  ): CellOutput {
    const { units: H, activation, recurrentActivation, resetAfter } = this.settings;
    const row = (i: number) => bias && reshape(slice(bias, [i, 0], [1, 3 * H]), [3 * H]);
    const [inputBias, recurrentBias] = resetAfter ? [row(0), row(1)] : [bias, undefined];
    const before = dropout === undefined ? h : mul(h, dropout);
    const gates = (y: SymbolicTensor) => split(y, [H, H, H]);
    const [xz = x, xr = x, xg = x] = gates(plusBias(matMul(x, kernel), inputBias));
    const [uz = x, ur = x, ug = x] = gates(recurrentKernel);
    const part = (u: SymbolicTensor, k: number) =>
      plusBias(matMul(before, u), recurrentBias && slice(recurrentBias, [k * H], [H]));
    const z = recurrentActivation.apply(add(xz, part(uz, 0)));
    const r = recurrentActivation.apply(add(xr, part(ur, 1)));
    const recurrent = resetAfter ? mul(r, part(ug, 2)) : matMul(mul(r, before), ug);
    const g = activation.apply(add(xg, recurrent));
    const next = add(mul(z, h), mul(sub(1, z), g));
    return { output: next, states: [next], inner: { z, r, g } };
  }

  protected override fusedAs(): Fused | undefined {
    const [activation, gates] = [this.settings.activation.fused, this.settings.recurrentActivation.fused];
    const cell = this.settings.resetAfter ? "gru" : "gruResetBefore";
    return activation && gates && { cell, activation, recurrentActivation: gates };
  }
}
