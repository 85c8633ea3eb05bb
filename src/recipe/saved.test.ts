import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { RondoError } from "../errors.js";
import { layers } from "../layers/index.js";
import { type Sequential, sequential } from "../models/sequential.js";
import { createBackend } from "../runtime/select.js";
import { option } from "./options.js";
import { defineRecipe, type Recipe } from "./recipe.js";
import { Run } from "./run.js";
import { openRun } from "./saved.js";
import { settingsOf } from "./settings.js";
import { version } from "./version.js";

const backend = await createBackend({ threads: 1, warn: () => undefined });
const signal = new AbortController().signal;
const top = mkdtempSync(join(tmpdir(), "rondo-saved-"));
afterAll(async () => {
  await backend.close();
  rmSync(top, { recursive: true });
});

const training = { count: 2, batchSize: 2, learningRate: 0.1 };
const recipe = defineRecipe({
  name: "tiny",
  title: "A tiny model",
  goal: { figure: "testLoss", bound: "at most", value: 1 },
  source: { title: "a tutorial", settings: training },
  unit: "epoch",
  defaults: training,
  options: {
    sizes: option.wholeNumbers({ description: "units", default: [3, 2] }),
    layer: option.choice({ description: "layer", default: "lstm", of: ["lstm", "gru"] }),
  },
  prediction: { reads: "nothing", gives: "nothing" },
  async train(settings, run) {
    await finish(run, make(settings.seed), { words: ["a", "b"] });
  },
  evaluate: async () => ({ figures: { testLoss: 0.25 }, sections: [] }),
  async *predict() {
    yield {};
  },
});
const recipes: readonly Recipe[] = [recipe];

function make(seed: number): Sequential {
  const model = sequential([layers.dense({ units: 2, inputShape: [3] })], { seed, backend });
  model.compile({ optimizer: "adam", loss: "meanSquaredError" });
  return model;
}

const finish = (
  run: Run,
  model: Sequential | Record<string, Sequential>,
  preprocessing?: { words: string[] },
) =>
  run.finish({
    model,
    history: { unit: "epoch", positions: [2], values: { loss: [0.5] } },
    ...(preprocessing === undefined ? {} : { preprocessing }),
    test: () => recipe.evaluate({} as never),
  });

const open = (folder: string, wishes: object = {}) =>
  Run.open({
    recipe,
    settings: settingsOf(recipe, { seed: 7, ...wishes }),
    backend,
    folder,
    signal,
    quiet: true,
    json: false,
    print: () => undefined,
  });

/** A folder with a finished run. */
let folder: string;
let files: Map<string, Buffer> | undefined;
beforeEach(async () => {
  folder = mkdtempSync(join(top, "run-"));
  if (files === undefined) {
    const run = await open(folder, { data: "digits of mine", options: { sizes: [8, 4] } });
    await recipe.train(settingsOf(recipe, { seed: 7 }), run);
    files = new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]));
  } else for (const [name, content] of files) writeFileSync(join(folder, name), content);
});

const change = (name: string, edit: (json: Record<string, unknown>) => void): void => {
  const json = JSON.parse(readFileSync(join(folder, name), "utf8")) as Record<string, unknown>;
  edit(json);
  writeFileSync(join(folder, name), JSON.stringify(json));
};

describe("openRun", () => {
  it("gives settings, figures, model and preprocessing as the run left them", async () => {
    const run = await openRun(folder, recipes);
    expect([run.recipe, run.version]).toEqual([recipe, version()]);
    const settings = settingsOf(recipe, { seed: 7, data: "digits of mine", options: { sizes: [8, 4] } });
    expect(run.settings).toEqual(settings);
    expect(await run.result()).toEqual({ backend: backend.name, figures: { testLoss: 0.25 } });
    const saved = await run.load({ backend, signal });
    expect(saved).toMatchObject({ settings, preprocessing: { words: ["a", "b"] }, backend, signal });
    expect(saved.models).toEqual({ model: saved.model });
    const trained = make(7);
    expect((await saved.model.getWeights()).map(({ data }) => data)).toEqual(
      (await trained.getWeights()).map(({ data }) => data),
    );
    expect(saved.model.metricsNames).toEqual(["loss"]);
  });

  it("looks for the data elsewhere where it is told to", async () => {
    expect((await openRun(folder, recipes, { data: "/other" })).settings.data).toBe("/other");
  });

  it("has models by name, the first of them as the model, and no preprocessing where there is none", async () => {
    const several = join(top, "several");
    await finish(await open(several), { sgd: make(1), adam: make(2) });
    const { model, models, preprocessing } = await (await openRun(several, recipes)).load({
      backend,
      signal,
    });
    expect(Object.keys(models)).toEqual(["sgd", "adam"]);
    expect(model).toBe(models.sgd);
    expect([models.sgd?.seed, models.adam?.seed]).toEqual([1, 2]);
    expect(preprocessing).toEqual({});
  });

  it("needs no result of the training to give the model", async () => {
    rmSync(join(folder, "result.json"));
    const saved = await (await openRun(folder, recipes)).load({ backend, signal });
    expect(saved.model.countParams()).toBe(8);
  });

  it("gives options that the run lacks their defaults", async () => {
    change("config.json", ({ options }) => {
      delete (options as Record<string, unknown>).layer;
    });
    expect((await openRun(folder, recipes)).settings.options).toEqual({ sizes: [8, 4], layer: "lstm" });
  });

  it("has NaN for a figure that JSON does not hold", async () => {
    change("result.json", (result) => {
      result.figures = { testLoss: null };
    });
    expect(await (await openRun(folder, recipes)).result()).toMatchObject({
      figures: { testLoss: Number.NaN },
    });
  });
});

describe("a run's folder", () => {
  /** What is said where not all of it can be read. */
  const refusal = async (): Promise<string> => {
    try {
      const run = await openRun(folder, recipes);
      await run.result();
      await run.load({ backend, signal });
      return "nothing";
    } catch (error) {
      if (error instanceof RondoError) return error.message;
      throw error;
    }
  };
  const again =
    'Copy the file back, or train the same again: rondo train tiny --epochs 2 --batch-size 2 --learning-rate 0.1 --sizes 8,4 --layer lstm --seed 7 --data "digits of mine" --out ';

  it.each([
    [
      "config.json",
      "the settings of the run",
      "Give the folder that rondo train wrote, or train again into it.",
    ],
    ["result.json", "the figures of the training", again],
    ["model.keras", "a trained model", again],
    ["preprocessing.json", "the vocabularies, scalers and the like that belong to the model", again],
  ])("without %s says what that holds and how to get it back", async (name, holds, remedy) => {
    rmSync(join(folder, name));
    const message = await refusal();
    expect(message).toContain(`run ${folder}: received no ${name}, which holds ${holds}, expected`);
    expect(message).toContain(remedy === again ? `${again}${folder}.` : remedy);
  });

  it.each<[string, (content: Buffer) => Uint8Array, RegExp]>([
    ["config.json", (content) => content.subarray(0, 100), /which holds the settings of the run: .*JSON/],
    ["result.json", () => Buffer.from(""), /which holds the figures of the training: .*JSON/],
    ["result.json", () => Buffer.from("[1]"), /a list where an object should be/],
    ["preprocessing.json", (content) => content.subarray(5), /which holds the vocabularies.*JSON/],
    ["model.keras", () => Buffer.from(""), /which holds a trained model: an empty file/],
    ["model.keras", (content) => content.subarray(0, content.length / 2), /a trained model: .*\(truncated\)/],
    ["model.keras", (content) => Buffer.from(content).fill(1, 3000, 4000), /a trained model: /],
    ["model.keras", () => Buffer.from("<!DOCTYPE html>"), /a file that starts with the bytes 3c 21/],
  ])("with a damaged %s names it and says how: %#", async (name, damage, message) => {
    writeFileSync(join(folder, name), damage(readFileSync(join(folder, name))));
    const said = await refusal();
    expect(said).toContain(`run ${folder}: received a damaged ${name}, which holds`);
    expect(said).toMatch(message);
  });

  it.each<[string, (json: Record<string, unknown>) => void, RegExp]>([
    ["no recipe", (config) => delete config.recipe, /a config.json that names no recipe/],
    [
      "an unknown recipe",
      (config) => (config.recipe = "tinyy"),
      /unknown recipe "tinyy".* Did you mean "tiny"/,
    ],
    ["no count", (config) => delete config.count, /received no count in config.json.* 1 or larger/],
    ["another count", (config) => (config.count = "many"), /received count: "many" in config.json/],
    ["another option", (config) => (config.options = { sizes: [0] }), /received the option sizes: \[0\] in/],
    ["an unknown option", (config) => (config.options = { units: 1 }), /received the option units in/],
    ["another data", (config) => (config.data = 1), /received data: 1 in config.json/],
    ["no models", (config) => delete config.models, /received a run without models, as Rondo kept/],
    ["an empty list of models", (config) => (config.models = []), /received a config.json without models/],
    ["models elsewhere", (config) => (config.models = ["../run/model"]), /a run without models/],
  ])("whose config.json has %s is refused", async (_, edit, message) => {
    change("config.json", edit);
    expect(await refusal()).toMatch(message);
  });

  it("whose result.json has no figures is refused", async () => {
    change("result.json", (result) => delete result.figures);
    expect(await refusal()).toMatch(/a result.json without backend and figures/);
  });

  it("is none where there is no folder, or another one", async () => {
    await expect(openRun(join(top, "absent"), recipes)).rejects.toThrow(
      /absent: received a folder that does not exist, expected the folder of a run/,
    );
    await expect(openRun(top, recipes)).rejects.toThrow(/received no config.json/);
  });

  it("loses what only the earlier run had, and keeps what is nobody's", async () => {
    writeFileSync(join(folder, "mine.keras"), "mine");
    await finish(await open(folder), { sgd: make(1), adam: make(2) });
    const names = readdirSync(folder).filter((name) => /keras|preprocessing/.test(name));
    expect(names.sort()).toEqual(["adam.keras", "mine.keras", "sgd.keras"]);
  });

  it("cannot be written where a folder has the name of one of its files", async () => {
    const taken = join(top, "taken");
    mkdirSync(join(taken, "model.keras"), { recursive: true });
    await expect(open(taken)).rejects.toThrow("a folder in the place of model.keras");
  });

  it("has models whose names can be those of files", async () => {
    const run = await open(join(top, "names"));
    expect(() => run.begin({ "a/b": make(1), c: make(2) })).toThrow(/received a model called "a\/b"/);
  });
});
