import { describe, expect, it } from "vitest";
import type { SymbolicTensor } from "../../src/graph/ir.js";
import { input } from "../../src/graph/ops/source.js";
import type { AdamOptions } from "../../src/train/optimizers/adam.js";
import { clipGradients } from "../../src/train/optimizers/clipping.js";
import { optimizersByName } from "../../src/train/optimizers/index.js";
import { type GoldenTensor, goldenError, loadGolden } from "../golden/load.js";
import { evaluate, known, scalar, type Values } from "../reference.js";

const names = ["a", "b"];
const join = (tensors: readonly GoldenTensor[]): Float64Array =>
  Float64Array.from(tensors.flatMap((t) => [...t.data]));

describe("optimizers agree with Keras", () => {
  for (const golden of loadGolden("optimizers")) {
    it(golden.name, () => {
      const { optimizer: name, ...options } = golden.config;
      const optimizer = known(optimizersByName[name as "adam"], String(name))(options as AdamOptions);
      const weights = names.map((n) => known(golden.weights[n], n));
      const total = weights.reduce((n, { data }) => n + data.length, 0);

      // One step as a graph over all parameters, run five times.
      const slots = new Map(optimizer.slots.map((slot) => [slot, input(`slot ${slot}`, [total])]));
      const gradients = weights.map(({ shape }, i) => input(`gradient.${names[i]}`, shape));
      const updated = optimizer.update({
        parameters: input("parameters", [total]),
        gradients: clipGradients(gradients, optimizer.clipping),
        learningRate: input("rate", []),
        iteration: input("iteration", []),
        slot: (slot) => known(slots.get(slot), slot),
      });
      expect(Object.keys(updated.slots).sort()).toEqual([...optimizer.slots].sort());
      const roots: SymbolicTensor[] = [
        updated.parameters,
        ...optimizer.slots.map((s) => known(updated.slots[s], s)),
      ];

      let state: Values[] = [join(weights), ...optimizer.slots.map(() => new Float64Array(total))].map(
        (data) => ({
          shape: [total],
          data,
        }),
      );
      for (let step = 1; step <= 5; step++) {
        const inputs: Record<string, Values> = {
          parameters: known(state[0], "parameters"),
          rate: scalar(optimizer.learningRate),
          iteration: scalar(step),
        };
        for (const [i, slot] of optimizer.slots.entries()) inputs[`slot ${slot}`] = known(state[i + 1], slot);
        for (const n of names) {
          const { shape, data } = known(golden.inputs[`gradient${step}.${n}`], n);
          inputs[`gradient.${n}`] = { shape, data: Float64Array.from(data) };
        }
        state = evaluate(roots, { inputs });
        const expected = join(names.map((n) => known(golden.outputs[`${n}${step}`], n)));
        const error = goldenError(known(state[0], "parameters").data, {
          shape: [total],
          data: Float32Array.from(expected),
          stride: 1,
        });
        expect(error).toBeLessThan(1e-6);
      }
    });
  }
});
