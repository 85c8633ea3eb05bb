import { beforeAll, describe, expect, it } from "vitest";
import { type Backend, layers, RondoError, type Sequential, sequential, Tensor } from "../../src/index.js";
import { uniform } from "../golden/load.js";
import { known } from "../reference.js";

// N samples, B of them in a batch, T time steps, D features.
const [N, B, T, D] = [4, 2, 3, 2];
const x = new Tensor(uniform(3, N * T * D), [N, T, D], "float32");
const y = new Tensor(uniform(4, N), [N, 1], "float32");
const batch = [x.rows(0, B), y.rows(0, B)] as const;
const options = { batchSize: B, epochs: 2, shuffle: false, verbose: 0 } as const;

const numbers = (tensors: readonly Tensor[]) => tensors.map(({ data }) => Array.from(data));

type Method = (model: Sequential) => Promise<unknown>;

/** Every method that takes its turn; each gives what it computed, as plain data. */
const methods: Readonly<Record<string, Method>> = {
  predict: async (m) => numbers([await m.predict(x, { batchSize: B })]),
  predictOnBatch: async (m) => numbers([await m.predictOnBatch(batch[0])]),
  trainOnBatch: (m) => m.trainOnBatch(...batch),
  testOnBatch: (m) => m.testOnBatch(...batch),
  evaluate: (m) => m.evaluate(x, y, { batchSize: B }),
  fit: async (m) => (await m.fit(x, y, options)).history,
  getWeights: async (m) => numbers(await m.getWeights()),
  setWeights: (m) => m.setWeights(setWeights),
  resetStates: (m) => m.resetStates(),
  memory: (m) => m.memory({ batchSize: B }),
};
const setWeights = [
  new Tensor(uniform(5, D * 12), [D, 12], "float32"),
  new Tensor(uniform(6, 3 * 12), [3, 12], "float32"),
  new Tensor(uniform(7, 12), [12], "float32"),
  new Tensor(uniform(8, 3), [3, 1], "float32"),
  new Tensor(uniform(9, 1), [1], "float32"),
];

/** What every backend must make of calls that are not awaited. */
export function orderContract(make: () => Promise<Backend>): void {
  let backend: Backend;
  beforeAll(async () => {
    backend = await make();
  });

  /** A model with a past: its states, where it has some, are not zero. */
  async function fresh(stateful: boolean): Promise<Sequential> {
    const first = { units: 3, inputShape: [T, D] } as const;
    const lstm = stateful ? layers.lstm({ ...first, batchSize: B, stateful }) : layers.lstm(first);
    const model = sequential([lstm, layers.dense({ units: 1 })], { seed: 2, backend });
    model.compile({ optimizer: "adam", loss: "mse", metrics: ["mae"] });
    await model.trainOnBatch(...batch);
    return model;
  }

  const afterwards = async (model: Sequential) => [
    await known(methods.getWeights, "getWeights")(model),
    await known(methods.predictOnBatch, "predictOnBatch")(model),
  ];

  describe.each([false, true])("calls that are not awaited, with recurrent states: %s", (stateful) => {
    const letIn = (second: string) => !stateful && (second === "predict" || second === "predictOnBatch");

    describe.each(Object.keys(methods))("%s", (first) => {
      it.each(Object.keys(methods))(`and then %s have the effect of their order`, async (second) => {
        const [a, b] = [known(methods[first], first), known(methods[second], second)];
        const model = await fresh(stateful);
        const [one, two] = await Promise.allSettled([a(model), b(model)]);

        const turns = await fresh(stateful);
        const letInBefore = first === "fit" && letIn(second);
        const early = letInBefore ? await b(turns) : undefined;
        const expectedOne = await a(turns);
        expect(one).toEqual({ status: "fulfilled", value: expectedOne });
        if (two.status === "rejected") {
          // What is refused has no effect, and is known to be refused.
          expect(two.reason).toBeInstanceOf(RondoError);
          expect([first, ["fit", "trainOnBatch"].includes(second)]).toEqual(["fit", true]);
        } else {
          expect(two.value).toEqual(letInBefore ? early : await b(turns));
        }
        expect(await afterwards(model)).toEqual(await afterwards(turns));
      });
    });
  });

  it("resets all states at once, in the order of calls", async () => {
    const model = sequential([layers.lstm({ units: 1, inputShape: [1, 1], batchSize: 1, stateful: true })], {
      seed: 2,
      backend,
    });
    const one = [[[1]]];
    const [begin = Number.NaN] = (await model.predict(one)).data;
    for (let i = 0; i < 4; i++) await model.predict(one);
    const resetting = model.resetStates();
    expect((await model.predict(one)).data[0]).toBe(begin);
    await resetting;
  });

  it("takes what callbacks call, awaited or not, where they call it", async () => {
    const run = async (awaited: boolean) => {
      const model = await fresh(true);
      const onEpochEnd = () => {
        const reset = model.resetStates();
        return awaited ? reset : undefined;
      };
      const { history } = await model.fit(x, y, { ...options, epochs: 4, callbacks: { onEpochEnd } });
      return [history, await afterwards(model)];
    };
    const never = await fresh(true);
    const { history } = await never.fit(x, y, { ...options, epochs: 4 });
    expect(await run(false)).toEqual(await run(true));
    expect((await run(true))[0]).not.toEqual(history);
  });

  it("lets callbacks of a fit look at the model and change it between the steps", async () => {
    const model = await fresh(false);
    const seen: unknown[] = [];
    const onEpochEnd = async (epoch: number) => {
      seen.push(
        numbers(await model.getWeights()),
        numbers([await model.predict(x)]),
        await model.evaluate(x, y),
      );
      if (epoch === 0) await model.setWeights(setWeights);
    };
    await model.fit(x, y, { ...options, callbacks: { onEpochEnd } });

    const turns = await fresh(false);
    const expected: unknown[] = [];
    for (let epoch = 0; epoch < 2; epoch++) {
      await turns.fit(x, y, { ...options, initialEpoch: epoch, epochs: epoch + 1 });
      expected.push(
        numbers(await turns.getWeights()),
        numbers([await turns.predict(x)]),
        await turns.evaluate(x, y),
      );
      if (epoch === 0) await turns.setWeights(setWeights);
    }
    expect(seen).toEqual(expected);
    expect(await afterwards(model)).toEqual(await afterwards(turns));
  });

  it("lets predictions in between the steps of a fit, and everything else wait for its end", async () => {
    // So many steps that it is asked for long before the last, however busy the machine is.
    const model = await fresh(false);
    const done: string[] = [];
    let step = 0;
    const onTrainBatchEnd = () => {
      step++;
      done.push(`step ${step}`);
    };
    await model.predict(x); // planned before, so that the time it takes does not matter
    const fitting = model.fit(x, y, { ...options, epochs: 300, callbacks: { onTrainBatchEnd } });
    while (step === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    const weights = model.getWeights().then((w) => {
      done.push("weights");
      return numbers(w);
    });
    const setting = model.setWeights(setWeights).then(() => done.push("set"));
    const predicted = model.predict(x).then(() => done.push("prediction"));
    await Promise.all([fitting, weights, setting, predicted]);
    expect(done.indexOf("prediction")).toBeLessThan(done.indexOf("step 600"));
    expect(done.indexOf("weights")).toBeGreaterThan(done.indexOf("step 600"));
    expect(done.indexOf("set")).toBeGreaterThan(done.indexOf("step 600"));
    const turns = await fresh(false);
    await turns.fit(x, y, { ...options, epochs: 300 });
    expect(await weights).toEqual(numbers(await turns.getWeights()));
    expect(numbers(await model.getWeights())).toEqual(numbers(setWeights));
  });

  it("lets callbacks of evaluate and predict look at the model, and refuses changes there", async () => {
    const model = await fresh(false);
    const weights = numbers(await model.getWeights());
    const seen: unknown[] = [];
    const refused: unknown[] = [];
    const onTestBatchEnd = async () => {
      seen.push(numbers(await model.getWeights()));
      await model.setWeights(setWeights).catch((error: RondoError) => refused.push(error.message));
    };
    const evaluating = model.evaluate(x, y, { batchSize: B, callbacks: { onTestBatchEnd } });
    const setting = model.setWeights(setWeights); // waits: the callbacks' looks must not wait for it
    await Promise.all([evaluating, setting]);
    expect(seen).toEqual([weights, weights]);
    const message =
      "setWeights: received a call while a callback of evaluate or predict is at work, expected calls there that change neither weights nor states. Call it after evaluate or predict, or await them before.";
    expect(refused).toEqual([message, message]);
  });

  it("refuses a fit there, which would wait for the callback that calls it", async () => {
    const model = await fresh(false);
    const refused: string[] = [];
    const refit = () =>
      model.fit(x, y, options).then(
        () => {},
        (error: RondoError) => {
          refused.push(error.received);
        },
      );
    await model.evaluate(x, y, { callbacks: { onTestEnd: refit } });
    await model.predict(x, { callbacks: { onPredictEnd: refit } });
    const received = "a call while a callback of evaluate or predict is at work";
    expect(refused).toEqual([received, received]);
    await model.fit(x, y, options);
  });

  it("lets in what a callback calls when it gets the model", async () => {
    const model = await fresh(false);
    let weights: Promise<Tensor[]> | undefined;
    await model.fit(x, y, {
      ...options,
      callbacks: {
        setModel(given) {
          weights = given.getWeights();
        },
        onTrainBegin: async () => {
          await weights;
        },
      },
    });
    expect(await weights).toHaveLength(5);
  });

  it("predicts with the same weights in all steps of a prediction, beside a fit", async () => {
    const model = await fresh(false);
    const row = x.rows(0, 1).data;
    const same = new Tensor(
      Float32Array.from({ length: 8 * row.length }, (_, i) => row[i % row.length] ?? 0),
      [8, T, D],
      "float32",
    );
    const seen = new Set<number>();
    let training = true;
    const fitting = model.fit(x, y, { ...options, epochs: 60 }).then(() => {
      training = false;
    });
    while (training) {
      const { data } = await model.predict(same, { batchSize: 1 });
      expect(new Set(data).size).toBe(1);
      seen.add(data[0] ?? Number.NaN);
    }
    await fitting;
    expect(seen.size).toBeGreaterThan(1); // some were let in
  });

  it("is not disturbed by a compile beside predictions and ready", async () => {
    const model = await fresh(false);
    const expected = numbers([await model.predict(x)]);
    for (let i = 0; i < 10; i++) {
      const calls = [model.predict(x), model.ready(), model.predict(x)];
      await new Promise((resolve) => setTimeout(resolve, i % 3));
      model.compile({ optimizer: "sgd", loss: "mse" });
      const after = model.predict(x);
      await Promise.all(calls);
      expect(numbers([await after])).toEqual(expected);
      if (backend.capabilities.synchronous) model.predictSync(x);
    }
  });

  it("goes on in order after calls that fail", async () => {
    const model = await fresh(false);
    const failing = model.trainOnBatch(x, [[1]]);
    const training = model.trainOnBatch(...batch);
    await expect(failing).rejects.toThrow("trainOnBatch: received 4 samples");
    await training;
    const stop = () => Promise.reject(new Error("mine"));
    const fitting = model.fit(x, y, { ...options, callbacks: { onEpochEnd: stop } });
    const predicted = model.getWeights();
    await expect(fitting).rejects.toThrow("mine");
    await predicted;
    await model.trainOnBatch(...batch);
  });

  it("predicts what was given when it was called", async () => {
    const model = await fresh(false);
    const given = x.data.slice();
    const expected = numbers([await model.predict(x), await model.predictOnBatch(x)]);
    const training = model.trainOnBatch(...batch); // so that the predictions must wait
    const weights = await model.getWeights();
    await training;
    const calls = [
      model.predict({ data: given, shape: x.shape }),
      model.predictOnBatch({ data: given, shape: x.shape }),
    ];
    given.fill(7);
    const now = numbers(await Promise.all(calls));
    expect(now).not.toEqual(expected);
    expect(now).toEqual(numbers([await model.predict(x), await model.predictOnBatch(x)]));
    expect(weights).toHaveLength(5);
  });

  it("says in the stack of an error where the call was", async () => {
    const model = await fresh(false);
    const wide = new Tensor(new Float32Array(3 * N), [N, 3], "float32");
    const long: readonly (() => Promise<unknown>)[] = [
      () => model.fit(x, wide, options),
      () => model.setWeights([[1]]),
      () => model.evaluate(x, [[1]]),
    ];
    for (const call of long) {
      const error = await call().then(
        () => expect.unreachable("no error"),
        (reason: Error) => reason,
      );
      expect(error).toBeInstanceOf(RondoError);
      expect(error.stack).toMatch(/order\.contract/);
    }
    const quick: readonly (() => Promise<unknown>)[] = [
      () => model.trainOnBatch(x, wide),
      () => model.testOnBatch(x, [[1]]),
      () => model.predict(new Tensor(new Float32Array(5), [1, 5], "float32")),
      () => model.predictOnBatch([["a"]] as never),
    ];
    for (const call of quick) {
      try {
        await call();
        expect.unreachable("no error");
      } catch (error) {
        expect(error).toBeInstanceOf(RondoError);
        expect((error as Error).stack).toMatch(/order\.contract/);
      }
    }
  });
}
