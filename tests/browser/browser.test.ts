import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { build } from "esbuild";
import type { Browser } from "playwright-core";
import type { BackendOptions } from "rondo";
import { mnist } from "rondo/datasets";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Served, serve } from "../../examples/browser/serve.mjs";
import { chromium, describeWith } from "../machine.js";
import { type Digits, type Outcome, train } from "./app.js";
import { installPackage, launch, patience, root, visit } from "./browser.js";

setFlagsFromString("--experimental-wasm-relaxed-simd"); // behind this flag in Node 20

const count = 400;
const epochs = 2;

/** In the page: the digits, and a call of one of the app's functions. */
const script = {
  train: (options: BackendOptions) => `(async () => {
    const { train } = await import("/app/js/app.js");
    const read = async (name) => (await fetch(name)).arrayBuffer();
    const images = new Float32Array(await read("/images.bin"));
    const labels = new Int32Array(await read("/labels.bin"));
    return train({ images, labels }, ${JSON.stringify(options)});
  })()`,
  mistakes: `import("/app/js/app.js").then(({ mistakes }) => mistakes())`,
  startFailure: `import("/app/js/app.js").then(({ startFailure }) => startFailure({}))`,
};

/** The page of the app as it is, which finds the library by its import map, and of the bundle, which holds it. */
const pages = {
  "/plain": `<!doctype html><link rel="icon" href="data:,">
    <script type="importmap">{ "imports": { "rondo": "/dist/browser/rondo.js" } }</script>`,
  "/bundled": `<!doctype html><link rel="icon" href="data:,">`,
};

async function firstDigits(): Promise<Digits> {
  const { train } = await mnist({ labels: "index" });
  return { images: train.x.rows(0, count).data.slice(), labels: train.y.rows(0, count).data.slice() };
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView) =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** What must be the same bits wherever the same WebAssembly runs. */
const bits = ({ losses, history, prediction }: Outcome) => ({ losses, history, prediction });

describeWith(chromium, "in a page", (executable) => {
  let folder: string;
  let browser: Browser;
  let digits: Digits;
  let inNode: Outcome;

  const open = (isolated: boolean, folders: Readonly<Record<string, string>>): Promise<Served> =>
    serve({
      folders,
      files: { ...pages, "/images.bin": bytesOf(digits.images), "/labels.bin": bytesOf(digits.labels) },
      isolated,
    });
  const library = () => ({ "/dist/": join(root, "dist"), "/app/": join(folder, "plain") });

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "rondo-browser-"));
    browser = await launch(executable);
    digits = await firstDigits();
    inNode = await train(digits, { backend: "wasm", instructionSet: "relaxed-simd", threads: 1 });
    await build({
      entryPoints: [join(root, "tests/browser/app.ts")],
      outdir: join(folder, "plain/js"),
      format: "esm",
      tsconfigRaw: "{}",
    });
  }, patience);
  afterAll(async () => {
    await browser.close();
    rmSync(folder, { recursive: true });
  });

  describe.each([
    { mode: "with threads", isolated: true },
    { mode: "without threads", isolated: false },
  ])("$mode", ({ isolated }) => {
    let server: Served;
    let outcome: Outcome;
    let cores: number;
    beforeAll(async () => {
      server = await open(isolated, library());
      [outcome, cores] = await visit(browser, `${server.url}/plain`, async (page) => {
        expect(await page.evaluate("crossOriginIsolated")).toBe(isolated);
        const trained = (await page.evaluate(script.train({}))) as Outcome;
        return [trained, await page.evaluate(() => navigator.hardwareConcurrency)] as const;
      });
    }, patience);
    afterAll(() => server.close());

    it("trains to the same bits as in Node", () => {
      expect(bits(outcome)).toEqual(bits(inNode));
      expect(outcome.losses).toHaveLength((epochs * 0.75 * count) / 20);
      expect(outcome.history.loss?.at(-1)).toBeLessThan(2); // it has learnt something: ln 10 = 2.3 is guessing
    });

    it("uses all cores where memory may be shared, else one", () => {
      expect(outcome.threads).toBe(isolated ? Math.min(16, cores) : 1);
      expect(outcome.backend).toMatch(/^wasm relaxed-simd, \d+ threads?$/);
    });

    it("leaves the page's thread free", () => {
      expect(outcome.ticks).toBeGreaterThan(0);
    });

    it("predicts on the page's thread what it predicts in the worker", () => {
      expect(outcome.predictionSync).toEqual(outcome.prediction);
      expect(outcome.prediction).toHaveLength(10);
    });

    it("runs on three threads, and without relaxed SIMD, to the bits of Node", async () => {
      const options = { instructionSet: "simd128", threads: 3 };
      const page = await visit(
        browser,
        `${server.url}/plain`,
        async (page) => (await page.evaluate(script.train(options))) as Outcome,
      );
      expect(page.backend).toBe(`wasm simd128, ${isolated ? "3 threads" : "1 thread"}`);
      expect(bits(page)).toEqual(bits(await train(digits, { ...options, backend: "wasm", threads: 1 })));
    });
  });

  it("says what is wrong, and how to fix it", async () => {
    const server = await open(false, library());
    try {
      const messages = await visit(browser, `${server.url}/plain`, (page) => page.evaluate(script.mistakes));
      expect(messages).toMatchInlineSnapshot(`
        [
          "RondoError: fit: received x of shape [4, 5], expected [batch, 3], as the model's inputShape says. Reshape x, or change the first layer's inputShape.",
          "RondoError: fit: received 4 samples in x (shape [4, 3]) and 3 in y (shape [3, 2]), expected the same number of samples in both. Give one row of y for every row of x.",
          "RondoError: predictSync: received a call while weights or states are being changed, expected no fit, trainOnBatch or setWeights under way, and no other run of a stateful model. Await them first, or use predict, which takes its turn.",
          "RondoError: createBackend: received a request for the native backend, which is not available (browsers have no native addons), expected the built addon dist/native/rondo.node. Use backend: "wasm" here.",
          "RondoError: createBackend: received threads 0, expected a whole number from 1 to 256. Leave threads (and RONDO_THREADS) out to use all cores.",
        ]
      `);
    } finally {
      await server.close();
    }
  });

  it.each([
    { missing: "the wasm files", served: "browser", reason: /wasm: HTTP status 404/ },
    { missing: "the worker's script", served: "wasm", reason: /the worker's script did not load/ },
  ])("names $missing when the server has none", async ({ served, reason }) => {
    const server = await serve({
      folders: { [`/dist/${served}/`]: join(root, "dist", served), "/app/": join(folder, "plain") },
      files: { ...pages, "/dist/browser/rondo.js": readFileSync(join(root, "dist/browser/rondo.js")) },
      isolated: false,
    });
    const page = await browser.newPage();
    try {
      await page.goto(`${server.url}/plain`);
      const message = await page.evaluate(script.startFailure);
      expect(message).toMatch(reason);
      expect(message).toMatch(/^RondoError: createBackend, wasm: .* serve its folders/);
    } finally {
      await page.close();
      await server.close();
    }
  });

  describe("bundled by esbuild", () => {
    beforeAll(async () => {
      const app = join(folder, "bundled");
      const installed = installPackage(app);
      cpSync(join(root, "tests/browser/app.ts"), join(app, "app.ts"));
      await build({
        absWorkingDir: app,
        entryPoints: ["app.ts"],
        outdir: "public/js",
        bundle: true,
        minify: true,
        format: "esm",
      });
      // esbuild leaves the addresses of a worker and of wasm files as they are: they are seen from the bundle.
      cpSync(
        join(installed, "dist/browser/wasm.worker.browser.js"),
        join(app, "public/js/wasm.worker.browser.js"),
      );
      cpSync(join(installed, "dist/wasm"), join(app, "public/wasm"), { recursive: true });
    }, patience);

    it.each([true, false])("trains to the same bits as in Node, isolated: %s", async (isolated) => {
      const server = await open(isolated, { "/app/": join(folder, "bundled/public") });
      try {
        const page = await visit(
          browser,
          `${server.url}/bundled`,
          async (page) => (await page.evaluate(script.train({}))) as Outcome,
        );
        expect(bits(page)).toEqual(bits(inNode));
      } finally {
        await server.close();
      }
    });
  });
});
