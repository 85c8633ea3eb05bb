import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type SchemeName, tagScheme } from "../../src/data/index.js";
import type { TypedArray } from "../../src/dtype.js";
import * as ops from "../../src/graph/build.js";
import type { SymbolicTensor } from "../../src/graph/ir.js";
import { input } from "../../src/graph/ops/source.js";
import { gradients } from "../../src/passes/autodiff.js";
import { bestPath, type Chain, scoreOf, sumsOver } from "../crf.js";
import { execute } from "../execute.js";
import { uniform } from "../golden/load.js";
import { backendOf, instructionSets } from "../kernels/harness.js";
import { evaluate, known } from "../reference.js";

/** All lists of n tags. */
const paths = (K: number, n: number): number[][] =>
  n === 0 ? [[]] : paths(K, n - 1).flatMap((path) => Array.from({ length: K }, (_, k) => [...path, k]));

/** Numbers that float32 holds. */
const numbers = (seed: number, count: number, most = 4): number[] =>
  Array.from(uniform(seed, count), (u) => Math.fround(u * most));
const table = (seed: number, rows: number, columns: number, most?: number): number[][] =>
  Array.from({ length: rows }, (_, r) => numbers(seed + 31 * r, columns, most));

const chain = (seed: number, T: number, K: number, most?: number): Chain => ({
  x: table(seed, T, K, most),
  transitions: table(seed + 1000, K, K, most),
  start: numbers(seed + 2000, K, most),
  end: numbers(seed + 3000, K, most),
});

interface Batch {
  readonly chains: readonly Chain[];
  readonly mask: readonly (readonly number[])[];
  readonly tags: readonly (readonly number[])[];
}

/** Runs a batch whose chains share transitions, start and end: y0 loss, y1 tags, y2 marginals, y3 … gradients. */
async function run({ chains, mask, tags }: Batch, set: string, threads = 2): Promise<TypedArray[]> {
  const [first] = chains;
  if (first === undefined) throw new Error("a batch without rows");
  const [B, T, K] = [chains.length, first.x.length, first.start.length];
  const x = input("x", [B, T, K]);
  const [transitions, start, end] = [input("t", [K, K]), input("s", [K]), input("e", [K])];
  const scores = { x, transitions, start, end, mask: input("mask", [B, T], "bool") };
  const given = input("tags", [B, T], "int32");
  const loss = ops.crfLoss(scores, given);
  const slopes = gradients(ops.sum(loss), [x, transitions, start, end]).map((g) => known(g, "gradient"));
  const roots: SymbolicTensor[] = [loss, ops.crfDecode(scores), ops.crfMarginals(scores), ...slopes];
  const values = [
    Float32Array.from(chains.flatMap((c) => c.x.flat())),
    Float32Array.from(first.transitions.flat()),
    Float32Array.from(first.start),
    Float32Array.from(first.end),
    Uint8Array.from(mask.flat()),
    Int32Array.from(tags.flat()),
  ];
  const { outputs } = await execute(
    {
      name: "crf",
      inputs: [x, transitions, start, end, scores.mask, given],
      outputs: Object.fromEntries(roots.map((y, i) => [`y${i}`, y])),
      updates: [],
    },
    values,
    {},
    await backendOf(set, threads),
  );
  return roots.map((_, i) => known(outputs[`y${i}`], "output"));
}

const near = (had: number | undefined, wanted: number, tolerance = 2e-6) =>
  expect(Math.abs(known(had, "element") - wanted)).toBeLessThanOrEqual(tolerance * (1 + Math.abs(wanted)));

describe("the twin is what comes of all paths", () => {
  it.each([
    [1, 1],
    [2, 6],
    [3, 5],
    [5, 6],
    [4, 0],
  ])("%i tags, %i steps", (K, T) => {
    const c = chain(7 * K + T, T, K);
    const all = T === 0 ? [] : paths(K, T).map((path) => ({ path, score: scoreOf(c, path) }));
    const weights = all.map(({ score }) => Math.exp(score));
    const Z = weights.reduce((a, b) => a + b, 0);
    const { total, marginals, pairs } = sumsOver(c);
    if (T > 0) near(total, Math.log(Z), 1e-12);
    else expect(total).toBe(0);
    const share = (holds: (path: readonly number[]) => boolean) =>
      all.reduce((sum, { path }, i) => sum + (holds(path) ? (weights[i] ?? 0) / Z : 0), 0);
    marginals.forEach((row, t) => {
      row.forEach((p, k) => {
        near(
          p,
          share((path) => path[t] === k),
          1e-12,
        );
      });
    });
    pairs.forEach((row, i) => {
      row.forEach((p, k) => {
        const counted = Array.from({ length: Math.max(0, T - 1) }, (_, t) =>
          share((path) => path[t] === i && path[t + 1] === k),
        );
        near(
          p,
          counted.reduce((a, b) => a + b, 0),
          1e-12,
        );
      });
    });
    const best = all.reduce((a, b) => (b.score > a.score ? b : a), { path: [] as number[], score: -1e9 });
    expect(bestPath(c)).toEqual(best.path);
  });
});

const masks = [
  [1, 1, 1, 1, 1, 1],
  [1, 1, 1, 0, 0, 0],
  [0, 1, 0, 1, 1, 0],
  [0, 0, 1, 0, 0, 1],
  [0, 0, 0, 0, 0, 0],
];

describe.each(instructionSets)("on %s", (set) => {
  it.each([1, 2, 3, 4, 5])("%i tags, masks with gaps: all that comes of all paths", async (K) => {
    const shared = chain(K, 6, K);
    const chains = masks.map((_, b) => ({ ...shared, x: table(100 * K + 7 * b, 6, K) }));
    const tags = masks.map((_, b) => Array.from({ length: 6 }, (__, t) => (b + t * t) % K));
    const [loss, decoded, marginals, dx, dT, dStart, dEnd] = await run({ chains, mask: masks, tags }, set);
    const sums = {
      transitions: new Float64Array(K * K),
      start: new Float64Array(K),
      end: new Float64Array(K),
    };
    const plus = (to: Float64Array, i: number, value: number) => {
      to[i] = (to[i] ?? 0) + value;
    };
    masks.forEach((row, b) => {
      const steps = row.flatMap((counts, t) => (counts === 1 ? [t] : []));
      const c: Chain = { ...shared, x: steps.map((t) => known(chains[b]?.x[t], "x")) };
      const path = steps.map((t) => known(tags[b]?.[t], "tag"));
      const all = steps.length === 0 ? [] : paths(K, steps.length);
      const scores = all.map((one) => scoreOf(c, one));
      const Z = scores.reduce((sum, s) => sum + Math.exp(s), 0);
      near(loss?.[b], steps.length === 0 ? 0 : Math.log(Z) - scoreOf(c, path));
      const share = (holds: (one: readonly number[]) => boolean) =>
        all.reduce((sum, one, i) => sum + (holds(one) ? Math.exp(scores[i] ?? 0) / Z : 0), 0);
      const best = all[scores.indexOf(Math.max(...scores))] ?? [];
      for (let t = 0; t < 6; t++) {
        const i = steps.indexOf(t);
        expect(decoded?.[b * 6 + t]).toBe(i < 0 ? 0 : best[i]);
        for (let k = 0; k < K; k++) {
          const p = i < 0 ? 0 : share((one) => one[i] === k);
          const slope = i < 0 ? 0 : p - Number(path[i] === k);
          near(marginals?.[(b * 6 + t) * K + k], p);
          near(dx?.[(b * 6 + t) * K + k], slope);
          if (i === 0) plus(sums.start, k, slope);
          if (i >= 0 && i === steps.length - 1) plus(sums.end, k, slope);
        }
        if (i < 1) continue;
        for (let from = 0; from < K; from++)
          for (let to = 0; to < K; to++)
            plus(
              sums.transitions,
              from * K + to,
              share((one) => one[i - 1] === from && one[i] === to) -
                Number(path[i - 1] === from && path[i] === to),
            );
      }
    });
    sums.transitions.forEach((value, i) => {
      near(dT?.[i], value);
    });
    sums.start.forEach((value, i) => {
      near(dStart?.[i], value);
    });
    sums.end.forEach((value, i) => {
      near(dEnd?.[i], value);
    });
  });

  it("keeps 1e-5 over 1,000 steps, also where scores are far apart", async () => {
    for (const most of [4, 60]) {
      const [T, K] = [1000, 5];
      const c = chain(77, T, K, most);
      const path = bestPath(c).map((tag, t) => (t % 97 === 0 ? (tag + 1) % K : tag));
      const mask = [Array<number>(T).fill(1)];
      const [loss, decoded, marginals] = await run({ chains: [c], mask, tags: [path] }, set);
      const sums = sumsOver(c);
      near(loss?.[0], sums.total - scoreOf(c, path), 1e-5);
      expect(decoded && [...decoded]).toEqual(bestPath(c));
      sums.marginals.flat().forEach((p, i) => {
        expect(Math.abs(known(marginals?.[i], "marginal") - p)).toBeLessThan(1e-5);
      });
    }
  });

  it("gives NaN for NaN, and never a number that is wrong", async () => {
    const c = chain(5, 4, 3);
    const broken = { ...c, x: c.x.map((row, t) => (t === 2 ? [row[0] ?? 0, Number.NaN, 1] : row)) };
    const mask = [
      [1, 1, 1, 1],
      [1, 1, 1, 1],
      [1, 1, 0, 1],
    ];
    const tags = mask.map(() => [0, 1, 2, 0]);
    const [loss] = await run({ chains: [c, broken, broken], mask, tags }, set);
    expect([...(loss ?? [])].map(Number.isFinite)).toEqual([true, false, true]);
  });

  it("gives the same bits for any number of threads", async () => {
    const shared = chain(3, 30, 9);
    const chains = Array.from({ length: 40 }, (_, b) => ({ ...shared, x: table(900 + b, 30, 9) }));
    const mask = chains.map((_, b) => Array.from({ length: 30 }, (__, t) => Number((b * 7 + t * 3) % 5 > 0)));
    const tags = chains.map((_, b) => Array.from({ length: 30 }, (__, t) => (b + t) % 9));
    const one = await run({ chains, mask, tags }, set, 1);
    expect(await run({ chains, mask, tags }, set, 2)).toEqual(one);
    expect(await run({ chains, mask, tags }, set, 3)).toEqual(one);
  });

  it("never decodes what breaks the scheme, whatever the scores", async () => {
    const schemes = fc.constantFrom<SchemeName>("BIO", "BIOES", "BMES");
    const score = fc.oneof(
      { weight: 5, arbitrary: fc.float({ min: -100, max: 100, noNaN: true }) },
      fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 3e38, -3e38),
    );
    const backend = await backendOf(set, 1);
    const property = fc.asyncProperty(
      schemes,
      fc.integer({ min: 1, max: 7 }),
      fc.gen(),
      async (name, T, g) => {
        const tags = tagScheme(name, ["A", "B"]);
        const K = tags.size;
        const list = (length: number) => g(fc.array, score, { minLength: length, maxLength: length });
        const mask = g(fc.array, fc.integer({ min: 0, max: 1 }), { minLength: T, maxLength: T });
        const [x, t, s, e] = [input("x", [1, T, K]), input("t", [K, K]), input("s", [K]), input("e", [K])];
        const m = input("m", [1, T], "bool");
        const y = ops.crfDecode({ x, transitions: t, start: s, end: e, mask: m }, tags);
        const values = [list(T * K), list(K * K), list(K), list(K)].map((values) =>
          Float32Array.from(values),
        );
        const { outputs } = await execute(
          { name: "decode", inputs: [x, t, s, e, m], outputs: { y }, updates: [] },
          [...values, Uint8Array.from(mask)],
          {},
          backend,
        );
        const ids = [...known(outputs.y, "tags")];
        expect(tags.breaks(tags.decode(ids.filter((_, i) => mask[i] === 1)))).toEqual([]);
        expect(ids.filter((_, i) => mask[i] === 0).every((id) => id === 0)).toBe(true);
      },
    );
    await fc.assert(property, { numRuns: 60 });
  });
});

describe("the sums over paths as a scan", () => {
  it("are those of the kernel", () => {
    const [B, T, K] = [2, 5, 4];
    const [x, transitions] = [input("x", [T, B, K]), input("t", [K, K])];
    const mask = input("mask", [T, B], "bool");
    const { states } = ops.scan({
      sequences: [x],
      states: [ops.zeros([B, K])],
      mask,
      constants: [transitions],
      step: ([now], [before], [t]) => {
        const reach = ops.add(ops.expandDims(known(before, "state"), -1), known(t, "transitions"));
        return { outputs: [], states: [ops.add(ops.logSumExp(reach, 1), known(now, "scores"))] };
      },
    });
    // A first state of zeros stands for tags before the first whose transitions are its start scores.
    const start = ops.logSumExp(transitions, 0);
    const end = ops.zeros([K]);
    const scanned = ops.logSumExp(known(states[0], "state"), -1);
    const batch = ops.transpose(x, [1, 0, 2]);
    const scores = { x: batch, transitions, start, end, mask: ops.transpose(mask, [1, 0]) };
    const marginals = ops.crfMarginals(scores);
    const [slope] = gradients(ops.sum(scanned), [x]);
    const inputs = {
      x: { shape: [T, B, K], data: Float64Array.from(numbers(4, T * B * K)) },
      t: { shape: [K, K], data: Float64Array.from(numbers(5, K * K)) },
      mask: { shape: [T, B], data: Float64Array.of(1, 0, 1, 1, 0, 1, 1, 1, 1, 0) },
    };
    const [wanted, had] = evaluate([ops.transpose(known(slope, "gradient"), [1, 0, 2]), marginals], {
      inputs,
    });
    wanted?.data.forEach((value, i) => {
      near(had?.data[i], value, 1e-12);
    });
  });
});
