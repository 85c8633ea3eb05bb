import { cp, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { falseClaims, type Guide, plainlyStrict, readGuide, typeErrors } from "./guides.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const inDocs = (await readdir(join(root, "docs"), { recursive: true })).filter((name) =>
  name.endsWith(".md"),
);
const paths = ["README.md", ...inDocs.map((name) => `docs/${name}`)].sort();
const guides = new Map<string, Guide>();
for (const path of paths) guides.set(path, readGuide(await readFile(join(root, path), "utf8")));

/** The modules that a guide may import. */
const modules: Readonly<Record<string, () => Promise<object>>> = {
  rondo: () => import("rondo"),
  "rondo/data": () => import("rondo/data"),
  "rondo/layers": () => import("rondo/layers"),
  "rondo/report": () => import("rondo/report"),
  "rondo/vectors": () => import("rondo/vectors"),
  "node:events": () => import("node:events"),
  "node:fs/promises": () => import("node:fs/promises"),
  "node:http": () => import("node:http"),
};
const load = async (source: string) =>
  (await modules[source]?.()) ??
  Promise.reject(new Error(`"${source}" is not among the modules of this test`));

const fenced = (language: string, ...lines: string[]) => [`\`\`\`${language}`, ...lines, "```"];
const wrong = [
  "# Wrong",
  ...fenced("ts", 'import { layers } from "rondo";', "const units = 3;", "layers.dense({ units: 'three' });"),
  ...fenced("ts", "const units = 'several';", "layers.lstm({ unit: 3 });"),
  ...fenced("ts", "layers.dense({ units });"),
  ...fenced("js", "layers.dense({ units: 'not looked at' });"),
  ...fenced("ts", "// @ts-expect-error an error that is shown", "layers.dense({});"),
  ...fenced("ts", "// @ts-expect-error an error that there is not", "layers.dense({ units: 3 });"),
].join("\n");

describe("code in documents", () => {
  let errors = new Map<string, string[]>();
  beforeAll(() => {
    errors = typeErrors(root, new Map([...guides, ["wrong.md", readGuide(wrong)]]));
  }, 240_000);

  it("has types that fit", () => {
    const found = [...errors].filter(([path]) => path !== "wrong.md");
    expect(found.length).toBeGreaterThan(3);
    expect(found.flatMap(([path, list]) => list.map((error) => `${path}:${error}`))).toEqual([]);
  });

  it("has types that fit in a project that is strict and no more", { timeout: 240_000 }, () => {
    const found = typeErrors(root, guides, plainlyStrict);
    expect([...found].flatMap(([path, list]) => list.map((error) => `${path}:${error}`))).toEqual([]);
  });

  it("is refused where its types do not fit, by line", () => {
    expect(errors.get("wrong.md")).toEqual([
      "5: Type 'string' is not assignable to type 'number'.",
      expect.stringMatching(/^9: Object literal may only specify known properties/),
      "12: Type 'string' is not assignable to type 'number'.",
      "22: Unused '@ts-expect-error' directive.",
    ]);
  });
});

describe("links in documents", () => {
  it.each(paths)("lead to files and headings that there are: %s", async (path) => {
    const text = await readFile(join(root, path), "utf8");
    const links = [...text.matchAll(/\]\((?!https?:)([^)\s#]*)(?:#([^)\s]*))?\)/g)];
    const broken: string[] = [];
    for (const [link, file = "", heading] of links) {
      const target = file === "" ? path : join(dirname(path), file);
      const found = await readFile(join(root, target), "utf8").catch(() => undefined);
      const headings = [...(found ?? "").matchAll(/^#+ (.*)$/gm)].map(([, words = ""]) =>
        words
          .toLowerCase()
          .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
          .replaceAll(" ", "-"),
      );
      if (found === undefined || (heading !== undefined && !headings.includes(heading))) broken.push(link);
    }
    expect(broken).toEqual([]);
  });
});

describe("the index of documents", () => {
  it("leads to every page", async () => {
    const index = await readFile(join(root, "docs/README.md"), "utf8");
    const systems = await readFile(join(root, "docs/systems/README.md"), "utf8");
    const led = [...index.matchAll(/\]\(([^)#]+)/g), ...systems.matchAll(/\]\(([^)#]+)/g)].map(
      ([, to]) => to,
    );
    const pages = inDocs.map((name) => name.replace(/^systems\/(?!README)/, ""));
    expect(pages.filter((name) => name !== "README.md" && !led.includes(name))).toEqual([]);
  });
});

/** All but the README, whose code trains on MNIST and leaves data to its reader. */
const complete = [...guides].flatMap(([path, { blocks }]) =>
  path !== "README.md" && blocks.length > 0 ? [path] : [],
);

describe("guides that run", () => {
  it("are many", () => {
    expect(complete.length).toBeGreaterThan(25);
  });

  it.each(complete)("print what %s says", async (path) => {
    const guide = guides.get(path);
    if (guide === undefined) throw new Error(`${path} is not there`);
    const [before, folder] = [process.cwd(), await mkdtemp(join(tmpdir(), "rondo-docs-"))];
    const terminal = vi.spyOn(process.stdout, "write").mockReturnValue(true);
    await cp(fileURLToPath(new URL("files", import.meta.url)), folder, { recursive: true });
    process.chdir(folder);
    try {
      expect(await falseClaims(guide, load)).toEqual([]);
    } finally {
      process.chdir(before);
      terminal.mockRestore();
      await rm(folder, { recursive: true });
    }
  });

  it("are refused where they print something else", async () => {
    const text = [
      "# Wrong",
      ...fenced("ts", "const sizes: number[] = [1, 2];", "console.log(sizes); // [ 1, 2 ]"),
      ...fenced("ts", "console.log(sizes.length); // 3", "for (const n of sizes) console.log(n);"),
      "",
      ...fenced("text", "1", "2"),
      ...fenced("ts", "const more = 7;", "console.log(sizes[0], more);"),
      ...fenced("text", "1 8"),
    ].join("\n");
    expect(await falseClaims(readGuide(text), load)).toEqual(["7: 2", "20: 1 7"]);
  });
});
