// Runs every check of the house (needs a finished set-up) and lists what failed: `npm run check`.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const bin = (path) => join(root, "node_modules", path);

const checks = {
  "format and lint": [bin("@biomejs/biome/bin/biome"), "ci", "--error-on-warnings"],
  "import order": [
    bin("dependency-cruiser/bin/dependency-cruise.mjs"),
    "--config",
    ".dependency-cruiser.mjs",
    "src",
    "recipes",
  ],
  types: [bin("typescript/bin/tsc"), "-p", "tsconfig.json"],
  "types in a browser": [bin("typescript/bin/tsc"), "-p", "tsconfig.browser.json"],
  "docstrings of what is public": [bin("typedoc/bin/typedoc"), "--emit", "none"],
  "package contents": [bin("publint/src/cli.js"), "--strict"],
  size: ["scripts/check-size.mjs"],
};

const failed = [];
for (const [name, args] of Object.entries(checks)) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });
  console.log(`${status === 0 ? "ok    " : "FAILED"} ${name}`);
  if (status !== 0) {
    failed.push(name);
    console.log(`${stdout}${stderr}`);
  } else if (name === "size") {
    console.log(stdout.replace(/^/gm, "         ").trimEnd());
  }
}
if (failed.length > 0) {
  console.error(`Failed: ${failed.join(", ")}`);
  process.exitCode = 1;
}
