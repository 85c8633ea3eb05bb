import { beforeAll, describe, expect, it } from "vitest";
import type { Backend } from "../../src/index.js";
import { functional, input, layers, ops, sequential, tensor, zeros } from "../../src/index.js";
import { type CallContext, defineLayer, type Inputs, Layer } from "../../src/layers/layer.js";
import { refusal } from "../arrays.js";

const { lstm, dense, bidirectional } = layers;

/** Joins its inputs along the last axis. */
class Join extends Layer {
  constructor() {
    super(defineLayer("Join", {}, { inputs: "several" }), {});
  }
  override call(inputs: Inputs): ReturnType<typeof ops.concat> {
    return ops.concat([...inputs], -1);
  }
}

/** Counts the batches that it has seen in training, and adds their mean to its input. */
class Statistic extends Layer {
  #seen: ReturnType<Layer["weights"]>[number] | undefined;
  constructor() {
    super(defineLayer("Statistic", {}), {});
  }
  protected override declareWeights(): void {
    this.#seen = this.addWeight("seen", [1], "zeros", { trainable: false });
  }
  override call([x]: Inputs, context: CallContext): typeof x {
    const weight = this.builtWeight(this.#seen);
    const seen = context.weight(weight);
    if (context.training) context.assign(weight, ops.add(seen, 1));
    return ops.add(x, ops.mul(seen, 0));
  }
}

const random = (shape: readonly number[], seed = 1) => {
  let state = seed;
  const size = shape.reduce((n, d) => n * d, 1);
  return tensor(
    Float32Array.from({ length: size }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) | 0;
      return state / 2 ** 31;
    }),
    shape,
  );
};

/** Functional models on any backend. */
export function functionalContract(make: () => Promise<Backend>): void {
  let backend: Backend;
  beforeAll(async () => {
    backend = await make();
  });

  describe("functional models", () => {
    it("train like the same chain of layers", async () => {
      const x = random([6, 5, 3]);
      const y = random([6, 2], 2);
      const chain = sequential(
        [
          lstm({ units: 4, returnSequences: true, inputShape: [5, 3] }),
          lstm({ units: 3 }),
          dense({ units: 2 }),
        ],
        { backend, seed: 3 },
      );
      const given = input({ shape: [5, 3] });
      const first = lstm({ units: 4, returnSequences: true }).apply(given);
      const outputs = dense({ units: 2 }).apply(lstm({ units: 3 }).apply(first));
      const model = functional({ inputs: given, outputs, backend, seed: 3 });
      for (const m of [chain, model]) m.compile({ optimizer: "adam", loss: "meanSquaredError" });
      const histories = [
        await chain.fit(x, y, { epochs: 3, batchSize: 2, verbose: 0 }),
        await model.fit(x, y, { epochs: 3, batchSize: 2, verbose: 0 }),
      ];
      expect(histories[0]?.history).toEqual(histories[1]?.history);
      expect((await chain.predict(x)).array()).toEqual((await model.predict(x)).array());
      expect(model.weightNames()).toEqual(chain.weightNames());
    });

    it("take inputs and give outputs by name", async () => {
      const words = input({ shape: [null, 3], name: "words" });
      const features = input({ shape: [null, 2], name: "features" });
      const read = bidirectional({ layer: lstm({ units: 2, returnSequences: true }) });
      const h = read.apply(new Join().apply([words, features]));
      const model = functional({
        inputs: { words, features },
        outputs: { tags: dense({ units: 3, activation: "softmax" }).apply(h), hidden: h },
        backend,
        seed: 1,
      });
      const [w, f] = [random([4, 5, 3]), random([4, 5, 2], 2)];
      const { tags, hidden } = await model.predict({ words: w, features: f });
      expect([tags.shape, hidden.shape]).toEqual([
        [4, 5, 3],
        [4, 5, 4],
      ]);
      await model.ready();
      expect(model.predictSync({ words: w, features: f }).tags.array()).toEqual(tags.array());
      const longer = await model.predict({ words: random([1, 9, 3]), features: random([1, 9, 2]) });
      expect(longer.tags.shape).toEqual([1, 9, 3]);
      await expect(model.predict({ words: w, features: random([4, 6, 2]) })).rejects.toThrow(
        /6 in x "features".* and 5 in x "words"|6 in "features" \(axis 1\) and 5 in "words" \(axis 1\)/,
      );
      await expect(model.predict({ words: w } as never)).rejects.toThrow('no array for x "features"');
      await expect(model.predict({ words: w, feature: f } as never)).rejects.toThrow(
        'Did you mean "features"?',
      );
      await expect(model.predict({ words: w, features: random([3, 5, 2]) })).rejects.toThrow(
        '4 samples in x "words" (shape [4, 5, 3]) and 3 in x "features" (shape [3, 5, 2]), expected the same number of samples in both. Give one row of x "features" for every row of x "words".',
      );
    });

    it("share the weights of layers that both have", async () => {
      const x = input({ shape: [4] });
      const code = dense({ units: 2, activation: "tanh" }).apply(x);
      const outputs = dense({ units: 4 }).apply(code);
      const whole = functional({ inputs: x, outputs, backend, seed: 5 });
      const encoder = functional({ inputs: x, outputs: code, backend });
      const data = random([8, 4]);
      const before = (await encoder.predict(data)).array();
      whole.compile({ optimizer: "sgd", loss: "meanSquaredError" });
      await whole.fit(data, data, { epochs: 2, verbose: 0 });
      const after = (await encoder.predict(data)).array();
      expect(after).not.toEqual(before);
      const [kernel] = await whole.getWeights();
      const [shared] = await encoder.getWeights();
      expect(shared?.array()).toEqual(kernel?.array());
      await encoder.setWeights((await encoder.getWeights()).map((w) => zeros(w.shape)));
      expect((await whole.getWeights())[0]?.data.every((v) => v === 0)).toBe(true);
      // The part trains too, and what the whole had learned of its own stays.
      encoder.compile({ optimizer: "adam", loss: "meanSquaredError" });
      const own = (await whole.getWeights()).slice(2).map((w) => w.array());
      await encoder.fit(data, random([8, 2], 4), { epochs: 2, verbose: 0 });
      const now = await whole.getWeights();
      expect(now[0]?.array()).toEqual((await encoder.getWeights())[0]?.array());
      expect(now[0]?.data.some((v) => v !== 0)).toBe(true);
      expect(now.slice(2).map((w) => w.array())).toEqual(own);
    });

    it("keep the optimizer's state when another model takes a part of what they train", async () => {
      const make = () => {
        const x = input({ shape: [3] });
        const code = dense({ units: 2 }).apply(x);
        const whole = functional({ inputs: x, outputs: dense({ units: 1 }).apply(code), backend, seed: 5 });
        whole.compile({ optimizer: "adam", loss: "meanSquaredError" });
        return { whole, part: () => functional({ inputs: x, outputs: code, backend }) };
      };
      const [x, y] = [random([4, 3]), random([4, 1], 2)];
      const [alone, cut] = [make(), make()];
      for (const { whole } of [alone, cut]) await whole.fit(x, y, { epochs: 2, verbose: 0 });
      const part = cut.part();
      part.compile({ optimizer: "sgd", loss: "meanSquaredError" });
      await part.evaluate(x, random([4, 2]));
      for (const { whole } of [alone, cut]) await whole.fit(x, y, { epochs: 2, verbose: 0 });
      const [a, b] = [await alone.whole.getWeights(), await cut.whole.getWeights()];
      expect(b.map((w) => w.array())).toEqual(a.map((w) => w.array()));
    });

    it("leave layers alone whose trainable was set to false before compile", async () => {
      const frozen = dense({ units: 2 });
      const model = sequential([frozen, dense({ units: 1 })], { backend, seed: 1 });
      const [x, y] = [random([4, 3]), random([4, 1], 2)];
      model.compile({ optimizer: "adam", loss: "meanSquaredError" });
      await model.fit(x, y, { verbose: 0 });
      const before = (await model.getWeights()).map((w) => w.array());
      frozen.trainable = false;
      model.compile({ optimizer: "adam", loss: "meanSquaredError" });
      await model.fit(x, y, { verbose: 0 });
      const after = (await model.getWeights()).map((w) => w.array());
      expect(after.slice(0, 2)).toEqual(before.slice(0, 2));
      expect(after[2]).not.toEqual(before[2]);
    });

    it("are layers of other models, with weights of their own name", async () => {
      const x = input({ shape: [3] });
      const inner = functional({ inputs: x, outputs: dense({ units: 2 }).apply(x), name: "inner" });
      const first = input({ shape: [3] });
      const second = input({ shape: [3] });
      const both = new Join().apply([inner.apply(first), inner.apply(second)]);
      const model = functional({ inputs: { first, second }, outputs: both, backend, seed: 2 });
      expect(model.weightNames()).toEqual(["inner/dense/kernel", "inner/dense/bias"]);
      const a = random([2, 3]);
      const out = await model.predict({ first: a, second: a });
      const rows = out.array() as number[][];
      for (const [p, q, r, s] of rows) expect([p, q]).toEqual([r, s]);
      const chained = sequential([inner, dense({ units: 1 })], { backend });
      expect((await chained.predict(a)).shape).toEqual([2, 1]);
    });

    it("tell their shape to a sequential model that they begin", async () => {
      const x = input({ shape: [null, 3], dtype: "int32", batchSize: 2 });
      const inner = functional({ inputs: x, outputs: lstm({ units: 2 }).apply(x), backend });
      const model = sequential([inner, dense({ units: 4 })], { backend, seed: 1 });
      expect([model.inputShape, model.outputShape]).toEqual([
        [2, null, 3],
        [2, 4],
      ]);
      expect(model.inputDtype).toBe("int32");
      expect(model.countParams()).toBe(inner.countParams() + 12);
      const around = sequential([model, dense({ units: 5 })], { backend });
      expect(around.outputShape).toEqual([2, 5]);
      const [a, b] = [input({ shape: [3] }), input({ shape: [3] })];
      const two = functional({ inputs: { a, b }, outputs: layers.add().apply([a, b]), backend });
      expect(sequential([two, dense({ units: 4 })], { backend }).built).toBe(false);
    });

    it("give their layers by name or place", () => {
      const x = input({ shape: [3], name: "x" });
      const model = functional({ inputs: x, outputs: dense({ units: 2, name: "scores" }).apply(x), backend });
      expect(model.getLayer("scores")).toBe(model.layers[1]);
      expect(model.getLayer(0)).toBe(model.layers[0]);
      const { received, expected, fix } = refusal(() => model.getLayer("score"));
      expect([received, expected, fix]).toEqual([
        'the unknown layer "score"',
        "one of x, scores",
        'Did you mean "scores"?',
      ]);
      expect(refusal(() => model.getLayer(2)).received).toBe('the unknown layer "2"');
    });

    it("start from states and give them", async () => {
      const question = input({ shape: [null, 2], name: "question" });
      const answer = input({ shape: [null, 2], name: "answer" });
      const [, ...states] = lstm({ units: 3, returnState: true }).apply(question);
      const decoded = lstm({ units: 3, returnSequences: true }).apply(answer, { initialState: states });
      const model = functional({ inputs: { question, answer }, outputs: decoded, backend, seed: 2 });
      const y = await model.predict({ question: random([2, 4, 2]), answer: random([2, 7, 2]) });
      expect(y.shape).toEqual([2, 7, 3]);
      const other = await model.predict({ question: random([2, 4, 2], 9), answer: random([2, 7, 2]) });
      expect(other.array()).not.toEqual(y.array());
    });

    it("assign statistics in training alone, once for each call of a shared layer", async () => {
      const statistic = new Statistic();
      const x = input({ shape: [2] });
      const outputs = dense({ units: 1 }).apply(statistic.apply(statistic.apply(x)));
      const model = functional({ inputs: x, outputs, backend, seed: 1 });
      model.compile({ optimizer: "sgd", loss: "meanSquaredError" });
      const data = random([4, 2]);
      await model.fit(data, random([4, 1]), { epochs: 3, verbose: 0 });
      await model.evaluate(data, random([4, 1]));
      const at = model.weightNames().indexOf("statistic/seen");
      expect((await model.getWeights())[at]?.array()).toEqual([6]);
      expect(model.countParams()).toBe(4);
    });

    it("say what does not fit together", () => {
      const two = [input({ shape: [3] }), input({ shape: [3] })];
      expect(refusal(() => dense({ units: 1 }).apply(two)).received).toBe("2 inputs");
      const x = input({ shape: [3], name: "x" });
      const y = input({ shape: [3], name: "y" });
      const sum = new Join().apply([x, y]);
      const { message } = refusal(() => functional({ inputs: x, outputs: sum, backend }));
      expect(message).toContain('outputs that need the input inputLayer "y", which is not among its inputs');
      expect(
        refusal(() => functional({ inputs: dense({ units: 1 }).apply(x), outputs: sum, backend })).fix,
      ).toContain("Declare an input of its shape");
      expect(refusal(() => dense({ units: 1 }).apply(random([2, 3]) as never)).fix).toContain("predict");
      expect(refusal(() => functional({ inputs: [x] as never, outputs: x })).expected).toBe(
        "one value, or values by name",
      );
    });

    it("show their layers with connections", () => {
      const x = input({ shape: [null, 3], name: "x" });
      const h = lstm({ units: 2, name: "read" }).apply(x);
      const model = functional({ inputs: x, outputs: dense({ units: 1, name: "out" }).apply(h), name: "m" });
      let text = "";
      model.summary({
        print: (line) => {
          text = line;
        },
      });
      expect(text).toContain(
        "│ out (Dense)            │ (None, 1)         │           3 │ read[0][0]        │",
      );
      expect(text).toContain("Total params: 51");
    });
  });
}
