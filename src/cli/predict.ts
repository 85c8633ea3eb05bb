import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { Command } from "commander";
import { RondoError } from "../errors.js";
import { PredictInput } from "../recipe/index.js";
import { predictions } from "./about.js";
import {
  addBackendFlags,
  argument,
  type BackendFlags,
  type CommandContext,
  examples,
  folder,
  onBackend,
  written,
} from "./command.js";
import { storedRun } from "./saved.js";

/** `rondo predict <run> [inputs…]`. */
export function predictCommand(context: CommandContext): Command {
  const command = new Command("predict")
    .description("asks the model of a run, and writes a line of JSON for each answer")
    .argument("<run>", "the folder that rondo train wrote", argument(folder))
    .argument("[inputs...]", "files, gzipped or not; - or none: standard input");
  return addBackendFlags(command)
    .addHelpText(
      "after",
      () =>
        `\nAnswers come in the order of the inputs, as soon as they are there; inputs may be larger than memory, and need not end.\n\nExit codes: 0 done; 1 where the run or an input cannot be read, after the answers to what came before; 2 for a wrong\ncommand line; 141 where nobody reads the output any more.\n\nWhat the recipes read and give:\n${predictions(context.recipes)}\n`,
    )
    .addHelpText(
      "after",
      examples(
        "rondo predict runs/digits picture.png more-pictures/",
        "rondo predict runs/messages < messages.txt > answers.jsonl",
        "tail -f messages.txt | rondo predict runs/messages -",
      ),
    )
    .action((run: string, inputs: readonly string[], flags: BackendFlags) =>
      predict(run, inputs, flags, context),
    );
}

async function predict(
  path: string,
  names: readonly string[],
  flags: BackendFlags,
  context: CommandContext,
): Promise<void> {
  const { reader } = context;
  const run = await storedRun(path, context);
  const found: string[] = [];
  for (const name of names.length === 0 ? ["-"] : names) found.push(...(await filesOf(name)));
  const inputs = found.map(inputOf);
  if (process.stdin.isTTY && inputs.some(({ name }) => name === standardInput))
    console.error(`Reads ${run.recipe.prediction.reads}, until Ctrl-D.`);
  // What waits for standard input must not wait for longer than somebody reads the answers.
  reader.addEventListener("abort", () => process.stdin.destroy());
  await onBackend(flags, async (backend) => {
    const saved = await run.load({ backend, signal: reader });
    try {
      for await (const answer of run.recipe.predict(saved, inputs)) {
        await written(`${JSON.stringify(answer)}\n`);
        if (reader.aborted) break;
      }
    } catch (error) {
      if (!reader.aborted) throw error;
    } finally {
      process.stdin.destroy();
    }
  });
}

const standardInput = "standard input";

const inputOf = (name: string): PredictInput =>
  name === "-" ? new PredictInput(standardInput, process.stdin) : new PredictInput(name, name);

/** A file; the files of a folder, by their names. What is neither is refused before the first answer is given. */
async function filesOf(name: string): Promise<readonly string[]> {
  if (name === "-" || /^https?:/.test(name)) return [name];
  const found = await stat(name).catch(() => undefined);
  if (found !== undefined && !found.isDirectory()) return [name];
  const inside = found === undefined ? [] : await readdir(name, { withFileTypes: true });
  const files = inside.filter((entry) => entry.isFile() && !entry.name.startsWith("."));
  if (files.length > 0) return files.map((entry) => join(name, entry.name)).sort();
  throw new RondoError({
    where: `read ${name}`,
    received: found === undefined ? "no such file" : "a folder without files",
    expected: "a file, or a folder of files",
    fix: "Check the path",
  });
}
