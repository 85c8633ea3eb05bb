import { existsSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import type { Addon } from "./native.js";
import type { Platform, WasmBuild, WasmWorker } from "./platform.js";

/** The built package: around this file, or, when the sources run as they are (tests), beside them. */
const dist = new URL(import.meta.url.endsWith(".ts") ? "../../dist/" : "../", import.meta.url);

export const platform: Platform = {
  cores: availableParallelism(),
  native: true,
  sharedMemory: true,
  environment: (name) => process.env[name] || undefined,

  loadAddon(): Addon {
    const file = fileURLToPath(new URL("native/rondo.node", dist));
    if (!existsSync(file)) {
      const reason = new URL("native/unavailable.txt", dist);
      throw new Error(existsSync(reason) ? readFileSync(reason, "utf8") : "it has not been built");
    }
    return createRequire(import.meta.url)(file) as Addon;
  },

  async compile(build: WasmBuild): Promise<WebAssembly.Module> {
    return WebAssembly.compile(await readFile(new URL(`wasm/${build}.wasm`, dist)));
  },

  startWorker(): WasmWorker {
    const worker = new Worker(new URL("runtime/wasm.worker.node.js", dist), { execArgv: [] });
    return {
      post: (message, transfer) => worker.postMessage(message, transfer),
      listen(message, error) {
        worker.on("message", message);
        worker.on("error", error);
        worker.unref(); // a listener holds it
      },
      hold: (pending) => (pending ? worker.ref() : worker.unref()),
      async terminate() {
        await worker.terminate();
      },
    };
  },
};
