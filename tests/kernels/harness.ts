// Runs single instructions on every executor of this machine, with guards around each buffer.
import { setFlagsFromString } from "node:v8";
import { expect } from "vitest";
import { platform } from "#platform";
import type { Dtype, TypedArray } from "../../src/dtype.js";
import { Encoder } from "../../src/plan/encode.js";
import type { BufferSlot, Program } from "../../src/plan/program.js";
import type { Backend } from "../../src/runtime/backend.js";
import { createBackend } from "../../src/runtime/select.js";

setFlagsFromString("--experimental-wasm-relaxed-simd");

/** The instruction sets that can run here: those of the addon, where it could be built, then those of wasm. */
export const instructionSets: readonly string[] = [...nativeSets(), "simd128", "relaxed-simd"];

function nativeSets(): string[] {
  try {
    return platform
      .loadAddon()
      .instructionSets()
      .map(([name]) => name);
  } catch {
    return [];
  }
}

const opened = new Map<string, Promise<Backend>>();

/** The backend of an instruction set, made once per file. */
export function backendOf(instructionSet: string, threads = 1): Promise<Backend> {
  const key = `${instructionSet} ${threads}`;
  const backend = opened.get(key) ?? createBackend({ instructionSet, threads });
  opened.set(key, backend);
  return backend;
}

const guardBytes = 64;
const guardWord = 0x7fc0_dead; // a NaN, so that what is read beyond a buffer shows too

/**
 * Runs the instructions that `emit` appends on the given buffers (buffer i of the program is `buffers[i]`) and returns
 * their contents afterwards. Throws when anything was written outside the buffers.
 */
export async function runInstructions(
  backend: Backend,
  buffers: readonly TypedArray[],
  emit: (encoder: Encoder) => void,
): Promise<TypedArray[]> {
  const encoder = new Encoder();
  emit(encoder);
  return runWords(backend, buffers, encoder.words());
}

/** A program of these words alone, over buffers in a state of so many bytes. */
export const programOfWords = (
  words: Int32Array,
  buffers: readonly BufferSlot[],
  stateBytes: number,
): Program => ({
  name: "kernel test",
  words,
  buffers,
  entries: { main: { begin: 0, end: words.length, writes: "weights" } },
  scratchBytes: 0,
  cacheBytes: 0,
  stateBytes,
  constants: new Uint8Array(0),
  inputs: [],
  outputs: [],
});

/** As `runInstructions`, for words as they are. */
export async function runWords(
  backend: Backend,
  buffers: readonly TypedArray[],
  words: Int32Array,
): Promise<TypedArray[]> {
  let bytes = guardBytes;
  const slots = buffers.map((data) => {
    const offset = bytes;
    bytes += Math.ceil(data.byteLength / 64) * 64 + guardBytes;
    return { region: "state" as const, index: 0, offset, bytes: data.byteLength };
  });
  const program = programOfWords(words, slots, bytes);
  const image = new Uint8Array(bytes);
  new Int32Array(image.buffer).fill(guardWord);
  buffers.forEach((data, i) => {
    image.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), slots[i]?.offset);
  });
  const state = backend.allocate(bytes);
  await state.write(0, image);
  await backend.load(program).run({ entry: "main", state, inputs: [], outputs: [] });
  const after = new Uint8Array(bytes);
  await state.read(0, after);
  const results = buffers.map((data, i) => {
    const { offset = 0 } = slots[i] ?? {};
    const place = after.slice(offset, offset + data.byteLength).buffer;
    after.set(image.subarray(offset, offset + data.byteLength), offset);
    if (data instanceof Float32Array) return new Float32Array(place);
    return data instanceof Int32Array ? new Int32Array(place) : new Uint8Array(place);
  });
  if (!Buffer.from(after.buffer).equals(image)) {
    const touched = after.findIndex((byte, i) => byte !== image[i]);
    throw new Error(
      `byte ${touched} was written, outside the buffers at ${slots.map((slot) => slot.offset)}`,
    );
  }
  return results;
}

/** A reproducible source of uniform numbers in [0, 1) (mulberry32). */
export function randomSource(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `count` floats in [-2, 2), or whole numbers that fit the dtype. */
export function randomData(random: () => number, dtype: Dtype, count: number): TypedArray {
  const fill = <T extends TypedArray>(data: T, value: () => number): T => {
    for (let i = 0; i < count; i++) data[i] = value();
    return data;
  };
  switch (dtype) {
    case "float32":
      return fill(new Float32Array(count), () => random() * 4 - 2);
    case "int32":
      return fill(new Int32Array(count), () => Math.floor(random() * 200 - 100));
    case "uint8":
      return fill(new Uint8Array(count), () => Math.floor(random() * 256));
    case "bool":
      return fill(new Uint8Array(count), () => Math.floor(random() * 2));
  }
}

const oneFloat = new Float32Array(1);
const itsBits = new Int32Array(oneFloat.buffer);

/** From a finite float to the next larger one in size; that of the smallest normal float at least. */
function spacing(value: number): number {
  oneFloat[0] = value;
  const exponent = Math.max(24, ((itsBits[0] ?? 0) >>> 23) & 0xff);
  itsBits[0] = (exponent - 23) << 23;
  return oneFloat[0] ?? 0;
}

/** Distance between two floats in units of the last place of the expected one (of the smallest normal float at least). */
export function ulps(actual: number, expected: number): number {
  if (Object.is(actual, expected) || (Number.isNaN(actual) && Number.isNaN(expected))) return 0;
  const rounded = Math.fround(expected);
  if (actual === rounded) return 0;
  if (!Number.isFinite(actual) || !Number.isFinite(rounded)) {
    // The largest float may stand for what just overflows, and the other way round.
    const limit = (value: number) => (Number.isFinite(value) ? value : Math.sign(value) * 2 ** 128);
    if (Number.isNaN(actual) || Number.isNaN(expected)) return Number.POSITIVE_INFINITY;
    return Math.abs(limit(actual) - limit(rounded)) / 2 ** 104;
  }
  return Math.abs(actual - expected) / spacing(rounded);
}

/** Expects the same elements, bit for bit (`toEqual` takes seconds for a million of them). */
export function expectSame(actual: TypedArray | undefined, expected: TypedArray, label = ""): void {
  const bytes = (data: TypedArray) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  if (actual !== undefined && bytes(actual).equals(bytes(expected))) return;
  expect(actual?.length, label).toBe(expected.length);
  const words = (data: TypedArray) =>
    data instanceof Float32Array ? new Int32Array(data.buffer, data.byteOffset) : data;
  const [a, b] = [words(actual ?? expected), words(expected)];
  const i = a.findIndex((word, k) => word !== b[k]);
  expect(actual?.[i], `${label} element ${i} of ${expected.length}, bit for bit`).toBe(expected[i]);
  expect(a[i], `${label} bits of element ${i}`).toBe(b[i]);
}

/** The offsets that row-major positions have under strides. */
export function offsetsOf(dims: readonly number[], strides: readonly number[]): number[] {
  let offsets = [0];
  dims.forEach((dim, d) => {
    const steps = Array.from({ length: dim }, (_, i) => i * (strides[d] ?? 0));
    offsets = offsets.flatMap((offset) => steps.map((step) => offset + step));
  });
  return offsets;
}
