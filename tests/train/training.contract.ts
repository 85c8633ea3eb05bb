import { beforeAll, describe, expect, it, vi } from "vitest";
import {
  type Backend,
  type CallbackHooks,
  callbacks,
  layers,
  losses,
  optimizers,
  sequential,
  Tensor,
  tensor,
} from "../../src/index.js";
import { goldenError, loadGolden } from "../golden/load.js";
import { known } from "../reference.js";
import { goldenModel } from "./goldenModel.js";
import { C, changed, classifier, D, sequences, T } from "./sequences.js";
import { wrapped } from "./wrapped.js";

/** What every backend must make of training a model. */
export function trainingContract(make: () => Promise<Backend>): void {
  let backend: Backend;
  beforeAll(async () => {
    backend = await make();
  });

  describe("three steps agree with Keras in float32", () => {
    for (const golden of loadGolden("models")) {
      it(golden.name, async () => {
        const model = goldenModel(golden, backend);
        await model.setWeights(Object.values(golden.weights).map((w) => tensor(w.data, w.shape)));
        const give = (name: string) => {
          const { data, shape } = known(golden.inputs[name], name);
          return tensor(data, shape);
        };
        const prediction = await model.predict(give("x"));
        expect(goldenError(prediction.data, known(golden.outputs.prediction, "prediction"))).toBeLessThan(
          1e-5,
        );
        const options =
          golden.inputs.sampleWeight === undefined ? {} : { sampleWeight: give("sampleWeight") };
        for (const step of [1, 2, 3]) {
          const [loss] = await model.trainOnBatch(give("x"), give("y"), options);
          expect(goldenError([loss], known(golden.outputs[`loss${step}`], "loss"))).toBeLessThan(1e-5);
          const weights = await model.getWeights();
          for (const [i, name] of Object.keys(golden.weights).entries()) {
            const error = goldenError(
              known(weights[i], name).data,
              known(golden.outputs[`${step}.${name}`], name),
            );
            // Adam divides by gradients' own size: where one is near 0, its rounding shows as a part of the step.
            expect(error).toBeLessThan(1e-4);
          }
        }
      });
    }
  });

  describe("fit", () => {
    it("learns, and reports every epoch", async () => {
      const { x, labels } = sequences(300);
      const held = sequences(100, 2);
      const model = classifier(backend);
      const history = await model.fit(x, labels, {
        batchSize: 50,
        epochs: 25,
        validationData: [held.x, held.labels],
        verbose: 0,
      });
      expect(history.epoch).toEqual(Array.from({ length: 25 }, (_, i) => i));
      expect(Object.keys(history.history)).toEqual(["loss", "accuracy", "val_loss", "val_accuracy"]);
      const { accuracy = [], val_accuracy: held_accuracy = [] } = history.history;
      expect(accuracy.at(-1)).toBeGreaterThan(0.9);
      expect(held_accuracy.at(-1)).toBeGreaterThan(0.85);
      expect(held_accuracy.at(-1)).toBe((await model.evaluate(held.x, held.labels))[1]);
    });

    it("gives the same bits for the same seed, also when two models train in turns", async () => {
      const { x, labels } = sequences(70);
      const options = { batchSize: 16, verbose: 0 } as const;
      const alone = classifier(backend, 9);
      await alone.fit(x, labels, { ...options, epochs: 3 });
      const [first, second] = [classifier(backend, 9), classifier(backend, 9)];
      for (const epoch of [0, 1, 2])
        for (const model of [first, second])
          await model.fit(x, labels, { ...options, initialEpoch: epoch, epochs: epoch + 1 });
      const expected = await alone.getWeights();
      expect(changed(await first.getWeights(), expected)).toBe(false);
      expect(changed(await second.getWeights(), expected)).toBe(false);
      const other = classifier(backend, 10);
      await other.fit(x, labels, { ...options, epochs: 3 });
      expect(changed(await other.getWeights(), expected)).toBe(true);
    });

    it("shuffles: another order, another result", async () => {
      const { x, labels } = sequences(60);
      const run = async (shuffle: boolean) => {
        const model = classifier(backend, 4);
        await model.fit(x, labels, { batchSize: 10, shuffle, verbose: 0 });
        return model.getWeights();
      };
      expect(changed(await run(true), await run(false))).toBe(true);
      expect(changed(await run(false), await run(false))).toBe(false);
    });

    it("has one or two steps under way, never more", async () => {
      const { x, labels } = sequences(64);
      let [underWay, most] = [0, 0];
      const counting = wrapped(backend, (program, state) => {
        const executable = backend.load(program, state);
        return {
          program,
          runSync: (call) => executable.runSync(call),
          prepareSync: (memory) => executable.prepareSync(memory),
          reserve: () => executable.reserve(),
          free: () => executable.free(),
          async run(call) {
            most = Math.max(most, ++underWay);
            await executable.run(call);
            underWay--;
          },
        };
      });
      const model = sequential([layers.simpleRNN({ units: 3, inputShape: [T, D] })], {
        seed: 1,
        backend: counting,
      });
      model.compile({ loss: "mse" });
      const y = new Tensor(new Float32Array(64 * 3), [64, 3], "float32");
      await model.fit(x, y, { batchSize: 4, verbose: 0 });
      expect(most).toBe(2);
      most = 0;
      await model.predict(x, { batchSize: 4 });
      expect(most).toBe(2);
      expect(labels.size).toBe(64);
    });

    it("validates on the last part when told to split", async () => {
      const { x, labels } = sequences(50);
      const model = classifier(backend);
      const history = await model.fit(x, labels, {
        validationSplit: 0.2,
        batchSize: 8,
        epochs: 2,
        verbose: 0,
      });
      const [loss, accuracy] = await model.evaluate(x.rows(40), labels.rows(40), { batchSize: 8 });
      expect(history.history.val_loss?.at(-1)).toBe(loss);
      expect(history.history.val_accuracy?.at(-1)).toBe(accuracy);
    });

    it("ends after the step under way when aborted, and keeps what was trained", async () => {
      const { x, labels } = sequences(80);
      const model = classifier(backend);
      const before = await model.getWeights();
      const controller = new AbortController();
      const seen: string[] = [];
      const hooks: CallbackHooks = {
        onEpochEnd: (epoch) => void seen.push(`epoch ${epoch}`),
        onTrainBatchEnd: (batch) => {
          if (seen.length === 1 && batch === 1) controller.abort();
        },
        onTrainEnd: () => void seen.push("end"),
      };
      const options = {
        batchSize: 8,
        epochs: 5,
        verbose: 0,
        callbacks: [hooks],
        signal: controller.signal,
      } as const;
      const history = await model.fit(x, labels, options);
      expect(seen).toEqual(["epoch 0", "end"]);
      expect(history.epoch).toEqual([0]);
      expect(changed(await model.getWeights(), before)).toBe(true);
      await model.fit(x, labels, { batchSize: 8, verbose: 0 }); // usable as before
    });

    it("does nothing under a signal that is aborted already", async () => {
      const { x, labels } = sequences(8);
      const model = classifier(backend);
      const before = await model.getWeights();
      const signal = AbortSignal.abort(new Error("enough"));
      expect((await model.fit(x, labels, { verbose: 0, signal })).epoch).toEqual([]);
      expect(changed(await model.getWeights(), before)).toBe(false);
      await expect(model.predict(x, { signal })).rejects.toThrow("enough");
      await expect(model.evaluate(x, labels, { signal })).rejects.toThrow("enough");
    });

    it("records the seed it drew", async () => {
      const { x, labels } = sequences(8);
      const drawn = sequential([layers.gru({ units: C, inputShape: [T, D] })], { backend });
      drawn.compile({ loss: losses.sparseCategoricalCrossentropy({ fromLogits: true }) });
      const { seed } = (await drawn.fit(x, labels, { verbose: 0 })).params;
      const again = sequential([layers.gru({ units: C, inputShape: [T, D] })], { backend, seed });
      again.compile({ loss: losses.sparseCategoricalCrossentropy({ fromLogits: true }) });
      await again.fit(x, labels, { verbose: 0 });
      expect(changed(await drawn.getWeights(), await again.getWeights())).toBe(false);
    });

    it("stops and closes the epoch when a callback says so", async () => {
      const { x, labels } = sequences(80);
      const model = classifier(backend);
      let batches = 0;
      const hooks: CallbackHooks = {
        onTrainBatchEnd: (batch) => {
          batches++;
          if (batch === 2) model.stopTraining = true;
        },
      };
      const history = await model.fit(x, labels, { batchSize: 8, epochs: 5, verbose: 0, callbacks: [hooks] });
      expect(history.epoch).toEqual([0]);
      expect(batches).toBeLessThanOrEqual(4);
    });

    it("takes the rows in an order of its own in every epoch, over several fits too", async () => {
      const { x, labels } = sequences(12);
      const options = { batchSize: 4, verbose: 0 } as const;
      const [whole, parts] = [classifier(backend), classifier(backend)];
      await whole.fit(x, labels, { ...options, epochs: 3 });
      for (let i = 0; i < 3; i++) await parts.fit(x, labels, { ...options, epochs: 1 });
      expect(changed(await whole.getWeights(), await parts.getWeights())).toBe(false);
    });

    it("finds what does not fit in the validation data before the first step", async () => {
      const { x, labels } = sequences(8);
      const model = classifier(backend);
      const before = await model.getWeights();
      const wrong = new Tensor(new Float32Array(8 * 2), [8, 2], "float32");
      await expect(model.fit(x, labels, { verbose: 0, validationData: [x, wrong] })).rejects.toThrow(
        "fit, validation: sparseCategoricalCrossentropy: received y of shape [B, 2]",
      );
      expect(changed(before, await model.getWeights())).toBe(false);
    });

    it("weighs classes in training only", async () => {
      const { x, labels } = sequences(20);
      const model = classifier(backend);
      const { history } = await model.fit(x, labels, {
        verbose: 0,
        validationSplit: 0.25,
        classWeight: { 0: 7, 1: 3 },
      });
      const [loss] = await model.evaluate(x.rows(15), labels.rows(15));
      expect(history.val_loss?.[0]).toBeCloseTo(loss, 6);
    });

    it("takes class weights as sample weights by class", async () => {
      const { x, labels } = sequences(40);
      const options = { batchSize: 8, verbose: 0, shuffle: false } as const;
      const byClass = classifier(backend, 5);
      await byClass.fit(x, labels, { ...options, classWeight: { 0: 3, 1: 0.5 } });
      const bySample = classifier(backend, 5);
      const sampleWeight = Float32Array.from(labels.data, (c) => (c === 0 ? 3 : c === 1 ? 0.5 : 1));
      await bySample.fit(x, labels, { ...options, sampleWeight });
      expect(changed(await byClass.getWeights(), await bySample.getWeights())).toBe(false);
      const without = classifier(backend, 5);
      await without.fit(x, labels, options);
      expect(changed(await byClass.getWeights(), await without.getWeights())).toBe(true);
    });

    it("takes for each step the learning rate of the time it was asked for", async () => {
      const { x, labels } = sequences(4);
      const [together, apart] = [
        classifier(backend, 3, optimizers.sgd()),
        classifier(backend, 3, optimizers.sgd()),
      ];
      for (const model of [together, apart]) {
        const steps: Promise<unknown>[] = [];
        for (const rate of [0.5, 0, 0.25]) {
          model.learningRate = rate;
          steps.push(model.trainOnBatch(x, labels));
          if (model === apart) await steps.at(-1);
        }
        await Promise.all(steps);
      }
      expect(changed(await together.getWeights(), await apart.getWeights())).toBe(false);
    });

    it("takes another order of rows after a fit that ended with an error", async () => {
      const { x, labels } = sequences(12);
      const [broken, whole] = [classifier(backend), classifier(backend)];
      const fail = () => Promise.reject(new Error("mine"));
      const options = { batchSize: 4, verbose: 0 } as const;
      await expect(broken.fit(x, labels, { ...options, callbacks: { onEpochEnd: fail } })).rejects.toThrow(
        "mine",
      );
      await broken.fit(x, labels, options);
      await whole.fit(x, labels, { ...options, epochs: 2 });
      expect(changed(await broken.getWeights(), await whole.getWeights())).toBe(false);
    });

    it("changes the learning rate without planning anew", async () => {
      const { x, labels } = sequences(16);
      const model = classifier(backend, 5, optimizers.sgd({ learningRate: 0.5 }));
      expect(model.learningRate).toBe(0.5);
      await model.trainOnBatch(x, labels);
      const before = await model.getWeights();
      model.learningRate = 0;
      await model.trainOnBatch(x, labels);
      expect(changed(await model.getWeights(), before)).toBe(false);
      model.learningRate = 0.1;
      await model.trainOnBatch(x, labels);
      expect(changed(await model.getWeights(), before)).toBe(true);
      expect(model.learningRate).toBe(0.1);
    });

    it("restores the weights of the best epoch", async () => {
      const { x, labels } = sequences(40);
      const model = classifier(backend, 5, optimizers.sgd({ learningRate: 1 }));
      const kept: Tensor[][] = [];
      const stop = callbacks.earlyStopping({
        monitor: "loss",
        mode: "max",
        restoreBestWeights: true,
        patience: 3,
      });
      const keep: CallbackHooks = { onEpochEnd: async () => void kept.push(await model.getWeights()) };
      await model.fit(x, labels, { epochs: 6, batchSize: 8, verbose: 0, callbacks: [keep, stop] });
      expect(changed(await model.getWeights(), known(kept[stop.bestEpoch], "kept"))).toBe(false);
    });

    it("ends with an error at NaN in the input", async () => {
      const { x, labels } = sequences(40);
      const dirty = new Tensor(Float32Array.from(x.data), x.shape, "float32");
      dirty.data[17 * T * D + 2] = Number.NaN;
      const run = classifier(backend).fit(dirty, labels, {
        batchSize: 8,
        verbose: 0,
        callbacks: [callbacks.terminateOnNaN()],
      });
      await expect(run).rejects.toThrow(
        /terminateOnNaN: received a loss of NaN .* x holds NaN in row 17, step 0/,
      );
    });

    it("warns, once in a fit, of a loss that is NaN, and says whether the data is", async () => {
      const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
      try {
        const x = tensor(
          Float32Array.from({ length: 40 }, (_, i) => i / 40),
          [40, 1],
        );
        const y = Float32Array.from(x.data);
        const train = async (learningRate: number) => {
          const model = sequential([layers.dense({ units: 1, inputShape: [1] })], { backend, seed: 1 });
          model.compile({ optimizer: optimizers.sgd({ learningRate }), loss: "mse" });
          await model.fit(x, y, { batchSize: 4, epochs: 3, verbose: 0 });
        };
        await train(0.01);
        expect(warn).not.toHaveBeenCalled();
        await train(1e30);
        y[23] = Number.NaN;
        await train(0.01);
        expect(warn.mock.calls).toEqual([
          [expect.stringMatching(/the loss is (NaN|Infinity) .*; the data holds neither .* learning rate/)],
          [expect.stringMatching(/the loss is NaN in batch \d of epoch 1; y holds NaN in row 23\. Remove/)],
        ]);
      } finally {
        warn.mockRestore();
      }
    });

    it("keeps the figures of metrics of any name", async () => {
      const { x, labels } = sequences(8);
      const model = classifier(backend);
      const names = ["__proto__", "constructor", "val_x"];
      const metrics = names.map((name) => ({ ...losses.sparseCategoricalCrossentropy(), name }));
      model.compile({ loss: "sparseCategoricalCrossentropy", metrics });
      const { history } = await model.fit(x, labels, { verbose: 0, validationData: [x, labels] });
      expect(Object.keys(history)).toEqual([
        "loss",
        ...names,
        "val_loss",
        ...names.map((name) => `val_${name}`),
      ]);
      for (const values of Object.values(history)) expect(values).toEqual([expect.any(Number)]);
    });
  });
}
