import { type ErrorParts, RondoError } from "../errors.js";
import { type FileDtype, fileArrayTypes } from "./arrayTypes.js";
import { type FileGroup, readHdf5, writeHdf5 } from "./hdf5.js";
import { readZip, writeZip } from "./zip.js";

/** The parts of a `.keras` file. */
export const kerasParts = {
  metadata: "metadata.json",
  config: "config.json",
  weights: "model.weights.h5",
} as const;

/** Work on a file, and what it gives; the bytes that it works on come before it, in one block. */
export interface FileJobs {
  /** The block is an HDF5 file. */
  readHdf5: { readonly job: { readonly file: string }; readonly result: FileGroup };
  /** The block is a `.keras` file. */
  readKeras: {
    readonly job: { readonly file: string };
    readonly result: {
      readonly metadata: string | undefined;
      readonly config: string;
      readonly weights: FileGroup;
    };
  };
  /** The block is the arrays' elements. */
  writeKeras: {
    readonly job: {
      readonly metadata: string;
      readonly config: string;
      readonly groups: readonly (readonly [path: string, name: string | undefined])[];
      readonly arrays: readonly InBlock[];
    };
    readonly result: Uint8Array<ArrayBuffer>;
  };
}

/** An array whose elements lie in the block. */
export interface InBlock {
  readonly path: string;
  readonly dtype: FileDtype;
  readonly shape: readonly number[];
  /** Elements, not bytes. */
  readonly length: number;
  readonly offset: number;
}

export type FileJobKind = keyof FileJobs;

/** What the worker is told: how long the block is, then what is in it, piece by piece, then what to do with it. */
export type FileMessage =
  | { readonly size: number }
  | { readonly piece: Uint8Array<ArrayBuffer>; readonly offset: number }
  | { readonly [K in FileJobKind]: { readonly kind: K; readonly job: FileJobs[K]["job"] } }[FileJobKind];

/** How the worker answers a job. */
export type FileReply =
  | { readonly result: FileJobs[FileJobKind]["result"] }
  | { readonly refused: ErrorParts }
  | { readonly broken: string };

/**
 * The side of the worker. HDF5 works in one go, and h5wasm takes a tenth of a second to start and never gives back its
 * memory: so it has a thread of its own.
 */
export class FileWorker {
  readonly #reply: (reply: FileReply, transfer: ArrayBuffer[]) => void;
  #block = new Uint8Array(0);

  constructor(reply: (reply: FileReply, transfer: ArrayBuffer[]) => void) {
    this.#reply = reply;
  }

  async receive(message: FileMessage): Promise<void> {
    try {
      if ("size" in message) this.#block = new Uint8Array(message.size);
      else if ("piece" in message) this.#block.set(message.piece, message.offset);
      else {
        const result = await this.#run(message);
        this.#block = new Uint8Array(0);
        this.#reply({ result }, [...buffersIn(result)]);
      }
    } catch (error) {
      if (error instanceof RondoError) {
        const { where, received, expected, fix } = error;
        this.#reply({ refused: { where, received, expected, fix } }, []);
      } else this.#reply({ broken: error instanceof Error ? error.message : String(error) }, []);
    }
  }

  async #run(
    message: Exclude<FileMessage, { size: number } | { piece: unknown }>,
  ): Promise<FileJobs[FileJobKind]["result"]> {
    switch (message.kind) {
      case "readHdf5":
        return readHdf5(this.#block, message.job.file);
      case "readKeras":
        return readKeras(this.#block, message.job.file);
      case "writeKeras":
        return this.#writeKeras(message.job);
    }
  }

  async #writeKeras({
    metadata,
    config,
    groups,
    arrays,
  }: FileJobs["writeKeras"]["job"]): Promise<Uint8Array<ArrayBuffer>> {
    const { buffer } = this.#block;
    const placed = arrays.map(({ path, dtype, shape, length, offset }) => ({
      path,
      dtype,
      shape,
      data: new fileArrayTypes[dtype](buffer, offset, length),
    }));
    const encoder = new TextEncoder();
    return writeZip({
      [kerasParts.metadata]: encoder.encode(metadata),
      [kerasParts.config]: encoder.encode(config),
      [kerasParts.weights]: await writeHdf5(groups, placed),
    });
  }
}

async function readKeras(bytes: Uint8Array, file: string): Promise<FileJobs["readKeras"]["result"]> {
  const parts = readZip(bytes, [...Object.values(kerasParts), otherWeights], file);
  const [metadata, config, weights] = [kerasParts.metadata, kerasParts.config, kerasParts.weights].map(
    (part) => parts.get(part),
  );
  if (config === undefined || weights === undefined) {
    const missing = config === undefined ? kerasParts.config : kerasParts.weights;
    const asNumpy = config !== undefined && parts.has(otherWeights);
    throw new RondoError({
      where: `read ${file}`,
      received: asNumpy ? `weights as ${otherWeights}` : `a zip archive without ${missing}`,
      expected: `a .keras file: ${Object.values(kerasParts).join(", ")}`,
      fix: 'Save the model with Keras 3: model.save("model.keras")',
    });
  }
  const decoder = new TextDecoder();
  return {
    metadata: metadata && decoder.decode(metadata),
    config: decoder.decode(config),
    weights: await readHdf5(weights, `${kerasParts.weights} in ${file}`),
  };
}

/** What some versions of Keras can write instead of HDF5. */
const otherWeights = "model.weights.npz";

/** The memory of a result, to be handed over and not copied. */
function* buffersIn(result: FileJobs[FileJobKind]["result"]): Generator<ArrayBuffer> {
  if (result instanceof Uint8Array) yield result.buffer as ArrayBuffer;
  else yield* buffersOf("weights" in result ? result.weights : result);
}

function* buffersOf({ groups, arrays }: FileGroup): Generator<ArrayBuffer> {
  for (const { data } of arrays.values()) yield data.buffer as ArrayBuffer;
  for (const group of groups.values()) yield* buffersOf(group);
}
