// Sets up what a run in Node needs, and trains: `npm start -- [options of rondo train]`.
import { fileURLToPath } from "node:url";
import { setUp } from "./setup.mjs";

const options = process.argv.slice(2);
const backend = /--backend[ =](\w+)/.exec(options.join(" "))?.[1] ?? process.env.RONDO_BACKEND;
if (await setUp({ toRun: backend === "wasm" ? "wasm" : "native" })) {
  const command = new URL("../dist/cli/main.js", import.meta.url);
  process.argv = [process.execPath, fileURLToPath(command), "train", "double-lstm", ...options];
  await import(command);
}
