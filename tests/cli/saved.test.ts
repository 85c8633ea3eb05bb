// What becomes of a run when its training is over: `rondo evaluate` and `rondo predict`.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunResult } from "../../src/recipe/index.js";
import { describeWith, nativeAddon } from "../machine.js";
import { type Outcome, run } from "./command.js";

const { version } = createRequire(import.meta.url)("../../package.json") as { version: string };
const top = mkdtempSync(join(tmpdir(), "rondo-saved-"));
/** The folder of a run, and what was printed when it was trained. */
const trained = join(top, "trained");
let training: Outcome;
const options = ["--units", "4", "--optimizers", "sgd,adam", "--epochs", "3", "--seed", "1"];
beforeAll(async () => {
  training = await run(["train", "regression", ...options, "--json", "--out", trained]);
});
afterAll(() => rmSync(top, { recursive: true }));

/** A copy of the run with a change in one of its files. */
function changed(name: string, file: string, change: (content: string) => string | Uint8Array): string {
  const folder = join(top, name);
  cpSync(trained, folder, { recursive: true });
  writeFileSync(join(folder, file), change(readFileSync(join(folder, file), "utf8")));
  return folder;
}

const answersIn = (out: string) =>
  out
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as { input: string; line: number; x: number; y: Record<string, number> });

/** What was said beside what is said where there is no addon. */
const errorsIn = (err: string) =>
  err.split("\n").filter((line) => line !== "" && !/using WebAssembly/.test(line));

describe("rondo evaluate", () => {
  it("prints the figures of the training, and that they are the same", async () => {
    expect(training.code).toBe(0);
    const { figures } = JSON.parse(training.out) as RunResult;
    const text = await run(["evaluate", trained, "--threads", "1"]);
    expect(text.code).toBe(0);
    expect(text.out).toMatch(
      /^Test error \S+, least squares error \S+\.\nThe same figures as after the training, to the bit\.\n$/,
    );
    const json = await run(["evaluate", "trained", "--json"], undefined, top);
    expect(json.code).toBe(0);
    expect(JSON.parse(json.out)).toMatchObject({
      recipe: "regression",
      folder: trained,
      figures,
      agreement: "same",
      training: { figures },
    });
  });

  it("fails where the figures are others, and says which", async () => {
    const folder = changed("others", "result.json", (text) => {
      const result = JSON.parse(text) as RunResult;
      return JSON.stringify({ ...result, figures: { ...result.figures, testError: 0.5 } });
    });
    const { code, out, err } = await run(["evaluate", folder]);
    expect(code).toBe(1);
    expect(out).toMatch(/^Test error \S+, least squares error \S+\.\n$/);
    expect(err).toMatch(
      /Not the figures of the training: test error \d\S+, after the training 0\.5\. The data/,
    );
  });

  it("names a file that is missing or damaged, and how to get it back", async () => {
    const cut = changed("cut", "adam.keras", (text) => text.slice(0, 1000));
    const { code, out, err } = await run(["evaluate", cut]);
    expect([code, out]).toEqual([1, ""]);
    expect(err).toContain(`run ${cut}: received a damaged adam.keras, which holds a trained model: `);
    expect(err).toContain(
      `rondo train regression --epochs 3 --batch-size 268 --learning-rate 0.001 --optimizers sgd,adam --rates keras2 --loss meanSquaredError --units 4 --seed 1 --out ${cut}.`,
    );
  });

  it("tells a run of another version, and still does what it can", async () => {
    const older = changed("older", "config.json", (text) => text.replace(`"${version}"`, '"0.0.1"'));
    const { code, err } = await run(["evaluate", older]);
    expect(code).toBe(0);
    expect(err).toContain(
      `${older} was trained by Rondo 0.0.1; this is ${version}, whose figures may differ.`,
    );
  });

  it("says so where it is given a recipe instead of a run", async () => {
    const { code, err } = await run(["evaluate", "bilstm"]);
    expect([code, errorsIn(err)]).toEqual([
      1,
      [
        "run bilstm: received the name of a recipe, expected the folder that a training wrote. Train it first: rondo train bilstm.",
      ],
    ]);
  });

  it.each([[["evaluate", "a", "--seed", "1"]], [["predict"]]])(
    "refuses the command line %j",
    async (args) => {
      const { code, err } = await run(args);
      expect([code, err]).toEqual([2, expect.stringContaining("error: ")]);
    },
  );
});

describe("rondo compare", () => {
  it("puts figures, settings that differ and curves of runs on one page", async () => {
    const other = join(top, "other");
    const wider = ["--units", "5", ...options.slice(2)];
    expect((await run(["train", "regression", ...wider, "--json", "--out", other])).code).toBe(0);
    const page = await run(["compare", trained, other, "--out", top]);
    expect([page.code, page.err]).toEqual([0, training.err]);
    const html = readFileSync(join(top, "compare.html"), "utf8");
    for (const text of ["Settings that differ", "units", "Learning curves", `${other}: sgd`])
      expect(html).toContain(text);
    const { runs } = JSON.parse((await run(["compare", trained, other, "--json"])).out) as {
      runs: { folder: string; figures: object; settings: object }[];
    };
    expect(runs.map(({ folder, settings }) => [folder, settings])).toEqual([
      [trained, { units: "4" }],
      [other, { units: "5" }],
    ]);
    expect(runs[0]?.figures).toEqual((JSON.parse(training.out) as RunResult).figures);
  });

  it.each([
    [[trained], "1 run"],
    [[trained, `${trained}/`], "twice"],
  ])("wants several runs, each once", async (runs, message) => {
    const { code, err } = await run(["compare", ...runs]);
    expect([code, errorsIn(err).length]).toEqual([2, 1]);
    expect(err).toContain(message);
  });

  it("says which file of a run is damaged", async () => {
    const bad = changed("bad-history", "history.json", () => '{"epoch": "many"}');
    const { code, err } = await run(["compare", trained, bad]);
    expect(code).toBe(1);
    expect(err).toContain("history.json");
  });
});

describeWith(nativeAddon, "rondo evaluate on another backend", () => {
  it("gives the figures but for rounding", async () => {
    const { code, out, err } = await run(["evaluate", trained, "--backend", "wasm", "--json"]);
    expect([code, err]).toEqual([0, ""]);
    expect(JSON.parse(out)).toMatchObject({
      agreement: expect.stringMatching(/^(same|rounding)$/) as string,
      backend: expect.stringMatching(/^wasm/) as string,
      training: { backend: expect.stringMatching(/^native/) as string },
    });
  });
});

describe("rondo predict", () => {
  it("reads files, packed or not, and standard input in the order in which they are given", async () => {
    const file = join(top, "numbers.txt");
    const packed = join(top, "packed.csv.gz");
    writeFileSync(file, "0.5\n");
    writeFileSync(packed, gzipSync("name,x\na,0.5\n"));
    const { code, out } = await run(["predict", trained, packed, "-", file], (child, out, err) => {
      if (out + err === "") child.stdin.end("0\n0.5\n");
    });
    expect(code).toBe(0);
    const answers = answersIn(out);
    expect(answers.map(({ input, line, x }) => [input, line, x])).toEqual([
      [packed, 2, 0.5],
      ["standard input", 1, 0],
      ["standard input", 2, 0.5],
      [file, 1, 0.5],
    ]);
    expect(answers[2]?.y).toEqual(answers[3]?.y);
    expect(answers[1]?.y).not.toEqual(answers[2]?.y);
    expect(Object.keys(answers[0]?.y ?? {})).toEqual(["sgd", "adam"]);
  });

  it("answers to each line before the next one is sent", async () => {
    let sent = 0;
    const { code, out } = await run(["predict", trained], (child, soFar) => {
      if (soFar.split("\n").length <= sent) return;
      sent++;
      if (sent <= 3) child.stdin.write(`0.${sent}\n`);
      else child.stdin.end();
    });
    expect(code).toBe(0);
    expect(answersIn(out).map(({ x }) => x)).toEqual([0.1, 0.2, 0.3]);
  });

  it("answers to what comes before a line that is wrong, and ends there, whatever is still to come", async () => {
    const { code, out, err } = await run(["predict", trained], (child, out, err) => {
      if (out + err === "") child.stdin.write("0.1\n0.2\nabc\n0.4\n");
    });
    expect(code).toBe(1);
    expect(answersIn(out).map(({ x }) => x)).toEqual([0.1, 0.2]);
    expect(errorsIn(err)).toEqual([
      expect.stringMatching(/^standard input, line 3: received "abc", expected a number\./),
    ]);
  });

  it("answers to nothing where one of the files is not there", async () => {
    const file = join(top, "some.txt");
    writeFileSync(file, "1\n");
    const { code, out, err } = await run(["predict", trained, file, "absent.txt"]);
    expect([code, out]).toEqual([1, ""]);
    expect(errorsIn(err)).toEqual([
      "read absent.txt: received no such file, expected a file, or a folder of files. Check the path.",
    ]);
  });

  it.each([
    ["while more comes", true],
    ["while nothing comes", false],
  ])("ends quietly where nobody reads any more, %s", async (_, more) => {
    const { code, err } = await run(["predict", trained], (child, out, err) => {
      child.stdin.on("error", () => undefined); // the command ends before it has read everything
      if (out + err === "") child.stdin.write("0.1\n");
      else {
        child.stdout.destroy();
        child.stdin.write("0.2\n".repeat(more ? 100_000 : 1));
      }
    });
    expect(errorsIn(err)).toEqual([]);
    expect(code).toBe(141);
  });

  it("goes through many lines", async () => {
    const { code, out } = await run(["predict", trained], (child, out, err) => {
      if (out + err === "")
        child.stdin.end(Array.from({ length: 20_000 }, (_, i) => `${i / 20_000}\n`).join(""));
    });
    expect(code).toBe(0);
    expect(answersIn(out).map(({ line }) => line)).toEqual(Array.from({ length: 20_000 }, (_, i) => i + 1));
  });

  it("says in its help what every recipe reads and gives, and what the exit codes mean", async () => {
    const { code, out } = await run(["predict", "--help"]);
    expect(code).toBe(0);
    const { recipes } = JSON.parse((await run(["list", "--json"])).out) as {
      recipes: { name: string; prediction: { reads: string; gives: string } }[];
    };
    expect(recipes.length).toBeGreaterThan(6);
    for (const { name, prediction } of recipes)
      expect(out).toMatch(
        new RegExp(
          `  (.*, )?${name}(, .*)?\n    Reads ${escaped(prediction.reads)}\\.\n    Gives ${escaped(prediction.gives)}\\.\n`,
        ),
      );
    expect(out).toContain("Exit codes: 0 done; 1 ");
    expect((await run(["evaluate", "--help"])).out).toContain("Exit codes: 0 where");
  });
});

const escaped = (text: string): string => text.replaceAll(/[$()*+.?[\\\]^{|}]/g, "\\$&");
