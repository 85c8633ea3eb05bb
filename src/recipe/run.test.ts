import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { decodeSafetensors } from "../formats/index.js";
import { layers } from "../layers/index.js";
import { type Sequential, sequential } from "../models/sequential.js";
import type { RunHistory } from "../report/index.js";
import { createBackend } from "../runtime/select.js";
import { callbacks, type Terminal } from "../train/index.js";
import { option } from "./options.js";
import { type Outcome, Run, type RunResult } from "./run.js";
import { type Goal, type Goals, type RecipeDescription, settingsOf } from "./settings.js";
import { version } from "./version.js";

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
  "model.keras",
  "report.html",
  "result.json",
  "weights.safetensors",
];
const training = { count: 20, batchSize: 2, learningRate: 0.1 };
const half: Goal = { figure: "testAccuracy", bound: "at least", value: 0.5 };

interface Opened {
  readonly run: Run;
  readonly abort: AbortController;
  readonly lines: string[];
}

interface Opening {
  readonly unit?: RecipeDescription["unit"];
  readonly now?: () => number;
  readonly goal?: Goals;
  readonly json?: boolean;
  readonly terminal?: Terminal;
  readonly draws?: boolean;
}

async function open(
  path: string,
  { unit = "epoch", now, goal = half, json = false, terminal, draws = true }: Opening = {},
): Promise<Opened> {
  const lines: string[] = [];
  const abort = new AbortController();
  const recipe: RecipeDescription = {
    name: "tiny",
    title: "A tiny model",
    goal,
    source: { title: "a tutorial", address: "https://example.org/a", settings: training },
    unit,
    defaults: training,
    options: { keep: option.number({ description: "share of the outputs kept", default: 0.5 }) },
  };
  const print = (text: string) => lines.push(text);
  const { signal } = abort;
  const run = await Run.open({
    recipe,
    settings: settingsOf(recipe, { seed: 7 }),
    backend,
    folder: path,
    signal,
    quiet: false,
    json,
    print,
    canDraw: async () => draws,
    ...(now === undefined ? {} : { now }),
    ...(terminal === undefined ? {} : { terminal }),
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

/** What a recipe ends with after so many epochs or steps. */
const outcome = (model: Outcome["model"], unit: RunHistory["unit"] = "epoch", position = 20): Outcome => ({
  model,
  history: upTo(unit, position),
  test: async () => ({ figures: { testLoss: 0.25, testAccuracy: 0.75 }, sections: [] }),
});

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
    await run.finish(outcome(model));
    expect(readdirSync(path).sort()).toEqual(files);
  });

  it("keeps the files of an earlier run until it finishes, and then replaces them all", async () => {
    for (const name of [...files, "notes.txt"]) writeFileSync(join(folder, name), "earlier");
    const { run } = await open(folder);
    const model = tinyModel();
    run.begin(model);
    for (const name of files) expect(readFileSync(join(folder, name), "utf8")).toBe("earlier");
    await run.finish(outcome(model));
    expect(readdirSync(folder).sort()).toEqual([...files, "notes.txt"].sort());
    for (const name of files) expect(readFileSync(join(folder, name), "utf8")).not.toBe("earlier");
    expect(readFileSync(join(folder, "notes.txt"), "utf8")).toBe("earlier");
  });

  it("finishes without a report where none can be drawn, and says so before and after, with what to install", async () => {
    for (const name of files) writeFileSync(join(folder, name), "earlier");
    const { run, lines } = await open(folder, { draws: false });
    const model = tinyModel();
    run.begin(model);
    expect(lines.join("\n")).toMatch(/no report: .* npm install vega, and rondo train --resume /);
    lines.length = 0;
    await run.finish(outcome(model));
    expect(readdirSync(folder).sort()).toEqual(files.filter((name) => name !== "report.html"));
    expect(lines.join("\n")).toMatch(/Model and history: .*\. No report: .*npm install vega/);
  });

  it("does not begin when it was interrupted before", async () => {
    const { run, abort, lines } = await open(folder);
    abort.abort();
    expect(() => run.begin(tinyModel())).toThrow(abort.signal.reason);
    expect(lines).toEqual([]);
  });

  it("says every ten seconds how far a training by hand is, where nothing can be drawn over", async () => {
    let now = 0;
    const { run, lines } = await open(folder, { unit: "step", now: () => now });
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
      const { run, abort, lines } = await open(folder, { unit });
      const model = tinyModel();
      run.begin(model);
      if (cut) abort.abort();
      await run.finish(outcome(model, unit, completed));
      const text = lines.join("\n");
      expect(text).toContain(` ${where}, `);
      expect(text).toContain("To reach: test accuracy ≥ 0.5. Follows a tutorial: https://example.org/a");
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
    await run.finish(outcome(model));
    expect(run.result).toMatchObject({ count: 20, interrupted: false });
    expect(lines.join("\n")).not.toContain("Interrupted");
  });

  it("prints and writes the figures, that of the goal first, and whether it is reached", async () => {
    const { run, lines } = await open(folder);
    const model = tinyModel();
    run.begin(model);
    await run.finish(outcome(model));
    expect(lines.at(-4)).toMatch(
      /^Test accuracy 0\.7500, test loss 0\.2500 after 20 epochs, \d+\.\d s of training\.$/,
    );
    expect(lines.slice(-2)).toEqual([
      `Model, history and report: ${folder}`,
      `To use it: rondo predict ${folder} <input>`,
    ]);
    const written = JSON.parse(readFileSync(join(folder, "result.json"), "utf8")) as RunResult;
    expect(written).toEqual(run.result);
    expect(Object.entries(written.figures)).toEqual([
      ["testAccuracy", 0.75],
      ["testLoss", 0.25],
    ]);
    expect(written.goal).toEqual({ figure: "testAccuracy", bound: "at least", value: 0.5, reached: true });
    const report = readFileSync(join(folder, "report.html"), "utf8");
    expect(report).toContain('<dt>Test accuracy</dt><dd>0.7500</dd><dd class="note">to reach: ≥ 0.5</dd>');
    expect(report).toContain("<dt>Test loss</dt><dd>0.2500</dd></div>");
    const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as object;
    expect(config).toMatchObject({
      rondo: version(),
      seed: 7,
      options: { keep: 0.5 },
      models: ["model"],
      preprocessing: false,
    });
    expect(report).toContain('<th scope="row">Keep</th><td>0.5</td>');
  });

  it.each([
    [{ bound: "at most", value: 1.05 }, 1.05 * 0.2, "≤ 1.05 × least squares error", true],
    [{ bound: "at most", value: 0.9 }, 0.9 * 0.2, "≤ 0.9 × least squares error", false],
    [{ bound: "at least", value: 2 }, 2 * 0.2, "≥ 2 × least squares error", false],
  ] as const)("measures a figure by another one: %j", async (bound, value, text, reached) => {
    const goal = { figure: "testError", times: "leastSquaresError", ...bound };
    const { run, lines } = await open(folder, { goal });
    const model = tinyModel();
    run.begin(model);
    const figures = { leastSquaresError: 0.2, testError: 0.2 };
    await run.finish({ ...outcome(model), test: async () => ({ figures, sections: [] }) });
    const { figure, bound: side } = goal;
    expect(run.result?.goal).toEqual({ figure, bound: side, value, reached });
    expect(lines.join("\n")).toContain(`To reach: test error ${text}, which is ${value.toFixed(4)}. Follows`);
  });

  it("says of figures without a goal what they are, in their order", async () => {
    const { run, lines } = await open(folder, { goal: [{ ...half, where: { keep: 0.9 } }] });
    const model = tinyModel();
    run.begin(model);
    const figures = { testLoss: 0.25, testAccuracy: 0.75 };
    await run.finish({ ...outcome(model), test: async () => ({ figures, sections: [] }) });
    expect(lines.join("\n")).toMatch(/Test loss 0\.2500, test accuracy 0\.7500 after 20 epochs/);
    expect(lines.join("\n")).toMatch(/^Follows /m);
    expect(JSON.parse(readFileSync(join(folder, "result.json"), "utf8"))).not.toHaveProperty("goal");
    expect(readFileSync(join(folder, "report.html"), "utf8")).not.toContain("to reach");
  });

  it("refuses figures without that of the goal", async () => {
    const { run } = await open(folder);
    const model = tinyModel();
    run.begin(model);
    const figures = { testAcuracy: 1 };
    await expect(
      run.finish({ ...outcome(model), test: async () => ({ figures, sections: [] }) }),
    ).rejects.toThrow('finish: received the unknown figure "testAccuracy", expected one of testAcuracy.');
    expect(readdirSync(folder)).toEqual([]);
  });

  it("does not count the time of the test", async () => {
    let now = 0;
    const { run } = await open(folder, { now: () => now });
    const model = tinyModel();
    run.begin(model);
    now += 3000;
    await run.finish({
      ...outcome(model),
      test: async () => {
        now += 60_000;
        return outcome(model).test();
      },
    });
    expect(run.result?.trainingSeconds).toBe(3);
  });

  it("keeps several models and several histories by name", async () => {
    const { run, lines } = await open(folder);
    const models = { sgd: tinyModel(), adam: tinyModel() };
    run.begin(models);
    expect(lines[0]?.match(/Trainable/g)).toHaveLength(1);
    const history = { sgd: upTo("epoch", 20), adam: upTo("epoch", 20) };
    await run.finish({ ...outcome(models), history, logarithmic: ["loss"] });
    expect(lines.join("\n")).toContain("after 20 epochs of each of 2 trainings");
    expect(run.result).toMatchObject({ count: 20, parameters: 16 });
    const { tensors } = decodeSafetensors(readFileSync(join(folder, "weights.safetensors")), "weights");
    const names = models.sgd.weightNames();
    expect([...tensors.keys()].sort()).toEqual(
      ["adam", "sgd"].flatMap((model) => names.map((name) => `${model}/${name}`)).sort(),
    );
    expect(readFileSync(join(folder, "history.csv"), "utf8")).toBe(
      "run,epoch,loss,val_loss\r\nsgd,20,0.5,\r\nadam,20,0.5,\r\n",
    );
    expect(readFileSync(join(folder, "report.html"), "utf8")).toContain("of 2 models");
  });

  it.each([
    ["epoch", 4, "within epoch 5 of 20 of adam"],
    ["step", 0, "after 0 of 20 steps of adam"],
  ] as const)("says which of several trainings was interrupted: %s %i", async (unit, completed, where) => {
    const { run, abort, lines } = await open(folder, { unit });
    const model = tinyModel();
    run.begin(model);
    abort.abort();
    const history = { sgd: upTo(unit, 20), adam: upTo(unit, completed), nadam: upTo(unit, 0) };
    await run.finish({ ...outcome(model), history });
    expect(lines.join("\n")).toContain(` ${where}, `);
    expect(run.result).toMatchObject({ interrupted: true, count: 0 });
  });

  it("draws the progress of a fit where it was told to, beside what other callbacks add", async () => {
    const drawn: string[] = [];
    const terminal = { dynamic: false, write: (text: string) => drawn.push(text) };
    const { run, lines } = await open(folder, { terminal });
    const model = tinyModel();
    const rate = callbacks.learningRateScheduler(() => 0.5);
    await run.fit("model", (kept) =>
      model.fit([[1, 2, 3]], [[1, 0]], { ...kept, epochs: 2, callbacks: [...kept.callbacks, rate] }),
    );
    const text = drawn.join("");
    expect(text.match(/Epoch \d\/2/g)).toEqual(["Epoch 1/2", "Epoch 2/2"]);
    expect(text.match(/accuracy: .* - learningRate: 0\.5000\n/g)).toHaveLength(2);
    expect(lines).toEqual([]);
  });

  it("shows progress beside JSON on a terminal alone", async () => {
    const write = () => undefined;
    for (const dynamic of [false, true]) {
      const { run, lines } = await open(folder, { json: true, terminal: { dynamic, write } });
      run.say("on the way");
      expect(lines).toEqual(dynamic ? ["on the way"] : []);
    }
  });

  it("prints one line of JSON instead of text where asked", async () => {
    const { run, lines } = await open(folder, { json: true });
    const model = tinyModel();
    run.begin(model);
    await run.finish(outcome(model));
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([run.result]);
  });
});
