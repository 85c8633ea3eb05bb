import type { JsonObject } from "../config/config.js";
import { RondoError, valueText } from "../errors.js";
import { shapeText, sizeOf } from "../tensor.js";
import { type FileArray, fileArrayTypes } from "./arrayTypes.js";
import type { InBlock } from "./fileJob.js";
import type { FileGroup } from "./hdf5.js";
import { type Piece, runFileJob } from "./runFileJob.js";

/** A variable of a `.keras` file, under its name in its group: `0`, `1`, … */
export interface KerasVariable extends FileArray {
  readonly name: string;
}

/** What a layer, a model or an optimizer has in a `.keras` file. */
export interface KerasGroup {
  /** The object's name in Keras, where it has one. Keras does not look at it. */
  readonly name?: string | undefined;
  /** Its own variables, in the order of their numbers. */
  readonly variables: readonly KerasVariable[];
}

/** What a `.keras` file holds. */
export interface KerasFile {
  /** `{ keras_version, date_saved }` as Keras writes it; `{}` where the file has none. */
  readonly metadata: JsonObject;
  /** The model: `{ module, class_name, config, registered_name, build_config, compile_config }`. */
  readonly config: JsonObject;
  /** By the path of the object (`kerasPaths`): `""` the model itself, `"layers/dense_1"`, `"optimizer"`. */
  readonly groups: ReadonlyMap<string, KerasGroup>;
}

/** The names of what has variables, and of where they are. */
const vars = "vars";
/** The folder of layers in files of Keras 2.13, under its present name. */
const oldFolder = "_layer_checkpoint_dependencies";

/**
 * Reads a `.keras` file, the format of Keras 3 (and of TensorFlow's Keras from 2.12 on): a zip archive of
 *
 * - `metadata.json`: the version of Keras and the date;
 * - `config.json`: the model, its layers, how it was built and compiled, as `serialize_keras_object` describes them.
 *   Python's NaN and Infinity, which JSON has not, are read as texts of these names;
 * - `model.weights.h5`: an HDF5 file with the variables. `kerasPaths` gives the places.
 *
 * float64, float16 and bfloat16 variables are read as float32; integers stay what they are (the step counter of an
 * optimizer is int64, a BigInt64Array). Other parts (`assets/`) are not looked at. The work is done in a worker.
 *
 * @param bytes the file; it must not change until the promise settles
 * @param file what errors call it
 * @throws RondoError for another format (an HDF5 file of Keras 1 and 2 is named as one), a truncated or damaged file, a
 *   missing part, variables that are no numbers, and files that unpack to far more than they store
 */
export async function readKerasFile(bytes: Uint8Array, file = ".keras file"): Promise<KerasFile> {
  const where = `read ${file}`;
  if (!ArrayBuffer.isView(bytes) || bytes.BYTES_PER_ELEMENT !== 1) {
    throw new RondoError({
      where,
      received: valueText(bytes),
      expected: "a Uint8Array",
      fix: "Read the file as bytes: new Uint8Array(buffer)",
    });
  }
  const other = formats.find(({ start }) => start.every((byte, i) => bytes[i] === byte));
  if (other !== undefined) {
    const { received, fix } = other;
    throw new RondoError({ where, received, expected: "a .keras file, which is a zip archive", fix });
  }
  const pieces = [{ bytes, offset: 0 }];
  const read = await runFileJob(where, "readKeras", { file }, bytes.length, pieces);
  const groups = new Map<string, KerasGroup>();
  collect(read.weights, "", file, groups);
  return {
    metadata: read.metadata === undefined ? {} : objectOf(read.metadata, `metadata.json in ${file}`),
    config: objectOf(read.config, `config.json in ${file}`),
    groups,
  };
}

/** Other formats of models, by how their files begin. (HDF5 is also allowed to begin at 512, 1024, …, which nobody does.) */
const formats = [
  {
    start: [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a],
    received: "an HDF5 file: a model (.h5) of Keras 1 or 2, or weights alone (.weights.h5)",
    fix: 'Save the model again in Python with the Keras that wrote it; Keras 2 is the package tf_keras: tf_keras.models.load_model("model.h5").save("model.keras")',
  },
  {
    start: [0x7b],
    received: "a JSON file, such as the model.json of TensorFlow.js",
    fix: 'Convert a model of TensorFlow.js in Python, with the packages tensorflowjs and tf_keras: tensorflowjs.converters.load_keras_model("model.json").save("model.keras")',
  },
];

function collect(group: FileGroup, path: string, file: string, into: Map<string, KerasGroup>): void {
  for (const [name, inner] of group.groups) {
    if (name !== vars) {
      const present = name === oldFolder ? "layers" : name;
      collect(inner, path === "" ? present : `${path}/${present}`, file, into);
      continue;
    }
    const given = inner.attributes.get("name");
    const variables = [...inner.arrays]
      .map(([name, array]) => ({ name, ...array }))
      .sort((a, b) => Number(a.name) - Number(b.name));
    const lost = variables.findIndex(
      (variable, i) => /^\d+$/.test(variable.name) && variable.name !== String(i),
    );
    if (lost >= 0) {
      throw new RondoError({
        where: `read ${file}`,
        received: `no variable ${lost} in ${path === "" ? "the model" : path}`,
        expected: "variables numbered from 0 on",
        fix: "Save the model again",
      });
    }
    into.set(path, { ...(typeof given === "string" && { name: given }), variables });
  }
}

/** A group to be written: its variables are numbered in their order. */
export interface NewKerasGroup {
  readonly name?: string | undefined;
  readonly variables: readonly FileArray[];
}

/**
 * Writes a `.keras` file, as Keras does: the archive is not compressed, every object has its group, the groups have the
 * objects' names. The same content gives the same bytes. The work is done in a worker.
 *
 * @param content `metadata`: `keras_version` says whose format the configuration follows. `config`: NaN and infinite
 *   numbers are written as Python reads them, and so are texts of these names. `groups`: by path, as `kerasPaths` gives them; tensors are variables. The
 *   arrays must not change until the promise settles
 * @throws RondoError for a path or an array that cannot be written
 */
export async function writeKerasFile(content: {
  readonly metadata: JsonObject;
  readonly config: JsonObject;
  readonly groups: Iterable<readonly [path: string, group: NewKerasGroup]>;
}): Promise<Uint8Array<ArrayBuffer>> {
  const where = "write .keras file";
  const groups = new Map<string, string | undefined>();
  const arrays: InBlock[] = [];
  const pieces: Piece[] = [];
  let size = 0;
  for (const [path, { name, variables }] of content.groups) {
    const group = path === "" ? vars : `${path}/${vars}`;
    if (groups.has(group) || !/^([^/.][^/]*(\/[^/.][^/]*)*)?$/.test(path) || path.split("/").includes(vars)) {
      throw new RondoError({
        where,
        received: groups.has(group) ? `the path "${path}" twice` : `the path "${path}"`,
        expected: `a path of its own for every object, such as layers/dense_1, without ${vars} in it`,
        fix: "Use the paths of kerasPaths",
      });
    }
    groups.set(group, name);
    for (const [i, variable] of variables.entries()) {
      const { dtype, shape, data } = variable;
      check(variable, `${where}: variable ${i} of ${path === "" ? "the model" : path}`);
      arrays.push({ path: `${group}/${i}`, dtype, shape: [...shape], length: data.length, offset: size });
      pieces.push({ bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset: size });
      size = Math.ceil((size + data.byteLength) / 8) * 8;
    }
  }
  const [metadata, config] = [jsonText(content.metadata), jsonText(content.config)];
  return runFileJob(where, "writeKeras", { metadata, config, groups: [...groups], arrays }, size, pieces);
}

/** Refuses what is no array of numbers whose type, shape and data agree. */
function check({ dtype, shape, data }: FileArray, where: string): void {
  const type = Object.hasOwn(fileArrayTypes, dtype) ? fileArrayTypes[dtype] : undefined;
  if (type !== undefined && data instanceof type && data.length === sizeOf(shape)) return;
  throw new RondoError({
    where,
    received: `${valueText(data)} of ${data?.length} elements as ${dtype} of shape ${shapeText(shape)}`,
    expected:
      type === undefined
        ? `one of the dtypes ${Object.keys(fileArrayTypes).join(", ")}`
        : `${sizeOf(shape)} elements in ${valueText(new type())}`,
    fix: "Make the data, the shape and the dtype agree",
  });
}

/** What Python's JSON has and JSON has not. */
const unusual = ["NaN", "Infinity", "-Infinity"];

/** Options of optimizers and schedules that Keras refuses as integers, or takes for tensors of integers. */
const floats: readonly string[] = [
  "learning_rate",
  "momentum",
  "initial_learning_rate",
  "end_learning_rate",
  "decay_rate",
  "power",
  "alpha",
  "t_mul",
  "m_mul",
  "warmup_target",
];

/**
 * JSON as Python reads it: numbers that are none stand bare (configurations hold them as text), and whole numbers that must
 * be floats have a point.
 */
function jsonText(json: JsonObject): string {
  const mark = "\u0000";
  const marked = JSON.stringify(json, (key, value: unknown) => {
    const isText = typeof value === "string" && key !== "name" && unusual.includes(value);
    if (typeof value === "number" && floats.includes(key) && Number.isInteger(value))
      return `${mark}${value}.0${mark}`;
    return isText || (typeof value === "number" && !Number.isFinite(value))
      ? `${mark}${value}${mark}`
      : value;
  });
  return marked.replaceAll(/"\\u0000(-?Infinity|NaN|-?\d+\.0)\\u0000"/g, "$1");
}

/** The object that a part of JSON is; Python's bare NaN and Infinity become text. */
function objectOf(text: string, where: string): JsonObject {
  const quoted = text.replaceAll(/"(?:[^"\\]|\\.)*"|-?Infinity|NaN/g, (token) =>
    token.startsWith('"') ? token : `"${token}"`,
  );
  let json: unknown;
  try {
    json = JSON.parse(quoted);
  } catch {
    // Named below: no JSON.
  }
  if (typeof json === "object" && json !== null && !Array.isArray(json)) return json as JsonObject;
  throw new RondoError({
    where: `read ${where}`,
    received: "text that is no JSON object",
    expected: "a configuration as Keras writes it",
    fix: "Copy or save the file again",
  });
}
