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
import { buildNative } from "./build-native.mjs";
import { buildWasm } from "./build-wasm.mjs";
import { isProgram, Progress } from "./program.mjs";

const oldestNode = 20;
const root = fileURLToPath(new URL("..", import.meta.url));
const stampFile = join(root, "dist/.setup.json");

/**
 * The steps of the build. One is stale when the content of `from` changed or `to` is missing. `run` may resolve to
 * `{ built: false, reason }` when the machine lacks what the step needs: that is tried again next time.
 */
const steps = {
  library: {
    from: ["src", "recipes", "tsconfig.json", "tsconfig.build.json", "tsconfig.recipes.json", "package.json"],
    to: ["dist/index.js", "dist/cli/main.js"],
    run: compileTypeScript,
  },
  "native addon": {
    from: ["kernels", "scripts/build-native.mjs", "scripts/kernel-sources.mjs"],
    to: [`dist/native/rondo-${process.platform}-${process.arch}.node`],
    run: buildNative,
  },
  wasm: {
    from: ["kernels", "scripts/build-wasm.mjs", "scripts/kernel-sources.mjs"],
    to: ["dist/wasm/simd128.wasm"],
    run: buildWasm,
  },
  "browser bundle": {
    from: ["src", "scripts/build-browser.mjs", "package.json"],
    to: ["dist/browser/rondo.js"],
    run: async () => (await import("./build-browser.mjs")).buildBrowser(),
  },
};

/**
 * Brings everything up to date; says what takes long, and what failed.
 *
 * @param options `toRun`: only what a run in Node on that backend needs, "native" or "wasm" (which also takes the place
 * of native kernels that cannot be built). Left out: everything that is tested, packed or opened in a page
 * @returns whether all is there
 */
export async function setUp({ toRun } = {}) {
  const progress = new Progress();
  try {
    if (Number.parseInt(process.versions.node, 10) < oldestNode) {
      throw new Error(`this is Node ${process.versions.node}, and Rondo needs Node ${oldestNode} or newer`);
    }
    const packages = install(progress);
    const stamps = existsSync(stampFile) ? JSON.parse(readFileSync(stampFile, "utf8")) : {};
    const make = (name) => bringUpToDate(name, { stamps, progress, packages, toRun });
    const library = packages.then(() => make("library"));
    // The kernels' compilers have work enough for all cores while packages come in.
    const native = toRun === "wasm" ? undefined : make("native addon");
    const wasm = packages.then(async () => {
      if (toRun !== "native" || !(await native)) await make("wasm");
    });
    const browser = toRun === undefined ? library.then(() => make("browser bundle")) : undefined;
    const outcomes = await Promise.allSettled([packages, library, native, wasm, browser]);
    const failed = outcomes.filter(({ status }) => status === "rejected").map(({ reason }) => reason.message);
    if (failed.length > 0) throw new Error([...new Set(failed)].join("\n"));
    return true;
  } catch (error) {
    progress.end();
    console.error(`Set-up failed: ${error.message}`);
    process.exitCode = 1;
    return false;
  }
}

/** Installs the packages of package-lock.json unless they are there, and runs no script of theirs. */
async function install(progress) {
  const lock = join(root, "package-lock.json");
  const installed = join(root, "node_modules/.package-lock.json");
  const stamp = join(root, "node_modules/.rondo-lock");
  const hash = hashOf(["package-lock.json"]);
  const upToDate =
    existsSync(installed) &&
    ((existsSync(stamp) && readFileSync(stamp, "utf8") === hash) ||
      statSync(installed).mtimeMs > statSync(lock).mtimeMs);
  if (!upToDate) {
    progress.say("installing packages");
    const npm = process.env.npm_execpath;
    // `npm pack --dry-run` hands its option down; a bar of npm's would be drawn over the compilers' progress.
    const args = ["ci", "--ignore-scripts", "--no-dry-run", "--no-progress"];
    const started = performance.now();
    if (npm?.endsWith("npm-cli.js")) await command(process.execPath, [npm, ...args]);
    else await command("npm", args, { shell: process.platform === "win32" });
    progress.say(`installed the packages in ${secondsSince(started)}`);
  }
  if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== hash) writeFileSync(stamp, hash);
}

/** Runs a step if it is stale; resolves to whether what it makes is there. */
async function bringUpToDate(name, { stamps, progress, packages, toRun }) {
  const step = steps[name];
  const hash = hashOf([...step.from, "package-lock.json"]);
  if (stamps[name] === hash && step.to.every((path) => existsSync(join(root, path)))) return true;
  const started = performance.now();
  const { built, reason } = (await step.run({ progress, packages })) ?? { built: true };
  if (built) progress.say(`built the ${name} in ${secondsSince(started)}`);
  // A run says by itself that it has no native kernels.
  else if (stamps[name] !== reason && toRun === undefined)
    progress.say(`no ${name}, ${reason}; Rondo runs on wasm`);
  stamps[name] = built ? hash : reason;
  mkdirSync(join(root, "dist"), { recursive: true });
  writeFileSync(stampFile, JSON.stringify(stamps, null, 2));
  return built;
}

/** src → dist, recipes → dist/recipes; then removes outputs whose source is gone. */
async function compileTypeScript() {
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  const emitted = new Set();
  for (const project of ["tsconfig.build.json", "tsconfig.recipes.json"]) {
    const output = await command(process.execPath, [compiler, "-p", project, "--listEmittedFiles"]);
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

/** Runs a program and resolves to its output, which it rejects with when the program fails. */
function command(program, args, { shell = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: root, shell, stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.on("data", (chunk) => {
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

const secondsSince = (started) => `${((performance.now() - started) / 1000).toFixed(1)} s`;

if (isProgram(import.meta.url)) await setUp();
