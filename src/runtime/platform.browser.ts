import { RondoError } from "../errors.js";
import { type Platform, pressForCollection, type WasmBuild, type WorkerThread } from "./platform.js";

/** Written out one by one, so that bundlers find the files. */
const files: Readonly<Record<WasmBuild, () => URL>> = {
  simd128: () => new URL("../wasm/simd128.wasm", import.meta.url),
  "simd128-threads": () => new URL("../wasm/simd128-threads.wasm", import.meta.url),
  "relaxed-simd": () => new URL("../wasm/relaxed-simd.wasm", import.meta.url),
  "relaxed-simd-threads": () => new URL("../wasm/relaxed-simd-threads.wasm", import.meta.url),
};

const isolated = globalThis.crossOriginIsolated === true;
const manual = "see docs/browser.md in Rondo's package";
/** What helps where the server has the file and does not give it. */
const allow = "Let the server read Rondo's folder (in Vite, server.fs.allow)";

export const platform: Platform = {
  cores: navigator.hardwareConcurrency,
  native: false,
  nativeFix: 'Use backend: "wasm" here',
  sharedMemory: isolated,
  environment: () => undefined,

  loadAddon() {
    throw new Error("browsers have no native addons");
  },

  async compile(build) {
    const missing = ["fetch", "Worker"].find((name) => !(name in globalThis));
    if (missing !== undefined) {
      throw new RondoError({
        where: "wasm kernels",
        received: `a page without ${missing}`,
        expected: "a browser",
        fix: "Run tests in a real browser, or in Node's environment (Jest: @jest-environment node at the head of the file)",
      });
    }
    const url = files[build]().href;
    const bytes = await kernelsAt(url);
    try {
      return await WebAssembly.compile(bytes);
    } catch (cause) {
      const reason = messageOf(cause);
      const forbidden = /content security policy|unsafe-eval|\bCSP\b/i.test(reason);
      throw new RondoError(
        {
          where: "wasm kernels",
          received: forbidden
            ? "a content security policy that forbids WebAssembly"
            : `${url}, which does not compile (${reason})`,
          expected: forbidden ? "one that allows it" : "the file as Rondo's package has it",
          fix: forbidden ? `Add 'wasm-unsafe-eval' to its script-src; ${manual}` : "Serve it unchanged",
        },
        { cause },
      );
    }
  },

  collect: pressForCollection,

  startWorker: () =>
    openWorker(
      "wasm worker",
      "wasm.worker.browser.js",
      () => new Worker(new URL("./wasm.worker.browser.js", import.meta.url), { type: "module" }),
    ),
};

/**
 * Starts a script of Rondo's as a worker thread.
 *
 * @param where what errors call it
 * @param name of the script's file, which lies beside the module that starts it
 * @param start `new Worker(new URL(…))`, written out where it is called, so that bundlers find the script
 */
export function openWorker(where: string, name: string, start: () => Worker): WorkerThread {
  let forbidden = false;
  const ended = new AbortController();
  addEventListener(
    "securitypolicyviolation",
    ({ effectiveDirective }) => {
      forbidden ||= effectiveDirective === "worker-src";
    },
    { signal: ended.signal },
  );
  let worker: Worker;
  try {
    worker = start();
  } catch (cause) {
    ended.abort();
    throw new RondoError(
      {
        where,
        received: messageOf(cause),
        expected: "a script that the page may start",
        fix: `Serve Rondo from the page's own origin; ${manual}`,
      },
      { cause },
    );
  }
  return {
    post: (message, transfer) => worker.postMessage(message, transfer),
    listen(message, error) {
      worker.onmessage = (event) => message(event.data);
      worker.onerror = async (event) =>
        error(event.message ? new Error(event.message) : await notLoaded(where, name, () => forbidden));
    },
    hold() {}, // a page lives as long as it is open
    async terminate() {
      ended.abort();
      worker.terminate();
    },
  };
}

/** The bytes of a file of kernels, or the error that says what the server gave instead. */
async function kernelsAt(url: string): Promise<ArrayBuffer> {
  const failure = (received: string, fix: string, cause?: unknown) =>
    new RondoError({ where: "wasm kernels", received, expected: `a wasm file at ${url}`, fix }, { cause });
  let response: Response;
  let bytes: ArrayBuffer;
  try {
    response = await fetch(url);
    bytes = await response.arrayBuffer();
  } catch (cause) {
    throw failure(
      `no answer (${messageOf(cause)})`,
      "Check the connection, and that the page may fetch from there (connect-src of a content security policy, the other origin's headers)",
      cause,
    );
  }
  if (!response.ok)
    throw failure(
      `HTTP status ${response.status}`,
      `${response.status === 403 ? allow : "Serve Rondo's dist/wasm there; esbuild and Rollup do not copy it"}; ${manual}`,
    );
  if (new Uint8Array(bytes)[0] === "<".charCodeAt(0))
    throw failure(
      "an HTML page",
      `Serve Rondo's dist/wasm there, as the server answers with a page for what it does not have; in Vite below 8, set optimizeDeps: { exclude: ["rondo"] }; ${manual}`,
    );
  return bytes;
}

/** Why the worker's script did not load, which the browser does not say: from what can be seen of it. */
async function notLoaded(where: string, name: string, forbidden: () => boolean): Promise<RondoError> {
  // Not `new URL("…", import.meta.url)`, of which bundlers make a file. Those that rename the worker serve it, too.
  const url = import.meta.url.replace(/[^/]*$/, name);
  const response = await fetch(url).catch(() => undefined);
  const failure = (received: string, expected: string, fix: string) =>
    new RondoError({ where, received, expected, fix: `${fix}; ${manual}` });
  if (forbidden())
    return failure(
      "a content security policy that forbids the worker",
      "one that allows it",
      "Add the page's own origin to its worker-src, for example worker-src 'self'",
    );
  const policy = "Cross-Origin-Embedder-Policy";
  const headerFix = `Send ${policy}: require-corp with it, as the page is isolated`;
  if (!response?.ok || !/javascript/.test(response.headers.get("Content-Type") ?? "")) {
    const answer = response?.ok ? "no JavaScript" : `HTTP status ${response?.status}`;
    return failure(
      `a script that did not load${response === undefined ? "" : ` (${answer} at ${url})`}`,
      `${name} beside Rondo's module`,
      response?.status === 403
        ? allow
        : `Serve it there; esbuild and Rollup do not copy it${isolated ? `. ${headerFix}` : ""}`,
    );
  }
  if (isolated && !/require-corp|credentialless/.test(response.headers.get(policy) ?? ""))
    return failure(`a script without the header ${policy} at ${url}`, "the script with it", headerFix);
  return failure(
    `a script that did not load from ${url}`,
    `${name} as Rondo's package has it`,
    "Look in the browser's console for the reason",
  );
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
