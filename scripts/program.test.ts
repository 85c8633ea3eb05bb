import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Progress } from "./program.mjs";

it("knows a program by whatever path it is started", () => {
  const folder = mkdtempSync(join(tmpdir(), "rondo ß "));
  try {
    mkdirSync(join(folder, "a"));
    symlinkSync("a", join(folder, "link"));
    const helper = JSON.stringify(new URL("program.mjs", import.meta.url).href);
    const text = `import { isProgram } from ${helper}; console.log(isProgram(import.meta.url));`;
    writeFileSync(join(folder, "a/program.mjs"), text);
    writeFileSync(join(folder, "a/other.mjs"), 'import "./program.mjs";');
    const run = (path: string) => execFileSync(process.execPath, [join(folder, path)], { encoding: "utf8" });
    expect(["a/program.mjs", "link/program.mjs", "link/other.mjs"].map(run)).toEqual([
      "true\n",
      "true\n",
      "false\n",
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

describe("Progress", () => {
  /** What is written while 40 files for the addon are compiled, a second each, after 5 packages came in. */
  function written(isTTY: boolean): string {
    let [text, now] = ["", 0];
    const output = {
      isTTY,
      write: (more: string) => {
        text += more;
      },
    };
    const progress = new Progress(output, () => now);
    for (let done = 1; done <= 40; done++) {
      now += 1000;
      if (done === 5) progress.say("installed");
      progress.compiled("addon", done, 40);
    }
    return text;
  }

  it("writes a line every ten seconds into a log", () => {
    const compiled = (files: number) => `Set-up: compiled ${files} of 40 files for the addon\n`;
    expect(written(false)).toBe(["Set-up: installed\n", ...[15, 25, 35].map(compiled)].join(""));
  });

  it("draws over one line on a terminal, and leaves whole lines", () => {
    const lines = written(true).split("\r\u001b[K");
    expect(lines).toHaveLength(1 + 40 + 2);
    expect(lines.slice(4, 8)).toEqual([
      "Set-up: compiled 4 of 40 files for the addon",
      "Set-up: installed\n",
      "Set-up: compiled 4 of 40 files for the addon",
      "Set-up: compiled 5 of 40 files for the addon",
    ]);
    expect(lines.at(-1)).toBe("");
  });
});
