import { describe, expect, test } from "vitest";
import * as instructions from "../../src/graph/instructions.js";
import type { Encoder, Pointer } from "../../src/plan/encode.js";
import {
  backendOf,
  expectSame,
  instructionSets,
  randomData,
  randomSource,
  runInstructions,
} from "./harness.js";

/** A convolution: numbers of what kernels/abi.def says. */
interface Sizes {
  readonly N: number;
  readonly H: number;
  readonly W: number;
  readonly C: number;
  readonly OH: number;
  readonly OW: number;
  readonly F: number;
  readonly KH: number;
  readonly KW: number;
  readonly sH: number;
  readonly sW: number;
  readonly dH: number;
  readonly dW: number;
  readonly uH: number;
  readonly uW: number;
  readonly top: number;
  readonly left: number;
  readonly groups: number;
}

const random = randomSource(17);
const pick = (most: number): number => 1 + Math.floor(random() * most);

/** Sizes at random: strides, or pixels that lie apart; windows that reach beyond every edge. */
function drawn(i: number): Sizes {
  const groups = i % 5 === 0 ? 2 : 1;
  const [KH, KW] = [pick(4), pick(4)];
  const apart = i % 3 === 1;
  const [sH, sW, uH, uW] = apart ? [1, 1, pick(3), pick(3)] : [pick(3), pick(3), 1, 1];
  return {
    N: pick(3),
    H: pick(9),
    W: pick(i % 7 === 0 ? 150 : 12),
    C: groups * pick(i % 6 === 0 ? 40 : 5),
    OH: pick(8),
    OW: pick(i % 7 === 0 ? 150 : 12),
    F: groups * pick(i % 4 === 0 ? 70 : 18),
    KH,
    KW,
    sH,
    sW,
    dH: apart ? 1 : pick(2),
    dW: i % 2 === 0 ? 1 : pick(3),
    uH,
    uW,
    top: Math.floor(random() * 3),
    left: Math.floor(random() * 3),
    groups,
  };
}

const packed = ({ C, F, KH, KW, groups }: Sizes) => {
  const K = (KH * KW * C) / groups;
  const blocks = Math.ceil(F / groups / 16);
  return { K, blocks, size: groups * blocks * K * 16 };
};

/** All products: visit(place in x, in the pack, in the output). */
function products(c: Sizes, visit: (x: number, weight: number, out: number) => void): void {
  const { K, blocks } = packed(c);
  const [channels, filters] = [c.C / c.groups, c.F / c.groups];
  for (let n = 0; n < c.N; n++)
    for (let oh = 0; oh < c.OH; oh++)
      for (let ow = 0; ow < c.OW; ow++)
        for (let kh = 0; kh < c.KH; kh++)
          for (let kw = 0; kw < c.KW; kw++) {
            const [y, x] = [oh * c.sH - c.top + kh * c.dH, ow * c.sW - c.left + kw * c.dW];
            const [h, w] = [y / c.uH, x / c.uW];
            if (!Number.isInteger(h) || !Number.isInteger(w) || h < 0 || h >= c.H || w < 0 || w >= c.W)
              continue;
            for (let f = 0; f < c.F; f++)
              for (let i = 0; i < channels; i++) {
                const [group, own] = [Math.floor(f / filters), f % filters];
                const k = (kh * c.KW + kw) * channels + i;
                visit(
                  ((n * c.H + h) * c.W + w) * c.C + group * channels + i,
                  ((group * blocks + (own >> 4)) * K + k) * 16 + (own & 15),
                  ((n * c.OH + oh) * c.OW + ow) * c.F + f,
                );
              }
          }
}

const floats = (count: number): Float32Array => randomData(random, "float32", count) as Float32Array;
const at = (buffer: number): Pointer => ({ buffer, offset: 0 });
const emitConv = (e: Encoder, c: Sizes, activation = 0) =>
  e.append(instructions.conv, {
    ...c,
    activation,
    x: at(0),
    xN: c.H * c.W * c.C,
    pack: at(1),
    bias: at(2),
    out: at(3),
  });
const emitWeights = (e: Encoder, c: Sizes, pieces: number) =>
  e.append(instructions.convWeights, {
    ...c,
    pieces,
    x: at(0),
    xN: c.H * c.W * c.C,
    dy: at(1),
    dpack: at(2),
    dbias: at(3),
    work: pieces > 1 ? at(4) : null,
  });

const cases = Array.from({ length: 60 }, (_, i) => drawn(i));
const outputs = (c: Sizes): number => c.N * c.OH * c.OW * c.F;

/** Sums of up to `terms` products of numbers below 2: rounding errors grow with their number. */
function expectNear(actual: ArrayLike<number>, expected: Float64Array, terms: number, label: string): void {
  expected.forEach((value, i) => {
    const off = Math.abs((actual[i] ?? Number.NaN) - value);
    expect(off <= 2 ** -22 * (terms + 8), `${label}, element ${i}: ${actual[i]}, expected ${value}`).toBe(
      true,
    );
  });
}

describe.each(instructionSets)("convolutions on %s", (set) => {
  test("sums of all sizes, and their gradients", async () => {
    const backend = await backendOf(set);
    for (const c of cases) {
      const label = JSON.stringify(c);
      const [x, bias] = [floats(c.N * c.H * c.W * c.C), floats(c.F)];
      const { K, size } = packed(c);
      const pack = floats(size);
      const sums = new Float64Array(outputs(c)).map((_, i) => bias[i % c.F] ?? 0);
      products(c, (i, k, o) => {
        sums[o] = (sums[o] ?? 0) + (x[i] ?? 0) * (pack[k] ?? 0);
      });
      const forward = await runInstructions(backend, [x, pack, bias, new Float32Array(outputs(c))], (e) =>
        emitConv(e, c),
      );
      expectNear(forward[3] ?? [], sums, K, label);

      const dy = floats(outputs(c));
      const weights = new Float64Array(size);
      products(c, (i, k, o) => {
        weights[k] = (weights[k] ?? 0) + (x[i] ?? 0) * (dy[o] ?? 0);
      });
      const biases = new Float64Array(c.F);
      dy.forEach((g, i) => {
        biases[i % c.F] = (biases[i % c.F] ?? 0) + g;
      });
      const pieces = 1 + (c.H % 3);
      const buffers = [x, dy, floats(size), floats(c.F), floats(pieces * (size + c.F))];
      const backward = await runInstructions(backend, buffers, (e) => emitWeights(e, c, pieces));
      expectNear(backward[2] ?? [], weights, c.N * c.OH * c.OW, label);
      expectNear(backward[3] ?? [], biases, c.N * c.OH * c.OW, label);
    }
  }, 120_000);

  test("the same bits for any number of threads", async () => {
    const c: Sizes = {
      ...drawn(2),
      N: 5,
      H: 20,
      W: 18,
      C: 12,
      OH: 20,
      OW: 18,
      F: 40,
      top: 1,
      left: 1,
      groups: 1,
    };
    const { size } = packed(c);
    const [x, pack, bias, dy] = [floats(c.N * 20 * 18 * 12), floats(size), floats(c.F), floats(outputs(c))];
    const results = await Promise.all(
      [1, 2, 5].map(async (threads) => {
        const backend = await backendOf(set, threads);
        const forward = await runInstructions(backend, [x, pack, bias, new Float32Array(outputs(c))], (e) =>
          emitConv(e, c, 3),
        );
        const buffers = [
          x,
          dy,
          new Float32Array(size),
          new Float32Array(c.F),
          new Float32Array(7 * (size + c.F)),
        ];
        const backward = await runInstructions(backend, buffers, (e) => emitWeights(e, c, 7));
        return [forward[3], backward[2], backward[3]];
      }),
    );
    for (const other of results.slice(1))
      other.forEach((data, i) => {
        expectSame(data, results[0]?.[i] ?? new Float32Array());
      });
  });

  test("a chain takes some rows at a time and gives the bits of one instruction after the other", async () => {
    const plain = { sH: 1, sW: 1, dH: 1, dW: 1, uH: 1, uW: 1, groups: 1 };
    const one = { ...plain, H: 9, W: 7, C: 3, OH: 9, OW: 7, F: 20, KH: 3, KW: 3, top: 1, left: 1 };
    const two = { ...plain, H: 9, W: 7, C: 20, OH: 7, OW: 5, F: 18, KH: 3, KW: 3, top: 0, left: 0 };
    const pooled = { average: 0, D: 1, H: 7, W: 5, C: 18, OD: 1, OH: 3, OW: 2, KD: 1, KH: 2, KW: 2 };
    const windows = { ...pooled, sD: 1, sH: 2, sW: 2, front: 0, top: 0, left: 0 };
    const [x, a, b, out] = [9 * 7 * 3, 9 * 7 * 20, 7 * 5 * 18, 3 * 2 * 18];
    const [packs, bias] = [
      [floats(packed({ ...one, N: 1 }).size), floats(packed({ ...two, N: 1 }).size)],
      floats(32),
    ];
    for (const N of [0, 1, 3, 7, 40]) {
      const input = floats(N * x);
      const body = (e: Encoder) => {
        emitConv(e, { ...one, N }, 3);
        const middle = { x: at(3), xN: a, pack: at(4), bias: at(2), out: at(5) };
        e.append(instructions.conv, { ...two, N, activation: 1, ...middle });
        e.append(instructions.pool, { ...windows, N, x: at(5), out: at(6) });
      };
      const run = async (threads: number, rows: number, emit: (e: Encoder) => void) => {
        const [first, second] = [packs[0] ?? bias, packs[1] ?? bias];
        const between = [new Float32Array(rows * a), new Float32Array(rows * b)];
        const buffers = [
          input,
          first,
          bias,
          between[0] ?? bias,
          second,
          between[1] ?? bias,
          new Float32Array(N * out),
        ];
        return (await runInstructions(await backendOf(set, threads), buffers, emit))[6];
      };
      const expected = (await run(1, N, body)) ?? new Float32Array();
      for (const threads of [1, 2, 3]) {
        for (const [together, places] of [
          [1, 1],
          [1, 50],
          [2, 5],
          [3, 14],
          [64, 1],
        ] as const) {
          const moves = [a, b, x, out].map((size, i) => ({ buffer: [3, 5, 0, 6][i] ?? 0, bytes: 4 * size }));
          const chained = await run(threads, Math.min(N, together * places), (e) =>
            e.around("chain", { rows: N, together, places, inner: 2 }, moves, body),
          );
          expectSame(
            chained,
            expected,
            `${N} rows, ${together} at a time in ${places} places, ${threads} threads`,
          );
        }
      }
    }
  });

  test("fields that are no sizes are refused", async () => {
    const backend = await backendOf(set);
    const c: Sizes = { ...drawn(1), C: 3, F: 4, groups: 2 };
    const run = (wrong: Sizes) =>
      runInstructions(backend, [floats(9), floats(9), floats(9), floats(9)], (e) => emitConv(e, wrong));
    await expect(run(c)).rejects.toThrow("wrongField");
    await expect(run({ ...c, groups: 1, sH: 0 })).rejects.toThrow("wrongField");
    await expect(run({ ...c, groups: 1, H: -1 })).rejects.toThrow("wrongField");
  });
});
