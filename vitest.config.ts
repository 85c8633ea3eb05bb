import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { UnavailableSuites } from "./tests/unavailable.js";

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  resolve: {
    alias: [
      { find: "#files", replacement: source("./src/files/access.node.ts") },
      { find: "#fileWorker", replacement: source("./src/formats/startWorker.node.ts") },
      { find: "#platform", replacement: source("./src/runtime/platform.node.ts") },
      { find: /^rondo\/layers$/, replacement: source("./src/layers/makers.ts") },
      { find: /^rondo$/, replacement: source("./src/index.ts") },
      {
        find: /^rondo\/(data|datasets|formats|recipe|report|vectors)$/,
        replacement: source("./src/$1/index.ts"),
      },
    ],
  },
  test: {
    include: ["{src,tests,recipes,scripts,bench}/**/*.test.ts"],
    testTimeout: 30_000,
    maxWorkers: "100%", // the default leaves one core to a watcher
    env: { RONDO_BACKEND: "", RONDO_THREADS: "" }, // whatever the user of this machine prefers
    reporters: ["default", new UnavailableSuites()],
    typecheck: { enabled: true, include: ["tests/types/**/*.test-d.ts"], tsconfig: "tsconfig.types.json" },
  },
});
