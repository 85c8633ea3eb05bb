import type { Steps } from "../breather.js";
import { RondoError } from "../errors.js";
import { symbol } from "../graph/dim.js";
import type { Graph, SymbolicTensor, TensorType } from "../graph/ir.js";
import { cast } from "../graph/ops/elementwise.js";
import { input } from "../graph/ops/source.js";
import type { Layer } from "../layers/layer.js";
import { along, type Timing, Timings } from "../passes/timing.js";
import type { Job } from "./engine.js";
import type { Network } from "./network.js";
import { type Assembly, forward, predictionName, type Types } from "./trace.js";

// B rows, T time steps of one call.

/** What a session keeps: a state of a layer. */
export interface KeptPort {
  /** `lstm/0`: the path of the layer and a number. */
  readonly name: string;
  /** float32 [B, ..] */
  readonly type: TensorType;
}

/** An input of a stream. */
export interface StreamPort {
  readonly name: string;
  /** [B, T, ..], or [B, ..] where it does not come step by step. */
  readonly type: TensorType;
  readonly timed: boolean;
}

/** Makes further values of the predictions, in the program of a step. `inputs`: what it takes beside those of the model. */
export interface Finish {
  /** Tells this one from others. */
  readonly name: string;
  readonly inputs: readonly (TensorType & { readonly name: string })[];
  outputs(
    predictions: readonly SymbolicTensor[],
    inputs: readonly SymbolicTensor[],
  ): readonly SymbolicTensor[];
}

const networks = new WeakMap<Network, Stream>();

/** A network that runs step by step. All sessions of it share this. */
export class Stream {
  readonly inputs: readonly StreamPort[];
  readonly #network: Network;
  readonly #types: Types;
  /** In the order of the program's ports; known when it has been traced once. */
  #kept: readonly KeptPort[] = [];
  /** Whether each output has an axis of time. */
  #timed: readonly boolean[] = [];

  private constructor(network: Network) {
    this.#network = network;
    this.inputs = network.inputs.map(({ name, type }) => {
      const timed = comesInSteps(type);
      const rest = type.shape.slice(timed ? 2 : 1);
      return {
        name,
        timed,
        type: { ...type, shape: [symbol("B"), ...(timed ? [symbol("T")] : []), ...rest] },
      };
    });
    this.#types = { x: this.inputs.map(({ type }) => type) };
    if (this.inputs.some(({ timed }) => timed)) return;
    throw new RondoError({
      where: "session",
      received: "a model none of whose inputs comes in time steps",
      expected: "an input [batch, time, ..]",
      fix: 'Use predict, which needs no state from call to call; where the steps are ids, say so: inputLayer({ shape: [T], dtype: "int32" })',
    });
  }

  static of(network: Network): Stream {
    const known = networks.get(network) ?? new Stream(network);
    networks.set(network, known);
    return known;
  }

  get kept(): readonly KeptPort[] {
    return this.#kept;
  }

  get timed(): readonly boolean[] {
    return this.#timed;
  }

  /** What runs so many steps of so many rows. */
  job(rows: number, steps: number, sizes: readonly (readonly number[])[], finish?: Finish): Job {
    const bindings: Record<string, number> = { B: rows, T: steps };
    this.inputs.forEach(({ type }, i) => {
      type.shape.forEach((d, axis) => {
        if (typeof d !== "number" && axis > 1) bindings[d.key] = sizes[i]?.[axis] ?? 0;
      });
    });
    const name = finish === undefined ? "step" : `step ${finish.name}`;
    return {
      kind: "predict",
      types: this.#types,
      bindings,
      own: { name, trace: (assembly) => this.#trace(assembly, finish) },
    };
  }

  *#trace(assembly: Assembly, finish?: Finish): Steps<Graph> {
    const timings = new Timings("T");
    const kept: (KeptPort & { readonly before: SymbolicTensor; after?: SymbolicTensor })[] = [];
    const counts = new Map<string, number>();
    const pass = yield* forward(assembly, this.#types.x, false, {
      given: (inputs) => {
        inputs.forEach((x, i) => {
          if (this.inputs[i]?.timed) timings.set(x, along(1));
        });
      },
      stream: {
        kept: (layer, type) => {
          const count = counts.get(layer.path) ?? 0;
          counts.set(layer.path, count + 1);
          const name = `${layer.path}/${count}`;
          const before = input(name, type.shape, type.dtype);
          timings.carry(before);
          const own: (typeof kept)[number] = { name, type, before };
          kept.push(own);
          return {
            before,
            keep: (after) => {
              own.after = after;
            },
          };
        },
        made: (layer, outputs) => {
          for (const output of outputs) requireSteps(layer, timings, output);
        },
      },
      writeState: () => undefined,
    });
    this.#kept = kept;
    this.#timed = pass.predictions.map((y) => timings.of(y).kind === "each");
    const further = finish?.inputs.map(({ name, shape, dtype }) => input(name, shape, dtype)) ?? [];
    const outputs: Record<string, SymbolicTensor> = {};
    if (finish === undefined)
      pass.predictions.forEach((y, i) => {
        outputs[predictionName(this.#network.outputs[i]?.name ?? "")] = cast(
          y.withMask(undefined),
          "float32",
        );
      });
    else
      finish.outputs(pass.predictions, further).forEach((y, i) => {
        outputs[`sampled ${i}`] = y;
      });
    for (const { name, before, after = before } of kept) outputs[name] = after;
    return {
      name: "step",
      inputs: [...pass.inputs, ...further, ...kept.map(({ before }) => before)],
      outputs,
      updates: [],
    };
  }
}

/** Whether an input has an axis of time: one that is open, one before features, or that of ids. */
const comesInSteps = ({ shape, dtype }: TensorType): boolean =>
  shape.length > 2 || (shape.length === 2 && (typeof shape[1] !== "number" || dtype === "int32"));

/** Refuses what a layer makes of the steps, where it is not the same however these come. */
function requireSteps(layer: Layer, timings: Timings, output: SymbolicTensor): void {
  const timing: Timing = timings.of(output);
  const masked = output.mask && timings.of(output.mask);
  const why =
    timing.kind === "whole"
      ? timing.why
      : masked?.kind === "whole"
        ? masked.why
        : timing.kind === "each" && (timing.axis !== 1 || timing.before !== 1 || timing.after !== 1)
          ? "moves the time steps to another axis"
          : undefined;
  if (why === undefined) return;
  throw layer.error(
    `a session of its model: the layer ${why}`,
    "layers whose output at a time step hangs on the steps up to it alone",
    "Use layers that go forwards (no Bidirectional, no goBackwards) and, for one output of all steps, returnSequences: false instead of pooling or flattening; or give whole sequences to predict",
  );
}
