import { readBytes, writeBytes } from "#files";
import type { JsonObject } from "../config/config.js";
import type { Configured } from "../config/configurable.js";
import { checkOptions, RondoError, valueText } from "../errors.js";
import type { FileArray } from "../formats/arrayTypes.js";
import { type KerasGroup, type NewKerasGroup, writeKerasFile } from "../formats/kerasFile.js";
import { type KerasAttribute, type KerasNode, kerasPaths } from "../formats/kerasPaths.js";
import { decodeSafetensors, encodeSafetensors } from "../formats/safetensors.js";
import { type Component, describe, type WeightEntry } from "../layers/component.js";
import { InputLayer } from "../layers/inputLayer.js";
import type { Weight } from "../layers/layer.js";
import { shapeText, sizeOf, Tensor, zeros } from "../tensor.js";
import type { CallbackModel } from "../train/callbacks/callback.js";
import { compileConfig, inLists } from "../train/compileConfig.js";
import type { Objective } from "../train/objective.js";
import type { Optimizer } from "../train/optimizers/optimizer.js";
import {
  accumulatorSlot,
  averageSlot,
  countSlot,
  seenSlot,
  unknownCount,
} from "../train/optimizers/update.js";
import type { EngineSnapshot, OptimizerSnapshot } from "./slots.js";

/** Where a file is: a path (Node), an address, its bytes, or a Blob. */
export type FileSource = string | URL | Uint8Array | ArrayBuffer | Blob;

/** The bytes of a file. */
export async function bytesOf(where: string, source: FileSource): Promise<Uint8Array> {
  if (source instanceof Uint8Array) return source;
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  if (source instanceof Blob) return new Uint8Array(await source.arrayBuffer());
  if (typeof source === "string" || (source as unknown) instanceof URL) return readBytes(String(source));
  throw new RondoError({
    where,
    received: valueText(source),
    expected: "a path, an address, bytes or a Blob",
    fix: 'Write for example loadModel("model.keras")',
  });
}

/** How a model is loaded of which it cannot be read how it was compiled. */
export const compileAnew = "Load it with loadModel(path, { compile: false }), and compile it";

/** How errors call a file. */
export const nameOf = (source: FileSource): string =>
  typeof source === "string" || source instanceof URL ? String(source) : "the file";

/**
 * Writes bytes where a path says, and gives them back.
 *
 * @param ending of paths: by it Keras and others know the format
 * @throws RondoError for a path that does not end so
 */
export async function delivered(
  where: string,
  path: string | undefined,
  ending: string,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  if (path === undefined) return bytes;
  if (typeof path !== "string" || !path.endsWith(ending)) {
    const name = typeof path === "string" ? path.replace(/\.[^./\\]*$/, "") : "model";
    throw new RondoError({
      where,
      received: `the path ${valueText(path)}`,
      expected: `one that ends in ${ending}, the format that is written`,
      fix: `Write ${where}(${JSON.stringify(name + ending)})`,
    });
  }
  await writeBytes(path, bytes);
  return bytes;
}

/** A component as Keras sees it. */
interface Node extends KerasNode {
  readonly component: Component;
  readonly children: readonly KerasAttribute[];
}

/** Where the weights of each component of a model lie in a `.keras` file. */
export function componentPaths(model: Component): Map<string, Component> {
  const known = new Map<Component, Node>();
  const nodeOf = (component: Component): Node => {
    const made = known.get(component);
    if (made !== undefined) return made;
    const node: Node = { className: component.className, component, children: childrenOf(component) };
    known.set(component, node);
    return node;
  };
  const childrenOf = (component: Component): KerasAttribute[] => {
    const parts = component.parts();
    const [first, second] = parts;
    switch (component.className) {
      case "Functional":
        return [["layers", parts.map(nodeOf)]];
      case "Sequential":
        return [["layers", parts.filter((part) => !(part instanceof InputLayer)).map(nodeOf)]];
      case "Bidirectional":
        if (first === undefined || second === undefined) return [];
        return [
          ["forward_layer", nodeOf(first)],
          ["backward_layer", nodeOf(second)],
        ];
      case "StackedRNNCells":
        return [["cells", parts.map(nodeOf)]];
      case "LSTM":
      case "GRU":
      case "SimpleRNN":
      case "RNN":
      case "ConvLSTM1D":
      case "ConvLSTM2D":
        return first === undefined ? [] : [["cell", nodeOf(first)]];
      default:
        return first === undefined ? [] : [["layer", nodeOf(first)]];
    }
  };
  const paths = kerasPaths<Node>(nodeOf(model));
  return new Map([...paths].map(([path, { component }]) => [path, component]));
}

/** The weights that a component declared itself, as Keras counts them: what training changes first. */
export const ownVariables = (component: Component): readonly Weight[] => {
  const own = component.ownWeights();
  return [...own.filter(({ trainable }) => trainable), ...own.filter(({ trainable }) => !trainable)];
};

/** What a file knows of a model besides what Keras has a place for. */
export interface RondoState {
  readonly seed: number;
  readonly step: number;
  readonly passes: number;
}

/** The version of Keras whose format the files follow. */
const kerasVersion = "3.15.1";

/** What a checkpoint has beside its model. */
export interface Beside {
  readonly json: JsonObject;
  readonly arrays: readonly FileArray[];
}

/** Where a checkpoint has the arrays that are beside its model. */
export const besidePath = "rondo/checkpoint";

/**
 * A `.keras` file of a model. How it was compiled is left out, with a warning, where that is partly code of one's own.
 *
 * @param entries its weights in the order of the snapshot's
 * @param beside of a checkpoint, in the place of what Keras keeps of an optimizer, which is less
 */
export function kerasFileOf(
  model: Component & { readonly outputNames: readonly string[] },
  entries: readonly WeightEntry[],
  seed: number,
  { weights, step, passes, optimizer }: EngineSnapshot & { readonly passes: number },
  objective: Objective | undefined,
  beside?: Beside,
): Promise<Uint8Array<ArrayBuffer>> {
  const values = new Map(entries.map(({ weight }, i) => [weight, weights[i]]));
  const groups: [string, NewKerasGroup][] = [...componentPaths(model)].map(([path, component]) => [
    path,
    {
      name: component.name,
      variables: ownVariables(component).map((weight) => {
        const tensor = values.get(weight);
        if (tensor === undefined) throw new Error(`the weight ${weight.name} has no value`);
        return tensor;
      }),
    },
  ]);
  const compiled = objective && compileConfig(objective);
  if (objective !== undefined && compiled === undefined && beside === undefined) {
    console.warn(
      `rondo: ${model.where} is saved without its loss, metrics and optimizer, because they are partly code of your own: compile it again after loading`,
    );
  }
  if (beside !== undefined) {
    if (beside.arrays.length > 0) groups.push([besidePath, { variables: beside.arrays }]);
  } else if (compiled !== undefined && optimizer !== undefined) {
    groups.push(["optimizer", optimizerGroup(objective?.optimizer, optimizer)]);
    const variables = accumulationOf(optimizer.slots).flatMap(([, tensors]) => tensors);
    if (variables.some(({ data }) => data.some((value) => value !== 0)))
      groups.push([accumulationPath, { variables }]);
    const rows = behind(objective?.optimizer, optimizer.slots);
    if (rows.length > 0)
      groups.push([
        rowsPath,
        { variables: rows.map(([name, i]) => optimizer.slots.get(name)?.[i] ?? zeros([0])) },
      ]);
  }
  const state: RondoState = { seed, step, passes };
  const description = describe(model);
  const { output_layers: ports } = description.config as JsonObject;
  const isList = Array.isArray(ports) && Array.isArray(ports[0]);
  const compile_config = compiled && isList ? inLists(compiled, model.outputNames) : compiled;
  return writeKerasFile({
    metadata: {
      keras_version: kerasVersion,
      date_saved: "",
      rondo: { ...state, ...(beside && { checkpoint: beside.json }) },
    },
    config: { ...description, ...(compile_config === undefined ? {} : { compile_config }) },
    groups,
  });
}

/**
 * The weights of a model in its file.
 *
 * @throws RondoError for another number of arrays than its layers have
 */
export function weightsIn(
  where: string,
  model: Component,
  groups: ReadonlyMap<string, KerasGroup>,
): Map<Weight, Tensor<"float32">> {
  const values = new Map<Weight, Tensor<"float32">>();
  for (const [path, component] of componentPaths(model)) {
    const own = ownVariables(component);
    const stored = groups.get(path)?.variables ?? [];
    if (stored.length !== own.length) {
      throw new RondoError({
        where,
        received: `${stored.length} arrays for ${component.where} (${path})`,
        expected: own.length === 0 ? "none" : own.map(({ name }) => name).join(", "),
        fix: "Save the model again with the version of Keras that trained it",
      });
    }
    own.forEach((weight, i) => {
      const { data, shape } = stored[i] ?? {};
      if (data instanceof Float32Array && shape !== undefined)
        values.set(weight, new Tensor(data, shape, "float32"));
    });
  }
  return values;
}

/** Optimizers whose first two slots Keras makes weight by weight; those of others come slot by slot. */
const paired: readonly string[] = ["Adam", "AdamW", "Adamax", "Nadam", "Adadelta"];

type Slots = ReadonlyMap<string, readonly Tensor<"float32">[]>;

/** Where a file has what Keras does not keep between steps whose gradients make one update. */
const accumulationPath = "rondo/accumulation";

/** The slots in which gradients are accumulated, term by term of the loss. */
function accumulationOf(slots: Slots): (readonly [string, readonly Tensor<"float32">[]])[] {
  const found: (readonly [string, readonly Tensor<"float32">[]])[] = [];
  for (let term = 0; slots.has(accumulatorSlot(term)); term++)
    for (const name of [accumulatorSlot(term), countSlot(term)]) found.push([name, slots.get(name) ?? []]);
  return found;
}

/** Where a file has the slots of tables whose rows are behind, and how far they are. */
const rowsPath = "rondo/rows";

/** The slots of tables that are brought up to date where a step names their rows: which, of which of the trained weights. */
const behind = (optimizer: Optimizer | undefined, slots: Slots): (readonly [name: string, index: number])[] =>
  [...(slots.get(seenSlot) ?? []).entries()].flatMap(([i, { size }]) =>
    size === 0 ? [] : [seenSlot, ...Object.keys(optimizer?.idle ?? {})].map((name) => [name, i] as const),
  );

/** A slot of a table [R, D] as it is after all steps: rows that steps did not name have shrunk. */
function upToDate(slot: Tensor<"float32">, seen: Tensor<"float32">, factor: number, steps: number) {
  const { data, shape } = slot;
  const width = data.length / seen.size;
  const values = data.map(
    (value, i) => value * factor ** (steps - (seen.data[Math.floor(i / width)] ?? steps)),
  );
  return new Tensor(values, shape, "float32");
}

/**
 * The slots as Keras has them: the gradients of all terms of the loss are accumulated together, and tables are updated as a
 * whole.
 */
function kerasSlots(
  optimizer: Optimizer | undefined,
  { slots, iterations }: Pick<OptimizerSnapshot, "slots" | "iterations">,
): Slots {
  const own = new Set([seenSlot, ...accumulationOf(slots).map(([name]) => name)]);
  const shared = new Map([...slots].filter(([name]) => !own.has(name)));
  for (const [name, i] of behind(optimizer, slots)) {
    const list = shared.get(name);
    const [slot, seen] = [list?.[i], slots.get(seenSlot)?.[i]];
    const factor = optimizer?.idle?.[name];
    if (list === undefined || slot === undefined || seen === undefined || factor === undefined) continue;
    shared.set(name, list.with(i, upToDate(slot, seen, factor, iterations)));
  }
  const first = slots.get(accumulatorSlot(0));
  if (first === undefined) return shared;
  const terms = [...own].filter((name) => name.startsWith(accumulatorSlot(0)));
  const sums = first.map(({ shape, size }, i) => {
    const sum = new Float32Array(size);
    for (const name of terms) {
      const { data } = slots.get(name)?.[i] ?? { data: [] };
      for (const [k, value] of data.entries()) sum[k] = (sum[k] ?? 0) + value;
    }
    return new Tensor(sum, shape, "float32");
  });
  return shared.set(accumulatorSlot(0), sums);
}

/** The slots in the order of Keras's variables: which slot, of which of the trained weights. */
function slotOrder(
  optimizer: Optimizer | undefined,
  slots: Slots,
): (readonly [name: string, index: number])[] {
  const own = [...slots.keys()];
  const first = [averageSlot, accumulatorSlot(0)].filter((name) => own.includes(name));
  const rest = own.filter((name) => !first.includes(name));
  const indices = (name: string) => [...(slots.get(name) ?? []).keys()];
  const { className = "" } = (optimizer ?? {}) as Partial<Configured>;
  const pair = paired.includes(className) ? rest.slice(0, 2) : [];
  const [head = ""] = pair;
  return [
    ...first.flatMap((name) => indices(name).map((i) => [name, i] as const)),
    ...indices(head).flatMap((i) => pair.map((name) => [name, i] as const)),
    ...rest.slice(pair.length).flatMap((name) => indices(name).map((i) => [name, i] as const)),
  ];
}

/** What Keras has of an optimizer: its steps, its learning rate unless a schedule gives it, its slots. */
function optimizerGroup(
  optimizer: Optimizer | undefined,
  { iterations, learningRate, slots }: OptimizerSnapshot,
): NewKerasGroup {
  const kept = kerasSlots(optimizer, { slots, iterations });
  const scalar = <D extends "int64" | "float32">(dtype: D, data: FileArray["data"]) =>
    ({ dtype, shape: [], data }) as FileArray;
  return {
    name: optimizer?.name,
    variables: [
      scalar("int64", BigInt64Array.of(BigInt(iterations))),
      ...(learningRate === undefined ? [] : [scalar("float32", Float32Array.of(learningRate))]),
      ...slotOrder(optimizer, kept).map(([name, i]) => kept.get(name)?.[i] as Tensor<"float32">),
    ],
  };
}

/**
 * What a file has of an optimizer, for a model that was compiled with it and not trained.
 *
 * @param present what the model's optimizer keeps now, which tells the slots and their shapes
 * @returns undefined where the file has no slots: the model was not trained
 */
export function optimizerFrom(
  groups: ReadonlyMap<string, KerasGroup>,
  optimizer: Optimizer | undefined,
  present: OptimizerSnapshot,
  file: string,
): OptimizerSnapshot | undefined {
  const [steps, ...rest] = groups.get("optimizer")?.variables ?? [];
  if (steps === undefined) return undefined;
  const refuse = (received: string, expected: string) =>
    new RondoError({ where: `loadModel ${file}`, received, expected, fix: compileAnew });
  const rate = present.learningRate === undefined ? undefined : rest.shift();
  if (rate !== undefined && rate.shape.length > 0)
    throw refuse(
      "the state of an optimizer without its learning rate, as Keras 2 writes it",
      "one of Keras 3",
    );
  const order = slotOrder(optimizer, kerasSlots(optimizer, present));
  if (rest.length === 0 && order.length > 0) return undefined;
  const slots = new Map([...present.slots].map(([name, list]) => [name, [...list]]));
  if (rest.length !== order.length) {
    const stored = rest.length + (rate === undefined ? 1 : 2);
    const wanted = order.length + (present.learningRate === undefined ? 1 : 2);
    throw refuse(`${stored} arrays of its optimizer`, `${wanted}, as ${optimizer?.name ?? "it"} has`);
  }
  const put = (name: string, i: number, { data, shape }: Partial<FileArray> = {}) => {
    const list = slots.get(name);
    if (data instanceof Float32Array && shape !== undefined && list !== undefined)
      list[i] = new Tensor(data, shape, "float32");
  };
  order.forEach(([name, i], k) => {
    const [stored, wanted] = [rest[k]?.shape ?? [], slots.get(name)?.[i]?.shape ?? []];
    if (shapeText(stored) !== shapeText(wanted)) {
      throw refuse(
        `an array of shape ${shapeText(stored)} for ${name} of its optimizer`,
        `shape ${shapeText(wanted)}`,
      );
    }
    put(name, i, rest[k]);
  });
  const iterations = Number(steps.data[0] ?? 0);
  const accumulation = accumulationOf(slots).flatMap(([name, list]) =>
    list.map((_, i) => [name, i] as const),
  );
  const stored = groups.get(accumulationPath)?.variables;
  if (stored !== undefined && stored.length === accumulation.length) {
    accumulation.forEach(([name, i], k) => {
      put(name, i, stored[k]);
    });
  } else if (iterations % (optimizer?.gradientAccumulationSteps ?? 1) !== 0) {
    for (let term = 0; slots.has(countSlot(term)); term++)
      put(countSlot(term), 0, { data: Float32Array.of(unknownCount), shape: [] });
  }
  const rows = behind(optimizer, slots);
  const kept = groups.get(rowsPath)?.variables;
  for (const [k, [name, i]] of rows.entries()) {
    const known = kept?.length === rows.length ? kept[k] : undefined;
    const { shape } = slots.get(name)?.[i] ?? { shape: [] };
    if (known !== undefined) put(name, i, known);
    else if (name === seenSlot)
      put(name, i, { shape, data: new Float32Array(sizeOf(shape)).fill(iterations) });
  }
  return {
    iterations,
    learningRate: rate === undefined ? undefined : Number(rate.data[0]),
    slots,
  };
}

/** A safetensors file of arrays by their names. */
const safetensorsOf = (names: readonly string[], weights: readonly Tensor[]): Uint8Array<ArrayBuffer> =>
  encodeSafetensors(
    weights.map((weight, i) => [names[i] ?? `weight ${i}`, weight] as const),
    { format: "rondo" },
  );

/**
 * The arrays of a safetensors file for weights by name.
 *
 * @param partial whether the file may lack some (undefined stands for them) and have others
 * @throws RondoError for names that are missing or unknown and for other shapes
 */
function weightsByName(
  bytes: Uint8Array,
  file: string,
  wanted: readonly { readonly name: string; readonly shape: readonly number[] }[],
  partial: boolean,
): readonly (Tensor | undefined)[] {
  const { tensors } = decodeSafetensors(bytes, file);
  const names = wanted.map(({ name }) => name);
  const missing = names.filter((name) => !tensors.has(name));
  const unknown = [...tensors.keys()].filter((name) => !names.includes(name));
  const refuse = (received: string, expected: string, fix: string) =>
    new RondoError({ where: `loadWeights ${file}`, received, expected, fix });
  if (!partial && (missing.length > 0 || unknown.length > 0)) {
    throw refuse(
      missing.length > 0 ? `no ${missing.join(", ")}` : `${unknown.join(", ")}, which the model has not`,
      `the arrays ${names.join(", ")}`,
      "Give the layers the names that they had when the weights were saved, or set partial: true",
    );
  }
  if (partial && missing.length === names.length) {
    throw refuse(
      `the arrays ${[...tensors.keys()].join(", ")}`,
      `some of ${names.join(", ")}`,
      "Give the layers the names that they had when the weights were saved",
    );
  }
  return wanted.map(({ name, shape }) => {
    const tensor = tensors.get(name);
    if (tensor === undefined || shapeText(tensor.shape) === shapeText(shape)) return tensor;
    throw refuse(
      `${name} of shape ${shapeText(tensor.shape)}`,
      `shape ${shapeText(shape)}`,
      "Load weights of a model with the same layers",
    );
  });
}

/** The weights of a model as a safetensors file, by their names; written to a path in Node. */
export async function saveWeightsOf(
  model: Pick<CallbackModel, "getWeights"> & { weightNames(): string[] },
  path: string | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  const weights = await model.getWeights();
  return delivered("saveWeights", path, ".safetensors", safetensorsOf(model.weightNames(), weights));
}

/** Sets weights of a model from a safetensors file, by their names. */
export async function loadWeightsInto(
  model: Pick<CallbackModel, "getWeights" | "setWeights">,
  entries: readonly WeightEntry[],
  source: FileSource,
  options: { readonly partial?: boolean },
): Promise<void> {
  checkOptions("loadWeights", options, ["partial"]);
  const { partial = false } = options;
  const wanted = entries.map(({ path, weight }) => ({ name: path, shape: weight.shape }));
  const found = weightsByName(await bytesOf("loadWeights", source), nameOf(source), wanted, partial);
  const present = await model.getWeights();
  await model.setWeights(present.map((weight, i) => found[i] ?? weight));
}
