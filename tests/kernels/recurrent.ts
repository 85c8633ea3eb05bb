// The recurrent kernels' twin: whole sequences and their gradients in float64, one row and one step after another.
import type { CellKind } from "../../src/plan/sizes.js";
import { randomData } from "./harness.js";
import { sigmoid } from "./steps.js";

export interface Case {
  readonly cell: CellKind;
  readonly activation: Activation;
  readonly recurrentActivation: Activation;
  readonly T: number;
  readonly B: number;
  readonly D: number;
  readonly H: number;
  /** Which steps of a row are not masked; NaN is in x on the others. Some rows are masked from end to end. */
  readonly mask: "none" | "right" | "left" | "gaps";
  readonly dropout: boolean;
  readonly bias: boolean;
  /** Initial states, and gradients of the final ones. */
  readonly states: boolean;
  /** Whether every step's output has a gradient; else only the final state has. */
  readonly sequence: boolean;
}

export const gateCount: Record<CellKind, number> = {
  simple: 1,
  lstm: 4,
  gru: 3,
  gruResetBefore: 3,
  lstmOnce: 4,
};

const scale = 1.0507009873554805;
const alpha = 1.6732632423543772;
const softplus = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/** Keras's activations and their slopes at the output y. */
export const activations = {
  linear: [(x) => x, () => 1],
  tanh: [Math.tanh, (y) => 1 - y * y],
  sigmoid: [sigmoid, (y) => y * (1 - y)],
  relu: [(x) => Math.max(x, 0), (y) => (y > 0 ? 1 : 0)],
  hardSigmoid: [(x) => Math.min(Math.max(x + 3, 0), 6) / 6, (y) => (y > 0 && y < 1 ? 1 / 6 : 0)],
  hardSigmoidKeras2: [(x) => Math.min(Math.max(0.2 * x + 0.5, 0), 1), (y) => (y > 0 && y < 1 ? 0.2 : 0)],
  softsign: [(x) => x / (1 + Math.abs(x)), (y) => (1 - Math.abs(y)) ** 2],
  elu: [(x) => (x < 0 ? Math.expm1(x) : x), (y) => (y < 0 ? y + 1 : 1)],
  selu: [(x) => scale * (x < 0 ? alpha * Math.expm1(x) : x), (y) => (y < 0 ? y + scale * alpha : scale)],
  softplus: [softplus, (y) => -Math.expm1(-y)],
  exponential: [Math.exp, (y) => y],
  hardTanh: [(x) => Math.min(Math.max(x, -1), 1), (y) => (Math.abs(y) < 1 ? 1 : 0)],
  relu6: [(x) => Math.min(Math.max(x, 0), 6), (y) => (y > 0 && y < 6 ? 1 : 0)],
  leakyRelu: [(x) => (x > 0 ? x : 0.2 * x), (y) => (y > 0 ? 1 : 0.2)],
} as const satisfies Record<string, readonly [(x: number) => number, (y: number) => number]>;

export type Activation = keyof typeof activations;

/** Operands of a case, all rows and steps contiguous: x [T, B, D], states [B, H], dy [T, B, H], weights as Keras's. */
export function operands(c: Case, random: () => number) {
  const columns = gateCount[c.cell] * c.H;
  const floats = (count: number, size: number) =>
    (randomData(random, "float32", count) as Float32Array).map((x) => (x / 2) * size);
  const mask = new Uint8Array(c.T * c.B).fill(1);
  for (let b = 0; c.mask !== "none" && b < c.B; b++) {
    const border = random() < 0.2 ? 0 : Math.floor(random() * (c.T + 1));
    for (let t = 0; t < c.T; t++) {
      const open =
        c.mask === "right"
          ? t < border
          : c.mask === "left"
            ? t >= c.T - border
            : border > 0 && random() < 0.5;
      mask[t * c.B + b] = open ? 1 : 0;
    }
  }
  const x = floats(c.T * c.B * c.D, 1);
  for (let i = 0; i < x.length; i++) if (mask[Math.floor(i / c.D)] === 0) x[i] = Number.NaN;
  const state = () => floats(c.B * c.H, 1);
  const dropout = state().map((u) => (u > 0 ? 2 : 0));
  return {
    x,
    mask,
    dropout,
    w: floats(c.D * columns, 2 / Math.sqrt(c.D + 1)),
    u: floats(c.H * columns, 2 / Math.sqrt(c.H + 1)),
    b: floats(columns * (c.cell === "gru" ? 2 : 1), 0.5),
    h0: state(),
    c0: state(),
    dy: floats(c.T * c.B * c.H, 1),
    dhFinal: state(),
    dcFinal: state(),
  };
}
export type Operands = ReturnType<typeof operands>;

/** What the kernels compute: h after every step (the initial state first), the final c, and all gradients. */
export interface Results {
  readonly hs: Float64Array;
  readonly cFinal: Float64Array;
  readonly dx: Float64Array;
  readonly dh0: Float64Array;
  readonly dc0: Float64Array;
  readonly dw: Float64Array;
  readonly du: Float64Array;
  readonly db: Float64Array;
}

const at = (data: ArrayLike<number>, i: number): number => data[i] ?? Number.NaN;
const add = (data: Float64Array, i: number, value: number): void => {
  data[i] = at(data, i) + value;
};

/** The case, forward and back. */
export function twin(c: Case, o: Operands): Results {
  const { T, B, D, H } = c;
  const G = gateCount[c.cell];
  const columns = G * H;
  const before = c.cell === "gruResetBefore";
  const [act, slope] = activations[c.activation];
  const [gate, gateSlope] = activations[c.recurrentActivation];
  const zeros = (n: number) => new Float64Array(n);
  const results: Results = {
    hs: zeros((T + 1) * B * H),
    cFinal: zeros(B * H),
    dx: zeros(T * B * D),
    dh0: zeros(B * H),
    dc0: zeros(B * H),
    dw: zeros(D * columns),
    du: zeros(H * columns),
    db: zeros(o.b.length),
  };

  for (let row = 0; row < B; row++) {
    const state = (data: Float32Array, used: boolean) =>
      Float64Array.from({ length: H }, (_, j) => (used ? at(data, row * H + j) : 0));
    const open = (t: number) => c.mask === "none" || o.mask[t * B + row] === 1;
    const kept = (j: number) => (c.dropout ? at(o.dropout, row * H + j) : 1);
    const h = [state(o.h0, c.states)];
    const cells = [state(o.c0, c.states)];
    const steps: {
      x: Float64Array;
      a: Float64Array;
      product: Float64Array;
      fed: Float64Array;
      reset: Float64Array;
    }[] = [];

    for (let t = 0; t < T; t++) {
      const last = h[t] ?? zeros(H);
      const lastCell = cells[t] ?? zeros(H);
      const next = last.slice();
      const nextCell = lastCell.slice();
      const x = Float64Array.from({ length: D }, (_, k) => at(o.x, (t * B + row) * D + k));
      const fed = last.map((value, j) => value * kept(j));
      const a = zeros(columns); // gates
      const product = zeros(H); // h·U of the candidate, gru
      const reset = zeros(H);
      const sums = (j: number, vector: Float64Array) =>
        vector.reduce((sum, value, k) => sum + value * at(o.u, k * columns + j), 0);
      const input = (j: number) =>
        x.reduce((sum, value, k) => sum + value * at(o.w, k * columns + j), c.bias ? at(o.b, j) : 0);
      steps.push({ x, a, product, fed, reset });
      if (open(t)) {
        const second = c.cell === "gru" && c.bias ? columns : -1;
        const bias = (j: number) => (second < 0 ? 0 : at(o.b, second + j));
        for (let j = 0; j < H; j++) {
          if (c.cell === "simple") {
            a[j] = next[j] = act(input(j) + sums(j, fed));
          } else if (c.cell.startsWith("lstm")) {
            for (let g = 0; g < 4; g++)
              a[g * H + j] = (g === 2 ? act : gate)(input(g * H + j) + sums(g * H + j, fed));
            nextCell[j] = at(a, H + j) * at(lastCell, j) + at(a, j) * at(a, 2 * H + j);
            next[j] = at(a, 3 * H + j) * act(at(nextCell, j));
          } else {
            for (let g = 0; g < 2; g++)
              a[g * H + j] = gate(input(g * H + j) + sums(g * H + j, fed) + bias(g * H + j));
            reset[j] = at(a, H + j) * at(fed, j);
          }
        }
        for (let j = 0; c.cell.startsWith("gru") && j < H; j++) {
          product[j] = sums(2 * H + j, before ? reset : fed) + bias(2 * H + j);
          a[2 * H + j] = act(input(2 * H + j) + at(product, j) * (before ? 1 : at(a, H + j)));
          next[j] = at(a, j) * at(last, j) + (1 - at(a, j)) * at(a, 2 * H + j);
        }
      }
      h.push(next);
      cells.push(nextCell);
    }
    for (const [t, value] of h.entries()) results.hs.set(value, (t * B + row) * H);
    results.cFinal.set(cells[T] ?? zeros(H), row * H);

    let dh = state(o.dhFinal, c.states || !c.sequence);
    const dc = state(o.dcFinal, c.states);
    for (let t = T - 1; t >= 0; t--) {
      for (let j = 0; c.sequence && j < H; j++) add(dh, j, at(o.dy, (t * B + row) * H + j));
      const step = steps[t];
      if (!open(t) || step === undefined) continue;
      const { x, a, product, fed, reset } = step;
      const last = h[t] ?? zeros(H);
      const fromX = zeros(columns);
      const fromH = zeros(columns);
      const carried = zeros(H);
      for (let j = 0; j < H; j++) {
        const d = at(dh, j);
        if (c.cell === "simple") {
          fromX[j] = fromH[j] = d * slope(at(a, j));
        } else if (c.cell.startsWith("lstm")) {
          const y = act(at(cells[t + 1] ?? dc, j));
          const [i, f, g, out] = [at(a, j), at(a, H + j), at(a, 2 * H + j), at(a, 3 * H + j)];
          const e = at(dc, j) + d * out * slope(y);
          const all = [
            e * g * gateSlope(i),
            e * at(cells[t] ?? dc, j) * gateSlope(f),
            e * i * slope(g),
            d * y * gateSlope(out),
          ];
          for (const [k, value] of all.entries()) fromX[k * H + j] = fromH[k * H + j] = value;
          dc[j] = e * f;
        } else {
          const [z, r, g] = [at(a, j), at(a, H + j), at(a, 2 * H + j)];
          const e = d * (1 - z) * slope(g);
          fromX[j] = fromH[j] = d * (at(last, j) - g) * gateSlope(z);
          fromX[2 * H + j] = e;
          carried[j] = d * z;
          if (!before) {
            fromX[H + j] = fromH[H + j] = e * at(product, j) * gateSlope(r);
            fromH[2 * H + j] = e * r;
          }
        }
      }
      for (let k = 0; before && k < H; k++) {
        let sum = 0;
        for (let j = 2 * H; j < 3 * H; j++) {
          sum += at(fromX, j) * at(o.u, k * columns + j);
          add(results.du, k * columns + j, at(reset, k) * at(fromX, j));
        }
        const r = at(a, H + k);
        fromX[H + k] = fromH[H + k] = sum * at(fed, k) * gateSlope(r);
        add(carried, k, sum * r * kept(k));
      }
      for (let j = 0; j < columns; j++) {
        for (let k = 0; k < D; k++) {
          add(results.dw, k * columns + j, at(x, k) * at(fromX, j));
          add(results.dx, (t * B + row) * D + k, at(fromX, j) * at(o.w, k * columns + j));
        }
        for (let k = 0; (!before || j < 2 * H) && k < H; k++) {
          add(results.du, k * columns + j, at(fed, k) * at(fromH, j));
          add(carried, k, at(fromH, j) * at(o.u, k * columns + j) * kept(k));
        }
        add(results.db, j, at(fromX, j));
        if (c.cell === "gru") add(results.db, columns + j, at(fromH, j));
      }
      dh = carried;
    }
    results.dh0.set(dh, row * H);
    results.dc0.set(dc, row * H);
  }
  return results;
}
