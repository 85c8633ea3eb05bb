// The benchmark: node bench/main.mjs --help.
//
// Every contestant is a process of its own that stays; in each round all of them run each row, one at a time and in turn,
// so that a noisy minute falls on all alike. Figures are medians over the rounds.

import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { agreement, askLosses } from "./agree.mjs";
import { findContestants, INSTRUCTION_SETS } from "./contestants.mjs";
import { WORKS } from "./peers/protocol.mjs";
import { picture } from "./picture.mjs";
import { markdown, terminal } from "./report.mjs";
import { measure, ROOF, start } from "./rounds.mjs";
import { SWEEP, sweepMarkdown, sweepPicture, sweepText } from "./sweep.mjs";
import { measureVectors, vectorsText } from "./vectors.mjs";
import { PROBE_LIMITS, ROWS } from "./works.mjs";

const execute = promisify(execFile);

const usage = `npm run bench -- [options]

  --python PATH       a Python with peers in it: torch, tensorflow and keras, jax and optax, onnxruntime; repeatable
  --node-peers FOLDER where @tensorflow/tfjs with its wasm backend, and onnxruntime-node, are installed
  --prototype PATH    the program of hand-written loops that some limits compare with
  --works W1,W3,…     of ${Object.keys(WORKS).join(", ")} (default: all; quick: those of W and T);
                      wide: layers of hundreds of units and more
  --rounds N          default 5
  --seconds S         that a contestant measures a row for in each round; default 0.5
  --threads N         default: as many as there are processors
  --instruction-set S all that can be held to it use no more than ${Object.keys(INSTRUCTION_SETS).join(", ")} (default: what the machine has)
  --quick             ours alone, in less than a minute
  --sweep             instead of the works, one layer at many sizes: rows, steps, units, cells
  --agree             instead of measuring, hold the losses of three training steps against each other
  --out FOLDER        for results.json, benchmark.svg and table.md; default build/bench
  --json FILE, --svg FILE   other places for these two
  --help

With all peers it takes about half an hour, a third of it while JAX compiles. Nothing else should run meanwhile.`;

function readOptions() {
  const text = { type: "string" };
  const { values } = parseArgs({
    options: {
      python: { type: "string", multiple: true, default: [] },
      "node-peers": text,
      prototype: text,
      works: text,
      rounds: text,
      seconds: text,
      threads: text,
      "instruction-set": text,
      quick: { type: "boolean", default: false },
      sweep: { type: "boolean", default: false },
      agree: { type: "boolean", default: false },
      out: { type: "string", default: fileURLToPath(new URL("../build/bench", import.meta.url)) },
      json: text,
      svg: text,
      help: { type: "boolean", default: false },
    },
  });
  const { quick, sweep, agree, out } = values;
  const instructionSet = values["instruction-set"];
  if (instructionSet !== undefined && !Object.hasOwn(INSTRUCTION_SETS, instructionSet)) {
    throw new Error(
      `bench: received --instruction-set ${instructionSet}, expected one of ${Object.keys(INSTRUCTION_SETS).join(", ")}`,
    );
  }
  const positive = (name, given, otherwise) => {
    const n = Number(given ?? otherwise);
    if (n > 0 && (name === "seconds" || Number.isInteger(n))) return n;
    throw new Error(`bench: received --${name} ${given}, expected a number above 0`);
  };
  const works = values.works?.split(",") ?? [
    ...Object.keys(WORKS).filter((work) => !quick || /^[WT]/.test(work)),
    ...(quick ? [] : ["wide"]),
  ];
  const unknown = works.find((work) => !(work in WORKS) && work !== "wide");
  if (unknown !== undefined) {
    throw new Error(
      `bench: received --works ${unknown}, expected some of ${Object.keys(WORKS).join(", ")}, wide`,
    );
  }
  return {
    help: values.help,
    quick,
    sweep,
    agree,
    instructionSet,
    rows: sweep
      ? SWEEP
      : ROWS.filter(
          ({ work, kind }) => works.includes(work in WORKS ? work : "wide") && !(quick && kind === "fit"),
        ),
    pythons: values.python,
    nodePeers: values["node-peers"],
    prototype: values.prototype,
    rounds: positive("rounds", values.rounds, quick || sweep ? 2 : 5),
    seconds: positive("seconds", values.seconds, quick || sweep ? 0.2 : 0.5),
    threads: positive("threads", values.threads, os.availableParallelism()),
    json: values.json ?? path.join(out, sweep ? "sweep.json" : "results.json"),
    svg: values.svg ?? path.join(out, sweep ? "sweep.svg" : "benchmark.svg"),
    table: path.join(out, sweep ? "sweep.md" : "table.md"),
  };
}

/** One line that changes in place on a terminal; a line per message elsewhere, if `lasting`. */
function say(text, lasting = false) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  else if (lasting && text !== "") process.stderr.write(`${text}\n`);
}

function machine() {
  const [cpu] = os.cpus();
  return {
    cpu: cpu?.model ?? process.arch,
    cores: os.availableParallelism(),
    memory: `${Math.round(os.totalmem() / 2 ** 30)} GiB`,
    system: `${os.type()} ${os.release()}, ${process.arch}`,
    node: process.versions.node,
    load: os.loadavg()[0],
  };
}

async function probe({ rounds, threads, quick }, signal) {
  const script = fileURLToPath(new URL("probes.mjs", import.meta.url));
  const probes = {};
  for (const name of Object.keys(PROBE_LIMITS)) {
    say(`measuring the ${name}`);
    const values = [];
    let text = "";
    try {
      for (let round = 0; round < (quick ? 1 : rounds); round++) {
        const args = ["--expose-gc", script, name, String(threads)];
        const answer = JSON.parse(
          (await execute(process.execPath, args, { timeout: 120_000, signal })).stdout,
        );
        values.push(answer.value);
        text = answer.text;
      }
    } catch (error) {
      text = `failed: ${(error.stderr ?? error.message).trim().split("\n").at(-1)}`;
    }
    probes[name] = { values, text };
  }
  return probes;
}

function write(file, text) {
  mkdirSync(path.dirname(path.resolve(file)), { recursive: true });
  writeFileSync(file, text);
}

async function agree(contestants, rows) {
  await start(contestants, say);
  const answers = await askLosses(
    contestants,
    rows.filter(({ kind }) => kind === "train"),
    say,
  );
  await Promise.all(contestants.map((contestant) => contestant.end()));
  say("");
  const { text, agreed } = agreement(answers);
  const failures = contestants.filter(({ failure }) => failure !== undefined);
  console.log([text, ...failures.map(({ title, failure }) => `${title} failed: ${failure}`)].join("\n"));
  if (!agreed || failures.length > 0) process.exitCode = 1;
}

async function main() {
  const options = readOptions();
  if (options.help) return console.log(usage);
  const ended = new AbortController();
  const { contestants, missing, clean } = await findContestants(options, say, ended.signal);
  for (const { name, install } of missing) console.log(`${name} is left out; to have it: ${install}`);
  const stop = () => {
    ended.abort();
    for (const contestant of contestants) contestant.kill();
    clean();
  };
  const interrupted = (signal) => {
    stop();
    process.exit(signal === "SIGINT" ? 130 : 143);
  };
  process.once("SIGINT", interrupted).once("SIGTERM", interrupted);
  process.once("exit", stop);

  const { rows } = options;
  if (options.agree) return agree(contestants, rows);

  const date = new Date().toISOString();
  const before = machine();
  const probes = options.sweep ? {} : await probe(options, ended.signal); // before others fill the machine's memory and caches
  await start(contestants, say);
  const figures = await measure(contestants, [...rows, ROOF], options, say);
  await Promise.all(contestants.map((contestant) => contestant.end()));
  say("");

  const vectors =
    options.quick || options.sweep
      ? undefined
      : await measureVectors(
          { threads: options.threads, rounds: options.rounds, pythons: options.pythons },
          say,
        );
  say("");

  const results = {
    date,
    machine: before,
    rounds: options.rounds,
    seconds: options.seconds,
    threads: options.threads,
    instructionSet: options.instructionSet,
    contestants: contestants.map(({ id, name, title, role, threads, version, peer, failure }) => ({
      id,
      name,
      title,
      role,
      threads,
      version,
      peer,
      failure,
    })),
    missing: missing.map(({ name }) => name),
    rows: rows.map((row, i) => ({ ...row, times: figures[i] })),
    roof: figures[rows.length],
    probes,
    vectors,
  };
  console.log(options.sweep ? sweepText(results) : terminal(results));
  if (vectors !== undefined) console.log(`\nWords of a text trained on:\n${vectorsText(vectors).join("\n")}`);
  write(options.json, `${JSON.stringify(results, null, 1)}\n`);
  write(options.table, options.sweep ? sweepMarkdown(results) : markdown(results));
  write(options.svg, options.sweep ? sweepPicture(results) : picture(results));
  console.log(
    `\nWrote ${[options.json, options.table, options.svg].map((file) => path.relative("", file)).join(", ")}`,
  );
}

try {
  await main();
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
