import { readFileSync } from "node:fs";

/**
 * Golden values: what Keras and PyTorch compute, in float64, for inputs that both sides know.
 *
 * `generate.py` and `generate_torch.py` write them and say what each kind of case holds;
 * `golden_file.py` describes the two files of a group.
 */
export type GoldenGroup = (typeof goldenGroups)[number];

/** All groups. Those up to `torch` are recurrent layers. */
export const goldenGroups = [
  "masks",
  "units",
  "windows",
  "options",
  "cellActivations",
  "keras2Activations",
  "stateful",
  "bidirectional",
  "stackedCells",
  "torch",
  "activations",
  "losses",
  "lossKinds",
  "metrics",
  "optimizers",
  "optimizerKinds",
  "tables",
  "schedules",
  "regularizers",
  "constraints",
  "embedding",
  "timeDistributed",
  "reshaping",
  "merging",
  "pictures",
  "pooling",
  "normalization",
  "elementwiseLayers",
  "models",
  "penalized",
  "functional",
] as const;

/** One tensor of a case. */
export interface GoldenTensor {
  /** Sizes, outermost first; `[]` is a scalar. */
  readonly shape: readonly number[];
  /** Elements 0, stride, 2 · stride, … of the tensor in row-major order; masks are 0 or 1. */
  readonly data: Float32Array<ArrayBuffer>;
  /** 1 unless the tensor was too large to keep in full. Inputs, weights and loss weights are always in full. */
  readonly stride: number;
}

/** Tensors by name, in Keras's order where they are weights. */
export type GoldenTensors = Readonly<Record<string, GoldenTensor>>;

/** An option's value: plain JSON, with Keras's names in camelCase. */
export type GoldenOption =
  | string
  | number
  | boolean
  | null
  | readonly GoldenOption[]
  | { readonly [key: string]: GoldenOption };

/** One case: a layer (or a loss, an optimizer …), what went in, and what the reference made of it. */
export interface GoldenCase {
  /** Unique in its group, for example `"lstm/left/sequences/initial"`. */
  readonly name: string;
  /** `"lstm"`, `"bidirectional"`, `"loss"` …; the list stands in `generate.py`. */
  readonly kind: string;
  /** The options of the layer (loss, optimizer), for example `{ units: 7, returnSequences: true }`. */
  readonly config: Readonly<Record<string, GoldenOption>>;
  /** What goes in: `x`, `mask`, initial states `h0` and `c0`, targets … */
  readonly inputs: GoldenTensors;
  /** The layer's weights in Keras's order, layout and gate order. */
  readonly weights: GoldenTensors;
  /**
   * One for each output that has a gradient: the gradients are those of the sum over k of
   * sum(lossWeights[k] * outputs[k]). Masks and moving statistics among the outputs have none.
   */
  readonly lossWeights: GoldenTensors;
  /** What the reference computed. */
  readonly outputs: GoldenTensors;
  /** Under the name of the input or the weight. */
  readonly gradients: GoldenTensors;
}

const sections = ["inputs", "weights", "lossWeights", "outputs", "gradients"] as const;
type Section = (typeof sections)[number];

/** A tensor in the index: generated from its name (scale), or stored in the .bin file (offset, in elements). */
export type GoldenEntry =
  | { readonly shape: readonly number[]; readonly scale: number }
  | { readonly shape: readonly number[]; readonly offset: number; readonly stride?: number };

/** The `.json` file of a group. */
export interface GoldenIndex {
  readonly group: string;
  /** The reference, its versions and its precision. */
  readonly source: string;
  /** Length of the .bin file in float32 elements. */
  readonly elements: number;
  /** The generator's first values for the group's name, as the writing side computed them. */
  readonly generator: readonly number[];
  readonly cases: readonly (Pick<GoldenCase, "name" | "kind" | "config"> & {
    readonly [section in Section]?: Readonly<Record<string, GoldenEntry>>;
  })[];
}

/** Reads the index of a group. */
export function loadIndex(group: GoldenGroup): GoldenIndex {
  return JSON.parse(readFileSync(new URL(`${group}.json`, import.meta.url), "utf8"));
}

/** Reads the stored values of a group. */
export function loadValues(group: GoldenGroup): Float32Array<ArrayBuffer> {
  const bytes = readFileSync(new URL(`${group}.bin`, import.meta.url));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float32Array.from({ length: bytes.byteLength / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

/** Reads every case of a group, its generated tensors included. */
export function loadGolden(group: GoldenGroup): GoldenCase[] {
  const values = loadValues(group);
  return loadIndex(group).cases.map((entry) => {
    const read = (section: Section): GoldenTensors =>
      Object.fromEntries(
        Object.entries(entry[section] ?? {}).map(([key, tensor]) => [
          key,
          readTensor(tensor, values, `${group}/${entry.name}/${section}/${key}`),
        ]),
      );
    return {
      name: entry.name,
      kind: entry.kind,
      config: entry.config,
      inputs: read("inputs"),
      weights: read("weights"),
      lossWeights: read("lossWeights"),
      outputs: read("outputs"),
      gradients: read("gradients"),
    };
  });
}

function readTensor(entry: GoldenEntry, values: Float32Array<ArrayBuffer>, name: string): GoldenTensor {
  const { shape } = entry;
  const elements = size(shape);
  if ("scale" in entry) {
    return { shape, data: uniform(hashName(name), elements).map((value) => value * entry.scale), stride: 1 };
  }
  const stride = entry.stride ?? 1;
  const end = entry.offset + Math.ceil(elements / stride);
  if (end > values.length) {
    throw new Error(`golden ${name}: ends at element ${end} of a file of ${values.length}; generate it anew`);
  }
  return { shape, data: values.slice(entry.offset, end), stride };
}

/**
 * The largest |actual - expected| over the elements that `expected` has, divided by the largest |expected| or 1,
 * whichever is more. NaN in `actual` gives Infinity.
 *
 * @param actual every element of the tensor, row-major, whatever the stride of `expected`
 */
export function goldenError(actual: ArrayLike<number>, expected: GoldenTensor): number {
  const { shape, data, stride } = expected;
  if (actual.length !== size(shape)) {
    throw new Error(`golden: received ${actual.length} elements for a tensor of shape [${shape.join(", ")}]`);
  }
  let worst = 0;
  let scale = 1;
  for (const [i, value] of data.entries()) {
    const error = Math.abs((actual[i * stride] ?? Number.NaN) - value);
    worst = Math.max(worst, Number.isNaN(error) ? Number.POSITIVE_INFINITY : error);
    scale = Math.max(scale, Math.abs(value));
  }
  return worst / scale;
}

/** How many elements a shape has. */
export function size(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

/** FNV-1a, 32 bits, of an ASCII string. */
export function hashName(name: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) {
    value = Math.imul(value ^ name.charCodeAt(i), 0x01000193);
  }
  return value >>> 0;
}

/** `count` values in [-1, 1), multiples of 2^-23: a counter mixed by MurmurHash3's 32-bit finalizer. */
export function uniform(seed: number, count: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: count }, (_, i) => {
    let h = (seed + Math.imul(i, 0x9e3779b9)) | 0;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    h ^= h >>> 16;
    return (h >>> 8) / 2 ** 23 - 1;
  });
}
