import { expect, it } from "vitest";
import { createBackend, layers, sequential } from "../../src/index.js";

it.each([undefined, 7])("a dropout layer in two places draws twice; its seed: %s", async (seed) => {
  const backend = await createBackend({ backend: "wasm", threads: 1 });
  const shared = layers.dropout({ rate: 0.5, seed: seed ?? null, inputShape: [64] });
  const model = sequential([shared, shared], { seed: 3, backend });
  model.compile({ optimizer: "sgd", loss: "meanSquaredError" });
  const of = (value: number) => Array.from({ length: 200 }, () => Array<number>(64).fill(value));
  // E[(1/p² · kept)²] = 1/p⁴ · p² = 4 with two draws of p = 1/2; one draw for both places would give 8.
  const [loss] = await model.trainOnBatch(of(1), of(0));
  expect(loss).toBeGreaterThan(3.6);
  expect(loss).toBeLessThan(4.4);
  await backend.close();
});
