import { bytesPerElement, type Dtype, type TypedArray } from "../dtype.js";
import { RondoError, valueText } from "../errors.js";
import { shapeText, sizeOf, Tensor } from "../tensor.js";

/** What a safetensors file holds: tensors by name, in the file's order, and text by key. */
export interface Safetensors {
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

const dtypeNames = { float32: "F32", int32: "I32", uint8: "U8", bool: "BOOL" } as const satisfies Record<
  Dtype,
  string
>;
const arrayTypes: Readonly<
  Record<Dtype, new (data: ArrayBufferLike, offset: number, length: number) => TypedArray>
> = {
  float32: Float32Array,
  int32: Int32Array,
  uint8: Uint8Array,
  bool: Uint8Array,
};
const dtypes: ReadonlyMap<string, Dtype> = new Map([
  ["F32", "float32"],
  ["I32", "int32"],
  ["U8", "uint8"],
  ["BOOL", "bool"],
]);

const lengthBytes = 8;
const alignment = 64;

/**
 * Writes tensors as a safetensors file: the length of the header as a little-endian uint64, the header as JSON, then
 * the data. The data begins at a multiple of 64 bytes, wide elements first, so that every tensor is aligned.
 * (Source: the format's description in the repository huggingface/safetensors.)
 *
 * @param tensors by their names: `{ name: tensor }`, a Map, or pairs of name and tensor
 * @param metadata text by key
 * @throws RondoError for two tensors of the same name, and for what is no tensors by name
 */
export function encodeSafetensors(
  tensors: Readonly<Record<string, Tensor>> | Iterable<readonly [name: string, tensor: Tensor]>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const entries = entriesOf(tensors).sort(
    ([, a], [, b]) => b.data.BYTES_PER_ELEMENT - a.data.BYTES_PER_ELEMENT,
  );
  const header = new Map<string, unknown>();
  if (Object.keys(metadata).length > 0) header.set("__metadata__", metadata);
  let end = 0;
  for (const [name, { data, dtype, shape }] of entries) {
    if (header.has(name) || name === "__metadata__") {
      throw new RondoError({
        where: "write safetensors",
        received: `the name "${name}" twice`,
        expected: "a name of its own for every tensor, other than __metadata__",
        fix: "Rename one of the tensors (or layers)",
      });
    }
    header.set(name, { dtype: dtypeNames[dtype], shape, data_offsets: [end, end + data.byteLength] });
    end += data.byteLength;
  }
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const begin = Math.ceil((lengthBytes + text.length) / alignment) * alignment;
  const file = new Uint8Array(begin + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(begin - lengthBytes), true);
  file.set(text, lengthBytes);
  file.fill(0x20, lengthBytes + text.length, begin);
  let offset = begin;
  for (const [, { data }] of entries) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
    offset += data.byteLength;
  }
  return file;
}

function entriesOf(tensors: Parameters<typeof encodeSafetensors>[0]): (readonly [string, Tensor])[] {
  const refuse = (received: string): never => {
    throw new RondoError({
      where: "write safetensors",
      received,
      expected: "tensors by name: an object, a Map, or a list of [name, tensor]",
      fix: "Write { name: tensor }; the tensors of a model are model.getWeights(), named by model.weightNames()",
    });
  };
  if (typeof tensors !== "object" || tensors === null) return refuse(valueText(tensors));
  const entries: readonly unknown[] = Symbol.iterator in tensors ? [...tensors] : Object.entries(tensors);
  return entries.map((entry) => {
    if (!Array.isArray(entry)) return refuse(`${valueText(entry)} without a name`);
    const [name, value]: unknown[] = entry;
    if (typeof name !== "string") return refuse(`the name ${valueText(name)}`);
    return [name, isTensor(value) ? value : refuse(`${valueText(value)} as "${name}"`)];
  });
}

/** Tensors of rondo/browser, which brings its own class, are tensors too. */
function isTensor(value: unknown): value is Tensor {
  return (
    typeof value === "object" && value !== null && "dtype" in value && "shape" in value && "data" in value
  );
}

/**
 * Reads a safetensors file. Tensors share the memory of `bytes` where their alignment allows it.
 *
 * @param name what errors call the file
 * @throws RondoError for a truncated file, a header that is not as described, or data that overlaps or leaves gaps
 */
export function decodeSafetensors(bytes: Uint8Array, name = "safetensors"): Safetensors {
  const fail = (received: string, expected: string, fix = "Export or download the file again"): never => {
    throw new RondoError({ where: `read ${name}`, received, expected, fix });
  };
  if (!ArrayBuffer.isView(bytes) || bytes.BYTES_PER_ELEMENT !== 1)
    return fail(valueText(bytes), "a Uint8Array", "Read the file as bytes: new Uint8Array(buffer)");
  const { header, begin } = readHeader(bytes, fail);
  const dataBytes = bytes.length - begin;
  const tensors = new Map<string, Tensor>();
  const ranges: (readonly [begin: number, end: number])[] = [];
  let metadata: Record<string, string> = {};
  for (const [key, value] of Object.entries(header)) {
    if (key === "__metadata__") {
      metadata = isTextRecord(value) ? value : fail("metadata that is not text by key", "text by key");
      continue;
    }
    const entry = isEntry(value)
      ? value
      : fail(`the entry ${JSON.stringify(value)} for "${key}"`, "dtype, shape and data_offsets");
    const dtype = dtypes.get(entry.dtype);
    if (dtype === undefined) {
      return fail(
        `the dtype ${entry.dtype} of "${key}"`,
        `one of ${[...dtypes.keys()].join(", ")}`,
        "Convert the tensors to float32 before exporting them",
      );
    }
    const [first, last] = entry.data_offsets;
    if (first > last || last > dataBytes) {
      fail(
        `bytes ${first} to ${last} for "${key}" in a file with ${dataBytes} bytes of data`,
        "a range within the file",
      );
    }
    const size = sizeOf(entry.shape);
    if (last - first !== size * bytesPerElement[dtype]) {
      fail(
        `${last - first} bytes for "${key}" of shape ${shapeText(entry.shape)} and dtype ${entry.dtype}`,
        `${size * bytesPerElement[dtype]} bytes`,
      );
    }
    tensors.set(
      key,
      new Tensor(elements(bytes.subarray(begin + first, begin + last), dtype), entry.shape, dtype),
    );
    ranges.push([first, last]);
  }
  ranges.sort(([a, aEnd], [b, bEnd]) => a - b || aEnd - bEnd);
  let covered = 0;
  for (const [first, last] of ranges) {
    if (first !== covered)
      fail(
        `data that ${first < covered ? "overlaps" : "leaves a gap"} at byte ${first}`,
        "tensors side by side",
      );
    covered = last;
  }
  if (covered !== dataBytes)
    fail(`${dataBytes - covered} bytes after the last tensor`, "a file that ends with it");
  return { tensors, metadata };
}

type Fail = (received: string, expected: string, fix?: string) => never;

function readHeader(bytes: Uint8Array, fail: Fail): { header: object; begin: number } {
  if (bytes.length < lengthBytes) return fail(`${bytes.length} bytes`, "a safetensors file");
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  const begin = lengthBytes + Number(length);
  if (begin > bytes.length) {
    return fail(
      `a header length of ${length} in a file of ${bytes.length} bytes`,
      "a safetensors file",
      "The file is truncated or of another format: export or download it again",
    );
  }
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(lengthBytes, begin));
    const header: unknown = JSON.parse(text);
    if (typeof header === "object" && header !== null && !Array.isArray(header)) return { header, begin };
  } catch {
    // Named below: neither text nor JSON.
  }
  return fail("a header that is not a JSON object", "a safetensors file");
}

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

function isEntry(value: unknown): value is Entry {
  if (typeof value !== "object" || value === null) return false;
  const { dtype, shape, data_offsets } = value as Record<string, unknown>;
  return typeof dtype === "string" && isSizes(shape) && isSizes(data_offsets) && data_offsets.length === 2;
}

function isSizes(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function isTextRecord(value: unknown): value is Record<string, string> {
  return (
    typeof value === "object" &&
    value !== null &&
    Object.values(value).every((text) => typeof text === "string")
  );
}

/** Bytes as elements: the same memory where it is aligned, else a copy. */
function elements(bytes: Uint8Array, dtype: Dtype): TypedArray {
  const width = bytesPerElement[dtype];
  const aligned = bytes.byteOffset % width === 0 ? bytes : new Uint8Array(bytes);
  return new arrayTypes[dtype](aligned.buffer, aligned.byteOffset, aligned.byteLength / width);
}
