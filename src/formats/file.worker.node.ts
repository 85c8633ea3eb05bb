// The script of the worker for files in Node.
import { parentPort } from "node:worker_threads";
import { type FileMessage, FileWorker } from "./fileJob.js";

const worker = new FileWorker((reply, transfer) => parentPort?.postMessage(reply, transfer));
parentPort?.on("message", (message: FileMessage) => worker.receive(message));
