import { arrayTypes, type Dtype, type TypedArray } from "../../dtype.js";
import { RondoError, valueText } from "../../errors.js";
import { checkDtype, checkSizes } from "../../tensor.js";
import { type Dim, type Shape, shapeText } from "../dim.js";
import { apply, type Op, type StateVariable, type SymbolicTensor, symbolic } from "../ir.js";
import { noMask } from "../mask.js";
import { broadcastTo } from "./shape.js";

export interface InputAttrs {
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: Dtype;
}

/** A value given at every run. */
export const inputOp: Op<InputAttrs> = {
  name: "input",
  infer: (_inputs, { shape, dtype }) => [{ shape, dtype }],
  gradient: "none",
  mask: noMask,
  kernel: { kind: "source" },
};

export interface ConstantAttrs {
  readonly data: TypedArray;
  readonly shape: readonly number[];
  readonly dtype: Dtype;
}

/** Literal data. */
export const constantOp: Op<ConstantAttrs> = {
  name: "constant",
  infer: (_inputs, { data, shape, dtype }) => {
    checkDtype("constant", dtype);
    checkSizes("constant", shape);
    const count = shape.reduce((n, d) => n * d, 1);
    if (!(data instanceof arrayTypes[dtype]) || data.length !== count) {
      throw new RondoError({
        where: "constant",
        received: `${valueText(data)} of ${(data as ArrayLike<unknown> | undefined)?.length ?? "no"} elements`,
        expected: `${arrayTypes[dtype].name} data of ${count} elements for ${dtype}${shapeText(shape)}`,
        fix: "Make the data, the shape and the dtype agree",
      });
    }
    return [{ shape, dtype }];
  },
  gradient: "none",
  mask: noMask,
  kernel: { kind: "source" },
};

export interface StateAttrs {
  readonly variable: StateVariable;
}

/** The value of a state variable as it was before the run. */
export const stateOp: Op<StateAttrs> = {
  name: "state",
  infer: (_inputs, { variable }) => [variable],
  gradient: "none",
  mask: noMask,
  kernel: { kind: "source" },
};

export interface SizeAttrs {
  readonly size: Dim;
}

/** A size of the graph as a float32 number; known when the program is planned. */
export const sizeOp: Op<SizeAttrs> = {
  name: "size",
  infer: () => [{ shape: [], dtype: "float32" }],
  gradient: "none",
  mask: noMask,
  kernel: { kind: "source" },
};

export const size = (d: Dim): SymbolicTensor =>
  typeof d === "number" ? scalar(d) : apply(sizeOp, [], { size: d });

/** A graph input of the given shape (sizes or symbols). */
export const input = (name: string, shape: Shape, dtype: Dtype = "float32"): SymbolicTensor =>
  apply(inputOp, [], { name, shape, dtype });

/** Literal data as a value; the array is not copied and must not change. */
export const constant = (data: TypedArray, shape: readonly number[], dtype: Dtype): SymbolicTensor =>
  apply(constantOp, [], { data, shape, dtype });

export const read = (variable: StateVariable): SymbolicTensor => apply(stateOp, [], { variable });

/** A number as a value of shape []. */
export function scalar(value: number, dtype: Dtype = "float32"): SymbolicTensor {
  const data =
    dtype === "float32"
      ? Float32Array.of(value)
      : dtype === "int32"
        ? Int32Array.of(value)
        : Uint8Array.of(dtype === "bool" ? Number(value !== 0) : value);
  return constant(data, [], dtype);
}

/** One number everywhere; no memory is filled until an op needs it. */
export const fill = (shape: Shape, value: number, dtype: Dtype = "float32"): SymbolicTensor =>
  broadcastTo(scalar(value, dtype), shape);

export const zeros = (shape: Shape, dtype: Dtype = "float32"): SymbolicTensor => fill(shape, 0, dtype);
export const ones = (shape: Shape, dtype: Dtype = "float32"): SymbolicTensor => fill(shape, 1, dtype);
/** Zeros (ones) of the shape and dtype of x. */
export const zerosLike = (x: SymbolicTensor): SymbolicTensor =>
  zeros(symbolic("zerosLike", x).shape, x.dtype);
export const onesLike = (x: SymbolicTensor): SymbolicTensor => ones(symbolic("onesLike", x).shape, x.dtype);
