import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Served, serve } from "../../examples/browser/serve.mjs";
import { readKerasFile, writeKerasFile } from "../../src/formats/kerasFile.js";
import { chromium, describeWith } from "../machine.js";
import { launch, patience, root, visit } from "./browser.js";

const keras = readFileSync(join(root, "tests/golden/files/graph.keras"));

/** In the page: reads the file, writes it anew, and gives the length and every byte. */
const script = `(async () => {
  const { readKerasFile, writeKerasFile } = await import("/js/kerasFile.js");
  const bytes = new Uint8Array(await (await fetch("/graph.keras")).arrayBuffer());
  return [...await writeKerasFile(await readKerasFile(bytes, "graph.keras"))];
})()`;

describeWith(chromium, "model files in a page", (executable) => {
  let folder: string;
  let browser: Browser;
  let server: Served;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "rondo-browser-files-"));
    browser = await launch(executable);
    await build({
      absWorkingDir: root,
      entryPoints: ["dist/formats/kerasFile.js"],
      outdir: join(folder, "js"),
      bundle: true,
      format: "esm",
      tsconfigRaw: "{}", // the paths of tsconfig.json are for the sources
    });
    cpSync(join(root, "dist/browser/file.worker.browser.js"), join(folder, "js/file.worker.browser.js"));
    server = await serve({
      folders: { "/js/": join(folder, "js") },
      files: { "/": `<!doctype html><link rel="icon" href="data:,">`, "/graph.keras": keras },
      isolated: false,
    });
  }, patience);
  afterAll(async () => {
    await server.close();
    await browser.close();
    rmSync(folder, { recursive: true });
  });

  it("are read and written to the same bytes as in Node", async () => {
    const inPage = await visit(browser, server.url, (page) => page.evaluate<number[]>(script));
    const inNode = await writeKerasFile(await readKerasFile(keras, "graph.keras"));
    expect(Uint8Array.from(inPage)).toEqual(inNode);
  });

  it("need their worker, which the error names", async () => {
    const page = await browser.newPage();
    try {
      await page.route("**/file.worker*", (route) => route.fulfill({ status: 404 }));
      await page.goto(server.url);
      expect(await page.evaluate(`${script}.catch(String)`)).toMatch(
        /^RondoError: file worker: received a script that did not load \(HTTP status 404 at http.+file\.worker\.browser\.js\)/,
      );
    } finally {
      await page.close();
    }
  });
});
