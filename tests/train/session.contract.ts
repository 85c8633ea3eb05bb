import { describe, expect, it } from "vitest";
import {
  type Backend,
  Cell,
  type CellOutput,
  defineCell,
  functional,
  input,
  type Layer,
  layers,
  ops,
  type Session,
  type SymbolicTensor,
  sequential,
  stepTogether,
  Tensor,
  type WeightContext,
} from "../../src/index.js";
import { uniform } from "../golden/load.js";

// B rows, T time steps, D features.
const [T, D] = [23, 5];

/** A cell whose output is none of its states. */
const decayDefinition = defineCell("Decay", {});
class Decay extends Cell<typeof decayDefinition.fields> {
  static readonly definition = decayDefinition;
  constructor() {
    super(decayDefinition, {});
  }
  override get stateShapes() {
    return [[D], [2, D]];
  }
  override call(x: SymbolicTensor, [a = x, b = x]: readonly SymbolicTensor[], _: WeightContext): CellOutput {
    const next = ops.add(ops.mul(a, 0.9), ops.tanh(x));
    const pair = ops.add(ops.mul(b, 0.5), ops.expandDims(next, 1));
    return { output: ops.add(ops.sum(pair, 1), ops.exp(next)), states: [next, pair] };
  }
}

const options = { units: 7, returnSequences: true } as const;

/** Layers by what they are, each on [B, T, D]. */
const stacks: Readonly<Record<string, () => Layer[]>> = {
  simpleRNN: () => [layers.simpleRNN(options)],
  "simpleRNN, relu": () => [layers.simpleRNN({ ...options, activation: "relu" })],
  lstm: () => [layers.lstm(options)],
  "lstm of many units": () => [layers.lstm({ ...options, units: 200 })],
  "lstm, no bias, other activations": () => [
    layers.lstm({ ...options, useBias: false, activation: "softsign", recurrentActivation: "hardSigmoid" }),
  ],
  "lstm, an activation without a kernel": () => [layers.lstm({ ...options, activation: "gelu" })],
  gru: () => [layers.gru(options)],
  "gru, reset before": () => [layers.gru({ ...options, resetAfter: false })],
  "stateful gru": () => [layers.gru({ ...options, stateful: true })],
  "the last output": () => [layers.lstm({ units: 7 }), layers.dense({ units: 3, activation: "softmax" })],
  "two layers and a dense one": () => [
    layers.gru(options),
    layers.dropout({ rate: 0.5 }),
    layers.lstm({ ...options, units: 33 }),
    layers.dense({ units: 19, activation: "softmax" }),
  ],
  normalised: () => [
    layers.layerNormalization(),
    layers.lstm(options),
    layers.batchNormalization(),
    layers.layerNormalization(),
    layers.unitNormalization(),
    layers.dense({ units: 4, activation: "gelu" }),
  ],
  stackedRNNCells: () => [
    layers.rnn({
      cell: layers.stackedRNNCells({ cells: [layers.lstmCell({ units: 6 }), layers.gruCell({ units: 9 })] }),
      returnSequences: true,
    }),
  ],
  "a cell of one's own": () => [layers.rnn({ cell: new Decay(), returnSequences: true })],
  "own and built-in cells": () => [
    layers.rnn({ cell: [layers.lstmCell({ units: D }), new Decay()], returnSequences: true }),
  ],
  masked: () => [layers.masking(), layers.lstm(options), layers.gru({ ...options, zeroOutputForMask: true })],
  "masked, the last output": () => [layers.masking(), layers.gru(options), layers.lstm({ units: 6 })],
  "masked, the last output or zero": () => [
    layers.masking(),
    layers.lstm({ units: 6, zeroOutputForMask: true }),
  ],
  "masked cells of one's own": () => [
    layers.masking(),
    layers.rnn({ cell: [layers.simpleRNNCell({ units: D }), new Decay()], returnSequences: true }),
  ],
  timeDistributed: () => [
    layers.lstm(options),
    layers.timeDistributed({ layer: layers.dense({ units: 3, activation: "softmax" }) }),
  ],
  "windows within each step": () => [
    ...[
      layers.reshape({ targetShape: [D, 1] }),
      layers.conv1d({ filters: 3, kernelSize: 2, activation: "relu" }),
      layers.maxPooling1d({ poolSize: 2 }),
      layers.flatten(),
    ].map((layer: Layer) => layers.timeDistributed({ layer })),
    layers.lstm(options),
  ],
};

/** How T steps are cut: 0 stands for one without an axis of time. */
const cuts: readonly (readonly number[])[] = [
  Array<number>(T).fill(0),
  Array<number>(T).fill(1),
  [1, 5, 0, 9, 2, 0, 4],
  [T - 1, 1],
];

const data = (rows: number, masked: boolean) => {
  const x = uniform(5, rows * T * D);
  if (masked)
    for (let b = 0; b < rows; b++)
      for (let t = 0; t < T; t++)
        if (t < 3 || (t + b) % 4 === 0 || t >= T - b) x.fill(0, (b * T + t) * D, (b * T + t + 1) * D);
  return new Tensor(x, [rows, T, D], "float32");
};

/** Steps [begin, end) of x [B, T, ..]. */
function stepsOf(x: Tensor, begin: number, end: number): Tensor {
  const [rows = 1, time = 1, ...rest] = x.shape;
  const width = rest.reduce((a, b) => a * b, 1);
  const parts = Array.from({ length: rows }, (_, b) => [
    ...x.data.subarray((b * time + begin) * width, (b * time + end) * width),
  ]);
  return new Tensor(Float32Array.from(parts.flat()), [rows, end - begin, ...rest], "float32");
}

export function sessionContract(make: () => Promise<Backend>): void {
  describe("sessions", () => {
    it.each(Object.entries(stacks))(
      "give the bits of the whole sequence, however it is cut: %s",
      async (name, stack) => {
        const backend = await make();
        for (const rows of [1, 3]) {
          const [first, ...rest] = stack();
          const model = sequential(
            [layers.inputLayer({ inputShape: [null, D], batchSize: rows }), first as Layer, ...rest],
            { seed: 3, backend },
          );
          const x = data(rows, name.startsWith("masked"));
          await model.ready();
          const whole = (await model.predict(x, { batchSize: rows })) as Tensor;
          const session = await model.session({ rows });
          for (const [i, cut] of cuts.entries()) {
            session.reset();
            let t = 0;
            for (const [j, count] of cut.entries()) {
              const steps = Math.max(count, 1);
              const chunk = stepsOf(x, t, t + steps);
              const given = count === 0 ? chunk.reshape([rows, D]) : chunk;
              const y = (j % 2 === i % 2 ? await session.step(given) : session.stepSync(given)) as Tensor;
              t += steps;
              if (whole.rank === 2) {
                if (t === T) expect([...y.data]).toEqual([...whole.data]);
                continue;
              }
              const [, , C = 1] = whole.shape;
              expect(y.shape).toEqual(count === 0 ? [rows, C] : [rows, steps, C]);
              expect([...y.data], `steps to ${t}, cut ${i}`).toEqual([...stepsOf(whole, t - steps, t).data]);
            }
          }
        }
      },
    );

    const small = (backend: Backend, rows = 1) =>
      sequential([layers.lstm({ units: 6, inputShape: [null, D] }), layers.dense({ units: 2 })], {
        seed: 4,
        backend,
        name: `small${rows}`,
      });
    const random = (rows: number, steps: number, seed: number) =>
      new Tensor(uniform(seed, rows * steps * D), [rows, steps, D], "float32");

    it("go on from a snapshot that went through JSON, and begin anew", async () => {
      const model = small(await make());
      const session = await model.session({ rows: 2 });
      const [a, b] = [random(2, 4, 1), random(2, 3, 2)];
      const first = await session.step(a);
      const snapshot = JSON.parse(JSON.stringify(session.snapshot()));
      const second = await session.step(b);
      const other = await model.session({ rows: 2 });
      other.restore(snapshot);
      expect(await other.step(b)).toEqual(second);
      expect(await other.step(b)).not.toEqual(second);
      session.reset();
      expect(await session.step(a)).toEqual(first);
      session.restore(snapshot);
      expect(await session.step(b)).toEqual(second);
    });

    it("keep states that JSON has no numbers for", async () => {
      const model = sequential(
        [layers.simpleRNN({ units: 3, activation: "linear", inputShape: [null, 1] })],
        {
          backend: await make(),
        },
      );
      await model.setWeights([
        [[1, 1, -1]],
        [
          [0, 0, 0],
          [0, 0, 0],
          [0, 0, 0],
        ],
        [0, 0, 0],
      ]);
      const session = await model.session();
      await session.step([[Number.POSITIVE_INFINITY]]);
      const { states } = session.snapshot();
      expect(Object.values(states)).toEqual([["Infinity", "Infinity", "-Infinity"]]);
      session.restore(JSON.parse(JSON.stringify(session.snapshot())));
      expect(session.snapshot().states).toEqual(states);
    });

    it("refuse snapshots that do not fit, and stay as they were", async () => {
      const model = small(await make());
      const session = await model.session();
      await session.step(random(1, 3, 1));
      const before = session.snapshot();
      const wrong = { ...before, states: { "lstm/0": [1, 2] } };
      expect(() => session.restore(wrong)).toThrow("2 numbers for the state lstm/0, expected 6 numbers");
      expect(() => session.restore({ ...before, rows: 2 })).toThrow("a snapshot of 2 rows, expected 1 rows");
      expect(() => session.restore({ ...before, states: {} })).toThrow("for the state lstm/0");
      expect(session.snapshot()).toEqual(before);
    });

    it("step together, each as by itself", async () => {
      const model = small(await make());
      const sessions = await Promise.all([1, 2, 1].map((rows) => model.session({ rows })));
      const alone = await Promise.all([1, 2, 1].map((rows) => model.session({ rows })));
      for (const steps of [3, 1]) {
        const x = [1, 2, 1].map((rows, i) => random(rows, steps, 10 * steps + i));
        const given = steps === 1 ? x.map((one) => one.reshape([one.shape[0] ?? 1, D])) : x;
        const together = await stepTogether(sessions, given);
        for (const [i, session] of alone.entries()) {
          const own = (await session.step(given[i] as Tensor)) as Tensor;
          expect(together[i]?.shape).toEqual(own.shape);
          for (const [j, value] of own.data.entries())
            expect(Math.abs((together[i]?.data[j] ?? Number.NaN) - value)).toBeLessThan(2e-6);
        }
      }
      const [a, b] = sessions as [Session, Session];
      await expect(stepTogether([a, a], [random(1, 1, 1), random(1, 1, 1)])).rejects.toThrow(
        "a session twice",
      );
      await expect(stepTogether([a], [])).rejects.toThrow("1 sessions and 0 inputs");
      await expect(stepTogether([a, b], [random(1, 1, 1), random(2, 2, 1)])).rejects.toThrow(
        "different numbers of steps",
      );
      const stranger = await small(await make(), 2).session();
      await expect(stepTogether([a, stranger], [random(1, 1, 1), random(1, 1, 1)])).rejects.toThrow(
        "sessions of different models",
      );
      expect(await stepTogether([], [])).toEqual([]);
    });

    it("see the weights as predictions do, also beside a fit, and leave the model as it is", async () => {
      const backend = await make();
      const model = sequential(
        [
          layers.lstm({ units: 6, inputShape: [null, D], batchSize: 4, stateful: true }),
          layers.dense({ units: 2 }),
        ],
        { seed: 4, backend },
      );
      model.compile({ optimizer: "sgd", loss: "meanSquaredError" });
      const session = await model.session();
      const x = random(1, 5, 3);
      const before = await session.step(x);
      const [tx, ty] = [random(40, 5, 4), uniform(9, 80)];
      const fitting = model.fit(tx, new Tensor(ty, [40, 2], "float32"), {
        batchSize: 4,
        epochs: 3,
        verbose: 0,
      });
      session.reset();
      const meanwhile = (await session.step(x)) as Tensor;
      expect(meanwhile.data.every(Number.isFinite)).toBe(true);
      await fitting;
      session.reset();
      const after = (await session.step(x)) as Tensor;
      expect(after).not.toEqual(before);
      // The same weights without states of the model's own.
      const copy = sequential(
        [layers.lstm({ units: 6, inputShape: [null, D] }), layers.dense({ units: 2 })],
        {
          backend,
        },
      );
      await copy.setWeights(await model.getWeights());
      expect(after).toEqual(await copy.predict(x));
      const states = (await model.snapshot()).states;
      await session.step(x);
      expect((await model.snapshot()).states).toEqual(states);
    });

    it("do what is called on them one after the other", async () => {
      const model = small(await make());
      const [a, b] = [await model.session(), await model.session()];
      const x = [1, 2, 3, 4].map((seed) => random(1, 2, seed));
      const all = await Promise.all(x.map((one) => a.step(one)));
      for (const [i, one] of x.entries()) expect(await b.step(one)).toEqual(all[i]);
      const running = a.step(x[0] as Tensor);
      expect(() => a.snapshot()).toThrow("a call while another one of the session is under way");
      expect(() => a.stepSync(x[0] as Tensor)).toThrow("under way");
      await running;
      await expect(a.step([[1, 2, 3]])).rejects.toThrow("session.step: received x of shape [1, 3]");
      await expect(a.step(random(2, 1, 1))).rejects.toThrow("x of 2 rows, expected 1, as the session has");
      await expect(a.step(new Tensor(new Float32Array(0), [1, 0, D], "float32"))).rejects.toThrow(
        "at least one step",
      );
      expect(a.snapshot()).not.toEqual(b.snapshot());
    });

    it("take several inputs, ids among them, and what does not come in steps", async () => {
      const backend = await make();
      const words = input({ shape: [null], dtype: "int32", name: "words" });
      const values = input({ shape: [null, 3], name: "values" });
      const hints = input({ shape: [4], name: "hints" });
      const read = layers
        .concatenate()
        .apply([layers.embedding({ inputDim: 9, outputDim: 5, maskZero: true }).apply(words), values]);
      const [all, last] = [
        layers.gru({ units: 6, returnSequences: true }).apply(read),
        layers.lstm({ units: 4 }).apply(read),
      ];
      const model = functional({
        inputs: { words, values, hints },
        outputs: {
          steps: layers.dense({ units: 2 }).apply(all),
          last: layers.concatenate().apply([last, layers.dense({ units: 3 }).apply(hints)]),
        },
        backend,
        seed: 2,
      });
      const ids = Int32Array.from([0, 3, 8, 0, 1, 5, 2, 0, 0, 4, 7, 6]);
      const x = {
        words: new Tensor(ids, [2, 6], "int32"),
        values: new Tensor(uniform(1, 36), [2, 6, 3], "float32"),
        hints: new Tensor(uniform(2, 8), [2, 4], "float32"),
      };
      const whole = await model.predict(x, { batchSize: 2 });
      const session = await model.session({ rows: 2 });
      let last_: Tensor | undefined;
      for (let t = 0; t < 6; t++) {
        const y = await session.step({
          words: [ids[t] ?? 0, ids[6 + t] ?? 0],
          values: stepsOf(x.values, t, t + 1).reshape([2, 3]),
          hints: x.hints,
        });
        expect([...y.steps.data]).toEqual([...stepsOf(whole.steps, t, t + 1).data]);
        last_ = y.last;
      }
      expect(last_).toEqual(whole.last);
    });

    it("are many over one set of weights", async () => {
      const model = small(await make());
      await model.ready();
      const sessions = await Promise.all(Array.from({ length: 500 }, () => model.session()));
      const x = random(1, 1, 1).reshape([1, D]);
      const [first, ...rest] = sessions.map((session) => session.stepSync(x));
      for (const y of rest) expect(y).toEqual(first);
    });

    const refused: readonly (readonly [string, () => Layer[], string])[] = [
      ["bidirectional", () => [layers.bidirectional({ layer: layers.lstm({ units: 3 }) })], "backwards"],
      ["lstm", () => [layers.lstm({ units: 3, goBackwards: true })], "backwards"],
      ["global_max_pooling1d", () => [layers.globalMaxPooling1d()], "takes all time steps together"],
      [
        "global_average_pooling1d",
        () => [layers.lstm({ units: 3, returnSequences: true }), layers.globalAveragePooling1d()],
        "together",
      ],
      [
        "conv1d",
        () => [layers.conv1d({ filters: 3, kernelSize: 2, padding: "causal" })],
        "looks through windows over the time steps",
      ],
      ["max_pooling1d", () => [layers.maxPooling1d()], "windows over the time steps"],
      [
        "conv1d",
        () => [layers.conv1d({ filters: 3, kernelSize: 1, strides: 2 }), layers.lstm({ units: 2 })],
        "windows over the time steps",
      ],
      [
        "average_pooling1d",
        () => [layers.averagePooling1d({ poolSize: 2, strides: 1 })],
        "windows over the time steps",
      ],
      ["crf", () => [layers.crf({ units: D })], "finds the best path over all time steps"],
      ["permute", () => [layers.permute({ dims: [2, 1] })], "moves the time steps to another axis"],
      ["zero_padding1d", () => [layers.zeroPadding1d()], "puts sequences one behind the other"],
      ["cropping1d", () => [layers.cropping1d({ cropping: [1, 0] })], "takes some of the time steps out"],
      ["lambda", () => [layers.lambda({ call: (x) => ops.softmax(x, 1) })], "normalised over the time steps"],
      [
        "lambda",
        () => [
          layers.lambda({
            call: (x) =>
              ops.transpose(
                ops.scan({
                  sequences: [ops.transpose(x, [1, 0, 2])],
                  states: [{ shape: [x.shape[0] ?? 1, D], dtype: "float32" }],
                  step: ([a = x], [s = x]) => ({ outputs: [ops.add(a, s)], states: [ops.add(a, s)] }),
                }).outputs[0] ?? x,
                [1, 0, 2],
              ),
          }),
        ],
        "begin anew with every call",
      ],
    ];
    it.each(refused)(
      "refuse a model that needs steps to come, by the layer's name: %s",
      async (name, stack, why) => {
        const [first, ...rest] = stack();
        const model = sequential([layers.inputLayer({ inputShape: [8, D] }), first as Layer, ...rest], {
          backend: await make(),
        });
        const refusal = await model.session().then(String, String);
        expect(refusal).toContain(why);
        expect(refusal).toContain(name);
        expect(refusal).toContain("Use layers that go forwards");
      },
    );
  });
}
