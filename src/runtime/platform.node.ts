import { existsSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Worker } from "node:worker_threads";
import { RondoError } from "../errors.js";
import type { Addon } from "./native.js";
import { type Platform, pressForCollection, type WasmBuild, type WorkerThread } from "./platform.js";

const platformName = `${process.platform}-${process.arch}`;

/** Undefined in a bundle of CommonJS. */
const here = import.meta.url as string | undefined;

/** A file of the built package: around this one, or, when the sources run as they are (tests), beside them. */
function fileOf(path: string): URL {
  const [, extension] = here?.match(/\/runtime\/platform\.node\.(js|ts)$/) ?? [];
  if (extension === undefined) {
    throw new RondoError({
      where: "rondo",
      received: `a bundle for Node${here === undefined ? "" : ` (${here})`}`,
      expected: "its own package folder, where its kernels and workers lie",
      fix: "Keep it out of the bundle: --external:rondo in esbuild, external or externals in other bundlers",
    });
  }
  return new URL(extension === "ts" ? `../../dist/${path}` : `../${path}`, here);
}

/** Only a checkout has the sources of the addon. */
const isCheckout = () => existsSync(fileOf("../scripts/build-native.mjs"));
const checkout = () => fileURLToPath(fileOf("..")).replace(/[\\/]$/, "");

/** The engine's collector; undefined where it cannot be had. */
function collector(): (() => void) | undefined {
  if (typeof globalThis.gc === "function") return () => void globalThis.gc?.();
  try {
    setFlagsFromString("--expose-gc");
    const gc: unknown = runInNewContext("globalThis.gc");
    setFlagsFromString("--no-expose-gc");
    return typeof gc === "function" ? () => void gc() : undefined;
  } catch {
    return undefined; // an engine other than V8
  }
}

export const platform: Platform = {
  cores: availableParallelism(),
  native: true,
  sharedMemory: true,
  environment: (name) => process.env[name] || undefined,

  get nativeFix() {
    return isCheckout()
      ? `Install a C++ compiler (g++ or clang++) and run npm run build in ${checkout()}`
      : `For native speed, build Rondo in a clone of its repository on ${platformName} with a C++ compiler, and install that`;
  },

  loadAddon(): Addon {
    const file = fileURLToPath(fileOf(`native/rondo-${platformName}.node`));
    if (!existsSync(file)) {
      const reason = fileOf("native/unavailable.txt");
      if (existsSync(reason)) throw new Error(readFileSync(reason, "utf8"));
      throw new Error(
        isCheckout() ? "it has not been built" : `this package comes without one for ${platformName}`,
      );
    }
    return createRequire(file)(file) as Addon;
  },

  async compile(build: WasmBuild): Promise<WebAssembly.Module> {
    const file = fileOf(`wasm/${build}.wasm`);
    try {
      return await WebAssembly.compile(await readFile(file));
    } catch (cause) {
      throw new RondoError(
        {
          where: "wasm kernels",
          received: cause instanceof Error ? cause.message : String(cause),
          expected: `the compiled kernels in ${fileURLToPath(file)}`,
          fix: isCheckout() ? `Run npm run build in ${checkout()}` : "Install the package again",
        },
        { cause },
      );
    }
  },

  async collect() {
    const gc = collector();
    if (gc === undefined) return pressForCollection();
    // Twice: what the first one finds may hold more. Handles are freed in turns of the event loop of their own.
    for (let i = 0; i < 2; i++) {
      gc();
      await new Promise((resolve) => setTimeout(resolve, 0));
      await new Promise((resolve) => setImmediate(resolve));
    }
  },

  startWorker: () => openWorker("runtime/wasm.worker.node.js"),
};

/** Starts a script of the built package as a worker thread. */
export function openWorker(path: string): WorkerThread {
  const worker = new Worker(fileOf(path), { execArgv: [] });
  let ending = false;
  return {
    post: (message, transfer) => worker.postMessage(message, transfer),
    listen(message, error) {
      worker.on("message", message);
      worker.on("error", error);
      worker.on("exit", (code) => {
        if (!ending) error(new Error(`it ended with exit code ${code}`));
      });
      worker.unref(); // a listener holds it
    },
    hold(pending) {
      if (ending) return; // who waits for its end holds it
      if (pending) worker.ref();
      else worker.unref();
    },
    async terminate() {
      ending = true;
      await worker.terminate();
    },
  };
}
