// Installs and builds whatever is missing or stale: `node scripts/setup.mjs`. Needs Node and npm alone, and is quick
// when there is nothing to do. What each step was built from is remembered as a hash in dist/.setup.json.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const oldestNode = 20;
const root = fileURLToPath(new URL("..", import.meta.url));
const stampFile = join(root, "dist/.setup.json");

/**
 * The build, in order; steps of one group run side by side. A step is stale when the content of `from` changed or
 * `to` is missing. `run` may resolve to `{ built: false, reason }` when the machine lacks what the step needs: that is
 * said once, and tried again next time.
 */
const groups = [
  [
    {
      name: "library",
      from: [
        "src",
        "recipes",
        "tsconfig.json",
        "tsconfig.build.json",
        "tsconfig.recipes.json",
        "package.json",
      ],
      to: ["dist/index.js", "dist/cli/main.js"],
      run: compileTypeScript,
    },
    {
      name: "native addon",
      from: ["kernels", "scripts/build-native.mjs", "scripts/kernel-sources.mjs"],
      to: [`dist/native/rondo-${process.platform}-${process.arch}.node`],
      run: async () => (await import("./build-native.mjs")).buildNative({ quiet: true }),
      without: "Rondo runs on wasm",
    },
    {
      name: "wasm",
      from: ["kernels", "scripts/build-wasm.mjs", "scripts/kernel-sources.mjs"],
      to: ["dist/wasm/simd128.wasm"],
      run: async () => (await import("./build-wasm.mjs")).buildWasm({ quiet: true }),
    },
  ],
  [
    {
      name: "browser bundle",
      from: ["src", "scripts/build-browser.mjs", "package.json"],
      to: ["dist/browser/rondo.js"],
      run: async () => (await import("./build-browser.mjs")).buildBrowser(),
    },
  ],
];

/** Installs the packages of package-lock.json unless they are there, and runs no script of theirs. */
async function install() {
  const lock = join(root, "package-lock.json");
  const installed = join(root, "node_modules/.package-lock.json");
  const stamp = join(root, "node_modules/.rondo-lock");
  const hash = hashOf(["package-lock.json"]);
  const upToDate =
    existsSync(installed) &&
    ((existsSync(stamp) && readFileSync(stamp, "utf8") === hash) ||
      statSync(installed).mtimeMs > statSync(lock).mtimeMs);
  if (!upToDate) {
    console.log("Set-up: installing packages");
    const npm = process.env.npm_execpath;
    const args = ["ci", "--ignore-scripts", "--no-dry-run"]; // `npm pack --dry-run` hands its option down
    if (npm?.endsWith("npm-cli.js")) await command(process.execPath, [npm, ...args]);
    else await command("npm", args, { shell: process.platform === "win32" });
  }
  if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== hash) writeFileSync(stamp, hash);
}

async function build() {
  const stamps = existsSync(stampFile) ? JSON.parse(readFileSync(stampFile, "utf8")) : {};
  for (const group of groups) {
    const stale = group
      .map((step) => ({ ...step, hash: hashOf([...step.from, "package-lock.json"]) }))
      .filter(
        (step) => stamps[step.name] !== step.hash || !step.to.every((path) => existsSync(join(root, path))),
      );
    const outcomes = await Promise.allSettled(
      stale.map(async (step) => {
        const start = performance.now();
        const { built, reason } = (await step.run()) ?? { built: true };
        if (built) {
          console.log(
            `Set-up: built the ${step.name} in ${((performance.now() - start) / 1000).toFixed(1)} s`,
          );
          stamps[step.name] = step.hash;
        } else if (stamps[step.name] !== reason) {
          // `npm start` goes on to a run, which says it itself.
          if (process.env.npm_lifecycle_event !== "start")
            console.log(`Set-up: no ${step.name}, ${reason}; ${step.without}`);
          stamps[step.name] = reason;
        }
      }),
    );
    mkdirSync(join(root, "dist"), { recursive: true });
    if (stale.length > 0) writeFileSync(stampFile, JSON.stringify(stamps, null, 2));
    const failed = outcomes.flatMap((outcome) =>
      outcome.status === "rejected" ? [outcome.reason.message] : [],
    );
    if (failed.length > 0) throw new Error(failed.join("\n"));
  }
}

/** src → dist, recipes → dist/recipes; then removes outputs whose source is gone. */
async function compileTypeScript() {
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  const emitted = new Set();
  for (const project of ["tsconfig.build.json", "tsconfig.recipes.json"]) {
    const output = await command(process.execPath, [compiler, "-p", project, "--listEmittedFiles"], {
      quiet: true,
    });
    for (const [, file] of output.matchAll(/^TSFILE: (.+)$/gm)) emitted.add(relative(root, file.trim()));
  }
  chmodSync(join(root, "dist/cli/main.js"), 0o755); // what npx finds
  const foreign = /^dist[\\/](browser|native|wasm)[\\/]/;
  for (const file of filesUnder("dist")) {
    if (/\.(js|d\.ts|map)$/.test(file) && !foreign.test(file) && !emitted.has(file)) rmSync(join(root, file));
  }
}

/** A hash of the names and contents of files, of all files in folders (tests aside), and of the kind of machine. */
function hashOf(paths) {
  const hash = createHash("sha256").update(`${process.platform} ${process.arch}\n`);
  for (const file of paths.flatMap(filesUnder).filter((name) => !name.endsWith(".test.ts"))) {
    hash
      .update(`${file}\n`)
      .update(readFileSync(join(root, file)))
      .update("\n");
  }
  return hash.digest("hex");
}

function filesUnder(path) {
  const full = join(root, path);
  if (!existsSync(full)) return [];
  if (!statSync(full).isDirectory()) return [path];
  return readdirSync(full, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath ?? entry.path, entry.name)))
    .sort();
}

/** Runs a program; rejects with its output when it fails. `quiet` keeps its output from the terminal. */
function command(program, args, { quiet = false, shell = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: root,
      shell,
      stdio: ["ignore", quiet ? "pipe" : "inherit", "inherit"],
    });
    let output = "";
    child.stdout?.on("data", (chunk) => {
      output += chunk;
    });
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve(output);
      else
        reject(
          new Error(
            `${[program, ...args].join(" ")} ended with code ${code}\n${output.replace(/^TSFILE:.*\n/gm, "")}`,
          ),
        );
    });
  });
}

try {
  if (Number.parseInt(process.versions.node, 10) < oldestNode) {
    throw new Error(`this is Node ${process.versions.node}, and Rondo needs Node ${oldestNode} or newer`);
  }
  await install();
  await build();
} catch (error) {
  console.error(`Set-up failed: ${error.message}`);
  process.exitCode = 1;
}
