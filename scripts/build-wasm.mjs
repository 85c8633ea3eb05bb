// Compiles the kernels and the WebAssembly host into dist/wasm: `node scripts/build-wasm.mjs`.
// The compiler is the package @yowasp/clang (clang and lld as wasm); nothing else is needed.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

const root = fileURLToPath(new URL("..", import.meta.url));
const sources = join(root, "kernels");
const output = join(root, "dist/wasm");
const stamps = join(root, "build/wasm");

/** The files, each with what the compiler and the linker need for it. */
const simd = ["-msimd128", "-mbulk-memory", "-DRONDO_ISA=simd128"];
const relaxed = ["-msimd128", "-mrelaxed-simd", "-mbulk-memory", "-DRONDO_ISA=relaxed"];
const shared = ["-matomics", "-Wl,--shared-memory", "-Wl,--max-memory=4294967296"];
const variants = {
  simd128: simd,
  "simd128-threads": [...simd, ...shared],
  "relaxed-simd": relaxed,
  "relaxed-simd-threads": [...relaxed, ...shared],
};

const common = [
  "clang++",
  "--target=wasm32",
  "-std=c++17",
  "-O3",
  "-Wall",
  "-Wextra",
  "-nostdlib",
  "-ffreestanding",
  "-fno-exceptions",
  "-fno-rtti",
  "-fno-math-errno",
  "-fno-trapping-math",
  "-ffp-contract=off",
  "-fvisibility=hidden",
  "-Wl,--no-entry",
  "-Wl,--import-memory",
  "-Wl,--export=__heap_base",
  "-Wl,--export=__stack_pointer",
  "-Wl,--strip-all",
  "-Wl,-z,stack-size=262144",
];

/** Builds what changed since the last time; with nothing changed this takes some milliseconds. */
export async function buildWasm({ quiet = false } = {}) {
  const started = performance.now();
  const files = readdirSync(sources).filter((name) => /\.(h|def|cpp)$/.test(name) && name !== "napi.cpp");
  const tree = Object.fromEntries(files.sort().map((name) => [name, readFileSync(join(sources, name))]));
  const compiler = JSON.parse(readFileSync(join(root, "node_modules/@yowasp/clang/package.json"), "utf8"));
  const stale = Object.entries(variants).flatMap(([name, flags]) => {
    const hash = createHash("sha256").update(`${compiler.version} ${common.join(" ")} ${flags.join(" ")}`);
    for (const [file, text] of Object.entries(tree)) hash.update(file).update(text);
    const key = hash.digest("hex");
    const stamp = join(stamps, `${name}.txt`);
    const built = existsSync(join(output, `${name}.wasm`)) && existsSync(stamp);
    return built && readFileSync(stamp, "utf8") === key ? [] : [{ name, flags, key, stamp }];
  });
  if (stale.length === 0) return;

  mkdirSync(output, { recursive: true });
  mkdirSync(stamps, { recursive: true });
  const names = stale.map((variant) => variant.name);
  await Promise.all([compileSome(), compileSome()]);
  async function compileSome() {
    for (let variant = stale.shift(); variant !== undefined; variant = stale.shift()) {
      writeFileSync(join(output, `${variant.name}.wasm`), await inThread({ flags: variant.flags, tree }));
      writeFileSync(variant.stamp, variant.key);
    }
  }
  if (!quiet) {
    console.log(`Wasm: ${names.join(", ")}, ${((performance.now() - started) / 1000).toFixed(1)} s`);
  }
}

/** Compiles in a thread of its own: the compiler computes synchronously. */
function inThread(data) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { ...data, compileKernels: true } });
    worker.once("message", resolve);
    worker.once("error", reject);
  });
}

async function compile({ flags, tree }) {
  const { runClang } = await import("@yowasp/clang");
  const messages = [];
  const stderr = (bytes) => {
    if (bytes !== null) messages.push(Buffer.from(bytes));
  };
  const inputs = Object.keys(tree).filter((name) => name.endsWith(".cpp"));
  try {
    const files = await runClang([...common, ...flags, ...inputs, "-o", "out.wasm"], tree, { stderr, fetchProgress: () => {} });
    return files["out.wasm"];
  } catch (error) {
    throw new Error(`clang failed (${flags.join(" ")}):\n${Buffer.concat(messages)}${error.message}`);
  }
}

if (!isMainThread && workerData?.compileKernels === true) {
  parentPort.postMessage(await compile(workerData));
} else if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await buildWasm();
}
