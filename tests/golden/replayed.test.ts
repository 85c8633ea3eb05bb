import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { expect, it } from "vitest";
import { goldenGroups } from "./load.js";

const folder = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Test files, but for those beside the goldens, which look at their form. */
const tests = ["../../tests/", "../../src/"].flatMap((root) =>
  readdirSync(folder(root), { recursive: true, encoding: "utf8" })
    .filter((name) => /[.](test|contract)[.]ts$/.test(name) && !name.startsWith("golden"))
    .map((name) => folder(root) + name)
    .filter((name) => readFileSync(name, "utf8").includes("loadGolden(")),
);

/** The groups that tests replay: what the types say that `loadGolden` is called with. Any group is none. */
function replayed(): Set<string> {
  const { config } = ts.readConfigFile(folder("../../tsconfig.json"), ts.sys.readFile);
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, folder("../../"));
  const program = ts.createProgram(tests, options);
  const checker = program.getTypeChecker();
  const groups = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && node.expression.getText() === "loadGolden") {
      const types = node.arguments
        .map((argument) => checker.getTypeAtLocation(argument))
        .flatMap((type) => (type.isUnion() ? type.types : [type]));
      if (types.length < goldenGroups.length)
        for (const type of types) if (type.isStringLiteral()) groups.add(type.value);
    }
    ts.forEachChild(node, visit);
  };
  for (const file of program.getSourceFiles())
    if (tests.includes(file.fileName)) ts.forEachChild(file, visit);
  return groups;
}

it("every group on disk is known, and replayed by a test", { timeout: 120_000 }, () => {
  const onDisk = readdirSync(folder(".")).flatMap((name) =>
    name.endsWith(".json") ? [name.slice(0, -5)] : [],
  );
  expect([...goldenGroups].sort()).toEqual(onDisk.sort());
  const found = replayed();
  expect(onDisk.filter((group) => !found.has(group))).toEqual([]);
});
