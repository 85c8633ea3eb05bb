import type { Json, JsonObject } from "../config/config.js";
import { RondoError, valueText } from "../errors.js";
import { fileArrayTypes } from "../formats/arrayTypes.js";
import { type KerasFile, type KerasGroup, readKerasFile } from "../formats/kerasFile.js";
import { Tensor, zeros } from "../tensor.js";
import type { Kept } from "../train/kept.js";
import type { Engine } from "./engine.js";
import { type Packed, pack, unpack } from "./kept.js";
import type { Host } from "./runs.js";
import { besidePath, kerasFileOf, weightsIn } from "./saving.js";
import type { EngineSnapshot, OptimizerSnapshot } from "./slots.js";
import { version } from "./version.js";

// A checkpoint is a `.keras` file: the model in its present state, which loadModel opens. Beside it stand, in metadata.json and
// in the group rondo/checkpoint, to the bit, the state of the optimizer and the recurrent states, and what the training
// needs on the host.

/** The version of the format. */
const format = 1;

/** A model at one moment, and where its training stands. */
export interface Moment {
  readonly snapshot: EngineSnapshot;
  readonly passes: number;
  /** What is kept of the training. */
  readonly training: Packed;
}

/** What computes: the backend without its threads, which change no bit. */
export const setOf = ({ backend }: Pick<Engine, "backend">): string => backend.name.split(",")[0] ?? "";

/** A checkpoint's file. */
export function checkpointBytes(
  host: Host,
  engine: Engine,
  { snapshot, passes, training }: Moment,
): Promise<Uint8Array<ArrayBuffer>> {
  const { optimizer, states } = snapshot;
  const slots = optimizer && Object.fromEntries(optimizer.slots);
  const model = pack({ states, optimizer: optimizer && { ...optimizer, slots } });
  const json: JsonObject = {
    format,
    rondo: version,
    computed: setOf(engine),
    tensors: model.tensors.length,
    model: model.json,
    training: training.json,
  };
  const arrays = [...model.tensors, ...training.tensors];
  const { model: own, seed } = host;
  return kerasFileOf(own, engine.entries(), seed, { ...snapshot, passes }, host.compiled("checkpoint"), {
    json,
    arrays,
  });
}

/** A checkpoint that was read. */
export interface Checkpoint {
  /** How errors call it. */
  readonly file: string;
  readonly seed: number;
  readonly passes: number;
  readonly step: number;
  /** The version of Rondo that wrote it, and what computed. */
  readonly rondo: string;
  readonly computed: string;
  readonly training: Kept;
  readonly kept: KeptModel;
  readonly groups: KerasFile["groups"];
}

/** What a checkpoint has of a model beside its weights. */
export interface KeptModel {
  readonly states: readonly Tensor[];
  readonly optimizer: OptimizerSnapshot | undefined;
}

/** The tensors beside a model. */
function tensorsIn(groups: ReadonlyMap<string, KerasGroup>, first = 0) {
  const { variables = [] } = groups.get(besidePath) ?? {};
  return (index: number, dtype: Tensor["dtype"], shape: readonly number[]): Tensor => {
    const data = variables[first + index]?.data ?? new fileArrayTypes[dtype](0);
    return new Tensor(data as Tensor["data"], shape, dtype);
  };
}

/**
 * What a checkpoint has of its model beside its weights; undefined for a file that is none.
 *
 * @throws RondoError for a checkpoint in another version of the format
 */
export function keptIn(
  metadata: JsonObject,
  groups: ReadonlyMap<string, KerasGroup>,
  file: string,
): KeptModel | undefined {
  const { checkpoint } = Object(metadata.rondo) as JsonObject;
  if (checkpoint === undefined) return undefined;
  const { format: found, rondo, model } = Object(checkpoint) as JsonObject;
  if (found !== format) {
    throw new RondoError({
      where: `read ${file}`,
      received: `a checkpoint in version ${valueText(found)} of the format, written by Rondo ${String(rondo)}`,
      expected: `version ${format}, which Rondo ${version} reads`,
      fix: "Go on with the Rondo that wrote it, or begin anew in another folder",
    });
  }
  const { states, optimizer } = unpack(model as Json, tensorsIn(groups)) as unknown as {
    readonly states: readonly Tensor[];
    readonly optimizer:
      | (Omit<OptimizerSnapshot, "slots"> & {
          readonly slots: Readonly<Record<string, readonly Tensor<"float32">[]>>;
        })
      | undefined;
  };
  return {
    states,
    optimizer: optimizer && { ...optimizer, slots: new Map(Object.entries(optimizer.slots)) },
  };
}

/**
 * Reads a checkpoint.
 *
 * @param file how errors call it
 * @throws RondoError for a damaged file, for one that is no checkpoint, and for another version of the format
 */
export async function readCheckpoint(bytes: Uint8Array, file: string): Promise<Checkpoint> {
  const { metadata, groups } = await readKerasFile(bytes, file);
  const kept = keptIn(metadata, groups, file);
  if (kept === undefined) {
    throw new RondoError({
      where: `read ${file}`,
      received: "a model without a checkpoint",
      expected: "a checkpoint as backupAndRestore writes it",
      fix: "Use a folder that has nothing but checkpoints of this training",
    });
  }
  const { seed, passes, step, checkpoint } = metadata.rondo as JsonObject;
  const { rondo, computed, tensors, training } = checkpoint as JsonObject;
  return {
    ...{ file, kept, groups, seed: Number(seed), passes: Number(passes), step: Number(step) },
    ...{ rondo: String(rondo), computed: String(computed) },
    training: unpack(training as Json, tensorsIn(groups, Number(tensors))),
  };
}

/**
 * The state of a model in a checkpoint.
 *
 * @throws RondoError for one of another model
 */
export function snapshotIn(
  { kept, groups, step, seed, file }: Checkpoint,
  host: Host,
  engine: Engine,
): EngineSnapshot {
  const values = weightsIn(`go on from ${file}`, host.model, groups);
  const weights = engine.entries().map(({ weight }) => values.get(weight) ?? zeros(weight.shape));
  return { weights, step, seed, ...kept };
}
