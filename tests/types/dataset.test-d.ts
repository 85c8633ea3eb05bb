import { functional, type History, input, layers, sequential, type Tensor } from "rondo";
import { Dataset } from "rondo/data";
import { describe, expectTypeOf, it } from "vitest";

declare const floats: Tensor<"float32">;
const lines = Dataset.fromTextLines("a.txt");
const elements = lines.map((line) => ({ x: Int32Array.of(line.length), y: line.length }));

describe("datasets", () => {
  it("know what their elements are", async () => {
    expectTypeOf(lines).toEqualTypeOf<Dataset<string>>();
    expectTypeOf(elements.batch(2)).toEqualTypeOf<
      Dataset<{ readonly x: Tensor; readonly y: Tensor<"float32"> }>
    >();
    expectTypeOf(elements.shuffle(9).prefetch(1)).toEqualTypeOf(elements);
    expectTypeOf(Dataset.fromTensorSlices({ x: floats, y: [1] }).batch(2)).toExtend<
      Dataset<{ readonly x: Tensor<"float32">; readonly y: Tensor }>
    >();
    expectTypeOf(Dataset.zip({ a: lines, b: elements })).toExtend<Dataset<{ a: string; b: { y: number } }>>();
    expectTypeOf(Dataset.zip([lines, elements]).map(([a]) => a)).toEqualTypeOf<Dataset<string>>();
    expectTypeOf(Dataset.fromIterable([1, "a"]).filter((x) => typeof x === "string")).toEqualTypeOf<
      Dataset<string>
    >();
    expectTypeOf(lines.map(async (line) => line.length)).toEqualTypeOf<Dataset<number>>();
    expectTypeOf(await lines.toArray()).toEqualTypeOf<string[]>();
    for await (const line of lines) expectTypeOf(line).toBeString();
  });

  it("pad arrays by their names", () => {
    elements.paddedBatch(2, { paddingValues: { x: -1 }, paddedShapes: { x: [null] }, lengthMultiple: 8 });
    elements.paddedBatch(2, { paddingValues: -1 });
    // @ts-expect-error no such array
    elements.paddedBatch(2, { paddingValues: { z: 1 } });
    // @ts-expect-error no such option
    elements.paddedBatch(2, { lengthMultiples: 8 });
    // @ts-expect-error lines have no x
    lines.bucketBySequenceLength(({ x }) => x.length, [2], 2);
    elements.bucketBySequenceLength(({ x }) => x.length, [2], [2, 3], { paddingValues: { x: 1 } });
  });
});

describe("models take datasets", () => {
  const one = sequential([layers.lstm({ units: 2, inputShape: [3, 4] }), layers.dense({ units: 1 })]);
  const question = input({ shape: [null, 2], name: "question" });
  const hints = input({ shape: [2], name: "hints" });
  const joined = layers.concatenate().apply([layers.lstm({ units: 2 }).apply(question), hints]);
  const several = functional({
    inputs: { question, hints },
    outputs: {
      topic: layers.dense({ units: 3 }).apply(joined),
      score: layers.dense({ units: 1 }).apply(joined),
    },
  });
  const x = { question: floats, hints: floats };
  const y = { topic: floats, score: floats };

  it("of one array", async () => {
    const dataset = elements.batch(2);
    expectTypeOf(
      one.fit(dataset, { epochs: 2, validationData: dataset, validationSteps: 3 }),
    ).resolves.toEqualTypeOf<History>();
    expectTypeOf(await one.predict(dataset)).toEqualTypeOf<Tensor<"float32">>();
    one.evaluate(dataset, { steps: 4 });
    one.fit(floats, floats, { validationData: dataset });
    one.predict(dataset.map((batch) => ({ x: batch.x })));
    // @ts-expect-error elements without y
    one.fit(dataset.map((batch) => ({ x: batch.x })));
    // @ts-expect-error datasets are batched already
    one.fit(dataset, { batchSize: 2 });
    // @ts-expect-error no arrays
    one.fit(lines);
  });

  it("of arrays by name", async () => {
    const dataset = Dataset.fromTensorSlices({ x, y, sampleWeight: { score: floats } }).batch(2);
    several.fit(dataset);
    several.evaluate(dataset);
    expectTypeOf(await several.predict(dataset)).toEqualTypeOf<
      Readonly<Record<"topic" | "score", Tensor<"float32">>>
    >();
    // @ts-expect-error an input is missing
    several.fit(dataset.map((batch) => ({ ...batch, x: { question: batch.x.question } })));
    // @ts-expect-error an output has another name
    several.fit(dataset.map((batch) => ({ ...batch, y: { topics: batch.y.topic } })));
    several.fit(dataset.map((batch) => ({ ...batch, y: { topic: batch.y.topic } })));
    // @ts-expect-error one array for several inputs
    several.predict(dataset.map(() => ({ x: floats })));
  });
});
