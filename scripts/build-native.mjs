// Compiles the kernels and the Node-API host into dist/native: `node scripts/build-native.mjs`.
// Needs a C++17 compiler ($CXX, g++ or clang++) and the headers of the package node-api-headers; nothing is downloaded.
import { execFile } from "node:child_process";
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
import { promisify } from "node:util";
import { folder, hashOf, largestFirst, readSources } from "./kernel-sources.mjs";
import { isProgram, Progress } from "./program.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const objects = join(root, "build/native");
const output = join(root, "dist/native");
/** Carries its platform in its name, so that a package installed elsewhere does not take it for its own. */
const addon = join(output, `rondo-${process.platform}-${process.arch}.node`);
/** The headers of Node-API. */
const includes = join(root, "node_modules/node-api-headers/include");
const run = promisify(execFile);

/** The instruction sets of a processor family, with what the compiler needs for each. kernels/napi.cpp picks at load. */
const instructionSets = {
  x64: {
    sse2: [],
    avx2: ["-mavx2", "-mfma"],
    avx512: ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma"],
  },
  arm64: { neon: [] },
};

const common = ["-std=c++17", "-O3", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra"];
/** Sums and products are fused only where the source says so, so that an instruction set always gives the same bits. */
const kernelFlags = [
  ...common,
  "-ffreestanding",
  "-fno-exceptions",
  "-fno-rtti",
  "-fno-math-errno",
  "-fno-trapping-math",
  "-ffp-contract=off",
  "-Wno-psabi",
];
/** How long objects of other sources stay: going back to them is quick. */
const keptMilliseconds = 3 * 24 * 3600 * 1000;

const hosts = ["napi.cpp", "wasm.cpp"];

/**
 * Builds the addon; with nothing changed since the last time this takes some milliseconds.
 *
 * @param options `progress`: where it is said what takes long; `packages`: settles when node_modules is there, which
 * only the host needs: the kernels do not wait for it
 * @returns whether there is an addon now, and if not, why (also kept in dist/native/unavailable.txt, for the message at
 * load). Rejects when there is a compiler but the sources do not compile.
 */
export async function buildNative({ progress = new Progress(), packages = Promise.resolve() } = {}) {
  const sets = instructionSets[process.arch];
  if (process.platform === "win32" || sets === undefined) {
    return unavailable(`there is no native build for ${process.platform} on ${process.arch}`);
  }
  const compiler = await findCompiler();
  if (compiler === undefined) {
    return unavailable("no C++ compiler was found ($CXX, g++ or clang++)");
  }

  const sources = readSources();
  const jobs = [];
  for (const [set, flags] of Object.entries(sets)) {
    for (const file of [...sources.keys()].filter((name) => name.endsWith(".cpp") && !hosts.includes(name))) {
      jobs.push(objectOf(file, set, [...kernelFlags, ...flags, `-DRONDO_ISA=${set}`]));
    }
  }
  largestFirst(jobs, sources);
  jobs.push(objectOf("napi.cpp", "host", [...common, "-DNAPI_VERSION=8", "-I", includes]));
  function objectOf(file, set, flags) {
    const key = hashOf(sources, file, [process.platform, process.arch, compiler.version, ...flags]);
    return { file, set, flags, object: join(objects, `${set}-${file}-${key}.o`) };
  }

  const linking =
    process.platform === "darwin"
      ? ["-bundle", "-undefined", "dynamic_lookup"]
      : ["-shared", "-pthread", "-Wl,-z,nodelete"];
  const stamp = join(objects, "linked.txt");
  const wanted = [...linking, ...jobs.map((job) => job.object)].join("\n");
  if (existsSync(addon) && existsSync(stamp) && readFileSync(stamp, "utf8") === wanted)
    return { built: true };

  mkdirSync(objects, { recursive: true });
  mkdirSync(output, { recursive: true });
  const missing = jobs.filter((job) => !existsSync(job.object));
  const total = missing.length;
  if (total > 1) {
    const names = Object.keys(sets).join(", ");
    progress.say(
      `compiling the native kernels for ${names} with ${compiler.command}: about a minute on two cores, this once`,
    );
  }
  let done = 0;
  let failed = false;
  await Promise.all(Array.from({ length: availableParallelism() }, compileSome));
  async function compileSome() {
    for (let job = missing.shift(); job !== undefined && !failed; job = missing.shift()) {
      if (job.set === "host") await packages;
      try {
        await compile(
          [...job.flags, "-c", join(folder, job.file)],
          job.object,
          `kernels/${job.file} (${job.set})`,
        );
      } catch (error) {
        failed = true; // nobody waits for the rest
        throw error;
      }
      progress.compiled("native addon", ++done, total);
    }
  }
  async function compile(args, file, what) {
    const unfinished = `${file}.${process.pid}`; // another build may be under way
    try {
      await run(compiler.command, [...args, "-o", unfinished], { maxBuffer: 1 << 26 });
      renameSync(unfinished, file);
    } catch (error) {
      rmSync(unfinished, { force: true });
      rmSync(addon, { force: true }); // it would be of other sources
      throw new Error(`${compiler.command} failed on ${what}:\n${error.stderr ?? error.message}`);
    }
  }
  await compile([...jobs.map((job) => job.object), ...linking], addon, "the addon");
  writeFileSync(stamp, wanted);
  removeOthers(addon);
  for (const file of readdirSync(objects)) {
    const old = Date.now() - statSync(join(objects, file)).mtimeMs > keptMilliseconds;
    if (file.endsWith(".o") && old && !wanted.includes(file)) rmSync(join(objects, file), { force: true });
  }
  return { built: true };

  function unavailable(reason) {
    const note = join(output, "unavailable.txt");
    mkdirSync(output, { recursive: true });
    writeFileSync(note, reason);
    removeOthers(note);
    return { built: false, reason };
  }
}

/** What else earlier builds left: it would be packed, and may be of other sources. */
function removeOthers(kept) {
  for (const file of readdirSync(output)) {
    if (/\.(node|txt)$/.test(file) && join(output, file) !== kept)
      rmSync(join(output, file), { force: true });
  }
}

async function findCompiler() {
  for (const command of [process.env.CXX, "g++", "clang++"]) {
    if (command === undefined || command === "") continue;
    try {
      const env = { ...process.env, LC_ALL: "C" }; // a version says the same in every language
      return { command, version: (await run(command, ["--version"], { env })).stdout };
    } catch {
      // not this one
    }
  }
  return undefined;
}

if (isProgram(import.meta.url)) {
  const { built, reason } = await buildNative();
  console.log(built ? `There is ${addon}.` : `No native addon: ${reason}`);
  process.exitCode = built ? 0 : 1;
}
