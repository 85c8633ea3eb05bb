import { describe, expectTypeOf, it } from "vitest";
import {
  type DeclaredTensor,
  functional,
  input,
  layers,
  sequential,
  type Tensor,
  zeros,
} from "../../src/index.js";

const { lstm, gru, simpleRNN, rnn, lstmCell, dense, bidirectional, inputLayer } = layers;

describe("values of functional models", () => {
  it("have the shapes that layers give them", () => {
    const words = input({ shape: [null, 100], name: "words" });
    expectTypeOf(words).toEqualTypeOf<DeclaredTensor<readonly [number, 100]>>();
    const sequences = lstm({ units: 8, returnSequences: true }).apply(words);
    expectTypeOf(sequences["~sizes"]).toEqualTypeOf<[number, 8]>();
    expectTypeOf(lstm({ units: 8 }).apply(words)["~sizes"]).toEqualTypeOf<[8]>();
  });

  it("are as many as layers give with returnState", () => {
    const words = input({ shape: [null, 100] });
    const [output, h, c] = lstm({ units: 8, returnState: true }).apply(words);
    expectTypeOf(output["~sizes"]).toEqualTypeOf<[8]>();
    expectTypeOf(h).toEqualTypeOf<DeclaredTensor<[8]>>();
    expectTypeOf(c).toEqualTypeOf<DeclaredTensor<[8]>>();
    const [, ...one] = gru({ units: 3, returnState: true, returnSequences: true }).apply(words);
    expectTypeOf(one).toEqualTypeOf<[DeclaredTensor<[3]>]>();
    const [, ...plain] = simpleRNN({ units: 3, returnState: true }).apply(words);
    expectTypeOf(plain).toEqualTypeOf<[DeclaredTensor<[3]>]>();
    const both = bidirectional({ layer: lstm({ units: 8, returnState: true }) });
    const [joined, ...four] = both.apply(words, { initialState: [h, c, h, c] });
    expectTypeOf(joined["~sizes"]).toEqualTypeOf<[number]>();
    type State = DeclaredTensor<[8]>;
    expectTypeOf(four).toEqualTypeOf<[State, State, State, State]>();
    const apart = bidirectional({ layer: gru({ units: 3, returnState: true }), mergeMode: null }).apply(
      words,
    );
    expectTypeOf(apart).toEqualTypeOf<
      readonly [DeclaredTensor, DeclaredTensor, DeclaredTensor<[3]>, DeclaredTensor<[3]>]
    >();
    const [, ...back] = bidirectional({ layer: gru({ units: 3 }), mergeMode: null }).apply(words);
    expectTypeOf(back).toEqualTypeOf<[DeclaredTensor]>();
    const [, ...open] = rnn({ cell: lstmCell({ units: 3 }), returnState: true }).apply(words);
    expectTypeOf(open).toEqualTypeOf<DeclaredTensor[]>();
    // @ts-expect-error a GRU has one state
    void (() => gru({ units: 3, returnState: true }).apply(words)[2]);
  });

  it("are one value where the types do not know of states", () => {
    const words = input({ shape: [null, 100] });
    expectTypeOf(lstm({ units: 8 }).apply(words)).toEqualTypeOf<DeclaredTensor<[8]>>();
    expectTypeOf(bidirectional({ layer: lstm({ units: 8 }) }).apply(words)["~sizes"]).toEqualTypeOf<
      [number]
    >();
    const open: boolean = lstm({ units: 8 }).settings.returnState;
    expectTypeOf(lstm({ units: 8, returnState: open }).apply(words)).toEqualTypeOf<DeclaredTensor<[8]>>();
  });

  it("are refused by layers that they do not fit", () => {
    const words = input({ shape: [null, 100] });
    const last = lstm({ units: 8 }).apply(words);
    // @ts-expect-error lstm needs [batch, time, features]
    void (() => lstm({ units: 8 }).apply(last));
    // @ts-expect-error data is no value of a model
    void (() => dense({ units: 8 }).apply(zeros([2, 3])));
  });
});

describe("functional models", () => {
  const words = input({ shape: [null, 10] });
  const features = input({ shape: [4] });
  const tags = bidirectional({ layer: lstm({ units: 4, returnSequences: true }) }).apply(words);
  const topic = dense({ units: 3 }).apply(features);

  it("take and give data by name", () => {
    const model = functional({ inputs: { words, features }, outputs: { tags, topic } });
    expectTypeOf(model.predict).returns.resolves.toEqualTypeOf<
      Readonly<Record<"tags" | "topic", Tensor<"float32">>>
    >();
    const [w, f] = [zeros([1, 2, 10]), zeros([1, 4])];
    void (() => model.predict({ words: w, features: f }));
    // @ts-expect-error features is missing
    void (() => model.predict({ words: w }));
    // @ts-expect-error there is no input of this name
    void (() => model.predict({ words: w, features: f, feature: f }));
    // @ts-expect-error arrays by name are needed
    void (() => model.predict(w));
  });

  it("need no targets for outputs without a loss", () => {
    const model = functional({ inputs: { words, features }, outputs: { tags, topic } });
    model.compile({ loss: { topic: "meanSquaredError" } });
    const x = { words: zeros([1, 2, 10]), features: zeros([1, 4]) };
    const y = { topic: zeros([1, 3]) };
    void (() => model.fit(x, y, { validationData: [x, y, { topic: [1] }] }));
    void (() => [model.evaluate(x, y), model.trainOnBatch(x, y), model.testOnBatch(x, y)]);
    // @ts-expect-error there is no output of this name
    void (() => model.fit(x, { topic: zeros([1, 3]), tag: zeros([1, 2]) }));
    // @ts-expect-error targets go by name
    void (() => model.fit(x, zeros([1, 3])));
  });

  it("take and give one array where they have one input and output", () => {
    const model = functional({ inputs: words, outputs: tags });
    expectTypeOf(model.predict).returns.resolves.toEqualTypeOf<Tensor<"float32">>();
    // @ts-expect-error there are no names
    void (() => model.predict({ words: zeros([1, 2, 10]) }));
  });

  it("are layers", () => {
    const inner = functional({ inputs: words, outputs: tags });
    sequential([inputLayer({ shape: [null, 10] }), inner, lstm({ units: 2 })]);
  });
});
