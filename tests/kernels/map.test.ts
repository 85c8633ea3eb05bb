import { describe, expect, test } from "vitest";
import type { Dtype, TypedArray } from "../../src/dtype.js";
import { mapOp } from "../../src/plan/abi.js";
import { floatBits, type MapOpName, type MapSpec, type MapStep } from "../../src/plan/encode.js";
import {
  backendOf,
  expectSame,
  instructionSets,
  offsetsOf,
  randomData,
  randomSource,
  runInstructions,
  ulps,
} from "./harness.js";
import { twins } from "./steps.js";

const infinity = Number.POSITIVE_INFINITY;
const specials = [
  ...[0, -0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 3, 7, -7, 10.25, 88.5, -103.5, 1e-3, -1e-3, 1e-8, 2 ** 24 + 2],
  ...[1e9, -1e9, 2 ** 31, -(2 ** 31), 2147483520, 8388607.5, 3e9, 86400 * 365 * 54, 0.1],
  ...[1e-40, -1e-40, 2 ** -149, 2 ** -126, 1e30, -1e30, 3.4e38, -3.4e38, infinity, -infinity, Number.NaN],
].map(Math.fround);
const integers = [0, 1, -1, 2, 7, -100, 65536, 2 ** 31 - 1, -(2 ** 31), -(2 ** 31) + 1, 123456789];

/** Every combination of special values, or of as many random ones. */
function operands(type: string): Float32Array[] {
  const kinds = [...(type.split(">")[0] ?? "")];
  const lists = kinds.map((kind) => (kind === "i" ? integers : specials));
  const count = lists.reduce((size, list) => size * list.length, 1);
  let period = 1;
  return lists.map((list, i) => {
    const data = new Float32Array(count);
    const words = new Int32Array(data.buffer);
    for (let k = 0; k < count; k++) {
      const value = list[Math.floor(k / period) % list.length] ?? 0;
      words[k] = kinds[i] === "i" ? value : floatBits(value);
    }
    period *= list.length;
    return data;
  });
}

function runStep(set: string, op: MapOpName, inputs: readonly Float32Array[]): Promise<TypedArray[]> {
  const count = inputs[0]?.length ?? 0;
  const out = inputs.length;
  return backendOf(set).then((backend) =>
    runInstructions(backend, [...inputs, new Float32Array(count)], (encoder) =>
      encoder.map({
        dims: [count],
        inputs: inputs.map((_, buffer) => ({ buffer, offset: 0, dtype: "float32", strides: [1] })),
        outputs: [{ buffer: out, offset: 0, dtype: "float32", register: out, strides: [1] }],
        steps: [{ op, to: out, args: inputs.map((_, i) => i) }],
      }),
    ),
  );
}

const asInts = (data: TypedArray | undefined) => new Int32Array(data?.buffer ?? new ArrayBuffer(0));
const names = Object.keys(twins) as (keyof typeof twins)[];

describe.each(instructionSets)("map on %s", (set) => {
  test("has every step of the ABI", () => {
    expect([...names, "constant", "constantInt"].sort()).toEqual(Object.keys(mapOp).sort());
  });

  test.each(names)("%s agrees with its twin on special values", async (op) => {
    const { type, compute, ulps: allowed } = twins[op];
    const inputs = operands(type);
    const result = (await runStep(set, op, inputs)).at(-1) ?? new Float32Array(0);
    const argument = (i: number, k: number) =>
      (type[i] === "i" ? asInts(inputs[i])[k] : inputs[i]?.[k]) ?? Number.NaN;
    const integers = asInts(result);
    const fits = (k: number, a: number, b: number, c: number): boolean => {
      const expected = compute(a, b, c);
      const actual = result[k] ?? Number.NaN;
      if (type.endsWith(">i")) return integers[k] === expected;
      if (op === "fma") {
        const apart = Math.fround(Math.fround(a * b) + c); // where no instruction fuses them
        return Math.min(ulps(actual, Math.fround(expected)), ulps(actual, apart)) <= 1;
      }
      return allowed === 0 ? Object.is(actual, Math.fround(expected)) : ulps(actual, expected) <= allowed;
    };
    const misses = Array.from(result, (value, k) => {
      const [a, b, c] = [argument(0, k), argument(1, k), argument(2, k)];
      const call = `${op}(${[a, b, c].slice(0, inputs.length)}) = ${type.endsWith(">i") ? integers[k] : value}`;
      return fits(k, a, b, c) ? "" : `${call}, not ${compute(a, b, c)}`;
    });
    expect(misses.filter((miss) => miss !== "")).toEqual([]);
  });

  test("random expressions over random shapes, strides and types", async () => {
    for (let seed = 1; seed <= 60; seed++) await checkRandom(set, seed);
  });

  test("an empty dimension writes nothing", async () => {
    const spec = copy([3, 0, 2], [0, 0, 1], [2, 2, 1]);
    const [, out] = await runInstructions(
      await backendOf(set),
      [Float32Array.of(1, 2), new Float32Array(4)],
      (e) => e.map(spec),
    );
    expect([...(out ?? [])]).toEqual([0, 0, 0, 0]);
  });

  test("strides of millions of elements, backwards too", async () => {
    const far = 3_000_000;
    const data = new Float32Array(2 * far + 2);
    for (const [i, at] of [0, 1, far, far + 1, 2 * far, 2 * far + 1].entries()) data[at] = i + 1;
    const spec = copy([3, 2], [-far, 1], [2, 1]);
    const [, out] = await runInstructions(await backendOf(set), [data, new Float32Array(6)], (e) =>
      e.map({ ...spec, inputs: [{ buffer: 0, offset: 2 * far, dtype: "float32", strides: [-far, 1] }] }),
    );
    expect([...(out ?? [])]).toEqual([5, 6, 3, 4, 1, 2]);
  });

  test("outputs that are inputs: a swap, and a value needed after its memory is overwritten", async () => {
    const count = 1024 + 5;
    const random = randomSource(7);
    const [a, b] = [randomData(random, "float32", count), randomData(random, "float32", count)];
    const at = (buffer: number) => ({ buffer, offset: 0, dtype: "float32" as const, strides: [1] });
    const backend = await backendOf(set);
    const swapped = await runInstructions(backend, [a, b], (e) =>
      e.map({
        dims: [count],
        inputs: [at(0), at(1)],
        outputs: [
          { ...at(0), register: 1 },
          { ...at(1), register: 0 },
        ],
        steps: [],
      }),
    );
    expect(swapped).toEqual([b, a]);
    const [sum, product] = await runInstructions(backend, [a, b], (e) =>
      e.map({
        dims: [count],
        inputs: [at(0), at(1)],
        outputs: [
          { ...at(0), register: 2 },
          { ...at(1), register: 3 },
        ],
        steps: [
          { op: "add", to: 2, args: [0, 1] },
          { op: "mul", to: 3, args: [0, 1] },
        ],
      }),
    );
    expect(sum).toEqual(a.map((x, i) => x + (b[i] ?? 0)));
    expect(product).toEqual(a.map((x, i) => x * (b[i] ?? 0)));
  });

  test("the number of threads does not show", async () => {
    const dims = [37, 11, 300];
    const spec: MapSpec = {
      dims,
      inputs: [
        { buffer: 0, offset: 0, dtype: "float32", strides: [3300, 300, 1] },
        { buffer: 1, offset: 0, dtype: "float32", strides: [0, 1, 0] },
      ],
      outputs: [{ buffer: 2, offset: 0, dtype: "float32", register: 3, strides: [1, 37, 407] }],
      steps: [
        { op: "tanh", to: 2, args: [0] },
        { op: "add", to: 2, args: [2, 1] },
        { op: "sigmoid", to: 3, args: [2] },
      ],
    };
    const random = randomSource(3);
    const size = 37 * 11 * 300;
    const buffers = [
      randomData(random, "float32", size),
      randomData(random, "float32", 11),
      new Float32Array(size),
    ];
    const results = [];
    for (const threads of [1, 2, 3]) {
      results.push((await runInstructions(await backendOf(set, threads), buffers, (e) => e.map(spec)))[2]);
    }
    for (const result of results) expectSame(result, results[0] ?? new Float32Array(0));
  });
});

/** Over the whole float range, infinities and NaN included: some 262,000 arguments, evenly spread over the bit patterns. */
const smooth = names.filter((op) => twins[op].type === "f>f" && twins[op].ulps > 0);
describe.each(smooth)("the error of %s", (op) => {
  const step = 16_381;
  const points = new Float32Array(Math.floor(2 ** 32 / step));
  const words = new Uint32Array(points.buffer);
  for (let k = 0; k < words.length; k++) words[k] = k * step;
  const { compute, ulps: allowed } = twins[op];
  const expected = Float64Array.from(points, (x) => compute(x, 0, 0));

  test.each(instructionSets)("on %s", async (set) => {
    const result = (await runStep(set, op, [points])).at(-1) ?? points;
    let worst = 0;
    let where = 0;
    for (let k = 0; k < words.length; k++) {
      const error = ulps(result[k] ?? 0, expected[k] ?? 0);
      if (error > worst) [worst, where] = [error, points[k] ?? 0];
    }
    expect(worst, `${op}(${where})`).toBeLessThanOrEqual(allowed);
  });
});

function copy(dims: number[], from: number[], to: number[]): MapSpec {
  return {
    dims,
    inputs: [{ buffer: 0, offset: 0, dtype: "float32", strides: from }],
    outputs: [{ buffer: 1, offset: 0, dtype: "float32", register: 0, strides: to }],
    steps: [],
  };
}

/** Builds a random expression of exactly rounded steps and compares every element's bits. */
async function checkRandom(set: string, seed: number): Promise<void> {
  const random = randomSource(seed);
  const below = (n: number) => Math.floor(random() * n);
  const rank = below(5);
  const sizes = [1, 2, 3, 5, 8, 17, 64, 130, 513, 1100];
  const dims = Array.from({ length: rank }, (_, d) => sizes[below(d === rank - 1 ? 10 : 5)] ?? 1);
  const positions = offsetsOf(dims, rowMajor(dims)).length;
  const dtypes: Dtype[] = ["float32", "float32", "int32", "uint8", "bool"];
  const buffers: TypedArray[] = [];
  const types: ("f" | "i")[] = [];

  const operand = (dtype: Dtype, broadcast: boolean, register?: number) => {
    const order = dims.map((_, d) => d).sort(() => (seed % 3 === 0 ? random() - 0.5 : 0));
    const strides = dims.map(() => 0);
    let stride = seed % 5 === 0 ? 3 : 1;
    let offset = below(3);
    for (const d of order.reverse()) {
      if (broadcast && below(3) === 0) continue;
      const negative = below(6) === 0;
      strides[d] = negative ? -stride : stride;
      if (negative) offset += stride * ((dims[d] ?? 1) - 1);
      stride *= dims[d] ?? 1;
    }
    const extent = Math.max(...[0, ...offsetsOf(dims, strides)].map((o) => offset + o)) + 1;
    buffers.push(register === undefined ? randomData(random, dtype, extent) : emptyArray(dtype, extent));
    return { buffer: buffers.length - 1, offset, dtype, strides };
  };

  const inputs = Array.from({ length: 1 + below(4) }, () => {
    const dtype = dtypes[below(dtypes.length)] ?? "float32";
    types.push(dtype === "float32" ? "f" : "i");
    return operand(dtype, true);
  });
  const steps: MapStep[] = [];
  const exactSteps = names.filter((op) => twins[op].ulps === 0 && op !== "fma");
  for (let s = below(12); s > 0; s--) {
    if (below(6) === 0) {
      steps.push({ op: "constant", to: types.length, args: [below(5) - 2] });
      types.push("f");
      continue;
    }
    const op = exactSteps[below(exactSteps.length)] ?? "add";
    const [wanted = "", result = "f"] = twins[op].type.split(">");
    const choices = [...wanted].map((kind) => types.flatMap((type, r) => (type === kind ? [r] : [])));
    if (choices.some((list) => list.length === 0)) continue;
    const args = choices.map((list) => list[below(list.length)] ?? 0);
    const to = below(4) === 0 ? below(types.length) : types.length; // now and then over another register
    types[to] = result as "f" | "i";
    steps.push({ op, to, args });
  }
  const outputs = Array.from({ length: 1 + below(3) }, () => {
    const register = below(types.length);
    const dtype: Dtype = types[register] === "f" ? "float32" : below(2) === 0 ? "int32" : "uint8";
    return { ...operand(dtype, false, register), register };
  });

  const spec = { dims, inputs, outputs, steps };
  const results = await runInstructions(await backendOf(set), buffers, (encoder) => encoder.map(spec));
  const places = [...inputs, ...outputs].map(({ strides }) => offsetsOf(dims, strides));
  const expected = buffers.map((data) => data.slice());
  for (let k = 0; k < positions; k++) {
    const registers = inputs.map(
      ({ buffer, offset }, i) => buffers[buffer]?.[offset + (places[i]?.[k] ?? 0)] ?? 0,
    );
    for (const { op, to, args } of steps) {
      if (op === "constant" || op === "constantInt") {
        registers[to] = args[0] ?? 0;
      } else {
        const [a = 0, b = 0, c = 0] = args.map((r) => registers[r] ?? 0);
        const value = twins[op].compute(a, b, c);
        registers[to] = twins[op].type.endsWith("f") ? Math.fround(value) : value;
      }
    }
    outputs.forEach(({ buffer, offset, register }, i) => {
      const data = expected[buffer];
      if (data !== undefined) data[offset + (places[inputs.length + i]?.[k] ?? 0)] = registers[register] ?? 0;
    });
  }
  for (const { buffer } of outputs)
    expectSame(
      results[buffer],
      expected[buffer] ?? new Float32Array(0),
      `seed ${seed}: ${JSON.stringify(spec)}`,
    );
}

function rowMajor(dims: readonly number[]): number[] {
  return dims.map((_, d) => dims.slice(d + 1).reduce((size, dim) => size * dim, 1));
}

function emptyArray(dtype: Dtype, count: number): TypedArray {
  if (dtype === "float32") return new Float32Array(count);
  return dtype === "int32" ? new Int32Array(count) : new Uint8Array(count);
}
