import { beforeAll, describe, expect, it } from "vitest";
import { tagScheme } from "../../src/data/index.js";
import type { Backend } from "../../src/index.js";
import {
  functional,
  input,
  layers,
  loadModel,
  metrics,
  optimizers,
  sequential,
  Tensor,
} from "../../src/index.js";
import { refusal } from "../arrays.js";

const tags = tagScheme("BIOES", ["A", "B"]);
const [rows, steps, K] = [24, 7, tags.size];

/** Ids of words, 0 for padding; a word 2 begins an entity of two steps, 4 is one by itself. */
const words = Int32Array.from({ length: rows * steps }, (_, i) => {
  const [row, step] = [Math.floor(i / steps), i % steps];
  return step < 3 + (row % 5) ? 1 + ((row * 5 + step * 3 + Math.floor(step / 2)) % 5) : 0;
});
const truth = words.map((word, i) => {
  const before = i % steps === 0 ? 0 : (words[i - 1] ?? 0);
  const after = i % steps === steps - 1 ? 0 : (words[i + 1] ?? 0);
  if (before === 2 && word !== 0) return tags.id("E-A");
  if (word === 2 && after !== 0 && before !== 2) return tags.id("B-A");
  return word === 4 ? tags.id("S-B") : 0;
});
const x = new Tensor(words, [rows, steps], "int32");
const y = new Tensor(truth, [rows, steps], "int32");

/** Conditional random fields on any backend. */
export function crfContract(make: () => Promise<Backend>): void {
  let backend: Backend;
  beforeAll(async () => {
    backend = await make();
  });

  const tagger = () =>
    sequential(
      [
        layers.embedding({ inputDim: 6, outputDim: 8, maskZero: true, inputShape: [null] }),
        layers.bidirectional({ layer: layers.lstm({ units: 12, returnSequences: true }) }),
        layers.dense({ units: K }),
        layers.crf({ tags }),
      ],
      { seed: 3, backend },
    );

  describe("a conditional random field", () => {
    it("learns tags, and its figures are those of what it decodes", async () => {
      const model = tagger();
      model.compile({
        optimizer: optimizers.adam({ learningRate: 0.02 }),
        loss: "crf",
        metrics: ["accuracy", "entityF1", "entityPrecision", "entityRecall"],
      });
      const { history } = await model.fit(x, y, { batchSize: 8, epochs: 60, verbose: 0 });
      const loss = history.loss ?? [];
      expect(loss.at(-1)).toBeLessThan(0.1 * (loss[0] ?? 0));
      expect(history.entityF1?.at(-1)).toBeGreaterThan(0.97);
      const figures = await model.evaluate(x, y, { verbose: 0 });
      const [, accuracy = 0, f1 = 0, precision = 0, recall = 0] = figures;
      const had = await model.predictClasses(x);
      expect([had.dtype, had.shape]).toEqual(["int32", [rows, steps]]);
      const counts = { right: 0, all: 0, truth: 0, found: 0, both: 0 };
      for (let row = 0; row < rows; row++) {
        const at = Array.from({ length: steps }, (_, t) => row * steps + t).filter((i) => words[i] !== 0);
        const [wanted = [], found = []] = [y, had].map(({ data }) =>
          tags.spansOf(Int32Array.from(at, (i) => data[i] ?? 0)).map((span) => JSON.stringify(span)),
        );
        counts.right += at.filter((i) => truth[i] === had.data[i]).length;
        counts.all += at.length;
        counts.truth += wanted.length;
        counts.found += found.length;
        counts.both += wanted.filter((span) => found.includes(span)).length;
      }
      expect(accuracy).toBeCloseTo(counts.right / counts.all, 6);
      expect(precision).toBeCloseTo(counts.both / counts.found, 6);
      expect(recall).toBeCloseTo(counts.both / counts.truth, 6);
      expect(f1).toBeCloseTo((2 * counts.both) / (counts.truth + counts.found), 6);
      // Padding has the first tag, and more of it changes nothing.
      expect(had.data.every((tag, i) => words[i] !== 0 || tag === 0)).toBe(true);
      const wider = new Int32Array(rows * 12);
      for (let row = 0; row < rows; row++)
        wider.set(words.subarray(row * steps, (row + 1) * steps), row * 12);
      const again = await model.predictClasses(new Tensor(wider, [rows, 12], "int32"));
      for (let i = 0; i < rows * steps; i++)
        expect(again.data[Math.floor(i / steps) * 12 + (i % steps)]).toBe(had.data[i]);
    });

    it("does not mind what stands at masked steps of y", async () => {
      const [one, other] = [
        y,
        new Tensor(
          truth.map((t, i) => (words[i] === 0 ? -7 : t)),
          [rows, steps],
          "int32",
        ),
      ];
      const losses = await Promise.all(
        [one, other].map(async (targets) => {
          const model = tagger();
          model.compile({ loss: "crf", metrics: ["entityF1"] });
          return [await model.trainOnBatch(x, targets), await model.evaluate(x, targets, { verbose: 0 })];
        }),
      );
      expect(losses[1]).toEqual(losses[0]);
    });

    it("gives figures by label, as conlleval reads tags, and by weight", async () => {
      const model = tagger();
      model.compile({
        loss: "crf",
        metrics: [
          metrics.entityF1({ average: null }),
          metrics.entityRecall({ mode: "conlleval", name: "loose" }),
        ],
        weightedMetrics: ["entityF1"],
      });
      expect(model.metricsNames).toContain("loss");
      const { history } = await model.fit(x, y, {
        epochs: 1,
        verbose: 0,
        sampleWeight: Float32Array.from({ length: rows }, (_, i) => Number(i > 3)),
      });
      expect(Object.keys(history)).toEqual(
        expect.arrayContaining(["entityF1_A", "entityF1_B", "loose", "weighted_entityF1"]),
      );
    });

    it("gives marginals that add up to 1, 0 at masked steps", async () => {
      const ids = input({ shape: [null], dtype: "int32", name: "ids" });
      const scores = layers
        .dense({ units: K })
        .apply(layers.embedding({ inputDim: 6, outputDim: 4, maskZero: true }).apply(ids));
      const [best, marginals] = layers.crf({ tags, marginals: true }).apply(scores);
      const model = functional({ inputs: { ids }, outputs: { best, marginals }, backend, seed: 2 });
      model.compile({ loss: { best: "crf" }, metrics: { best: ["entityF1"] } });
      await model.fit({ ids: x }, { best: y }, { epochs: 2, verbose: 0 });
      const predicted = await model.predict({ ids: x });
      for (let i = 0; i < rows * steps; i++) {
        const row = predicted.marginals.data.subarray(i * K, (i + 1) * K);
        const sum = row.reduce((a, b) => a + b, 0);
        expect(sum).toBeCloseTo(words[i] === 0 ? 0 : 1, 5);
      }
      const classes = await model.predictClasses({ ids: x });
      expect(classes.best.shape).toEqual([rows, steps]);
    });

    it("is saved and loaded with its scheme, its loss and its metrics", async () => {
      const model = tagger();
      model.compile({
        optimizer: "adam",
        loss: "crf",
        metrics: ["accuracy", metrics.entityF1({ mode: "conlleval" })],
      });
      await model.fit(x, y, { epochs: 2, verbose: 0 });
      const bytes = await model.save();
      const loaded = await loadModel(bytes, { backend });
      expect(loaded.weightNames().slice(-3)).toEqual(["crf/transitions", "crf/start", "crf/end"]);
      expect([...(await loaded.predict(x)).data]).toEqual([...(await model.predict(x)).data]);
      expect(await loaded.evaluate(x, y, { verbose: 0 })).toEqual(await model.evaluate(x, y, { verbose: 0 }));
      expect(await loaded.trainOnBatch(x, y)).toEqual(await model.trainOnBatch(x, y));
    });

    it("refuses targets that are no tags, with a mask or without", async () => {
      const free = sequential([layers.dense({ units: 3, inputShape: [2, 1] }), layers.crf({ units: 3 })], {
        backend,
      });
      free.compile({ loss: "crf" });
      await expect(free.trainOnBatch([[[1], [2]]], [[0, 3]])).rejects.toThrow(
        /the label 3 in row 0.*whole numbers from 0 to 2/s,
      );
      const model = tagger();
      model.compile({ loss: "crf" });
      const wrong = new Tensor(
        truth.map((t, i) => (i === 0 ? K : t)),
        [rows, steps],
        "int32",
      );
      const [loss] = await model.trainOnBatch(x, wrong);
      expect(loss).toBeNaN();
    });

    it("says what it needs, and what needs something else", async () => {
      const { crf, dense } = layers;
      expect(refusal(() => crf({})).received).toBe("neither tags nor units");
      expect(refusal(() => crf({ tags, units: 4 })).received).toContain("units: 4 and 9 tags");
      const scores = input({ shape: [5, 3] });
      const wide = refusal(() => crf({ units: 4 }).apply(scores));
      expect(wide.message).toMatch(/\[batch, 5, 3\].*Set units: 4 on the Dense layer/s);
      const best = crf({ units: 3 }).apply(scores);
      const after = [
        () => layers.lstm({ units: 2 }).apply(best as never),
        () => dense({ units: 2 }).apply(best),
        () => layers.softmax().apply(best),
      ].map((act) => refusal(act).message);
      for (const message of after) expect(message).toMatch(/tags.*CRF/s);
    });

    it("says so where its loss or its metrics have no layer, or no scheme", async () => {
      const y0 = new Tensor(new Int32Array(5), [1, 5], "int32");
      const x0 = new Tensor(new Float32Array(10), [1, 5, 2], "float32");
      const { crf, dense } = layers;
      const last = sequential(
        [dense({ units: 1, inputShape: [5, 2] }), layers.reshape({ targetShape: [5] })],
        {
          backend,
        },
      );
      last.compile({ loss: "crf" });
      await expect(last.trainOnBatch(x0, y0)).rejects.toThrow(/no CRF layer gives.*layers\.crf/s);
      const free = sequential([dense({ units: 3, inputShape: [5, 2] }), crf({ units: 3 })], { backend });
      free.compile({ loss: "crf", metrics: ["entityF1"] });
      await expect(free.trainOnBatch(x0, y0)).rejects.toThrow(/tags without a scheme.*crf\(\{ tags/s);
    });
  });
}
