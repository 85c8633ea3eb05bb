import { cpSync, mkdtempSync, rmSync } from "node:fs";
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

/** How an answer to a path differs from what it should be. */
type Alter = (path: string) => {
  readonly status?: number;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
};

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
          "RondoError: createBackend: received a request for the native backend, which is not available (browsers have no native addons), expected an addon that loads. Use backend: "wasm" here.",
          "RondoError: createBackend: received threads 0, expected a whole number from 1 to 256. Leave threads (and RONDO_THREADS) out to use all cores.",
        ]
      `);
    } finally {
      await server.close();
    }
  });

  it.each<{ when: string; alter: Alter; message: RegExp; isolated?: true }>([
    {
      when: "the server has no wasm",
      alter: (path) => (/wasm$/.test(path) ? { status: 404 } : {}),
      message:
        /: wasm kernels: received HTTP status 404, expected a wasm file at http.+simd\.wasm\. Serve .*esbuild/,
    },
    {
      when: "the server refuses wasm",
      alter: (path) => (/wasm$/.test(path) ? { status: 403 } : {}),
      message:
        /: wasm kernels: received HTTP status 403, expected a wasm file at http.+simd\.wasm\. Let .* server\.fs\.allow/,
    },
    {
      when: "the server answers with a page for wasm",
      alter: (path) => (/wasm$/.test(path) ? { status: 200, body: "<!doctype html>" } : {}),
      message:
        /: wasm kernels: received an HTML page, expected a wasm file at http.+simd\.wasm\. .*optimizeDeps/,
    },
    {
      when: "wasm does not reach the page",
      alter: () => ({ headers: { "Content-Security-Policy": "connect-src 'none'" } }),
      message: /: wasm kernels: received no answer \(.+\), .*connect-src/,
    },
    {
      when: "the wasm is damaged",
      alter: (path) => (/wasm$/.test(path) ? { body: "half of it" } : {}),
      message: /: wasm kernels: received http.+simd\.wasm, which does not compile \(.*magic/,
    },
    {
      when: "a policy forbids wasm",
      alter: () => ({
        headers: { "Content-Security-Policy": "script-src 'self' 'unsafe-inline'" },
      }),
      message:
        /: wasm kernels: received a content security policy that forbids WebAssembly.*'wasm-unsafe-eval'/,
    },
    {
      when: "a policy forbids workers",
      alter: () => ({ headers: { "Content-Security-Policy": "worker-src 'none'" } }),
      message: /: wasm worker: received a content security policy that forbids the worker.*worker-src 'self'/,
    },
    {
      when: "only the page has the headers of isolation",
      isolated: true,
      alter: (path) => (/worker/.test(path) ? { headers: { "Cross-Origin-Embedder-Policy": "" } } : {}),
      message:
        /: wasm worker: received a script without the header Cross-Origin-Embedder-Policy at http.+js.* Send/,
    },
    {
      when: "the server has no worker",
      alter: (path) => (/worker/.test(path) ? { status: 404 } : {}),
      message:
        /: wasm worker: received a script that did not load \(HTTP status 404 at http.+js\), .*esbuild/,
    },
    {
      when: "the server refuses the worker",
      isolated: true,
      alter: (path) => (/worker/.test(path) ? { status: 403 } : {}),
      message:
        /: wasm worker: received a script that did not load \(HTTP status 403 at http.+js\), .* server\.fs\.allow\); see/,
    },
    {
      when: "the server answers with a page for the worker",
      alter: (path) =>
        /worker/.test(path) ? { headers: { "Content-Type": "text/html" }, body: "<!doctype html>" } : {},
      message:
        /: wasm worker: .* did not load \(no JavaScript at http.+js\), expected wasm\.worker\.browser\.js beside/,
    },
    {
      when: "the worker's script does not parse",
      alter: (path) => (/worker/.test(path) ? { body: "half of it" } : {}),
      message: /: wasm worker: received a script that did not load from http.+js, .* browser's console/,
    },
  ])("says how to help where $when", async ({ alter, message, isolated = false }) => {
    const server = await open(isolated, library());
    const page = await browser.newPage();
    try {
      await page.route("**/*", async (route) => {
        const response = await route.fetch();
        const { headers, ...rest } = alter(new URL(route.request().url()).pathname);
        await route.fulfill({ response, ...rest, headers: { ...response.headers(), ...headers } });
      });
      await page.goto(`${server.url}/plain`);
      const said = await page.evaluate(script.startFailure);
      expect(said).toMatch(/^RondoError: createBackend: wasm /);
      expect(said).toMatch(message);
      expect(said).not.toMatch(/defect|broke/);
    } finally {
      await page.close();
      await server.close();
    }
  });

  it("says how to help in a simulated page, and where its scripts come from another origin", async () => {
    const server = await open(false, library());
    const page = await browser.newPage();
    try {
      await page.route("**/*.{js,wasm}", async (route) => {
        const response = await route.fetch();
        const headers = { ...response.headers(), "Access-Control-Allow-Origin": "*" };
        await route.fulfill({ response, headers });
      });
      await page.goto(server.url.replace("localhost", "127.0.0.1"));
      const start = `import("${server.url}/dist/browser/rondo.js").then((rondo) => rondo.createBackend()).catch(String)`;
      expect(await page.evaluate(start)).toMatch(
        /: wasm worker: received .*cannot be accessed from origin.* Serve Rondo from the page's own origin/,
      );
      await page.evaluate("delete globalThis.fetch");
      expect(await page.evaluate(start)).toMatch(
        /: wasm kernels: received a page without fetch, expected a browser\. .*@jest-environment node/,
      );
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
