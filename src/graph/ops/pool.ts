import { RondoError } from "../../errors.js";
import { type Dim, shapeText } from "../dim.js";
import * as instructions from "../instructions.js";
import { apply, type Op, type OperandPlaces, type SymbolicTensor, symbolic } from "../ir.js";
import { noMask } from "../mask.js";
import { reshape } from "./shape.js";
import { checkWindows, windowsOn } from "./window.js";

// N rows, D depth, H height, W width, C channels. Channels last.

type Triple = readonly [number, number, number];

export interface PoolAttrs {
  readonly kind: "max" | "average";
  readonly window: Triple;
  readonly strides: Triple;
  /** How many pixels the first window begins before the first pixel. */
  readonly before: readonly [Dim, Dim, Dim];
  readonly out: readonly [Dim, Dim, Dim];
}

export interface PoolGradientAttrs extends PoolAttrs {
  /** Sizes of the pixels. */
  readonly sizes: readonly [Dim, Dim, Dim];
}

const fieldsOf = (
  [N = 0, D = 0, H = 0, W = 0, C = 0]: readonly number[],
  [, OD = 0, OH = 0, OW = 0]: readonly number[],
  { kind, window, strides, before }: PoolAttrs,
  size: OperandPlaces["size"],
) => ({
  average: kind === "average" ? 1 : 0,
  N,
  D,
  H,
  W,
  C,
  OD,
  OH,
  OW,
  KD: window[0],
  KH: window[1],
  KW: window[2],
  sD: strides[0],
  sH: strides[1],
  sW: strides[2],
  front: size(before[0]),
  top: size(before[1]),
  left: size(before[2]),
});

/** x [N, D, H, W, C] → the maximum (NaN where there is one) or the mean of each window; what lies outside does not count. */
export const poolOp: Op<PoolAttrs> = {
  name: "pool",
  infer: ([x], { out }) => {
    const [N = 0, , , , C = 0] = x?.shape ?? [];
    return [{ shape: [N, ...out, C], dtype: "float32" }];
  },
  gradient: ({ inputs: [x], grads: [g], attrs }) => {
    if (x === undefined || g === undefined) return [];
    const [, D = 0, H = 0, W = 0] = x.shape;
    const operands = attrs.kind === "max" ? [g, x] : [g];
    return [apply(poolGradientOp, operands, { ...attrs, sizes: [D, H, W] })];
  },
  mask: noMask,
  kernel: {
    kind: "described",
    instruction: instructions.pool,
    inRows: true,
    check([[, ...sizes] = []], [[, ...outs] = []], { window }) {
      window.forEach((reach, i) => {
        checkWindows("pool", { size: sizes[i] ?? 0, out: outs[i] ?? 0, reach });
      });
    },
    fields: ([x], [shape = []], attrs, { inputs, outputs, size }) => ({
      ...fieldsOf(x?.shape ?? [], shape, attrs, size),
      x: inputs[0] ?? null,
      out: outputs[0] ?? null,
    }),
  },
};

/** g [N, D', H', W', C] (and, for maxima, the pixels x, where the first of each window is found again) → [N, D, H, W, C]. */
export const poolGradientOp: Op<PoolGradientAttrs> = {
  name: "poolGradient",
  infer: ([g], { sizes }) => {
    const [N = 0, , , , C = 0] = g?.shape ?? [];
    return [{ shape: [N, ...sizes, C], dtype: "float32" }];
  },
  gradient: ({ grads: [g], attrs: { sizes, ...attrs } }) => {
    if (attrs.kind === "average") return [g && apply(poolOp, [g], attrs)];
    throw new RondoError({
      where: "gradient of a maximum over windows",
      received: "a request for its gradient in turn (second derivatives)",
      expected: "first derivatives through max pooling",
      fix: "Pool by averages where second derivatives are needed",
    });
  },
  mask: noMask,
  kernel: {
    kind: "described",
    instruction: instructions.poolGradient,
    fields: ([g], [shape = []], attrs, { inputs: [dy = null, x = null], outputs: [dx = null], size }) => ({
      ...fieldsOf(shape, g?.shape ?? [], attrs, size),
      x,
      dy,
      dx,
    }),
  },
};

/** How windows go over pixels of one to three axes. */
export interface PoolOptions {
  readonly kind: "max" | "average";
  /** Sizes of the windows by axis. */
  readonly window: readonly number[];
  /** Pixels from one window to the next by axis; default: the windows' sizes. */
  readonly strides?: readonly number[];
  /** `valid` (default): windows inside alone; `same`: as many as there are pixels (by the strides), of which the rest counts. */
  readonly padding?: "valid" | "same";
}

/**
 * Maxima or means over windows of x [N, ..one to three axes, C].
 *
 * @throws RondoError where ranks do not fit, where no window fits in, and where x is masked
 */
export function pool(x: SymbolicTensor, options: PoolOptions): SymbolicTensor {
  const { kind, window, strides = window, padding = "valid" } = options;
  const axes = window.length;
  if (
    symbolic("pool", x).dtype !== "float32" ||
    axes < 1 ||
    axes > 3 ||
    x.rank !== axes + 2 ||
    strides.length !== axes ||
    x.mask
  ) {
    throw new RondoError({
      where: "pool",
      received: `${x.mask ? "masked " : ""}${x.dtype}${shapeText(x.shape)} for windows [${window.join(", ")}] with strides [${strides.join(", ")}]`,
      expected:
        "float32 [rows, .., channels] with one to three axes between them, and as many sizes and strides",
      fix: "Reshape the operand, or drop a mask on purpose with ops.withoutMask",
    });
  }
  const [N = 0, ...rest] = x.shape;
  const C = rest.pop() ?? 0;
  const one = Array<number>(3 - axes).fill(1);
  const triple = <T>([a, b, c]: readonly T[], missing: T): readonly [T, T, T] => [
    a ?? missing,
    b ?? missing,
    c ?? missing,
  ];
  const places = rest.map((size, i) =>
    windowsOn("pool", size, { reach: window[i] ?? 1, stride: strides[i] ?? 1, padding }),
  );
  const result = apply(poolOp, [reshape(x, [N, ...one, ...rest, C])], {
    kind,
    window: triple([...one, ...window], 1),
    strides: triple([...one, ...strides], 1),
    before: triple<Dim>([...one.map(() => 0), ...places.map((p) => p.before)], 0),
    out: triple<Dim>([...one, ...places.map((p) => p.out)], 1),
  });
  return reshape(result, [N, ...places.map((p) => p.out), C]);
}
