// The script of the worker for files in browsers.
import type { FileMessage } from "./fileJob.js";

const scope = globalThis as unknown as {
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  onmessage: (event: MessageEvent<FileMessage>) => void;
};
console.error = () => undefined; // HDF5 writes there what errors say in their own words
const worker = import("./fileJob.js").then(
  ({ FileWorker }) => new FileWorker((reply, transfer) => scope.postMessage(reply, transfer)),
);
scope.onmessage = async (event) => (await worker).receive(event.data);
