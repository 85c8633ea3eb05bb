// Word vectors: words of a text trained on per second, Rondo's and gensim's in turn.
//
//     node bench/vectors.mjs [--threads N] [--rounds N] [--python PATH]… [--text FILE]
//
// `node bench/vectors.mjs serve THREADS TEXT` is Rondo among the contestants (`peers/protocol.py`): it answers work "vectors"
// of kind "train" with milliseconds for a million words of the text, in one pass. Both have gensim's defaults: skip-gram, 100
// numbers, window 5, 5 negatives. Neither counts the reading of the vocabulary.

import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { isProgram } from "../scripts/program.mjs";
import { Contestant } from "./contestants.mjs";
import { median } from "./report.mjs";
import { measure, start } from "./rounds.mjs";

const here = (file) => fileURLToPath(new URL(file, import.meta.url));

/** Rondo must be as fast as gensim with as many threads. */
export const LIMITS = { gensim: 1 };

const ROW = { work: "vectors", kind: "train", limits: {} };

/** A text of so many words as natural ones have them (Zipf's law): the same words every time. */
export function textOf(words, vocabulary = 30_000) {
  const lines = [];
  let state = 1;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  // Shares of about 1 / rank: a rank is drawn by its logarithm.
  const most = Math.log(vocabulary + 1);
  for (let done = 0; done < words; ) {
    const length = Math.min(10 + Math.floor(30 * random()), words - done);
    lines.push(Array.from({ length }, () => `w${Math.floor(Math.exp(most * random()))}`).join(" "));
    done += length;
  }
  return `${lines.join("\n")}\n`;
}

/** The first of the Pythons that has gensim. */
async function withGensim(pythons) {
  for (const python of pythons) {
    const code = "import importlib.util as u, sys; sys.exit(u.find_spec('gensim') is None)";
    const has = await promisify(execFile)(python, ["-c", code]).then(
      () => true,
      () => false,
    );
    if (has) return python;
  }
  return undefined;
}

/**
 * Measures all in turn.
 *
 * @param options `threads`; `rounds`; `pythons` (paths), of which one may have gensim; `text` (a file; default: one that is made)
 * @param say told what happens: (text, lasting)
 * @returns `figures`: of each contestant its name, version, threads and words per second (median over the rounds), or why there
 * are none; `ratio`: Rondo's by gensim's, undefined without it; `missing`: how to get gensim where it was not found
 */
export async function measureVectors({ threads, rounds, pythons, text }, say) {
  const python = await withGensim(pythons);
  const folder = mkdtempSync(path.join(tmpdir(), "rondo-bench-"));
  const contestants = [];
  try {
    const file = text === undefined ? path.join(folder, "text.txt") : path.resolve(text);
    if (text === undefined) writeFileSync(file, textOf(2_000_000));
    const make = (id, name, role, command) =>
      contestants.push(
        new Contestant({ id, name, role, threads, command: [...command, String(threads), file] }),
      );
    make("rondo", "Rondo", "ours", [process.execPath, here("vectors.mjs"), "serve"]);
    if (python !== undefined) make("gensim", "gensim", "peer", [python, here("peers/gensim_peer.py")]);
    await start(contestants, say);
    const [row] = await measure(contestants, [ROW], { rounds, seconds: 0 }, say);
    const figures = contestants.map(({ id, name, version, failure }) => ({
      id,
      name,
      version,
      threads,
      failure,
      wordsPerSecond: row[id] === undefined ? undefined : 1e9 / median(row[id]),
    }));
    const speedOf = (id) => figures.find((figure) => figure.id === id)?.wordsPerSecond;
    const missing =
      python === undefined
        ? "python3 -m venv D && D/bin/pip install gensim   then --python D/bin/python"
        : undefined;
    return { figures, ratio: speedOf("rondo") / speedOf("gensim") || undefined, missing };
  } finally {
    await Promise.all(contestants.map((contestant) => contestant.end()));
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The measurement in words, a line for each contestant. */
export function vectorsText({ figures, ratio, missing }) {
  const lines = figures.map(({ name, version, threads, failure, wordsPerSecond }) => {
    const speed =
      wordsPerSecond === undefined ? failure : `${Math.round(wordsPerSecond).toLocaleString("en")} words/s`;
    return `${name} ${version}, ${threads} ${threads === 1 ? "thread" : "threads"}: ${speed}`;
  });
  if (ratio !== undefined) {
    const reached = ratio >= LIMITS.gensim ? "reached" : "missed";
    lines.push(`Rondo by gensim: ${ratio.toFixed(2)} × (to reach: ${LIMITS.gensim} ×, ${reached})`);
  }
  if (missing !== undefined) lines.push(`gensim was not found: ${missing}`);
  return lines;
}

async function serve(threads, text) {
  const { createBackend } = await import("../dist/index.js");
  const { trainWordVectors } = await import("../dist/vectors/index.js");
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  const answer = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
  const backend = await createBackend({ threads });
  answer({ peer: "rondo", version, threads, ready: true });
  for await (const line of createInterface({ input: process.stdin })) {
    const { work, kind } = JSON.parse(line);
    if (work !== ROW.work || kind !== ROW.kind) {
      answer({ work, kind, unsupported: `no work ${work}` });
      continue;
    }
    const { tokens, seconds } = await trainWordVectors(text, { epochs: 1 }, { backend });
    answer({ work, kind, ms: (1e9 * seconds.training) / tokens, repetitions: 1 });
  }
  await backend.close();
}

async function main() {
  const { values } = parseArgs({
    options: {
      threads: { type: "string", default: String(Math.min(16, availableParallelism())) },
      rounds: { type: "string", default: "5" },
      python: { type: "string", multiple: true, default: [] },
      text: { type: "string" },
    },
  });
  const say = (text, lasting = false) => lasting && console.error(text);
  const { threads, rounds, python: pythons, text } = values;
  const result = await measureVectors(
    { threads: Number(threads), rounds: Number(rounds), pythons, text },
    say,
  );
  console.log(vectorsText(result).join("\n"));
}

if (isProgram(import.meta.url)) {
  if (process.argv[2] === "serve") await serve(Number(process.argv[3]), process.argv[4]);
  else await main();
}
