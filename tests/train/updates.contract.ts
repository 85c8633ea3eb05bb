import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import {
  type Backend,
  constraints,
  functional,
  input,
  layers,
  type Optimizer,
  ops,
  optimizers,
  regularizers,
  schedules,
  sequential,
  Tensor,
} from "../../src/index.js";

/** sin(1.3·i + k). */
const wave = (shape: readonly number[], k: number, factor = 1) => {
  const n = shape.reduce((p, d) => p * d, 1);
  return new Tensor(
    Float32Array.from({ length: n }, (_, i) => factor * Math.sin(1.3 * i + k)),
    shape,
    "float32",
  );
};

/** Optimizers, and what Keras 3.15.1 makes of the model below in two epochs: losses, the loss after them, weights. */
const cases: readonly (readonly [string, () => Optimizer, readonly number[], number, readonly number[]])[] = [
  [
    "Adam",
    () => optimizers.adam({ learningRate: 0.05 }),
    [0.66239774, 0.5867157],
    0.55902857,
    [
      0.036159, 0.27877, 0.064024, -0.153096, -0.25722, -0.076842, 0.287488, 0.052902, -0.221241, -0.216243,
      0.020678, 0.287416, 0.203132, -0.410547, -0.125997, 0.106183, 0.220775, 0.17299, -0.021278, -0.291091,
      -0.020526, 0.271392, 0.092511, -0.112303, -0.259671, -0.04207, 0.29533, -0.001493, -0.189181, -0.206225,
      -0.028266, 0.298555, 0.262634, -0.20768, -0.690777, -0.281986, 0.198395, 0.298341, -0.374667, -0.615103,
      0.143352, -0.379023, 0.002778,
    ],
  ],
  [
    "Nadam with a moving average and weight decay",
    () => optimizers.nadam({ learningRate: 0.05, useEma: true, emaMomentum: 0.5, weightDecay: 0.1 }),
    [0.66159022, 0.58523798],
    0.56783987,
    [
      0.025544, 0.328378, 0.135232, -0.202624, -0.311562, -0.009749, 0.359102, 0.1053, -0.290229, -0.285127,
      0.089168, 0.365935, 0.13636, -0.43096, -0.196634, 0.174003, 0.283983, 0.237094, -0.087478, -0.352269,
      -0.010667, 0.338172, 0.157756, -0.175879, -0.322092, -0.016483, 0.35731, 0.065499, -0.25265, -0.265842,
      0.038968, 0.360737, 0.318203, -0.139836, -0.615089, -0.223967, 0.254377, 0.3483, -0.307443, -0.545126,
      0.099036, -0.418487, -0.055903,
    ],
  ],
  [
    "Adagrad with a schedule, accumulation and a limit",
    () =>
      optimizers.adagrad({
        learningRate: schedules.exponentialDecay({
          initialLearningRate: 0.2,
          decaySteps: 2,
          decayRate: 0.5,
        }),
        gradientAccumulationSteps: 2,
        clipNorm: 0.5,
      }),
    [0.67074203, 0.64325237],
    0.62554264,
    [
      0.000829, 0.387531, 0.254339, -0.282405, -0.434242, 0.098944, 0.422952, 0.157401, -0.408519, -0.307218,
      0.207197, 0.404832, 0.057391, -0.455597, -0.255649, 0.297812, 0.407218, 0.359176, -0.207987, -0.477882,
      -0.028991, 0.454291, 0.278806, -0.299388, -0.446412, 0.053107, 0.481856, 0.184953, -0.376393, -0.393609,
      0.158032, 0.484881, 0.452183, -0.081725, -0.497674, -0.187272, 0.383518, 0.391805, -0.187189, -0.500207,
      0.070369, -0.455478, 0.019895,
    ],
  ],
];

/** What every backend must make of optimizers, penalties and constraints. */
export function updatesContract(make: () => Promise<Backend>): void {
  let backend: Backend;
  beforeAll(async () => {
    backend = await make();
  });
  const x = wave([4, 3, 2], 9);
  const y = wave([4, 3, 1], 10);
  const quiet = { batchSize: 2, epochs: 2, shuffle: false, verbose: 0 } as const;

  /** A model with every kind of penalty and constraint. */
  const regularized = () =>
    sequential(
      [
        layers.lstm({
          units: 2,
          returnSequences: true,
          inputShape: [3, 2],
          kernelRegularizer: "l2",
          recurrentRegularizer: regularizers.l1({ l1: 0.02 }),
          kernelConstraint: constraints.maxNorm({ maxValue: 0.5 }),
          activityRegularizer: regularizers.l2({ l2: 0.1 }),
        }),
        layers.dense({ units: 1, biasConstraint: "nonNeg", biasRegularizer: "l1" }),
      ],
      { backend },
    );

  describe("updates", () => {
    it.each(cases)("by %s are Keras's", async (_name, optimizer, losses, after, weights) => {
      const model = regularized();
      const shapes = (await model.getWeights()).map(({ shape }) => shape);
      await model.setWeights(shapes.map((shape, i) => wave(shape, i, 0.5)));
      model.compile({ optimizer: optimizer(), loss: "mse" });
      const { history } = await model.fit(x, y, quiet);
      for (const [i, loss] of losses.entries()) expect(history.loss?.[i]).toBeCloseTo(loss, 5);
      const [loss] = await model.evaluate(x, y, { batchSize: 4 });
      expect(loss).toBeCloseTo(after, 5);
      const found = (await model.getWeights()).flatMap(({ data }) => [...data]);
      expect(found).toHaveLength(weights.length);
      for (const [i, weight] of weights.entries()) expect(found[i]).toBeCloseTo(weight, 4);
    });

    it.each(Object.entries(optimizers))("by %s lower the loss", async (_name, optimizer) => {
      const model = sequential([layers.dense({ units: 1, inputShape: [3, 2] })], { backend, seed: 1 });
      model.compile({ optimizer: optimizer({ learningRate: 0.02 }), loss: "mse" });
      const { history } = await model.fit(x, y, { ...quiet, epochs: 8 });
      expect(history.loss?.at(-1)).toBeLessThan(history.loss?.[0] ?? 0);
    });

    it("follow a schedule, which tells the learning rate and lets nobody else set it", async () => {
      // A constraint would round the weights anew in every step.
      const model = sequential([layers.dense({ units: 1, inputShape: [3, 2] })], { backend, seed: 1 });
      const rate = schedules.piecewiseConstantDecay({ boundaries: [1, 3], values: [0.1, 0.05, 0] });
      model.compile({ optimizer: optimizers.sgd({ learningRate: rate }), loss: "mse" });
      expect(model.learningRate).toBe(0.1);
      await model.fit(x, y, quiet);
      expect(model.learningRate).toBe(0);
      const before = await model.getWeights();
      await model.trainOnBatch(x, y);
      expect(await model.getWeights()).toEqual(before);
      expect(() => Object.assign(model, { learningRate: 1 })).toThrow("follows a schedule");
      const own = { rate: (step: Parameters<typeof rate.rate>[0]) => ops.div(0.1, ops.add(step, 1)) };
      model.compile({ optimizer: optimizers.sgd({ learningRate: own }), loss: "mse" });
      await model.trainOnBatch(x, y);
      expect(() => model.learningRate).toThrow("Add at(step) to the schedule");
    });

    it("of accumulated gradients are those of all the data, however it was cut, whatever its masks", async () => {
      /** Two outputs whose losses count other steps, weights of samples, and penalties of weights and of outputs. */
      const make = (gradientAccumulationSteps: number | null) => {
        const words = input({ shape: [null, 2], name: "words" });
        const read = layers.masking().apply(words);
        const h = layers
          .lstm({ units: 3, returnSequences: true, kernelRegularizer: "l2", activityRegularizer: "l2" })
          .apply(read);
        const pooled = layers.globalAveragePooling1d().apply(h);
        const model = functional({
          inputs: words,
          outputs: {
            tags: layers.dense({ units: 2 }).apply(h),
            topic: layers.dense({ units: 1 }).apply(pooled),
          },
          backend,
          seed: 3,
        });
        model.compile({
          optimizer: optimizers.sgd({ learningRate: 0.5, gradientAccumulationSteps }),
          loss: { tags: "meanAbsoluteError", topic: "huber" },
          lossWeights: { topic: 0.3 },
        });
        return model;
      };
      const draw = fc.sample(
        fc.record({
          lengths: fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 6, maxLength: 6 }),
          cuts: fc.constantFrom([1, 3], [2, 3], [1, 2], [4, 5]),
          seed: fc.integer({ min: 1, max: 99 }),
        }),
        { numRuns: 6, seed: 5 },
      );
      for (const { lengths, cuts, seed } of draw) {
        const values = wave([6, 5, 2], seed).data.map((value, i) =>
          Math.floor(i / 2) % 5 < (lengths[Math.floor(i / 10)] ?? 0) ? value : 0,
        );
        const all = [
          new Tensor(values, [6, 5, 2], "float32"),
          wave([6, 5, 2], seed + 1),
          wave([6, 1], 7),
        ] as const;
        const weights = wave([6], 8).data.map((value) => 1 + value / 2);
        const [whole, cut] = [make(null), make(3)];
        await cut.setWeights(await whole.getWeights());
        const train = (model: typeof whole, from: number, to: number) => {
          const [x, tags, topic] = all.map(({ data, shape: [, ...rest] }) => {
            const size = rest.reduce((p, d) => p * d, 1);
            return new Tensor(data.slice(from * size, to * size), [to - from, ...rest], "float32");
          });
          const sampleWeight = { topic: weights.slice(from, to) };
          if (x === undefined || tags === undefined || topic === undefined) throw new Error("no data");
          return model.trainOnBatch(x, { tags, topic }, { sampleWeight });
        };
        await train(whole, 0, 6);
        const [first = 0, second = 0] = cuts;
        for (const [from, to] of [
          [0, first],
          [first, second],
          [second, 6],
        ] as const)
          await train(cut, from, to);
        const [got, expected] = [await cut.getWeights(), await whole.getWeights()];
        for (const [i, weight] of got.entries())
          for (const [k, value] of weight.data.entries())
            expect(value).toBeCloseTo(expected[i]?.data[k] ?? 0, 6);
      }
    });

    it("count masked steps of the outputs as 0", async () => {
      const masked = (steps: number) => {
        const model = sequential(
          [
            layers.masking({ inputShape: [null, 2] }),
            layers.gru({ units: 2, returnSequences: true, activityRegularizer: "l2" }),
          ],
          { backend, seed: 1 },
        );
        model.compile({ optimizer: "sgd", loss: "mse" });
        const values = Array.from({ length: steps }, (_, t) => (t < 2 ? [t + 1, 2] : [0, 0]));
        return model.evaluate([values], [values.map(() => [0, 0])]);
      };
      expect((await masked(4))[0]).toBeCloseTo((await masked(2))[0], 6);
    });

    it("keep what an optimizer has when another model splits its weights", async () => {
      const [first, second] = [layers.dense({ units: 3, inputShape: [2] }), layers.dense({ units: 1 })];
      const whole = sequential([first, second], { backend, seed: 1 });
      const alone = sequential([layers.dense({ units: 3, inputShape: [2] }), layers.dense({ units: 1 })], {
        backend,
        seed: 1,
      });
      await alone.setWeights(await whole.getWeights());
      const [a, b] = [wave([8, 2], 1), wave([8, 1], 2)];
      for (const model of [whole, alone])
        model.compile({ optimizer: optimizers.nadam({ learningRate: 0.05 }), loss: "mse" });
      for (const model of [whole, alone]) for (let i = 0; i < 3; i++) await model.trainOnBatch(a, b);
      const part = sequential([first], { backend });
      part.compile({ optimizer: "adagrad", loss: "mse" });
      await part.predict(a);
      for (const model of [whole, alone]) for (let i = 0; i < 3; i++) await model.trainOnBatch(a, b);
      const [got, expected] = [await whole.getWeights(), await alone.getWeights()];
      for (const [i, weight] of got.entries())
        for (const [k, value] of weight.data.entries())
          expect(value).toBeCloseTo(expected[i]?.data[k] ?? 0, 5);
    });
  });
}
