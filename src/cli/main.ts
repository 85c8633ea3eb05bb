#!/usr/bin/env node
import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setFlagsFromString } from "node:v8";
import { Command, InvalidArgumentError, Option } from "commander";
import { RondoError, unknownName } from "../errors.js";
import {
  counted,
  flagOf,
  goalText,
  type Reader,
  type Recipe,
  type RecipeOption,
  Run,
  settingsOf,
  sourceText,
  type Training,
  Unreadable,
  written,
} from "../recipe/index.js";
import { number, wholeNumber } from "../recipe/readers.js";
import { createBackend } from "../runtime/select.js";

// Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted, 141 nobody reads the output any more, as after SIGPIPE
// (what was trained is kept after both).
const failed = 1;
const usage = 2;
const interrupted = 130;
const unread = 141;

interface TrainOptions {
  readonly asInSource?: boolean;
  readonly epochs?: number;
  readonly batchSize?: number;
  readonly learningRate?: number;
  readonly seed?: number;
  readonly backend?: "auto" | "native" | "wasm";
  readonly threads?: number;
  readonly data?: string;
  readonly out?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

async function main(argv: readonly string[]): Promise<number> {
  const { recipes } = (await import(new URL("../recipes/index.js", import.meta.url).href)) as {
    recipes: readonly Recipe[];
  };
  const reader = watchReader();
  let code = 0;
  const program = new Command("rondo")
    .description(
      "Trains recurrent networks: each recipe is a model, its data and the training that reaches its figure.",
    )
    .version(version(), "-V, --version", "Rondo's version")
    .exitOverride()
    .showHelpAfterError("Run with --help for the options.");
  program
    .command("list")
    .description("the recipes, how long each trains, and what it is measured by")
    .option("--json", "as JSON")
    .action(({ json }: { json?: boolean }) => {
      console.log(json === true ? JSON.stringify(recipes.map(described)) : table(recipes));
    });
  const command = program
    .command("train")
    .description("trains a recipe on its data and writes history, weights and a report")
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
    )
    .addOption(
      new Option("--backend <name>", "what computes (default: RONDO_BACKEND, else auto)").choices([
        "auto",
        "native",
        "wasm",
      ]),
    )
    .option(
      "--threads <n>",
      "threads that compute (default: RONDO_THREADS, else one per core, up to 16)",
      argument(wholeNumber(1, 256)),
    )
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
      code = usage;
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
        code = await train(recipe, command.opts<TrainOptions>(), own.opts(), reader);
      });
    for (const [name, one] of Object.entries(recipe.options ?? {}))
      own.option(usageOf(name, one), helpOf(one), argument(one.read));
  }
  try {
    await program.parseAsync(argv);
  } catch (error) {
    if (error instanceof Error && "code" in error && String(error.code).startsWith("commander.")) {
      return "exitCode" in error && error.exitCode === 0 ? 0 : usage;
    }
    if (!(error instanceof RondoError)) throw error;
    console.error(error.message);
    return code === 0 ? failed : code;
  }
  return reader.aborted ? unread : code;
}

/** A signal that aborts when nobody reads the output any more: `rondo … | head`. */
function watchReader(): AbortSignal {
  const left = new AbortController();
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error) => {
      if (!("code" in error) || error.code !== "EPIPE") throw error;
      if (stream === process.stdout) left.abort();
    });
  }
  return left.signal;
}

/**
 * @param own what was given of the recipe's own options, by name
 * @param reader aborts when nobody reads the output any more, which ends the training as an interruption does
 */
async function train(
  recipe: Recipe,
  options: TrainOptions,
  own: Readonly<Record<string, unknown>>,
  reader: AbortSignal,
): Promise<number> {
  const abort = new AbortController();
  const onInterrupt = () => {
    if (abort.signal.aborted) process.exit(interrupted);
    abort.abort();
    console.error("\nEnding after the current step; press Ctrl-C again to stop at once.");
  };
  process.on("SIGINT", onInterrupt);
  process.on("SIGTERM", onInterrupt);
  reader.addEventListener("abort", () => abort.abort());
  const { threads, data } = options;
  const backend = await createBackend({
    ...(options.backend === undefined ? {} : { backend: options.backend }),
    ...(threads === undefined ? {} : { threads }),
    warn: (text) => console.error(text),
  });
  try {
    const time = new Date().toISOString().slice(0, 23).replaceAll(/[:.]/g, "-");
    const settings = settingsOf(recipe, {
      ...(options.epochs === undefined ? {} : { count: options.epochs }),
      ...(options.batchSize === undefined ? {} : { batchSize: options.batchSize }),
      ...(options.learningRate === undefined ? {} : { learningRate: options.learningRate }),
      seed: options.seed ?? randomInt(2 ** 31),
      asInSource: options.asInSource === true,
      data,
      options: own,
    });
    const run = await Run.open({
      recipe,
      settings,
      backend,
      folder: resolve(options.out ?? join("runs", `${recipe.name}-${time}`)),
      signal: abort.signal,
      quiet: options.quiet === true,
      json: options.json === true,
      print: (text) => console.log(text),
    });
    try {
      await recipe.train(settings, run);
    } catch (error) {
      if (error !== abort.signal.reason) throw error;
      console.error("Interrupted before the training began: nothing was written.");
    }
    return (run.result?.interrupted ?? abort.signal.aborted) ? interrupted : 0;
  } finally {
    process.off("SIGINT", onInterrupt);
    process.off("SIGTERM", onInterrupt);
    await backend.close();
  }
}

const described = ({ name, title, adds, goal, source, unit, defaults, options = {} }: Recipe) => ({
  name,
  title,
  adds,
  goal,
  source,
  unit,
  defaults,
  options: Object.entries(options).map(([own, one]) => ({
    name: own,
    usage: usageOf(own, one),
    description: one.description,
    ...(one.choices === undefined ? {} : { choices: one.choices }),
    default: one.default,
  })),
});

/** Some lines a recipe, beside its name. */
function table(recipes: readonly Recipe[]): string {
  const width = Math.max(...recipes.map((r) => r.name.length));
  return recipes
    .map((recipe) =>
      [recipe.title, ...about(recipe), ...ownOptions(recipe)]
        .map((line, i) => `  ${(i === 0 ? recipe.name : "").padEnd(width)}  ${line}`)
        .join("\n"),
    )
    .join("\n");
}

/** A recipe's defaults, what they add, the figure to reach and the tutorial. */
function about({ unit, defaults, adds, goal, source }: Recipe): string[] {
  const { settings, options = {} } = source;
  const own = Object.entries(options).map(([name, value]) => `, ${flagOf(name)} ${written(value)}`);
  const reached = source.goal === undefined ? "" : `; to reach: ${goalText(source.goal)}`;
  return [
    `Default: ${settingsText(defaults, unit)}.`,
    ...(adds === undefined ? [] : [adds]),
    `With --as-in-source: ${settingsText(settings, unit)}${own.join("")}, and nothing added${reached}.`,
    `To reach: ${goalText(goal)}.`,
    `Follows ${sourceText(source)}`,
  ];
}

const ownOptions = ({ options = {} }: Recipe): string[] =>
  Object.entries(options).map(([name, own]) => `${usageOf(name, own)}  ${helpOf(own)}`);

const usageOf = (name: string, { placeholder }: RecipeOption): string => `--${flagOf(name)} <${placeholder}>`;

function helpOf({ description, choices, default: value }: RecipeOption): string {
  const all = choices === undefined || written(choices) === written(value) ? "" : `${choices.join(", ")}; `;
  return `${description} (${all}default: ${written(value)})`;
}

const settingsText = ({ count, batchSize, learningRate }: Training, unit: Recipe["unit"]): string =>
  `${counted(count, unit)}, batch size ${batchSize}, learning rate ${learningRate}`;

/** A reader as commander takes one. */
const argument =
  <T>(read: Reader<T>) =>
  (text: string): T => {
    try {
      return read(text);
    } catch (error) {
      throw error instanceof Unreadable ? new InvalidArgumentError(error.message) : error;
    }
  };

function folder(text: string): string {
  if (text.trim() !== "") return text;
  throw new Unreadable("Give the name of a folder.");
}

function version(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

// Node 20 and 21 have relaxed SIMD behind a flag. Only a program may set flags for its whole process, never the library.
if (Number.parseInt(process.versions.node, 10) < 22) setFlagsFromString("--experimental-wasm-relaxed-simd");
process.exitCode = await main(process.argv);
