import { checkOptions, namesOf, RondoError, valueText } from "../errors.js";
import { callLayer, type DeclaredTensor } from "../layers/declared.js";
import type { Layer } from "../layers/layer.js";
import { Bidirectional } from "../layers/recurrent/bidirectional.js";
import { CellReader } from "../layers/recurrent/cellReader.js";
import { Recurrent } from "../layers/recurrent/rnn.js";
import { functional } from "../models/functional.js";
import { Model } from "../models/model.js";
import type { Network } from "../models/network.js";
import type { DataOf } from "../models/options.js";
import { shapeText, type Tensor } from "../tensor.js";

// N samples, T time steps, H units.

/** What goes on in the steps of one recurrent cell. */
export interface CellValues {
  /** The layer, by the names in the model: `lstm`, `bidirectional/backward_lstm`. */
  readonly layer: string;
  /** The cell's class: `LSTMCell`. */
  readonly cell: string;
  /**
   * float32 [N, T, H] each, in the order of the input's steps whatever direction the layer goes in. Of an LSTM the gates `i`,
   * `f`, `o`, the candidate `g` and the state `c`; of a GRU `z`, `r` and the candidate `g`; of every cell `h`, its output.
   */
  readonly values: Readonly<Record<string, Tensor<"float32">>>;
  /** float32 [N, T]: 0 at steps that do not count, where values are those of the step before. Left out where all count. */
  readonly mask?: Tensor<"float32">;
}

/** What `cellValues` can be told. */
export interface CellValuesOptions {
  /** Name of a recurrent or bidirectional layer of the model, or its place among the layers; default: the first one. */
  readonly layer?: string | number;
}

const where = "cellValues";
const optionNames = namesOf<CellValuesOptions>({ layer: true });

/**
 * Looks into a recurrent layer of a model: what its gates, candidates and states are at every step of some inputs. The
 * layer's own cell is run step by step, by its equations and with its weights, on what reaches the layer when the model
 * predicts; `h` is what the layer gives then, but for rounding.
 *
 * @param x inputs of the model, as `predict` takes them; N of them
 * @returns one entry a cell: two of a bidirectional layer, the forward one first; several where cells are stacked
 * @throws RondoError where the model has no such layer, has not been built, or its cells' steps are no lists of units
 */
export async function cellValues<I extends string = never, O extends string = never>(
  model: Model<I, O>,
  x: DataOf<I>,
  options: CellValuesOptions = {},
): Promise<readonly CellValues[]> {
  checkOptions(where, options, optionNames);
  if (!(model instanceof Model))
    throw refused(valueText(model), "a model", "Pass what sequential, functional or loadModel gives");
  const { network } = model;
  if (network === undefined)
    throw refused(
      `model "${model.name}", which has not been built`,
      "a model that knows its shapes",
      "Give its first layer an inputShape, or predict before",
    );
  const readers = readersOf(network, wantedLayer(model, network, options.layer)).map(({ layer, inputs }) => {
    const reader = new CellReader(layer);
    return { layer, outputs: callLayer(reader, inputs, inputs.length - 1, {}).outputs, of: reader.values };
  });
  const named = readers.flatMap(({ outputs }, r) =>
    outputs.map((output, k) => [`${r} ${k}`, output] as const),
  );
  const [only] = network.inputs;
  const inside = functional({
    inputs:
      only?.name === ""
        ? only.value
        : Object.fromEntries(network.inputs.map(({ name, value }) => [name, value])),
    outputs: Object.fromEntries(named),
  });
  const found: unknown = await inside.predict(x as DataOf<never>);
  const values = found as Readonly<Record<string, Tensor<"float32">>>;
  return readers.flatMap(({ layer, of }, r) => {
    const read = (k: number): Tensor<"float32"> => {
      const value = values[`${r} ${k}`];
      if (value !== undefined) return value;
      throw new Error("an output of the model was not computed");
    };
    const counts = read(of.length);
    const mask = counts.data.includes(0) ? { mask: counts } : {};
    const cells = [...new Set(of.map(({ cell }) => cell))];
    return cells.map((cell): CellValues => {
      const letters = of.flatMap((one, k) => (one.cell === cell ? [[one.letter, read(k)] as const] : []));
      const [, { shape } = { shape: [] }] = letters[0] ?? [];
      if (letters.some(([, value]) => value.rank !== 3))
        throw refused(
          `steps of shape ${shapeText(shape)}`,
          "[N, T, units]",
          "Choose a layer whose steps are lists of units",
        );
      const className =
        cells.length === 1 ? layer.cell.className : (layer.cell.parts()[cell]?.className ?? "");
      const path = cells.length === 1 ? layer.path : `${layer.path}/${cell}`;
      return { layer: path, cell: className, values: Object.fromEntries(letters), ...mask };
    });
  });
}

const refused = (received: string, expected: string, fix: string): RondoError =>
  new RondoError({ where, received, expected, fix });

const isRecurrent = (layer: unknown): layer is Recurrent | Bidirectional =>
  layer instanceof Recurrent || layer instanceof Bidirectional;

function wantedLayer(
  model: Pick<Model, "name" | "getLayer">,
  { layers }: Network,
  which: string | number | undefined,
): Recurrent | Bidirectional {
  const layer: Layer | undefined = which === undefined ? layers.find(isRecurrent) : model.getLayer(which);
  if (isRecurrent(layer)) return layer;
  const names = layers.filter(isRecurrent).map(({ name = "" }) => name);
  throw refused(
    layer === undefined
      ? `model "${model.name}" without a recurrent layer of its own`
      : `the layer ${layer.where}`,
    "a recurrent or bidirectional layer",
    names.length > 0
      ? `Choose one of its layers: ${names.join(", ")}`
      : "Pass the model in which the recurrent layer stands",
  );
}

/** The recurrent layers within a layer, each with what it is called on. */
function readersOf(
  { calls }: Network,
  layer: Recurrent | Bidirectional,
): { readonly layer: Recurrent; readonly inputs: readonly DeclaredTensor[] }[] {
  const [x, ...states] = calls.find((call) => call.layer === layer)?.inputs ?? [];
  if (x === undefined) throw new Error("a layer of the model that is never called");
  if (layer instanceof Recurrent) return [{ layer, inputs: [x, ...states] }];
  const half = states.length / 2;
  return [
    { layer: layer.forward, inputs: [x, ...states.slice(0, half)] },
    { layer: layer.backward, inputs: [x, ...states.slice(half)] },
  ];
}
