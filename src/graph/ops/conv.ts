import { RondoError } from "../../errors.js";
import { type Dim, equal, sub as minus, type Shape, SizesDiffer, shapeText } from "../dim.js";
import * as instructions from "../instructions.js";
import {
  apply,
  makeNode,
  type Op,
  type OperandPlaces,
  SymbolicTensor,
  symbolic,
  type TensorType,
} from "../ir.js";
import { elementwiseMask, noMask } from "../mask.js";
import { greater, logicalAnd, mul, square, sub, where } from "./elementwise.js";
import { pad } from "./join.js";
import { reshape, reverse, slice, transpose } from "./shape.js";
import { fill } from "./source.js";
import { checkWindows, type WindowPadding, windowsOn } from "./window.js";

// N rows, H height, W width, C channels, F filters, G groups; K numbers of a patch that meet a filter. Channels last.

type None = Readonly<Record<string, never>>;

/** Filters that lie together in packed weights. */
const blockSize = 16;

/** The same value, written out in row-major order: what a kernel reads many times, laid out once. */
export const layOutOp: Op<None> = {
  name: "layOut",
  infer: ([x]) => (x === undefined ? [] : [{ shape: x.shape, dtype: x.dtype }]),
  gradient: ({ grads: [g] }) => [g],
  mask: elementwiseMask("layOut"),
  kernel: { kind: "map", step: () => undefined },
};

/** x in row-major order. */
export const layOut = (x: SymbolicTensor): SymbolicTensor => apply(layOutOp, [x], {});

/** Activations that follow a convolution while its sums are in registers: their slope is known from their value. */
export const convActivations = {
  linear: (_y: SymbolicTensor, g: SymbolicTensor): SymbolicTensor => g,
  relu: (y: SymbolicTensor, g: SymbolicTensor): SymbolicTensor => where(greater(y, 0), g, 0),
  relu6: (y: SymbolicTensor, g: SymbolicTensor): SymbolicTensor =>
    where(logicalAnd(greater(y, 0), greater(6, y)), g, 0),
  leakyRelu: (y: SymbolicTensor, g: SymbolicTensor): SymbolicTensor => where(greater(y, 0), g, mul(g, 0.2)),
  tanh: (y: SymbolicTensor, g: SymbolicTensor): SymbolicTensor => mul(g, sub(1, square(y))),
};
export type ConvActivation = keyof typeof convActivations;
/** Their codes in kernels/abi.def. */
const activationCodes = {
  linear: 0,
  tanh: 1,
  relu: 3,
  relu6: 11,
  leakyRelu: 12,
} as const satisfies Record<ConvActivation, number>;

type Pair = readonly [number, number];

export interface ConvAttrs {
  readonly kernel: Pair;
  readonly strides: Pair;
  readonly dilation: Pair;
  /** How far apart the input's pixels lie, zeros between them: the strides of the convolution whose gradient this is. */
  readonly apart: Pair;
  /** How many pixels the first window begins before the first pixel. */
  readonly before: readonly [Dim, Dim];
  readonly out: readonly [Dim, Dim];
  readonly groups: number;
  readonly filters: number;
  readonly activation: ConvActivation;
}

/** The shape of a kernel [KH, KW, channels, F] when it is packed. */
const packShape = ({ kernel: [KH, KW], groups, filters }: ConvAttrs, channels: number): readonly number[] => [
  groups,
  Math.ceil(filters / groups / blockSize),
  KH * KW * channels,
  blockSize,
];

const sizeOf = (shape: Shape | undefined, axis: number): number => {
  const size = shape?.at(axis);
  return typeof size === "number" ? size : 0;
};

/** The fields that convolutions and the gradients of their weights share. */
const common = (
  x: { readonly shape: readonly number[]; readonly strides: readonly number[] } | undefined,
  { kernel, strides, dilation, apart, before, groups, filters }: ConvAttrs,
  [OH = 0, OW = 0]: readonly number[],
  size: OperandPlaces["size"],
) => {
  const [N = 0, H = 0, W = 0, C = 0] = x?.shape ?? [];
  return {
    N,
    H,
    W,
    C,
    OH,
    OW,
    F: filters,
    KH: kernel[0],
    KW: kernel[1],
    sH: strides[0],
    sW: strides[1],
    dH: dilation[0],
    dW: dilation[1],
    uH: apart[0],
    uW: apart[1],
    top: size(before[0]),
    left: size(before[1]),
    groups,
    xN: x?.strides[0] ?? 0,
  };
};

/**
 * x [N, H, W, C], packed weights (`packKernel`), bias [F] (may be left out) → activation(convolution + bias) [N, H', W', F].
 * The gradients of both operands are convolutions again: x's with strides and `apart` in each other's place.
 */
export const convOp: Op<ConvAttrs> = {
  name: "conv",
  infer: ([x, pack, bias], attrs) => {
    const [N = 0] = x?.shape ?? [];
    const wanted = packShape(attrs, sizeOf(x?.shape, -1) / attrs.groups);
    const floats = [x, pack, ...(bias === undefined ? [] : [bias])].every((y) => y?.dtype === "float32");
    if (!floats || x?.shape.length !== 4 || `${pack?.shape}` !== `${wanted}`) {
      throw new RondoError({
        where: "conv",
        received: [x, pack].map((y) => `${y?.dtype}${shapeText(y?.shape ?? [])}`).join(" and "),
        expected: `float32 pixels [N, H, W, C] and weights packed as ${shapeText(wanted)}`,
        fix: "Use ops.conv2d, which packs the kernel",
      });
    }
    return [{ shape: [N, ...attrs.out, attrs.filters], dtype: "float32" }];
  },
  gradient: ({ inputs: [x, pack, bias], outputs: [y], grads: [g], attrs, wanted }) => {
    if (x === undefined || pack === undefined || y === undefined || g === undefined) return [];
    const slope = convActivations[attrs.activation](y, g);
    const weights = wanted[1] || wanted[2] ? makeNode(convWeightsOp, [x, slope], attrs) : undefined;
    return [
      wanted[0] ? backToInput(slope, pack, x, attrs) : undefined,
      wanted[1] && weights ? new SymbolicTensor(weights, 0) : undefined,
      bias && wanted[2] && weights ? new SymbolicTensor(weights, 1) : undefined,
    ];
  },
  mask: noMask,
  kernel: {
    kind: "described",
    instruction: instructions.conv,
    inRows: true,
    rowsApart: (input) => input === 0,
    check([[, ...sizes] = []], [[, ...outs] = []], { kernel, dilation }) {
      kernel.forEach((taps, i) => {
        const reach = (taps - 1) * (dilation[i] ?? 1) + 1;
        checkWindows("conv2d", { size: sizes[i] ?? 0, out: outs[i] ?? 0, reach });
      });
    },
    fields: (
      [x],
      [shape = []],
      attrs,
      { inputs: [at = null, pack = null, bias = null], outputs: [out = null], size },
    ) => ({
      ...common(x, attrs, shape.slice(1), size),
      activation: activationCodes[attrs.activation],
      x: at,
      pack,
      bias,
      out,
    }),
  },
};

const product = (shape: readonly number[]): number => shape.reduce((p, d) => p * d, 1);

/** How many pieces the rows of all images [N, H', W', F] are cut into, whose sums are added: by the work and by the room they take. */
function piecesOf(g: { readonly shape: readonly number[] } | undefined, pack: readonly number[]): number {
  const [N = 0, rows = 0, pixels = 0] = g?.shape ?? [];
  const size = product(pack);
  const work = Math.floor((N * rows * pixels * size) / 2 ** 20);
  return Math.max(1, Math.min(16, work, N * rows, Math.floor(2 ** 21 / size)));
}

/** x [N, H, W, C] and g [N, H', W', F], the gradient before the activation → those of the packed weights and of a bias. */
export const convWeightsOp: Op<ConvAttrs> = {
  name: "convWeights",
  infer: ([x], attrs) => [
    { shape: packShape(attrs, sizeOf(x?.shape, -1) / attrs.groups), dtype: "float32" },
    { shape: [attrs.filters], dtype: "float32" },
  ],
  gradient: ({ inputs: [x, g], grads: [dPack, dBias], attrs, wanted }) => {
    if (x === undefined || g === undefined) return [];
    const linear: ConvAttrs = { ...attrs, activation: "linear" };
    const zero = packShape(attrs, sizeOf(x.shape, -1) / attrs.groups);
    const pack = dPack ?? fill(zero, 0);
    return [
      wanted[0] ? backToInput(g, pack, x, linear) : undefined,
      wanted[1] ? apply(convOp, [x, pack, ...(dBias === undefined ? [] : [dBias])], linear) : undefined,
    ];
  },
  mask: noMask,
  kernel: {
    kind: "described",
    instruction: instructions.convWeights,
    rowsApart: (input) => input === 0,
    work: ([, g], [pack = []]) => {
      const pieces = piecesOf(g, pack);
      return pieces === 1 ? 0 : pieces * (product(pack) + (g?.shape.at(-1) ?? 0));
    },
    fields: ([x, g], [pack = []], attrs, { inputs: [at = null, dy = null], outputs, work, size }) => ({
      ...common(x, attrs, g?.shape.slice(1) ?? [], size),
      pieces: piecesOf(g, pack),
      x: at,
      dy,
      dpack: outputs[0] ?? null,
      dbias: outputs[1] ?? null,
      work,
    }),
  },
};

/** The gradient with respect to x of a convolution whose output has the gradient g (before the activation). */
function backToInput(
  g: SymbolicTensor,
  pack: SymbolicTensor,
  x: TensorType,
  { kernel, strides, dilation, apart, before, groups, filters }: ConvAttrs,
): SymbolicTensor {
  const [, H = 0, W = 0] = x.shape;
  const C = sizeOf(x.shape, -1);
  const back = (i: 0 | 1): Dim => minus(dilation[i] * (kernel[i] - 1), before[i]);
  return apply(convOp, [g, turned(pack, kernel, C, filters, groups)], {
    kernel,
    strides: apart,
    dilation,
    apart: strides,
    before: [back(0), back(1)],
    out: [H, W],
    groups,
    filters: C,
    activation: "linear",
  });
}

/** Packed weights [KH, KW, C / G, F] → those of [KH, KW, F / G, C], turned by half a turn. */
function turned(pack: SymbolicTensor, [KH, KW]: Pair, C: number, F: number, groups: number): SymbolicTensor {
  const [channels, filters] = [C / groups, F / groups];
  const blocks = Math.ceil(filters / blockSize);
  const byFilter = slice(
    reshape(transpose(pack, [2, 0, 1, 3]), [KH * KW * channels, groups, blocks * blockSize]),
    [0, 0, 0],
    [KH * KW * channels, groups, filters],
  );
  const apart = reverse(reshape(byFilter, [KH, KW, channels, groups, filters]), [0, 1]);
  return packKernel(reshape(transpose(apart, [0, 1, 4, 3, 2]), [KH, KW, filters, C]), groups);
}

/** A kernel [KH, KW, C / G, F] as `conv` reads it: [G, ⌈F / G / 16⌉, K, 16], zeros behind the last filter. */
function packKernel(kernel: SymbolicTensor, groups: number): SymbolicTensor {
  const [KH = 0, KW = 0, channels = 0, F = 0] = kernel.shape.map((_, i) => sizeOf(kernel.shape, i));
  const [K, filters] = [KH * KW * channels, F / groups];
  const blocks = Math.ceil(filters / blockSize);
  const rows = pad(reshape(kernel, [K, groups, filters]), [
    [0, 0],
    [0, 0],
    [0, blocks * blockSize - filters],
  ]);
  return layOut(transpose(reshape(rows, [K, groups, blocks, blockSize]), [1, 2, 0, 3]));
}

/** How a kernel goes over the pixels. */
export interface ConvOptions {
  /** Pixels from one window to the next; default 1. */
  readonly strides?: Pair;
  /** Pixels from one tap of the kernel to the next; default 1. */
  readonly dilation?: Pair;
  /** `valid` (default): windows inside alone; `same`: as many as there are pixels, zeros around; or zeros before and after. */
  readonly padding?: "valid" | "same" | readonly [WindowPadding, WindowPadding];
  /** Groups of channels, each with filters of its own; default 1. */
  readonly groups?: number;
  /** [F]; default none. */
  readonly bias?: SymbolicTensor | undefined;
  /** Default linear. */
  readonly activation?: ConvActivation;
}

/**
 * Convolution (the cross-correlation that Keras calls so) of x [N, H, W, C] with a kernel [KH, KW, C / groups, F]: [N, H', W', F].
 *
 * @throws RondoError where ranks or numbers of channels do not fit, where no window fits into the pixels, and where x is masked
 */
export function conv2d(x: SymbolicTensor, kernel: SymbolicTensor, options: ConvOptions = {}): SymbolicTensor {
  const { strides = [1, 1], dilation = [1, 1], padding = "valid", groups = 1, bias } = options;
  for (const operand of [x, kernel]) symbolic("conv2d", operand);
  const [, H = 0, W = 0, C = 0] = x.shape;
  const [KH, KW, channels, filters] = kernel.shape;
  const known = [KH, KW, channels, filters].every((d) => typeof d === "number" && d > 0);
  if (x.rank !== 4 || kernel.rank !== 4 || !known || sizeOf(kernel.shape, 3) % groups !== 0 || x.mask) {
    throw new RondoError({
      where: "conv2d",
      received: `${x.mask ? "masked " : ""}pixels ${shapeText(x.shape)} and a kernel ${shapeText(kernel.shape)} in groups of ${groups}`,
      expected:
        "pixels [rows, height, width, channels] and a kernel [height, width, channels / groups, filters]",
      fix: "Reshape the operands (channels come last), or drop a mask on purpose with ops.withoutMask",
    });
  }
  if (!equal(C, sizeOf(kernel.shape, 2) * groups)) {
    const parts = {
      where: "conv2d",
      received: `pixels ${shapeText(x.shape)} and a kernel ${shapeText(kernel.shape)} in groups of ${groups}`,
      expected: `${sizeOf(kernel.shape, 2) * groups} channels`,
      fix: "Give the kernel as many channels as the pixels have, by group",
    };
    throw new SizesDiffer(parts, C, sizeOf(kernel.shape, 2) * groups);
  }
  const sizes: Pair = [sizeOf(kernel.shape, 0), sizeOf(kernel.shape, 1)];
  const [along, across] = ([H, W] as const).map((size, i) => {
    const axis = i === 0 ? 0 : 1;
    const around = typeof padding === "string" ? padding : padding[axis];
    const reach = (sizes[axis] - 1) * dilation[axis] + 1;
    return windowsOn("conv2d", size, { reach, stride: strides[axis], padding: around });
  });
  if (along === undefined || across === undefined) throw new Error("conv2d: there are two axes");
  return apply(convOp, [x, packKernel(kernel, groups), ...(bias === undefined ? [] : [bias])], {
    kernel: sizes,
    strides,
    dilation,
    apart: [1, 1],
    before: [along.before, across.before],
    out: [along.out, across.out],
    groups,
    filters: sizeOf(kernel.shape, 3),
    activation: options.activation ?? "linear",
  });
}
