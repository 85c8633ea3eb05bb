import type { Dtype } from "../dtype.js";
import { bind, type Shape } from "../graph/dim.js";
import type { TensorType } from "../graph/ir.js";
import { batchShape } from "../layers/layer.js";
import type { Tensor } from "../tensor.js";
import type { Dataset } from "../train/dataset.js";
import type { Types } from "./trace.js";

/** Arrays of one data set: x alone for predictions. */
export type Given = Pick<Dataset, "x"> & Partial<Dataset>;

/** Between the arrays that users give and the ports of a model's graphs. */
export class Ports {
  /** With its batch axis; undefined where the model takes its shape from the data. */
  readonly input: Shape | undefined;
  readonly output: Shape;
  readonly #fixedInputs = new Map<Dtype, Types>();

  constructor(input: Shape | undefined, output: Shape) {
    this.input = input;
    this.output = output;
  }

  /** Number of classes of an output that holds probabilities or logits of classes. */
  get classes(): number | undefined {
    const last = this.output.at(-1);
    return typeof last === "number" ? last : undefined;
  }

  /** Types of the arrays' ports; sizes that the model's input or output leave open are symbols. */
  types({ x, y, weight }: Given): Types {
    const types = this.#inputTypes(x);
    if (y === undefined) return types;
    const bindings = bindingsOf(types.x.shape, x.shape);
    const symbolic = ({ shape }: Tensor): Shape =>
      shape.map((size, i) => {
        // Rows belong to rows; other sizes to those of the output that they equal here.
        const d = i === 0 ? types.x.shape[0] : this.output[i];
        return d !== undefined && (i === 0 || bind(d, bindings) === size) ? d : size;
      });
    const targets: TensorType = { shape: symbolic(y), dtype: y.dtype };
    return weight === undefined
      ? { ...types, y: targets }
      : { ...types, y: targets, sampleWeight: symbolic(weight) };
  }

  #inputTypes({ shape, dtype }: Tensor): Types {
    if (this.input === undefined) return { x: { shape: batchShape(shape.slice(1)), dtype } };
    const known = this.#fixedInputs.get(dtype);
    if (known !== undefined) return known;
    const types = { x: { shape: this.input, dtype } };
    this.#fixedInputs.set(dtype, types);
    return types;
  }
}

/** The values of a shape's symbols for an array of the given sizes. */
export function bindingsOf(shape: Shape, sizes: readonly number[]): Record<string, number> {
  const bindings: Record<string, number> = {};
  for (const [i, d] of shape.entries()) if (typeof d !== "number") bindings[d.key] = sizes[i] ?? 0;
  return bindings;
}
