import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "./command.js";

const top = mkdtempSync(join(tmpdir(), "rondo-generate-"));
const folder = join(top, "run");
beforeAll(async () => {
  const data = join(top, "data");
  mkdirSync(data);
  writeFileSync(join(data, "input.txt"), "abcd efgh\n".repeat(300));
  const options = [
    "--lstm-sizes",
    "8",
    "--embed-size",
    "4",
    "--steps",
    "16",
    "--batch-size",
    "4",
    "--epochs",
    "2",
  ];
  const { code, err } = await run([
    ...["train", "char-lm", "--data", data, ...options, "--seed", "1", "--learning-rate", "0.03"],
    ...["--quiet", "--out", folder],
  ]);
  if (code !== 0) throw new Error(err);
});
afterAll(() => rmSync(top, { recursive: true }));

describe("rondo generate", () => {
  const options = ["--prompt", "abc", "--length", "20", "--seed", "5"];

  it("writes the prompt and what goes on from it, the same for a seed", async () => {
    const first = await run(["generate", folder, ...options]);
    expect(first.code).toBe(0);
    expect(first.out).toMatch(/^abc[a-h\s]{20}\n$/);
    expect((await run(["generate", folder, ...options])).out).toBe(first.out);
    const other = await run(["generate", folder, ...options, "--seed", "6", "--temperature", "2"]);
    expect(other.out).not.toBe(first.out);
  });

  it("tells programs the text, and how it was drawn", async () => {
    const sampling = ["--temperature", "0.5", "--top-k", "3", "--top-p", "0.9"];
    const { code, out } = await run(["generate", folder, ...options, ...sampling, "--json"]);
    expect(code).toBe(0);
    const told = JSON.parse(out) as Record<string, unknown>;
    expect(told).toMatchObject({
      recipe: "char-lm",
      folder,
      prompt: "abc",
      seed: 5,
      length: 20,
      temperature: 0.5,
      topK: 3,
      topP: 0.9,
    });
    expect(told.text).toMatch(/^[a-h\s]{20}$/);
  });

  it("shows the text as it comes, until Ctrl-C", async () => {
    let told = false;
    const { code, out, err } = await run(
      ["generate", folder, "--length", "100000000", "--prompt", "ab"],
      (child, sofar) => {
        if (told || sofar.length < 50) return;
        told = true;
        child.kill("SIGINT");
      },
    );
    expect(code).toBe(130);
    expect(out.length).toBeGreaterThanOrEqual(50);
    expect(out.startsWith("ab")).toBe(true);
    expect(err.replaceAll(/.*using WebAssembly.*\n/g, "")).toBe("");
  });

  it("ends when nobody reads", async () => {
    const { code } = await run(["generate", folder, "--length", "100000000"], (child, sofar) => {
      if (sofar.length > 50) child.stdout.destroy();
    });
    expect(code).toBe(141);
  });

  it("refuses wrong options, characters that it does not know, and runs that do not write", async () => {
    expect((await run(["generate", folder, "--temperature", "-1"])).code).toBe(2);
    expect((await run(["generate", folder, "--top-p", "0"])).code).toBe(2);
    const unknown = await run(["generate", folder, "--prompt", "xyz"]);
    expect(unknown.code).toBe(1);
    expect(unknown.err).toContain('the token "x" at position 0, which is not in the vocabulary');
    const other = join(top, "regression");
    await run([
      ...["train", "regression", "--units", "4", "--optimizers", "sgd", "--epochs", "1"],
      "--out",
      other,
    ]);
    const { code, err } = await run(["generate", other]);
    expect(code).toBe(1);
    expect(err).toContain(
      "a run of the recipe regression, which does not write text, expected one of char-lm, word-lm",
    );
  });
});
