// Fails when what a page must load outgrows its budget: gzipped JavaScript of an app that trains an LSTM, gzipped wasm.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { browserOptions } from "./build-browser.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const kilobyte = 1000;
const budget = { javascript: 100 * kilobyte, wasm: 300 * kilobyte };

const app = `
  import { sequential } from "./dist/index.js";
  import { dense, lstm } from "./dist/layers/makers.js";
  const model = sequential([lstm({ units: 64, inputShape: [28, 28] }), dense({ units: 10 })]);
  model.compile({ optimizer: "adam", loss: "categoricalCrossentropy", metrics: ["accuracy"] });
  window.train = (x, y) => model.fit(x, y);
`;

/** What is imported when it is used, such as the readers of files, is not loaded with the page. */
const later = {
  name: "later",
  setup: ({ onResolve }) =>
    onResolve({ filter: /./ }, ({ kind }) => (kind === "dynamic-import" ? { external: true } : undefined)),
};

const bundled = await build({
  ...browserOptions,
  stdin: { contents: app, resolveDir: root },
  plugins: [later],
  write: false,
});
const files = readdirSync(join(root, "dist"), { recursive: true });
const sizeOf = (pattern) =>
  files
    .filter((file) => pattern.test(file))
    .map((file) => gzipSync(readFileSync(join(root, "dist", file))).length);

const measured = {
  javascript:
    bundled.outputFiles.reduce((sum, file) => sum + gzipSync(file.contents).length, 0) +
    // The worker that reads and writes files is loaded when one is.
    sizeOf(/^browser.+(?<!file\.)worker\.browser\.js$/).reduce((sum, size) => sum + size, 0),
  wasm: Math.max(...sizeOf(/\.wasm$/)),
};
for (const [kind, limit] of Object.entries(budget)) {
  const size = `${kind}: ${(measured[kind] / kilobyte).toFixed(2)} KB gzipped of ${limit / kilobyte} KB`;
  console.log(size);
  if (!(measured[kind] <= limit)) process.exitCode = 1;
}
