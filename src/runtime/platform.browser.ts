import type { Platform, WasmBuild, WasmWorker } from "./platform.js";

/** Written out one by one, so that bundlers find the files. */
const files: Readonly<Record<WasmBuild, () => URL>> = {
  simd128: () => new URL("../wasm/simd128.wasm", import.meta.url),
  "simd128-threads": () => new URL("../wasm/simd128-threads.wasm", import.meta.url),
  "relaxed-simd": () => new URL("../wasm/relaxed-simd.wasm", import.meta.url),
  "relaxed-simd-threads": () => new URL("../wasm/relaxed-simd-threads.wasm", import.meta.url),
};

export const platform: Platform = {
  cores: navigator.hardwareConcurrency,
  native: false,
  nativeFix: 'Use backend: "wasm" here',
  sharedMemory: globalThis.crossOriginIsolated === true,
  environment: () => undefined,

  loadAddon() {
    throw new Error("browsers have no native addons");
  },

  async compile(build) {
    const url = files[build]();
    const response = await fetch(url);
    if (!response.ok) throw new Error(`${url.href}: HTTP status ${response.status}`);
    return WebAssembly.compile(await response.arrayBuffer());
  },

  startWorker(): WasmWorker {
    const worker = new Worker(new URL("./wasm.worker.browser.js", import.meta.url), { type: "module" });
    return {
      post: (message, transfer) => worker.postMessage(message, transfer),
      listen(message, error) {
        worker.onmessage = (event) => message(event.data);
        worker.onerror = (event) => error(new Error(event.message || "the worker's script did not load"));
      },
      hold() {}, // a page lives as long as it is open
      async terminate() {
        worker.terminate();
      },
    };
  },
};
