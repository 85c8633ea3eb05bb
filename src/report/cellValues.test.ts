import { describe, expect, it } from "vitest";
import { RondoError } from "../errors.js";
import { functional, input, layers, type Model, type Sequential, sequential, Tensor } from "../index.js";
import { type CellValues, type CellValuesOptions, cellValues } from "./cellValues.js";

// N samples, T time steps, D features, H units.
const [N, T, D, H] = [3, 5, 4, 6];
const wave = (shape: readonly number[], rate = 0.7) =>
  new Tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(rate * i + 0.3)),
    shape,
    "float32",
  );
const x = wave([N, T, D]);
/** Weights that are not those of the first moment: biases differ from 0, every gate from the others. */
async function shaken(model: Sequential): Promise<Sequential> {
  const weights = await model.getWeights();
  await model.setWeights(weights.map(({ shape }, i) => wave(shape, 0.37 + 0.11 * i)));
  return model;
}
const numbers = (tensor: Tensor | undefined): readonly number[] => Array.from(tensor?.data ?? []);
function near(given: Tensor | undefined, expected: readonly number[]) {
  const values = numbers(given);
  expect(values).toHaveLength(expected.length);
  expect(values.length).toBeGreaterThan(0);
  for (const [i, value] of values.entries()) expect(value).toBeCloseTo(expected[i] ?? Number.NaN, 5);
}
/** A value of the step before, 0 before the first; [N, T, H]. */
const stepBefore = (values: readonly number[], step = 1) =>
  values.map((_, i) => {
    const t = Math.floor(i / H) % T;
    return t - step < 0 || t - step >= T ? 0 : (values[i - step * H] ?? 0);
  });

describe("cellValues", () => {
  it.each([
    ["lstm", layers.lstm({ units: H, returnSequences: true, inputShape: [T, D] })],
    ["gru", layers.gru({ units: H, returnSequences: true, inputShape: [T, D] })],
    ["gru", layers.gru({ units: H, returnSequences: true, resetAfter: false, inputShape: [T, D] })],
    ["simpleRNN", layers.simpleRNN({ units: H, returnSequences: true, inputShape: [T, D] })],
  ])("gives the h that the fused kernel of %s gives", async (_, layer) => {
    const model = await shaken(sequential([layer], { seed: 1 }));
    const [read] = await cellValues(model, x);
    near(read?.values.h, numbers(await model.predict(x)));
    expect(read?.values.h?.shape).toEqual([N, T, H]);
  });

  it("gives gates from which an LSTM's states follow by its equations", async () => {
    const model = await shaken(sequential([layers.lstm({ units: H, inputShape: [T, D] })], { seed: 1 }));
    const [read] = await cellValues(model, x);
    expect(read).toMatchObject({ layer: "lstm", cell: "LSTMCell" });
    expect(Object.keys(read?.values ?? {})).toEqual(["i", "f", "g", "o", "c", "h"]);
    const [i, f, g, o, c] = ["i", "f", "g", "o", "c"].map((letter) => numbers(read?.values[letter]));
    const last = stepBefore(c ?? []);
    near(
      read?.values.c,
      last.map((value, k) => (f?.[k] ?? 0) * value + (i?.[k] ?? 0) * (g?.[k] ?? 0)),
    );
    near(
      read?.values.h,
      (c ?? []).map((value, k) => (o?.[k] ?? 0) * Math.tanh(value)),
    );
    const final = numbers(read?.values.h).filter((_, k) => Math.floor(k / H) % T === T - 1);
    near(await model.predict(x), final);
  });

  it("gives gates from which a GRU's state follows, in the order of the input's steps also backwards", async () => {
    const gru = layers.gru({ units: H, goBackwards: true, inputShape: [T, D] });
    const model = await shaken(sequential([gru], { seed: 1 }));
    const [read] = await cellValues(model, x);
    expect(Object.keys(read?.values ?? {})).toEqual(["z", "r", "g", "h"]);
    const [z, g, h] = ["z", "g", "h"].map((letter) => numbers(read?.values[letter]));
    const last = stepBefore(h ?? [], -1);
    near(
      read?.values.h,
      last.map((value, k) => (z?.[k] ?? 0) * value + (1 - (z?.[k] ?? 0)) * (g?.[k] ?? 0)),
    );
    near(
      await model.predict(x),
      (h ?? []).filter((_, k) => Math.floor(k / H) % T === 0),
    );
  });

  it("reads both directions, of what the layers before make of the input, under its mask", async () => {
    const ids = [
      [1, 2, 3, 0, 0],
      [4, 1, 1, 2, 0],
      [3, 0, 0, 0, 0],
    ];
    const model = await shaken(
      sequential(
        [
          layers.embedding({ inputDim: 5, outputDim: D, maskZero: true, inputShape: [null] }),
          layers.bidirectional({ layer: layers.lstm({ units: H, returnSequences: true }) }),
          layers.dense({ units: 1 }),
        ],
        { seed: 1 },
      ),
    );
    const [embedding, both] = model.layers;
    if (embedding === undefined || both === undefined) throw new Error("two layers");
    const read = await cellValues(model, ids, { layer: "bidirectional" });
    expect(read.map(({ layer }) => layer)).toEqual([
      "bidirectional/forward_lstm",
      "bidirectional/backward_lstm",
    ]);
    const counts = numbers(read[0]?.mask);
    expect(counts).toEqual(ids.flat().map((id) => (id === 0 ? 0 : 1)));
    const cut = sequential([embedding, both]);
    const given = await cut.predict(ids);
    const joined = counts.flatMap((count, step) =>
      read.flatMap(({ values }) =>
        count === 0 ? Array<number>(H).fill(0) : numbers(values.h).slice(step * H, (step + 1) * H),
      ),
    );
    near(given as Tensor, joined);
  });

  it("finds a layer of a graph by its name, with initial states, and each of stacked cells", async () => {
    const words = input({ shape: [T, D], name: "words" });
    const other = input({ shape: [T, D], name: "other" });
    const [, ...states] = layers.lstm({ units: H, returnState: true }).apply(words);
    const decoder = layers.lstm({ units: H, name: "decoder" });
    const cells = [layers.gruCell({ units: 2 }), layers.simpleRNNCell({ units: 3 })];
    const stack = layers.rnn({ cell: cells, name: "stack" });
    const model = functional({
      inputs: { words, other },
      outputs: {
        decoded: decoder.apply(other, { initialState: states }),
        stacked: stack.apply(other),
      },
    });
    const data = { words: x, other: wave([N, T, D], 1.3) };
    const predicted = await model.predict(data);
    const lastOf = (read: CellValues | undefined) => {
      const { data: all = new Float32Array(), shape = [] } = read?.values.h ?? {};
      const units = shape[2] ?? 1;
      return Array.from(all).filter((_, k) => Math.floor(k / units) % T === T - 1);
    };
    const [decoded] = await cellValues(model, data, { layer: "decoder" });
    near(predicted.decoded, lastOf(decoded));
    const stacked = await cellValues(model, data, { layer: "stack" });
    expect(stacked.map(({ cell }) => cell)).toEqual(["GRUCell", "SimpleRNNCell"]);
    expect(stacked.map(({ values }) => Object.keys(values))).toEqual([["z", "r", "g", "h"], ["h"]]);
    near(predicted.stacked, lastOf(stacked[1]));
  });

  it("goes on from the states of a stateful layer, and leaves them", async () => {
    const layer = layers.lstm({ units: H, stateful: true, batchSize: N, inputShape: [T, D] });
    const model = await shaken(sequential([layer], { seed: 1 }));
    await model.predict(x);
    const [read] = await cellValues(model, x);
    const again = await model.predict(x);
    near(
      again as Tensor,
      numbers(read?.values.h).filter((_, k) => Math.floor(k / H) % T === T - 1),
    );
  });

  it.each([
    [() => sequential([layers.dense({ units: 1, inputShape: [T, D] })]), {}, /without a recurrent layer/],
    [() => sequential([layers.lstm({ units: H })]), {}, /has not been built.*inputShape/],
    [
      () => sequential([layers.lstm({ units: H, inputShape: [T, D] })]),
      { layer: "lstn" },
      /Did you mean "lstm"/,
    ],
    [
      () => sequential([layers.lstm({ units: H, inputShape: [T, D] }), layers.dense({ units: 1 })]),
      { layer: 1 },
      /received the layer dense "dense".*Choose one of its layers: lstm/,
    ],
    [() => undefined, {}, /received undefined, expected a model/],
    [
      () => sequential([layers.lstm({ units: H, inputShape: [T, D] })]),
      { layers: 1 },
      /unknown option "layers"/,
    ],
    [
      () => sequential([layers.convLstm1d({ filters: 2, kernelSize: 1, inputShape: [T, D, 1] })]),
      {},
      /steps of shape .*expected \[N, T, units\]/,
    ],
  ])("refuses what it cannot look into: %#", async (make, options, message) => {
    const given = make() as Model;
    const some = given?.layers[0]?.className.startsWith("Conv") ? wave([N, T, D, 1]) : x;
    const call = () => cellValues(given, some, options as CellValuesOptions);
    await expect(call()).rejects.toThrow(message);
    await expect(call()).rejects.toThrow(RondoError);
  });
});
