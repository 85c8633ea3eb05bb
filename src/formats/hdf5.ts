import { Dataset, File, FS, Group, Module, ready } from "h5wasm";
import { RondoError } from "../errors.js";
import { type FileArray, type FileData, type FileDtype, fileArrayTypes } from "./arrayTypes.js";

/** What an attribute of a group holds. */
export type FileAttribute = string | number | bigint | readonly string[] | FileData[FileDtype];

/** A group of an HDF5 file, with what is below it, by name. */
export interface FileGroup {
  /** Texts, numbers and lists of them; attributes of other kinds are left out. */
  readonly attributes: ReadonlyMap<string, FileAttribute>;
  readonly groups: ReadonlyMap<string, FileGroup>;
  readonly arrays: ReadonlyMap<string, FileArray>;
}

/** The file in h5wasm's own memory, which is a file system; it is there within one synchronous call. */
const path = "/file.h5";
/** What may be read however short the file is; beyond it, no more than `expansion` times its length. */
const freeBytes = 64 * 2 ** 20;
const expansion = 1000;
const deepest = 64;
const mostObjects = 100_000;

/**
 * All of an HDF5 file. float64, float16 and bfloat16 become float32; integers and bool stay what they are.
 *
 * @param file what errors call it
 * @throws RondoError for a file that is no HDF5 or damaged, holds arrays of texts or structures or links to other files,
 *   or unpacks to far more than is stored
 */
export async function readHdf5(bytes: Uint8Array, file: string): Promise<FileGroup> {
  await ready;
  const system = fileSystem();
  system.writeFile(path, bytes);
  try {
    const opened = opening(file);
    try {
      return new Reader(file, bytes.length).group(opened, "", 0);
    } finally {
      opened.close();
    }
  } finally {
    system.unlink(path);
  }
}

function opening(file: string): File {
  const opened = new File(path, "r");
  if (opened.file_id < 0n) throw damaged(file, "bytes that are no HDF5 file, or half of one");
  return opened;
}

class Reader {
  readonly #file: string;
  readonly #most: number;
  #bytes = 0;
  #objects = 0;

  constructor(file: string, length: number) {
    this.#file = file;
    this.#most = Math.max(freeBytes, expansion * length);
  }

  group(group: Group, at: string, depth: number): FileGroup {
    if (depth > deepest) throw damaged(this.#file, `groups more than ${deepest} deep`);
    const groups = new Map<string, FileGroup>();
    const arrays = new Map<string, FileArray>();
    for (const name of group.keys()) {
      if (++this.#objects > mostObjects) throw damaged(this.#file, `more than ${mostObjects} objects`);
      const found = group.get(name);
      const below = at === "" ? name : `${at}/${name}`;
      if (found instanceof Group) groups.set(name, this.group(found, below, depth + 1));
      else if (found instanceof Dataset) arrays.set(name, this.#array(found, below));
      else throw this.#unsupported(below, "a link to another file, or to nothing,", "groups and arrays");
    }
    return { attributes: attributesOf(group), groups, arrays };
  }

  #array(dataset: Dataset, at: string): FileArray {
    const { metadata } = dataset;
    const { shape, size, virtual_sources: elsewhere } = metadata;
    if (shape === null) throw this.#unsupported(at, "an array without a shape", "numbers");
    if (elsewhere !== undefined && elsewhere.length > 0)
      throw this.#unsupported(at, "an array that lies in other files", "numbers in this one");
    const read = readerOf(dataset);
    if (read === undefined) {
      const kinds: Readonly<Record<string, { readonly value?: number }>> = { ...Module.H5T_class_t };
      const kind = Object.keys(kinds).find((kind) => kinds[kind]?.value === metadata.type) ?? "";
      const kindName = kind.replace("H5T_", "").toLowerCase();
      throw this.#unsupported(at, `elements of kind ${kindName} and ${size} bytes`, "numbers or bool");
    }
    const count = shape.reduce((product, length) => product * length, 1);
    this.#bytes += count * size;
    if (!(this.#bytes <= this.#most)) {
      throw new RondoError({
        where: `read ${this.#file}`,
        received: `arrays of ${this.#bytes} bytes in a file of much less`,
        expected: `at most ${expansion} times as many bytes as are stored`,
        fix: "Do not trust the file: this is how files are made that fill the memory",
      });
    }
    return { ...read(this.#bytesOf(dataset, count * size, at)), shape };
  }

  /** The elements, little-endian, in memory of their own. */
  #bytesOf(dataset: Dataset, length: number, at: string): Uint8Array<ArrayBuffer> {
    if (length === 0) return new Uint8Array(0);
    const address = Module._malloc(length);
    if (address === 0)
      throw damaged(this.#file, `the array ${at} of ${length} bytes, more than fits in memory`);
    try {
      const status = Module.get_dataset_data(
        dataset.file_id,
        dataset.path,
        null,
        null,
        null,
        BigInt(address),
      );
      if (status < 0) throw damaged(this.#file, `the array ${at}, which cannot be read`);
      return Module.HEAPU8.slice(address, address + length);
    } finally {
      Module._free(address);
    }
  }

  #unsupported(at: string, received: string, expected: string): RondoError {
    return new RondoError({
      where: `read ${this.#file}`,
      received: `${received} as ${at}`,
      expected,
      fix: "Save the model with Keras",
    });
  }
}

type Decoded = Pick<FileArray, "dtype" | "data">;

/** How the bytes of an array become numbers; undefined where they are none. */
function readerOf(dataset: Dataset): ((bytes: Uint8Array<ArrayBuffer>) => Decoded) | undefined {
  const { type, size, signed, enum_type: names } = dataset.metadata;
  const { H5T_INTEGER, H5T_FLOAT, H5T_ENUM, H5T_OPAQUE } = Module.H5T_class_t;
  const float32 = (values: Iterable<number>): Decoded => ({
    dtype: "float32",
    data: Float32Array.from(values),
  });
  // numpy has no bfloat16 that HDF5 knows, so Keras writes two bytes and says in an attribute what they are.
  const isBfloat16 = size === 2 && dataset.attrs.dtype?.value === "bfloat16";
  switch (type) {
    case H5T_INTEGER.value: {
      const dtype = [`${signed ? "int" : "uint"}${8 * size}`].find(isDtype);
      return dtype && (({ buffer }) => ({ dtype, data: new fileArrayTypes[dtype](buffer) }));
    }
    case H5T_FLOAT.value:
    case H5T_OPAQUE.value:
      if (isBfloat16)
        return ({ buffer }) => ({
          dtype: "float32",
          data: new Float32Array(Uint32Array.from(new Uint16Array(buffer), (bits) => bits << 16).buffer),
        });
      if (type === H5T_OPAQUE.value) return undefined;
      if (size === 4) return ({ buffer }) => ({ dtype: "float32", data: new Float32Array(buffer) });
      if (size === 8) return ({ buffer }) => float32(new Float64Array(buffer));
      if (size === 2)
        return ({ buffer }) => ({
          dtype: "float32",
          data: Float32Array.from(new Uint16Array(buffer), fromFloat16),
        });
      return undefined;
    case H5T_ENUM.value: // as h5py writes bool
      if (size !== 1 || names?.members.FALSE !== 0 || names.members.TRUE !== 1 || names.nmembers !== 2)
        return undefined;
      return (bytes) => ({ dtype: "bool", data: bytes });
    default:
      return undefined;
  }
}

const isDtype = (name: string): name is FileDtype => Object.hasOwn(fileArrayTypes, name);

/** IEEE 754 binary16: 1 bit of sign, 5 of exponent, 10 of fraction. */
function fromFloat16(bits: number): number {
  const sign = bits >> 15 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

function attributesOf(group: Group): Map<string, FileAttribute> {
  const attributes = new Map<string, FileAttribute>();
  for (const [name, { value }] of Object.entries(group.attrs))
    if (isAttribute(value)) attributes.set(name, value);
  return attributes;
}

function isAttribute(value: unknown): value is FileAttribute {
  if (Array.isArray(value)) return value.every((item) => typeof item === "string");
  if (typeof value === "string" || typeof value === "number" || typeof value === "bigint") return true;
  return Object.values(fileArrayTypes).some((type) => value instanceof type);
}

/** An array to write, and where. */
export interface Placed extends FileArray {
  /** `layers/dense/vars/0` */
  readonly path: string;
}

/**
 * An HDF5 file of arrays and groups with one text attribute, `name`. The same content gives the same bytes: HDF5 dates
 * what it writes, so the clock stands still meanwhile. Bool is written as uint8.
 *
 * @param groups path and name; groups above, and those of arrays, are made too
 */
export async function writeHdf5(
  groups: Iterable<readonly [path: string, name: string | undefined]>,
  arrays: Iterable<Placed>,
): Promise<Uint8Array> {
  await ready;
  const system = fileSystem();
  const { now } = Date;
  Date.now = () => 0;
  try {
    const file = new File(path, "w");
    let closed = -1;
    try {
      fill(file, groups, arrays);
    } finally {
      closed = file.close();
    }
    if (closed < 0) throw notWritten("the file");
    return system.readFile(path);
  } finally {
    Date.now = now;
    if (system.analyzePath(path).exists) system.unlink(path);
  }
}

function fill(
  file: File,
  groups: Iterable<readonly [path: string, name: string | undefined]>,
  arrays: Iterable<Placed>,
): void {
  const made = new Map<string, Group>([["", file]]);
  const groupAt = (at: string): Group => {
    const group = made.get(at) ?? groupAt(parentOf(at)).create_group(nameOf(at));
    // h5wasm gives what is at the place, whether or not HDF5 has made a group there.
    if (!(group instanceof Group)) throw notWritten(at);
    made.set(at, group);
    return group;
  };
  for (const [at, name] of groups) {
    const group = groupAt(at);
    if (name !== undefined) group.create_attribute("name", name);
  }
  for (const { path: at, shape, data } of arrays) {
    const group = groupAt(parentOf(at));
    const absent = group.get(nameOf(at)) === null;
    const dataset = group.create_dataset({ name: nameOf(at), data, shape: [...shape] });
    if (!absent || !(dataset instanceof Dataset)) throw notWritten(at);
  }
}

const parentOf = (at: string): string => at.slice(0, Math.max(0, at.lastIndexOf("/")));
const nameOf = (at: string): string => at.slice(at.lastIndexOf("/") + 1);

const notWritten = (at: string): RondoError =>
  new RondoError({
    where: "write HDF5",
    received: `${at}, which HDF5 does not take`,
    expected: "groups and arrays of different names, that fit in memory",
    fix: "Look for two of the same path",
  });

function fileSystem(): FS.FileSystemType {
  if (FS === null) throw new Error("h5wasm is ready without its file system");
  return FS;
}

const damaged = (file: string, received: string): RondoError =>
  new RondoError({
    where: `read ${file}`,
    received,
    expected: "a whole HDF5 file as Keras writes it",
    fix: "Copy or download the file again",
  });
