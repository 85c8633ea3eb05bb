import type { JsonObject } from "../config/config.js";
import type { Dtype } from "../dtype.js";
import { checkOptions, RondoError, valueText } from "../errors.js";
import type { Shape } from "../graph/dim.js";
import { describe } from "../layers/component.js";
import { DeclaredTensor, type LayerCall } from "../layers/declared.js";
import { type Declared, defineLayer, type Layer } from "../layers/layer.js";
import type { InputShape, ShapeRule, Sizes } from "../layers/types.js";
import type { InputPort } from "./feeds.js";
import { Model } from "./model.js";
import { type NamedValue, Network } from "./network.js";
import type { ModelOptions } from "./options.js";
import { graphRows, type SummaryRow } from "./summary.js";

/** One value without a name, or values by name. */
export type DeclaredPorts = DeclaredTensor | { readonly [name: string]: DeclaredTensor };

/** The names of ports; never where there is one without a name. */
export type NamesOf<P> = P extends DeclaredTensor ? never : Extract<keyof P, string>;

/** What `apply` of a model gives: a value, or values by the names of its outputs. */
export interface FunctionalRule<O extends DeclaredPorts> extends ShapeRule {
  readonly given: InputShape | undefined;
  readonly out: O extends DeclaredTensor<infer S> ? S : Sizes;
  readonly applied: O extends DeclaredTensor<infer S>
    ? DeclaredTensor<S>
    : { readonly [K in keyof O]: O[K] extends DeclaredTensor<infer S> ? DeclaredTensor<S> : never };
}

/** What `functional` takes. */
export interface FunctionalOptions<P extends DeclaredPorts, Q extends DeclaredPorts> extends ModelOptions {
  /** What `input` gives: one, or several by name. */
  readonly inputs: P;
  /** What layers make of them: one, or several by name. */
  readonly outputs: Q;
}

const definition = defineLayer("Functional", {});

/** A graph of layers from inputs to outputs. Made by `functional`. */
export class Functional<
  I extends string = never,
  O extends string = never,
  R extends ShapeRule = ShapeRule,
> extends Model<I, O, R> {
  readonly #inputs: readonly NamedValue[];
  readonly #outputs: readonly NamedValue[];
  readonly #graph: Network;
  readonly #listed: boolean;

  /** @param listed whether Keras has its inputs and outputs in lists, in the order in which they are given here */
  constructor(inputs: DeclaredPorts, outputs: DeclaredPorts, options: ModelOptions = {}, listed = false) {
    super("functional", definition, options);
    const where = `model "${this.name}"`;
    this.#listed = listed;
    this.#inputs = named(where, "inputs", inputs);
    this.#outputs = named(where, "outputs", outputs);
    // Keras goes through what is given by name in the order of the names, and counts layers in the order in which it meets them.
    const met = listed ? this.#outputs : [...this.#outputs].sort(([a], [b]) => (a < b ? -1 : 1));
    this.#graph = new Network(where, this.#inputs, this.#outputs, met);
    this.rebuild();
  }

  override get layers(): readonly Layer[] {
    return this.#graph.layers;
  }

  protected override get inputPorts(): readonly InputPort[] {
    return this.#graph.inputs.map(({ name, type }) => ({ name, shape: type.shape }));
  }

  /** The shape of its input, where it has one: that of a sequential model which it begins. */
  override get givenShape(): Shape | undefined {
    const [only, ...others] = this.#graph.inputs;
    return others.length > 0 ? undefined : only?.type.shape;
  }

  override get inputDtype(): Dtype {
    return this.#graph.inputs[0]?.type.dtype ?? super.inputDtype;
  }

  protected override assemble(): Network {
    return this.#graph;
  }

  protected override declaredInputs(x: Declared): readonly DeclaredTensor[] {
    if (x instanceof DeclaredTensor || Array.isArray(x)) return super.declaredInputs(x);
    const given = x as Readonly<Record<string, DeclaredTensor>>;
    const names = this.#inputs.map(([name]) => name);
    const wrong = [
      ...Object.keys(given).filter((n) => !names.includes(n)),
      ...names.filter((n) => !(n in given)),
    ];
    if (wrong.length > 0) {
      throw this.error(
        `values for ${Object.keys(given).join(", ") || "nothing"}`,
        `values for ${names.join(", ")}`,
        `Give each input its value: { ${names.map((n) => `${n}: …`).join(", ")} }`,
      );
    }
    return names.map((name) => given[name] as DeclaredTensor);
  }

  protected override declaredOutputs(outputs: readonly DeclaredTensor[]): unknown {
    if (this.#outputs[0]?.[0] === "") return outputs[0];
    return Object.fromEntries(this.#outputs.map(([name], i) => [name, outputs[i]]));
  }

  protected override summaryRows(): readonly SummaryRow[] {
    return graphRows(this.#graph);
  }

  /** The model's configuration in Keras's terms: its layers with what they are called on. */
  override config(): JsonObject {
    const { layers, calls } = this.#graph;
    const places = new Map<LayerCall, number>();
    for (const layer of layers)
      for (const [i, call] of calls.filter((c) => c.layer === layer).entries()) places.set(call, i);
    const history = ({ call, index }: DeclaredTensor): [string, number, number] => [
      call.layer.name ?? "",
      places.get(call) ?? 0,
      index,
    ];
    const tensor = (x: DeclaredTensor): JsonObject => ({
      class_name: "__keras_tensor__",
      config: {
        shape: x.shape.map((d) => (typeof d === "number" ? d : null)),
        dtype: x.dtype,
        keras_history: history(x),
      },
    });
    const node = ({ inputs, states, options }: LayerCall): JsonObject => {
      const given = inputs.slice(0, inputs.length - states).map(tensor);
      const [only] = given;
      const initial = inputs.slice(inputs.length - states).map(tensor);
      return {
        args: [given.length === 1 && only !== undefined ? only : given],
        kwargs: {
          ...(initial.length === 0 ? {} : { initial_state: initial }),
          ...(options.training === undefined ? {} : { training: options.training }),
        },
      };
    };
    // In Keras the first node of a functional model is its own making; only ports count it.
    const port = (value: DeclaredTensor) => {
      const [name, place, index] = history(value);
      return [name, value.call.layer instanceof Functional ? place + 1 : place, index];
    };
    const ports = (list: readonly NamedValue[]) => {
      const [only] = list;
      if (only?.[0] === "") return port(only[1]);
      if (this.#listed) return list.map(([, value]) => port(value));
      return Object.fromEntries(list.map(([name, value]) => [name, port(value)]));
    };
    return {
      name: this.name,
      trainable: this.trainable,
      layers: layers.map((layer) => ({
        ...describe(layer),
        name: layer.name ?? "",
        inbound_nodes: calls.filter((call) => call.layer === layer).map(node),
      })),
      input_layers: ports(this.#inputs),
      output_layers: ports(this.#outputs),
    };
  }
}

function named(where: string, kind: string, given: DeclaredPorts): readonly NamedValue[] {
  if (given instanceof DeclaredTensor) return [["", given]];
  if (typeof given === "object" && given !== null && !Array.isArray(given)) {
    if (!Object.keys(given).includes("")) return Object.entries(given);
  }
  throw new RondoError({
    where,
    received: `${valueText(given)} for its ${kind}`,
    expected: "one value, or values by name",
    fix: `Write ${kind}: { words, features }`,
  });
}

/**
 * A model from inputs to outputs, whatever graph of layers lies between them.
 *
 * ```ts
 * const words = input({ shape: [null, 100], name: "words" });
 * const read = layers.lstm({ units: 64 }).apply(words);
 * const model = functional({ inputs: words, outputs: layers.dense({ units: 2, activation: "softmax" }).apply(read) });
 * ```
 *
 * @throws RondoError for outputs that depend on an input which is not given, and for what is no input
 */
export function functional<const P extends DeclaredPorts, const Q extends DeclaredPorts>(
  options: FunctionalOptions<P, Q>,
): Functional<NamesOf<P>, NamesOf<Q>, FunctionalRule<Q>> {
  checkOptions("functional", options, ["inputs", "outputs", "name", "seed", "backend"]);
  const { inputs, outputs, ...rest } = options;
  return new Functional(inputs, outputs, rest);
}
