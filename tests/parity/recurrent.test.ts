import { setFlagsFromString } from "node:v8";
import { beforeAll, describe, expect, it } from "vitest";
import type { Backend, BackendOptions } from "../../src/runtime/backend.js";
import { createBackend } from "../../src/runtime/select.js";
import { execute } from "../execute.js";
import { goldenError, loadGolden } from "../golden/load.js";
import { describeWith, nativeAddon } from "../machine.js";
import { known } from "../reference.js";
import { layerCase } from "./layerCase.js";

setFlagsFromString("--experimental-wasm-relaxed-simd"); // behind this flag in Node 20

// float32 against float64, relative to the largest element (or 1): sums of up to some hundred terms, each rounded to
// 2^-24, and activations of at most 4 ulp, over up to 40 steps; gradients go through both directions.
const OUTPUT = 5e-6;
const GRADIENT = 2e-5;

const groups = [
  "masks",
  "units",
  "options",
  "cellActivations",
  "keras2Activations",
  "stateful",
  "bidirectional",
  "stackedCells",
  "torch",
] as const;

function agree(options: BackendOptions): void {
  let backend: Backend;
  beforeAll(async () => {
    backend = await createBackend(options);
    return () => backend.close();
  });
  describe.each(groups)("%s", (group) => {
    // What a bias starts with is in layers.test.ts.
    const cases = loadGolden(group).filter(({ outputs }) => outputs.initialBias === undefined);
    it.each(cases.map((golden) => [golden.name, golden] as const))("%s", async (_name, golden) => {
      const { graph, inputs, expected } = layerCase(golden);
      const arrays = Object.entries(inputs).map(([name, { data }]) =>
        name.startsWith("input mask") ? Uint8Array.from(data) : data,
      );
      const { outputs } = await execute(graph, arrays, {}, backend);
      for (const [name, tensor] of Object.entries(expected)) {
        const tolerance = name.startsWith("output") ? OUTPUT : GRADIENT;
        expect(goldenError(known(outputs[name], name), tensor), name).toBeLessThan(tolerance);
      }
    });
  });
}

describeWith(nativeAddon, "recurrent layers agree with Keras and PyTorch: native", () => {
  agree({ backend: "native", threads: 2 });
});
describe("recurrent layers agree with Keras and PyTorch: wasm", () => {
  agree({ backend: "wasm", threads: 1 });
});
