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

/** Only a checkout has the sources of the addon. */
const buildable = existsSync(new URL("../scripts/build-native.mjs", dist));

export const platform: Platform = {
  cores: availableParallelism(),
  native: true,
  nativeFix: buildable
    ? `Install a C++ compiler (g++ or clang++) and run npm run build in ${fileURLToPath(new URL("..", dist)).replace(/[\\/]$/, "")}`
    : "For native speed build Rondo from its repository with a C++ compiler, and install that folder",
  sharedMemory: true,
  environment: (name) => process.env[name] || undefined,

  loadAddon(): Addon {
    const file = fileURLToPath(new URL("native/rondo.node", dist));
    if (!existsSync(file)) {
      const reason = new URL("native/unavailable.txt", dist);
      if (existsSync(reason)) throw new Error(readFileSync(reason, "utf8"));
      throw new Error(
        buildable
          ? "it has not been built"
          : `this package comes without one for ${process.platform} ${process.arch}`,
      );
    }
    return createRequire(import.meta.url)(file) as Addon;
  },

  async compile(build: WasmBuild): Promise<WebAssembly.Module> {
    return WebAssembly.compile(await readFile(new URL(`wasm/${build}.wasm`, dist)));
  },

  startWorker(): WasmWorker {
    const worker = new Worker(new URL("runtime/wasm.worker.node.js", dist), { execArgv: [] });
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
      hold: (pending) => (pending ? worker.ref() : worker.unref()),
      async terminate() {
        ending = true;
        await worker.terminate();
      },
    };
  },
};
