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

const { lstm, dense, bidirectional, inputLayer } = layers;

describe("values of functional models", () => {
  it("have the shapes that layers give them", () => {
    const words = input({ shape: [null, 100], name: "words" });
    expectTypeOf(words).toEqualTypeOf<DeclaredTensor<readonly [number, 100]>>();
    const sequences = lstm({ units: 8, returnSequences: true }).apply(words);
    expectTypeOf(sequences["~sizes"]).toEqualTypeOf<[number, 8]>();
    expectTypeOf(lstm({ units: 8 }).apply(words)["~sizes"]).toEqualTypeOf<[8]>();
    const [output, ...states] = lstm({ units: 8, returnState: true }).apply(words);
    expectTypeOf(output["~sizes"]).toEqualTypeOf<[8]>();
    expectTypeOf(states).toEqualTypeOf<DeclaredTensor[]>();
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
