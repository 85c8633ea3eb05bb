import type { WorkerThread } from "../runtime/platform.js";
import { openWorker } from "../runtime/platform.node.js";

/** Starts the worker that reads and writes files. */
export const startFileWorker = (): WorkerThread => openWorker("formats/file.worker.node.js");
