import { expect, it } from "vitest";
import { createBackend, layers, sequential, Tensor } from "../../src/index.js";
import { uniform } from "../golden/load.js";
import { describeWith, nativeAddon } from "../machine.js";
import { crfContract } from "./crf.contract.js";
import { datasetContract } from "./dataset.contract.js";
import { functionalContract } from "./functional.contract.js";
import { measuresContract } from "./measures.contract.js";
import { orderContract } from "./order.contract.js";
import { outputsContract } from "./outputs.contract.js";
import { predictionContract } from "./prediction.contract.js";
import { savingContract } from "./saving.contract.js";
import { tablesContract } from "./tables.contract.js";
import { trainingContract } from "./training.contract.js";
import { updatesContract } from "./updates.contract.js";
import { weightsContract } from "./weights.contract.js";
import { windowsContract } from "./windows.contract.js";

describeWith(nativeAddon, "models on the native backend", () => {
  const make = () => createBackend({ backend: "native" });
  crfContract(make);
  trainingContract(make);
  measuresContract(make);
  predictionContract(make);
  orderContract(make);
  updatesContract(make);
  weightsContract(make);
  windowsContract(make);
  functionalContract(make);
  savingContract(make);
  outputsContract(make);
  datasetContract(make);
  tablesContract(make);

  it("trains to the same bits with 1, 2 and 3 threads", async () => {
    const [N, T, D, C] = [130, 12, 20, 10];
    const x = new Tensor(uniform(1, N * T * D), [N, T, D], "float32");
    const y = Int32Array.from({ length: N }, (_, n) => (n * 7) % C);
    const train = async (threads: number) => {
      const backend = await createBackend({ backend: "native", threads });
      const model = sequential(
        [
          layers.bidirectional({ layer: layers.lstm({ units: 40, returnSequences: true, dropout: 0.1 }) }),
          layers.gru({ units: 33, recurrentDropout: 0.1 }),
          layers.dense({ units: C, activation: "softmax" }),
        ],
        { seed: 6, backend },
      );
      model.compile({ optimizer: "adam", loss: "sparseCategoricalCrossentropy" });
      await model.fit(x, y, { batchSize: 60, epochs: 2, verbose: 0 });
      return (await model.getWeights()).flatMap((w) => [...w.data]);
    };
    const one = await train(1);
    expect(one.every(Number.isFinite)).toBe(true);
    expect(await train(2)).toEqual(one);
    expect(await train(3)).toEqual(one);
  });
});
