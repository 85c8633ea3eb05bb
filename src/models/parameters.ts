import type { Steps } from "../breather.js";
import type { StateVariable, SymbolicTensor } from "../graph/ir.js";
import { concat } from "../graph/ops/join.js";
import { type RandomSource, streamOf } from "../graph/ops/random.js";
import { reshape, slice } from "../graph/ops/shape.js";
import { read } from "../graph/ops/source.js";
import type { WeightEntry } from "../layers/component.js";
import type { Layer, Weight } from "../layers/layer.js";
import { sizeOf } from "../tensor.js";

/** Where one array of weights lies: `size` elements from `offset` of a flat variable. */
export interface Place {
  readonly weight: Weight;
  /** Names the array within the model, as `lstm/kernel`. */
  readonly path: string;
  readonly variable: StateVariable;
  readonly offset: number;
  readonly size: number;
}

/**
 * The weights of built layers, side by side in two flat float32 variables: those that training changes (so that clipping
 * and the optimizer see one vector), and the others. A variable without elements is left out.
 */
export class Parameters {
  /** In Keras's order. */
  readonly places: readonly Place[];
  readonly trainable: StateVariable | undefined;
  readonly fixed: StateVariable | undefined;
  readonly #byWeight = new Map<Weight, Place>();

  constructor(layers: readonly Layer[]) {
    // A layer or a cell in several places has its weights once.
    const entries = new Map<Weight, WeightEntry>();
    for (const layer of layers)
      for (const entry of layer.weightEntries())
        if (!entries.has(entry.weight)) entries.set(entry.weight, entry);
    const all = [...entries.values()];
    const flat = (name: string, trainable: boolean): StateVariable | undefined => {
      const size = all.reduce((n, e) => n + (e.trainable === trainable ? sizeOf(e.weight.shape) : 0), 0);
      return size === 0 ? undefined : { name, shape: [size], dtype: "float32", role: "weight" };
    };
    this.trainable = flat("trainable", true);
    this.fixed = flat("fixed", false);
    const next = { trainable: 0, fixed: 0 };
    const places: Place[] = [];
    for (const { path, weight, trainable } of all) {
      const kind = trainable ? "trainable" : "fixed";
      const variable = this[kind];
      if (variable === undefined) continue; // arrays without elements
      const size = sizeOf(weight.shape);
      const place = { weight, path, variable, offset: next[kind], size };
      next[kind] += size;
      places.push(place);
      this.#byWeight.set(weight, place);
    }
    this.places = places;
  }

  get variables(): StateVariable[] {
    return [this.trainable, this.fixed].filter((v) => v !== undefined);
  }

  /** Number of elements, of all weights or of those that training changes (or does not). */
  count(trainable?: boolean): number {
    return this.places.reduce(
      (n, { variable, size }) =>
        n + (trainable === undefined || trainable === (variable === this.trainable) ? size : 0),
      0,
    );
  }

  /** The weights as values of one graph. */
  values(): (weight: Weight) => SymbolicTensor {
    const flat = new Map(this.variables.map((v) => [v, read(v)]));
    const values = new Map<Weight, SymbolicTensor>();
    return (weight) => {
      const known = values.get(weight);
      if (known !== undefined) return known;
      const place = this.#byWeight.get(weight);
      const all = place && flat.get(place.variable);
      if (place === undefined || all === undefined) {
        throw new Error(`weight ${weight.name} was not declared when its layer was built`);
      }
      const value = reshape(slice(all, [place.offset], [place.size]), weight.shape);
      values.set(weight, value);
      return value;
    };
  }

  /** First values of a flat variable, by its weights' initializers. */
  *initial(variable: StateVariable, random: RandomSource): Steps<SymbolicTensor> {
    const pieces: SymbolicTensor[] = [];
    for (const { weight, path, variable: own } of this.places) {
      if (own !== variable) continue;
      yield;
      const { initializer, shape, place } = weight;
      const values = initializer.values(shape, random, streamOf(path), place);
      pieces.push(reshape(values, [-1]));
    }
    return concat(pieces, 0);
  }
}
