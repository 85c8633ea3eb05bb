import { bytesPerElement } from "../dtype.js";
import { checkCount, checkOptions, RondoError } from "../errors.js";
import type { Shape } from "../graph/dim.js";
import type { TensorType } from "../graph/ir.js";
import { batchShape } from "../layers/layer.js";
import type { Program } from "../plan/program.js";
import type { Backend } from "../runtime/backend.js";
import { shapeText } from "../tensor.js";
import type { Objective } from "../train/objective.js";
import { type Kind, programOf } from "./engine.js";
import type { InputPort } from "./feeds.js";
import type { MemoryUse } from "./options.js";
import type { Runs } from "./runs.js";

/** What is asked of a model. */
interface Wanted {
  readonly batchSize?: number;
  readonly inputShape?: readonly number[];
}

/** The model that is asked. */
interface Asked {
  readonly ports: readonly InputPort[];
  /** The number of rows in each batch, where the model fixes it. */
  readonly rows: number | undefined;
  /** What it runs, built for inputs [batch, ..] where it is not yet. */
  built(shape: Shape): Runs;
}

/**
 * The sizes of one sample.
 *
 * @param input the model's input with its batch axis, where it has a shape
 * @param given sizes from the caller
 * @throws RondoError where sizes are open in both, or the two contradict each other
 */
function sampleSizes(input: Shape | undefined, given?: readonly number[]): readonly number[] {
  const own = input?.slice(1).map((d) => (typeof d === "number" ? d : null));
  const sizes = given ?? own?.map((d) => d ?? 0);
  if (sizes === undefined || sizes.some((d) => d < 1)) {
    throw new RondoError({
      where: "memory",
      received: "a model that leaves sizes of its input open",
      expected: "the sizes of one sample",
      fix: "Pass inputShape, for example memory({ batchSize: 32, inputShape: [28, 28] })",
    });
  }
  if (own === undefined || (own.length === sizes.length && own.every((d, i) => d === null || d === sizes[i])))
    return sizes;
  throw new RondoError({
    where: "memory",
    received: `inputShape: ${shapeText(sizes)}`,
    expected: shapeText(own),
    fix: "Leave inputShape out, or give what the model's first layer leaves open",
  });
}

/** The memory that programs for batches of these sizes take. */
export async function memoryUse(
  options: Wanted,
  { ports, rows, built }: Asked,
  backendOf: () => Promise<Backend>,
  objective: Objective | undefined,
): Promise<MemoryUse> {
  checkOptions("memory", options, ["batchSize", "inputShape"]);
  const { batchSize = rows ?? 32 } = options;
  checkCount("memory", "batchSize", batchSize, 1);
  const single = ports.length === 1;
  const samples = ports.map(({ shape }) => sampleSizes(shape, single ? options.inputShape : undefined));
  const runs = built(batchShape(samples[0] ?? []));
  runs.requireRows(batchSize);
  const { assembly, feeds } = runs;
  const { network } = assembly;
  const sizes = samples.map((sample) => [batchSize, ...sample]);
  const bindings = network.bind("memory", sizes);
  const backend = await backendOf();
  const x = network.inputs.map(({ type }) => type);
  const y = feeds.outputs.map(({ type: { shape } }, i): TensorType | undefined => {
    if (objective?.measures(i) !== true) return undefined;
    const target = objective.losses[i]?.target;
    if (target === "classes") return { shape: shape.slice(0, -1), dtype: "int32" };
    return { shape, dtype: target === "labels" ? "int32" : "float32" };
  });
  const planned = (kind: Kind) =>
    programOf(assembly, { kind, types: kind === "predict" ? { x } : { x, y }, bindings }, backend, objective);
  const prediction = await planned("predict");
  const training = objective && (await planned("train"));
  return {
    state: (training ?? prediction).stateBytes,
    training: training && bytesOf(training),
    prediction: bytesOf(prediction),
  };
}

/** Temporaries, packed weights, literals, and the arrays that go in and out. */
const bytesOf = (program: Program): number =>
  program.scratchBytes +
  program.cacheBytes +
  program.constants.byteLength +
  [...program.inputs, ...program.outputs].reduce((n, port) => n + port.size * bytesPerElement[port.dtype], 0);
