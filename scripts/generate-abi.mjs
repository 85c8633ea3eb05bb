// Writes src/plan/abi.ts and src/graph/instructions.ts from kernels/abi.def: `node scripts/generate-abi.mjs`.
import { readFileSync, writeFileSync } from "node:fs";
import { isProgram } from "./program.mjs";

const source = new URL("../kernels/abi.def", import.meta.url);
const target = new URL("../src/plan/abi.ts", import.meta.url);
const describedTarget = new URL("../src/graph/instructions.ts", import.meta.url);

/** From this opcode on, ops describe their instructions themselves, so that a bundle holds only those that it uses. */
const firstDescribed = 50;
/** How a field's name is marked in the list of an instruction's fields, by its kind. */
const marks = { i32: "", ptr: "*", f32: "~" };

/** The codes of abi.def by macro, and the name of each group in abi.ts. */
const groups = {
  DTYPE: "dtype",
  REDUCTION: "reduction",
  DISTRIBUTION: "distribution",
  CELL: "cell",
  ACTIVATION: "activation",
  STATUS: "status",
  LIMIT: "limit",
};

/** The texts of src/plan/abi.ts and src/graph/instructions.ts for a text of abi.def. */
export function generate(definitions) {
  const instructions = [];
  const described = [];
  const steps = [];
  const arities = [];
  const codes = new Map(Object.values(groups).map((group) => [group, []]));
  for (const line of definitions.split("\n")) {
    const macro = /^([A-Z_]+)\((\d+), (\w+)(?:, (.*))?\)$/.exec(line.replace(/\s*\/\/.*$/, ""));
    if (macro === null) continue;
    const [, kind, code, name, rest] = macro;
    if (kind === "RONDO_OP") {
      const fields = [...rest.matchAll(/FIELD\((\w+), (\w+)\)/g)]
        .map(([, type, field]) => marks[type] + field)
        .join(" ");
      // Where it breaks is the formatter's choice.
      const list = (indent) => {
        const line = `${indent}fields: "${fields}",\n`;
        return line.length > 111 ? `${indent}fields:\n${indent}  "${fields}",\n` : line;
      };
      if (Number(code) >= firstDescribed) {
        described.push(
          `\nexport const ${name} = {\n  name: "${name}",\n  opcode: ${code},\n${list("  ")}} as const;\n`,
        );
      } else {
        instructions.push(`  ${name}: {\n    opcode: ${code},\n${list("    ")}  },\n`);
      }
    } else if (kind === "MAP_OP") {
      steps.push(`  ${name}: ${code},\n`);
      arities.push(`  ${name}: ${rest},\n`);
    } else if (kind in groups) {
      codes.get(groups[kind]).push(`    ${name}: ${code},\n`);
    } else {
      throw new Error(`abi.def: unknown macro in "${line}"`);
    }
  }
  const groupTexts = [...codes].map(([group, lines]) => `  ${group}: {\n${lines.join("")}  },\n`);
  const origin =
    "// Written by scripts/generate-abi.mjs from kernels/abi.def. Change that file and run the script.\n\n";
  const abi = [
    origin,
    "/** The VM's instructions: opcode, and the fields in order; `*` marks a pointer, `~` a float. */\n",
    `export const abi = {\n${instructions.join("")}} as const;\n\n`,
    "/** The steps of the instruction `map`. */\n",
    `export const mapOp = {\n${steps.join("")}} as const;\n\n`,
    "/** How many registers each step reads. */\n",
    `export const mapArity = {\n${arities.join("")}} as const;\n\n`,
    "/** The codes that fields hold, and the limits. */\n",
    `export const codes = {\n${groupTexts.join("")}} as const;\n`,
  ].join("");
  const own =
    "/** The instructions that ops describe themselves (kind `described` in ir.ts), one by one. */\n";
  return { abi, described: `${origin}${own}${described.join("").slice(1)}` };
}

if (isProgram(import.meta.url)) {
  const { abi, described } = generate(readFileSync(source, "utf8"));
  writeFileSync(target, abi);
  writeFileSync(describedTarget, described);
}
