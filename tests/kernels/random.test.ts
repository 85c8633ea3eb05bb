import { describe, expect, test } from "vitest";
import type { TypedArray } from "../../src/dtype.js";
import { codes } from "../../src/plan/abi.js";
import { type Block, philox } from "../philox.js";
import { normals, type Stream, truncatedNormals, uniforms } from "../random.js";
import { backendOf, expectSame, instructionSets, runInstructions } from "./harness.js";

const stream: Stream = { seed: [-1_234_567, 89], rowBase: 5000, step: 7, opId: -3 };

interface Draw {
  readonly kind: keyof typeof codes.distribution;
  readonly rows: number;
  readonly width: number;
  readonly a?: number;
  readonly b?: number;
  readonly x?: Float32Array;
  readonly inPlace?: boolean;
}

async function draw(set: string, d: Draw, from: Stream = stream, threads = 1): Promise<Float32Array> {
  const { rows, width, a = 0, b = 1, x, inPlace = false } = d;
  const stale = inPlace && x !== undefined ? x : new Float32Array(rows * width).fill(77);
  const buffers: TypedArray[] = [
    stale,
    Int32Array.of(...from.seed),
    Int32Array.of(from.step),
    Int32Array.of(from.rowBase),
  ];
  if (x !== undefined) buffers.push(x);
  const at = (buffer: number) => ({ buffer, offset: 0 });
  const [out] = await runInstructions(await backendOf(set, threads), buffers, (encoder) =>
    encoder.emit("random", {
      kind: codes.distribution[d.kind],
      x: x === undefined ? null : at(inPlace ? 0 : 4),
      out: at(0),
      rows,
      rowElements: width,
      seed: at(1),
      step: from.step === 0 ? null : at(2),
      rowBase: from.rowBase === 0 ? null : at(3),
      opId: from.opId,
      a,
      b,
    }),
  );
  return out as Float32Array;
}

const shapes = [
  { rows: 1, width: 1 },
  { rows: 5, width: 3 },
  { rows: 40, width: 4 },
  { rows: 3, width: 130 },
  { rows: 2, width: 1001 },
  { rows: 0, width: 8 },
  { rows: 8, width: 0 },
];

/** The twin's rows, one after another. */
const allRows = (rows: number, row: (r: number) => number[]) =>
  Array.from({ length: rows }, (_, r) => row(r)).flat();

test("the twin of Philox gives the published known answers (Random123, kat_vectors)", () => {
  const ones = 0xffff_ffff;
  const pi: Block = [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344];
  expect(philox([0, 0, 0, 0], [0, 0])).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
  expect(philox([ones, ones, ones, ones], [ones, ones])).toEqual([
    0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd,
  ]);
  expect(philox(pi, [0xa4093822, 0x299f31d0])).toEqual([0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]);
});

describe.each(instructionSets)("random on %s", (set) => {
  test("the published known answer for counter 0 and key 0", async () => {
    const zero: Stream = { seed: [0, 0], rowBase: 0, step: 0, opId: 0 };
    const expected = [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8].map((word) => (word >>> 8) / 2 ** 24);
    expect([...(await draw(set, { kind: "uniform", rows: 1, width: 4 }, zero))]).toEqual(expected);
  });

  test.each(shapes)("uniform %o", async ({ rows, width }) => {
    const twin = allRows(rows, (r) => uniforms(stream, r, width));
    expectSame(await draw(set, { kind: "uniform", rows, width }), Float32Array.from(twin));
    const scaled = await draw(set, { kind: "uniform", rows, width, a: -3, b: 5 });
    scaled.forEach((x, i) => {
      expect(Math.abs(x - (-3 + 8 * (twin[i] ?? 0)))).toBeLessThanOrEqual(4 * 2 ** -23);
    });
  });

  test("uniform never reaches its upper end", async () => {
    const ends = [
      [1, 1 + 2 ** -22],
      [-1 - 2 ** -22, -1],
      [0, 2 ** -140],
      [100, 100],
    ] as const;
    for (const [a, b] of ends) {
      const out = await draw(set, { kind: "uniform", rows: 1, width: 1000, a, b });
      for (const x of out) expect(x >= a && (x < b || a === b), `${x} in [${a}, ${b})`).toBe(true);
    }
  });

  test.each(shapes)("normal %o", async ({ rows, width }) => {
    const out = await draw(set, { kind: "normal", rows, width, a: 0.5, b: 2 });
    const twin = allRows(rows, (r) => normals(stream, r, width));
    out.forEach((x, i) => {
      expect(Math.abs(x - (0.5 + 2 * (twin[i] ?? Number.NaN)))).toBeLessThan(2e-6);
    });
  });

  test.each(shapes)("truncated normal %o", async ({ rows, width }) => {
    const out = await draw(set, { kind: "truncatedNormal", rows, width, a: -1, b: 0.1 });
    const twin = allRows(rows, (r) => truncatedNormals(stream, r, width));
    out.forEach((x, i) => {
      expect(Math.abs(x - (-1 + 0.1 * (twin[i] ?? Number.NaN)))).toBeLessThan(2e-7);
      expect(Math.abs(x + 1)).toBeLessThanOrEqual(0.2 + 1e-7);
    });
  });

  test.each(shapes)("dropout %o", async ({ rows, width }) => {
    const rate = 0.3;
    const kept = Math.fround(1 / Math.fround(1 - Math.fround(rate)));
    const multiplier = allRows(rows, (r) => uniforms(stream, r, width)).map((u) =>
      u >= Math.fround(rate) ? kept : 0,
    );
    expectSame(await draw(set, { kind: "dropout", rows, width, a: rate }), Float32Array.from(multiplier));
    const x = Float32Array.from(multiplier, (m, i) => (m === 0 ? Number.NaN : i - 5.5));
    const expected = x.map((value, i) => (multiplier[i] === 0 ? 0 : value * kept));
    for (const inPlace of [false, true]) {
      expectSame(await draw(set, { kind: "dropout", rows, width, a: rate, x, inPlace }), expected);
    }
  });

  test("rate 0 keeps everything, rate 1 nothing", async () => {
    const x = Float32Array.from({ length: 50 }, (_, i) => i + 1);
    expectSame(await draw(set, { kind: "dropout", rows: 5, width: 10, a: 0, x }), x);
    expectSame(await draw(set, { kind: "dropout", rows: 5, width: 10, a: 1, x }), new Float32Array(50));
  });

  test.each(["uniform", "normal", "truncatedNormal", "dropout"] as const)(
    "%s: neither the threads nor the cut into batches shows",
    async (kind) => {
      const width = 1003;
      const all = await draw(set, { kind, rows: 40, width, a: 0.25 }, stream, 1);
      for (const threads of [2, 3])
        expectSame(await draw(set, { kind, rows: 40, width, a: 0.25 }, stream, threads), all);
      const later = await draw(
        set,
        { kind, rows: 10, width, a: 0.25 },
        { ...stream, rowBase: stream.rowBase + 30 },
      );
      expectSame(later, all.slice(30 * width));
    },
  );
});
