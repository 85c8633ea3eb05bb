import { readOptions, type SettingsOf } from "../config/config.js";
import { flag, plain } from "../config/fields.js";
import type { Tensor, TensorLike } from "../tensor.js";
import { readSaved, reals, type Saved, saved } from "./saved.js";
import { type Affine, checkLengths, type Rows, Scaler } from "./scaler.js";

const isRange = (x: unknown): boolean =>
  Array.isArray(x) && x.length === 2 && x.every(Number.isFinite) && Number(x[0]) < Number(x[1]);

const minMaxOptions = {
  featureRange: plain<readonly [number, number]>(isRange, "two numbers, the smaller one first").optional([
    0, 1,
  ]),
  clip: flag(false),
};
const minMaxFields = { ...minMaxOptions, dataMin: reals, dataMax: reals };

/** Options of a MinMaxScaler. */
export interface MinMaxScalerOptions {
  /** The smallest and the largest value that the training data has afterwards. Default: [0, 1]. */
  readonly featureRange?: readonly [least: number, most: number];
  /** Whether values beyond those of the training data are held within the range. Default: false. */
  readonly clip?: boolean;
}

/**
 * Features between two values, as scikit-learn computes them. A feature that is constant, up to rounding, is moved to the
 * lower one and not stretched.
 */
export class MinMaxScaler extends Scaler {
  readonly #settings: SettingsOf<typeof minMaxOptions>;
  #dataMin: readonly number[] = [];
  #dataMax: readonly number[] = [];

  /** @throws RondoError for options that do not fit */
  constructor(options: MinMaxScalerOptions = {}) {
    super("minMaxScaler");
    this.#settings = readOptions(minMaxOptions, options, "minMaxScaler");
  }

  /**
   * A scaler from what `JSON.stringify` wrote of it.
   *
   * @throws RondoError for what is no MinMaxScaler
   */
  static fromJSON(json: unknown): MinMaxScaler {
    const { dataMin, dataMax, ...options } = readSaved("MinMaxScaler", minMaxFields, json);
    checkLengths("MinMaxScaler", { dataMin, dataMax });
    const scaler = new MinMaxScaler(options);
    scaler.#dataMin = dataMin;
    scaler.#dataMax = dataMax;
    return scaler;
  }

  /** The smallest value of each feature; NaN where there was none. */
  get dataMin(): readonly number[] {
    return this.#dataMin;
  }

  /** The largest value of each feature; NaN where there was none. */
  get dataMax(): readonly number[] {
    return this.#dataMax;
  }

  override get features(): number | undefined {
    return this.#dataMin.length === 0 ? undefined : this.#dataMin.length;
  }

  override transform(x: TensorLike): Tensor<"float32"> {
    const result = super.transform(x);
    const [least, most] = this.#settings.featureRange;
    // NaN stays.
    if (this.#settings.clip)
      for (const [i, value] of result.data.entries()) result.data[i] = Math.min(most, Math.max(least, value));
    return result;
  }

  /** What `JSON.stringify` writes; `fromJSON` reads it. */
  toJSON(): Saved {
    const learned = { dataMin: this.#dataMin, dataMax: this.#dataMax };
    return saved("MinMaxScaler", minMaxFields, { ...this.#settings, ...learned });
  }

  protected override forget(): void {
    this.#dataMin = [];
    this.#dataMax = [];
  }

  protected override learn({ data, rows, features }: Rows): void {
    const nothing = () => Array.from({ length: features }, () => Number.NaN);
    const dataMin = this.#dataMin.length === 0 ? nothing() : [...this.#dataMin];
    const dataMax = this.#dataMax.length === 0 ? nothing() : [...this.#dataMax];
    for (let row = 0, at = 0; row < rows; row++) {
      for (let feature = 0; feature < features; feature++, at++) {
        const value = data[at] ?? 0;
        if (Number.isNaN(value)) continue;
        // NaN, where no value was there yet, is not below or above any.
        if (!((dataMin[feature] ?? 0) <= value)) dataMin[feature] = value;
        if (!((dataMax[feature] ?? 0) >= value)) dataMax[feature] = value;
      }
    }
    this.#dataMin = dataMin;
    this.#dataMax = dataMax;
  }

  /** What is done with a feature. */
  protected override affine(feature: number): Affine {
    const [least, most] = this.#settings.featureRange;
    const [center = 0, end = 0] = [this.#dataMin[feature], this.#dataMax[feature]];
    const range = end - center < 10 * Number.EPSILON ? 1 : end - center;
    return { center, factor: (most - least) / range, offset: least };
  }
}
