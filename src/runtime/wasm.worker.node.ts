// The worker's script in Node.
import { parentPort } from "node:worker_threads";
import { type Message, WasmHost } from "./wasm-worker.js";

const host = new WasmHost((reply, transfer) => parentPort?.postMessage(reply, transfer));
parentPort?.on("message", (message: Message) => host.receive(message));
