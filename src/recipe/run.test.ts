import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { layers } from "../layers/index.js";
import { type Sequential, sequential } from "../models/sequential.js";
import type { RunHistory } from "../report/index.js";
import { createBackend } from "../runtime/select.js";
import { Tensor } from "../tensor.js";
import { type Recipe, Run, type RunResult } from "./run.js";

const backend = await createBackend({ threads: 1, warn: () => undefined });
afterAll(() => backend.close());

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rondo-run-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const files = [
  "config.json",
  "history.csv",
  "history.json",
  "report.html",
  "result.json",
  "weights.safetensors",
];
const settings = {
  count: 20,
  batchSize: 2,
  learningRate: 0.1,
  seed: 7,
  asInSource: false,
  data: undefined,
};

interface Opened {
  readonly run: Run;
  readonly abort: AbortController;
  readonly lines: string[];
}

async function open(path: string, unit: Recipe["unit"] = "epoch", now?: () => number): Promise<Opened> {
  const lines: string[] = [];
  const abort = new AbortController();
  const recipe: Recipe = {
    name: "tiny",
    title: "A tiny model",
    source: {
      title: "a tutorial",
      address: "https://example.org/a",
      metric: "accuracy",
      value: 0.5,
      settings,
    },
    unit,
    defaults: settings,
    train: async () => undefined,
  };
  const print = (text: string) => lines.push(text);
  const { signal } = abort;
  const run = await Run.open({
    recipe,
    settings,
    backend,
    folder: path,
    signal,
    quiet: false,
    json: false,
    print,
    ...(now === undefined ? {} : { now }),
  });
  return { run, abort, lines };
}

function tinyModel(): Sequential {
  const model = sequential([layers.dense({ units: 2, activation: "softmax", inputShape: [3] })], {
    seed: 7,
    backend,
  });
  model.compile({ optimizer: "sgd", loss: "categoricalCrossentropy", metrics: ["accuracy"] });
  return model;
}

const test = {
  x: new Tensor(Float32Array.of(1, 0, 2, -1, 3, 0.5), [2, 3], "float32"),
  y: new Tensor(Float32Array.of(1, 0, 0, 1), [2, 2], "float32"),
};

const upTo = (unit: RunHistory["unit"], position: number): RunHistory =>
  position === 0
    ? { unit, positions: [], values: {} }
    : { unit, positions: [position], values: { loss: [0.5], val_loss: [null] } };

describe("Run", () => {
  it("makes its folder when it finishes, not before", async () => {
    const path = join(folder, "all", "runs", "first");
    const { run } = await open(path);
    const model = tinyModel();
    run.begin(model);
    expect(readdirSync(folder)).toEqual([]);
    await run.finish(model, upTo("epoch", 20), test);
    expect(readdirSync(path).sort()).toEqual(files);
  });

  it("keeps the files of an earlier run until it finishes, and then replaces them all", async () => {
    for (const name of [...files, "notes.txt"]) writeFileSync(join(folder, name), "earlier");
    const { run } = await open(folder);
    const model = tinyModel();
    run.begin(model);
    for (const name of files) expect(readFileSync(join(folder, name), "utf8")).toBe("earlier");
    await run.finish(model, upTo("epoch", 20), test);
    expect(readdirSync(folder).sort()).toEqual([...files, "notes.txt"].sort());
    for (const name of files) expect(readFileSync(join(folder, name), "utf8")).not.toBe("earlier");
    expect(readFileSync(join(folder, "notes.txt"), "utf8")).toBe("earlier");
  });

  it("does not begin when it was interrupted before", async () => {
    const { run, abort, lines } = await open(folder);
    abort.abort();
    expect(() => run.begin(tinyModel())).toThrow(abort.signal.reason);
    expect(lines).toEqual([]);
  });

  it("says every ten seconds how far a training by hand is, where nothing can be drawn over", async () => {
    let now = 0;
    const { run, lines } = await open(folder, "step", () => now);
    run.begin(tinyModel());
    lines.length = 0;
    for (let step = 1; step <= 20; step++) {
      now += 4000;
      run.progress(step, 20, { loss: 1 / step });
      if (step === 5) run.say("evaluated");
    }
    expect(lines).toEqual([
      "step 3/20 - 1:08 left - loss: 0.3333",
      "evaluated",
      "step 8/20 - 48s left - loss: 0.1250",
      "step 11/20 - 36s left - loss: 0.0909",
      "step 14/20 - 24s left - loss: 0.0714",
      "step 17/20 - 12s left - loss: 0.0588",
    ]);
  });

  it.each([
    ["epoch", 20, false, "after 20 epochs"],
    ["epoch", 1, false, "after 1 epoch"],
    ["epoch", 0, true, "within epoch 1 of 20"],
    ["epoch", 3, true, "within epoch 4 of 20"],
    ["step", 0, true, "after 0 of 20 steps"],
    ["step", 13, true, "after 13 of 20 steps"],
  ] as const)(
    "says where it ended: %s, %i completed, interrupted: %s",
    async (unit, completed, cut, where) => {
      const { run, abort, lines } = await open(folder, unit);
      const model = tinyModel();
      run.begin(model);
      if (cut) abort.abort();
      await run.finish(model, upTo(unit, completed), test);
      const text = lines.join("\n");
      expect(text).toContain(` ${where}, `);
      expect(text).toContain("To reach: a test accuracy of 0.5. Follows a tutorial: https://example.org/a");
      expect(text.includes("Interrupted; what was trained is kept.")).toBe(cut);
      const result = JSON.parse(readFileSync(join(folder, "result.json"), "utf8")) as RunResult;
      expect(result).toMatchObject({ unit, count: completed, interrupted: cut });
      const report = readFileSync(join(folder, "report.html"), "utf8");
      expect(report.includes(`interrupted ${where}`)).toBe(cut);
      expect(report).toContain('<a href="https://example.org/a">');
    },
  );

  it("is not cut short by an interruption after the last epoch", async () => {
    const { run, abort, lines } = await open(folder);
    const model = tinyModel();
    run.begin(model);
    abort.abort();
    await run.finish(model, upTo("epoch", 20), test);
    expect(run.result).toMatchObject({ count: 20, interrupted: false });
    expect(lines.join("\n")).not.toContain("Interrupted");
  });
});
