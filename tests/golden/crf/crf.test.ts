import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { EntityScores, tagScheme } from "../../../src/data/index.js";
import * as ops from "../../../src/graph/build.js";
import { input } from "../../../src/graph/ops/source.js";
import { gradients } from "../../../src/passes/autodiff.js";
import { execute } from "../../execute.js";
import { backendOf, instructionSets } from "../../kernels/harness.js";
import { known } from "../../reference.js";

const read = (name: string): unknown => JSON.parse(readFileSync(new URL(name, import.meta.url), "utf8"));

type Lists = Readonly<Record<"x" | "transitions" | "start" | "end", readonly number[]>>;
interface TorchCase {
  readonly shape: readonly [number, number, number];
  readonly lengths: readonly number[];
  readonly tags: readonly number[];
  readonly decoded: readonly number[];
  readonly nll: readonly number[];
  readonly inputs: Lists;
  readonly gradients: Lists;
}
const torch = read("torchcrf.json") as { readonly cases: readonly TorchCase[] };

describe.each(instructionSets)("conditional random fields are those of pytorch-crf, on %s", (set) => {
  it.each(torch.cases.map((c) => [c.shape.join(" × "), c] as const))("%s", async (_, c) => {
    const [B, T, K] = c.shape;
    const [x, transitions, start, end] = [
      input("x", [B, T, K]),
      input("transitions", [K, K]),
      input("start", [K]),
      input("end", [K]),
    ];
    const tags = input("tags", [B, T], "int32");
    const mask = input("mask", [B, T], "bool");
    const scores = { x, transitions, start, end, mask };
    const nll = ops.crfLoss(scores, tags);
    const slopes = gradients(ops.sum(nll), [x, transitions, start, end]);
    const outputs = Object.fromEntries(
      [nll, ops.crfDecode(scores), ...slopes.map((g) => known(g, "gradient"))].map((y, i) => [`y${i}`, y]),
    );
    const inputs = [x, transitions, start, end, tags, mask];
    const values = [
      ...Object.values(c.inputs).map((list) => Float32Array.from(list)),
      Int32Array.from(c.tags),
      Uint8Array.from(c.lengths.flatMap((length) => Array.from({ length: T }, (_, t) => Number(t < length)))),
    ];
    const run = await execute(
      { name: "crf", inputs, outputs, updates: [] },
      values,
      {},
      await backendOf(set, 2),
    );
    const wanted = [c.nll, c.decoded, ...Object.values(c.gradients)];
    for (const [i, list] of wanted.entries()) {
      const had = known(run.outputs[`y${i}`], "output");
      expect(had).toHaveLength(list.length);
      for (const [k, value] of list.entries())
        expect(Math.abs(known(had[k], "element") - value), `output ${i}, element ${k}`).toBeLessThanOrEqual(
          1e-6 * (1 + Math.abs(value)),
        );
    }
  });
});

interface EntityCase {
  readonly scheme: "BIO" | "BIOES";
  readonly truth: readonly string[];
  readonly predicted: readonly string[];
  readonly strict: Readonly<Record<string, readonly [number, number, number]>>;
  readonly conlleval: Readonly<Record<string, readonly [number, number, number]>>;
  readonly accuracy: number;
}
const entities = read("entities.json") as {
  readonly labels: readonly string[];
  readonly cases: readonly EntityCase[];
};

describe("entities are counted as seqeval and conlleval do, broken tags included", () => {
  const rows = entities.cases.flatMap((c) => [[c.scheme, c] as const, ["BMES", c] as const]).slice(0, 4);
  it.each(rows.filter(([name, c]) => name !== "BMES" || c.scheme === "BIOES"))("%s", (name, c) => {
    const scheme = tagScheme(name, entities.labels);
    const other = (tag: string) => (name === "BMES" ? tag.replace("I-", "M-") : tag);
    for (const mode of ["strict", "conlleval"] as const) {
      const scores = new EntityScores(scheme, mode);
      c.truth.forEach((tags, i) => {
        const [wanted = new Int32Array(), had = new Int32Array()] = [tags, c.predicted[i] ?? ""].map((line) =>
          scheme.encode(line.split(" ").map(other)),
        );
        scores.add(wanted, had);
      });
      const counts = scores.rows.map(({ label, truth, predicted, correct }) => [
        label,
        [truth, predicted, correct],
      ]);
      expect(Object.fromEntries(counts), mode).toEqual(c[mode]);
      expect(scores.accuracy).toBeCloseTo(c.accuracy, 12);
    }
  });
});
