import { RondoError } from "../errors.js";
import { shapeText, Tensor, type TensorLike, toTensor } from "../tensor.js";
import { damaged } from "./saved.js";

/** Values of F features: R rows, row-major. */
export interface Rows {
  readonly data: ArrayLike<number>;
  readonly rows: number;
  readonly features: number;
}

/** What a scaler does with a feature: (x - center) · factor + offset. */
export interface Affine {
  readonly center: number;
  readonly factor: number;
  readonly offset: number;
}

/**
 * What scalers have in common. Features lie on the last axis; whatever the other axes are (samples, time steps), their
 * entries are rows. Missing values, NaN, are left out when it is fitted and stay NaN when it transforms.
 */
export abstract class Scaler {
  /** As in errors. */
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  /** Number of features, once it was fitted. */
  abstract get features(): number | undefined;

  /** Forgets what was learned. */
  protected abstract forget(): void;

  /** Learns from further rows. */
  protected abstract learn(rows: Rows): void;

  protected abstract affine(feature: number): Affine;

  /**
   * Learns from the training data, and from it alone; what was learned before is forgotten.
   *
   * @param x [.., features]
   * @throws RondoError for infinite values, and for less than two axes
   */
  fit(x: TensorLike): this {
    const rows = this.#rows("fit", x);
    this.forget();
    this.learn(rows);
    return this;
  }

  /**
   * Learns from further training data, too, which need not fit into memory together.
   *
   * @param x [.., features]
   * @throws RondoError as `fit`; for another number of features than before
   */
  partialFit(x: TensorLike): this {
    this.learn(this.#rows("partialFit", x, this.features));
    return this;
  }

  /**
   * Values in the scale that was learned.
   *
   * @param x [.., features]
   * @returns float32 of the same shape
   * @throws RondoError before it was fitted; for another number of features
   */
  transform(x: TensorLike): Tensor<"float32"> {
    return this.map(
      "transform",
      x,
      ({ center, factor, offset }) =>
        (value) =>
          (value - center) * factor + offset,
    );
  }

  /** `fit`, then `transform`. */
  fitTransform(x: TensorLike): Tensor<"float32"> {
    return this.fit(x).transform(x);
  }

  /**
   * Values in the scale that they had before `transform`.
   *
   * @param y [.., features]
   * @returns float32 of the same shape
   * @throws RondoError as `transform`
   */
  inverseTransform(y: TensorLike): Tensor<"float32"> {
    return this.map(
      "inverseTransform",
      y,
      ({ center, factor, offset }) =>
        (value) =>
          (value - offset) / factor + center,
    );
  }

  /** Each value by what its feature does. */
  protected map(
    method: string,
    x: TensorLike,
    of: (affine: Affine) => (value: number) => number,
  ): Tensor<"float32"> {
    const { features } = this;
    if (features === undefined) {
      throw new RondoError({
        where: `${this.#name}.${method}`,
        received: "a scaler that has seen no data",
        expected: "one that was fitted",
        fix: `Call ${this.#name}.fit(x) first, with the training data`,
      });
    }
    const { data, shape } = this.#read(method, x, features);
    const functions = Array.from({ length: features }, (_, feature) => of(this.affine(feature)));
    const result = new Float32Array(data.length);
    for (let at = 0; at < data.length; ) for (const each of functions) result[at] = each(data[at++] ?? 0);
    return new Tensor(result, shape, "float32");
  }

  #rows(method: string, x: TensorLike, features?: number): Rows {
    const { data, shape } = this.#read(method, x, features);
    const count = shape.at(-1) ?? 0;
    const infinite = data.findIndex((value) => Math.abs(value) === Number.POSITIVE_INFINITY);
    if (infinite >= 0) {
      throw new RondoError({
        where: `${this.#name}.${method}`,
        received: `${data[infinite]} in row ${Math.floor(infinite / count)}, feature ${infinite % count}`,
        expected: "finite values, or NaN for missing ones",
        fix: "Replace it, by NaN say",
      });
    }
    return { data, rows: count === 0 ? 0 : data.length / count, features: count };
  }

  #read(method: string, x: TensorLike, features: number | undefined): Tensor {
    const where = `${this.#name}.${method}`;
    const read = toTensor(where, x, undefined, "float32");
    if (read.rank < 2) {
      throw new RondoError({
        where,
        received: `shape ${shapeText(read.shape)}`,
        expected: "at least two axes, the last one for the features",
        fix: "For one feature, write tensor(x).reshape([-1, 1])",
      });
    }
    if (features === undefined || read.shape.at(-1) === features) return read;
    throw new RondoError({
      where,
      received: `${read.shape.at(-1)} features, shape ${shapeText(read.shape)}`,
      expected: `${features}, as when it was fitted`,
      fix: "Pass the same features in the same order",
    });
  }
}

/** Refuses lists in a file that are not of the same number of features. */
export function checkLengths(className: string, lists: Readonly<Record<string, readonly number[]>>): void {
  const lengths = Object.entries(lists).map(([name, { length }]) => `${length} for ${name}`);
  if (new Set(Object.values(lists).map(({ length }) => length)).size === 1) return;
  throw damaged(
    className,
    `numbers of features that differ: ${lengths.join(", ")}`,
    "the same number for each",
  );
}
