// The script of the worker for files in browsers.
import { type FileMessage, FileWorker } from "./fileJob.js";

const scope = globalThis as unknown as {
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  onmessage: (event: MessageEvent<FileMessage>) => void;
};
const worker = new FileWorker((reply, transfer) => scope.postMessage(reply, transfer));
scope.onmessage = (event) => worker.receive(event.data);
