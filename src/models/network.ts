import type { Steps } from "../breather.js";
import { RondoError, valueText } from "../errors.js";
import { bind, type Dim, type Shape, substitute, symbol, symbolsIn } from "../graph/dim.js";
import type { StateVariable, SymbolicTensor, TensorType } from "../graph/ir.js";
import { DeclaredTensor, joinTies, type LayerCall, resolved, type Tie } from "../layers/declared.js";
import { InputLayer } from "../layers/inputLayer.js";
import { type CallContext, type Inputs, Layer, LayerNames } from "../layers/layer.js";

/** An input or an output of a network. */
export interface NetworkPort {
  /** Under which users know it; empty where it is the only one, without a name. */
  readonly name: string;
  readonly value: DeclaredTensor;
  /** With the network's own symbols: B for the batch, T, S1 … for what is open. */
  readonly type: TensorType;
}

/** A size that an input leaves open. */
interface OpenSize {
  readonly input: number;
  readonly axis: number;
  readonly symbol: string;
  readonly text: string;
}

/** A declared value with the name that users gave it. */
export type NamedValue = readonly [name: string, value: DeclaredTensor];

/** A graph of layer calls from inputs to outputs: what a model is. */
export class Network {
  readonly inputs: readonly NetworkPort[];
  readonly outputs: readonly NetworkPort[];
  /** Each after those that it depends on; without the inputs. */
  readonly calls: readonly LayerCall[];
  /** Each once, in Keras's order: from the inputs on, by the longest way to an output. */
  readonly layers: readonly Layer[];
  readonly #ties: readonly Tie[];
  /** The sizes that inputs leave open: which axis of which input, the symbol, and how errors call it. */
  readonly #open: readonly OpenSize[];

  /**
   * @param met the outputs in the order from which layers are met going back from them; default: as they are
   * @throws RondoError for what is no input, and for outputs that need an input which is not given
   */
  constructor(
    where: string,
    inputs: readonly NamedValue[],
    outputs: readonly NamedValue[],
    met: readonly NamedValue[] = outputs,
  ) {
    checkPorts(where, inputs, outputs);
    const { calls, layers } = ordered(where, inputs, met);
    this.calls = calls.filter(({ inputs: given }) => given.length > 0);
    this.layers = layers;
    const ties = joinTies(
      [...inputs, ...outputs].map(([, value]) => value),
      where,
    );
    const known = resolved(ties);
    const renamed = ownSymbols(inputs);
    const own = (d: Dim): Dim => substitute(substitute(d, known), renamed);
    const port = ([name, value]: NamedValue): NetworkPort => ({
      name,
      value,
      type: { shape: value.shape.map(own), dtype: value.dtype },
    });
    this.inputs = inputs.map(port);
    this.outputs = outputs.map(port);
    this.#open = inputs.flatMap(([name, { shape }], input) =>
      openShape(shape, input, name).flatMap((d, axis) =>
        typeof d === "number"
          ? []
          : [{ input, axis, symbol: d.key, text: `${name === "" ? "x" : `"${name}"`} (axis ${axis})` }],
      ),
    );
    this.#ties = ties.map(({ symbol: name, equals, where: by }) => ({
      symbol: String(renamed.get(name) ?? name),
      equals: substitute(substitute(equals, known), renamed),
      where: by,
    }));
    nameLayers(layers);
  }

  /** The recurrent states that stay from run to run. */
  states(): StateVariable[] {
    return [...new Set(this.layers.flatMap((layer) => layer.states()))];
  }

  /**
   * The values of all symbols for inputs of these sizes.
   *
   * @param sizes of each input, with its rows
   * @throws RondoError where sizes differ that a layer needs to be equal
   */
  bind(where: string, sizes: readonly (readonly number[])[]): Record<string, number> {
    const bindings: Record<string, number> = {};
    for (const { input, axis, symbol: name } of this.#open) bindings[name] = sizes[input]?.[axis] ?? 0;
    const textOf = (name: string) => this.#open.find((size) => size.symbol === name)?.text ?? name;
    for (const { symbol: name, equals, where: by } of this.#ties) {
      const [own, other] = [bindings[name], bind(equals, bindings)];
      if (own === undefined || own === other) continue;
      const others = [...symbolsIn(equals)].map(textOf);
      throw new RondoError({
        where,
        received: `${own} in ${textOf(name)} and ${other} in ${others.join(", ") || "the model"}`,
        expected: `sizes that are equal, because ${by} joins them`,
        fix: "Give both the same number of steps, padded where need be",
      });
    }
    return bindings;
  }

  /** The outputs for inputs, traced. */
  *run(where: string, inputs: readonly SymbolicTensor[], context: CallContext): Steps<SymbolicTensor[]> {
    const values = new Map<DeclaredTensor, SymbolicTensor>();
    this.inputs.forEach(({ value }, i) => {
      const given = inputs[i];
      if (given !== undefined) values.set(value, given);
    });
    const seen = (x: DeclaredTensor): SymbolicTensor => {
      const value = values.get(x);
      if (value === undefined) throw new Error(`${where}: a value was used before its layer was called`);
      return value;
    };
    for (const { layer, inputs: given, options, outputs } of this.calls) {
      yield;
      const within = options.training === undefined ? context : { ...context, training: options.training };
      const made = layerOf(layer).callChecked(given.map(seen) as unknown as Inputs, within);
      context.stream?.made(layerOf(layer), made);
      outputs.forEach((output, i) => {
        const value = made[i];
        if (value !== undefined) values.set(output, value);
      });
    }
    return this.outputs.map(({ value }) => seen(value));
  }
}

const layerOf = (layer: unknown): Layer => {
  if (layer instanceof Layer) return layer;
  throw new Error("a call of what is no layer");
};

function checkPorts(where: string, inputs: readonly NamedValue[], outputs: readonly NamedValue[]): void {
  for (const [kind, list] of [
    ["inputs", inputs],
    ["outputs", outputs],
  ] as const) {
    const wrong = (list as readonly (readonly [string, unknown])[]).find(
      ([, value]) => !(value instanceof DeclaredTensor),
    );
    if (list.length === 0 || wrong !== undefined) {
      throw new RondoError({
        where,
        received: wrong === undefined ? `no ${kind}` : `${valueText(wrong[1])} among its ${kind}`,
        expected: kind === "inputs" ? "what input gives" : "values that layers make of the inputs",
        fix: "Write functional({ inputs: x, outputs: y }), or give them by name: inputs: { words, features }",
      });
    }
  }
  for (const [name, { call }] of inputs) {
    if (call.layer instanceof InputLayer) continue;
    throw new RondoError({
      where,
      received: `an output of ${call.layer.where} as the input${name === "" ? "" : ` "${name}"`}`,
      expected: "what input gives",
      fix: "Declare an input of its shape, and apply the layers from there on to it: they share their weights",
    });
  }
  const twice = inputs.find(([, value], i) => inputs.findIndex(([, other]) => other === value) < i);
  if (twice === undefined) return;
  throw new RondoError({
    where,
    received: `one value as two inputs${twice[0] === "" ? "" : `, the second "${twice[0]}"`}`,
    expected: "a value of its own for every input",
    fix: "Leave one of them out, or declare a second input",
  });
}

/**
 * Calls in an order in which each comes after those it depends on, and layers in Keras's: by decreasing depth, the
 * longest way to an output, and at the same depth as they are met going back from the outputs.
 */
function ordered(
  where: string,
  inputs: readonly NamedValue[],
  outputs: readonly NamedValue[],
): { calls: LayerCall[]; layers: Layer[] } {
  const given = new Set(inputs.map(([, value]) => value.call));
  const calls: LayerCall[] = [];
  const seen = new Set<LayerCall>();
  const met = new Map<Layer, number>();
  for (const [, { call: root }] of outputs) {
    const stack: { readonly call: LayerCall; next: number }[] = [];
    const enter = (call: LayerCall) => {
      if (seen.has(call)) return;
      seen.add(call);
      const layer = layerOf(call.layer);
      if (call.inputs.length === 0 && !given.has(call)) {
        throw new RondoError({
          where,
          received: `outputs that need the input ${layer.where}, which is not among its inputs`,
          expected: "every input that the outputs depend on",
          fix: "Add it to inputs",
        });
      }
      if (!met.has(layer)) met.set(layer, met.size);
      stack.push({ call, next: 0 });
    };
    enter(root);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const input = top.call.inputs[top.next++];
      if (input !== undefined) enter(input.call);
      else {
        stack.pop();
        calls.push(top.call);
      }
    }
  }
  const depths = new Map<LayerCall, number>();
  const deepest = new Map<Layer, number>();
  for (const call of [...calls].reverse()) {
    const layer = layerOf(call.layer);
    const depth = Math.max(depths.get(call) ?? 0, deepest.get(layer) ?? 0);
    deepest.set(layer, depth);
    depths.set(call, depth);
    for (const { call: before } of call.inputs)
      depths.set(before, Math.max(depth + 1, depths.get(before) ?? 0));
  }
  for (const [, { call }] of inputs) {
    const layer = layerOf(call.layer);
    if (deepest.has(layer)) continue;
    deepest.set(layer, 0);
    met.set(layer, -1);
  }
  const at = (layer: Layer) => [deepest.get(layer) ?? 0, met.get(layer) ?? 0] as const;
  const layers = [...deepest.keys()].sort((a, b) => {
    const [[da, ma], [db, mb]] = [at(a), at(b)];
    return db - da || ma - mb;
  });
  return { calls, layers };
}

/** An input's shape with the network's symbols for what it leaves open. */
const openShape = (shape: Shape, index: number, name: string): Shape =>
  shape.map((d, axis) => {
    if (axis === 0 || typeof d === "number") return d;
    const base = axis === 1 ? "T" : `S${axis - 1}`;
    return symbol(index === 0 ? base : `${base}_${name.replaceAll(/\W/g, "_")}_${index}`);
  });

/** The network's symbols by those under which the inputs were declared. */
function ownSymbols(inputs: readonly NamedValue[]): Map<string, Dim> {
  const renamed = new Map<string, Dim>();
  for (const [i, [name, { shape }]] of inputs.entries()) {
    const own = openShape(shape, i, name);
    for (const [axis, d] of shape.entries())
      if (axis > 0 && typeof d !== "number") renamed.set(d.key, own[axis] ?? d);
  }
  return renamed;
}

/** Names for those that have none; a stateful layer has one place. */
function nameLayers(layers: readonly Layer[]): void {
  const names = new LayerNames();
  for (const layer of layers) names.add(layer);
}
