import { beforeAll, describe, expect, it } from "vitest";
import { type Backend, layers, losses, optimizers, sequential, Tensor, tensor } from "../../src/index.js";
import { uniform } from "../golden/load.js";
import { C, changed, classifier, D, sequences, T } from "./sequences.js";

/** What every backend must make of a model's weights. */
export function weightsContract(make: () => Promise<Backend>): void {
  let backend: Backend;
  beforeAll(async () => {
    backend = await make();
  });

  describe("weights", () => {
    it("survive a new compile, and move between models", async () => {
      const { x, labels } = sequences(20);
      const model = classifier(backend);
      await model.predict(x);
      await model.fit(x, labels, { verbose: 0 });
      const weights = await model.getWeights();
      const prediction = await model.predict(x);
      model.compile({ optimizer: "rmsprop", loss: losses.sparseCategoricalCrossentropy() });
      await model.trainOnBatch(x, labels, { sampleWeight: new Float32Array(20) }); // weights of 0 change nothing
      expect(changed(await model.getWeights(), weights)).toBe(false);
      const other = classifier(backend, 77);
      await other.setWeights(weights);
      expect([...(await other.predict(x)).data]).toEqual([...prediction.data]);
    });

    it("belong to a layer once, in however many places it is", async () => {
      const twice = layers.dense({ units: 3, inputShape: [3], useBias: false });
      const model = sequential([twice, twice], { backend });
      model.compile({ optimizer: optimizers.sgd({ learningRate: 1 }), loss: "mse" });
      expect(model.countParams()).toBe(9);
      expect(model.weightNames()).toEqual(["dense/kernel"]);
      let summary = "";
      model.summary({
        print: (text) => {
          summary = text;
        },
      });
      const rows = summary.split("\n").filter((line) => line.includes("(Dense)"));
      expect(rows.map((row) => row.replace(/[\s│]+/g, " ").trim())).toEqual([
        "dense (Dense) (None, 3) 9",
        "dense (Dense), again (None, 3) 0",
      ]);
      await model.setWeights([
        [
          [2, 0, 0],
          [0, 2, 0],
          [0, 0, 2],
        ],
      ]);
      expect((await model.predict([[1, 2, 3]])).array()).toEqual([[4, 8, 12]]);
      // y = w²·x for the first element alone: the slope of (y − t)² / 3 is 4·w·x·(y − t) / 3.
      await model.trainOnBatch([[0.5, 0, 0]], [[1, 0, 0]]);
      const [kernel] = await model.getWeights();
      expect(kernel?.data[0]).toBeCloseTo(2 - (4 * 2 * 0.5 * (2 - 1)) / 3, 5);
      const counting = layers.simpleRNN({
        units: 1,
        inputShape: [1, 1],
        batchSize: 1,
        stateful: true,
        returnSequences: true,
      });
      expect(() => sequential([counting, counting])).toThrow("a stateful layer in one place");
    });

    it("are copied when they are set", async () => {
      const model = sequential([layers.dense({ units: 1, inputShape: [1], useBias: false })], { backend });
      const kernel = new Float32Array([3]);
      const setting = model.setWeights([{ data: kernel, shape: [1, 1] }]);
      kernel[0] = 5;
      await setting;
      expect((await model.predict([[1]])).data[0]).toBe(3);
    });

    it("have names, and sizes that setWeights checks", async () => {
      const model = classifier(backend);
      expect(model.weightNames()).toEqual([
        "lstm/kernel",
        "lstm/recurrent_kernel",
        "lstm/bias",
        "gru/kernel",
        "gru/recurrent_kernel",
        "gru/bias",
        "dense/kernel",
        "dense/bias",
      ]);
      const weights = await model.getWeights();
      expect(weights.reduce((n, w) => n + w.size, 0)).toBe(model.countParams());
      await expect(model.setWeights(weights.slice(1))).rejects.toThrow(
        "setWeights: received 7 arrays, expected 8 arrays",
      );
      const wrong = weights.with(2, tensor([1, 2]) as Tensor<"float32">);
      await expect(model.setWeights(wrong)).rejects.toThrow(
        "received an array of shape [2] for lstm/bias, expected shape [24]",
      );
    });

    it("are told apart from the same in another order", async () => {
      const model = classifier(backend);
      const [kernel, recurrent, ...others] = await model.getWeights();
      await expect(
        model.setWeights([recurrent, kernel, ...others].filter((w) => w !== undefined)),
      ).rejects.toThrow("in another order: put them in the order of weightNames(), by their names");
    });

    it("are fixed where a layer is not trainable", async () => {
      const { x, labels } = sequences(20);
      const model = sequential(
        [layers.lstm({ units: 4, inputShape: [T, D], trainable: false }), layers.dense({ units: C })],
        { seed: 1, backend },
      );
      model.compile({ optimizer: "adam", loss: losses.sparseCategoricalCrossentropy({ fromLogits: true }) });
      const before = await model.getWeights();
      await model.fit(x, labels, { verbose: 0 });
      const after = await model.getWeights();
      expect(changed(after.slice(0, 3), before.slice(0, 3))).toBe(false);
      expect(changed(after.slice(3), before.slice(3))).toBe(true);
    });

    it("take their shapes from the data where no inputShape is given", async () => {
      const { x } = sequences(4);
      const model = sequential([layers.lstm({ units: 4 }), layers.dense({ units: 2 })], { seed: 1, backend });
      expect(model.built).toBe(false);
      expect((await model.predict(x)).shape).toEqual([4, 2]);
      expect(model.countParams()).toBe(4 * (3 + 4 + 1) * 4 + 10);
      expect((await model.predict(new Tensor(uniform(1, 2 * 9 * D), [2, 9, D], "float32"))).shape).toEqual([
        2, 2,
      ]);
    });
  });
}
