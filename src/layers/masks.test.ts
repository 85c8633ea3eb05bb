import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import type { Definition, MaskRule } from "./component.js";
import { componentClasses } from "./index.js";
import { Layer } from "./layer.js";

const words: Readonly<Record<MaskRule, string>> = {
  carries: "carries it",
  makes: "makes one",
  consumes: "consumes it",
  drops: "drops it, as Keras does",
};

const page = new URL("../../docs/masks.md", import.meta.url);
const heading = "| layer | mask | |";

it("the table in the documents says of every layer what its definition says", async () => {
  const rows = Object.entries(componentClasses)
    .filter(([, made]) => made.prototype instanceof Layer && made.definition.className !== "InputLayer")
    .map(([name, { definition }]) => {
      const { masks, maskNote = "" }: Definition<object & Record<string, never>> = definition as never;
      return `| ${name} | ${words[masks ?? "carries"]} | ${maskNote} |`;
    });
  const [before = ""] = (await readFile(page, "utf8")).split(heading);
  const table = [heading, "|---|---|---|", ...rows.sort()].join("\n");
  await expect(`${before}${table}\n`).toMatchFileSnapshot("../../docs/masks.md");
});
