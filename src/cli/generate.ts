import { randomInt } from "node:crypto";
import { resolve } from "node:path";
import { Command } from "commander";
import { RondoError } from "../errors.js";
import { number, wholeNumber } from "../recipe/readers.js";
import {
  addBackendFlags,
  argument,
  type BackendFlags,
  type CommandContext,
  examples,
  exitCodes,
  folder,
  onBackend,
  written,
} from "./command.js";
import { storedRun } from "./saved.js";

interface GenerateFlags extends BackendFlags {
  readonly prompt?: string;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly length: number;
  readonly seed?: number;
  readonly json?: boolean;
}

/** `rondo generate <run>`. */
export function generateCommand(context: CommandContext): Command {
  const command = new Command("generate")
    .description("lets the language model of a run write, and shows its text as it comes")
    .argument("<run>", "the folder that rondo train wrote", argument(folder))
    .option("--prompt <text>", "what the text goes on from (default: a line break)")
    .option(
      "--temperature <x>",
      "below 1 what is likely becomes likelier, above 1 all becomes more alike; 0: always the likeliest (default: 1)",
      argument(number({ least: 0 })),
    )
    .option(
      "--top-k <n>",
      "draws from so many of the likeliest alone (default: all)",
      argument(wholeNumber(1)),
    )
    .option(
      "--top-p <x>",
      "draws from the fewest of the likeliest with this probability together (default: all)",
      argument(number({ above: 0, most: 1 })),
    )
    .option("--length <n>", "characters, or words, to write", argument(wholeNumber(0)), 500)
    .option(
      "--seed <n>",
      "the same seed gives the same text (default: another each time)",
      argument(wholeNumber(0)),
    )
    .option("--json", "one line of JSON at the end instead of text");
  return addBackendFlags(command)
    .addHelpText(
      "after",
      `\nRuns of these recipes can be asked: ${context.recipes
        .flatMap(({ name, generate }) => (generate === undefined ? [] : [name]))
        .join(
          ", ",
        )}.\n\nCtrl-C ends the text. Exit codes: 0 done; 1 where the run cannot be read or has no language model; 2 for a wrong\ncommand line; 130 interrupted; 141 where nobody reads the output any more.\n`,
    )
    .addHelpText(
      "after",
      examples(
        'rondo generate runs/plays --prompt "ROMEO:" --temperature 0.8',
        "rondo generate runs/plays --top-p 0.95 --length 2000 --seed 1 > play.txt",
        "rondo generate runs/plays --json",
      ),
    )
    .action((run: string, flags: GenerateFlags) => generate(run, flags, context));
}

async function generate(path: string, flags: GenerateFlags, context: CommandContext): Promise<void> {
  const run = await storedRun(path, context);
  const { recipe } = run;
  if (recipe.generate === undefined) {
    const able = context.recipes.filter((one) => one.generate !== undefined).map(({ name }) => name);
    throw new RondoError({
      where: `run ${path}`,
      received: `a run of the recipe ${recipe.name}, which does not write text`,
      expected: `one of ${able.join(", ")}`,
      fix: `Ask it with rondo predict, or train one that writes: rondo train ${able[0] ?? ""}`,
    });
  }
  const abort = new AbortController();
  const stop = () => abort.abort();
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  context.reader.addEventListener("abort", stop);
  const { prompt = "\n", temperature, topK, topP, length, seed = randomInt(2 ** 31), json = false } = flags;
  const wishes = {
    prompt,
    length,
    seed,
    ...(temperature === undefined ? {} : { temperature }),
    ...(topK === undefined ? {} : { topK }),
    ...(topP === undefined ? {} : { topP }),
  };
  try {
    await onBackend(flags, async (backend) => {
      const saved = await run.load({ backend, signal: abort.signal });
      const begin = performance.now();
      let [text, count] = ["", 0];
      try {
        if (!json) await written(prompt.replace(/^\n/, ""));
        for await (const piece of recipe.generate?.(saved, { ...wishes, signal: abort.signal }) ?? []) {
          text += piece;
          count++;
          if (!json) await written(piece);
        }
      } catch (error) {
        if (!abort.signal.aborted) throw error;
      }
      const seconds = (performance.now() - begin) / 1000;
      const { name } = recipe;
      const told = { recipe: name, folder: resolve(path), backend: backend.name, ...wishes, length: count };
      await written(json ? `${JSON.stringify({ ...told, seconds, text })}\n` : "\n");
    });
    if (abort.signal.aborted) context.end(exitCodes.interrupted);
  } finally {
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
    context.reader.removeEventListener("abort", stop);
  }
}
