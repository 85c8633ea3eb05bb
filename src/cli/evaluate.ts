import { resolve } from "node:path";
import { Command } from "commander";
import { compared, figuresText } from "../recipe/index.js";
import {
  addBackendFlags,
  argument,
  type BackendFlags,
  type CommandContext,
  examples,
  exitCodes,
  folder,
  onBackend,
} from "./command.js";
import { storedRun } from "./saved.js";

interface EvaluateFlags extends BackendFlags {
  readonly data?: string;
  readonly json?: boolean;
}

/** `rondo evaluate <run>`. */
export function evaluateCommand(context: CommandContext): Command {
  const command = new Command("evaluate")
    .description("measures the model of a run as its training did, and says whether the figures are the same")
    .argument("<run>", "the folder that rondo train wrote", argument(folder))
    .option(
      "--data <folder>",
      "folder of the data set's files (default: where they were for the training)",
      argument(folder),
    );
  return addBackendFlags(command)
    .option("--json", "one line of JSON instead of text")
    .addHelpText(
      "after",
      "\nExit codes: 0 where the figures are those of the training, to the bit or, computed by another instruction set,\nbut for rounding; 1 where they are others or cannot be had; 2 for a wrong command line.",
    )
    .addHelpText(
      "after",
      examples(
        "rondo evaluate runs/first",
        "rondo evaluate runs/first --data ~/mnist --backend wasm",
        "rondo evaluate runs/first --json",
      ),
    )
    .action((run: string, flags: EvaluateFlags) => evaluate(run, flags, context));
}

async function evaluate(path: string, flags: EvaluateFlags, context: CommandContext): Promise<void> {
  const data = flags.data === undefined ? undefined : resolve(flags.data);
  const run = await storedRun(path, context, data);
  const training = await run.result();
  await onBackend(flags, async (backend) => {
    const findings = await run.recipe.evaluate(await run.load({ backend, signal: context.reader }));
    const { agreement, figures, text } = compared(findings, backend.name, training);
    if (flags.json === true) {
      const { name: recipe } = run.recipe;
      console.log(
        JSON.stringify({
          recipe,
          folder: resolve(path),
          backend: backend.name,
          figures,
          agreement,
          training,
        }),
      );
    } else {
      console.log(`${figuresText(figures)}.`);
      if (agreement !== "different") console.log(text);
    }
    if (agreement !== "different") return;
    console.error(text);
    context.end(exitCodes.failed);
  });
}
