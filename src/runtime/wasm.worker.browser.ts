// The worker's script in browsers.
import { type Message, WasmHost } from "./wasm-worker.js";

const scope = globalThis as unknown as {
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  onmessage: (event: MessageEvent<Message>) => void;
};
const turns = new MessageChannel();
const host = new WasmHost((reply, transfer) => scope.postMessage(reply, transfer), {
  admit: () =>
    new Promise((resolve) => {
      turns.port1.onmessage = () => resolve();
      turns.port2.postMessage(undefined);
    }),
});
scope.onmessage = (event) => host.receive(event.data);
