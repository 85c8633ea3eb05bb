import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { createServer, get } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { folders, serve } from "../../examples/browser/serve.mjs";

const script = fileURLToPath(new URL("../../examples/browser/serve.mjs", import.meta.url));
const run = (...args: readonly string[]) =>
  spawnSync(process.execPath, [script, ...args], { encoding: "utf8", timeout: 20_000 });

it.each<[readonly string[], number, string]>([
  [["--help"], 0, "Usage: node examples/browser/serve.mjs"],
  [["--prot", "1"], 2, "Unknown option '--prot'"],
  [["--port", "abc"], 2, '--port takes a whole number from 0 to 65535, and got "abc".'],
  [["--digits", "0"], 2, '--digits takes a whole number from 1 to 60000, and got "0".'],
])("the example's server answers %j with exit code %d", (args, code, text) => {
  const { status, stdout, stderr } = run(...args);
  expect([status, stdout + stderr]).toEqual([code, expect.stringContaining(text)]);
});

it.skipIf(process.platform === "win32")("the example's server is a program by another path, too", () => {
  const folder = mkdtempSync(join(tmpdir(), "rondo-link-"));
  try {
    symlinkSync(dirname(script), join(folder, "link"));
    const args = [join(folder, "link/serve.mjs"), "--help"];
    expect(spawnSync(process.execPath, args, { encoding: "utf8" }).stdout).toContain("Usage: ");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it.each(["/%", "//", "/dist/%00"])("the example's server has nothing at %s, and goes on", async (path) => {
  const server = await serve({ folders, isolated: false });
  try {
    const statusOf = (path: string) =>
      new Promise((resolve, reject) => {
        get(server.url, { path }, (response) => resolve(response.resume().statusCode)).on("error", reject);
      });
    expect(await statusOf(path)).toBe(404);
    expect(await statusOf("/dist/index.js")).toBe(200);
  } finally {
    await server.close();
  }
});

it("the example's server says that its port is taken", async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = other.address() as AddressInfo;
    const { status, stderr } = run("--port", String(port));
    expect([status, stderr]).toEqual([1, expect.stringContaining(`Port ${port} is taken.`)]);
  } finally {
    other.close();
  }
});
