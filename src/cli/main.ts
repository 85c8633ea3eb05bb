#!/usr/bin/env node
import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setFlagsFromString } from "node:v8";
import { Command, InvalidArgumentError, Option } from "commander";
import { RondoError, unknownName } from "../errors.js";
import { counted, type Recipe, Run, sourceText, type Training } from "../recipe/index.js";
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
  program
    .command("train")
    .description("trains a recipe on its data and writes history, weights and a report")
    .argument("<recipe>", recipes.map((r) => r.name).join(" | "))
    .option("--as-in-source", "the settings of the tutorial that the recipe follows, with nothing added")
    .option(
      "--epochs <n>",
      "how long to train: epochs, or steps where the recipe counts steps (default: the recipe's, see below)",
      wholeNumber(1),
    )
    .option("--batch-size <n>", "samples of one step (default: the recipe's)", wholeNumber(1))
    .option(
      "--learning-rate <x>",
      "of the optimizer, where the schedule begins (default: the recipe's)",
      positive,
    )
    .option("--seed <n>", "weights, dropout and order follow from it (default: a new one)", wholeNumber(0))
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
      wholeNumber(1, 256),
    )
    .option("--data <folder>", "folder of the data set's files (default: those of its npm package)", folder)
    .option(
      "--out <folder>",
      "folder to write (default: runs/<recipe>-<time>); replaces an earlier run's result there",
      folder,
    )
    .option("--json", "one line of JSON at the end instead of text")
    .option("--quiet", "no output but errors")
    .addHelpText("after", () => `\nRecipes:\n${table(recipes)}\n`)
    .action(async (name: string, options: TrainOptions) => {
      const recipe = recipes.find((r) => r.name === name);
      if (recipe === undefined) {
        code = usage;
        throw unknownName(
          "rondo train",
          "recipe",
          name,
          recipes.map((r) => r.name),
        );
      }
      code = await train(recipe, options, reader);
    });
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

/** @param reader aborts when nobody reads the output any more, which ends the training as an interruption does */
async function train(recipe: Recipe, options: TrainOptions, reader: AbortSignal): Promise<number> {
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
    const settings = {
      ...(options.asInSource === true ? recipe.source.settings : recipe.defaults),
      ...(options.epochs === undefined ? {} : { count: options.epochs }),
      ...(options.batchSize === undefined ? {} : { batchSize: options.batchSize }),
      ...(options.learningRate === undefined ? {} : { learningRate: options.learningRate }),
      seed: options.seed ?? randomInt(2 ** 31),
      asInSource: options.asInSource === true,
      data,
    };
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

const described = ({ name, title, adds, source, unit, defaults }: Recipe) => ({
  name,
  title,
  adds,
  source,
  unit,
  defaults,
});

/** Some lines a recipe: title, defaults, what they add, the tutorial and the figure to reach. */
function table(recipes: readonly Recipe[]): string {
  const width = Math.max(...recipes.map((r) => r.name.length));
  return recipes
    .map(({ name, title, unit, defaults, adds, source }) => {
      const { settings, metric, value } = source;
      const lines = [
        title,
        `Default: ${settingsText(defaults, unit)}.`,
        ...(adds === undefined ? [] : [adds]),
        `With --as-in-source: ${settingsText(settings, unit)}, and nothing added.`,
        `To reach: a test ${metric} of ${value}.`,
        `Follows ${sourceText(source)}`,
      ];
      return lines.map((line, i) => `  ${(i === 0 ? name : "").padEnd(width)}  ${line}`).join("\n");
    })
    .join("\n");
}

const settingsText = ({ count, batchSize, learningRate }: Training, unit: Recipe["unit"]): string =>
  `${counted(count, unit)}, batch size ${batchSize}, learning rate ${learningRate}`;

function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && Number.isSafeInteger(value) && value >= least && value <= most) return value;
    const isBound = most < Number.MAX_SAFE_INTEGER || value > most;
    throw new InvalidArgumentError(
      `Give a whole number${isBound ? ` from ${least} to ${most}` : `, ${least} or larger`}.`,
    );
  };
}

function positive(text: string): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new InvalidArgumentError("Give a number above 0, for example 0.001.");
}

function folder(text: string): string {
  if (text.trim() !== "") return text;
  throw new InvalidArgumentError("Give the name of a folder.");
}

function version(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

// Node 20 and 21 have relaxed SIMD behind a flag. Only a program may set flags for its whole process, never the library.
if (Number.parseInt(process.versions.node, 10) < 22) setFlagsFromString("--experimental-wasm-relaxed-simd");
process.exitCode = await main(process.argv);
