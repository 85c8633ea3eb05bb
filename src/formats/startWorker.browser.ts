import { openWorker } from "../runtime/platform.browser.js";
import type { WorkerThread } from "../runtime/platform.js";

/** Starts the worker that reads and writes files. */
export const startFileWorker = (): WorkerThread =>
  openWorker(
    "file worker",
    "file.worker.browser.js",
    () => new Worker(new URL("./file.worker.browser.js", import.meta.url), { type: "module" }),
  );
