import { beforeAll, describe, expect, it } from "vitest";
import {
  type Backend,
  functional,
  input,
  layers,
  loadModel,
  type Optimizer,
  optimizers,
  regularizers,
  sequential,
  Tensor,
} from "../../src/index.js";

/** Every optimizer, with the options that decide whether rows move which a step does not name. */
const kinds: Readonly<Record<string, () => Optimizer>> = {
  ...Object.fromEntries(
    Object.entries(optimizers).map(([name, make]) => [name, () => make({ learningRate: 0.1 })]),
  ),
  "sgd with momentum": () => optimizers.sgd({ learningRate: 0.1, momentum: 0.9 }),
  "rmsprop with momentum": () => optimizers.rmsprop({ learningRate: 0.1, momentum: 0.5 }),
  "rmsprop, centered": () => optimizers.rmsprop({ learningRate: 0.1, centered: true }),
  "adam with amsgrad": () => optimizers.adam({ learningRate: 0.1, amsgrad: true }),
  "sgd with decay": () => optimizers.sgd({ learningRate: 0.1, weightDecay: 0.01 }),
  "adadelta, limited": () => optimizers.adadelta({ learningRate: 1, globalClipNorm: 0.1 }),
  "adam, limited": () => optimizers.adam({ learningRate: 0.1, clipNorm: 0.05 }),
  "rmsprop, limited": () => optimizers.rmsprop({ learningRate: 0.1, clipValue: 0.01 }),
  "adagrad, accumulated": () => optimizers.adagrad({ learningRate: 0.1, gradientAccumulationSteps: 2 }),
  "adadelta, averaged": () => optimizers.adadelta({ learningRate: 1, useEma: true }),
};

/** Batches of ids below 9 of which most steps name few. */
const batch = (step: number) =>
  new Tensor(
    Int32Array.from({ length: 12 }, (_, i) =>
      i % 4 === 3 ? 0 : (i * i + 5 * step) % (step % 3 === 0 ? 9 : 3),
    ),
    [3, 4],
    "int32",
  );
const targets = Float32Array.of(0.5, -1, 2);

/** What every backend must make of tables whose rows are looked up. */
export function tablesContract(make: () => Promise<Backend>): void {
  let backend: Backend;
  beforeAll(async () => {
    backend = await make();
  });

  const model = (options: Partial<Parameters<typeof layers.embedding>[0]> = {}) =>
    sequential(
      [
        layers.embedding({ inputDim: 9, outputDim: 5, maskZero: true, ...options }),
        layers.lstm({ units: 3 }),
        layers.dense({ units: 1 }),
      ],
      { backend, seed: 4 },
    );
  const weightsOf = async (m: ReturnType<typeof model>) =>
    (await m.getWeights()).flatMap(({ data }) => [...data]);

  describe("tables", () => {
    it.each(Object.entries(kinds))("are updated by %s as arrays are", async (_, optimizer) => {
      const table = model();
      // A regularizer reads the table as a whole, so that it is updated as one.
      const whole = model({ embeddingsRegularizer: regularizers.l2({ l2: 0 }) });
      await whole.setWeights(await table.getWeights());
      for (const one of [table, whole]) {
        one.compile({ optimizer: optimizer(), loss: "meanSquaredError" });
        for (let step = 0; step < 7; step++) await one.trainOnBatch(batch(step), targets);
      }
      const [got, expected] = [await weightsOf(table), await weightsOf(whole)];
      for (const [i, value] of got.entries()) expect(value).toBeCloseTo(expected[i] ?? Number.NaN, 5);
    });

    it("that are lazy leave alone what a step does not name", async () => {
      const lazy = model({ lazy: true });
      lazy.compile({ optimizer: optimizers.adam({ learningRate: 0.1 }), loss: "meanSquaredError" });
      const named = new Set<number>();
      const [before] = await lazy.getWeights();
      for (const step of [1, 2, 4]) {
        for (const id of batch(step).data) if (id !== 0) named.add(id);
        await lazy.trainOnBatch(batch(step), targets);
      }
      const [after] = await lazy.getWeights();
      for (let row = 0; row < 9; row++) {
        const same = before?.rows(row, row + 1).data.every((v, i) => v === after?.data[row * 5 + i]);
        expect(same).toBe(!named.has(row));
      }
    });

    it("go on in the same bits from a file, for Keras's slots as for what it has not", async () => {
      for (const optimizer of ["adadelta", "adam", "rmsprop"] as const) {
        const own = model({ lazy: optimizer === "adam" });
        own.compile({ optimizer, loss: "meanSquaredError" });
        for (let step = 0; step < 4; step++) await own.trainOnBatch(batch(step), targets);
        const loaded = await loadModel(await own.save(), { backend });
        for (let step = 4; step < 8; step++)
          expect(await loaded.trainOnBatch(batch(step), targets)).toEqual(
            await own.trainOnBatch(batch(step), targets),
          );
        expect((await loaded.getWeights()).map((w) => w.array())).toEqual(
          (await own.getWeights()).map((w) => w.array()),
        );
      }
    });

    it("that are frozen keep their bits, and begin with what is given", async () => {
      const weights = new Tensor(
        Float32Array.from({ length: 45 }, (_, i) => Math.sin(i)),
        [9, 5],
        "float32",
      );
      const frozen = model({ weights, trainable: false });
      frozen.compile({ optimizer: "adam", loss: "meanSquaredError" });
      for (let step = 0; step < 3; step++) await frozen.trainOnBatch(batch(step), targets);
      const [table] = await frozen.getWeights();
      expect(table?.data).toEqual(weights.data);
    });

    it("that several layers read are one, and dense where it is tied", async () => {
      const [a, b] = [
        input({ shape: [null], name: "a", dtype: "int32" }),
        input({ shape: [4], name: "b", dtype: "int32" }),
      ];
      const table = layers.embedding({ inputDim: 9, outputDim: 5 });
      const pool = layers.globalAveragePooling1d();
      const both = layers.concatenate().apply([pool.apply(table.apply(a)), pool.apply(table.apply(b))]);
      const twice = functional({
        inputs: { a, b },
        outputs: layers.dense({ units: 1 }).apply(both),
        backend,
        seed: 2,
      });
      twice.compile({ optimizer: "adadelta", loss: "meanSquaredError" });
      const first = await twice.trainOnBatch({ a: batch(0), b: batch(1) }, targets);
      for (let i = 0; i < 60; i++) await twice.trainOnBatch({ a: batch(0), b: batch(1) }, targets);
      const last = await twice.trainOnBatch({ a: batch(0), b: batch(1) }, targets);
      expect(last[0]).toBeLessThan(first[0]);
    });

    it("refuse ids that they have not, by row and step", async () => {
      const m = model();
      const ids = new Tensor(Int32Array.of(1, 2, 3, 4, 5, 12, 7, 8), [2, 4], "int32");
      await expect(m.predict(ids)).rejects.toThrow(
        "the id 12 in row 1, step 1 of the batch, expected ids from 0 to 8",
      );
    });
  });
}
