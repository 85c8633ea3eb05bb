import { Command } from "commander";
import { describeDatasets } from "../datasets/index.js";
import { described, setsTable, table } from "./about.js";
import { type CommandContext, examples } from "./command.js";

/** `rondo list`. */
export const listCommand = ({ recipes, results }: CommandContext): Command =>
  new Command("list")
    .description(
      "the recipes, how long each trains, what it is measured by and has reached; the data sets, and how those come here that are not",
    )
    .option("--json", "as JSON")
    .addHelpText("after", "\nExit codes: 0 done, 2 for a wrong command line.")
    .addHelpText("after", examples("rondo list", "rondo list --json"))
    .action(({ json }: { json?: boolean }) => {
      const dataSets = describeDatasets();
      const all = recipes.map((recipe) => described(recipe, results));
      console.log(
        json === true
          ? JSON.stringify({ recipes: all, dataSets })
          : `Recipes:\n${table(recipes, results)}\n\nData sets:\n${setsTable(dataSets)}`,
      );
    });
