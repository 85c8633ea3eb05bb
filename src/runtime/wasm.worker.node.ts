// The worker's script in Node.
import { parentPort } from "node:worker_threads";
import { type Message, WasmServer } from "./wasm-worker.js";

const server = new WasmServer((reply, transfer) => parentPort?.postMessage(reply, transfer));
parentPort?.on("message", (message: Message) => server.receive(message));
