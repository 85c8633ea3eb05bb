import { describe, expect, it } from "vitest";
import { type Backend, layers, sequential, Tensor } from "../../src/index.js";
import { uniform } from "../golden/load.js";
import { C, D } from "./sequences.js";

/** What every backend must make of windows over a time axis of open size. */
export function windowsContract(make: () => Promise<Backend>): void {
  const sequencesOf = (length: number) =>
    new Tensor(uniform(length, 3 * length * D), [3, length, D], "float32");
  const tagger = (length: number | null, padding: "valid" | "same", backend: Backend) => {
    const model = sequential(
      [
        layers.conv1d({
          filters: 5,
          kernelSize: 3,
          strides: 2,
          padding,
          activation: "relu",
          inputShape: [length, D],
        }),
        layers.maxPooling1d({ poolSize: 3, strides: 2, padding }),
        layers.averagePooling1d({ poolSize: 2, strides: padding === "same" ? 3 : 1, padding }),
        layers.lstm({ units: 4, returnSequences: true }),
        layers.dense({ units: C, activation: "softmax" }),
      ],
      { seed: 2, backend },
    );
    model.compile({ optimizer: "sgd", loss: "sparseCategoricalCrossentropy" });
    return model;
  };

  describe.each(["valid", "same"] as const)("windows with strides over an open axis, %s", (padding) => {
    it("train and predict to the bits that they give where its size is known", async () => {
      const backend = await make();
      const open = tagger(null, padding, backend);
      for (const length of [18, 13, 22, 12]) {
        const fixed = tagger(length, padding, backend);
        await fixed.setWeights(await open.getWeights());
        const x = sequencesOf(length);
        const steps = (await fixed.predict(x)).shape[1] ?? 0;
        const y = new Tensor(
          Int32Array.from({ length: 3 * steps }, (_, i) => (i * 5) % C),
          [3, steps],
          "int32",
        );
        expect(await open.trainOnBatch(x, y)).toEqual(await fixed.trainOnBatch(x, y));
        expect(await open.getWeights()).toEqual(await fixed.getWeights());
        expect(await open.predict(x)).toEqual(await fixed.predict(x));
      }
    });
  });

  describe("inputs that are too short for windows", () => {
    it.each([
      [1, /model: received sizes for which an axis has .*T.* = -\d elements/],
      [6, /model: received sizes for which an axis has .*T.* = -\d elements/],
      [10, /pool: received an axis of 1 for windows that reach over 2, expected at least one window inside/],
    ])("are refused: %i steps", async (length, message) => {
      const open = tagger(null, "valid", await make());
      await expect(open.predict(sequencesOf(length))).rejects.toThrow(message);
      expect((await open.predict(sequencesOf(16))).shape).toEqual([3, 2, C]);
    });

    it("are refused where nothing but the first layer shrinks them, too", async () => {
      const model = sequential([layers.conv1d({ filters: 2, kernelSize: 3, inputShape: [null, D] })], {
        backend: await make(),
      });
      await expect(model.predict(sequencesOf(1))).rejects.toThrow("an axis has T-2 = -1 elements");
      await expect(model.predict(sequencesOf(2))).rejects.toThrow("an axis of 2 for windows");
    });
  });
}
