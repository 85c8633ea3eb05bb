// The kernels' sources as the build scripts see them.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const folder = fileURLToPath(new URL("../kernels", import.meta.url));

/** All files by name: sources, headers and the instruction set. */
export function readSources() {
  const names = readdirSync(folder).filter((name) => /\.(h|def|cpp)$/.test(name));
  return new Map(names.sort().map((name) => [name, readFileSync(join(folder, name), "utf8")]));
}

/** A hash of what one file is compiled from: its text, that of all it includes, and the words in `how`. */
export function hashOf(sources, file, how) {
  const hash = createHash("sha256").update(how.join("\n"));
  const seen = new Set();
  const add = (name) => {
    const text = sources.get(name);
    if (text === undefined || seen.has(name)) return;
    seen.add(name);
    hash.update(`\n${name}\n`).update(text);
    for (const [, included] of text.matchAll(/^\s*#include "(.+)"/gm)) add(included);
  };
  add(file);
  return hash.digest("hex").slice(0, 16);
}

/** Sorts the jobs of compilers, `{ file }`, by the size of their sources: what takes longest is not left for the end. */
export function largestFirst(jobs, sources) {
  const size = ({ file }) => sources.get(file)?.length ?? 0;
  return jobs.sort((a, b) => size(b) - size(a));
}
