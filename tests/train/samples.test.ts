import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Backend, createBackend, type Layer, layers, sequential } from "../../src/index.js";
import { refusal } from "../arrays.js";

// Samples without axes: x is [N], the model's input [batch].

describe("a model of single numbers", () => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await createBackend({ backend: "wasm", threads: 1 });
  });
  afterAll(() => backend.close());

  it("takes a list of them", async () => {
    const model = sequential([layers.inputLayer({ shape: [] }), layers.activation({ activation: "relu" })], {
      backend,
    });
    expect([model.inputShape, model.outputShape]).toEqual([[null], [null]]);
    const y = await model.predict([-1, 2, 3]);
    expect([y.shape, [...y.data]]).toEqual([[3], [0, 2, 3]]);
  });

  it.each([
    ["flatten", layers.flatten],
    ["reshape", () => layers.reshape({ targetShape: [1] })],
  ])("learns after %s", async (_, first) => {
    const model = sequential([layers.inputLayer({ shape: [] }), first(), layers.dense({ units: 1 })], {
      backend,
    });
    model.compile({ optimizer: "sgd", loss: "meanSquaredError" });
    const { history } = await model.fit([1, 2, 3], [1, 2, 3], { epochs: 2, verbose: 0 });
    expect(history.loss).toHaveLength(2);
    expect((await model.predict([1, 2, 3])).shape).toEqual([3, 1]);
    expect(await model.evaluate([1, 2, 3], [1, 2, 3])).toHaveLength(1);
  });

  it("refuses what has axes, and layers that need one", async () => {
    const model = sequential([layers.inputLayer({ shape: [] }), layers.flatten()], { backend });
    await expect(model.predict([[1], [2]])).rejects.toThrow(
      "predict: received x of shape [2, 1], expected [batch]",
    );
    const stack: readonly Layer[] = [layers.inputLayer({ shape: [] }), layers.dense({ units: 1 })];
    expect(refusal(() => sequential(stack)).message).toContain(
      'dense "dense": received [batch], expected [batch, .., features]. Give every sample an axis of features, for example with reshape',
    );
  });
});

it("data of a batch whose axis stands in inputShape are told so", async () => {
  const model = sequential([layers.dense({ units: 2, inputShape: [null, 5, 1] })]);
  await expect(model.predict(new Array(3).fill([[1], [1], [1], [1], [1]]))).rejects.toThrow(
    "Leave the batch axis out of the first layer's inputShape, as in [5, 1].",
  );
});
