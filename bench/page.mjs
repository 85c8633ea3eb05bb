// Rondo in a page among the contestants: node page.mjs THREADS CHROMIUM. It speaks as the peers do (`peers/protocol.py`).

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { serve as serveFiles } from "../examples/browser/serve.mjs";
import { data, RATES, rowsOf, serve } from "./peers/protocol.mjs";

const [threads, executablePath] = [Number(process.argv[2]), process.argv[3]];
const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
const folder = (name) => fileURLToPath(new URL(name, import.meta.url));

const server = await serveFiles({
  folders: { "/dist/": folder("../dist"), "/bench/": folder("../bench") },
  files: { "/": "<!doctype html><title>Rondo</title>" },
  isolated: true,
});
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
const page = await browser.newPage();
await page.goto(server.url);
const peer = await page.evaluate(async (count) => {
  globalThis.rondo = await import("/dist/browser/rondo.js");
  globalThis.backend = await globalThis.rondo.createBackend({ backend: "wasm", threads: count });
  return globalThis.backend.name;
}, threads);

/** A training step in the page; a call of it takes the time of a message there and back, too. */
async function make(work, kind) {
  const given = Object.values(data(work, rowsOf(work, kind))).map(({ values, shape }) => ({
    values: [...values],
    isWhole: values instanceof Int32Array,
    shape,
  }));
  const name = `${work.name} ${kind}`;
  await page.evaluate(
    async ({ work, given, name, rates }) => {
      const { rondo, backend } = globalThis;
      const { modelOf } = await import("/bench/build.mjs");
      const [x, y] = given.map(({ values, isWhole, shape }) =>
        rondo.tensor((isWhole ? Int32Array : Float32Array).from(values), shape),
      );
      const model = await modelOf(rondo, { work, backend, rates }).ready();
      globalThis.runs ??= new Map();
      globalThis.runs.set(name, async () => (await model.trainOnBatch(x, y))[0]);
    },
    { work, given, name, rates: RATES },
  );
  return () => page.evaluate((key) => globalThis.runs.get(key)(), name);
}

await serve({ peer, version, threads, make, kinds: ["train"] });
await browser.close();
await server.close();
