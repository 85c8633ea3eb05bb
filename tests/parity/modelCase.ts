import { camelCase, snakeCase } from "../../src/config/config.js";
import {
  type Backend,
  constraints,
  Functional,
  input,
  layers,
  losses,
  type Model,
  optimizers,
  regularizers,
  Sequential,
  Tensor,
} from "../../src/index.js";
import { type Component, type DeclaredTensor, Layer, type Weight } from "../../src/layers/index.js";
import type { CompileOptions } from "../../src/train/index.js";
import type { GoldenCase, GoldenOption, GoldenTensor } from "../golden/load.js";
import { known } from "../reference.js";

/** A golden model, and its data as its methods take them. */
export interface ModelCase {
  readonly model: Model<string, string>;
  /** The golden name of each array of `getWeights`. */
  readonly keys: readonly string[];
  readonly x: Data;
  readonly y: Data;
  readonly options: { readonly sampleWeight?: Data };
  readonly compile: CompileOptions<string>;
}
type Data = Tensor | Readonly<Record<string, Tensor>>;

interface Spec {
  readonly kind: string;
  readonly config: Readonly<Record<string, GoldenOption>>;
}
interface Call {
  readonly layer: string;
  readonly inputs: readonly string[];
  readonly states?: readonly string[];
  readonly output: string | readonly string[];
}
type Config = Readonly<Record<string, GoldenOption>>;
type Values = Readonly<Record<string, DeclaredTensor>>;
type Makers = Readonly<Record<string, (options: object) => unknown>>;

const makers: Makers = {
  ...(layers as unknown as Makers),
  // Keras has no layer that leaves masked steps out; generate.py makes one.
  unmaskedActivity: layers.activityRegularization,
  sparseEmbedding: layers.embedding as Makers[string],
  sequential: ({ name, layers: inner }: { readonly name?: string; readonly layers?: readonly Spec[] }) =>
    new Sequential(
      (inner ?? []).map((spec) => layerOf(spec)),
      name === undefined ? {} : { name },
    ),
  functional: ({ name, ...config }: { readonly name?: string }) => {
    const { inputs, outputs } = config as unknown as {
      readonly inputs: Readonly<Record<string, number[]>>;
      readonly outputs: readonly string[];
    };
    const given = mapped(inputs, (shape, key) => input({ shape, name: key }));
    const values = graphOf(config as Config, given);
    const [[x], [y]] = [Object.values(given), outputs.map((key) => values[key])];
    return new Functional(known(x, "input"), known(y, "output"), name === undefined ? {} : { name });
  },
};

const mapped = <V, W>(
  record: Readonly<Record<string, V>>,
  of: (value: V, key: string) => W,
): Record<string, W> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, of(value, key)]));

const made = <T>(factories: object, { kind, config }: Spec): T =>
  known((factories as Makers)[kind], kind)(config) as T;

/** An option of a layer: a layer, a regularizer or a constraint is there by its kind. */
const optionOf = (value: GoldenOption, key: string): unknown => {
  if (key === "layer") return layerOf(value as unknown as Spec);
  if (key.endsWith("Regularizer")) return made(regularizers, value as unknown as Spec);
  return key.endsWith("Constraint") ? made(constraints, value as unknown as Spec) : value;
};

function layerOf({ kind, config }: Spec, name?: string): Layer {
  const layer = made<unknown>(makers, {
    kind,
    config: mapped({ ...config, ...(name && { name }) }, optionOf as never),
  });
  if (layer instanceof Layer) return layer;
  throw new Error(`${kind} makes no layer`);
}

/** What the calls of a functional model make of its inputs, by name. */
function graphOf(config: Config, inputs: Values): Values {
  const own = mapped(config.layers as unknown as Readonly<Record<string, Spec>>, layerOf);
  const values: Record<string, DeclaredTensor> = { ...inputs };
  const at = (name: string) => known(values[name], name);
  for (const { layer, inputs: given, states = [], output } of config.calls as unknown as readonly Call[]) {
    const [first, ...others] = given.map(at);
    const x = others.length === 0 ? known(first, layer) : given.map(at);
    const results = known(own[layer], layer).apply(x, { initialState: states.map(at) }) as unknown;
    const list = (Array.isArray(results) ? results : [results]) as readonly DeclaredTensor[];
    [output].flat().forEach((name, i) => {
      values[name as string] = known(list[i], String(name));
    });
  }
  return values;
}

/** The golden names of the weights of a layer. */
function keysOf(layer: Component, prefix: string): (readonly [Weight, string])[] {
  const parts = layer.parts().filter(({ className }) => className !== "InputLayer");
  const inner = (name: (part: Component, i: number) => string) =>
    parts.flatMap((part, i) => keysOf(part, `${prefix}${name(part, i)}`));
  if (layer.className === "Bidirectional") return inner((_, i) => (i === 0 ? "forward." : "backward."));
  if (layer.className === "TimeDistributed") return inner(() => "");
  if (layer.className === "Functional") return inner(({ name }) => `${name}.`);
  if (layer.className === "Sequential") return inner((_, i) => `${i}.`);
  return layer.weights().map((weight) => {
    const own = weight.name.slice(weight.name.lastIndexOf("/") + 1);
    return [weight, prefix + camelCase(own)] as const;
  });
}

/** How a golden model is trained: losses by output, or one. */
function objectiveOf({
  optimizer,
  loss,
  lossWeights,
  metrics,
  weightedMetrics,
}: Config): CompileOptions<string> {
  const lossOf = (value: unknown) => made<object>(losses, value as Spec);
  const one = typeof Object(loss).kind === "string";
  return {
    optimizer: made(optimizers, optimizer as unknown as Spec),
    loss: one ? lossOf(loss) : mapped(loss as Config, lossOf),
    ...(lossWeights !== undefined && { lossWeights }),
    ...(metrics !== undefined && { metrics }),
    ...(weightedMetrics !== undefined && { weightedMetrics }),
  } as CompileOptions<string>;
}

const tensorOf = ({ data, shape }: GoldenTensor): Tensor => new Tensor(data, shape, "float32");

/** Data of a kind (x, y, sampleWeight): one array, or those by the names of ports. */
function dataOf({ inputs }: GoldenCase, kind: string): Data | undefined {
  const whole = inputs[kind];
  if (whole !== undefined) return tensorOf(whole);
  const own = Object.entries(inputs).filter(([key]) => key.startsWith(`${kind}.`));
  if (own.length === 0) return undefined;
  return Object.fromEntries(own.map(([key, tensor]) => [key.slice(kind.length + 1), tensorOf(tensor)]));
}

/** The model that a golden case of the kinds sequential and functional describes. */
export function modelCase(golden: GoldenCase, backend: Backend): ModelCase {
  const { config } = golden;
  const shapeOf = (key: string) => known(golden.inputs[key], key).shape.slice(1);
  const options = { seed: 1, backend };
  let model: Model<string, string>;
  if (golden.kind === "sequential") {
    const inner = (config.layers as unknown as readonly Spec[]).map((spec) => layerOf(spec));
    const first = layers.inputLayer({ shape: shapeOf("x") });
    model = new Sequential([first, ...inner], options) as unknown as Model<string, string>;
  } else {
    const names = config.inputs as readonly string[];
    const given = Object.fromEntries(
      names.map((name) => [name, input({ shape: shapeOf(`x.${name}`), name })]),
    );
    const values = graphOf(config, given);
    const outputs = (config.outputs as readonly string[]).map((name) => [name, known(values[name], name)]);
    model = new Functional<string, string>(given, Object.fromEntries(outputs), options);
  }
  const keys = new Map(keysOf(model, ""));
  const sampleWeight = dataOf(golden, "sampleWeight");
  return {
    model,
    keys: model.weights().map((weight) => known(keys.get(weight), weight.name)),
    x: known(dataOf(golden, "x"), "x"),
    y: known(dataOf(golden, "y"), "y"),
    options: sampleWeight === undefined ? {} : { sampleWeight },
    compile: objectiveOf(config),
  };
}

/** What Keras reported of a step, under its names: `a_mean_absolute_error`. */
export const figureOf = ({ outputs }: GoldenCase, name: string): GoldenTensor =>
  known(outputs[`log.${snakeCase(name)}`] ?? outputs[name], name);
