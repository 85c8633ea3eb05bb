// Compiles the kernels and the WebAssembly host into dist/wasm: `node scripts/build-wasm.mjs`.
// The compiler is the package @yowasp/clang (clang and lld as wasm); nothing else is needed.
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { hashOf, largestFirst, readSources } from "./kernel-sources.mjs";
import { isProgram, Progress } from "./program.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const output = join(root, "dist/wasm");
const objects = join(root, "build/wasm");

/** How long objects of other sources stay: going back to them is quick. */
const keptMilliseconds = 3 * 24 * 3600 * 1000;

const compiling = [
  "clang++",
  "--target=wasm32",
  "-std=c++17",
  "-O3",
  "-Wall",
  "-Wextra",
  "-nostdlibinc",
  "-ffreestanding",
  "-fno-exceptions",
  "-fno-rtti",
  "-fno-math-errno",
  "-fno-trapping-math",
  "-ffp-contract=off",
  "-fvisibility=hidden",
  "-mbulk-memory",
  // Keeps the loads' constant offsets within the instructions: strength reduction of loops turns them into additions.
  "-mllvm",
  "-disable-lsr",
  "-matomics", // atomics work on memory of either kind, so the kernels' objects serve both
];
/** The instruction sets, with the compiler's flags. */
const sets = {
  simd128: ["-msimd128", "-DRONDO_ISA=simd128"],
  "relaxed-simd": ["-msimd128", "-mrelaxed-simd", "-DRONDO_ISA=relaxed"],
};

const linking = [
  "clang++",
  "--target=wasm32",
  "-nostdlib",
  "-Wl,--no-entry",
  "-Wl,--import-memory",
  "-Wl,--export=__heap_base",
  "-Wl,--strip-all",
  "-Wl,-z,stack-size=262144",
];
/** The kinds of memory, by the ending of the file's name, with the flags of the host and the linker. */
const memories = {
  "": { host: ["-DRONDO_THREADS=0"], link: [] },
  "-threads": {
    host: ["-DRONDO_THREADS=1"],
    link: ["-Wl,--shared-memory", "-Wl,--max-memory=4294967296", "-Wl,--export=__stack_pointer"],
  },
};

/**
 * Builds what changed since the last time; with nothing changed this takes some milliseconds.
 *
 * @param options `progress`: where it is said what takes long
 */
export async function buildWasm({ progress = new Progress() } = {}) {
  const sources = readSources();
  const files = [...sources.keys()].filter((name) => name.endsWith(".cpp") && name !== "napi.cpp");
  const tree = Object.fromEntries(sources);
  const compiler = JSON.parse(readFileSync(join(root, "node_modules/@yowasp/clang/package.json"), "utf8"));
  const units = new Map();
  const modules = Object.entries(sets).flatMap(([set, flags]) =>
    Object.entries(memories).map(([ending, { host, link }]) => {
      const inputs = files.map((file) =>
        objectOf(file, file === "wasm.cpp" ? [...flags, ...host] : flags, set),
      );
      return { name: `${set}${ending}`, inputs, link };
    }),
  );
  function objectOf(file, flags, set) {
    const key = hashOf(sources, file, [compiler.version, ...compiling, ...flags]);
    const object = `${set}-${file}-${key}.o`;
    units.set(object, { file, flags, object });
    return object;
  }

  const stamp = join(objects, "linked.txt");
  const wanted = [...linking, ...modules.map((module) => [...module.link, ...module.inputs].join(" "))].join(
    "\n",
  );
  const present = modules.every(({ name }) => existsSync(join(output, `${name}.wasm`)));
  if (present && existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;

  mkdirSync(output, { recursive: true });
  mkdirSync(objects, { recursive: true });
  rmSync(stamp, { force: true });
  const crew = Array.from({ length: Math.min(4, availableParallelism()) }, () => new Compiler());
  try {
    const missing = [...units.values()].filter(({ object }) => !existsSync(join(objects, object)));
    if (missing.length > 0) {
      progress.say(
        `compiling the wasm kernels for ${Object.keys(sets).join(", ")}: about a minute on two cores, this once`,
      );
    }
    let done = 0;
    largestFirst(missing, sources);
    await spread(crew, missing, async (compiler, { file, flags, object }) => {
      const args = [...compiling, ...flags, "-c", file, "-o", "out"];
      write(join(objects, object), await compiler.run(args, tree));
      progress.compiled("wasm", ++done, missing.length);
    });
    await spread(crew, modules, async (compiler, { name, inputs, link }) => {
      const parts = Object.fromEntries(inputs.map((object) => [object, readFileSync(join(objects, object))]));
      const args = [...linking, ...link, ...inputs, "-o", "out"];
      write(join(output, `${name}.wasm`), await compiler.run(args, parts));
    });
  } finally {
    for (const compiler of crew) compiler.stop();
  }
  for (const file of readdirSync(objects)) {
    const old = Date.now() - statSync(join(objects, file)).mtimeMs > keptMilliseconds;
    if (file.endsWith(".o") && old && !units.has(file)) rmSync(join(objects, file), { force: true });
  }
  writeFileSync(stamp, wanted);
}

/** Writes a file at one stroke: another build may be under way. */
function write(file, bytes) {
  const unfinished = `${file}.${process.pid}`;
  writeFileSync(unfinished, bytes);
  renameSync(unfinished, file);
}

/** Gives the items to whoever of the crew is free. */
async function spread(crew, items, work) {
  const queue = [...items];
  await Promise.all(
    crew.map(async (member) => {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(member, item);
    }),
  );
}

/** The compiler in a thread of its own, as it computes synchronously; started when first used. */
class Compiler {
  #worker;

  /** Runs clang on a folder of files; resolves to the file `out`. */
  run(args, files) {
    this.#worker ??= new Worker(fileURLToPath(import.meta.url), { workerData: { rondoCompiler: true } });
    return new Promise((resolve, reject) => {
      this.#worker.once("message", ({ out, error }) => (error ? reject(new Error(error)) : resolve(out)));
      this.#worker.postMessage({ args, files });
    });
  }

  stop() {
    this.#worker?.terminate();
  }
}

async function serve() {
  const { runClang, runLLVM } = await import("@yowasp/clang");
  await runLLVM(null, {}, { fetchProgress() {} }); // loads the compiler without a word
  parentPort.on("message", async ({ args, files }) => {
    const messages = [];
    const stderr = (bytes) => {
      if (bytes !== null) messages.push(Buffer.from(bytes));
    };
    try {
      const { out } = await runClang(args, files, { stderr });
      parentPort.postMessage({ out });
    } catch (error) {
      const text = `clang failed: ${args.join(" ")}\n${Buffer.concat(messages)}${error.message}`;
      parentPort.postMessage({ error: text });
    }
  });
}

if (!isMainThread && workerData?.rondoCompiler === true) {
  await serve();
} else if (isProgram(import.meta.url)) {
  await buildWasm();
  console.log(`The kernels are in ${output}.`);
}
