import type { Steps } from "../breather.js";
import type { StateVariable, SymbolicTensor, Update } from "../graph/ir.js";
import { concat } from "../graph/ops/join.js";
import { type RandomSource, streamOf } from "../graph/ops/random.js";
import { reshape, slice } from "../graph/ops/shape.js";
import { read, zeros } from "../graph/ops/source.js";
import type { WeightEntry } from "../layers/component.js";
import type { Weight } from "../layers/layer.js";
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

/** Weights that lie side by side in one flat float32 variable. */
export interface Group {
  readonly variable: StateVariable;
  readonly places: readonly Place[];
}

/** Which weights lie side by side: those of the same answer; undefined: by itself. */
export type KindOf = (entry: WeightEntry) => string | undefined;

/** The kind of what training changes alike, as `kind` tells it; tables and what no one trains lie by themselves. */
export const separated =
  (kind: KindOf): KindOf =>
  (entry) =>
    entry.weight.trainable && entry.weight.table === null ? kind(entry) : undefined;

/**
 * Where the weights of connected models lie. Those that the same models train are one flat vector, so that clipping and
 * the optimizer see them as one; what training never changes has a variable of its own.
 */
export class Arrangement {
  readonly groups: readonly Group[];
  readonly #places = new Map<Weight, Place>();

  /**
   * @param kindOf equal for weights that belong into one vector; undefined: a variable of its own, as tables have
   * @param before groups of the same weights stay what they were
   */
  constructor(entries: readonly WeightEntry[], kindOf: KindOf, before?: Arrangement) {
    const kinds = new Map<string, WeightEntry[]>();
    for (const entry of entries) {
      if (sizeOf(entry.weight.shape) === 0) continue;
      const kind = kindOf(entry) ?? `own ${entry.path}`;
      const list = kinds.get(kind);
      if (list === undefined) kinds.set(kind, [entry]);
      else if (!list.some(({ weight }) => weight === entry.weight)) list.push(entry);
    }
    const names = new Set<string>();
    const groups: Group[] = [];
    for (const list of kinds.values()) {
      const known = before?.groups.find(
        ({ places }) =>
          places.length === list.length && places.every(({ weight }, i) => weight === list[i]?.weight),
      );
      const group = known ?? groupOf(list, names);
      names.add(group.variable.name);
      groups.push(group);
      for (const place of group.places) this.#places.set(place.weight, place);
    }
    this.groups = groups;
  }

  get variables(): StateVariable[] {
    return this.groups.map(({ variable }) => variable);
  }

  /** Undefined for arrays without elements. */
  place(weight: Weight): Place | undefined {
    return this.#places.get(weight);
  }

  /** The weights as values of one graph, and the new values that layers assign. */
  values(): WeightValues {
    const flat = new Map<StateVariable, SymbolicTensor>();
    const values = new Map<Weight, SymbolicTensor>();
    const assigned = new Map<Weight, SymbolicTensor>();
    const of = (weight: Weight): SymbolicTensor => {
      const known = assigned.get(weight) ?? values.get(weight);
      if (known !== undefined) return known;
      const place = this.#places.get(weight);
      if (place === undefined)
        throw new Error(`weight ${weight.name} was not declared when its layer was built`);
      const all = flat.get(place.variable) ?? read(place.variable);
      flat.set(place.variable, all);
      const value = reshape(slice(all, [place.offset], [place.size]), weight.shape);
      values.set(weight, value);
      return value;
    };
    return {
      of,
      assign: (weight, value) => {
        if (weight.trainable)
          throw new Error(`${weight.name}: only weights that are not trained are assigned`);
        assigned.set(weight, value);
      },
      assigned: () =>
        [...assigned].flatMap(([weight, value]) => {
          const place = this.#places.get(weight);
          return place === undefined
            ? []
            : [{ variable: place.variable, value: reshape(value, [place.size]) }];
        }),
    };
  }

  /** First values of a group by its weights' initializers, where `isNew`; the others stay. */
  *initial(group: Group, random: RandomSource, isNew: (weight: Weight) => boolean): Steps<SymbolicTensor> {
    const pieces: SymbolicTensor[] = [];
    for (const { weight, path, offset, size } of group.places) {
      yield;
      const { initializer, shape, place, given } = weight;
      pieces.push(
        isNew(weight) && given !== null
          ? zeros([size]) // written afterwards: a table is no literal of a program
          : isNew(weight)
            ? reshape(initializer.values(shape, random, streamOf(path), place), [-1])
            : slice(read(group.variable), [offset], [size]),
      );
    }
    return concat(pieces, 0);
  }
}

/** The weights in one graph. */
export interface WeightValues {
  of(weight: Weight): SymbolicTensor;
  assign(weight: Weight, value: SymbolicTensor): void;
  assigned(): Update[];
}

function groupOf(entries: readonly WeightEntry[], taken: ReadonlySet<string>): Group {
  const [first] = entries;
  const own = entries.length === 1 && (first?.weight.trainable === false || first?.weight.table != null);
  const base = own ? first.path : first?.trainable === true ? "trainable" : "fixed";
  let name = base;
  for (let i = 1; taken.has(name); i++) name = `${base}_${i}`;
  const size = entries.reduce((n, { weight }) => n + sizeOf(weight.shape), 0);
  const variable: StateVariable = { name, shape: [size], dtype: "float32", role: "weight" };
  let offset = 0;
  const places = entries.map(({ weight, path }): Place => {
    const place = { weight, path, variable, offset, size: sizeOf(weight.shape) };
    offset += place.size;
    return place;
  });
  return { variable, places };
}
