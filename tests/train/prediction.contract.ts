import { beforeAll, describe, expect, it } from "vitest";
import { type Backend, layers, sequential, Tensor, tensor } from "../../src/index.js";
import { goldenError, uniform } from "../golden/load.js";
import { known } from "../reference.js";
import { C, changed, classifier, D, sequences, T } from "./sequences.js";

/** A tensor as a golden one. */
const complete = ({ data, shape }: Tensor<"float32">) => ({
  shape,
  data: Float32Array.from(data),
  stride: 1,
});

/** What every backend must make of evaluating a model and predicting with it. */
export function predictionContract(make: () => Promise<Backend>): void {
  let backend: Backend;
  beforeAll(async () => {
    backend = await make();
  });

  describe("evaluate and predict", () => {
    it("do not depend on the size of batches", async () => {
      const { x, labels } = sequences(23);
      const model = classifier(backend);
      const whole = await model.predict(x);
      expect(whole.shape).toEqual([23, C]);
      for (const batchSize of [2, 5, 23, 100]) {
        const parts = await model.predict(x, { batchSize });
        expect(goldenError(parts.data, complete(whole))).toBeLessThan(1e-6);
        const [loss, accuracy] = await model.evaluate(x, labels, { batchSize });
        const [expected, hits] = await model.testOnBatch(x, labels);
        expect(loss).toBeCloseTo(expected, 5);
        expect(accuracy).toBeCloseTo(known(hits, "accuracy"), 6);
      }
    });

    it("predictSync is predictOnBatch on the caller's thread", async () => {
      const { x, labels } = sequences(3);
      const model = classifier(backend);
      expect(() => model.predictSync(x)).toThrow(
        "predictSync: received a call before ready, expected a model that is ready. Await model.ready() once before",
      );
      await model.ready();
      if (!backend.capabilities.synchronous) {
        expect(() => model.predictSync(x)).toThrow("expected a backend with synchronous calls");
        return;
      }
      const before = model.predictSync(x.rows(0, 1));
      expect([...before.data]).toEqual([...(await model.predictOnBatch(x.rows(0, 1))).data]);
      const running = model.fit(x, labels, { verbose: 0 });
      expect(() => model.predictSync(x)).toThrow(
        "predictSync: received a call while weights or states are being changed",
      );
      await running;
      expect([...model.predictSync(x.rows(0, 1)).data]).not.toEqual([...before.data]);
    });

    it("leave a model ready that was, whatever comes between", async () => {
      if (!backend.capabilities.synchronous) return;
      const { x, labels } = sequences(3);
      const model = classifier(backend);
      await model.ready();
      const same = async () =>
        expect([...model.predictSync(x).data]).toEqual([...(await model.predictOnBatch(x)).data]);
      model.learningRate = 0.5;
      await same();
      await model.evaluate(x, labels);
      await same();
      model.compile({ optimizer: "sgd", loss: "sparseCategoricalCrossentropy" });
      await model.predict(x);
      await same();
      await model.trainOnBatch(x, labels);
      await same();
      model.compile({ optimizer: "adam", loss: "sparseCategoricalCrossentropy" });
      await model.getWeights();
      await same();
      const fail = () => Promise.reject(new Error("mine"));
      await expect(
        model.fit(x, labels, { verbose: 0, callbacks: { onTrainBatchEnd: fail } }),
      ).rejects.toThrow("mine");
      await same();
      await expect(model.trainOnBatch(x, [0, 1])).rejects.toThrow("trainOnBatch: received 3 samples");
      await same();
    });

    it("take images of bytes as numbers", async () => {
      const bytes = tensor(
        Uint8Array.from({ length: 2 * T * D }, (_, i) => (i * 37) % 256),
        [2, T, D],
      );
      const floats = tensor(Float32Array.from(bytes.data), bytes.shape);
      const model = classifier(backend);
      expect([...(await model.predict(bytes)).data]).toEqual([...(await model.predict(floats)).data]);
    });
  });

  it("gives class numbers", async () => {
    const identity = (units: number) => {
      const options = { units, useBias: false, kernelInitializer: "identity", inputShape: [units] } as const;
      return sequential([layers.dense(options)], { backend });
    };
    const rows = [
      [0.1, 0.7, 0.2],
      [3, -1, 3],
    ];
    const classes = await identity(3).predictClasses(rows);
    expect([classes.dtype, classes.array()]).toEqual(["int32", [1, 0]]);
    expect((await identity(1).predictClasses([[0.5], [0.51]])).array()).toEqual([[0], [1]]);
  });

  it("tells its shapes with null for what is open, and its configuration with its input", () => {
    const open = sequential([layers.gru({ units: 3, inputShape: [null, 2], name: "g" })], { backend });
    expect([open.inputShape, open.outputShape]).toEqual([
      [null, null, 2],
      [null, 3],
    ]);
    const told = { batch_shape: [null, null, 2], dtype: "float32", name: "input_layer" };
    expect(open.config().layers).toMatchObject([
      { class_name: "InputLayer", config: told },
      { class_name: "GRU", config: { name: "g" } },
    ]);
    const stated = sequential([layers.inputLayer({ shape: [3] }), layers.dense({ units: 1 })], { backend });
    expect(stated.config().layers).toMatchObject([{ class_name: "InputLayer" }, { class_name: "Dense" }]);
    expect(sequential([layers.dense({ units: 1 })], { backend }).inputShape).toBeUndefined();
  });

  it("takes sequences of any length where the time axis is open", async () => {
    const model = sequential(
      [layers.gru({ units: 3, inputShape: [null, 2], returnSequences: true }), layers.dense({ units: 1 })],
      { seed: 1, backend },
    );
    model.compile({ optimizer: "sgd", loss: "mse" });
    for (const length of [2, 7, 2]) {
      const x = new Tensor(uniform(length, 4 * length * 2), [4, length, 2], "float32");
      const y = new Tensor(new Float32Array(4 * length), [4, length, 1], "float32");
      await model.fit(x, y, { verbose: 0 });
      expect((await model.predict(x)).shape).toEqual([4, length, 1]);
    }
  });

  describe("states", () => {
    it("carries the states of stateful layers from call to call, on whatever thread", async () => {
      const options = {
        units: 1,
        useBias: false,
        kernelInitializer: "ones",
        recurrentInitializer: "ones",
      } as const;
      const counter = layers.simpleRNN({
        ...options,
        inputShape: [1, 1],
        batchSize: 1,
        stateful: true,
        activation: "linear",
      });
      const model = sequential([counter], { backend });
      model.compile({ loss: "mse" });
      await model.ready();
      const one = [[[1]]];
      const value = async (counts: () => Tensor | Promise<Tensor>) => (await counts()).data[0];
      const sync = () => model.predictSync(one);
      const calls = backend.capabilities.synchronous
        ? [sync, sync, () => model.predict(one), sync, () => model.predictOnBatch(one), sync]
        : [() => model.predict(one), () => model.predictOnBatch(one)];
      for (const [i, call] of calls.entries()) expect(await value(call)).toBe(i + 1);
      expect(await model.evaluate(one, [[calls.length + 1]])).toEqual([0]);
      if (!backend.capabilities.synchronous) return;
      expect(await value(sync)).toBe(calls.length + 2);
      const running = model.predict(one);
      expect(sync).toThrow("predictSync: received a call while weights or states are being changed");
      await running;
      expect(await value(sync)).toBe(calls.length + 4);
    });

    it("trains and evaluates a model of a fixed batch size batch by batch", async () => {
      const make = (batchSize?: number) => {
        const first = { units: 2, inputShape: [4, 2], stateful: batchSize !== undefined } as const;
        const model = sequential(
          [
            layers.lstm(batchSize === undefined ? first : { ...first, batchSize }),
            layers.dense({ units: 3, activation: "softmax" }),
          ],
          { seed: 2, backend },
        );
        model.compile({ optimizer: "sgd", loss: "sparseCategoricalCrossentropy" });
        return model;
      };
      const x = new Tensor(uniform(6, 8 * 4 * 2), [8, 4, 2], "float32");
      const y = [0, 1, 2, 0, 1, 2, 0, 1];
      const options = { shuffle: false, verbose: 0 } as const;
      // Batch 2 goes on from the states of batch 1: by hand, step by step.
      const [model, byHand] = [make(4), make(4)];
      await model.fit(x, y, options);
      await byHand.trainOnBatch(x.rows(0, 4), y.slice(0, 4));
      await byHand.trainOnBatch(x.rows(4), y.slice(4));
      expect(changed(await model.getWeights(), await byHand.getWeights())).toBe(false);
      const [loss] = await model.evaluate(x, y);
      const [a] = await byHand.testOnBatch(x.rows(0, 4), y.slice(0, 4));
      const [b] = await byHand.testOnBatch(x.rows(4), y.slice(4));
      expect(loss).toBeCloseTo((a + b) / 2, 6);

      const before = await model.getWeights();
      const refused = "batches of 4, the batchSize of the first layer, and a multiple of 4 samples";
      await expect(model.fit(x.rows(2), y.slice(2), options)).rejects.toThrow(
        `fit: received 6 samples in batches of 4, expected ${refused}`,
      );
      await expect(model.evaluate(x, y, { batchSize: 2 })).rejects.toThrow(refused);
      await expect(model.predict(x.rows(1))).rejects.toThrow(refused);
      await expect(model.fit(x, y, { ...options, validationData: [x.rows(6), y.slice(6)] })).rejects.toThrow(
        `fit, validation: received 2 samples`,
      );
      expect(changed(before, await model.getWeights())).toBe(false);
    });

    it("resets the states of stateful layers", async () => {
      const model = sequential(
        [layers.lstm({ units: 3, inputShape: [2, D], batchSize: 2, stateful: true })],
        {
          seed: 1,
          backend,
        },
      );
      const x = new Tensor(uniform(5, 2 * 2 * D), [2, 2, D], "float32");
      const first = [...(await model.predict(x)).data];
      expect([...(await model.predict(x)).data]).not.toEqual(first);
      await model.resetStates();
      expect([...(await model.predict(x)).data]).toEqual(first);
      await expect(
        model.predictOnBatch(new Tensor(uniform(5, 3 * 2 * D), [3, 2, D], "float32")),
      ).rejects.toThrow(
        'model "sequential": received a batch of 3 rows, expected 2 rows, the batchSize of the first layer',
      );
    });
  });

  it("knows its memory before it runs", async () => {
    const model = classifier(backend);
    const small = await model.memory({ batchSize: 1 });
    const large = await model.memory({ batchSize: 100 });
    // Parameters, Adam's two slots; each variable and counter begins at a multiple of 64 bytes.
    expect(large.state).toBeGreaterThanOrEqual(3 * 4 * model.countParams());
    expect(large.state).toBeLessThan(3 * 4 * model.countParams() + 8 * 64);
    expect(large.training).toBeGreaterThan(known(small.training, "training"));
    expect(large.prediction).toBeLessThan(known(large.training, "training"));
  });
}
