// The worker's script in browsers.
import { type Message, WasmServer } from "./wasm-worker.js";

const scope = globalThis as unknown as {
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  onmessage: (event: MessageEvent<Message>) => void;
};
const server = new WasmServer((reply, transfer) => scope.postMessage(reply, transfer));
scope.onmessage = (event) => server.receive(event.data);
