import { readOptions, type SettingsOf } from "../config/config.js";
import { flag } from "../config/fields.js";
import { readSaved, reals, type Saved, saved } from "./saved.js";
import { type Affine, checkLengths, type Rows, Scaler } from "./scaler.js";

const standardOptions = { withMean: flag(true), withStd: flag(true) };
const standardFields = { ...standardOptions, mean: reals, variance: reals, count: reals };

/** Options of a StandardScaler. */
export interface StandardScalerOptions {
  /** Whether the mean is subtracted. Default: true. */
  readonly withMean?: boolean;
  /** Whether values are divided by the standard deviation. Default: true. */
  readonly withStd?: boolean;
}

/**
 * Features of mean 0 and variance 1 (of all values: divided by their number, not by one less), as scikit-learn computes
 * them. A feature that is constant, up to rounding, is not divided.
 */
export class StandardScaler extends Scaler {
  readonly #settings: SettingsOf<typeof standardOptions>;
  #mean: readonly number[] = [];
  #variance: readonly number[] = [];
  #count: readonly number[] = [];

  /** @throws RondoError for options that do not fit */
  constructor(options: StandardScalerOptions = {}) {
    super("standardScaler");
    this.#settings = readOptions(standardOptions, options, "standardScaler");
  }

  /**
   * A scaler from what `JSON.stringify` wrote of it.
   *
   * @throws RondoError for what is no StandardScaler
   */
  static fromJSON(json: unknown): StandardScaler {
    const { mean, variance, count, ...options } = readSaved("StandardScaler", standardFields, json);
    checkLengths("StandardScaler", { mean, variance, count });
    const scaler = new StandardScaler(options);
    scaler.#mean = mean;
    scaler.#variance = variance;
    scaler.#count = count;
    return scaler;
  }

  /** Of each feature; NaN where no value was there. */
  get mean(): readonly number[] {
    return this.#mean;
  }

  /** Of each feature, around its mean. */
  get variance(): readonly number[] {
    return this.#variance;
  }

  /** How many values of each feature were there. */
  get count(): readonly number[] {
    return this.#count;
  }

  /** By what each feature is divided: its standard deviation, 1 where it is constant. */
  get scale(): readonly number[] {
    return this.#variance.map((variance, i) => {
      const [mean = 0, count = 0] = [this.#mean[i], this.#count[i]];
      // The error that rounding leaves of a constant (Chan, Golub, LeVeque 1983), as in scikit-learn.
      const error = count * Number.EPSILON * variance + (count * mean * Number.EPSILON) ** 2;
      return variance <= error ? 1 : Math.sqrt(variance);
    });
  }

  override get features(): number | undefined {
    return this.#count.length === 0 ? undefined : this.#count.length;
  }

  /** What `JSON.stringify` writes; `fromJSON` reads it. */
  toJSON(): Saved {
    const learned = { mean: this.#mean, variance: this.#variance, count: this.#count };
    return saved("StandardScaler", standardFields, { ...this.#settings, ...learned });
  }

  protected override forget(): void {
    this.#count = [];
  }

  /** Two passes over the rows, joined with those before (Chan, Golub, LeVeque 1983, equations 1.5a and 1.5b). */
  protected override learn({ data, rows, features }: Rows): void {
    const learned = Array.from({ length: features }, (_, feature) => {
      const sum = (of: (value: number) => number): number => {
        let total = 0;
        for (let row = 0; row < rows; row++) {
          const value = data[row * features + feature] ?? 0;
          if (!Number.isNaN(value)) total += of(value);
        }
        return total;
      };
      const added = sum(() => 1);
      const before = this.#count[feature] ?? 0;
      const count = before + added;
      const mean = sum((value) => value) / added;
      const rest = sum((value) => value - mean);
      const squares = sum((value) => (value - mean) ** 2) - rest ** 2 / added;
      if (before === 0) return { count, mean, variance: squares / count };
      const [meanBefore = 0, varianceBefore = 0] = [this.#mean[feature], this.#variance[feature]];
      if (added === 0) return { count, mean: meanBefore, variance: varianceBefore };
      const apart = mean - meanBefore;
      return {
        count,
        mean: meanBefore + (apart * added) / count,
        variance: (varianceBefore * before + squares + (apart ** 2 * before * added) / count) / count,
      };
    });
    this.#count = learned.map(({ count }) => count);
    this.#mean = learned.map(({ mean }) => mean);
    this.#variance = learned.map(({ variance }) => variance);
  }

  /** What is done with a feature. */
  protected override affine(feature: number): Affine {
    const { withMean, withStd } = this.#settings;
    return {
      center: withMean ? (this.#mean[feature] ?? 0) : 0,
      factor: withStd ? 1 / (this.scale[feature] ?? 1) : 1,
      offset: 0,
    };
  }
}
