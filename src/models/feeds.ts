import { isNamed, readTensor } from "../data/datasetElement.js";
import { RondoError, unknownName, valueText } from "../errors.js";
import { bind, type Shape } from "../graph/dim.js";
import type { TensorType } from "../graph/ir.js";
import { batchShape } from "../layers/layer.js";
import type { Tensor, TensorLike } from "../tensor.js";
import { targetBounds } from "../train/measure.js";
import type { Objective } from "../train/objective.js";
import { checkRows, checkTargets, type DataArray, readInput, readSamples, rowsOf } from "../train/samples.js";
import { RecentlyUsed } from "./cache.js";
import type { Network, NetworkPort } from "./network.js";
import { arrayName, type Types } from "./trace.js";

/** Data of a model: one array, or arrays by the names of its inputs or outputs. */
export type Data = TensorLike | Readonly<Record<string, TensorLike | undefined>>;

/** Rows that belong together: an array for each input, and for each output with a loss its targets and weights. */
export interface Rows {
  readonly x: readonly Tensor[];
  readonly y?: readonly (Tensor | undefined)[];
  readonly weight?: readonly (Tensor | undefined)[];
}

/** How many. */
export const countOf = ({ x: [first] }: Rows): number => (first === undefined ? 0 : rowsOf(first));

/** A range of them, sharing the memory. */
export const sliceOf = ({ x, y, weight }: Rows, begin: number, end?: number): Rows => ({
  x: x.map((t) => t.rows(begin, end)),
  ...(y === undefined ? {} : { y: y.map((t) => t?.rows(begin, end)) }),
  ...(weight === undefined ? {} : { weight: weight.map((t) => t?.rows(begin, end)) }),
});

/**
 * What was given for each port, in their order; undefined where nothing was.
 *
 * @param required whether every port needs an array
 */
export function byPort(
  where: string,
  kind: "x" | "y" | "sampleWeight",
  given: Data | undefined,
  names: readonly string[],
  required: boolean,
): readonly (TensorLike | undefined)[] {
  const [only] = names;
  const named = isNamed(given) ? (given as Readonly<Record<string, TensorLike | undefined>>) : undefined;
  if (named === undefined && names.length === 1) return [given as TensorLike | undefined];
  const listed = names.join(", ");
  if (named === undefined) {
    if (given === undefined && !required) return names.map(() => undefined);
    throw new RondoError({
      where,
      received: given === undefined ? `no ${kind}` : `${valueText(given)} for ${kind}`,
      expected: `arrays by name: ${listed}`,
      fix: `Write { ${names.map((name) => `${name}: …`).join(", ")} }`,
    });
  }
  if (only === "") {
    throw new RondoError({
      where,
      received: `arrays by name for ${kind}: ${Object.keys(named).join(", ")}`,
      expected: "one array, because the model has one without a name",
      fix: "Give the array itself",
    });
  }
  for (const name of Object.keys(named))
    if (!names.includes(name)) throw unknownName(where, kind === "x" ? "input" : "output", name, names);
  return names.map((name) => {
    const values = named[name];
    if (values !== undefined || !required) return values;
    throw new RondoError({
      where,
      received: `no array for ${arrayName(kind, name)}`,
      expected: `arrays for ${listed}`,
      fix: `Add ${name}`,
    });
  });
}

/** The inputs of a model: their names, and their shapes with the batch axis where the model says them. */
export interface InputPort {
  readonly name: string;
  readonly shape: Shape | undefined;
}

/** What was given for x as tensors, read as far as it was not; nested lists may be large. */
export async function readInputs(
  where: string,
  given: Data,
  ports: readonly InputPort[],
  copied = 0,
): Promise<readonly Tensor[]> {
  const names = ports.map(({ name }) => name);
  // All begin before this returns: what is small is read by then.
  const reading = byPort(where, "x", given, names, true).map((values, i) =>
    readTensor(`${where}: ${arrayName("x", names[i] ?? "")}`, values as TensorLike, copied),
  );
  const [only] = reading;
  return reading.length === 1 && only !== undefined ? [await only] : Promise.all(reading);
}

/** x as tensors that fit the model's inputs, with as many rows each. */
export function fitting(
  where: string,
  given: readonly (TensorLike | undefined)[],
  ports: readonly InputPort[],
): Tensor[] {
  const tensors = ports.map(({ name, shape }, i) => {
    const known = arrayName("x", name);
    return [known, readInput(where, given[i] as TensorLike, shape, known)] as const;
  });
  const [first, ...others] = tensors;
  if (first !== undefined) for (const other of others) checkRows(where, first, other);
  return tensors.map(([, tensor]) => tensor);
}

/** Lengths come in many sizes; types are worked out anew in a microsecond or two. */
const keptTypes = 64;

/** Between the arrays that users give and the ports of a network's graphs. */
export class Feeds {
  readonly #network: Network;
  /** Types of the arrays that were given last, by their dtypes and shapes. */
  readonly #types = new RecentlyUsed<Types>(keptTypes, 1);
  /** Whether the input's shape comes from the data, so that another rank is another network's. */
  readonly #open: boolean;

  constructor(network: Network, open: boolean) {
    this.#network = network;
    this.#open = open;
  }

  get outputs(): readonly NetworkPort[] {
    return this.#network.outputs;
  }

  /** Number of classes of an output that holds probabilities or logits of classes. */
  classes(output = 0): number | undefined {
    const { type, value } = this.outputs[output] ?? {};
    if (type?.dtype === "int32") return value?.call.layer.classes;
    const last = type?.shape.at(-1);
    return typeof last === "number" ? last : undefined;
  }

  /**
   * Rows with their targets and weights.
   *
   * @param masked whether the outputs have masks; asked only where a target is wrong
   * @throws RondoError for arrays that do not fit, and for targets that a loss does not take
   */
  async samples(
    where: string,
    x: readonly Tensor[],
    y: Data,
    sampleWeight: Data | undefined,
    objective: Objective,
    masked: (types: Types) => readonly boolean[],
  ): Promise<Rows> {
    const [first] = x;
    if (first === undefined) throw new Error("rows without an input");
    const names = this.outputs.map(({ name }) => name);
    const targets = byPort(where, "y", y, names, false);
    const weights = byPort(where, "sampleWeight", sampleWeight, names, false);
    const read: { y: (Tensor | undefined)[]; weight: (Tensor | undefined)[] } = { y: [], weight: [] };
    for (const [i, { name }] of this.outputs.entries()) {
      if (!objective.measures(i)) {
        read.y.push(undefined);
        read.weight.push(undefined);
        continue;
      }
      const loss = objective.losses[i];
      const [yName, weightName] = [arrayName("y", name), arrayName("sampleWeight", name)];
      const xName = arrayName("x", this.#network.inputs[0]?.name ?? "");
      const given = targets[i];
      if (given === undefined) {
        throw new RondoError({
          where,
          received: `no array for ${yName}`,
          expected: "targets for every output that has a loss or metrics",
          fix: `Add ${name} to y, or leave its loss and metrics out`,
        });
      }
      const target = await readTensor(`${where}: ${yName}`, given);
      const own = weights[i];
      const weight = own === undefined ? undefined : await readTensor(`${where}: ${weightName}`, own);
      const data = readSamples(where, first, target, weight, [xName, yName, weightName]);
      const isMasked = () => masked(this.types({ x }))[i] === true;
      await checkTargets(where, data, loss && targetBounds(loss, this.classes(i)), isMasked, yName);
      read.y.push(data.y);
      read.weight.push(data.weight);
    }
    return { x, ...read };
  }

  /** The arrays of a run, in the order in which its program takes them. */
  arrays({ x, y = [], weight = [] }: Rows, objective?: Objective): readonly DataArray[] {
    const { inputs, outputs } = this.#network;
    const arrays: DataArray[] = [];
    x.forEach((tensor, i) => {
      arrays.push({ name: arrayName("x", inputs[i]?.name ?? ""), tensor });
    });
    y.forEach((tensor, i) => {
      const loss = objective?.losses[i];
      const bounds = loss && targetBounds(loss, this.classes(i));
      if (tensor !== undefined) arrays.push({ name: arrayName("y", outputs[i]?.name ?? ""), tensor, bounds });
    });
    weight.forEach((tensor, i) => {
      if (tensor !== undefined)
        arrays.push({ name: arrayName("sampleWeight", outputs[i]?.name ?? ""), tensor });
    });
    return arrays;
  }

  /** The values of the graph's symbols for arrays of these sizes. */
  bindings(where: string, { x }: Rows, rows: number): Record<string, number> {
    return this.#network.bind(
      where,
      x.map(({ shape }) => [rows, ...shape.slice(1)]),
    );
  }

  /** Types of the arrays' ports; sizes that the inputs or outputs leave open are symbols. */
  types(rows: Rows): Types {
    const key = keyOf(rows);
    const known = this.#types.get(key);
    if (known !== undefined) return known;
    const types = this.#typesOf(rows);
    this.#types.add(key, types, 1);
    return types;
  }

  #typesOf({ x, y, weight }: Rows): Types {
    const inputs = x.map(({ dtype, shape }, i): TensorType => {
      const own = this.#network.inputs[i]?.type.shape ?? [];
      return { shape: this.#open ? batchShape(shape.slice(1)) : own, dtype };
    });
    if (y === undefined) return { x: inputs };
    const bindings = this.bindings("model", { x }, countOf({ x }));
    const symbolic = (tensor: Tensor | undefined, output: number): Shape | undefined =>
      tensor?.shape.map((size, i) => {
        // Rows belong to rows; other sizes to those of the output that they equal here.
        const d = i === 0 ? inputs[0]?.shape[0] : this.outputs[output]?.type.shape[i];
        return d !== undefined && (i === 0 || bind(d, bindings) === size) ? d : size;
      });
    const targets = y.map((tensor, i): TensorType | undefined => {
      const shape = symbolic(tensor, i);
      return tensor && shape && { shape, dtype: tensor.dtype };
    });
    const weights = weight?.map(symbolic);
    return weights === undefined || weights.every((shape) => shape === undefined)
      ? { x: inputs, y: targets }
      : { x: inputs, y: targets, sampleWeight: weights };
  }
}

/** Equal for rows of the same types. */
function keyOf({ x, y, weight }: Rows): string {
  let key = "";
  for (const list of [x, y ?? [], weight ?? []]) {
    for (const tensor of list) key += tensor === undefined ? "-" : `${tensor.dtype}${tensor.shape} `;
    key += "|";
  }
  return key;
}
