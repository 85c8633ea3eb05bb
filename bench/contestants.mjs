// Who takes part: finding, starting, asking and ending the processes that are measured.

import { execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { chromiumPath, howToGetChromium } from "../scripts/chromium.mjs";
import { workOf } from "./peers/protocol.mjs";

const execute = promisify(execFile);
const here = (file) => fileURLToPath(new URL(file, import.meta.url));

/** The longest that a contestant may take to start, or to prepare and measure one row. */
const patience = 10 * 60_000;

const relaxedSimd =
  Number.parseInt(process.versions.node, 10) < 22 ? ["--experimental-wasm-relaxed-simd"] : [];

/**
 * A long-lived process that answers requests, as `peers/protocol.py` describes it.
 *
 * `role` says what its figures are for: "ours", "wasm", "page" (in a browser), "peer" (counts for "best peer"), "tfjs",
 * "onnxNode", "prototype" or "prototypeWasm". `knows(row)` leaves out what it need not be asked.
 */
export class Contestant {
  /** Why it takes no part any more. */
  failure = undefined;
  version = "";
  #child;
  #lines;
  #exit;
  #errors = "";

  constructor({ id, name, role, threads, command, knows = () => true, environment = {} }) {
    Object.assign(this, { id, name, role, threads, command, knows, environment });
  }

  /** Its name for people: "PyTorch, 2 threads". */
  get title() {
    return `${this.name}, ${this.threads} ${this.threads === 1 ? "thread" : "threads"}`;
  }

  get pid() {
    return this.#child?.pid;
  }

  async start() {
    const [program, ...args] = this.command;
    this.#child = spawn(program, args, {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, ...this.environment },
    });
    this.#child.stdin.on("error", () => {}); // told by its end
    this.#child.stderr.on("data", (chunk) => {
      this.#errors = (this.#errors + chunk).slice(-4000);
    });
    this.#exit = new Promise((resolve) => {
      this.#child.on("error", (error) => resolve(error.message));
      this.#child.on("close", (code, signal) => resolve(`ended with ${signal ?? `code ${code}`}`));
    });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    const { version, peer } = await this.#next();
    this.version = version;
    this.peer = peer;
  }

  /** Milliseconds (of kind "roof": GFLOPS; of "losses": these), or undefined for what it does not offer. */
  async ask({ work, kind }, seconds, repetitions) {
    this.#child.stdin.write(`${JSON.stringify({ work, kind, seconds, repetitions })}\n`);
    const { ms, gflops, losses } = await this.#next();
    return ms ?? gflops ?? losses;
  }

  async end() {
    if (this.#child === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.stdin.end();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 3000);
    await this.#exit;
    clearTimeout(timer);
  }

  kill() {
    this.#child?.kill("SIGKILL");
  }

  async #next() {
    let timer;
    const late = new Promise((resolve) => {
      timer = setTimeout(() => resolve(`did not answer within ${patience / 60_000} minutes`), patience);
    });
    const line = this.#lines.next().then(({ done, value }) => (done ? this.#exit : { value }));
    const outcome = await Promise.race([line, late]);
    clearTimeout(timer);
    if (typeof outcome !== "string") return JSON.parse(outcome.value);
    this.kill();
    const last = this.#errors.trim().split("\n").at(-1);
    throw new Error(last ? `${outcome}: ${last}` : outcome);
  }
}

/** The hand-written loops for W1 to W4 alone: one process per question. Some limits are set in their terms. */
class Prototype {
  failure = undefined;
  version = "";
  #children = new Set();

  constructor({ id, name, role, threads, program }) {
    Object.assign(this, { id, name, role, threads, program });
  }

  get title() {
    return `${this.name}, ${this.threads} ${this.threads === 1 ? "thread" : "threads"}`;
  }

  knows({ work, kind }) {
    return (
      /^W[1-4]$/.test(work) &&
      ["train", "infer", "row"].includes(kind) &&
      (this.role === "prototype" || kind === "train")
    );
  }

  async start() {}

  async ask({ work, kind }, seconds) {
    const mode = kind === "row" ? "infer1" : kind;
    const model = [mode, work.slice(1), kind === "row" ? "1" : String(workOf(work).batch)];
    const options = { W1: ["chunk=126"], W3: ["dw=512"] }[work] ?? [];
    const [program, ...args] =
      this.role === "prototype"
        ? [this.program, ...model, `th=${this.threads}`, ...(kind === "train" ? options : [])]
        : [process.execPath, ...relaxedSimd, "run.mjs", "relax.wasm", ...model, String(seconds)];
    const running = execute(program, args, {
      cwd: path.dirname(this.program),
      env: { ...process.env, SECS: String(seconds) },
      timeout: patience,
    });
    this.#children.add(running.child);
    const { stdout } = await running.finally(() => this.#children.delete(running.child));
    const [, time, unit] = /([\d.]+) (ms|us)\b/.exec(stdout) ?? [];
    if (time === undefined) throw new Error(`an answer without a time: ${stdout.slice(0, 200)}`);
    return Number(time) / (unit === "us" ? 1000 : 1);
  }

  async end() {
    this.kill();
  }

  kill() {
    for (const child of this.#children) child.kill("SIGKILL");
  }
}

const inferenceOnly = ({ kind }) => kind === "infer" || kind === "row" || kind === "roof";
/** Whether ONNX Runtime, in Python or in Node, is asked for a row. */
const isInferred = ({ work, kind }) =>
  ["infer", "row", "stream", "streams"].includes(kind) && workOf(work).loss !== "crf";
/** What is measured on WebAssembly. */
const wasmRows = ({ work, kind }) => ["W1", "W3"].includes(work) && kind === "train";
const notOursAlone = ({ kind }) => kind !== "fit";

/** Ours: native with all threads and with one, WebAssembly with one and two. */
function ours(threads, quick, instructionSet) {
  const make = (kind, count, knows) =>
    new Contestant({
      id: `rondo-${kind}-${count}`,
      name: kind === "native" ? "Rondo" : "Rondo on wasm",
      role: kind === "native" ? "ours" : "wasm",
      threads: count,
      command: [
        process.execPath,
        here("rondo.mjs"),
        String(count),
        kind,
        ...(kind === "native" && instructionSet ? [instructionSet] : []),
      ],
      knows,
    });
  const native = make("native", threads, () => true);
  if (quick) return [native];
  const single = threads === 1 ? [] : [make("native", 1, notOursAlone)];
  return [native, ...single, make("wasm", 1, wasmRows), make("wasm", 2, wasmRows)];
}

/** Ours on WebAssembly, in a page. */
const inPage = (threads) =>
  new Contestant({
    id: `rondo-page-${threads}`,
    name: "Rondo in Chromium",
    role: "page",
    threads,
    command: [process.execPath, here("page.mjs"), String(threads), chromiumPath],
    knows: wasmRows,
  });

const pythonPeers = [
  { name: "PyTorch", module: "torch", script: "torch_peer.py", modes: [[]] },
  {
    name: "TensorFlow",
    module: "tensorflow",
    needs: ["keras"],
    script: "tensorflow_peer.py",
    modes: [["graph"], ["xla"]],
  },
  { name: "JAX", module: "jax", needs: ["optax"], script: "jax_peer.py", modes: [[]] },
  { name: "ONNX Runtime", module: "onnxruntime", script: "onnxruntime_peer.py", modes: [[]], models: true },
];

/**
 * The instruction sets that peers can be held to, and how: PyTorch and TensorFlow by their libraries, XLA by its compiler.
 * ONNX Runtime has no such switch.
 */
export const INSTRUCTION_SETS = {
  avx2: {
    ATEN_CPU_CAPABILITY: "avx2",
    MKL_ENABLE_INSTRUCTIONS: "AVX2",
    ONEDNN_MAX_CPU_ISA: "AVX2",
    XLA_FLAGS: "--xla_cpu_max_isa=AVX2",
  },
};

/** What to type to get what was not found. */
const installs = {
  PyTorch:
    "python3 -m venv A && A/bin/pip install torch pytorch-crf numpy onnx onnxscript onnxruntime   then --python A/bin/python",
  TensorFlow:
    "python3 -m venv B && B/bin/pip install tensorflow-cpu keras jax optax   then --python B/bin/python",
  JAX: "with TensorFlow, or: python3 -m venv B && B/bin/pip install jax optax",
  "ONNX Runtime": "with PyTorch, which writes its models: pip install torch onnx onnxscript onnxruntime",
  "TensorFlow.js":
    "npm install --prefix C @tensorflow/tfjs @tensorflow/tfjs-backend-wasm --ignore-scripts   then --node-peers C",
  Chromium: howToGetChromium,
  "onnxruntime-node":
    "npm install --prefix C onnxruntime-node --ignore-scripts   then --node-peers C, with PyTorch for its models",
};

/** Which of the modules a Python has. */
async function modulesOf(python) {
  const code =
    "import importlib.util as u, json, sys; print(json.dumps([m for m in sys.argv[1:] if u.find_spec(m)]))";
  const names = ["torch", "onnx", "onnxscript", "tensorflow", "keras", "jax", "optax", "onnxruntime"];
  try {
    const { stdout } = await execute(python, ["-c", code, ...names]);
    return JSON.parse(stdout);
  } catch (error) {
    throw new Error(
      `bench: received --python ${python}, expected a Python to run (${error.message.split("\n")[0]})`,
    );
  }
}

const hasPackage = (folder, name) => {
  try {
    createRequire(path.resolve(folder, "package.json")).resolve(name);
    return true;
  } catch {
    return false;
  }
};

/** The models that ONNX Runtime is measured with: "W1-infer", of works and kinds. */
const modelsOf = (rows) => rows.filter(isInferred).map(({ work, kind }) => `${work}-${kind}`);

/**
 * All contestants of a run, not started yet.
 *
 * @param options `threads`, `rows` (what they are asked for), `pythons` (paths), `nodePeers` (folder), `prototype` (program), `quick`:
 * ours alone, `instructionSet`: of `INSTRUCTION_SETS`, for all that can be held to it, `sweep`: on native, with `threads` threads alone
 * @param say told what takes long
 * @param signal ends what takes long
 * @returns the contestants, `missing`: { name, install } of each peer that was not found, `clean` to call at the end
 */
export async function findContestants(
  { threads, rows, pythons, nodePeers, prototype, quick, sweep, instructionSet },
  say,
  signal,
) {
  const found = ours(threads, quick || sweep, instructionSet);
  const missing = [];
  let models;
  const clean = () => models && rmSync(models, { recursive: true, force: true });
  const counts = threads === 1 || sweep ? [threads] : [threads, 1];

  if (prototype !== undefined) found.push(...prototypes(path.resolve(prototype), threads));
  if (quick) return { contestants: found, missing, clean };

  if (chromiumPath !== undefined && !sweep) found.push(...[1, 2].map(inPage));

  const known = await Promise.all(
    pythons.map(async (python) => ({ python, modules: await modulesOf(python) })),
  );
  const withAll = (...names) =>
    known.find(({ modules }) => names.every((name) => modules.includes(name)))?.python;
  const canBeHeld = (name) => instructionSet === undefined || !/^onnx/i.test(name);
  const wanted = (name) =>
    missing.push({
      name,
      install: canBeHeld(name) ? installs[name] : "leave --instruction-set out, to which it cannot be held",
    });

  if (chromiumPath === undefined && !sweep) wanted("Chromium");
  const exporter = withAll("torch", "onnx");
  const hasNode = (name) => nodePeers !== undefined && hasPackage(nodePeers, name);
  const isExported = exporter !== undefined && canBeHeld("ONNX Runtime");
  if (isExported && (withAll("onnxruntime") !== undefined || hasNode("onnxruntime-node"))) {
    say("writing the models of ONNX Runtime");
    const folder = mkdtempSync(path.join(tmpdir(), "rondo-bench-"));
    try {
      await execute(exporter, [here("peers/export_onnx.py"), folder, ...modelsOf(rows)], { signal });
      models = folder;
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      if (signal.aborted) throw error;
      const reason = error.stderr?.trim().split("\n").at(-1) ?? error.message;
      say(`the models of ONNX Runtime could not be written: ${reason}`, true);
    }
  }

  for (const { name, module, needs = [], script, modes, models: needsModels } of pythonPeers) {
    const python = withAll(module, ...needs);
    if (python === undefined || (needsModels && models === undefined)) {
      wanted(name);
      continue;
    }
    for (const mode of modes) {
      for (const count of counts) {
        found.push(
          new Contestant({
            id: [module, ...mode, count].join("-"),
            name: mode[0] === "xla" ? `${name} XLA` : name,
            role: "peer",
            threads: count,
            command: [
              python,
              here(`peers/${script}`),
              String(count),
              ...mode,
              ...(needsModels ? [models] : []),
            ],
            knows: needsModels ? inferenceOnly : notOursAlone,
            environment: INSTRUCTION_SETS[instructionSet] ?? {},
          }),
        );
      }
    }
  }

  if (hasNode("@tensorflow/tfjs") && hasNode("@tensorflow/tfjs-backend-wasm")) {
    found.push(
      new Contestant({
        id: "tfjs-wasm",
        name: "TensorFlow.js wasm",
        role: "tfjs",
        threads: 1,
        command: [process.execPath, here("peers/tfjs_peer.mjs"), "1", nodePeers],
        knows: ({ limits }) => limits?.tfjs !== undefined,
      }),
    );
  } else wanted("TensorFlow.js");

  if (hasNode("onnxruntime-node") && models !== undefined) {
    for (const count of counts) {
      found.push(
        new Contestant({
          id: `onnxruntime-node-${count}`,
          name: "onnxruntime-node",
          role: "onnxNode",
          threads: count,
          command: [
            process.execPath,
            here("peers/onnxruntime_node_peer.mjs"),
            String(count),
            nodePeers,
            models,
          ],
          knows: ({ limits }) => limits?.onnxNode !== undefined,
        }),
      );
    }
  } else wanted("onnxruntime-node");
  return { contestants: found, missing, clean };
}

function prototypes(program, threads) {
  if (!existsSync(program)) throw new Error(`bench: received --prototype ${program}, expected a program`);
  const native = new Prototype({ id: "prototype", name: "Prototype", role: "prototype", threads, program });
  if (!existsSync(path.join(path.dirname(program), "relax.wasm"))) return [native];
  const name = "Prototype on wasm";
  return [native, new Prototype({ id: "prototype-wasm", name, role: "prototypeWasm", threads: 1, program })];
}
