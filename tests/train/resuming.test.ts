import { describe } from "vitest";
import { createBackend } from "../../src/index.js";
import { describeWith, nativeAddon } from "../machine.js";
import { resumingContract } from "./resuming.contract.js";

describeWith(nativeAddon, "fits that go on, on the native backend", () => {
  resumingContract(() => createBackend({ backend: "native" }));
});

describe("fits that go on, on WebAssembly", () => {
  resumingContract(() => createBackend({ backend: "wasm", threads: 1 }));
});
