// The fused cells as equations, written from the papers for the tests alone.
import * as ops from "../../src/graph/build.js";
import type { SymbolicTensor, TensorType } from "../../src/graph/ir.js";
import { known } from "../reference.js";

// T time, B batch, D input features, H units, G gates.

type X = SymbolicTensor;

/** The activations that the fused kernels know, with Keras's parameters. */
export const activations: Record<ops.FusedActivation, (x: X) => X> = {
  linear: (x) => x,
  tanh: ops.tanh,
  sigmoid: ops.sigmoid,
  relu: ops.relu,
  hardSigmoid: (x) => ops.div(ops.clipByValue(ops.add(x, 3), 0, 6), 6),
  hardSigmoidKeras2: (x) => ops.clipByValue(ops.add(ops.mul(x, 0.2), 0.5), 0, 1),
  softsign: (x) => ops.div(x, ops.add(1, ops.abs(x))),
  elu: (x) => ops.where(ops.greater(x, 0), x, ops.expm1(ops.minimum(x, 0))),
  // Klambauer et al. 2017.
  selu: (x) =>
    ops.mul(
      1.0507009873554805,
      ops.where(ops.greater(x, 0), x, ops.mul(1.6732632423543772, ops.expm1(ops.minimum(x, 0)))),
    ),
  softplus: ops.softplus,
  exponential: ops.exp,
  hardTanh: (x) => ops.clipByValue(x, -1, 1),
  relu6: (x) => ops.clipByValue(x, 0, 6),
  leakyRelu: (x) => ops.where(ops.greater(x, 0), x, ops.mul(x, 0.2)),
};

/** G: blocks of H columns in the kernels of a cell. */
export const gatesOf: Record<ops.FusedCell, number> = { simple: 1, lstm: 4, gru: 3, gruResetBefore: 3 };
export const biasShape = (cell: ops.FusedCell, H: number): number[] =>
  cell === "gru" ? [2, 3 * H] : [gatesOf[cell] * H];

export interface Cell extends ops.Fused {
  readonly units: number;
  readonly bias: boolean;
  readonly dropout: boolean;
}

/** One time step of a cell: x [B, D], states [B, H], constants kernel, recurrentKernel, bias?, dropout?. */
export function equations({ cell, units: H, ...rest }: Cell): ops.ScanOptions["step"] {
  const [f, g] = [activations[rest.activation], activations[rest.recurrentActivation]];
  return ([x], states, constants) => {
    const [w, u, ...more] = constants;
    const bias = rest.bias ? more.shift() : undefined;
    const dropout = rest.dropout ? more.shift() : undefined;
    const h = known(states[0], "h");
    const dropped = dropout === undefined ? h : ops.mul(h, dropout);
    const part = (a: X, i: number): X =>
      ops.slice(a, [...Array<number>(a.rank - 1).fill(0), i * H], [...a.shape.slice(0, -1), H]);
    const row = (i: number): X | undefined => bias && ops.squeeze(ops.slice(bias, [i, 0], [1, 3 * H]), [0]);
    const plus = (a: X, b: X | undefined): X => (b === undefined ? a : ops.add(a, b));
    const input = ops.matMul(known(x, "x"), known(w, "kernel"));
    const recurrent = ops.matMul(dropped, known(u, "recurrentKernel"));

    switch (cell) {
      case "simple": {
        // Elman 1990: h' = f(xW + hU + b)
        const next = f(plus(ops.add(input, recurrent), bias));
        return { outputs: [next], states: [next] };
      }
      case "lstm": {
        // Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000; gates i, f, c, o.
        const z = plus(ops.add(input, recurrent), bias);
        const [i, forget, o] = [g(part(z, 0)), g(part(z, 1)), g(part(z, 3))];
        const c = ops.add(ops.mul(forget, known(states[1], "c")), ops.mul(i, f(part(z, 2))));
        const next = ops.mul(o, f(c));
        return { outputs: [next], states: [next, c] };
      }
      case "gru": {
        // Cho et al. 2014 in the form of cuDNN: the reset gate acts after the recurrent product; gates z, r, h.
        const [a, b] = [plus(input, row(0)), plus(recurrent, row(1))];
        const z = g(ops.add(part(a, 0), part(b, 0)));
        const r = g(ops.add(part(a, 1), part(b, 1)));
        const candidate = f(ops.add(part(a, 2), ops.mul(r, part(b, 2))));
        return blend(z, h, candidate);
      }
      case "gruResetBefore": {
        // Cho et al. 2014: the reset gate acts on the state before its product.
        const a = plus(input, bias);
        const z = g(ops.add(part(a, 0), part(recurrent, 0)));
        const r = g(ops.add(part(a, 1), part(recurrent, 1)));
        const candidate = f(
          ops.add(part(a, 2), ops.matMul(ops.mul(r, dropped), part(known(u, "recurrentKernel"), 2))),
        );
        return blend(z, h, candidate);
      }
    }
  };
}

/** h' = z ⊙ h + (1 − z) ⊙ candidate */
function blend(z: X, h: X, candidate: X): ops.Step {
  const next = ops.add(ops.mul(z, h), ops.mul(ops.sub(1, z), candidate));
  return { outputs: [next], states: [next] };
}

/** The operands of a recurrence over a cell; all but x and the weights may be absent. */
export interface Operands {
  readonly x: X;
  readonly kernel: X;
  readonly recurrentKernel: X;
  readonly bias?: X | undefined;
  readonly dropout?: X | undefined;
  readonly h0?: X | undefined;
  readonly c0?: X | undefined;
  readonly mask?: X | undefined;
}

/** A cell over time, through its fused op or step by step. */
export function recurrence(cell: Cell, operands: Operands, fused: boolean): ops.Scanned {
  const { x, kernel, recurrentKernel, bias, dropout, h0, c0, mask } = operands;
  const state: TensorType = { shape: [x.shape[1] ?? 0, cell.units], dtype: "float32" };
  return ops.scan({
    step: equations(cell),
    sequences: [x],
    states: cell.cell === "lstm" ? [h0 ?? state, c0 ?? state] : [h0 ?? state],
    constants: [kernel, recurrentKernel, bias, dropout].filter((value) => value !== undefined),
    mask,
    fused: fused ? { as: cell, bias: cell.bias, dropout: cell.dropout } : undefined,
  });
}
