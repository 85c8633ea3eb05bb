import type { Dtype } from "../dtype.js";
import { RondoError, valueText } from "../errors.js";
import { type Dim, equal, type Shape, SizesDiffer, solve, substitute, symbol } from "../graph/dim.js";
import type { TensorType } from "../graph/ir.js";
import type { Component, InputTypes } from "./component.js";
import type { Sizes } from "./types.js";

/** A size that an input leaves open, known to equal another since two values met in a layer. */
export interface Tie {
  /** Names the open size. */
  readonly symbol: string;
  readonly equals: Dim;
  /** The layer that requires it, as errors call it. */
  readonly where: string;
}

/** How a layer is called, besides its inputs. */
export interface CallOptions {
  /** Whether this call trains, whatever the model does: false keeps Dropout and BatchNormalization from it. Default: as the model. */
  readonly training?: boolean;
}

/** What can be called on declared values: a layer. */
export interface Callable extends Component {
  readonly classes: number | undefined;
  readonly inputDtype: Dtype;
  outputTypes(inputs: InputTypes): readonly TensorType[];
}

/** One call of a layer on declared values; a model is a graph of such calls. */
export interface LayerCall {
  readonly layer: Callable;
  /** None for what gives a model's input. */
  readonly inputs: readonly DeclaredTensor[];
  /** How many of them, the last ones, are initial states. */
  readonly states: number;
  readonly options: CallOptions;
  readonly outputs: readonly DeclaredTensor[];
}

/**
 * A value that a model will have: an input, or what a layer makes of others. It has a shape and a dtype, and no data. S is
 * its shape without the batch axis, for the compiler.
 */
export class DeclaredTensor<S extends Sizes = Sizes> implements TensorType {
  /** For types only; there is no value. */
  declare readonly "~sizes": S;

  /** Made by `input` and by `apply`. */
  constructor(
    readonly call: LayerCall,
    readonly index: number,
    /** With the batch axis; sizes that are open are symbols. */
    readonly shape: Shape,
    readonly dtype: Dtype,
    /** Between open sizes of the inputs that it depends on. */
    readonly ties: readonly Tie[],
  ) {}
}

/** The sizes that ties tell, fully resolved: each symbol and what to write for it. */
export function resolved(ties: readonly Tie[]): Map<string, Dim> {
  const values = new Map<string, Dim>();
  for (const { symbol, equals } of ties) {
    const value = substitute(equals, values);
    const alone = new Map([[symbol, value]]);
    for (const [name, known] of values) values.set(name, substitute(known, alone));
    values.set(symbol, value);
  }
  return values;
}

export const substituteShape = (shape: Shape, values: ReadonlyMap<string, Dim>): Shape =>
  values.size === 0 ? shape : shape.map((d) => substitute(d, values));

/** All ties of several values, each once, in a form in which no symbol is told twice. */
export function joinTies(values: readonly DeclaredTensor[], where: string): readonly Tie[] {
  const joined: Tie[] = [];
  for (const tie of new Set(values.flatMap(({ ties }) => ties))) {
    const known = resolved(joined);
    const own = known.get(tie.symbol) ?? symbol(tie.symbol);
    const other = substitute(tie.equals, known);
    if (equal(own, other)) continue;
    const found = solve(own, other);
    if (found === undefined) {
      throw new RondoError({
        where,
        received: `values whose sizes cannot be equal: ${own} and ${other}`,
        expected: "sizes that agree",
        fix: "Give the inputs the same inputShape where their sizes must be equal",
      });
    }
    joined.push({ symbol: found[0], equals: found[1], where: tie.where });
  }
  return joined;
}

/** The sizes that an error says must be equal, where one of them is open. */
function differing(error: unknown): SizesDiffer | undefined {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof SizesDiffer) return at;
  return undefined;
}

/** More than any layer has inputs times axes. */
const mostTies = 64;

/**
 * Calls a layer on declared values. Open sizes of different inputs are taken for equal where the layer needs them so.
 *
 * @param states how many of the inputs, the last ones, are initial states
 * @throws RondoError where the layer cannot take them
 */
export function callLayer(
  layer: Callable,
  inputs: readonly DeclaredTensor[],
  states: number,
  options: CallOptions,
): LayerCall {
  for (const x of inputs as readonly unknown[]) {
    if (x instanceof DeclaredTensor) continue;
    throw layer.error(
      `${valueText(x)} in apply`,
      "values of a model: what input and apply give",
      "Make inputs with input({ shape: [28, 28] }); for data call the model's predict",
    );
  }
  const labels = inputs.find(({ call, dtype }) => dtype === "int32" && call.layer.classes !== undefined);
  if (
    labels !== undefined &&
    layer.inputDtype === "float32" &&
    layer.kerasClass.module !== null &&
    layer.className !== "Lambda"
  ) {
    throw layer.error(
      `the tags of ${labels.call.layer.where}, which are numbers of classes`,
      "float32 features",
      "Take the scores that the CRF is given, or marginals: true; or look the tags up with Embedding",
    );
  }
  let ties = joinTies(inputs, layer.where);
  for (let i = 0; ; i++) {
    const known = resolved(ties);
    const [first, ...others] = inputs.map(
      ({ shape, dtype }): TensorType => ({ shape: substituteShape(shape, known), dtype }),
    );
    if (first === undefined)
      throw layer.error("apply without an input", "at least one", "Give the values that it is called on");
    try {
      const types = layer.outputTypes([first, ...others]);
      const outputs: DeclaredTensor[] = [];
      const call: LayerCall = { layer, inputs, states, options, outputs };
      for (const [k, { shape, dtype }] of types.entries())
        outputs.push(new DeclaredTensor(call, k, shape, dtype, ties));
      return call;
    } catch (error) {
      const differ = differing(error);
      const found = differ && solve(differ.a, differ.b);
      if (found === undefined || i === mostTies) throw error;
      ties = [...ties, { symbol: found[0], equals: found[1], where: layer.where }];
    }
  }
}
