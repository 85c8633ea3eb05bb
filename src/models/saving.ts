import { readBytes, writeBytes } from "#files";
import type { JsonObject } from "../config/config.js";
import { RondoError, valueText } from "../errors.js";
import { type NewKerasGroup, writeKerasFile } from "../formats/kerasFile.js";
import { type KerasAttribute, type KerasNode, kerasPaths } from "../formats/kerasPaths.js";
import { decodeSafetensors, encodeSafetensors } from "../formats/safetensors.js";
import { type Component, describe } from "../layers/component.js";
import { InputLayer } from "../layers/inputLayer.js";
import type { Weight } from "../layers/layer.js";
import { shapeText, type Tensor } from "../tensor.js";

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

/** How errors call a file. */
export const nameOf = (source: FileSource): string =>
  typeof source === "string" || source instanceof URL ? String(source) : "the file";

/** Writes bytes where a path says, or gives them back. */
export async function delivered(path: string | undefined, bytes: Uint8Array): Promise<Uint8Array> {
  if (path !== undefined) await writeBytes(path, bytes);
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

/** What a file knows of a model besides its configuration and weights: what Keras has no place for. */
export interface RondoState {
  readonly seed: number;
  /** Training steps so far, on which random draws hang. */
  readonly step: number;
  /** Epochs begun so far, on which the order of rows hangs. */
  readonly passes: number;
}

/** The version of Keras whose format the files follow. */
const kerasVersion = "3.15.1";

/** A `.keras` file of a model. */
export function kerasFileOf(
  model: Component,
  weights: ReadonlyMap<Weight, Tensor<"float32">>,
  state: RondoState,
  compiled: JsonObject | undefined,
  optimizer: NewKerasGroup | undefined,
): Promise<Uint8Array> {
  const groups: [string, NewKerasGroup][] = [...componentPaths(model)].map(([path, component]) => [
    path,
    {
      name: component.name,
      variables: ownVariables(component).map((weight) => {
        const tensor = weights.get(weight);
        if (tensor === undefined) throw new Error(`the weight ${weight.name} has no value`);
        return { dtype: "float32" as const, shape: weight.shape, data: tensor.data };
      }),
    },
  ]);
  if (optimizer !== undefined) groups.push(["optimizer", optimizer]);
  return writeKerasFile({
    metadata: { keras_version: kerasVersion, date_saved: "", rondo: { ...state } },
    config: {
      ...describe(model),
      ...(compiled === undefined ? {} : { compile_config: compiled }),
    },
    groups,
  });
}

/** A safetensors file of arrays by their names. */
export const safetensorsOf = (names: readonly string[], weights: readonly Tensor[]): Uint8Array =>
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
export function weightsByName(
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
