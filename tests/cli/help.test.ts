// What the command says of itself, and how it answers to what is misspelt.
import { describe, expect, it } from "vitest";
import type { Reached } from "../../src/recipe/index.js";
import { run } from "./command.js";

const commands = ["list", "train", "evaluate", "predict", "compare", "generate", "vectors", "doctor"];
const helped = [["--help"], ...commands.map((name) => [name, "--help"]), ["train", "bilstm-crf", "--help"]];
/** Options by their names, those of the text of a help. */
const options = (text: string) =>
  new Set([...text.matchAll(/^ +(?:-\w, )?--([a-z-]+)/gm)].map(([, name]) => name));

describe("the help of rondo", () => {
  it("names every command", async () => {
    const { out } = await run(["--help"]);
    expect([...out.matchAll(/^ {2}(\w+) (?:\[options\])/gm)].map(([, name]) => name).sort()).toEqual(
      [...commands].sort(),
    );
  });

  it.each(helped)("of %s %s has exit codes and examples, whose options there are", async (...args) => {
    const { code, out, err } = await run(args.filter((arg) => arg !== undefined));
    expect([code, err]).toEqual([0, ""]);
    expect(out).toMatch(/Exit codes: 0|With --as-in-source/);
    const [, ...examples] = out.slice(out.lastIndexOf("\nExample")).trim().split("\n");
    expect(examples.length).toBeGreaterThan(0);
    for (const example of examples) {
      expect(example).toMatch(/^ {2}/);
      const [, name = ""] = /\brondo (\w+)/.exec(example) ?? [];
      expect(commands).toContain(name);
      const own = args[0] === "train" ? out : (await run([name, "--help"])).out;
      const used = [...example.matchAll(/ --([a-z-]+)/g)].map(([, option]) => option);
      expect(used.filter((option) => !options(own).has(option) && option !== "help")).toEqual([]);
    }
  });
});

describe("what is misspelt", () => {
  it.each([
    [["trian"], "Did you mean train?"],
    [["list", "--jsn"], "Did you mean --json?"],
    [["train", "bilstn"], 'Did you mean "bilstm"?'],
    [["train", "bilstm", "--epoch", "1"], "Did you mean --epochs?"],
    [["train", "sentiment", "--lstm-size", "3"], "Did you mean --lstm-sizes?"],
    [["train", "sentiment", "--model", "bilstn"], "Did you mean bilstm?"],
    [["evaluate", "runs/first", "--jsom"], "Did you mean --json?"],
    [["predict", "runs/first", "--thread", "1"], "Did you mean --threads?"],
    [["compare", "a", "b", "--outt", "c"], "Did you mean --out?"],
    [["generate", "runs/first", "--temprature", "1"], "Did you mean --temperature?"],
    [["vectors", "a.txt", "--ouput", "b.txt"], "Did you mean --output?"],
    [["vectors", "a.txt", "--output", "b.txt", "--format", "txt"], "Allowed choices are text, binary."],
    [["doctor", "--backend"], "unknown option '--backend'"],
  ])("%j is answered with exit code 2 and what was meant", async (args, message) => {
    const { code, out, err } = await run(args);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain(message);
  });
});

describe("what the recipes have reached", () => {
  it("stands in the list and in their help, as text and as JSON", async () => {
    const { recipes } = JSON.parse((await run(["list", "--json"])).out) as {
      recipes: { name: string; reached: Reached[] }[];
    };
    const [first] = recipes.find(({ name }) => name === "forecast")?.reached ?? [];
    expect(first).toMatchObject({ recipe: "forecast", seeds: [0, 1, 2] });
    const said = `Reached: ${first?.mean}, ${first?.figure} (mean of seeds 0, 1, 2).`;
    for (const args of [["list"], ["train", "forecast", "--help"]])
      expect((await run(args)).out.replaceAll(/\s+/g, " ")).toContain(said);
  });
});
