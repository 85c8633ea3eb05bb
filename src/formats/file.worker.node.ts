// The script of the worker for files in Node.
import { parentPort } from "node:worker_threads";
import type { FileMessage } from "./fileJob.js";

console.error = () => undefined; // HDF5 writes there what errors say in their own words
const worker = import("./fileJob.js").then(
  ({ FileWorker }) => new FileWorker((reply, transfer) => parentPort?.postMessage(reply, transfer)),
);
parentPort?.on("message", async (message: FileMessage) => (await worker).receive(message));
