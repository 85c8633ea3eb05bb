// Runs that are interrupted, and go on: `rondo train --resume`.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunResult } from "../../src/recipe/index.js";
import { run } from "./command.js";

const top = mkdtempSync(join(tmpdir(), "rondo-resume-"));
const settings = ["regression", "--units", "4", "--optimizers", "sgd,adam", "--epochs", "300", "--seed", "1"];
const alone = join(top, "alone");
beforeAll(async () => {
  await run(["train", ...settings, "--quiet", "--out", alone]);
});
afterAll(() => rmSync(top, { recursive: true }));

const checkpoints = (folder: string): string[] => {
  const path = join(folder, "checkpoints");
  if (!existsSync(path)) return [];
  return readdirSync(path, { recursive: true })
    .filter((name) => /checkpoint-\d+\.keras$/.test(String(name)))
    .map(String);
};

/** Begins the run, and sends a signal when a checkpoint of this training is there. */
async function cut(folder: string, signal: NodeJS.Signals, name: string, args = settings) {
  let poll: NodeJS.Timeout | undefined;
  const ended = await run(["train", ...args, "--checkpoint-steps", "5", "--out", folder], (child, out) => {
    if (out !== "" || poll !== undefined) return;
    poll = setInterval(() => {
      if (!checkpoints(folder).some((file) => file.startsWith(name))) return;
      clearInterval(poll);
      child.kill(signal);
    }, 2);
  });
  clearInterval(poll);
  return ended;
}

/** What does not hang on the time. */
function lasting(folder: string): object {
  const result = JSON.parse(readFileSync(join(folder, "result.json"), "utf8")) as RunResult;
  const files = [
    "adam.keras",
    "sgd.keras",
    "weights.safetensors",
    "history.json",
    "history.csv",
    "config.json",
  ];
  return {
    result: { ...result, folder: "", trainingSeconds: 0 },
    files: files.map((name) => readFileSync(join(folder, name)).toString("base64")),
    names: readdirSync(folder).sort(),
  };
}

describe("rondo train --resume", () => {
  it.each(["sgd", "adam"])("goes on after SIGKILL within the training of %s", async (name) => {
    const folder = join(top, `killed-${name}`);
    await cut(folder, "SIGKILL", name);
    expect(readdirSync(folder)).toEqual(["checkpoints"]);
    const evaluated = await run(["evaluate", folder]);
    expect([evaluated.code, evaluated.err]).toEqual([
      1,
      expect.stringContaining(`rondo train --resume ${folder}`),
    ]);
    const { code, err } = await run(["train", "--resume", folder, "--quiet"]);
    expect([code, err]).toEqual([0, ""]);
    expect(lasting(folder)).toEqual(lasting(alone));
  });

  it("ends cleanly on SIGINT, says how the run goes on, and goes on", async () => {
    const folder = join(top, "interrupted");
    const first = await cut(folder, "SIGINT", "sgd");
    expect(first.code).toBe(130);
    expect(first.out).toContain(`To go on: rondo train --resume ${folder}\n`);
    expect(JSON.parse(readFileSync(join(folder, "result.json"), "utf8"))).toMatchObject({
      interrupted: true,
    });

    const again = await run(["train", ...settings, "--out", folder]);
    expect(again.code).toBe(1);
    expect(again.err).toContain("received a folder with a run that has not finished");

    const others = ["--epochs", "301", "--seed", "2", "--units", "4", "--optimizers", "sgd"];
    const refused = await run(["train", "regression", "--resume", folder, ...others]);
    expect(refused.code).toBe(1);
    expect(refused.err).toContain(
      "received --epochs 301, --seed 2, --optimizers sgd, expected the settings of the run: --epochs 300, --seed 1, --optimizers sgd,adam.",
    );
    const recipe = await run(["train", "bilstm", "--resume", folder]);
    expect(recipe.err).toContain(
      "received the recipe bilstm, expected the settings of the run: the recipe regression",
    );

    const { code, out } = await run(["train", "regression", "--resume", folder, "--seed", "1"]);
    expect(code).toBe(0);
    expect(out).toContain("after 300 steps of each of 2 trainings");
    expect(lasting(folder)).toEqual(lasting(alone));
  });

  it("goes on with a fit, epoch by epoch", async () => {
    const args = ["masked-lstm", "--epochs", "2", "--batch-size", "50", "--seed", "1"];
    const [whole, folder] = [join(top, "whole"), join(top, "fit")];
    await run(["train", ...args, "--quiet", "--out", whole]);
    await cut(folder, "SIGKILL", "NaN", args);
    expect((await run(["train", "--resume", folder, "--quiet"])).code).toBe(0);
    for (const name of ["zeros.keras", "NaN.keras", "history.json"])
      expect(readFileSync(join(folder, name)).equals(readFileSync(join(whole, name))), name).toBe(true);
  }, 120_000);

  it("says that a run has finished, that there is none, and what is missing or damaged", async () => {
    const said = async (folder: string) => {
      const { code, err } = await run(["train", "--resume", folder]);
      expect(code).toBe(1);
      return err;
    };
    expect(await said(alone)).toContain("received a run that has finished");
    expect(await said(join(top, "absent"))).toContain("received a folder that does not exist");
    const folder = join(top, "damaged");
    await cut(folder, "SIGKILL", "sgd");
    const config = join(folder, "checkpoints", "config.json");
    const text = readFileSync(config, "utf8");
    writeFileSync(config, text.slice(0, 20));
    expect(await said(folder)).toContain(
      "received a damaged checkpoints/config.json, which holds the settings",
    );
    rmSync(config);
    expect(await said(folder)).toContain("received no checkpoints/config.json, which holds the settings");
    writeFileSync(config, text);
    for (const file of checkpoints(folder)) writeFileSync(join(folder, "checkpoints", file), "PK");
    expect(await said(folder)).toMatch(/none of which can be read|a checkpoint that cannot be read/);
  });

  it("asks for a recipe or a run", async () => {
    const { code, err } = await run(["train"]);
    expect(code).toBe(2);
    expect(err).toContain("missing required argument 'recipe'");
  });
});
