import { describe } from "vitest";
import { createBackend } from "../../src/index.js";
import { modelContract } from "./model.contract.js";

describe("models on the wasm backend", () => {
  modelContract(() => createBackend({ backend: "wasm", threads: 1 }));
});
