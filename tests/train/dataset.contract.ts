import fc from "fast-check";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { Dataset } from "../../src/data/index.js";
import {
  type Backend,
  type CallbackHooks,
  type CallbackParams,
  functional,
  input,
  layers,
  sequential,
  type Tensor,
  tensor,
} from "../../src/index.js";
import { uniform } from "../golden/load.js";
import { C, changed, classifier, D, sequences, T } from "./sequences.js";
import { wrapped } from "./wrapped.js";

/** N sequences of 1 to 9 steps, without a 0 in them: x [T, 2], a label for each step, and weights. */
function ragged(N: number, seed = 1) {
  return Array.from({ length: N }, (_, n) => {
    const length = 1 + ((n * 5 + seed) % 9);
    const x = uniform(seed + n, length * 2).map((v) => v + (v < 0 ? -0.1 : 0.1));
    return {
      x: tensor(x, [length, 2]),
      y: Int32Array.from({ length }, (_, t) => (n + t) % 3),
      sampleWeight: Float32Array.from({ length }, (_, t) => 0.5 + ((n + t) % 4)),
    };
  });
}

/** Tags each step; steps of zeros are masked. */
function tagger(backend: Backend) {
  const model = sequential(
    [
      layers.masking({ maskValue: 0, inputShape: [null, 2] }),
      layers.bidirectional({ layer: layers.lstm({ units: 4, returnSequences: true }) }),
      layers.gru({ units: 3, returnSequences: true }),
      layers.dense({ units: 3, activation: "softmax" }),
    ],
    { seed: 5, backend },
  );
  model.compile({
    optimizer: "adam",
    loss: "sparseCategoricalCrossentropy",
    metrics: ["accuracy"],
    weightedMetrics: ["accuracy"],
  });
  return model;
}

const quiet = { verbose: 0 } as const;

/** What every backend must make of datasets. */
export function datasetContract(make: () => Promise<Backend>): void {
  let backend: Backend;
  beforeAll(async () => {
    backend = await make();
  });

  describe("a dataset", () => {
    it("trains, evaluates and predicts as its arrays do, bit for bit", async () => {
      const { x, labels } = sequences(70);
      const held = sequences(30, 2);
      const dataset = Dataset.fromTensorSlices({ x, y: labels }).batch(16).prefetch(2);
      const validation = Dataset.fromTensorSlices({ x: held.x, y: held.labels }).batch(16);
      const [one, other] = [classifier(backend), classifier(backend)];
      const byArrays = await one.fit(x, labels, {
        ...quiet,
        batchSize: 16,
        epochs: 3,
        shuffle: false,
        validationData: [held.x, held.labels],
      });
      const streamed = await other.fit(dataset, { ...quiet, epochs: 3, validationData: validation });
      expect(streamed.history).toEqual(byArrays.history);
      expect(changed(await one.getWeights(), await other.getWeights())).toBe(false);
      expect(await other.evaluate(validation)).toEqual(
        await one.evaluate(held.x, held.labels, { batchSize: 16 }),
      );
      const predicted = await other.predict(validation);
      expect(changed([predicted], [await one.predict(held.x, { batchSize: 16 })])).toBe(false);
      expect(predicted.shape).toEqual([30, C]);
      expect((await other.predictClasses(validation)).array()).toEqual(
        (await one.predictClasses(held.x, { batchSize: 16 })).array(),
      );
      const mixed = await other.fit(x, labels, { ...quiet, validationData: validation, validationSteps: 1 });
      const [loss] = await other.evaluate(held.x.rows(0, 16), held.labels.rows(0, 16));
      expect(mixed.history.val_loss?.[0]).toBeCloseTo(loss, 6);
      const other2 = await other.fit(dataset, { ...quiet, validationData: [held.x, held.labels] });
      expect(other2.history.val_loss?.[0]).toBeCloseTo((await other.evaluate(validation))[0], 6);
    });

    it("weighs samples and classes as arrays are weighed", async () => {
      const { x, labels } = sequences(40);
      const sampleWeight = Float32Array.from({ length: 40 }, (_, n) => (n % 3) / 2);
      const classWeight = { 0: 3, 1: 0.5 };
      const [one, other] = [classifier(backend), classifier(backend)];
      const options = { ...quiet, classWeight } as const;
      await one.fit(x, labels, { ...options, sampleWeight, batchSize: 8, shuffle: false });
      const dataset = Dataset.fromTensorSlices({ x, y: labels, sampleWeight }).batch(8);
      await other.fit(dataset, options);
      expect(changed(await one.getWeights(), await other.getWeights())).toBe(false);
      expect(await other.evaluate(dataset)).toEqual(
        await one.evaluate(x, labels, { sampleWeight, batchSize: 8 }),
      );
      const plain = classifier(backend);
      await plain.fit(dataset, quiet);
      expect(changed(await plain.getWeights(), await other.getWeights())).toBe(true);
    });

    it("goes by the names of inputs and outputs", async () => {
      const question = input({ shape: [T, D], name: "question" });
      const hints = input({ shape: [2], name: "hints" });
      const read = layers.lstm({ units: 3 }).apply(question);
      const joined = layers.concatenate().apply([read, hints]);
      const model = functional({
        inputs: { question, hints },
        outputs: {
          topic: layers.dense({ units: C, activation: "softmax" }).apply(joined),
          score: layers.dense({ units: 1 }).apply(joined),
        },
        seed: 2,
        backend,
      });
      model.compile({ loss: { topic: "sparseCategoricalCrossentropy", score: "mse" } });
      const { x, labels } = sequences(20);
      const arrays = {
        x: { question: x, hints: tensor(uniform(3, 40), [20, 2]) },
        y: { topic: labels, score: tensor(uniform(4, 20), [20, 1]) },
        sampleWeight: { score: tensor(uniform(5, 20).map(Math.abs)) },
      };
      const dataset = Dataset.fromTensorSlices(arrays).batch(8);
      await model.fit(dataset.shuffle(2), { ...quiet, epochs: 2 });
      const { x: given, y, sampleWeight } = arrays;
      expect(await model.evaluate(dataset)).toEqual(
        await model.evaluate(given, y, { sampleWeight, batchSize: 8 }),
      );
      const predicted = await model.predict(dataset);
      expect(changed([predicted.topic], [(await model.predict(given, { batchSize: 8 })).topic])).toBe(false);
      const wrong = dataset.map(({ x, ...rest }) => ({
        ...rest,
        x: { question: x.question, hint: x.hints },
      }));
      await expect(model.fit(wrong as never, quiet)).rejects.toThrow(
        'fit, batch 0 of epoch 1: received the unknown input "hint", expected one of question, hints. Did you mean "hints"?',
      );
    });

    it("builds a model whose shapes come from the data", async () => {
      const model = sequential([layers.simpleRNN({ units: 2 }), layers.dense({ units: 1 })], { backend });
      model.compile({ loss: "mse" });
      const { x } = sequences(10);
      await model.fit(Dataset.fromTensorSlices({ x, y: new Float32Array(10) }).batch(5), quiet);
      expect(model.inputShape ?? model.outputShape).toEqual([null, 1]);
    });
  });

  describe("figures", () => {
    it("do not change with padding, buckets, batches and prefetching", async () => {
      const model = tagger(backend);
      const elements = ragged(23);
      const dataset = Dataset.fromIterable(elements);
      await model.fit(dataset.shuffle(23).paddedBatch(5), { ...quiet, epochs: 2 });
      // Each sequence by itself, without padding.
      const expected = await model.evaluate(dataset.batch(1));
      const alone = await Promise.all(elements.map(({ x }) => model.predict(x.reshape([1, ...x.shape]))));
      const close = (figures: readonly number[]) => {
        for (const [i, figure] of figures.entries()) expect(figure).toBeCloseTo(expected[i] ?? Number.NaN, 5);
      };
      const size = fc.integer({ min: 1, max: 9 });
      await fc.assert(
        fc.asyncProperty(size, size, size, size, fc.boolean(), async (a, b, multiple, depth, bucketed) => {
          const options = { lengthMultiple: multiple, paddingValues: { y: 7, sampleWeight: 3 } };
          const shuffled = dataset.shuffle(a, b);
          const batches = bucketed
            ? shuffled.bucketBySequenceLength(({ x }) => x.shape[0] ?? 0, [3, 6], [a, b, 2], options)
            : shuffled.paddedBatch(a, options);
          close(await model.evaluate(batches.prefetch(depth)));
        }),
        { numRuns: 12 },
      );
      const whole = await model.predict(dataset.paddedBatch(4, { paddedShapes: { x: [12, 2] } }));
      expect(whole.shape).toEqual([23, 12, 3]);
      for (const [n, one] of alone.entries())
        for (const [i, value] of one.data.entries()) expect(whole.data[n * 36 + i]).toBeCloseTo(value, 5);
    });

    it("come from few programs, kept over epochs", async () => {
      const sizes = new Set<string>();
      let loaded = 0;
      const counting = wrapped(backend, (program, state) => {
        loaded++;
        return backend.load(program, state);
      });
      const model = tagger(counting);
      const dataset = Dataset.fromIterable(ragged(40))
        .shuffle(40)
        .bucketBySequenceLength(({ x }) => x.shape[0] ?? 0, [5], [8, 8], {
          lengthMultiple: 4,
          dropRemainder: true,
        })
        .map((batch) => {
          sizes.add(String(batch.x.shape));
          return batch;
        });
      await model.fit(dataset, { ...quiet, epochs: 2 });
      const first = loaded;
      expect([...sizes].sort()).toEqual(["8,12,2", "8,4,2", "8,8,2"]);
      await model.fit(dataset, { ...quiet, epochs: 4 });
      expect(loaded).toBe(first);
    });
  });

  describe("orders", () => {
    const shuffled = (depth: number) => {
      const { x, labels } = sequences(24);
      const dataset = Dataset.fromTensorSlices({ x, y: labels }).shuffle(24).batch(4);
      return depth === 0 ? dataset : dataset.prefetch(depth);
    };
    const trained = async (dataset: ReturnType<typeof shuffled>, seed: number, epochs: readonly number[]) => {
      const model = classifier(backend, seed);
      for (const count of epochs) await model.fit(dataset, { ...quiet, epochs: count });
      return model.getWeights();
    };

    it("follow from the model's seed and the epoch, whatever is prefetched and how fits are cut", async () => {
      const expected = await trained(shuffled(0), 3, [3]);
      for (const depth of [1, 3, 7])
        expect(changed(await trained(shuffled(depth), 3, [3]), expected)).toBe(false);
      expect(changed(await trained(shuffled(2), 3, [1, 1, 1]), expected)).toBe(false);
      expect(changed(await trained(shuffled(2), 4, [3]), expected)).toBe(true);
      const seen: number[][] = [];
      const watched = shuffled(0).map((batch) => {
        seen.push([...batch.y.data]);
        return batch;
      });
      await trained(watched, 3, [2]);
      expect(String(seen.slice(0, 6))).not.toBe(String(seen.slice(6)));
    });

    it("go on over epochs of stepsPerEpoch, and begin anew at the end", async () => {
      const seen: number[] = [];
      const dataset = Dataset.fromIterable([0, 1, 2, 3, 4]).map((i) => {
        seen.push(i);
        return { x: tensor(uniform(i, 2 * T * D), [2, T, D]), y: [i % C, 0] };
      });
      const model = classifier(backend);
      const history = await model.fit(dataset, { ...quiet, epochs: 3, stepsPerEpoch: 3 });
      expect(history.params.steps).toBe(3);
      expect(history.epoch).toEqual([0, 1, 2]);
      expect(seen).toEqual([0, 1, 2, 3, 4, 0, 1, 2, 3]);
      seen.length = 0;
      await model.fit(dataset.repeat(), { ...quiet, epochs: 2, stepsPerEpoch: 4 });
      expect(seen).toEqual([0, 1, 2, 3, 4, 0, 1, 2]);
      seen.length = 0;
      await model.evaluate(dataset.repeat(), { steps: 2 });
      expect(seen).toEqual([0, 1]);
      expect((await model.predict(dataset, { steps: 3 })).shape).toEqual([6, C]);
    });
  });

  describe("while a dataset runs", () => {
    it("callbacks do without the number of steps", async () => {
      const { x, labels } = sequences(24);
      const dataset = Dataset.fromTensorSlices({ x, y: labels })
        .filter(() => true)
        .batch(8);
      const told: (number | undefined)[][] = [];
      const hooks: CallbackHooks = {
        setParams: ({ steps, samples, batchSize }: CallbackParams) =>
          void told.push([steps, samples, batchSize]),
        onTrainBatchBegin: (batch) => void told.push([batch]),
      };
      await classifier(backend).fit(dataset, { ...quiet, epochs: 2, callbacks: [hooks] });
      expect(told).toEqual([[undefined, undefined, undefined], [0], [1], [2], [0], [1], [2]]);
      expect((await classifier(backend).fit(dataset.take(2), quiet)).params.steps).toBeUndefined();
    });

    it("there are two batches at a time, and what is open is closed", async () => {
      let [made, done, most, open] = [0, 0, 0, 0];
      const { x, labels } = sequences(8);
      const dataset = Dataset.fromGenerator(async function* () {
        open++;
        try {
          for (;;) {
            most = Math.max(most, ++made - done);
            yield { x, y: labels };
          }
        } finally {
          open--;
        }
      });
      const counting: CallbackHooks = { onTrainBatchEnd: () => void done++ };
      const model = classifier(backend);
      const options = { ...quiet, stepsPerEpoch: 12, epochs: 2, callbacks: [counting] } as const;
      await model.fit(dataset, options);
      expect(most).toBe(2);
      expect(open).toBe(0);
      const stop: CallbackHooks = {
        onTrainBatchEnd: (batch) => {
          if (batch === 2) model.stopTraining = true;
        },
      };
      await model.fit(dataset, {
        ...options,
        callbacks: [stop],
        validationData: dataset,
        validationSteps: 2,
      });
      expect(open).toBe(0);
      const controller = new AbortController();
      const abort: CallbackHooks = { onTestBatchEnd: () => controller.abort(new Error("enough")) };
      const look = { ...quiet, callbacks: [abort], signal: controller.signal, steps: 9 } as const;
      await expect(model.evaluate(dataset, look)).rejects.toThrow("enough");
      expect(open).toBe(0);
    });

    it("a loss that is not finite is told with the batch that made it so", async () => {
      const { x, labels } = sequences(12);
      const dataset = Dataset.fromTensorSlices({ x, y: labels })
        .map(({ x, y }) => ({ x, y }))
        .batch(4)
        .map((batch) => ({
          ...batch,
          x: batch.x.data[0] === x.data[8 * T * D] ? spoiled(batch.x) : batch.x,
        }));
      const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
      try {
        await classifier(backend).fit(dataset, quiet);
        expect(warn.mock.calls.map(String)).toEqual([
          expect.stringContaining("the loss is NaN in batch 2 of epoch 1; x holds NaN in row 1, step 2"),
        ]);
      } finally {
        warn.mockRestore();
      }
    });
  });

  describe("datasets that do not fit", () => {
    const { x, labels } = sequences(12);
    const rows = () => Dataset.fromTensorSlices({ x, y: labels });
    const refused = async (dataset: unknown, options: object = {}, model = classifier(backend)) => {
      const before = await model.getWeights();
      const error = await model.fit(dataset as never, { ...quiet, ...options }).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(Error);
      return { message: String(error), unchanged: !changed(before, await model.getWeights()), error };
    };

    it.each<[string, () => unknown, object, string]>([
      [
        "single samples",
        rows,
        {},
        "fit, batch 0 of epoch 1: received an element with x of shape [5, 3], a single sample, expected elements that are batches: [batch, ..]. Batch the dataset: dataset.batch(32)",
      ],
      [
        "another shape",
        () =>
          rows()
            .map(({ y }) => ({ x: tensor(new Float32Array(6), [2, 3]), y }))
            .batch(3),
        {},
        "fit, batch 0 of epoch 1: received x of shape [3, 2, 3], expected [batch, 5, 3]",
      ],
      [
        "pairs",
        () =>
          rows()
            .batch(4)
            .map(({ x, y }) => [x, y]),
        {},
        "received a list for an element of the dataset, expected { x, y }",
      ],
      [
        "TensorFlow.js's names",
        () =>
          rows()
            .batch(4)
            .map(({ x, y }) => ({ xs: x, ys: y })),
        {},
        'the unknown part of an element "xs", expected one of x, y, sampleWeight. Did you mean "x"?',
      ],
      [
        "no y",
        () =>
          rows()
            .batch(4)
            .map(({ x }) => ({ x })),
        {},
        "an element of the dataset without y",
      ],
      [
        "nothing",
        () =>
          rows()
            .filter(() => false)
            .batch(4),
        {},
        "fit: received a dataset that ends before its first element, expected at least one batch",
      ],
      [
        "no end",
        () => rows().batch(4).repeat(),
        {},
        "fit: received a dataset without an end, expected a number of batches to take of it: stepsPerEpoch",
      ],
      [
        "a batchSize",
        rows,
        { batchSize: 4 },
        "fit: received batchSize for a dataset, expected no options but",
      ],
      ["a split", rows, { validationSplit: 0.5 }, "Give validationData"],
      ["an unknown option", () => rows().batch(4), { stepPerEpoch: 4 }, 'Did you mean "stepsPerEpoch"?'],
      ["stepsPerEpoch of 0", () => rows().batch(4), { stepsPerEpoch: 0 }, "fit: received stepsPerEpoch: 0"],
      [
        "validationSteps of arrays",
        () => rows().batch(4),
        { validationSteps: 1, validationData: [x, labels] },
        "validationSteps without a dataset",
      ],
      [
        "single samples to validate on",
        () => rows().batch(4),
        { validationData: rows() },
        "fit, validation, batch 0: received an element with x of shape [5, 3]",
      ],
    ])("are refused before the first step: %s", async (_, dataset, options, message) => {
      const { message: text, unchanged } = await refused(dataset(), options);
      expect(text).toContain(message);
      expect(unchanged).toBe(true);
    });

    it("are refused at the batch that does not fit, with the row", async () => {
      const outside = Int32Array.from(labels.data);
      outside[9] = 17;
      const wrong = Dataset.fromTensorSlices({ x, y: outside }).batch(4);
      const { message, unchanged } = await refused(wrong);
      expect(message).toContain("fit, batch 2 of epoch 1: received the label 17 in row 1 of y");
      expect(unchanged).toBe(false);
      const model = classifier(backend);
      await expect(model.evaluate(wrong)).rejects.toThrow(
        "evaluate, batch 2: received the label 17 in row 1",
      );
      const some = rows()
        .batch(4)
        .map((batch) =>
          batch.y.data[0] === labels.data[4] ? batch : { ...batch, sampleWeight: [1, 1, 1, 1] },
        );
      if (labels.data[0] !== labels.data[4])
        expect((await refused(some)).message).toContain(
          "fit, batch 1 of epoch 1: received an element with y, expected y and sampleWeight, as in the elements before",
        );
    });

    it("give their own errors, with the place, and leave the model usable", async () => {
      const boom = new Error("boom");
      const model = classifier(backend);
      const failing = Dataset.fromGenerator(function* () {
        yield { x, y: labels };
        throw boom;
      });
      const { message, error } = await refused(failing, {}, model);
      expect(message).toContain(
        "fit: dataset.fromGenerator, element 1: received an error of the generator: boom",
      );
      expect(((error as Error).cause as Error).cause ?? (error as Error).cause).toBe(boom);
      expect((error as Error).stack).toContain("dataset.contract.ts");
      const rejected = rows()
        .batch(4)
        .map(() => Promise.reject(boom));
      expect((await refused(rejected, {}, model)).message).toContain(
        "fit: dataset.map, element 0: received an error of the function: boom",
      );
      const once = Dataset.fromIterable([{ x, y: labels }][Symbol.iterator]());
      expect((await refused(once, { epochs: 2 }, model)).message).toContain(
        "fit: dataset.fromIterable: received a second pass over an iterator that can be gone through once",
      );
      await model.fit(rows().batch(4), quiet);
    });

    it("are refused where a batch has not the size that the model fixes", async () => {
      const stateful = () => {
        const model = sequential(
          [
            layers.lstm({ units: 2, stateful: true, batchSize: 4, inputShape: [T, D] }),
            layers.dense({ units: 1 }),
          ],
          { seed: 1, backend },
        );
        model.compile({ loss: "mse" });
        return model;
      };
      const ten = Dataset.fromTensorSlices({ x: x.rows(0, 10), y: new Float32Array(10) });
      const { message } = await refused(ten.batch(4), {}, stateful() as never);
      expect(message).toContain(
        "fit, batch 2 of epoch 1: received a batch of 2 rows, expected 4 rows, the batchSize of the first layer. Batch the dataset with batch(4, { dropRemainder: true })",
      );
      const [one, other] = [stateful(), stateful()];
      const full = ten.batch(4, { dropRemainder: true });
      await one.fit(full, quiet);
      await other.fit(x.rows(0, 8), new Float32Array(8), { ...quiet, batchSize: 4, shuffle: false });
      expect(changed(await one.getWeights(), await other.getWeights())).toBe(false);
      expect((await one.predict(full)).shape).toEqual([8, 1]);
    });

    it("are refused where the outputs of their batches cannot be joined", async () => {
      const model = tagger(backend);
      const dataset = Dataset.fromIterable(ragged(4));
      await expect(model.predict(dataset.batch(1))).rejects.toThrow(
        /predict: received outputs of shape \[1, \d, 3\] after \[1, \d, 3\], expected batches whose outputs differ in their rows alone/,
      );
      expect((await model.predict(dataset.paddedBatch(2, { lengthMultiple: 9 }))).shape).toEqual([4, 9, 3]);
    });
  });
}

/** With NaN in the third step of its second row. */
function spoiled(x: Tensor): Tensor {
  const data = Float32Array.from(x.data);
  data[T * D + 2 * D] = Number.NaN;
  return tensor(data, x.shape);
}
