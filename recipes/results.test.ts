import { readFile } from "node:fs/promises";
import { type Reached, reachedBy } from "rondo/recipe";
import { expect, it } from "vitest";
import { recipes } from "./index.js";
import { results } from "./results.js";

const page = new URL("../docs/results.md", import.meta.url);

const head = `# What the recipes reach

Figures of the recipes, each with the command that gives it; those on data sets need \`RONDO_DATA\` or their download. They were measured on a machine with two cores (Intel Xeon, AVX-512, Node 20) on 2026-11-28; the times are those of the trainings. The same seed gives the same figures, whatever the number of threads, on machines of the same instruction set.

What was to be reached is a bound for the mean over the seeds. \`rondo list\` shows these figures beside the recipes, and [systems/](systems/README.md) says what the tutorials are that the recipes follow. \`npx vitest run recipes/results.test.ts --update\` writes this table from \`recipes/results.ts\`.

`;
const columns = ["recipe", "command", "seeds", "figure", "mean", "spread", "to reach", "time"];

/** The pages of the recipes that do not have one of their own. */
const pages: Readonly<Record<string, string>> = { "word-lm": "char-lm" };

const row = (one: Reached): string => {
  const { recipe, seeds, figure, mean, spread = "–", goal = "–", time = "" } = one;
  const name = `[${recipe}](systems/${pages[recipe] ?? recipe}.md)`;
  return `| ${[name, `\`${reachedBy(one)}\``, seeds.join(" "), figure, mean, spread, goal, time].join(" | ")} |`;
};
const table = [`| ${columns.join(" | ")} |`, "|---|---|---|---|---:|---|---|---|", ...results.map(row)];

/** What stands in a row of the page, as recipes/results.ts has it. */
function asRecord(text: string): string {
  const [, command = "", seeds = "", figure, mean, spread, goal, time] = text
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim());
  const [, recipe, options] = /^`rondo train (\S+) ?(.*?) ?--seed N`$/.exec(command) ?? [];
  const record = { recipe, options, seeds: seeds.split(" ").map(Number), figure, mean, spread, goal, time };
  return JSON.stringify(record, (_, value: unknown) => (value === "" || value === "–" ? undefined : value));
}

it("the table in the documents is that of recipes/results.ts", async () => {
  const written = (await readFile(page, "utf8")).split("\n").filter((line) => line.startsWith("|"));
  const told = [
    "docs/results.md is written from recipes/results.ts: npx vitest run recipes/results.test.ts --update",
    ...table.filter((line) => !written.includes(line)).map((line) => `It lacks the row ${line}`),
    ...written
      .filter((line) => !table.includes(line))
      .map((line) => `A row of it is not there; what is to stay, add: ${asRecord(line)},`),
  ];
  await expect(`${head}${table.join("\n")}\n`, told.join("\n")).toMatchFileSnapshot("../docs/results.md");
});

it("names recipes that there are", () => {
  const names = recipes.map(({ name }) => name);
  expect(results.filter(({ recipe }) => !names.includes(recipe))).toEqual([]);
});
