import type { OptionsOf } from "../../../config/config.js";
import { flag } from "../../../config/fields.js";
import type { SymbolicTensor } from "../../../graph/ir.js";
import { add, mul } from "../../../graph/ops/elementwise.js";
import { concat, split } from "../../../graph/ops/join.js";
import { matMul } from "../../../graph/ops/matmul.js";
import type { Fused } from "../../../graph/ops/rnn.js";
import { ones } from "../../../graph/ops/source.js";
import { activationField } from "../../activation.js";
import type { Initializer } from "../../initializers.js";
import { type CellOutput, defineCell } from "../cell.js";
import { type CellWeights, plusBias, UnitCell, unitFields } from "./unit.js";

export const lstmFields = {
  ...unitFields,
  /** Of the gates; default sigmoid. */
  recurrentActivation: activationField("sigmoid"),
  /** Whether the forget gate's bias starts at 1 (Jozefowicz et al. 2015); default true. */
  unitForgetBias: flag(true),
};
const definition = defineCell("LSTMCell", lstmFields);
/** Options of the cell LSTMCell. */
export type LSTMCellOptions = OptionsOf<typeof definition.fields>;

/**
 * i = σ(x Wᵢ + h Uᵢ + bᵢ)   f = σ(x W_f + h U_f + b_f)   o = σ(x Wₒ + h Uₒ + bₒ)
 * g = tanh(x W_c + h U_c + b_c)   c′ = f ⊙ c + i ⊙ g
 * h′ = o ⊙ tanh(c′)
 *
 * Hochreiter & Schmidhuber, "Long short-term memory", 1997, with the forget gate of Gers et al., "Learning to forget",
 * 2000. W, U and b hold the gates in the order i, f, c, o. States: h, c.
 */
export class LSTMCell extends UnitCell<typeof definition.fields> {
  static readonly definition = definition;
  protected override readonly gates = 4;

  constructor(options: LSTMCellOptions) {
    super(definition, options);
  }

  override get stateShapes(): readonly (readonly number[])[] {
    return [[this.settings.units], [this.settings.units]];
  }

  protected override equations(
    x: SymbolicTensor,
    [h = x, c = x]: readonly SymbolicTensor[],
    { kernel, recurrentKernel, bias, dropout }: CellWeights,
  ): CellOutput {
    const { units, activation, recurrentActivation } = this.settings;
    const before = dropout === undefined ? h : mul(h, dropout);
    const z = plusBias(add(matMul(x, kernel), matMul(before, recurrentKernel)), bias);
    const [zi = z, zf = z, zc = z, zo = z] = split(z, [units, units, units, units]);
    const [i = z, f = z, o = z] = [zi, zf, zo].map((gate) => recurrentActivation.apply(gate));
    const g = activation.apply(zc);
    const cell = add(mul(f, c), mul(i, g));
    const hidden = mul(o, activation.apply(cell));
    return { output: hidden, states: [hidden, cell], inner: { i, f, g, o, c: cell } };
  }

  protected override fusedAs(): Fused | undefined {
    const [activation, gates] = [this.settings.activation.fused, this.settings.recurrentActivation.fused];
    return activation && gates && { cell: "lstm", activation, recurrentActivation: gates };
  }

  protected override get biasInitializer(): Initializer {
    const { units, unitForgetBias, biasInitializer } = this.settings;
    return unitForgetBias ? forgetBias(biasInitializer, units) : biasInitializer;
  }
}

/** Biases of the gates i, f, c, o of `units` each, with ones for f. */
export const forgetBias = (initializer: Initializer, units: number): Initializer => ({
  ...initializer,
  values: (_shape, source, stream, place = 0) =>
    concat(
      [
        initializer.values([units], source, stream, place),
        ones([units]),
        initializer.values([2 * units], source, stream + 1, place + 1),
      ],
      0,
    ),
});
