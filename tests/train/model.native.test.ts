import { createBackend } from "../../src/index.js";
import { describeWith, nativeAddon } from "../machine.js";
import { modelContract } from "./model.contract.js";

describeWith(nativeAddon, "models on the native backend", () => {
  modelContract(() => createBackend({ backend: "native" }));
});
