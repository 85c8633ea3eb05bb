import { readFile } from "node:fs/promises";
import { flagOf, goalsText } from "rondo/recipe";
import { describe, expect, it } from "vitest";
import { recipes } from "../../recipes/index.js";

/** The recipes that share a page. */
const shared: Readonly<Record<string, string>> = { "word-lm": "char-lm" };
const read = (name: string) => readFile(new URL(`../../docs/systems/${name}.md`, import.meta.url), "utf8");

describe("the pages of the systems", () => {
  it.each(recipes)("$name has one, with its source, its commands and the figure to reach", async (recipe) => {
    const { name, goal, source, options = {} } = recipe;
    const text = await read(shared[name] ?? name);
    const all = [
      `npx rondo train ${name}`,
      `npx rondo train ${name} --as-in-source`,
      ...Object.keys(options).map((own) => `--${flagOf(own)} `),
      ...(source.address === undefined ? [] : [source.address]),
      "To reach: ",
      goalsText(goal),
      "](../results.md)",
      "**The report**",
    ];
    expect(all.filter((part) => !text.includes(part))).toEqual([]);
  });

  it("are listed", async () => {
    const text = await read("README");
    const names = recipes.map(({ name }) => name).filter((name) => !(name in shared));
    expect(names.filter((name) => !text.includes(`[${name}](${name}.md)`))).toEqual([]);
  });
});
