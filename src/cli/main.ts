#!/usr/bin/env node
import { setFlagsFromString } from "node:v8";
import { Command } from "commander";
import { RondoError } from "../errors.js";
import { type Reached, type Recipe, version } from "../recipe/index.js";
import { type CommandContext, type ExitCode, examples, exitCodes } from "./command.js";
import { compareCommand } from "./compare.js";
import { doctorCommand } from "./doctor.js";
import { evaluateCommand } from "./evaluate.js";
import { generateCommand } from "./generate.js";
import { listCommand } from "./list.js";
import { predictCommand } from "./predict.js";
import { trainCommand } from "./train.js";
import { vectorsCommand } from "./vectors.js";

async function main(argv: readonly string[]): Promise<number> {
  const { recipes, results } = (await import(new URL("../recipes/index.js", import.meta.url).href)) as {
    recipes: readonly Recipe[];
    results: readonly Reached[];
  };
  const reader = watchReader();
  let code: ExitCode = exitCodes.done;
  const context: CommandContext = {
    recipes,
    results,
    reader,
    end(ended) {
      code = ended;
    },
  };
  const program = new Command("rondo")
    .description(
      "Trains recurrent networks: each recipe is a model, its data and the training that reaches its figure.",
    )
    .version(version(), "-V, --version", "Rondo's version")
    .addHelpText(
      "after",
      "\nResults go to standard output, progress and errors to standard error.\nExit codes: 0 done, 1 failed (or other figures than the training's), 2 wrong command line, 130 interrupted, 141 nobody reads.",
    )
    .addHelpText(
      "after",
      examples(
        "rondo list",
        "rondo train double-lstm --epochs 1 --out runs/digits",
        "rondo evaluate runs/digits",
        "rondo predict runs/digits picture.png",
        "rondo train --help",
      ),
    )
    .addCommand(listCommand(context))
    .addCommand(trainCommand(context))
    .addCommand(evaluateCommand(context))
    .addCommand(predictCommand(context))
    .addCommand(compareCommand(context))
    .addCommand(generateCommand(context))
    .addCommand(vectorsCommand(context))
    .addCommand(doctorCommand(context));
  for (const command of commandsIn(program))
    command.exitOverride().showHelpAfterError("Run with --help for the options.");
  try {
    await program.parseAsync(argv);
  } catch (error) {
    if (error instanceof Error && "code" in error && String(error.code).startsWith("commander.")) {
      return "exitCode" in error && error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
    }
    if (!(error instanceof RondoError)) throw error;
    console.error(error.message);
    return code === exitCodes.done ? exitCodes.failed : code;
  }
  return reader.aborted ? exitCodes.unread : code;
}

const commandsIn = (command: Command): Command[] => [command, ...command.commands.flatMap(commandsIn)];

/** A signal that aborts when nobody reads what is written any more: `rondo … | head`, `rondo … 2>&1 | head`. */
function watchReader(): AbortSignal {
  const left = new AbortController();
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error) => {
      if (!("code" in error) || error.code !== "EPIPE") throw error;
      left.abort();
    });
  }
  return left.signal;
}

// Node 20 and 21 have relaxed SIMD behind a flag. Only a program may set flags for its whole process, never the library.
if (Number.parseInt(process.versions.node, 10) < 22) setFlagsFromString("--experimental-wasm-relaxed-simd");
process.exitCode = await main(process.argv);
