// Trains a small model that is kept in a folder, on the built library: node killedChild.mjs <kind> <folder>. Says `begun` with the
// first step of this process and prints, when it is done, all that the training left in memory, to the bit.
import { createHash } from "node:crypto";
import { Dataset } from "../../dist/data/index.js";
import { callbacks, createBackend, layers, sequential, Tensor } from "../../dist/index.js";

const [kind, folder] = process.argv.slice(2);
const backend = await createBackend({ threads: 1 });
const [N, T, D, C] = [96, 4, 3, 3];
const x = new Tensor(
  Float32Array.from({ length: N * T * D }, (_, i) => Math.sin(3 * i)),
  [N, T, D],
  "float32",
);
const y = Int32Array.from({ length: N }, (_, i) => (i * 7) % C);
const model = sequential(
  [
    layers.lstm({ units: 6, inputShape: [T, D], dropout: 0.2, recurrentDropout: 0.1 }),
    layers.batchNormalization(),
    layers.dropout({ rate: 0.3 }),
    layers.dense({ units: C, activation: "softmax" }),
  ],
  { seed: 5, backend },
);
model.compile({ optimizer: "adam", loss: "sparseCategoricalCrossentropy", metrics: ["accuracy"] });

let begun = false;
/** Makes a step long enough to be killed in. */
const slow = {
  async onTrainBatchEnd() {
    if (!begun) console.log("begun");
    begun = true;
    await new Promise((resolve) => setTimeout(resolve, 8));
  },
};
const stopping = callbacks.earlyStopping({ patience: 2, restoreBestWeights: true });
const options = {
  epochs: 8,
  verbose: 0,
  callbacks: [
    callbacks.backupAndRestore(folder, { steps: 2, epochs: 1, deleteCheckpoint: false }),
    stopping,
    callbacks.reduceLROnPlateau({ patience: 1, factor: 0.7 }),
    slow,
  ],
};
const held = [x.rows(0, 24), y.slice(0, 24)];
const elements = Array.from({ length: N - 24 }, (_, i) => ({
  x: x.rows(24 + i, 25 + i).reshape([T, D]),
  y: y[24 + i],
}));
const { history, epoch } =
  kind === "arrays"
    ? await model.fit(x.rows(24, N), y.slice(24), { ...options, batchSize: 5, validationData: held })
    : await model.fit(Dataset.fromIterable(elements).shuffle(20).batch(5), {
        ...options,
        validationData: held,
      });
const state = await model.snapshot();
const hash = createHash("sha256");
const add = (tensors) => {
  for (const { data } of tensors) hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
};
add(state.weights);
for (const [, slots] of state.optimizer.slots) add(slots);
const { iterations, learningRate } = state.optimizer;
const { bestEpoch, stoppedEpoch } = stopping;
console.log(
  JSON.stringify({
    ...{ history, epoch, bits: hash.digest("hex"), step: state.step, passes: state.passes },
    ...{ iterations, learningRate, bestEpoch, stoppedEpoch: stoppedEpoch ?? null },
  }),
);
await backend.close();
