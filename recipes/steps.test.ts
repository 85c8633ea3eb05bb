import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { batches, createBackend, layers, sequential, Tensor } from "rondo";
import { type RecipeDescription, Run, settingsOf } from "rondo/recipe";
import { expect, it } from "vitest";
import { trainSteps } from "./steps.js";

const training = { count: 9, batchSize: 2, learningRate: 0.1 };
const x = new Tensor(Float32Array.of(1, 0, 2, -1, 3, 0.5), [2, 3], "float32");
const y = new Tensor(Float32Array.of(1, 0, 0, 1), [2, 2], "float32");

/** Trains a tiny model, interrupted within the given step; what is printed and what lies in the folder. */
async function interrupted(within: number) {
  const folder = mkdtempSync(join(tmpdir(), "rondo-steps-"));
  const backend = await createBackend({ threads: 1, warn: () => undefined });
  try {
    const recipe: RecipeDescription = {
      name: "tiny",
      title: "A tiny model",
      goal: { figure: "testAccuracy", bound: "at least", value: 0.5 },
      source: { title: "a tutorial", settings: training },
      unit: "step",
      defaults: training,
    };
    const settings = settingsOf(recipe, { seed: 7 });
    const abort = new AbortController();
    const lines: string[] = [];
    const run = await Run.open({
      recipe,
      settings,
      backend,
      folder,
      signal: abort.signal,
      quiet: false,
      json: false,
      print: (text) => lines.push(text),
    });
    const model = sequential([layers.dense({ units: 2, activation: "softmax", inputShape: [3] })], {
      seed: 7,
      backend,
    });
    model.compile({ optimizer: "sgd", loss: "categoricalCrossentropy", metrics: ["accuracy"] });
    run.begin(model);
    function* some() {
      let step = 0;
      for (const batch of batches([x, y], { batchSize: 2 })) {
        if (++step === within) abort.abort();
        yield batch;
      }
    }
    const history = await trainSteps(run, model, {
      settings,
      batches: some(),
      test: [x, y],
      evaluateEvery: 4,
    });
    await run.finish({
      model,
      history,
      test: async () => ({ figures: { testAccuracy: 0.5 }, sections: [] }),
    });
    const read = (name: string): unknown => JSON.parse(readFileSync(join(folder, name), "utf8"));
    return {
      text: lines.join("\n"),
      history: read("history.json"),
      result: read("result.json"),
      report: readFileSync(join(folder, "report.html"), "utf8"),
    };
  } finally {
    await backend.close();
    rmSync(folder, { recursive: true });
  }
}

const number = expect.any(Number);

it("counts the steps between the last evaluation and an interruption, without test figures", async () => {
  const { text, history, result, report } = await interrupted(6);
  expect(result).toMatchObject({ count: 6, interrupted: true });
  expect(history).toEqual({
    step: [4, 6],
    loss: [number, number],
    accuracy: [number, number],
    test_loss: [number, null],
    test_accuracy: [number, null],
  });
  expect(text).toMatch(/step 4\/9 - loss: \S+ - accuracy: \S+ - test loss: \S+ - test accuracy: \S+\n/);
  expect(text).toMatch(/step 6\/9 - loss: \S+ - accuracy: \S+\n/);
  expect(text).toContain("after 6 of 9 steps");
  expect(report).toContain(">test accuracy</th>");
  expect(report).not.toContain("validation");
});

it("counts the steps before the first evaluation", async () => {
  const { history, result } = await interrupted(1);
  expect(result).toMatchObject({ count: 1, interrupted: true });
  expect(history).toMatchObject({ step: [1], loss: [number], test_loss: [null] });
});

it("adds no row where a stretch was just evaluated", async () => {
  expect((await interrupted(4)).history).toMatchObject({ step: [4], test_loss: [number] });
  const whole = await interrupted(10);
  expect(whole.history).toMatchObject({ step: [4, 8, 9] });
  expect(whole.result).toMatchObject({ count: 9, interrupted: false });
  expect(whole.text).toContain("after 9 steps");
});
