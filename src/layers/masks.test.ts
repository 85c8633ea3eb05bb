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

const head = `# What layers do with a mask

A mask says which time steps count. \`masking\` makes one; the values between layers carry it; losses and metrics leave out
what does not count.

Whatever a layer does with a mask, values at steps that do not count, NaN and ∞ included, change neither a value at a step
that counts nor the gradient of a weight. (A layer that drops the mask makes all steps count.)

- **carries it**: the output has the mask of the input.
- **consumes it**: only steps that count take part, and the output has none.
- **drops it**: all steps count from here on. The layer says so, once.

Where a note does not say otherwise, Keras does the same. \`npx vitest run src/layers/masks.test.ts --update\` writes this table from the
definitions of the layers.

`;

it("the table in the documents says of every layer what its definition says", async () => {
  const rows = Object.entries(componentClasses)
    .filter(([, made]) => made.prototype instanceof Layer && made.definition.className !== "InputLayer")
    .map(([name, { definition }]) => {
      const { masks, maskNote = "" }: Definition<object & Record<string, never>> = definition as never;
      return `| ${name} | ${words[masks ?? "carries"]} | ${maskNote} |`;
    });
  const table = ["| layer | mask | |", "|---|---|---|", ...rows.sort()].join("\n");
  await expect(`${head}${table}\n`).toMatchFileSnapshot("../../docs/masks.md");
});
