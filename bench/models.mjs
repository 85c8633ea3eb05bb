// The works as a user of Rondo writes them, on the built package.

import v8 from "node:v8";
import { CLASSES, D, LEARNING_RATE, T, WORKS } from "./peers/protocol.mjs";

// Must come before the engine sees any WebAssembly.
if (Number.parseInt(process.versions.node, 10) < 22)
  v8.setFlagsFromString("--experimental-wasm-relaxed-simd");

export const rondo = await import("../dist/index.js");
const { layers, losses, optimizers, sequential } = rondo;

/** The model of a work on a backend, compiled. */
export function buildModel(name, backend) {
  const { cell, units, masked, bidirectional } = WORKS[name];
  const recurrent = units.map((H, i) => {
    const layer = layers[cell]({ units: H, returnSequences: i < units.length - 1 });
    return bidirectional ? layers.bidirectional({ layer }) : layer;
  });
  const model = sequential(
    [
      layers.inputLayer({ shape: [T, D] }),
      ...(masked ? [layers.masking()] : []),
      ...recurrent,
      layers.dense({ units: CLASSES }),
    ],
    { seed: 7, backend },
  );
  model.compile({
    optimizer: optimizers.adam({ learningRate: LEARNING_RATE }),
    loss: losses.sparseCategoricalCrossentropy({ fromLogits: true }),
  });
  return model;
}
