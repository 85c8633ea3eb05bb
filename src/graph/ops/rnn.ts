import { RondoError } from "../../errors.js";
import type { Dim } from "../dim.js";
import { makeNode, type Node, type Op, SymbolicTensor, type TensorType } from "../ir.js";
import { noMask } from "../mask.js";
import type { ScanBody } from "./scan.js";

// T time, B batch, D input features, H units, G gates. Sequences are time-major: [T, B, ..].

/** The cells that have a kernel for whole sequences. */
export type FusedCell = "simple" | "lstm" | "gru" | "gruResetBefore";

/** Names of the activations that the fused kernels know: those whose derivative follows from their output. */
export const fusedActivations = [
  "linear",
  "tanh",
  "sigmoid",
  "relu",
  "hardSigmoid",
  "softsign",
  "elu",
  "selu",
  "softplus",
  "exponential",
  "hardTanh",
  "relu6",
  "leakyRelu",
  "hardSigmoidKeras2",
] as const;
export type FusedActivation = (typeof fusedActivations)[number];

/** That a cell's equations are those of a fused kernel, with these activations. */
export interface Fused {
  readonly cell: FusedCell;
  readonly activation: FusedActivation;
  /** Of the gates; simple cells have none. */
  readonly recurrentActivation: FusedActivation;
}

/** What an input of a fused recurrence stands for. */
export type RnnRole = "x" | "kernel" | "recurrentKernel" | "bias" | "h0" | "c0" | "mask" | "dropout";

export interface RnnAttrs extends Fused {
  readonly roles: readonly RnnRole[];
  readonly length: Dim;
  readonly units: number;
  /** The equations; inputs of the body: x, states h (and c), constants kernel, recurrentKernel, bias?, dropout?. */
  readonly body: ScanBody;
}

/** The operand of a fused recurrence (or of its gradient) with a role, where there is one. */
export function operand(node: Node<RnnAttrs>, role: RnnRole): SymbolicTensor | undefined {
  const i = node.attrs.roles.indexOf(role);
  return i < 0 ? undefined : node.inputs[i];
}

/**
 * A whole sequence through a fused cell. x [T, B, D], kernel [D, G·H], recurrentKernel [H, G·H], bias [G·H] (gru:
 * [2, 3·H]), h0, c0 [B, H] (left out: zeros), mask [T, B] (masked steps carry the states over and do not read x),
 * dropout [B, H] (multiplies h before the recurrent product; a draw, so no gradient flows to it).
 * outputs: h [T, B, H], final h [B, H], final c [B, H] (lstm), reserve (private to the kernels).
 */
export const rnnOp: Op<RnnAttrs> = {
  name: "rnn",
  infer: ([x], { length, units }) => {
    const batch = x?.shape[1] ?? 0;
    const state: TensorType = { shape: [batch, units], dtype: "float32" };
    return [
      { shape: [length, batch, units], dtype: "float32" },
      state,
      state,
      { shape: [], dtype: "float32" },
    ];
  },
  gradient: ({ node, outputs: [ys, , , reserve], grads: [dys, dh, dc], attrs, wanted }) => {
    if (ys === undefined || reserve === undefined) return [];
    const seeds = [dys, dh, dc];
    const gradient = makeNode(
      rnnGradientOp,
      [...node.inputs, ys, reserve, ...seeds.filter((g) => g !== undefined)],
      {
        ...attrs,
        seeds: seeds.map((g) => g !== undefined),
      },
    );
    return attrs.roles.map((role, i) => {
      const output = gradientOutputs.indexOf(role);
      return wanted[i] && output >= 0 ? new SymbolicTensor(gradient, output) : undefined;
    });
  },
  mask: noMask,
  kernel: { kind: "instruction", name: "rnn", laysOut: () => true },
};

export interface RnnGradientAttrs extends RnnAttrs {
  /** Which of the gradients of h [T, B, H], final h and final c are given, as the last inputs. */
  readonly seeds: readonly boolean[];
}

/** Roles whose gradients `rnnGradient` gives, in the order of its outputs. */
export const gradientOutputs: readonly RnnRole[] = ["x", "kernel", "recurrentKernel", "bias", "h0", "c0"];

/** Back-propagation through time of `rnn`. inputs: those of rnn, its h and reserve, the given gradients. */
export const rnnGradientOp: Op<RnnGradientAttrs> = {
  name: "rnnGradient",
  infer: (inputs, { roles, units }) => {
    const batch = inputs[0]?.shape[1] ?? 0;
    const state: TensorType = { shape: [batch, units], dtype: "float32" };
    return gradientOutputs.map((role) => {
      const i = roles.indexOf(role);
      const type = i < 0 ? undefined : inputs[i];
      return type === undefined ? state : { shape: type.shape, dtype: type.dtype };
    });
  },
  gradient: () => {
    throw new RondoError({
      where: "gradient of a recurrent layer",
      received: "a request for its gradient in turn (second derivatives)",
      expected: "first derivatives through fused cells",
      fix: "Leave out scan's option fused, so that the cell's equations are differentiated step by step",
    });
  },
  mask: noMask,
  kernel: { kind: "instruction", name: "rnnGradient", laysOut: (output) => gradientOutputs[output] === "x" },
};

export type RnnOperands = { readonly x: SymbolicTensor } & {
  readonly [R in Exclude<RnnRole, "x">]?: SymbolicTensor | undefined;
};

/** The node that runs a whole sequence through a fused cell; `body` holds the cell's equations. */
export function rnn(cell: Fused, body: ScanBody, operands: RnnOperands): Node<RnnAttrs> {
  const units = body.states[0]?.shape.at(-1);
  if (typeof units !== "number") throw new Error("rnn: a fused cell has a known number of units");
  const given = Object.entries(operands).filter(
    (entry): entry is [RnnRole, SymbolicTensor] => entry[1] !== undefined,
  );
  const roles = given.map(([role]) => role);
  const length = operands.x.shape[0] ?? 0;
  return makeNode(
    rnnOp,
    given.map(([, value]) => value),
    { ...cell, roles, length, units, body },
  );
}
