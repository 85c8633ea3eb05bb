// The library on machines of other numbers of cores, and in folders and under settings unlike a developer's.
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { root } from "../browser/browser.js";
import { nativeAddon } from "../machine.js";

const backends = nativeAddon.path === undefined ? ["wasm"] : ["native", "wasm"];

/** Trains one step on all cores, and prints the backend's threads and a weight. */
const script = (library: string, cores: number) => `
  import os from "node:os";
  import { syncBuiltinESMExports } from "node:module";
  os.availableParallelism = () => ${cores};
  syncBuiltinESMExports();
  const { createBackend, layers, sequential } = await import(${JSON.stringify(library)});
  const backend = await createBackend({ backend: process.env.BACKEND });
  const model = sequential([layers.lstm({ units: 3, inputShape: [4, 2] })], { seed: 1, backend });
  model.compile({ optimizer: "sgd", loss: "meanSquaredError" });
  const [loss] = await model.trainOnBatch([[[1, 2], [3, 4], [5, 6], [7, 8]]], [[1, 2, 3]]);
  console.log(backend.capabilities.threads, loss.toFixed(6));
  await backend.close();
`;

async function run(library: string, cores: number, backend: string, env: object = {}): Promise<string> {
  const args = ["--input-type=module", "--eval", script(library, cores)];
  const options = { env: { ...process.env, BACKEND: backend, ...env }, timeout: 25_000 };
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, options);
  expect(stderr).toBe("");
  return stdout.trim();
}

const built = pathToFileURL(join(root, "dist/index.js")).href;

describe.each(backends)("the library on %s", (backend) => {
  let expected: string;
  beforeAll(async () => {
    expected = await run(built, 2, backend);
    expect(expected).toMatch(/^2 \d\.\d{6}$/);
  });

  it.each([
    [1, 1],
    [16, 16],
    [64, 16],
  ])("takes %i cores as %i threads, with the same result", async (cores, threads) => {
    expect(await run(built, cores, backend)).toBe(expected.replace("2", String(threads)));
  });

  describe("elsewhere", () => {
    const folder = mkdtempSync(join(tmpdir(), "rondo-place-"));
    const library = join(folder, "ein Ort für %41 #1? 'ß' 山", "rondo");
    beforeAll(() => {
      mkdirSync(library, { recursive: true, mode: 0o700 });
      cpSync(join(root, "dist"), join(library, "dist"), { recursive: true });
      cpSync(join(root, "package.json"), join(library, "package.json"));
    });
    afterAll(() => rmSync(folder, { recursive: true }));

    it("runs from a path with letters of all kinds, in another language and time zone", async () => {
      const there = pathToFileURL(join(library, "dist/index.js")).href;
      const env = { LC_ALL: "tr_TR.UTF-8", LANG: "tr_TR.UTF-8", TZ: "Pacific/Chatham", HOME: "/nonexistent" };
      expect(await run(there, 2, backend, env)).toBe(expected);
    });
  });
});
