import { bytesPerElement } from "../dtype.js";
import { RondoError } from "../errors.js";
import { shapeText } from "../graph/dim.js";
import type { Node, SymbolicTensor } from "../graph/ir.js";
import { gradientOutputs, operand, type RnnAttrs, type RnnGradientAttrs } from "../graph/ops/rnn.js";
import { codes } from "./abi.js";
import { type Buffer, elements, isContiguous, type View, whole } from "./buffer.js";
import type { Lowering } from "./lower.js";
import { instruct, operandOf } from "./operation.js";
import {
  type RnnShape,
  rnnBackwardPack,
  rnnBackwardWork,
  rnnForwardPack,
  rnnForwardWork,
  rnnReserve,
  rowStride,
} from "./sizes.js";

// T time, B batch, D input features, H units.

const rowsOf = (v: View): boolean => (v.shape.at(-1) ?? 1) <= 1 || v.strides.at(-1) === 1;
const stride = (v: View | undefined, axis: number): number => v?.strides[axis] ?? 0;

/** The operands that forward, backward and weight kernels share. */
function common(l: Lowering, node: Node<RnnAttrs>, trains: boolean) {
  const { attrs } = node;
  const { vectorWidth: v } = l.target;
  const given = (x: SymbolicTensor | undefined, fits: (view: View) => boolean) =>
    x === undefined ? undefined : l.materialize(x, fits);
  const x = l.materialize(operandOf(node), rowsOf);
  const [T = 0, B = 0, D = 0] = x.shape;
  if (T === 0 || B === 0) {
    throw new RondoError({
      where: "recurrent layer",
      received: `sequences of shape ${shapeText([B, T, D])}`,
      expected: "at least one row and one time step",
      fix: "Leave empty batches out, and pad sequences to one masked step at least",
    });
  }
  const H = attrs.units;
  const mask = given(operand(node, "mask"), () => true);
  const dropout = given(operand(node, "dropout"), isContiguous);
  // One step from zeros. Inference keeps its pack for sequences of all lengths.
  const once = trains && T === 1 && operand(node, "h0") === undefined;
  const cell = once && attrs.cell === "lstm" && operand(node, "c0") === undefined ? "lstmOnce" : attrs.cell;
  const shape: RnnShape = { cell, T, B, D, H, recurrentDropout: dropout !== undefined };
  const sizes = { cell: codes.cell[cell], T, B, D, H };
  const activations = {
    activation: codes.activation[attrs.activation],
    recurrentActivation: codes.activation[attrs.recurrentActivation],
  };
  const rows = (role: "h0" | "c0") => given(operand(node, role), rowsOf);
  const weights = {
    w: given(operand(node, "kernel"), isContiguous),
    u: given(operand(node, "recurrentKernel"), isContiguous),
    b: given(operand(node, "bias"), isContiguous),
  };
  const window = { mask, maskT: stride(mask, 0), maskB: stride(mask, 1), dropout };
  return { v, x, mask, dropout, shape, sizes, activations, rows, weights, window, once };
}

type Common = ReturnType<typeof common>;

interface Packs {
  readonly forward?: Buffer;
  readonly backward?: Buffer;
  /** Whether the gradient of x is wanted. */
  readonly dx?: boolean;
  /** Whether h is multiplied at all. */
  readonly recurrent: boolean;
}

/** Packs the weights for one direction; depends on the weights alone, so that inference prepares it once. */
function pack(l: Lowering, c: Common, { forward, backward, dx = false, recurrent }: Packs): void {
  const { w, b } = c.weights;
  const u = recurrent ? c.weights.u : undefined;
  l.emit(
    instruct("rnnPack", [forward, backward], {
      cell: c.sizes.cell,
      D: c.sizes.D,
      H: c.sizes.H,
      w,
      u,
      b,
      forward,
      backward,
      dx: dx ? 1 : 0,
    }),
  );
}

/**
 * rnn → rnnPack, rnnForward. Its h [T, B, H] and its final h are windows on one buffer of all states; where no one
 * reads the sequence and nothing is to be differentiated, the buffer holds two steps in turn.
 */
export function lowerRnn(l: Lowering, node: Node): void {
  const rnn = node as Node<RnnAttrs>;
  const trains = l.values.isUsed(node, 3);
  const c = common(l, rnn, trains);
  const { T, B, D, H } = c.sizes;
  const lstm = rnn.attrs.cell === "lstm";
  const keepsAll = trains || l.values.isUsed(node, 0);
  const keep = keepsAll ? T + 1 : 2;
  const ldh = rowStride(H, c.v);
  const hs = l.storage.floats(keep * B * ldh);
  const forward = l.storage.floats(rnnForwardPack(c.shape.cell, D, H, c.v));
  const reserve = trains ? l.storage.floats(rnnReserve(c.shape, c.v)) : undefined;
  const cFinal = lstm && l.values.isUsed(node, 2) ? l.storage.temporary("float32", [B, H]) : undefined;
  const work = l.storage.work(rnnForwardWork(c.shape, c.v));
  const [h0, c0] = [c.rows("h0"), c.rows("c0")];
  pack(l, c, { forward, recurrent: !c.once });
  l.emit(
    instruct("rnnForward", [hs, reserve, work, cFinal], {
      ...c.sizes,
      ...c.activations,
      ...c.window,
      x: c.x,
      xT: stride(c.x, 0),
      xB: stride(c.x, 1),
      h0,
      h0Row: stride(h0, 0),
      c0,
      c0Row: stride(c0, 0),
      pack: forward,
      hs,
      ldh,
      keep,
      cFinal,
      reserve,
      work,
    }),
  );
  const slot = B * ldh;
  if (keepsAll) {
    l.values.set(node, 0, {
      buffer: hs,
      dtype: "float32",
      offset: slot,
      shape: [T, B, H],
      strides: [slot, ldh, 1],
    });
  }
  l.values.set(node, 1, {
    buffer: hs,
    dtype: "float32",
    offset: (T % keep) * slot,
    shape: [B, H],
    strides: [ldh, 1],
  });
  if (cFinal !== undefined) l.values.set(node, 2, cFinal);
  if (reserve !== undefined) {
    l.values.set(node, 3, { buffer: reserve, dtype: "float32", offset: 0, shape: [], strides: [] });
  }
}

/** rnnGradient → rnnPack (transposed), rnnBackward, rnnWeights. */
export function lowerRnnGradient(l: Lowering, node: Node): void {
  const gradient = node as Node<RnnGradientAttrs>;
  const { roles, seeds } = gradient.attrs;
  const c = common(l, gradient, true);
  const { T, B, D, H } = c.sizes;
  const [ys, reserveValue] = [0, 1].map((i) => operandOf(node, roles.length + i)) as [
    SymbolicTensor,
    SymbolicTensor,
  ];
  const given = node.inputs.slice(roles.length + 2);
  const { node: forwardNode, index: reserveIndex } = reserveValue;
  const users = l.values
    .readers(forwardNode)
    .filter((n) => n.inputs.some((x) => x.node === forwardNode && x.index === reserveIndex));
  const hs = l.values.view(ys).buffer;
  const saved = l.values.view(reserveValue).buffer;
  // The kernel overwrites what the forward pass saved: where that is differentiated more than once, each has a copy.
  const reserve = users.length > 1 ? copyOf(l, saved) : saved;
  const ldh = rowStride(H, c.v);
  const seed = (i: number): View | undefined => {
    if (seeds[i] !== true) return undefined;
    const x = given[seeds.slice(0, i).filter(Boolean).length];
    return x === undefined ? undefined : l.materialize(x, rowsOf);
  };
  const [dy, dh, dc] = [seed(0), seed(1), seed(2)];

  const used = (role: (typeof gradientOutputs)[number]) =>
    roles.includes(role) && l.values.isUsed(node, gradientOutputs.indexOf(role));
  const dx = used("x") ? paddedRows(l, T, B, D, c.v) : undefined;
  const state = (role: "h0" | "c0") =>
    used(role) ? l.destinations.place(node, gradientOutputs.indexOf(role)) : undefined;
  const [dh0, dc0] = [state("h0"), state("c0")];
  const backward = l.storage.floats(rnnBackwardPack(c.shape.cell, D, H, c.v, dx !== undefined));
  const work = l.storage.work(rnnBackwardWork(c.shape, c.v));
  // In one step from zeros the recurrent kernel was multiplied by nothing.
  const recurrent = !c.once || c.shape.cell === "gruResetBefore"; // whose reset gate is reached through it
  pack(l, c, { backward, dx: dx !== undefined, recurrent });
  l.emit(
    instruct("rnnBackward", [reserve, work, dx, dh0, dc0], {
      ...c.sizes,
      ...c.activations,
      ...c.window,
      pack: backward,
      hs,
      ldh,
      dy,
      dyT: stride(dy, 0),
      dyB: stride(dy, 1),
      dhFinal: dh,
      dhRow: stride(dh, 0),
      dcFinal: dc,
      dcRow: stride(dc, 0),
      dx,
      dxT: stride(dx, 0),
      dxB: stride(dx, 1),
      dh0,
      dc0,
      reserve,
      work,
    }),
  );
  const made = new Map<string, View | undefined>([
    ["x", dx],
    ["h0", dh0],
    ["c0", dc0],
  ]);
  for (const role of ["kernel", "recurrentKernel", "bias"] as const) {
    made.set(role, used(role) ? l.destinations.place(node, gradientOutputs.indexOf(role)) : undefined);
  }
  const [dw, du, db] = [made.get("kernel"), made.get("recurrentKernel"), made.get("bias")];
  if (c.once && du !== undefined) l.copy({ value: 0, dtype: "float32" }, du);
  if (dw !== undefined || (du !== undefined && !c.once) || db !== undefined) {
    checkStep(c);
    l.emit(
      instruct("rnnWeights", [dw, c.once ? undefined : du, db], {
        ...c.sizes,
        ...c.window,
        x: c.x,
        xT: stride(c.x, 0),
        xB: stride(c.x, 1),
        hs,
        ldh,
        reserve,
        dw,
        du: c.once ? undefined : du,
        db,
      }),
    );
  }
  gradientOutputs.forEach((role, i) => {
    const view = made.get(role);
    if (view !== undefined) l.values.set(node, i, view);
  });
}

/** A copy of float32 numbers. */
function copyOf(l: Lowering, from: Buffer): Buffer {
  const all = [from.bytes / bytesPerElement.float32];
  const copy = l.storage.temporary("float32", all);
  l.copy(whole(from, "float32", all), copy);
  return copy.buffer;
}

/** [T, B, D] with rows padded as the kernels like them. */
function paddedRows(l: Lowering, T: number, B: number, D: number, v: number): View {
  const row = rowStride(D, v);
  const shape = [T, B, D];
  return {
    buffer: l.storage.floats(elements([T, B, row])),
    dtype: "float32",
    offset: 0,
    shape,
    strides: [B * row, row, 1],
  };
}

/** rnnWeights counts from the first row of a step to the last, of 66 rows at most, in 32 bits (rnnWeights.cpp). */
function checkStep({ x, sizes: { T, B, D } }: Common): void {
  const span = (Math.min(B, 66) - 1) * Math.abs(stride(x, 1)) + D;
  if (span < 2 ** 31) return;
  throw new RondoError({
    where: "recurrent layer",
    received: `sequences of shape ${shapeText([B, T, D])}, whose rows lie ${stride(x, 1)} elements apart`,
    expected: "66 rows within 2,147,483,647 elements",
    fix: "Use smaller tensors: shorter sequences, or a smaller batchSize",
  });
}
