import { beforeAll, describe, expect, it } from "vitest";
import {
  type Backend,
  functional,
  input,
  layers,
  ops,
  optimizers,
  type Tensor,
  tensor,
} from "../../src/index.js";
import { type CallContext, defineLayer, type Inputs, Layer } from "../../src/layers/layer.js";
import { refusal } from "../arrays.js";
import { uniform } from "../golden/load.js";

/** Joins its inputs along the last axis, adds a tenth of their mean square to the loss, and reports their mean. */
class Join extends Layer {
  constructor() {
    super(defineLayer("Join", {}, { inputs: "several" }), {});
  }
  override call(inputs: Inputs, context: CallContext): ReturnType<typeof ops.concat> {
    const joined = ops.concat([...inputs], -1);
    context.addLoss(ops.mul(0.1, ops.mean(ops.square(joined))));
    context.addMetric("size", ops.mean(joined, -1));
    return joined;
  }
}

const [N, T] = [5, 4];
/** Row by row, how many steps are no padding. */
const lengths = [4, 2, 3, 1, 4];
const isPadding = (i: number) => i % T >= (lengths[Math.floor(i / T)] ?? 0);

/** [N, T, D], 0 on padding. */
const sequences = (seed: number, D: number) =>
  tensor(
    uniform(seed, N * T * D).map((v, i) => (isPadding(Math.floor(i / D)) ? 0 : v)),
    [N, T, D],
  );
const labels = (classes: number) =>
  tensor(
    Int32Array.from({ length: N * T }, (_, i) => (isPadding(i) ? -1 : (i * 7 + 3) % classes)),
    [N, T],
  );
const x = { words: sequences(1, 3), features: sequences(2, 2) };
const y = { tags: labels(4), kinds: labels(3) };

/** Mean over unmasked steps of what `of` makes of a step's label and probabilities, times weights. */
function meanOf(
  target: Tensor,
  predicted: Tensor,
  of: (label: number, row: number[]) => number,
  weight: (row: number) => number = () => 1,
) {
  const C = predicted.shape.at(-1) ?? 1;
  let [sum, count] = [0, 0];
  for (const [i, label] of target.data.entries()) {
    if (isPadding(i)) continue;
    sum += weight(Math.floor(i / T)) * of(label, [...predicted.data.subarray(i * C, (i + 1) * C)]);
    count += 1;
  }
  return sum / count;
}
const entropy = (label: number, row: number[]) => -Math.log(row[label] ?? 0);
const hit = (label: number, row: number[]) => (row.indexOf(Math.max(...row)) === label ? 1 : 0);

/** What every backend must make of several outputs, and of what layers add. */
export function outputsContract(make: () => Promise<Backend>): void {
  let backend: Backend;
  beforeAll(async () => {
    backend = await make();
  });

  const tagger = () => {
    const words = input({ shape: [null, 3], name: "words" });
    const features = input({ shape: [null, 2], name: "features" });
    const joined = layers.masking().apply(new Join().apply([words, features]));
    const read = layers
      .bidirectional({ layer: layers.lstm({ units: 2, returnSequences: true }) })
      .apply(joined);
    const tags = layers.dense({ units: 4, activation: "softmax", name: "tag" }).apply(read);
    const kinds = layers.dense({ units: 3, activation: "softmax", name: "kind" }).apply(read);
    return functional({ inputs: { words, features }, outputs: { tags, kinds }, backend, seed: 4 });
  };

  describe("several outputs", () => {
    it("give the figures that one computes by hand, whatever the batches", async () => {
      const model = tagger();
      model.compile({
        optimizer: optimizers.sgd({ learningRate: 0 }),
        loss: "sparseCategoricalCrossentropy",
        lossWeights: { kinds: 0.25 },
        metrics: { tags: ["accuracy", "sparseCategoricalCrossentropy"], kinds: "accuracy" },
      });
      const before = [
        "loss",
        "tags_loss",
        "kinds_loss",
        "tags_accuracy",
        "tags_sparseCategoricalCrossentropy",
        "kinds_accuracy",
      ];
      expect(model.metricsNames).toEqual(before);
      const p = await model.predict(x);
      const [tags, kinds] = [meanOf(y.tags, p.tags, entropy), meanOf(y.kinds, p.kinds, entropy)];
      const values = [...x.words.data, ...x.features.data];
      const penalty = (0.1 * values.reduce((sum, v) => sum + v * v, 0)) / values.length;
      const size = values.reduce((sum, v) => sum + v, 0) / values.length;
      const expected = [
        tags + 0.25 * kinds + penalty,
        tags,
        kinds,
        meanOf(y.tags, p.tags, hit),
        tags,
        meanOf(y.kinds, p.kinds, hit),
        size,
      ];
      const close = (figures: readonly (number | undefined)[]) => {
        expect(figures).toHaveLength(expected.length);
        figures.forEach((figure, i) => {
          expect(figure).toBeCloseTo(expected[i] ?? Number.NaN, 5);
        });
      };
      for (const batchSize of [1, 2, 5]) close(await model.evaluate(x, y, { batchSize }));
      expect(model.metricsNames).toEqual([...before, "size"]);
      const { history } = await model.fit(x, y, {
        batchSize: 2,
        epochs: 2,
        verbose: 0,
        validationData: [x, y],
      });
      for (const epoch of [0, 1]) {
        close(model.metricsNames.map((name) => history[name]?.[epoch]));
        close(model.metricsNames.map((name) => history[`val_${name}`]?.[epoch]));
      }
      close(await model.testOnBatch(x, y));
      close(await model.trainOnBatch(x, y));
    });

    it("weigh samples by output, in losses and weighted metrics", async () => {
      const model = tagger();
      model.compile({
        loss: { tags: "sparseCategoricalCrossentropy", kinds: "sparseCategoricalCrossentropy" },
        weightedMetrics: { kinds: ["sparseCategoricalCrossentropy"] },
      });
      const p = await model.predict(x);
      const weight = (row: number) => row / 2;
      const figures = await model.evaluate(x, y, {
        sampleWeight: { kinds: tensor(Float32Array.from(lengths, (_, row) => weight(row))) },
      });
      expect(figures[1]).toBeCloseTo(meanOf(y.tags, p.tags, entropy), 5);
      expect(figures[2]).toBeCloseTo(meanOf(y.kinds, p.kinds, entropy, weight), 5);
      const all = meanOf(y.kinds, p.kinds, () => 1, weight);
      expect(figures[3]).toBeCloseTo(meanOf(y.kinds, p.kinds, entropy, weight) / all, 5);
    });

    it("train the outputs that have a loss, and need no targets for the others", async () => {
      const model = tagger();
      model.compile({ optimizer: "sgd", loss: { tags: "sparseCategoricalCrossentropy" } });
      expect(model.metricsNames).toEqual(["loss", "tags_loss"]);
      const before = await model.getWeights();
      const { history } = await model.fit(x, { tags: y.tags }, { epochs: 3, verbose: 0 });
      expect(history.tags_loss?.at(-1)).toBeLessThan(history.tags_loss?.[0] ?? 0);
      const after = await model.getWeights();
      const changed = model.weightNames().filter((_, i) => before[i]?.data.join() !== after[i]?.data.join());
      expect(changed.some((name) => name.startsWith("tag/"))).toBe(true);
      expect(changed.some((name) => name.startsWith("kind/"))).toBe(false);
    });

    it("take the gradient of the weighted sum of their losses", async () => {
      const of = async (lossWeights: { tags?: number; kinds?: number }) => {
        const model = tagger();
        const sgd = optimizers.sgd({ learningRate: 1 });
        model.compile({ optimizer: sgd, loss: "sparseCategoricalCrossentropy", lossWeights });
        const before = await model.getWeights();
        await model.trainOnBatch(x, y);
        return (await model.getWeights()).flatMap((w, i) =>
          [...w.data].map((v, j) => v - (before[i]?.data[j] ?? 0)),
        );
      };
      const [both, tags, kinds] = [
        await of({ tags: 2, kinds: 3 }),
        await of({ tags: 1, kinds: 0 }),
        await of({ tags: 0, kinds: 1 }),
      ];
      both.forEach((step, i) => {
        expect(step).toBeCloseTo(2 * (tags[i] ?? 0) + 3 * (kinds[i] ?? 0), 4);
      });
    });

    it("say which output, metric or loss is meant", () => {
      const model = tagger();
      const compile = (options: object) =>
        refusal(() => model.compile({ loss: "sparseCategoricalCrossentropy", ...options } as never)).message;
      expect(compile({ loss: { tag: "mse" } })).toContain('the unknown output "tag"');
      expect(compile({ loss: { tag: "mse" } })).toContain('Did you mean "tags"?');
      expect(compile({ loss: {} })).toContain("no loss for any output");
      expect(compile({ lossWeights: { kind: 1 } })).toContain('Did you mean "kinds"?');
      expect(compile({ lossWeights: { kinds: "1" } })).toContain("lossWeights: kinds");
      expect(compile({ loss: { tags: "mse" }, lossWeights: { kinds: 1 } })).toContain("which has no loss");
      expect(compile({ metrics: ["accuracy"] })).toContain(
        "metrics by the names of the outputs: tags, kinds",
      );
      expect(compile({ metrics: { tag: "accuracy" } })).toContain('Did you mean "tags"?');
      expect(compile({ metrics: { tags: "acuracy" } })).toContain('Did you mean "accuracy"?');
      // @ts-expect-error no output of this name
      expect(() => model.compile({ loss: "mse", metrics: { tag: "accuracy" } })).toThrow();
      // @ts-expect-error no output of this name
      expect(() => model.compile({ loss: { tag: "mse" } })).toThrow();
      // @ts-expect-error no output of this name
      expect(() => model.compile({ loss: "mse", lossWeights: { kind: 2 } })).toThrow();
    });
  });
}
