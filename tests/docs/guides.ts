import { dirname, join } from "node:path";
import { formatWithOptions } from "node:util";
import ts from "typescript";

// The code in Markdown files as programs. A file is read like a notebook: its ```ts blocks, from top to bottom, are one
// module. Each block sees what those above it declare and import, and may declare a name anew. (Every block becomes a scope
// within the one before; imports move to the top.) Line n of the module is line n of the file.
//
// What a run prints is held against what the text says:
// - `console.log(…); // text` prints that text;
// - a ```text block right below a ```ts block is all that the block prints besides.

/** What the text says that a run prints. */
interface Claim {
  /** Line of the `console.log`, or of the first line of the ```text block; from 1. */
  readonly line: number;
  readonly said: string;
}

/** A ```ts block; lines count from 1. */
interface Block {
  /** Its fence. */
  readonly line: number;
  /** What single calls of `console.log` print. */
  readonly shown: readonly Claim[];
  /** What it prints besides. */
  readonly printed: Claim | undefined;
}

/** A Markdown file as a module of TypeScript. */
export interface Guide {
  readonly module: string;
  readonly blocks: readonly Block[];
}

/** The fenced blocks of a file: the line numbers of their fences, from 0. */
function fences(lines: readonly string[]): { language: string; begin: number; end: number }[] {
  const found: { language: string; begin: number; end: number }[] = [];
  for (let i = 0; i < lines.length; i++) {
    const [, fence, language] = /^(`{3,})(\w*)/.exec(lines[i] ?? "") ?? [];
    if (fence === undefined || language === undefined) continue;
    const begin = i++;
    while (i < lines.length && lines[i] !== fence) i++;
    found.push({ language, begin, end: i });
  }
  return found;
}

/** Takes the imports out of a block: into `imports`, the names by module, with blanks in their place. */
function withoutImports(code: string, imports: Map<string, Set<string>>): string {
  let rest = code;
  const file = ts.createSourceFile("block.ts", code, ts.ScriptTarget.ESNext);
  for (const statement of file.statements) {
    if (!ts.isImportDeclaration(statement) || !ts.isStringLiteral(statement.moduleSpecifier)) continue;
    const [begin, end] = [statement.getStart(file), statement.end];
    const { namedBindings: bindings, phaseModifier } = statement.importClause ?? {};
    if (bindings === undefined || !ts.isNamedImports(bindings))
      throw new Error(`a guide imports by name, unlike in ${code.slice(begin, end)}`);
    const type = phaseModifier === ts.SyntaxKind.TypeKeyword ? "type " : "";
    const { text: source } = statement.moduleSpecifier;
    const names = imports.get(source) ?? new Set();
    imports.set(source, names);
    for (const element of bindings.elements) names.add(type + element.getText(file));
    rest = rest.slice(0, begin) + code.slice(begin, end).replace(/[^\n]/g, " ") + rest.slice(end);
  }
  return rest;
}

/** Reads a Markdown file. */
export function readGuide(markdown: string): Guide {
  const lines = markdown.split("\n");
  const module = lines.map(() => "");
  const imports = new Map<string, Set<string>>();
  const blocks: Block[] = [];
  const found = fences(lines);
  for (const [i, { language, begin, end }] of found.entries()) {
    if (language !== "ts") continue;
    const code = lines.slice(begin + 1, end);
    module.splice(begin, code.length + 1, "{", ...withoutImports(code.join("\n"), imports).split("\n"));
    const next = found[i + 1];
    const follows =
      next?.language === "text" && lines.slice(end + 1, next.begin).every((line) => line.trim() === "");
    blocks.push({
      line: begin + 1,
      shown: code.flatMap((line, k) => {
        const [, said] = /^\s*console\.log\(.*\); \/\/ (.*)$/.exec(line) ?? [];
        return said === undefined ? [] : [{ line: begin + k + 2, said }];
      }),
      printed: follows
        ? { line: next.begin + 2, said: lines.slice(next.begin + 1, next.end).join("\n") }
        : undefined,
    });
  }
  const hoisted = [...imports].map(
    ([source, names]) => `import { ${[...names].join(", ")} } from "${source}";`,
  );
  module[0] = ["export {};", ...hoisted, module[0]].join(" ");
  module.push("}".repeat(blocks.length));
  return { module: module.join("\n"), blocks };
}

/** The settings of a project that is strict and no more: what a reader who pastes a guide has. */
export const plainlyStrict: ts.CompilerOptions = {
  exactOptionalPropertyTypes: false,
  noUncheckedIndexedAccess: false,
  noImplicitOverride: false,
  noPropertyAccessFromIndexSignature: false,
};

/** Files with the settings of the project, but for variables that an example declares and leaves to its reader. */
function settings(root: string): ts.CompilerOptions {
  const { config } = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile) as { config: object };
  const { options } = ts.parseJsonConfigFileContent({ ...config, files: [], include: [] }, ts.sys, root);
  return { ...options, noUnusedLocals: false, noUnusedParameters: false };
}

/**
 * The errors that TypeScript finds in guides, each as `line: message`.
 *
 * @param root folder of the project: its tsconfig.json says where the library is
 * @param guides by the paths of their files
 * @param other settings in the place of the project's
 */
export function typeErrors(
  root: string,
  guides: ReadonlyMap<string, Guide>,
  other: ts.CompilerOptions = {},
): Map<string, string[]> {
  const options = { ...settings(root), ...other };
  const host = ts.createCompilerHost(options);
  const modules = new Map([...guides].map(([path, { module }]) => [join(root, `${path}.ts`), module]));
  const folders = new Set([...modules.keys()].map(dirname));
  const { fileExists, readFile, directoryExists } = host;
  host.fileExists = (path) => modules.has(path) || fileExists(path);
  host.readFile = (path) => modules.get(path) ?? readFile(path);
  host.directoryExists = (path) => folders.has(path) || (directoryExists?.(path) ?? true);
  const getSourceFile = host.getSourceFile.bind(host);
  host.getSourceFile = (path, version, ...rest) => {
    const module = modules.get(path);
    return module === undefined
      ? getSourceFile(path, version, ...rest)
      : ts.createSourceFile(path, module, version);
  };
  const program = ts.createProgram([...modules.keys()], options, host);
  const errors = (path: string) => {
    const file = program.getSourceFile(join(root, `${path}.ts`));
    return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map(
      ({ start = 0, messageText }) => {
        const line = file === undefined ? 0 : file.getLineAndCharacterOfPosition(start).line + 1;
        return `${line}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`;
      },
    );
  };
  return new Map([...guides.keys()].map((path) => [path, errors(path)]));
}

/**
 * Runs a guide.
 *
 * @param load gives the modules that it imports
 * @returns what it prints otherwise than the text says, each as `line: …`
 */
export async function falseClaims(
  { module, blocks }: Guide,
  load: (source: string) => Promise<object>,
): Promise<string[]> {
  const printed = new Map<number, string[]>();
  let current = 0;
  const write = (line: number, ...values: unknown[]) => {
    const lines = printed.get(line) ?? [];
    printed.set(line, lines);
    lines.push(formatWithOptions({ colors: false }, ...values));
  };
  const lines = module.split("\n");
  for (const { line, shown } of blocks) {
    lines[line - 1] = `${lines[line - 1]} begin(${line});`;
    for (const claim of shown)
      lines[claim.line - 1] = (lines[claim.line - 1] ?? "").replace("console.log(", `show(${claim.line}, `);
  }
  const { outputText } = ts.transpileModule(lines.join("\n"), {
    compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2023 },
  });
  const sources = [...outputText.matchAll(/require\("([^"]+)"\)/g)].map(([, source = ""]) => source);
  const modules = new Map(await Promise.all(sources.map(async (s) => [s, await load(s)] as const)));
  const own = { log: console.log, warn: console.warn };
  console.log = console.warn = (...values: unknown[]) => write(current, ...values);
  try {
    const Program = Object.getPrototypeOf(falseClaims).constructor as new (
      ...texts: string[]
    ) => (...values: unknown[]) => Promise<void>;
    const run = new Program("require", "exports", "begin", "show", outputText);
    const begin = (line: number) => {
      current = line;
    };
    await run((source: string) => modules.get(source), {}, begin, write);
  } catch (cause) {
    throw new Error(`the block in line ${current} failed: ${String(cause)}`, { cause });
  } finally {
    Object.assign(console, own);
  }
  return blocks.flatMap(({ line, shown, printed: rest }) => {
    const wrong = (claim: Claim, given: readonly string[]) =>
      given.length > 0 && given.every((text) => text === claim.said)
        ? []
        : [`${claim.line}: ${given.join("\n") || "nothing"}`];
    const all = printed.get(line)?.join("\n");
    return [
      ...shown.flatMap((claim) => wrong(claim, printed.get(claim.line) ?? [])),
      ...(rest === undefined ? [] : wrong(rest, all === undefined ? [] : [all])),
    ];
  });
}
