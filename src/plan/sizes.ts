/**
 * Sizes, in float32 elements, of the kernels' private buffers, as functions of shapes and the vector width `v` alone.
 *
 * B batch rows, T time steps, D input features, H units. The kernels keep units in vectors of `v` lanes, padded with
 * zeros; what is private to them is laid out in rnn.h, and a test holds both sides equal.
 */

import type { codes } from "./abi.js";

export type CellKind = keyof typeof codes.cell;

export interface RnnShape {
  readonly cell: CellKind;
  readonly T: number;
  readonly B: number;
  readonly D: number;
  readonly H: number;
  /** A multiplier of h before the recurrent product is present. */
  readonly recurrentDropout: boolean;
}

/** Vectors that hold a unit's gates, before (`saved`) and after (`gradients`) the backward pass. */
const gates = { simple: 1, lstm: 4, gru: 4, gruResetBefore: 3, lstmOnce: 3 } as const satisfies Record<
  CellKind,
  number
>;

/** Whether a cell has a state beside its output. */
const hasCells = (cell: CellKind): boolean => cell === "lstm" || cell === "lstmOnce";

/** Units per tile of a product, in vectors: products over units are padded to it. */
const tileVectors = 4;

const roundUp = (n: number, multiple: number): number => Math.ceil(n / multiple) * multiple;

/** Lanes for H units, padded to whole vectors, or to whole tiles of vectors. */
const lanes = (H: number, v: number): number => roundUp(H, v);
const tileLanes = (n: number, v: number): number => roundUp(n, v * tileVectors);
const gateLanes = (cell: CellKind, H: number, v: number): number =>
  cell === "simple" ? tileLanes(H, v) : gates[cell] * lanes(H, v);

/**
 * Elements from one row of `hs` to the next: whole cache lines; from 128 units on an odd number of them, so that a
 * column of many rows spreads over all sets of the cache.
 */
export function rowStride(H: number, v: number): number {
  const line = 16;
  const padded = roundUp(H, Math.max(v, line));
  return padded >= 128 && (padded / line) % 2 === 0 ? padded + line : padded;
}

/** `forward` of rnnPack: per vector of units the rows of the kernel, of the recurrent kernel and of the biases. */
export function rnnForwardPack(cell: CellKind, D: number, H: number, v: number): number {
  if (cell === "simple") return tileLanes(H, v) * (D + H + 1);
  return (
    lanes(H, v) * (cell === "gru" || cell === "gruResetBefore" ? 3 * (D + H) + 4 : gates[cell] * (D + H + 1))
  );
}

/** `backward` of rnnPack: the transposed recurrent kernel and, where the input's gradient is wanted, the kernel. */
export function rnnBackwardPack(cell: CellKind, D: number, H: number, v: number, dx: boolean): number {
  const rows = cell === "simple" ? tileLanes(H, v) : (cell === "lstm" ? 4 : 3) * lanes(H, v);
  return rows * (tileLanes(H, v) + (dx ? tileLanes(D, v) : 0));
}

/** `reserve`: gates of all steps; the LSTM's c, the initial one before them; products' multiplied h. */
export function rnnReserve(shape: RnnShape, v: number): number {
  const { cell, T, B, H } = shape;
  const cells = hasCells(cell) ? (T + 1) * lanes(H, v) : 0;
  const dropped = shape.recurrentDropout ? T * rowStride(H, v) : 0;
  const reset = cell === "gruResetBefore" ? T * rowStride(H, v) : 0;
  return B * (T * gateLanes(cell, H, v) + cells + dropped + reset);
}

/** `work` of rnnForward. */
export function rnnForwardWork(shape: RnnShape, v: number): number {
  const { cell, B, H } = shape;
  const cells = hasCells(cell) ? B * lanes(H, v) : 0;
  const dropped = shape.recurrentDropout ? B * rowStride(H, v) : 0;
  const reset = cell === "gruResetBefore" ? B * (lanes(H, v) + rowStride(H, v)) : 0;
  const row = gateLanes(cell, H, v);
  const few = B <= 64 && shape.D * row >= 5 << 16 && cell !== "gruResetBefore";
  const projected =
    B === 1 ? 32 * 4 * tileLanes(H, v) : few ? Math.min(shape.T, Math.ceil(128 / B)) * B * row : 0;
  return cells + dropped + reset + projected;
}

/** `work` of rnnBackward: per row the gradients that are carried from step to step. */
export function rnnBackwardWork(shape: RnnShape, v: number): number {
  return shape.B * tileLanes(shape.H, v) * (hasCells(shape.cell) ? 2 : 1);
}

/** `work` of matmul: where A is large, a part of B, packed for several passes over it. */
export function matmulWork(m: number, n: number, k: number, v: number): number {
  return m * k >= 1 << 19 && n >= 2 * v ? 256 * tileLanes(n, v) : 0;
}

/** `work` of orthogonal: the transposed matrix, and per block of 32 columns the reflections' triangle and two products. */
export function orthogonalWork(rows: number, cols: number): number {
  const least = Math.min(rows, cols);
  const block = 32;
  return rows * cols + Math.ceil(least / block) * block * block + least * (2 * block + 1);
}

/** `work` of reduce: the partial sums of a large reduction. */
export const reduceWork = 8192;

/** What decides how skipGram lays out its rounds. */
export interface SkipGramShape {
  readonly rounds: number;
  readonly roundWords: number;
  readonly lanes: number;
  readonly window: number;
  readonly negative: number;
  readonly cols: number;
}

/**
 * `work` of skipGram: the words that are kept; what each round decides before it begins; sums of a row for each lane; copies of
 * the rows that lanes share.
 */
export function skipGramWork(shape: SkipGramShape): number {
  const { rounds, roundWords, lanes, window, negative, cols } = shape;
  const line = (n: number): number => roundUp(n, 16);
  const words = rounds * roundWords;
  const targets = negative + 1;
  const centres = Math.ceil(roundWords / lanes);
  const reach = Math.min(centres + 2 * window, words);
  const places = lanes * (reach + centres * targets);
  const table = 2 ** Math.ceil(Math.log2(Math.max(2, 2 * places)));
  const kept = 4 * line(words) + line(rounds + 1);
  const lists = line(roundWords * targets) + line(lanes * reach) + line(lanes + 1) + 6 * line(places);
  return kept + rounds * (line(1) + lists + line(table)) + (lanes + places) * cols;
}
