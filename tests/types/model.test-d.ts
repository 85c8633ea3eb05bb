import {
  callbacks,
  type Figures,
  type Layer,
  layers,
  losses,
  optimizers,
  sequential,
  type Tensor,
  type TensorLike,
} from "rondo";
import { describe, expectTypeOf, it } from "vitest";

declare const x: Tensor;
declare const y: TensorLike;
const model = sequential([layers.lstm({ units: 2, inputShape: [3, 4] }), layers.dense({ units: 1 })]);

describe("models", () => {
  it("take names, objects and functions as losses, metrics and optimizers", () => {
    model.compile({ loss: "mse" });
    model.compile({
      optimizer: optimizers.sgd({ momentum: 0.9 }),
      loss: losses.meanAbsoluteError(),
      metrics: ["acc"],
    });
    model.compile({ loss: (yTrue, yPred) => (yTrue.rank > 1 ? yTrue : yPred) });
    // @ts-expect-error no such loss
    model.compile({ loss: "meanSquareError" });
    // @ts-expect-error no such optimizer
    model.compile({ loss: "mse", optimizer: "adm" });
    // @ts-expect-error no such metric
    model.compile({ loss: "mse", metrics: ["acuracy"] });
    // @ts-expect-error Keras's name of the option
    optimizers.adam({ learning_rate: 0.1 });
    // @ts-expect-error a loss is needed
    model.compile({ optimizer: "adam" });
  });

  it("catch misspelt options and hooks", () => {
    model.fit(x, y, {
      epochs: 2,
      validationData: [x, y],
      callbacks: [callbacks.earlyStopping({ patience: 2 })],
    });
    model.fit(x, y, {
      callbacks: [
        {
          async onEpochEnd(epoch, logs) {
            expectTypeOf(epoch).toBeNumber();
            expectTypeOf(logs.loss).toEqualTypeOf<number | undefined>();
          },
        },
      ],
    });
    // @ts-expect-error epochs
    model.fit(x, y, { epoch: 2 });
    // @ts-expect-error onEpochEnd
    model.fit(x, y, { callbacks: [{ onEpochFinish() {} }] });
    // @ts-expect-error targets are missing
    model.fit(x, y, { validationData: [x] });
  });

  it("tell what they give back", async () => {
    expectTypeOf(await model.evaluate(x, y)).toEqualTypeOf<Figures>();
    const [loss, accuracy] = await model.trainOnBatch(x, y);
    expectTypeOf(loss).toBeNumber();
    expectTypeOf(accuracy).toEqualTypeOf<number | undefined>();
    expectTypeOf(await model.predict(x)).toEqualTypeOf<Tensor<"float32">>();
    expectTypeOf(model.predictSync(x)).toEqualTypeOf<Tensor<"float32">>();
    expectTypeOf(new Blob([await model.save(), await model.saveWeights()])).toEqualTypeOf<Blob>();
    expectTypeOf(model.getLayer("dense")).toEqualTypeOf<Layer>();
    expectTypeOf((await model.fit(x, y)).history.loss).toEqualTypeOf<number[] | undefined>();
  });
});
