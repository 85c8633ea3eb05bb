import { beforeAll, describe, expect, it, vi } from "vitest";
import {
  type Activation,
  type Backend,
  callbacks,
  type LossName,
  layers,
  losses,
  ops,
  optimizers,
  type Sequential,
  type SymbolicTensor,
  sequential,
  Tensor,
  type TensorLike,
} from "../../src/index.js";
import { Dense } from "../../src/layers/dense.js";
import { goldenError, uniform } from "../golden/load.js";
import { known } from "../reference.js";
import { C, classifier, D, sequences, T } from "./sequences.js";

/** A tensor as a golden one. */
const complete = ({ data, shape }: Tensor<"float32">) => ({
  shape,
  data: Float32Array.from(data),
  stride: 1,
});

/** What every backend must make of losses, metrics and masks. */
export function measuresContract(make: () => Promise<Backend>): void {
  let backend: Backend;
  beforeAll(async () => {
    backend = await make();
  });

  describe("losses and metrics", () => {
    it("trains on losses and reports metrics of one's own", async () => {
      const { x } = sequences(12);
      const y = new Tensor(uniform(4, 12), [12, 1], "float32");
      const make = (loss: Parameters<Sequential["compile"]>[0]["loss"]) => {
        const model = sequential(
          [layers.simpleRNN({ units: 2, inputShape: [T, D] }), layers.dense({ units: 1 })],
          {
            seed: 1,
            backend,
          },
        );
        model.compile({
          optimizer: "sgd",
          loss,
          metrics: [
            "mse",
            function worst(t, p) {
              return ops.max(ops.abs(ops.sub(t, p)), -1);
            },
          ],
        });
        return model;
      };
      const own = make((t, p) => ops.mean(ops.square(ops.sub(t, p)), -1));
      const built = make("mse");
      expect(own.metricsNames).toEqual(["loss", "mse", "worst"]);
      await own.fit(x, y, { verbose: 0 });
      await built.fit(x, y, { verbose: 0 });
      const [a, b] = [await own.getWeights(), await built.getWeights()];
      for (const [i, w] of a.entries())
        expect(goldenError(w.data, complete(known(b[i], "weights")))).toBeLessThan(1e-6);
      const [loss, mse, worst] = await own.evaluate(x, y);
      expect(mse).toBeCloseTo(loss, 6);
      expect(worst).toBeGreaterThan(0);
    });

    it("brings y and the prediction to one rank, and takes one value for the batch", async () => {
      const model = sequential([layers.dense({ units: 1, inputShape: [1], kernelInitializer: "ones" })], {
        backend,
      });
      const squares = (t: SymbolicTensor, p: SymbolicTensor) => ops.square(ops.sub(t, p));
      model.compile({
        loss: (t, p) => ops.mean(squares(t, p), -1),
        metrics: ["mse", (t, p) => ops.mean(squares(t, p))],
      });
      expect(model.metricsNames).toEqual(["loss", "mse", "metric"]);
      expect(await model.evaluate([1, 2, 3], [1, 2, 6], { batchSize: 2 })).toEqual([3, 3, 3]);
      expect(await model.evaluate([1, 2, 3], [1, 2, 6], { sampleWeight: [[1], [1], [2]] })).toEqual([
        6, 3, 3,
      ]);
    });

    it("warns, once, of one unit where classes are meant", async () => {
      const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
      try {
        for (const [activation, loss] of [
          ["softmax", "binaryCrossentropy"],
          ["linear", "categoricalCrossentropy"],
          ["linear", "sparseCategoricalCrossentropy"],
          ["sigmoid", "binaryCrossentropy"],
        ] as const) {
          const model = sequential([layers.dense({ units: 1, activation, inputShape: [2] })], { backend });
          model.compile({ loss });
          await model.fit([[1, 2]], [0], { verbose: 0, epochs: 2 });
          await model.evaluate([[1, 2]], [0]);
        }
        expect(warn.mock.calls.map(([text]) => String(text).split(";")[0])).toEqual([
          "rondo: a softmax over one unit is always 1",
          "rondo: categoricalCrossentropy with one class is always 0",
          "rondo: sparseCategoricalCrossentropy with one class is always 0",
        ]);
      } finally {
        warn.mockRestore();
      }
    });

    it("counts predictions of NaN as wrong", async () => {
      const of = async (units: number, y: TensorLike, loss: LossName = "mse") => {
        const model = sequential([layers.dense({ units, inputShape: [2] })], { backend, seed: 1 });
        model.compile({ loss, metrics: ["accuracy"] });
        const x = [
          [Number.NaN, 1],
          [Number.NaN, 2],
        ];
        return (await model.evaluate(x, y))[1];
      };
      const oneHot = [
        [1, 0],
        [1, 0],
      ];
      expect(await of(2, oneHot)).toBe(0);
      expect(await of(2, [0, 0], "sparseCategoricalCrossentropy")).toBe(0);
      expect(await of(1, [0, 0])).toBe(0);
    });

    it("says which shape of y or weights would fit", async () => {
      const { x } = sequences(6);
      const model = classifier(backend);
      const wrong = new Tensor(new Float32Array(6 * C), [6, C], "float32");
      await expect(model.fit(x, wrong, { verbose: 0 })).rejects.toThrow(
        `sparseCategoricalCrossentropy: received y of shape [B, ${C}] for a model whose output is [B, ${C}], expected y of shape [B] holding class numbers. For one-hot rows use "categoricalCrossentropy"`,
      );
      const sampleWeight = new Tensor(new Float32Array(6 * T), [6, T], "float32");
      await expect(model.evaluate(x, [0, 1, 2, 0, 1, 2], { sampleWeight })).rejects.toThrow(
        `received sampleWeight of shape [B, ${T}]`,
      );
      await model.fit(x, [0, 1, 2, 0, 1, 2], { verbose: 0 }); // usable as before
    });

    it("takes a limit of 0 on gradients for none, as Keras does", async () => {
      for (const limit of ["clipNorm", "clipValue", "globalClipNorm"]) {
        const model = sequential([layers.dense({ units: 1, inputShape: [1], kernelInitializer: "zeros" })], {
          backend,
        });
        model.compile({ optimizer: optimizers.sgd({ [limit]: 0, learningRate: 0.5 }), loss: "mse" });
        await model.fit([1], [1], { verbose: 0 });
        expect((await model.getWeights()).map((w) => w.data[0])).toEqual([1, 1]);
      }
    });
  });

  describe("float32 agrees with Keras at the edges", () => {
    const unit = (options: object = {}) => layers.dense({ units: 1, inputShape: [1], ...options });
    const plain = optimizers.sgd({ learningRate: 1 });

    // −log σ(x) in float64, and its slope σ(x) − 1.
    it.each([10, 14, 16, 17, 30])("binary cross-entropy of a logit of %d that is right", async (logit) => {
      const logits = sequential([unit()], { backend });
      logits.compile({ optimizer: plain, loss: losses.binaryCrossentropy({ fromLogits: true }) });
      const probabilities = sequential([unit({ activation: "sigmoid" })], { backend });
      probabilities.compile({ optimizer: plain, loss: "binaryCrossentropy" });
      for (const model of [logits, probabilities])
        for (const [sign, target] of [
          [1, 1],
          [-1, 0],
        ] as const) {
          await model.setWeights([[[sign * logit]], [0]]);
          const [loss] = await model.trainOnBatch([[1]], [[target]]);
          const [, bias] = await model.getWeights();
          expect(loss / Math.log1p(Math.exp(-logit))).toBeCloseTo(1, 5);
          expect((sign * (bias?.data[0] ?? 0)) / (1 / (1 + Math.exp(logit)))).toBeCloseTo(1, 5);
        }
    });

    it("sparse categorical cross-entropy leaves out classes of −∞", async () => {
      const model = sequential([layers.dense({ units: 3, inputShape: [1] })], { backend });
      model.compile({
        optimizer: plain,
        loss: losses.sparseCategoricalCrossentropy({ fromLogits: true }),
      });
      await model.setWeights([[[0, 0, 0]], [1, 2, Number.NEGATIVE_INFINITY]]);
      const [loss] = await model.trainOnBatch([[1]], [0]);
      expect(loss).toBeCloseTo(1.3132616, 6);
      const [, bias] = await model.getWeights();
      expect(bias?.data[0]).toBeCloseTo(1 + 0.7310586, 6);
      expect(bias?.data[2]).toBe(Number.NEGATIVE_INFINITY);
    });

    // Slopes at 0 by Keras 3.15.1, where zero-padded input and zero biases put every unit.
    it.each<[Activation, number]>([
      ["linear", 1],
      ["tanh", 1],
      ["sigmoid", 0.25],
      ["relu", 0],
      ["hardSigmoid", 1 / 6],
      ["hardSigmoidKeras2", 0.2],
      ["softsign", 1],
      ["elu", 1],
      ["selu", 1.050701],
      ["softplus", 0.5],
      ["exponential", 1],
      ["hardTanh", 1],
      ["relu6", 0],
      ["leakyRelu", 0.2],
      [{ name: "relu", negativeSlope: 0.5 }, 0.5],
      [{ name: "elu", alpha: 0.5 }, 0.5],
      [{ name: "relu", maxValue: 6 }, 0],
    ])("the slope of %j at 0 is %d, in the equations and in the kernels", async (activation, slope) => {
      const layer = { units: 1, activation } as const;
      for (const first of [
        layers.dense({ ...layer, inputShape: [1, 1] }),
        layers.simpleRNN({ ...layer, inputShape: [1, 1], returnSequences: true }),
      ]) {
        const model = sequential([first], { backend });
        model.compile({ optimizer: plain, loss: "mae" });
        await model.setWeights(first instanceof Dense ? [[[0]], [0]] : [[[0]], [[0]], [0]]);
        await model.trainOnBatch([[[0]]], [[[-1]]]);
        expect((await model.getWeights()).at(-1)?.data[0]).toBeCloseTo(-slope, 6);
      }
    });
  });

  describe("masks", () => {
    const masked = (loss: "mae" | "mse") => {
      const model = sequential(
        [
          layers.masking({ maskValue: 0, inputShape: [T, D] }),
          layers.lstm({ units: 4, returnSequences: true }),
          layers.dense({ units: 1 }),
        ],
        { seed: 2, backend },
      );
      model.compile({ optimizer: "sgd", loss, metrics: ["mae"] });
      return model;
    };
    // Sequences of 5, 3, 1 and 4 steps.
    const lengths = [5, 3, 1, 4];
    const x = new Tensor(uniform(8, 4 * T * D), [4, T, D], "float32");
    const y = new Tensor(uniform(9, 4 * T), [4, T, 1], "float32");
    for (const [n, length] of lengths.entries())
      for (let t = length; t < T; t++) {
        x.data.fill(0, (n * T + t) * D, (n * T + t + 1) * D);
        y.data[n * T + t] = Number.NaN;
      }

    it("average losses and metrics over unmasked steps; NaN in masked targets does no harm", async () => {
      const model = masked("mae");
      const prediction = await model.predict(x);
      let [sum, count] = [0, 0];
      for (const [i, target] of y.data.entries())
        if (!Number.isNaN(target)) {
          sum += Math.abs(target - (prediction.data[i] ?? 0));
          count++;
        }
      expect(count).toBe(13);
      const [loss, metric] = await model.evaluate(x, y, { batchSize: 3 });
      expect(loss).toBeCloseTo(sum / count, 5);
      expect(metric).toBeCloseTo(sum / count, 5);
      await model.fit(x, y, { batchSize: 2, epochs: 3, verbose: 0 });
      for (const { data } of await model.getWeights()) expect(data.every(Number.isFinite)).toBe(true);
    });

    it("excuse targets of padding alone", async () => {
      const model = sequential(
        [
          layers.masking({ inputShape: [T, D] }),
          layers.lstm({ units: 4, returnSequences: true }),
          layers.dense({ units: 1, activation: "sigmoid" }),
        ],
        { seed: 2, backend },
      );
      model.compile({ optimizer: "sgd", loss: "binaryCrossentropy" });
      const padded = new Tensor(
        Float32Array.from(y.data, (t) => (Number.isNaN(t) ? -1 : t > 0 ? 1 : 0)),
        y.shape,
        "float32",
      );
      await model.fit(x, padded, { verbose: 0, callbacks: callbacks.terminateOnNaN() });
      padded.data[T + 1] = 2;
      await expect(
        model.fit(x, padded, { verbose: 0, callbacks: callbacks.terminateOnNaN() }),
      ).rejects.toThrow("y holds");
      for (const { data } of await model.getWeights()) expect(data.every(Number.isFinite)).toBe(true);
      const last = sequential(
        [layers.masking({ inputShape: [T, D] }), layers.lstm({ units: 4 }), layers.dense({ units: 1 })],
        { backend },
      );
      last.compile({ loss: "binaryCrossentropy" });
      await expect(last.fit(x, [0, 1, -1, 1], { verbose: 0 })).rejects.toThrow("the target -1 in row 2 of y");
    });

    it("weigh steps by sampleWeight [N, T]", async () => {
      const model = masked("mse");
      const weights = new Tensor(
        Float32Array.from({ length: 20 }, (_, i) => i % 3),
        [4, T],
        "float32",
      );
      const prediction = await model.predict(x);
      let sum = 0;
      for (const [i, target] of y.data.entries())
        if (!Number.isNaN(target)) sum += (i % 3) * (target - (prediction.data[i] ?? 0)) ** 2;
      const [loss] = await model.evaluate(x, y, { sampleWeight: weights });
      expect(loss).toBeCloseTo(sum / 13, 5);
    });
  });
}
