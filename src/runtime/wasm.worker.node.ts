// The worker's script in Node.
import { parentPort, receiveMessageOnPort } from "node:worker_threads";
import { type Message, WasmHost } from "./wasm-worker.js";

const host = new WasmHost((reply, transfer) => parentPort?.postMessage(reply, transfer), {
  admit(receive) {
    for (let next = arrived(); next !== undefined; next = arrived()) receive(next.message);
    return undefined;
  },
});
const arrived = (): { message: Message } | undefined =>
  parentPort === null ? undefined : receiveMessageOnPort(parentPort);
parentPort?.on("message", (message: Message) => host.receive(message));
