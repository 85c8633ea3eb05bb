// Trainings in processes that are killed.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { uniform } from "../golden/load.js";

const script = fileURLToPath(new URL("killedChild.mjs", import.meta.url));

/** What a child said in the end; undefined where it was killed. */
type Said = string | undefined;

/** When a training is killed. */
interface Moment {
  /** Milliseconds after the first step of its process, or after the first checkpoint that this one has written. */
  readonly delay: number;
  readonly after: "step" | "checkpoint";
}

/** Names of the checkpoints in a folder; of those that are being written, too. */
const filesIn = (folder: string): string => (existsSync(folder) ? readdirSync(folder).sort().join() : "");

/**
 * Runs a training, which goes on from what is in the folder.
 *
 * @param moment undefined: it is left alone
 */
function child(kind: string, folder: string, moment?: Moment): Promise<Said> {
  return new Promise((resolve, reject) => {
    const before = filesIn(folder);
    const training = spawn(process.execPath, [script, kind, folder]);
    let [out, err] = ["", ""];
    const kill = () => setTimeout(() => training.kill("SIGKILL"), moment?.delay);
    const poll = setInterval(() => {
      if (moment === undefined || !out.includes("begun")) return;
      if (moment.after === "checkpoint" && filesIn(folder) === before) return;
      clearInterval(poll);
      kill();
    }, 2);
    training.stdout.on("data", (chunk) => {
      out += String(chunk);
    });
    training.stderr.on("data", (chunk) => {
      err += String(chunk);
    });
    training.on("error", reject);
    training.on("close", (code, signal) => {
      clearInterval(poll);
      if (signal === "SIGKILL") resolve(undefined);
      else if (code === 0) resolve(out.trim().split("\n").at(-1));
      else reject(new Error(`the training ended with ${code}: ${err}`));
    });
  });
}

/** @param drawn from -1 to below 1 */
const momentOf = (drawn: number): Moment =>
  drawn < -0.5
    ? { delay: 1000 * (drawn + 1), after: "step" }
    : { delay: 100 * (drawn + 0.5), after: "checkpoint" };

/** What became of trainings that were killed again and again. */
export interface Killed {
  /** What they printed in the end, each; and what the one printed that was left alone. */
  readonly ends: readonly string[];
  readonly uninterrupted: string;
  /** Times that one was killed after it had written something, so that the next went on from there. */
  readonly resumed: number;
}

/**
 * Kills trainings at moments that follow from a seed, each so often until it is done, until there were so many kills.
 *
 * @param kind `arrays` or `dataset`
 */
export async function killedOften(kind: string, kills: number, seed: number): Promise<Killed> {
  const top = mkdtempSync(join(tmpdir(), "rondo-kills-"));
  const moments = uniform(seed, kills);
  try {
    const uninterrupted = (await child(kind, join(top, "alone"))) ?? "";
    const ends: string[] = [];
    let [count, resumed] = [0, 0];
    // On a busy machine few kills may all come before a checkpoint: then there are some more, after one.
    const more = () => count < kills || (resumed === 0 && count < kills + 20);
    for (let run = 0; more(); run++) {
      const folder = join(top, String(run));
      for (;;) {
        const end = await child(kind, folder, more() ? momentOf(moments[count] ?? 0) : undefined);
        if (end !== undefined) {
          ends.push(end);
          break;
        }
        count++;
        if (readdirSync(folder).some((file) => file.startsWith("checkpoint-"))) resumed++;
      }
      rmSync(folder, { recursive: true });
    }
    return { ends, uninterrupted, resumed };
  } finally {
    rmSync(top, { recursive: true });
  }
}
