// What is packed, as a project finds it that has installed it: each case is a child process beside the package.
import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { installPackage } from "../browser/browser.js";
import { describeWith, nativeAddon } from "../machine.js";

const thisOne = `${process.platform}-${process.arch}`;
const app = `
  import { createBackend } from "rondo";
  createBackend({ threads: 1 }).then(({ kind }) => console.log(kind), ({ name, message }) => console.log(name, message));
`;

let project: string;
let native: string;
beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), "rondo-package-"));
  native = join(installPackage(project), "dist/native");
});
afterAll(() => rmSync(project, { recursive: true }));

/** Runs a file of the project's. */
async function run(file: string): Promise<{ stdout: string; stderr: string }> {
  return promisify(execFile)(process.execPath, [join(project, file)], { cwd: project, timeout: 25_000 });
}

describeWith(nativeAddon, "the package", () => {
  it("has the addon of this platform, and nothing else built for Node", () => {
    expect(readdirSync(native)).toEqual([`rondo-${thisOne}.node`]);
  });

  it("is native where it was built", async () => {
    writeFileSync(join(project, "app.mjs"), app);
    expect(await run("app.mjs")).toEqual({ stdout: "native\n", stderr: "" });
  });

  it("is wasm elsewhere, and says so in one line", async () => {
    writeFileSync(join(project, "app.mjs"), app);
    const addon = join(native, `rondo-${thisOne}.node`);
    const other = join(native, "rondo-plan9-mips.node");
    renameSync(addon, other);
    try {
      const { stdout, stderr } = await run("app.mjs");
      expect(stdout).toBe("wasm\n");
      expect(stderr).toMatch(
        new RegExp(
          `^rondo: .*this package comes without one for ${thisOne}\\).* clone of its repository on ${thisOne}.*\\n$`,
        ),
      );
    } finally {
      renameSync(other, addon);
    }
  });
});

describe("the package", () => {
  it.each(["cjs", "esm"] as const)(
    "says in a bundle for Node (%s) that it belongs outside",
    async (format) => {
      writeFileSync(join(project, "source.js"), app);
      const outfile = format === "cjs" ? "bundle.cjs" : "bundle.mjs";
      await build({
        absWorkingDir: project,
        entryPoints: ["source.js"],
        outfile,
        bundle: true,
        platform: "node",
        format,
        logLevel: "error",
      });
      const { stdout, stderr } = await run(outfile);
      expect(stderr).toBe("");
      expect(stdout).toMatch(
        /^RondoError createBackend: rondo: received a bundle for Node.*--external:rondo.*\n$/,
      );
    },
  );

  it("names the file of kernels that it lacks", async () => {
    const other = mkdtempSync(join(tmpdir(), "rondo-package-"));
    try {
      cpSync(join(project, "node_modules"), join(other, "node_modules"), { recursive: true });
      rmSync(join(other, "node_modules/rondo/dist/wasm"), { recursive: true });
      rmSync(join(other, "node_modules/rondo/dist/native"), { recursive: true, force: true });
      writeFileSync(join(other, "app.mjs"), app);
      const { stdout } = await promisify(execFile)(process.execPath, [join(other, "app.mjs")]);
      expect(stdout).toMatch(
        /^RondoError createBackend: wasm kernels: received ENOENT.*(simd128|relaxed-simd)\.wasm.* Install the package again\.\n$/,
      );
    } finally {
      rmSync(other, { recursive: true });
    }
  });
});
